//! What runs now, for each version that the fix covers.

use std::collections::{BTreeMap, BTreeSet};

use fleetfix_audit::channel::VerifiedChannel;
use fleetfix_hypershift::coverage::Coverage;
use fleetfix_hypershift::effective::{Effective, Overriding, mutable};
use fleetfix_hypershift::finding::{finding, listed};
use fleetfix_model::document::finding::{Finding, FindingLevel};
use fleetfix_model::document::plan::{Origin, Status};
use fleetfix_model::name::ComponentTag;
use fleetfix_model::{HostedPlatform, Version};
use fleetfix_release::Payload;

use crate::cluster::Unclear;
use crate::deliver::Delivered;
use crate::payload::Payloads;
use crate::sources::Given;
use crate::{Error, cluster};

/// A version on a platform.
pub type Place = (HostedPlatform, Version);

/// What runs.
#[derive(Debug)]
pub struct Running {
    /// On clusters without an annotation of their own: what is patched.
    pub effective: BTreeMap<Place, Effective>,
    /// What takes the place of payloads' images.
    pub overriding: Overriding,
    /// Clusters of which it cannot be told what they run.
    pub unclear: Vec<Unclear>,
    /// What was found.
    pub findings: Vec<Finding>,
}

/// Finds out what runs for each covered version, all of which have a payload with the component.
pub fn running(
    given: &Given,
    component: &ComponentTag,
    coverage: &Coverage,
    payloads: &Payloads,
    delivered: &Delivered,
) -> Result<Running, Error> {
    let mut overriding = Overriding::default();
    for bundle in given.channel.iter().flat_map(VerifiedChannel::bundles) {
        overriding.add_bundle(bundle.document(), component);
    }
    let covered: Vec<&Place> = coverage
        .iter()
        .filter(|(_, covered)| covered.status == Status::Covered)
        .map(|(place, _)| place)
        .collect();
    if let Some(overrides) = &given.overrides {
        for place in &covered {
            let (platform, version) = place;
            let Some(image) = overrides.image(*platform, version) else { continue };
            let image = image.parse().map_err(|source| Error::OverrideImage {
                file: overrides.file().to_owned(),
                platform: *platform,
                version: version.clone(),
                source,
            })?;
            overriding.overrides.insert((*place).clone(), image);
        }
    }
    let mut findings = Vec::new();
    let mut unclear = Vec::new();
    if let Some(clusters) = &given.clusters {
        let found = cluster::annotations(clusters, component, payloads);
        overriding.annotated = found.annotated;
        unclear = found.unclear;
        findings.extend(updating(&found.updating)?);
    }
    let mut effective = BTreeMap::new();
    for place in covered {
        let (platform, version) = place;
        let Some(payload) = payloads.covered.first(version).and_then(|p| of_payload(p, component))
        else {
            continue;
        };
        let runs = overriding.effective(component, *platform, version, payload);
        let by_version = delivered.is_by_version(*platform, version.minor());
        let said = mutable(*platform, version, &runs.image, by_version);
        findings.extend(said.map_err(Error::finding)?);
        effective.insert(place.clone(), runs);
    }
    Ok(Running { effective, overriding, unclear, findings })
}

/// The image that a payload names.
pub fn of_payload(payload: &Payload, component: &ComponentTag) -> Option<Effective> {
    let found = payload.components.get(component)?;
    Some(Effective {
        image: found.pullspec.clone(),
        origin: Origin::Payload,
        commit: found.commit.clone(),
    })
}

/// Clusters on their way from one version to another run pods of both: each is judged as if it were at
/// both.
fn updating(clusters: &BTreeMap<String, BTreeSet<Version>>) -> Result<Option<Finding>, Error> {
    if clusters.is_empty() {
        return Ok(None);
    }
    let told: Vec<String> = clusters
        .iter()
        .map(|(name, versions)| {
            let versions: Vec<String> = versions.iter().map(ToString::to_string).collect();
            format!("{name} ({})", versions.join(", "))
        })
        .collect();
    let message = format!(
        "an update of the control plane is under way: {}; each is judged at all of its versions",
        listed(told.iter(), ", ")
    );
    let found = finding(FindingLevel::Warning, "effective-image/updating", message);
    found.map(Some).map_err(Error::finding)
}
