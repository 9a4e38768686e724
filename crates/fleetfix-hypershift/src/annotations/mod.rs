//! Writes to one HostedCluster as JSON Patch (RFC 6902): the annotations that name images, and
//! `spec.controlPlaneRelease`. Each write is optimistic: it tests the release, the control-plane
//! release and the old value first, and comes with its inverse.
//!
//! None of these is keyed by version: what is written stays in place after the customer's upgrade.
//! So nothing is written unless somebody accepted that by name, and the inverse is at hand.
//!
//! A `test` for `null` holds where nothing is there: the library of the Kubernetes API server takes
//! an absent member for null (gopkg.in/evanphx/json-patch.v4 `Patch.test`).

mod cluster;
pub mod own;
#[cfg(test)]
mod tests;

use fleetfix_model::document::delivery::DeliveryMethod;
use fleetfix_model::document::finding::Waiver;
use fleetfix_model::name::{ComponentTag, FindingId};
use fleetfix_model::{Digest, HostedPlatform, Minor, Reference, Version};
use serde_json::{Value, json};

use crate::Error;
use crate::catalogue::HYPERSHIFT;
use crate::finding::word;

pub use cluster::HostedCluster;

/// The annotation that names the image of the control plane operator
/// (`api/hypershift/v1beta1/hostedcluster_types.go`).
pub const CPO_IMAGE: &str = "hypershift.openshift.io/control-plane-operator-image";
/// The annotation that names images of other components, `tag=image,tag=image`.
pub const IMAGE_OVERRIDES: &str = "hypershift.openshift.io/image-overrides";

/// The first operator that takes the flag of an annotation away when the annotation goes
/// (OCPBUGS-65879, commit e47466a0be).
const REMOVES_FLAGS: (u64, u64, u64) = (0, 1, 74);

/// What a fix brings to one cluster.
#[derive(Clone, Copy, Debug)]
pub struct Fix<'a> {
    /// The payload tag.
    pub component: &'a ComponentTag,
    /// How it gets there.
    pub method: DeliveryMethod,
    /// The patched image, or the patched release.
    pub image: &'a Reference,
    /// What it was made from: what the cluster must run now, if an annotation says what it runs.
    pub base: &'a Reference,
    /// Who accepted that it survives the customer's upgrade; see [`survives_upgrade`].
    pub waiver: Option<&'a Waiver>,
}

/// What is known of the place that is written to.
#[derive(Clone, Copy, Debug, Default)]
pub struct Place<'a> {
    /// Version of the HyperShift operator there.
    pub operator: Option<&'a Version>,
    /// True if the patch is handed to whoever owns the object.
    pub for_owner: bool,
    /// Images that may be replaced although nothing shows that their fixes are in the new one.
    pub replaces: &'a [String],
}

/// A write, and how to take it back.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Patch {
    /// JSON Patch. Empty: it is so already.
    pub patch: Vec<Value>,
    /// JSON Patch that takes it back. Good until the cluster's release changes: after that the
    /// annotation must go all the same, and must be looked at anew.
    pub inverse: Vec<Value>,
    /// What a person should know first.
    pub warnings: Vec<String>,
}

/// The finding that somebody must have waived: a delivery that is not keyed by version.
pub fn survives_upgrade(platform: HostedPlatform, minor: Minor) -> Option<FindingId> {
    format!("delivery/{}/{minor}/survives-upgrade", word(platform)).parse().ok()
}

/// The patch that brings `fix` to `cluster`.
pub fn patch(cluster: &HostedCluster, fix: Fix<'_>, place: Place<'_>) -> Result<Patch, Error> {
    let refuse = |why: String| Error::NotToBeWritten { cluster: cluster.name().to_owned(), why };
    let version = cluster.version().map_err(refuse)?;
    let minor = version.minor();
    let mut warnings = Vec::new();
    let Some(waiver) = fix.waiver else {
        return Err(refuse(format!(
            "{} keeps the old image in place after the customer's upgrade from {version}, and nobody accepted that [have `delivery/{}/{minor}/survives-upgrade` waived in the request, and take it away with the upgrade]",
            fix.method,
            word(cluster.platform()),
        )));
    };
    warnings.push(format!(
        "it keeps this image in place after an upgrade from {version}: take it away in the same write as the upgrade (accepted by {}: {})",
        waiver.by, waiver.reason
    ));
    if let Some(until) = cluster.paused_until() {
        warnings.push(format!("the cluster is paused until {until}: nothing happens before"));
    }
    let write = match fix.method {
        DeliveryMethod::ImageOverrides => overrides(cluster, fix, place).map_err(refuse)?,
        DeliveryMethod::ControlPlaneOperatorImage => {
            operator(cluster, fix, place).map_err(refuse)?
        }
        DeliveryMethod::ControlPlaneRelease => release(cluster, fix, place).map_err(refuse)?,
        DeliveryMethod::OverridesYaml => {
            return Err(refuse(
                "overrides.yaml is no annotation [use `fleetfix render overrides`]".to_owned(),
            ));
        }
    };
    if let Some(owner) = cluster.owner(write.annotation).filter(|_| !place.for_owner) {
        return Err(refuse(format!(
            "{owner} writes this object, and would undo a write from elsewhere [hand the patch to the owner: --for-owner]"
        )));
    }
    warnings.extend(write.warnings);
    Ok(Patch {
        patch: guarded(cluster, write.there, None),
        inverse: write.back.map_or_else(Vec::new, |back| {
            guarded(cluster, Some(back), write.release_after.as_ref())
        }),
        warnings,
    })
}

