//! Which image really runs.
//!
//! HyperShift takes the image of the control plane operator from the cluster's annotation, else from
//! the `overrides.yaml` of the deployed operator, else from the payload
//! (`support/util/util.go`, `GetControlPlaneOperatorImage`); that of any other component from the
//! annotation `image-overrides`, else from the payload (`support/releaseinfo/static_provider.go`).
//! An active bundle says what should be there by now: it counts where none of the others is seen.

use std::collections::{BTreeMap, BTreeSet};

use fleetfix_model::document::FixBundle;
use fleetfix_model::document::finding::{Finding, FindingLevel};
use fleetfix_model::document::plan::{Origin, Status};
use fleetfix_model::name::{Commit, ComponentTag, FixId};
use fleetfix_model::{Digest, HostedPlatform, Minor, Reference, Version};

use crate::Error;
use crate::catalogue::HYPERSHIFT;
use crate::coverage::{Coverage, range};
use crate::finding::{finding, listed, word};

/// What takes the place of a payload's image, as far as it is known.
#[derive(Clone, Debug, Default)]
pub struct Overriding {
    /// Entries of the deployed operator's `overrides.yaml`: they are for `hypershift` alone, and
    /// looked up by the exact version.
    pub overrides: BTreeMap<(HostedPlatform, Version), Reference>,
    /// Images of active bundles for the component.
    pub bundles: BTreeMap<(HostedPlatform, Version), BundleImage>,
    /// Clusters with an annotation for the component.
    pub annotated: Vec<Annotated>,
}

/// An image of an active bundle.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct BundleImage {
    /// The fix.
    pub id: FixId,
    /// Its revision.
    pub revision: u32,
    /// Where the image is, by digest.
    pub image: Reference,
    /// The commit that it holds.
    pub commit: Option<Commit>,
}

/// A cluster whose annotation names an image of the component.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Annotated {
    /// Namespace and name of the HostedCluster.
    pub cluster: String,
    /// Its platform.
    pub platform: HostedPlatform,
    /// The version that its control plane is on.
    pub version: Version,
    /// What the annotation names.
    pub image: Reference,
}

/// An image that runs for one version on one platform.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Effective {
    /// Where it is.
    pub image: Reference,
    /// What made it the effective one.
    pub origin: Origin,
    /// The commit that it holds, where what names it says so.
    pub commit: Option<Commit>,
}

impl Overriding {
    /// Takes the images of an active bundle. Of two for one place the higher revision of one fix
    /// counts, else the one that was added last: [`crate::conflict`] refuses such pairs.
    pub fn add_bundle(&mut self, bundle: &FixBundle, component: &ComponentTag) {
        if bundle.component != *component {
            return;
        }
        let images: BTreeMap<Digest, _> =
            bundle.images.iter().map(|i| (i.index.digest, i)).collect();
        for affects in &bundle.affects {
            for version in &affects.versions {
                let Some(image) = images.get(&version.image) else { continue };
                let repository = bundle.fleet.below(&image.repository);
                let place = (affects.platform, version.version.clone());
                let new = BundleImage {
                    id: bundle.id.clone(),
                    revision: bundle.revision,
                    image: repository.at(version.image),
                    commit: image.commit.clone(),
                };
                let known = self.bundles.get(&place);
                if known.is_none_or(|known| known.id != new.id || known.revision <= new.revision) {
                    self.bundles.insert(place, new);
                }
            }
        }
    }

    /// What runs on clusters without an annotation of their own, given the payload's image.
    pub fn effective(
        &self,
        component: &ComponentTag,
        platform: HostedPlatform,
        version: &Version,
        payload: Effective,
    ) -> Effective {
        let place = (platform, version.clone());
        let overrides = self.overrides.get(&place).filter(|_| component.as_str() == HYPERSHIFT);
        if let Some(image) = overrides {
            // A bundle that was delivered by this very entry says what is in it.
            let commit = self.bundles.get(&place).filter(|b| b.image.digest == image.digest);
            return Effective {
                image: image.clone(),
                origin: Origin::OverridesYaml,
                commit: commit.and_then(|bundle| bundle.commit.clone()),
            };
        }
        if let Some(bundle) = self.bundles.get(&place) {
            return Effective {
                image: bundle.image.clone(),
                origin: Origin::Bundle,
                commit: bundle.commit.clone(),
            };
        }
        payload
    }

