//! What the payloads, the images that run and the fix say about each other.

use std::collections::{BTreeMap, BTreeSet};

use fleetfix_hypershift::catalogue::HYPERSHIFT;
use fleetfix_hypershift::coverage::Coverage;
use fleetfix_hypershift::finding::{finding, listed};
use fleetfix_model::document::finding::{Finding, FindingLevel};
use fleetfix_model::document::plan::{Origin, Status};
use fleetfix_model::name::ComponentTag;
use fleetfix_model::{HostedPlatform, Minor, Version};
use fleetfix_release::{Index, Payload, Stream};

use crate::base::{Base, Bases};
use crate::cluster::{Cluster, NO_PLATFORM, NO_VERSION};
use crate::payload::Payloads;
use crate::running::Place;

type Found = Result<Vec<Finding>, fleetfix_hypershift::Error>;

/// Judges the payloads of the covered versions: whether they agree on the component's image.
pub fn payloads(payloads: &Index, tag: &ComponentTag) -> Found {
    let mut findings = Vec::new();
    for version in payloads.versions() {
        let mut of_version = payloads.of(version);
        let Some(first) = of_version.next() else { continue };
        for other in of_version {
            findings.extend(another_image(version, tag, first, other)?);
        }
        if first.differing.contains(tag) {
            let message = format!(
                "the architectures of {} name different images of `{tag}`; only that of {} is covered",
                first.reference, first.read_from
            );
            let path = format!("payload/{version}/differing");
            findings.push(finding(FindingLevel::Blocking, &path, message)?);
        }
    }
    Ok(findings)
}

/// The payload for one architecture names another image than that for several. That is as it should
/// be where both were built from one commit: the patched image has all architectures.
fn another_image(
    version: &Version,
    tag: &ComponentTag,
    first: &Payload,
    other: &Payload,
) -> Result<Option<Finding>, fleetfix_hypershift::Error> {
    let of = |payload: &Payload| {
        payload.components.get(tag).map(|c| (c.pullspec.digest, c.commit.clone()))
    };
    let (Some((image, commit)), Some((other_image, other_commit))) = (of(first), of(other)) else {
        return Ok(None);
    };
    if image == other_image {
        return Ok(None);
    }
    let same = commit.is_some() && commit == other_commit && first.stream == Stream::Multi;
    if same {
        return Ok(None);
    }
    let message = format!(
        "{} and {} name images of `{tag}` that are not known to be of one commit; only that of {} is covered",
        first.reference, other.reference, first.reference
    );
    finding(FindingLevel::Blocking, &format!("payload/{version}/several"), message).map(Some)
}

/// Judges what runs in each place against the payload there: architectures and commits.
pub fn running(payloads: &Index, tag: &ComponentTag, bases: &Bases) -> Found {
    let mut findings = Vec::new();
    for (place, digest) in &bases.places {
        let (_, version) = place;
        let (Some(payload), Some(base)) = (payloads.first(version), bases.images.get(digest))
        else {
            continue;
        };
        findings.extend(architectures(place, tag, payload, base)?);
        findings.extend(commits(version, tag, payload, base)?);
    }
    for base in bases.images.values() {
        findings.extend(uneven(base)?);
    }
    Ok(findings)
}

fn architectures(
    (platform, version): &(HostedPlatform, Version),
    tag: &ComponentTag,
    payload: &Payload,
    base: &Base,
) -> Result<Option<Finding>, fleetfix_hypershift::Error> {
    let has = |architecture: &str| {
        base.image.platforms.iter().any(|p| p.platform.architecture == architecture)
    };
    let missing: BTreeSet<&str> = payload
        .platforms
        .iter()
        .map(|platform| platform.architecture.as_str())
        .filter(|architecture| !has(architecture))
        .collect();
    if missing.is_empty() {
        return Ok(None);
    }
    let missing = missing.into_iter().collect::<Vec<_>>().join(", ");
    if base.image.origin == Origin::Payload {
        let message = format!(
            "{} is for {missing} as well, its image of `{tag}` is not: nor will the patched one be",
            payload.reference
        );
        let path = format!("architecture/{version}");
        return finding(FindingLevel::Warning, &path, message).map(Some);
    }
    // Nodes of the missing architecture cannot pull it: the payload's image had it.
    let message = format!(
        "{platform} {version} runs {}@{}, which is not for {missing} as its payload is: nor will the patched one be; put an image for all architectures there first",
        base.image.repository, base.image.digest
    );
    let path = format!("architecture/{}/{version}", platform.as_str());
    finding(FindingLevel::Blocking, &path, message).map(Some)
}