/// Tests and one change of one value.
#[derive(Debug)]
struct Step {
    path: String,
    old: Option<Value>,
    new: Option<Value>,
}

/// What is written, how it is taken back, and what is said about it.
#[derive(Debug, Default)]
struct Write {
    /// The annotation, if it is one.
    annotation: Option<&'static str>,
    there: Option<Step>,
    back: Option<Step>,
    /// The control-plane release that the inverse tests for, where the write changes it.
    release_after: Option<Value>,
    warnings: Vec<String>,
}

fn overrides(cluster: &HostedCluster, fix: Fix<'_>, place: Place<'_>) -> Result<Write, String> {
    let tag = fix.component.as_str();
    if tag == HYPERSHIFT {
        return Err(format!(
            "image-overrides: {HYPERSHIFT}=... is ignored without a word [deliver by overridesYaml or controlPlaneOperatorImage]"
        ));
    }
    if let Some(name) = own::of(tag).find(|name| cluster.annotation(name).is_some()) {
        return Err(format!(
            "the annotation {name} beats image-overrides for `{tag}` [change that one]"
        ));
    }
    let old = cluster.annotation(IMAGE_OVERRIDES);
    let mut pairs = pairs(old.unwrap_or_default())?;
    let image = fix.image.to_string();
    let before = pairs.insert(tag.to_owned(), image.clone());
    if before.as_deref() == Some(&image) {
        return Ok(Write { annotation: Some(IMAGE_OVERRIDES), ..Write::default() });
    }
    if let Some(before) = &before {
        may_replace(before, fix.base, place)?;
    }
    let new = spelled(&pairs);
    let mut warnings = Vec::new();
    // What is taken back: what stood there before, or, where the operator would leave the flag, the
    // image that runs without it.
    let back = match place.operator {
        Some(operator) if old.is_none() && !removes_flags(operator) => {
            warnings.push(format!(
                "operator {operator} leaves the flag when the annotation goes: the inverse names {} instead",
                fix.base
            ));
            pairs.insert(tag.to_owned(), fix.base.to_string());
            Some(spelled(&pairs))
        }
        None if old.is_none() => {
            warnings.push(
                "an operator before 0.1.74 leaves the flag when the annotation goes: look at the pods after taking it back [--operator-version]"
                    .to_owned(),
            );
            None
        }
        _ => old.map(str::to_owned),
    };
    Ok(annotated(cluster, IMAGE_OVERRIDES, old, &new, back, warnings))
}

fn operator(cluster: &HostedCluster, fix: Fix<'_>, place: Place<'_>) -> Result<Write, String> {
    if fix.component.as_str() != HYPERSHIFT {
        return Err(format!(
            "the annotation control-plane-operator-image carries the image of `{HYPERSHIFT}`, not of `{}` [deliver by imageOverrides]",
            fix.component
        ));
    }
    let old = cluster.annotation(CPO_IMAGE);
    let new = fix.image.to_string();
    let mut warnings = Vec::new();
    match old {
        Some(old) if old == new => {
            return Ok(Write { annotation: Some(CPO_IMAGE), ..Write::default() });
        }
        Some("") => return Err("the annotation is empty, and the operator takes that for an image [delete its key first]".to_owned()),
        Some(old) => may_replace(old, fix.base, place)?,
        None => warnings.push(
            "the annotation hides every entry of overrides.yaml from this cluster until it is deleted"
                .to_owned(),
        ),
    }
    let back = old.map(str::to_owned);
    Ok(annotated(cluster, CPO_IMAGE, old, &new, back, warnings))
}

fn release(cluster: &HostedCluster, fix: Fix<'_>, place: Place<'_>) -> Result<Write, String> {
    let old = cluster.control_plane_release();
    let new = fix.image.to_string();
    if old == Some(new.as_str()) {
        return Ok(Write::default());
    }
    if let Some(old) = old {
        may_replace(old, fix.base, place)?;
    }
    let value = |image: &str| json!({ "image": image });
    let path = "/spec/controlPlaneRelease".to_owned();
    let (before, after) = (old.map(value), value(&new));
    let warnings = [
        "every control-plane pod restarts: the release stands in each pod template",
        "the control plane stays on this release while spec.release moves: take it away in the same write as the upgrade",
        "the Upgradeable=False gate is bypassed: the operator takes it for a forced upgrade",
        "status.controlPlaneVersion may say Completed early: the operator compares versions, not images; look at the pods",
    ];
    Ok(Write {
        annotation: None,
        there: Some(Step { path: path.clone(), old: before.clone(), new: Some(after.clone()) }),
        back: Some(Step { path, old: Some(after.clone()), new: before }),
        release_after: Some(after),
        warnings: warnings.map(str::to_owned).to_vec(),
    })
}

