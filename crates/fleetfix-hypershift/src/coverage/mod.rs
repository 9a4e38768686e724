//! What does the fix mean for each version.
//!
//! A range is every z-stream from the first affected one on, also those that the update graph
//! skips: 4.20.7 was missing from HyperShift's overrides for 75 days because the graph did not have
//! it (openshift/hypershift b460b210c5, 46f3b353fd). It goes on past the last release, up to the
//! first z-stream with the fix, the frontier ([`frontier`]). Whoever upgrades from a covered version
//! must land on one that is covered or fixed ([`paths`]).
//!
//! Without a graph only what the request names is known: its payloads, its lists of versions, the
//! first affected version and the first fixed one.

pub mod frontier;
pub mod paths;
pub(crate) mod range;
#[cfg(test)]
mod tests;

use std::collections::{BTreeMap, BTreeSet};

use fleetfix_model::document::finding::{Finding, FindingLevel};
use fleetfix_model::document::plan::Status;
use fleetfix_model::document::request::{Affected, FixRequest};
use fleetfix_model::{HostedPlatform, Minor, Timestamp, Version};

use crate::finding::{finding, word};
use crate::{Error, Graph};
use range::Line;

/// Most z-streams that one release line may have: 4.18 is the longest at some 50.
pub const MAX_Z_STREAMS: u64 = 1_000;

/// What the fix means for one version.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Covered {
    /// What it means.
    pub status: Status,
    /// Why, where it is not obvious.
    pub reason: Option<String>,
    /// How the version is known.
    pub seen: Seen,
}

/// How a version is known.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Seen {
    /// The update graph has it, or the request names it.
    Named,
    /// The update graph skips it: it may have a payload all the same, and clusters may run it.
    Skipped,
    /// It follows the last known release.
    Beyond,
}

/// The rows of a plan, by platform and version.
pub type Coverage = BTreeMap<(HostedPlatform, Version), Covered>;

/// What is known beside the request.
#[derive(Debug, Default)]
pub struct Known<'a> {
    /// The update graph.
    pub graph: Option<&'a Graph>,
    /// When development of a z-stream ends: what is merged later is not in it.
    pub cutoffs: BTreeMap<Version, Timestamp>,
    /// When the fix of a release line was merged into its branch.
    pub merged: BTreeMap<Minor, Timestamp>,
}

/// The versions of a request.
#[derive(Clone, Debug, Default)]
pub struct Expanded {
    /// What the fix means for each.
    pub coverage: Coverage,
    /// The first z-stream with the fix of each release line that is not released yet, sorted.
    pub frontier: Vec<Version>,
    /// What was found.
    pub findings: Vec<Finding>,
}

/// Every version of the request, and what the fix means for it.
pub fn expand(request: &FixRequest, known: &Known<'_>) -> Result<Expanded, Error> {
    let payloads: BTreeSet<&Version> = request.payloads.iter().map(|p| &p.version).collect();
    let mut expanded = Expanded::default();
    let mut minors = BTreeSet::new();
    let mut frontier = BTreeSet::new();
    for affected in &request.affected {
        let (platform, minor) = (affected.platform, affected.introduced.minor());
        if !request.fixes.iter().any(|fix| fix.minor == minor) {
            return Err(Error::NoFix { platform, minor });
        }
        minors.insert(minor);
        let line = Line::new(affected, &payloads, known)?;
        frontier.extend(line.frontier());
        for version in line.versions() {
            let covered = line.status(&version);
            expanded.coverage.insert((platform, version), covered);
        }
        expanded.findings.extend(line.findings()?);
    }
    for fix in request.fixes.iter().filter(|fix| !minors.contains(&fix.minor)) {
        let message =
            format!("no affected version is named for {}: its fix is not used", fix.minor);
        let path = format!("coverage/{}/unused", fix.minor);
        expanded.findings.push(finding(FindingLevel::Warning, &path, message)?);
    }
    expanded.frontier = frontier.into_iter().collect();
    Ok(expanded)
}

/// Holds what the payloads' own source says against what the request says. `fixed` tells of a
/// version whether its payload holds every claimed fix; `None`: nobody knows.
///
/// One that is called fixed and whose payload lacks the fix is a finding: clusters on it would be left
/// alone.
pub fn judge_payloads(
    coverage: &Coverage,
    fixed: impl Fn(&Version) -> Option<bool>,
) -> Result<Vec<Finding>, Error> {
    let mut wrong: BTreeMap<(HostedPlatform, Minor), Vec<&Version>> = BTreeMap::new();
    for ((platform, version), covered) in coverage {
        if covered.status == Status::FixedInPayload && fixed(version) == Some(false) {
            wrong.entry((*platform, version.minor())).or_default().push(version);
        }
    }
    let told = |((platform, minor), versions): ((HostedPlatform, Minor), Vec<&Version>)| {
        let message = format!(
            "{} on {platform} {} called fixed, and the payload's source lacks a claimed fix, or took it back: name a later `fixedIn`, or the pull request of that branch",
            range::listed(versions.iter().copied()),
            if versions.len() == 1 { "is" } else { "are" },
        );
        let path = format!("coverage/{}/{minor}/not-fixed", word(platform));
        finding(FindingLevel::Blocking, &path, message)
    };
    wrong.into_iter().map(told).collect()
}

/// Versions that are called fixed and where something else than the payload's image runs: that image
/// need not have the fix. Each place comes with what is said of its image.
pub fn judge_overridden(
    overridden: &BTreeMap<(HostedPlatform, Version), String>,
) -> Result<Vec<Finding>, Error> {
    let mut lines: BTreeMap<(HostedPlatform, Minor, &str), Vec<&Version>> = BTreeMap::new();
    for ((platform, version), image) in overridden {
        lines.entry((*platform, version.minor(), image)).or_default().push(version);
    }
    let told = |((platform, minor, image), versions): ((_, Minor, &str), Vec<&Version>)| {
        let message = format!(
            "{} on {platform} {} called fixed by {} payload, and {image} runs there instead: cover {}, or take that image away first",
            range::listed(versions.iter().copied()),
            if versions.len() == 1 { "is" } else { "are" },
            if versions.len() == 1 { "its" } else { "their" },
            if versions.len() == 1 { "it" } else { "them" },
        );
        let path = format!("coverage/{}/{minor}/overridden", word(platform));
        finding(FindingLevel::Blocking, &path, message)
    };
    lines.into_iter().map(told).collect()
}

/// The entry of a request for one platform and release line.
fn entry(request: &FixRequest, platform: HostedPlatform, minor: Minor) -> Option<&Affected> {
    request.affected.iter().find(|a| a.platform == platform && a.introduced.minor() == minor)
}