    /// The images of annotated clusters of the versions with a status. Of a covered version: what is
    /// replaced there as well, or what keeps the fix away. Of a fixed one: what runs instead of the
    /// payload's.
    pub fn annotated<'a>(
        &'a self,
        coverage: &'a Coverage,
        status: Status,
    ) -> impl Iterator<Item = &'a Annotated> {
        self.annotated.iter().filter(move |cluster| {
            let place = (cluster.platform, cluster.version.clone());
            coverage.get(&place).is_some_and(|covered| covered.status == status)
        })
    }

    /// Clusters that the fix does not reach: an annotation wins over every entry for the fleet.
    /// `by_version` tells whether the delivery of a line is such an entry.
    pub fn shadowed(
        &self,
        coverage: &Coverage,
        by_version: impl Fn(HostedPlatform, Minor) -> bool,
    ) -> Result<Vec<Finding>, Error> {
        let mut lines: BTreeMap<(HostedPlatform, Minor), Vec<&Annotated>> = BTreeMap::new();
        for cluster in self.annotated(coverage, Status::Covered) {
            let line = (cluster.platform, cluster.version.minor());
            if by_version(line.0, line.1) {
                lines.entry(line).or_default().push(cluster);
            }
        }
        let told = |((platform, minor), clusters): ((HostedPlatform, Minor), Vec<&Annotated>)| {
            let names: BTreeSet<&str> = clusters.iter().map(|c| c.cluster.as_str()).collect();
            let versions: BTreeSet<&Version> = clusters.iter().map(|c| &c.version).collect();
            let message = format!(
                "an annotation of {} on {platform} ({}) names an image, and wins over any entry keyed by version: the fix does not reach {}; take the annotation away, or have the owner put the fix into it",
                listed(names.iter(), ", "),
                range::listed(versions.into_iter()),
                if names.len() == 1 { "it" } else { "them" },
            );
            let path = format!("effective-image/{}/{minor}/shadowed", word(platform));
            finding(FindingLevel::Warning, &path, message)
        };
        lines.into_iter().map(told).collect()
    }
}

/// Versions that are called fixed, with clusters that run another image than the payload's by an
/// annotation, which need not hold the fix. Each cluster comes with what is said of its image.
pub fn beside_fixed(
    clusters: &BTreeMap<(HostedPlatform, Version), BTreeSet<String>>,
) -> Result<Vec<Finding>, Error> {
    type Told<'a> = (BTreeSet<&'a Version>, BTreeSet<&'a str>);
    let mut lines: BTreeMap<(HostedPlatform, Minor), Told<'_>> = BTreeMap::new();
    for ((platform, version), told) in clusters {
        let (versions, clusters) = lines.entry((*platform, version.minor())).or_default();
        versions.insert(version);
        clusters.extend(told.iter().map(String::as_str));
    }
    let told = |((platform, minor), (versions, clusters)): (_, Told<'_>)| {
        let message = format!(
            "{} on {platform} {} called fixed, and an annotation puts another image than the payload's into {}: the fix is not known to run there; take the annotation away, or have the owner put the fix into it",
            range::listed(versions.iter().copied()),
            if versions.len() == 1 { "is" } else { "are" },
            listed(clusters.iter(), ", "),
        );
        let path = format!("coverage/{}/{minor}/annotated", word(platform));
        finding(FindingLevel::Blocking, &path, message)
    };
    lines.into_iter().map(told).collect()
}

/// An effective image that is named by a tag: what runs may be another by now. Where the fix is put
/// into single clusters that blocks: what it takes the place of is then not known there.
pub fn mutable(
    platform: HostedPlatform,
    version: &Version,
    image: &Reference,
    by_version: bool,
) -> Result<Option<Finding>, Error> {
    if image.digest.is_some() {
        return Ok(None);
    }
    let level = if by_version { FindingLevel::Warning } else { FindingLevel::Blocking };
    let message = format!(
        "{platform} {version} runs {image}, which a tag names: what runs may differ from what was read; have the entry name the digest"
    );
    let path = format!("effective-image/{}/{}/mutable", word(platform), version.minor());
    finding(level, &path, message).map(Some)
}
