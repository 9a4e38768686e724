//! By which way does the image reach the control planes.
//!
//! | component | way | keyed by version |
//! |---|---|---|
//! | `hypershift` on AWS and Azure | `overrides.yaml` of the HyperShift operator | yes |
//! | `hypershift` elsewhere | annotation `control-plane-operator-image` | no |
//! | any other that runs on the management cluster only | annotation `image-overrides` | no |
//! | one that is shared with customer nodes | `spec.controlPlaneRelease` | no |
//! | one of customer nodes or their configuration | none | |
//!
//! What is not keyed by version keeps the old image in place after the customer's upgrade
//! (`support/util/util.go`, `GetControlPlaneOperatorImage`;
//! `v2/controlplaneoperator/deployment.go`): that finding blocks.

use fleetfix_model::document::delivery::{ComponentClass, Delivery, DeliveryMethod, DeliveryScope};
use fleetfix_model::document::finding::{Finding, FindingLevel};
use fleetfix_model::document::rollout::{Rollout, Selector, Targets};
use fleetfix_model::name::{ComponentTag, FindingId};
use fleetfix_model::{HostedPlatform, Minor, Version};

use crate::Error;
use crate::annotations::own;
use crate::catalogue::HYPERSHIFT;
use crate::finding::{finding, refusal, word};

/// Where a delivery is to be chosen.
#[derive(Clone, Copy, Debug)]
pub struct Place<'a> {
    /// The payload tag.
    pub tag: &'a ComponentTag,
    /// Its class.
    pub class: ComponentClass,
    /// Platform.
    pub platform: HostedPlatform,
    /// Release line.
    pub minor: Minor,
}

/// The delivery for one platform and release line, and what is wrong with it. There is none for what
/// only customer nodes run.
pub fn choose(
    place: Place<'_>,
    preferred: Option<DeliveryMethod>,
) -> Result<(Option<Delivery>, Vec<Finding>), Error> {
    let name = |what: &str| format!("delivery/{}/{}/{what}", word(place.platform), place.minor);
    let mut findings = Vec::new();
    let (method, reason) = match (preferred, safest(place)) {
        (Some(method), _) => (method, "the request names it".to_owned()),
        (None, Some((method, reason))) => (method, reason.to_owned()),
        (None, None) => {
            let message = format!(
                "`{}` on {} {} runs on customer nodes or configures them: no override reaches it without touching them; it needs a release",
                place.tag, place.platform, place.minor
            );
            findings.push(refusal(&name("none"), message)?);
            return Ok((None, findings));
        }
    };
    if let Some(why) = has_no_effect(place, method) {
        findings.push(refusal(&name("no-effect"), why)?);
    }
    if !method.ends_with_upgrade() {
        let message = format!(
            "{} is not keyed by version: after the customer's upgrade from {} it keeps the old image in place; have somebody waive this who takes it away in the write that upgrades, or wait for a release",
            spelled(method),
            place.minor
        );
        findings.push(finding(FindingLevel::Blocking, &name("survives-upgrade"), message)?);
    }
    if method == DeliveryMethod::ControlPlaneRelease {
        let message = "controlPlaneRelease pins the control plane while spec.release moves, restarts every control-plane pod, bypasses the Upgradeable gate, and may be called Completed early for a payload of the same version";
        findings.push(finding(FindingLevel::Warning, &name("pins"), message)?);
    }
    if let Some(why) = is_beaten(place, method) {
        findings.push(finding(FindingLevel::Warning, &name("beaten"), why)?);
    }
    findings.push(finding(FindingLevel::Info, &name("rollout"), rollout(method))?);
    let scope = match method {
        DeliveryMethod::OverridesYaml => DeliveryScope::Version,
        DeliveryMethod::ControlPlaneOperatorImage
        | DeliveryMethod::ImageOverrides
        | DeliveryMethod::ControlPlaneRelease => DeliveryScope::Cluster,
    };
    let delivery = Delivery {
        platform: place.platform,
        minor: place.minor,
        method,
        scope,
        ends_with_upgrade: method.ends_with_upgrade(),
        reason,
    };
    Ok((Some(delivery), findings))
}