fn commits(
    version: &Version,
    tag: &ComponentTag,
    payload: &Payload,
    base: &Base,
) -> Result<Option<Finding>, fleetfix_hypershift::Error> {
    let named = payload.components.get(tag).and_then(|component| component.commit.as_ref());
    if base.image.origin == Origin::Payload
        && let (Some(commit), Some(label)) = (named, &base.label)
        && commit != label
    {
        let message = format!(
            "{} says that `{tag}` was built from {commit}, the image's label {label}",
            payload.reference
        );
        let path = format!("commit/{version}/differs");
        return finding(FindingLevel::Warning, &path, message).map(Some);
    }
    if base.image.commit.is_none() {
        let message = format!(
            "nothing says which commit {}@{} was built from, which {version} runs",
            base.image.repository, base.image.digest
        );
        let path = format!("commit/{version}/unknown");
        return finding(FindingLevel::Warning, &path, message).map(Some);
    }
    Ok(None)
}

fn uneven(base: &Base) -> Result<Option<Finding>, fleetfix_hypershift::Error> {
    if base.uneven.is_empty() {
        return Ok(None);
    }
    let names: Vec<&str> = base.uneven.iter().map(String::as_str).collect();
    let message = format!(
        "the architectures of {} do not all have the labels {}, which HyperShift reads",
        base.image.digest,
        names.join(", ")
    );
    let path = format!("labels/{}", base.image.digest.short());
    finding(FindingLevel::Warning, &path, message).map(Some)
}

/// Clusters whose every node would be replaced: another image of the control plane operator is another
/// configuration of their nodes. Of such a cluster it must be known what it runs.
pub fn proxied(
    clusters: &[Cluster],
    tag: &ComponentTag,
    coverage: &Coverage,
    payloads: &Payloads,
) -> Found {
    let mut lines: BTreeMap<(HostedPlatform, Minor), BTreeSet<&str>> = BTreeMap::new();
    let mut unclear = BTreeSet::new();
    let covered: BTreeSet<&Place> = coverage
        .iter()
        .filter(|(_, covered)| covered.status == Status::Covered)
        .map(|(place, _)| place)
        .collect();
    for cluster in clusters.iter().filter(|c| tag.as_str() == HYPERSHIFT && c.is_proxied()) {
        let versions = cluster.versions(payloads);
        let problem = match cluster.platform {
            None => NO_PLATFORM,
            Some(_) if versions.is_empty() => NO_VERSION,
            Some(platform) => {
                let places = versions.into_iter().map(|version| (platform, version));
                for (platform, version) in places.filter(|place| covered.contains(place)) {
                    lines.entry((platform, version.minor())).or_default().insert(&cluster.name);
                }
                continue;
            }
        };
        let unclear_one = cluster.unclear(problem, &versions);
        if covered.iter().any(|(platform, version)| unclear_one.may_be_at(*platform, version)) {
            unclear.insert(format!("{}: {problem}", cluster.name));
        }
    }
    let mut findings = Vec::new();
    for ((platform, minor), names) in &lines {
        let message = format!(
            "the nodes of {} reach the API server through a proxy: with another image of `{tag}` every node of theirs is replaced; leave their versions out, or have somebody who may decide that waive it",
            listed(names.iter(), ", ")
        );
        let path = format!("impact/{}/{minor}/proxied", platform.as_str());
        findings.push(finding(FindingLevel::Blocking, &path, message)?);
    }
    if !unclear.is_empty() {
        let message = format!(
            "the nodes of {} clusters reach the API server through a proxy, and whether the fix would replace them all cannot be told: {}; give a dump with their status, or their payloads",
            unclear.len(),
            listed(unclear.iter(), "; ")
        );
        findings.push(finding(FindingLevel::Blocking, "impact/proxied/unclear", message)?);
    }
    Ok(findings)
}

/// A fix of which nobody says what it was built from.
pub fn without_commit(fixes: &[fleetfix_model::document::plan::PlannedFix]) -> Found {
    let missing = fixes.iter().filter(|fix| fix.commit.is_none());
    missing
        .map(|fix| {
            let message = format!(
                "no commit is named for {}: nobody can tell what the files were built from",
                fix.minor
            );
            let path = format!("commit/{}/missing", fix.minor);
            finding(FindingLevel::Warning, &path, message)
        })
        .collect()
}
