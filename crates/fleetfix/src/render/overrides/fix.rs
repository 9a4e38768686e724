//! What bundles, requests and plans ask of the file.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use fleetfix_audit::bundle::Contents;
use fleetfix_hypershift::catalogue::HYPERSHIFT;
use fleetfix_hypershift::delivery::{Reach, targets_not_kept};
use fleetfix_model::document::bundle::PatchedImage;
use fleetfix_model::document::delivery::{Delivery, DeliveryMethod};
use fleetfix_model::document::plan::{Origin, Status};
use fleetfix_model::document::rollout::Targets;
use fleetfix_model::document::{self, FixBundle, FixPlan, FixRequest};
use fleetfix_model::{
    Class, Digest, HostedPlatform, Minor, Reference, Repository, Timestamp, Version, canonical,
    yaml,
};
use fleetfix_plan::finding::refusal;
use fleetfix_task::{Failure, file};

use super::{Place, pull_request};
use crate::render::source::Fixes;

/// One fix as it goes into the file.
#[derive(Debug, Default)]
pub(super) struct Fix {
    /// Who it is, for comments.
    pub(super) label: String,
    /// One line for people.
    pub(super) title: Option<String>,
    /// The image for each version, and the base it was made from, where that is known.
    pub(super) places: BTreeMap<Place, (Reference, Option<Digest>)>,
    /// Entries that are taken back: the image they must have, and what stood there before.
    pub(super) given_back: BTreeMap<Place, (Digest, Option<Reference>)>,
    /// Entries that stay as they are: the fix for them waits.
    pub(super) held: BTreeSet<Place>,
    /// Places that are not released, for which an entry is written ahead or not at all.
    pub(super) unreleased: BTreeSet<Place>,
    /// Links to the pull requests of each release line.
    pub(super) pulls: BTreeMap<Minor, Vec<String>>,
    /// Deliveries that are not entries.
    pub(super) elsewhere: Vec<String>,
}

/// What verified bundles ask for.
pub(super) fn of_bundles(fixes: &Fixes) -> Result<Vec<Fix>, Failure> {
    let mut all = Vec::new();
    for contents in &fixes.active {
        all.push(of_bundle(contents)?);
    }
    for contents in &fixes.withdrawn {
        all.push(given_back(contents));
    }
    for contents in fixes.paused.iter().chain(&fixes.expired) {
        all.push(held(&contents.bundle));
    }
    let nothing = all.iter().all(|fix| fix.places.is_empty() && fix.given_back.is_empty());
    let why: Vec<String> = all.iter().flat_map(|f| f.elsewhere.clone()).collect();
    if nothing && !why.is_empty() {
        return Err(Failure::refused(format!(
            "no fix is delivered by overrides.yaml: {}",
            why.join("; ")
        )));
    }
    Ok(all)
}

fn of_bundle(contents: &Contents) -> Result<Fix, Failure> {
    let Contents { bundle, plan, request } = contents;
    let mut fix = Fix {
        label: bundle.id.to_string(),
        title: bundle.title.clone(),
        pulls: pull_request::of_request(request),
        ..Fix::default()
    };
    let images: BTreeMap<Digest, &PatchedImage> =
        bundle.images.iter().map(|image| (image.index.digest, image)).collect();
    for affects in &bundle.affects {
        let (platform, minor) = (affects.platform, affects.minor);
        let delivery = bundle.delivery.iter().find(|d| (d.platform, d.minor) == (platform, minor));
        let method = delivery.map(|d| d.method);
        if method != Some(DeliveryMethod::OverridesYaml) || bundle.component.as_str() != HYPERSHIFT
        {
            let way = method.map_or_else(|| "no way".to_owned(), |m| m.to_string());
            fix.elsewhere.push(format!("{} on {platform} {minor} goes by {way}", bundle.component));
            continue;
        }
        for version in &affects.versions {
            let Some(image) = images.get(&version.image) else { continue };
            if let Some(why) = not_for(bundle.targets.as_ref(), platform, &version.version, plan)? {
                fix.elsewhere.push(why);
                // Where it takes the place of another one, it has nothing to put there.
                fix.held.insert((platform, version.version.clone()));
                continue;
            }
            let reference = place(&bundle.fleet, image);
            let place = (platform, version.version.clone());
            fix.places.insert(place, (reference, Some(image.base.digest)));
        }
    }
    for (platform, version) in unreleased(plan) {
        let by_entry = delivers(&bundle.delivery, platform, version.minor());
        let only = bundle.component.as_str() == HYPERSHIFT && by_entry;
        if only && not_for(bundle.targets.as_ref(), platform, &version, plan)?.is_none() {
            fix.unreleased.insert((platform, version));
        }
    }
    fix.elsewhere.dedup();
    Ok(fix)
}