/// What a request wants of the rollout and `overrides.yaml` cannot give: every matching cluster of an
/// operator rolls at once, with the release of the operator.
pub fn judge_rollout(
    delivery: &Delivery,
    rollout: Option<&Rollout>,
    targets: Option<&Targets>,
) -> Result<Vec<Finding>, Error> {
    if delivery.method != DeliveryMethod::OverridesYaml {
        return Ok(Vec::new());
    }
    let mut findings = Vec::new();
    let mut cannot = |what: &str, wanted: &str| -> Result<(), Error> {
        let (platform, minor) = (delivery.platform, delivery.minor);
        let message = format!(
            "the request wants {wanted}, and overrides.yaml on {platform} {minor} reaches every matching cluster of a HyperShift operator at once, with the operator's release: leave that away, deliver to single clusters, or have somebody accept that it is not kept"
        );
        let path = format!("delivery/{}/{minor}/{what}", word(platform));
        findings.push(finding(FindingLevel::Blocking, &path, message)?);
        Ok(())
    };
    if let Some(rollout) = rollout {
        if rollout.waves.len() > 1 || rollout.waves.iter().any(|wave| wave.percent < 100) {
            cannot("waves", "the fix to arrive in waves")?;
        }
        if rollout.max_parallel.is_some() {
            cannot("max-parallel", "few clusters of a management cluster to roll at a time")?;
        }
    }
    if targets.is_some_and(|targets| Reach::of(targets, delivery.platform) == Reach::Some) {
        cannot(TARGETS, "some clusters to be left out")?;
    }
    Ok(findings)
}

/// Last part of the name of the finding about targets that overrides.yaml cannot keep.
const TARGETS: &str = "targets";

/// The finding that somebody must have waived where an entry reaches clusters that are not meant.
pub fn targets_not_kept(platform: HostedPlatform, minor: Minor) -> Option<FindingId> {
    format!("delivery/{}/{minor}/{TARGETS}", word(platform)).parse().ok()
}

/// Which clusters of a platform are meant. An entry of `overrides.yaml` knows platform and version and
/// nothing else of a cluster.
#[derive(Clone, Copy, Debug, Eq, Ord, PartialEq, PartialOrd)]
pub enum Reach {
    /// None of them.
    None,
    /// Some, by what an entry does not know of them.
    Some,
    /// All of them.
    All,
}

impl Reach {
    /// Which clusters of a version are meant as well; no targets: all.
    pub fn at(targets: Option<&Targets>, platform: HostedPlatform, version: &Version) -> Self {
        let Some(targets) = targets else { return Self::All };
        // The control plane operator is of the release that the control plane is on.
        match &targets.min_control_plane_operator {
            Some(min) if version < min => Self::None,
            _ => Self::of(targets, platform),
        }
    }

    /// What the selectors mean on a platform.
    pub fn of(targets: &Targets, platform: HostedPlatform) -> Self {
        let any = |selectors: &[Selector]| {
            selectors.iter().map(|s| Self::selected(s, platform)).max().unwrap_or(Self::None)
        };
        let included = if targets.include.is_empty() { Self::All } else { any(&targets.include) };
        match (included, any(&targets.exclude)) {
            (Self::None, _) | (_, Self::All) => Self::None,
            (included, Self::None) => included,
            (Self::Some | Self::All, Self::Some) => Self::Some,
        }
    }

    fn selected(selector: &Selector, on: HostedPlatform) -> Self {
        let Selector { platform, region, management_cluster, cluster_id, label } = selector;
        if platform.is_some_and(|platform| platform != on) {
            return Self::None;
        }
        let more = [region, management_cluster, cluster_id, label];
        if more.iter().any(|field| field.is_some()) { Self::Some } else { Self::All }
    }
}

/// The way with the least reach, and why it is that.
fn safest(place: Place<'_>) -> Option<(DeliveryMethod, &'static str)> {
    if place.tag.as_str() == HYPERSHIFT {
        return Some(if has_overrides(place.platform) {
            (
                DeliveryMethod::OverridesYaml,
                "keyed by platform and exact version, so that it ends with the customer's upgrade",
            )
        } else {
            (
                DeliveryMethod::ControlPlaneOperatorImage,
                "overrides.yaml has no entries for this platform",
            )
        });
    }
    match place.class {
        ComponentClass::ManagementOnly => Some((
            DeliveryMethod::ImageOverrides,
            "overrides.yaml carries the control plane operator only, and no customer node runs this component",
        )),
        ComponentClass::Shared => Some((
            DeliveryMethod::ControlPlaneRelease,
            "image-overrides would reach customer nodes through the same key",
        )),
        ComponentClass::DataPlane | ComponentClass::NodeConfig => None,
    }
}

