//! Clusters with an image of their own that the fix takes the place of: what runs there is not the base
//! that is patched, so that architectures, labels and content are held against it as well.
//!
//! Where the fix is an entry that is looked up by version, the annotation keeps it away; that is said
//! elsewhere ([`fleetfix_hypershift::effective::Overriding::shadowed`]), and nothing is replaced.

use std::collections::{BTreeMap, BTreeSet};

use fleetfix_hypershift::coverage::Coverage;
use fleetfix_hypershift::effective::mutable;
use fleetfix_hypershift::finding::{finding, listed};
use fleetfix_hypershift::labels;
use fleetfix_model::document::finding::{Finding, FindingLevel};
use fleetfix_model::document::plan::Status;
use fleetfix_model::{Class, Classify, HostedPlatform, Platform, Reference, Version};
use fleetfix_registry::Client;
use fleetfix_release::image::{self, ComponentImage};

use crate::Error;
use crate::base::Bases;
use crate::content::Fixes;
use crate::deliver::Delivered;
use crate::running::Running;

/// An image that an annotation puts into a place.
#[derive(Clone, Debug)]
pub struct Own {
    /// Platform.
    pub platform: HostedPlatform,
    /// The version that runs there.
    pub version: Version,
    /// What the annotation names.
    pub name: Reference,
    /// What that is.
    pub image: ComponentImage,
    /// The clusters, by namespace and name.
    clusters: BTreeSet<String>,
}

/// The images of annotated clusters that the fix takes the place of, and what was found.
#[derive(Debug, Default)]
pub struct Annotated {
    /// The images that could be read, sorted by place.
    pub images: Vec<Own>,
    /// What was found.
    pub findings: Vec<Finding>,
}

/// Reads and judges them.
pub async fn read(
    client: &Client,
    running: &Running,
    coverage: &Coverage,
    delivered: &Delivered,
    bases: &Bases,
    fixes: &Fixes,
) -> Result<Annotated, Error> {
    let mut places: BTreeMap<(HostedPlatform, Version, Reference), BTreeSet<String>> =
        BTreeMap::new();
    for cluster in running.overriding.annotated(coverage, Status::Covered) {
        if !delivered.is_by_version(cluster.platform, cluster.version.minor()) {
            let place = (cluster.platform, cluster.version.clone(), cluster.image.clone());
            places.entry(place).or_default().insert(cluster.cluster.clone());
        }
    }
    let mut found = Annotated::default();
    found.findings.extend(unclear(running, coverage, delivered)?);
    let mut read: BTreeMap<Reference, Option<ComponentImage>> = BTreeMap::new();
    for ((platform, version, name), clusters) in places {
        if !read.contains_key(&name) {
            let image = readable(client, &name).await?;
            read.insert(name.clone(), image);
        }
        let said = mutable(platform, &version, &name, false).map_err(Error::finding)?;
        found.findings.extend(said);
        match read.get(&name).cloned().flatten() {
            Some(image) => {
                let own = Own { platform, version, name, image, clusters };
                found.findings.extend(own.judge(bases, fixes)?);
                found.images.push(own);
            }
            None => found.findings.extend(unreadable(&version, &name, &clusters)?),
        }
    }
    Ok(found)
}