/// True if entries are what the fix goes by there.
fn delivers(deliveries: &[Delivery], platform: HostedPlatform, minor: Minor) -> bool {
    let mut there = deliveries.iter().filter(|d| (d.platform, d.minor) == (platform, minor));
    there.any(|delivery| delivery.method == DeliveryMethod::OverridesYaml)
}

impl Fix {
    /// Places that get no entry because there is no image for them before they are released.
    pub(super) fn waiting(&self) -> BTreeSet<Place> {
        let waits = self.unreleased.iter().filter(|place| !self.places.contains_key(place));
        waits.cloned().collect()
    }
}

/// Why targets keep an entry for this version away; none: it may be written. An entry reaches every
/// cluster of its version: that it reaches some that are not meant takes a waiver in the plan.
fn not_for(
    targets: Option<&Targets>,
    platform: HostedPlatform,
    version: &Version,
    plan: &FixPlan,
) -> Result<Option<String>, Failure> {
    let Some(targets) = targets else { return Ok(None) };
    let minor = version.minor();
    match Reach::at(Some(targets), platform, version) {
        Reach::All => Ok(None),
        Reach::None => Ok(Some(match &targets.min_control_plane_operator {
            Some(min) if version < min => {
                format!("{platform} {version} is below control plane operator {min}")
            }
            _ => format!("no cluster on {platform} is meant"),
        })),
        Reach::Some => {
            let finding = targets_not_kept(platform, minor);
            let mut found = plan.findings.iter().filter(|f| Some(&f.id) == finding.as_ref());
            if found.any(|found| found.waiver.is_some()) {
                return Ok(None);
            }
            Err(Failure::refused(format!(
                "{} is for some clusters only ({} selectors), and an entry reaches every cluster of its version",
                plan.id,
                targets.include.len() + targets.exclude.len()
            ))
            .hint(format!(
                "let the request name no clusters, deliver by annotation, or have `delivery/{}/{minor}/targets` waived in it",
                platform.as_str().to_ascii_lowercase()
            )))
        }
    }
}

/// What a withdrawn bundle brought, and what stood there before it.
fn given_back(contents: &Contents) -> Fix {
    let Contents { bundle, plan, .. } = contents;
    let mut fix = Fix { label: bundle.id.to_string(), ..Fix::default() };
    for affects in &bundle.affects {
        for version in &affects.versions {
            let image = bundle.images.iter().find(|image| image.index.digest == version.image);
            let base = image.and_then(|i| plan.bases.iter().find(|b| b.digest == i.base.digest));
            let before = base
                .filter(|b| matches!(b.origin, Origin::OverridesYaml | Origin::Bundle))
                .map(|base| base.repository.at(base.digest));
            let place = (affects.platform, version.version.clone());
            fix.given_back.insert(place, (version.image, before));
        }
    }
    fix
}

/// The places of a bundle that is paused or over.
fn held(bundle: &FixBundle) -> Fix {
    let mut fix = Fix { label: bundle.id.to_string(), ..Fix::default() };
    if bundle.component.as_str() == HYPERSHIFT {
        for affects in &bundle.affects {
            let versions = affects.versions.iter().map(|v| (affects.platform, v.version.clone()));
            fix.held.extend(versions);
        }
    }
    fix
}

/// Where a cluster pulls an image from: the fleet's own name, whatever place it was read from.
fn place(fleet: &Repository, image: &PatchedImage) -> Reference {
    fleet.below(&image.repository).at(image.index.digest)
}