/// Why HyperShift would ignore this, if it would.
fn has_no_effect(place: Place<'_>, method: DeliveryMethod) -> Option<String> {
    let tag = place.tag;
    let cpo = tag.as_str() == HYPERSHIFT;
    match method {
        DeliveryMethod::OverridesYaml if !cpo => Some(format!(
            "overrides.yaml carries the image of `{HYPERSHIFT}` only, not of `{tag}`: use imageOverrides"
        )),
        DeliveryMethod::OverridesYaml if !has_overrides(place.platform) => Some(format!(
            "overrides.yaml knows aws and azure; a key for {} is ignored without a word: use controlPlaneOperatorImage",
            place.platform
        )),
        DeliveryMethod::ControlPlaneOperatorImage if !cpo => Some(format!(
            "the annotation control-plane-operator-image carries the image of `{HYPERSHIFT}`, not of `{tag}`: use imageOverrides"
        )),
        DeliveryMethod::ImageOverrides if cpo => Some(format!(
            "image-overrides: {HYPERSHIFT}=... is ignored without a word: use overridesYaml or controlPlaneOperatorImage"
        )),
        DeliveryMethod::OverridesYaml
        | DeliveryMethod::ControlPlaneOperatorImage
        | DeliveryMethod::ImageOverrides
        | DeliveryMethod::ControlPlaneRelease => None,
    }
}

/// What of HyperShift may win over this, if anything does.
fn is_beaten(place: Place<'_>, method: DeliveryMethod) -> Option<String> {
    if method != DeliveryMethod::ImageOverrides {
        return None;
    }
    let tag = place.tag.as_str();
    if tag == "cluster-version-operator" {
        // OCPBUGS-62959, openshift/hypershift #7065.
        return Some(
            "control plane operators before October 2025 ignore an image-overrides entry for `cluster-version-operator`: see what runs after the write"
                .to_owned(),
        );
    }
    let annotations: Vec<&str> = own::of(tag).filter_map(|name| name.split('/').nth(1)).collect();
    (!annotations.is_empty()).then(|| {
        format!(
            "on a cluster with the annotation {}, that image wins over image-overrides: look for it first",
            annotations.join(" or ")
        )
    })
}

/// How it arrives, and what taking it back needs.
const fn rollout(method: DeliveryMethod) -> &'static str {
    match method {
        DeliveryMethod::OverridesYaml => {
            "needs a release of the HyperShift operator, run with --enable-cpo-overrides; every matching cluster of a management cluster rolls at once"
        }
        DeliveryMethod::ControlPlaneOperatorImage => {
            "one cluster at a time; taken back by deleting the key, because an empty value is used as an image"
        }
        DeliveryMethod::ImageOverrides => {
            "one cluster at a time, entries merged and sorted; HyperShift operators before v0.1.74 leave the override when the annotation goes: there, go back by writing the payload's digest"
        }
        DeliveryMethod::ControlPlaneRelease => {
            "one cluster at a time, with a whole release image of the same version; a downgrade is not supported"
        }
    }
}

/// True where `overrides.yaml` has a key for the platform
/// (`hypershift-operator/controlplaneoperator-overrides/overrides.go`).
const fn has_overrides(platform: HostedPlatform) -> bool {
    matches!(platform, HostedPlatform::Aws | HostedPlatform::Azure)
}

const fn spelled(method: DeliveryMethod) -> &'static str {
    match method {
        DeliveryMethod::OverridesYaml => "overrides.yaml",
        DeliveryMethod::ControlPlaneOperatorImage => "the annotation control-plane-operator-image",
        DeliveryMethod::ImageOverrides => "the annotation image-overrides",
        DeliveryMethod::ControlPlaneRelease => "spec.controlPlaneRelease",
    }
}

#[cfg(test)]
mod tests {
    use ComponentClass as C;
    use DeliveryMethod as M;
    use HostedPlatform as P;
    use serde_json::json;

    use super::*;

    fn chosen(tag: &str, class: C, platform: P, preferred: Option<M>) -> (Option<M>, Vec<String>) {
        let tag = tag.parse().unwrap();
        let minor = "4.20".parse().unwrap();
        let place = Place { tag: &tag, class, platform, minor };
        let (delivery, findings) = choose(place, preferred).unwrap();
        let ids = findings
            .iter()
            .filter(|f| f.level == FindingLevel::Blocking)
            .map(|f| f.id.to_string())
            .collect();
        (delivery.map(|d| d.method), ids)
    }