impl Own {
    fn judge(&self, bases: &Bases, fixes: &Fixes) -> Result<Vec<Finding>, Error> {
        let Self { platform, version, name, image, clusters } = self;
        let base = bases.at(&(*platform, version.clone())).map(|base| &base.image);
        let finished = fixes.finished.get(&version.minor());
        let (platforms, labels): (Vec<&Platform>, BTreeSet<String>) = match (finished, base) {
            (Some(finished), _) => (finished.platforms.iter().collect(), finished.labels.clone()),
            (None, Some(base)) => (
                base.platforms.iter().map(|p| &p.platform).collect(),
                base.hypershift_labels.iter().cloned().collect(),
            ),
            (None, None) => return Ok(Vec::new()),
        };
        let whose = listed(clusters.iter(), ", ");
        let mut findings = Vec::new();
        let missing: Vec<String> = image
            .images
            .iter()
            .filter(|image| !platforms.contains(&&image.platform))
            .map(|image| image.platform.to_string())
            .collect();
        if !missing.is_empty() {
            let message = format!(
                "{whose} on {platform} {version} runs {name} by an annotation, which is for {}, and the patched image is not: leave these clusters out, or build it for all of them",
                missing.join(", ")
            );
            let path = format!("architecture/{}/{version}", platform.as_str());
            findings.push(blocking(&path, message)?);
        }
        let theirs: BTreeSet<&String> =
            image.images.iter().flat_map(|image| image.labels.keys()).collect();
        findings.extend(labels::lost(image.digest, theirs, &labels).map_err(Error::finding)?);
        if finished.is_none()
            && let Some(base) = base.filter(|base| base.digest != image.digest)
        {
            let message = format!(
                "{whose} on {platform} {version} runs {name} by an annotation, and the patched image is made from {}@{}: whatever else is in the annotated image would be lost; leave these clusters out, or give a finished image that holds both",
                base.repository, base.digest
            );
            let path = format!("effective-image/{}/{version}/other-base", platform.as_str());
            findings.push(blocking(&path, message)?);
        }
        Ok(findings)
    }
}

/// An image, if it can be read. A registry that is busy or away says nothing of an image: that is an
/// error, for another try.
pub(crate) async fn readable(
    client: &Client,
    name: &Reference,
) -> Result<Option<ComponentImage>, Error> {
    match image::read(client, name).await {
        Ok(image) => Ok(Some(image)),
        Err(error) if error.class() == Class::Environment => Err(Error::image(error)),
        Err(_) => Ok(None),
    }
}

fn unreadable(
    version: &Version,
    name: &Reference,
    clusters: &BTreeSet<String>,
) -> Result<Vec<Finding>, Error> {
    let told = |cluster: &String| {
        let message = format!(
            "{cluster} names {name} in its annotation, which cannot be read: whether the fix holds older code cannot be told; give credentials or a mirror for it, or leave {version} out"
        );
        blocking(&format!("effective-image/unreadable/{cluster}"), message)
    };
    clusters.iter().map(told).collect()
}

/// Clusters whose annotations cannot be made out. Where the fix is written to single clusters it would
/// take the place of something unknown; elsewhere it may not reach them. On a version that is called
/// fixed nothing is written: what is there need not have the fix.
fn unclear(
    running: &Running,
    coverage: &Coverage,
    delivered: &Delivered,
) -> Result<Option<Finding>, Error> {
    let mut told = Vec::new();
    let mut level = FindingLevel::Warning;
    for cluster in &running.unclear {
        let there = coverage.iter().filter(|((p, version), _)| cluster.may_be_at(*p, version));
        let levels = there.filter_map(|((platform, version), covered)| match covered.status {
            Status::Covered if !delivered.is_by_version(*platform, version.minor()) => {
                Some(FindingLevel::Blocking)
            }
            // Of one whose version nobody knows it is a guess that it is on this one.
            Status::FixedInPayload if cluster.versions.contains(version) => {
                Some(FindingLevel::Blocking)
            }
            Status::Covered | Status::FixedInPayload => Some(FindingLevel::Warning),
            Status::NotAffected | Status::Gap | Status::Unreleased => None,
        });
        if let Some(of_cluster) = levels.max() {
            told.push(format!("{}: {}", cluster.cluster, cluster.problem));
            level = level.max(of_cluster);
        }
    }
    if told.is_empty() {
        return Ok(None);
    }
    let message = format!(
        "of {} annotated clusters it cannot be told what they run: {}",
        told.len(),
        listed(told.iter(), "; ")
    );
    finding(level, "effective-image/unclear", message).map(Some).map_err(Error::finding)
}

fn blocking(path: &str, message: String) -> Result<Finding, Error> {
    finding(FindingLevel::Blocking, path, message).map_err(Error::finding)
}