/// What a request with finished images asks for.
pub(super) fn of_request(path: &Path) -> Result<Fix, Failure> {
    let name = path.display().to_string();
    let text = file::read_bounded(path, yaml::MAX_SIZE as u64)?;
    let request: FixRequest = document::from_yaml(&name, &text)?;
    let refuse = |why: String| Failure::input(why).about(&name);
    only_hypershift(request.component.as_str()).map_err(&refuse)?;
    let label = request.fix_id().map(|id| id.to_string());
    let mut fix = Fix {
        label: label.ok_or_else(|| refuse("the request has no id".to_owned()))?,
        title: request.title.clone(),
        pulls: pull_request::of_request(&request),
        ..Fix::default()
    };
    // Nothing stands in a request by itself that somebody accepted: its plan says it.
    if request.targets.is_some() {
        return Err(refuse(
            "the request says which clusters it is for [plan it, and render the plan]".to_owned(),
        ));
    }
    for (i, affected) in request.affected.iter().enumerate() {
        let minor = affected.introduced.minor();
        let image =
            request.fixes.iter().find(|fix| fix.minor == minor).and_then(|f| f.image.as_ref());
        let image = image.ok_or_else(|| {
            refuse(format!(
                "affected[{i}]: no finished image is named for {minor} [name one in `fixes`, or build the fix and render its bundle]"
            ))
        })?;
        if affected.versions.is_empty() {
            return Err(refuse(format!(
                "affected[{i}].versions: entries are for exact versions [list them, or plan the request with an update graph and render the plan]"
            )));
        }
        for version in affected.versions.iter().filter(|version| affected.means(version)) {
            let place = (affected.platform, version.clone());
            fix.places.insert(place, (image.clone(), None));
        }
    }
    Ok(fix)
}

/// What a plan with finished images asks for.
pub(super) fn of_plan(path: &Path, now: Timestamp) -> Result<Fix, Failure> {
    let name = path.display().to_string();
    let bytes = file::read_bounded(path, canonical::MAX_SIZE as u64)?;
    let plan: FixPlan = document::from_canonical(&name, &bytes)?;
    let refuse = |class: Class, why: String| Failure::new(class, why).about(&name);
    only_hypershift(plan.component.as_str()).map_err(|why| refuse(Class::Input, why))?;
    let stopping: Vec<_> = plan.stopping(now).collect();
    if !stopping.is_empty() {
        return Err(Failure::refused(refusal(&name, &stopping)));
    }
    let mut fix = Fix { label: plan.id.to_string(), title: plan.title.clone(), ..Fix::default() };
    for planned in &plan.fixes {
        let links = pull_request::links(planned.source.as_deref(), &planned.pull_requests);
        fix.pulls.insert(planned.minor, links);
    }
    for row in plan.rows.iter().filter(|r| matches!(r.status, Status::Covered | Status::Unreleased))
    {
        let minor = row.version.minor();
        if !delivers(&plan.delivery, row.platform, minor) {
            fix.elsewhere
                .push(format!("{} {} does not go by overrides.yaml", row.platform, row.version));
            continue;
        }
        if let Some(why) = not_for(plan.targets.as_ref(), row.platform, &row.version, &plan)? {
            fix.elsewhere.push(why);
            continue;
        }
        if row.status == Status::Unreleased {
            fix.unreleased.insert((row.platform, row.version.clone()));
        }
        let image = plan.fix(minor).and_then(|fix| fix.image.as_ref()).ok_or_else(|| {
            let why = format!("no finished image is named for {minor}");
            refuse(Class::Input, why).hint("build the fix and render its bundle")
        })?;
        fix.places.insert((row.platform, row.version.clone()), (image.clone(), row.base));
    }
    fix.elsewhere.dedup();
    Ok(fix)
}

fn only_hypershift(component: &str) -> Result<(), String> {
    // A workload's name means the tag of its image.
    if component == HYPERSHIFT || component == "control-plane-operator" {
        return Ok(());
    }
    Err(format!("overrides.yaml carries the image of `{HYPERSHIFT}` only, not of `{component}`"))
}

fn unreleased(plan: &FixPlan) -> impl Iterator<Item = Place> {
    let rows = plan.rows.iter().filter(|row| row.status == Status::Unreleased);
    rows.map(|row| (row.platform, row.version.clone()))
}