    type Case = (&'static str, C, P, Option<M>, Option<M>, &'static [&'static str]);

    #[test]
    fn the_matrix() {
        let table: [Case; 13] = [
            ("hypershift", C::Shared, P::Aws, None, Some(M::OverridesYaml), &[]),
            ("hypershift", C::Shared, P::Azure, None, Some(M::OverridesYaml), &[]),
            (
                "hypershift",
                C::Shared,
                P::KubeVirt,
                None,
                Some(M::ControlPlaneOperatorImage),
                &["survives-upgrade"],
            ),
            (
                "hyperkube",
                C::ManagementOnly,
                P::Aws,
                None,
                Some(M::ImageOverrides),
                &["survives-upgrade"],
            ),
            ("cli", C::Shared, P::Aws, None, Some(M::ControlPlaneRelease), &["survives-upgrade"]),
            ("coredns", C::DataPlane, P::Aws, None, None, &["none"]),
            ("machine-config-operator", C::NodeConfig, P::Aws, None, None, &["none"]),
            // What a request may name, and what HyperShift would make of it.
            (
                "hypershift",
                C::Shared,
                P::Aws,
                Some(M::ImageOverrides),
                Some(M::ImageOverrides),
                &["no-effect", "survives-upgrade"],
            ),
            (
                "hypershift",
                C::Shared,
                P::Gcp,
                Some(M::OverridesYaml),
                Some(M::OverridesYaml),
                &["no-effect"],
            ),
            (
                "hypershift",
                C::Shared,
                P::Aws,
                Some(M::ControlPlaneOperatorImage),
                Some(M::ControlPlaneOperatorImage),
                &["survives-upgrade"],
            ),
            (
                "etcd",
                C::ManagementOnly,
                P::Aws,
                Some(M::OverridesYaml),
                Some(M::OverridesYaml),
                &["no-effect"],
            ),
            (
                "etcd",
                C::ManagementOnly,
                P::Aws,
                Some(M::ControlPlaneOperatorImage),
                Some(M::ControlPlaneOperatorImage),
                &["no-effect", "survives-upgrade"],
            ),
            (
                "etcd",
                C::ManagementOnly,
                P::Aws,
                Some(M::ControlPlaneRelease),
                Some(M::ControlPlaneRelease),
                &["survives-upgrade"],
            ),
        ];
        for (tag, class, platform, preferred, method, ids) in table {
            let prefix = format!("delivery/{}/4.20/", word(platform));
            let ids: Vec<String> = ids.iter().map(|id| format!("{prefix}{id}")).collect();
            let found = chosen(tag, class, platform, preferred);
            assert_eq!(found, (method, ids), "{tag} on {platform}, {preferred:?}");
        }
    }

    /// Whatever names clusters by more than their platform cannot be kept by an entry.
    #[test]
    fn which_clusters_an_entry_reaches() {
        let table = [
            (json!({}), P::Aws, Reach::All),
            (json!({"minHypershiftOperator": "0.1.74"}), P::Aws, Reach::All),
            (json!({"include": [{"platform": "AWS"}]}), P::Aws, Reach::All),
            (json!({"include": [{"platform": "AWS"}]}), P::Azure, Reach::None),
            (json!({"exclude": [{"platform": "AWS"}]}), P::Aws, Reach::None),
            (json!({"exclude": [{"platform": "AWS"}]}), P::Azure, Reach::All),
            (json!({"include": [{"region": "eu"}]}), P::Aws, Reach::Some),
            (json!({"include": [{"region": "eu"}, {"platform": "AWS"}]}), P::Aws, Reach::All),
            (json!({"exclude": [{"region": "eu"}]}), P::Aws, Reach::Some),
            (json!({"exclude": [{"region": "eu", "platform": "Azure"}]}), P::Aws, Reach::All),
            (json!({"include": [{"managementCluster": "m"}]}), P::Aws, Reach::Some),
            (json!({"exclude": [{"clusterId": "c"}]}), P::Aws, Reach::Some),
            (json!({"exclude": [{"label": "a=b"}]}), P::Aws, Reach::Some),
            (
                json!({"include": [{"region": "eu"}], "exclude": [{"platform": "AWS"}]}),
                P::Aws,
                Reach::None,
            ),
        ];
        let minor: Minor = "4.20".parse().unwrap();
        for (targets, platform, reach) in table {
            let targets: Targets = serde_json::from_value(targets).unwrap();
            assert_eq!(Reach::of(&targets, platform), reach, "{targets:?} on {platform}");
            let delivery = Delivery {
                platform,
                minor,
                method: M::OverridesYaml,
                scope: DeliveryScope::Version,
                ends_with_upgrade: true,
                reason: String::new(),
            };
            let found = judge_rollout(&delivery, None, Some(&targets)).unwrap();
            let ids: Vec<FindingId> = found.into_iter().map(|finding| finding.id).collect();
            let expected = targets_not_kept(platform, minor).filter(|_| reach == Reach::Some);
            assert_eq!(ids, Vec::from_iter(expected), "{targets:?} on {platform}");
        }
    }
}