/// An annotation set from `old` to `new`, and from `new` to `back`.
fn annotated(
    cluster: &HostedCluster,
    name: &'static str,
    old: Option<&str>,
    new: &str,
    back: Option<String>,
    warnings: Vec<String>,
) -> Write {
    // RFC 6901, section 3: `~1` stands for `/`.
    let path = format!("/metadata/annotations/{}", name.replace('~', "~0").replace('/', "~1"));
    let there = if cluster.has_annotations() {
        Step { path: path.clone(), old: old.map(Value::from), new: Some(new.into()) }
    } else {
        let all = json!({ name: new });
        Step { path: "/metadata/annotations".to_owned(), old: None, new: Some(all) }
    };
    let back = Step { path, old: Some(new.into()), new: back.map(Value::from) };
    let (there, back) = (Some(there), Some(back));
    Write { annotation: Some(name), there, back, release_after: None, warnings }
}

/// What must hold, then the change. `control_plane` is the control-plane release to test for, where
/// it is not the cluster's.
fn guarded(
    cluster: &HostedCluster,
    step: Option<Step>,
    control_plane: Option<&Value>,
) -> Vec<Value> {
    let Some(Step { path, old, new }) = step else { return Vec::new() };
    let test = |path: &str, value: Value| json!({"op": "test", "path": path, "value": value});
    let current = cluster.control_plane_release().map(|image| json!({ "image": image }));
    let control_plane = control_plane.cloned().or(current).unwrap_or(Value::Null);
    let mut operations = vec![
        test("/spec/release/image", cluster.release().into()),
        test("/spec/controlPlaneRelease", control_plane),
    ];
    if path != "/spec/controlPlaneRelease" {
        operations.push(test(&path, old.clone().unwrap_or(Value::Null)));
    }
    operations.push(match (old, new) {
        (Some(_), Some(new)) => json!({"op": "replace", "path": path, "value": new}),
        (None, Some(new)) => json!({"op": "add", "path": path, "value": new}),
        (_, None) => json!({"op": "remove", "path": path}),
    });
    operations
}

/// Only what the fix was made from, or what a person named, is replaced.
fn may_replace(now: &str, base: &Reference, place: Place<'_>) -> Result<(), String> {
    let digest = |image: &str| -> Option<Digest> { image.parse::<Reference>().ok()?.digest };
    if digest(now).is_some_and(|now| Some(now) == base.digest)
        || place.replaces.iter().any(|image| image == now)
    {
        return Ok(());
    }
    let shown: String = now.chars().take(300).collect();
    Err(format!(
        "it runs {shown}, and the fix was made from {base}: fixes could be lost [plan again with --clusters FILE; or, if its fixes are in the new image, pass --replaces {shown}]"
    ))
}

type Pairs = std::collections::BTreeMap<String, String>;

/// The pairs of `image-overrides`, each a tag and an image; `Err` is an entry that is none. The control
/// plane operator of 4.14 to 4.21 ends on such a one, that of 4.22 skips it.
pub fn entries(text: &str) -> impl Iterator<Item = Result<(&str, &str), &str>> {
    text.split(',').filter(|_| !text.is_empty()).map(|pair| {
        pair.split_once('=')
            .filter(|(tag, image)| !tag.trim().is_empty() && !image.trim().is_empty())
            .ok_or(pair)
    })
}

fn pairs(text: &str) -> Result<Pairs, String> {
    let mut pairs = Pairs::new();
    for entry in entries(text) {
        let (tag, image) = entry.map_err(|pair| {
            let shown: String = pair.chars().take(200).collect();
            format!("image-overrides has `{shown}`, which is no `tag=image` [mend it first]")
        })?;
        if pairs.insert(tag.to_owned(), image.to_owned()).is_some() {
            return Err(format!("image-overrides names `{tag}` twice [remove one first]"));
        }
    }
    Ok(pairs)
}

/// Sorted by tag: another order restarts pods.
fn spelled(pairs: &Pairs) -> String {
    let pairs: Vec<String> = pairs.iter().map(|(tag, image)| format!("{tag}={image}")).collect();
    pairs.join(",")
}

fn removes_flags(operator: &Version) -> bool {
    let minor = operator.minor();
    (minor.major, minor.minor, operator.patch()) >= REMOVES_FLAGS
}
