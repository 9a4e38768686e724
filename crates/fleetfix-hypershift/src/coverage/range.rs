//! The versions of one platform and release line.

use std::collections::BTreeSet;
use std::fmt::Write;

use fleetfix_model::document::finding::{Finding, FindingLevel};
use fleetfix_model::document::plan::Status;
use fleetfix_model::document::request::Affected;
use fleetfix_model::{Minor, Version};

use super::frontier::End;
use super::{Covered, Known, MAX_Z_STREAMS, Seen};
use crate::Error;
use crate::finding::{finding, word};

/// Most ranges of versions that one finding lists.
const LISTED: usize = 10;

/// One entry of a request with what is known of its release line.
pub(super) struct Line<'a> {
    affected: &'a Affected,
    minor: Minor,
    end: End,
    /// Whether there is a graph, and whether it has the line.
    graph: Option<bool>,
    /// Versions that exist: those of the graph, and those whose payloads are named.
    released: BTreeSet<Version>,
    /// The highest z-stream of those.
    last: Option<u64>,
}

impl<'a> Line<'a> {
    pub(super) fn new(
        affected: &'a Affected,
        payloads: &BTreeSet<&Version>,
        known: &Known<'_>,
    ) -> Result<Self, Error> {
        let minor = affected.introduced.minor();
        let mut released: BTreeSet<Version> =
            payloads.iter().filter(|v| v.minor() == minor).copied().cloned().collect();
        let of_graph: Option<Vec<&Version>> = known.graph.map(|graph| graph.line(minor).collect());
        released.extend(of_graph.iter().flatten().copied().cloned());
        let last = released.iter().filter(|v| !v.is_prerelease()).map(Version::patch).max();
        let graph = of_graph.map(|versions| !versions.is_empty());
        let line = Self { affected, minor, end: End::of(affected, known), graph, released, last };
        line.check_size()?;
        Ok(line)
    }

    /// Only what is expanded can grow beyond what the request and the graph list.
    fn check_size(&self) -> Result<(), Error> {
        let Some((first, end)) = self.z_streams() else { return Ok(()) };
        if end.saturating_sub(first) > MAX_Z_STREAMS {
            let (platform, minor) = (self.affected.platform, self.minor);
            return Err(Error::TooWide { platform, minor, count: end.saturating_sub(first) });
        }
        Ok(())
    }

    /// The z-streams that follow from the graph: the first, and the one after the last.
    fn z_streams(&self) -> Option<(u64, u64)> {
        if self.graph != Some(true) {
            return None;
        }
        let first = self.affected.introduced.patch();
        let after_last = self.last.map_or(first, |last| last.saturating_add(1));
        // A prerelease of the first fixed version comes before it and has its number.
        Some((first, self.end.version().map_or(after_last, Version::patch)))
    }

    /// The first z-stream with the fix, where it is not released yet.
    pub(super) fn frontier(&self) -> Option<Version> {
        self.end.version().filter(|v| self.graph == Some(true) && self.is_beyond(v)).cloned()
    }

    fn is_beyond(&self, version: &Version) -> bool {
        !self.released.contains(version) && self.last.is_none_or(|last| version.patch() > last)
    }

    /// Every version of which there is something to say.
    pub(super) fn versions(&self) -> BTreeSet<Version> {
        let affected = self.affected;
        let mut versions: BTreeSet<Version> = affected.versions.iter().cloned().collect();
        let listed = !versions.is_empty();
        versions.extend(self.end.version().cloned());
        versions.extend(affected.excluded.iter().map(|e| e.version.clone()));
        if let Some((first, end)) = self.z_streams() {
            versions.extend((first..end).filter_map(|z| z_stream(self.minor, z)));
            versions.insert(affected.introduced.clone());
            versions.extend(self.released.iter().cloned());
        } else {
            if !listed {
                versions.insert(affected.introduced.clone());
            }
            // A list of affected versions is meant as it is; payloads beside it only say the rest.
            let rest =
                |v: &&Version| !(listed && self.in_range(v) && self.affected.excluded(v).is_none());
            versions.extend(self.released.iter().filter(rest).cloned());
        }
        versions.retain(|version| version.minor() == self.minor);
        versions
    }

    fn in_range(&self, version: &Version) -> bool {
        // Where the request names no end, a development cutoff may.
        self.affected.in_range(version) && self.end.version().is_none_or(|fixed| version < fixed)
    }

    /// What the fix means for a version of this line.
    pub(super) fn status(&self, version: &Version) -> Covered {
        let seen = self.seen(version);
        let (status, reason) = if *version < self.affected.introduced {
            (Status::NotAffected, Some(format!("introduced in {}", self.affected.introduced)))
        } else if !self.in_range(version) {
            (Status::FixedInPayload, self.why_fixed(version))
        } else if let Some(excluded) = self.affected.excluded(version) {
            (Status::Gap, Some(excluded.reason.clone()))
        } else if !self.affected.lists(version) {
            (Status::Gap, Some("`versions` does not list it".to_owned()))
        } else {
            match seen {
                Seen::Beyond => (Status::Unreleased, None),
                Seen::Skipped => (Status::Covered, Some("the update graph skips it".to_owned())),
                Seen::Named => (Status::Covered, None),
            }
        };
        Covered { status, reason, seen }
    }

    fn why_fixed(&self, version: &Version) -> Option<String> {
        match &self.end {
            End::Cutoff { version: first, cutoff, merged } if first == version => {
                Some(format!("its development cutoff {cutoff} follows the merge of {merged}"))
            }
            _ => None,
        }
    }

    fn seen(&self, version: &Version) -> Seen {
        if self.graph != Some(true) || self.released.contains(version) {
            Seen::Named
        } else if self.is_beyond(version) {
            Seen::Beyond
        } else if self.affected.versions.contains(version) {
            Seen::Named
        } else {
            Seen::Skipped
        }
    }

    pub(super) fn findings(&self) -> Result<Vec<Finding>, Error> {
        let versions = self.versions();
        let rows: Vec<(&Version, Covered)> = versions.iter().map(|v| (v, self.status(v))).collect();
        let with = |status: Status, seen: Seen| {
            let rows = rows.iter().filter(move |(_, c)| c.status == status && c.seen == seen);
            rows.map(|(version, _)| *version).collect::<Vec<&Version>>()
        };
        let mut findings = Vec::new();
        if self.graph == Some(false) {
            let message = format!(
                "the update graph has no {} version: only what the request names is covered; give the graph of a channel of that line",
                self.minor
            );
            findings.push(self.say(FindingLevel::Blocking, "graph", message)?);
        }
        findings.extend(self.open_end()?);
        let gap = |excluded: &&fleetfix_model::document::request::Excluded| {
            self.status(&excluded.version).status == Status::Gap
        };
        for excluded in self.affected.excluded.iter().filter(gap) {
            let message = format!("affected and left out: {}", excluded.reason);
            let path = format!("coverage/{}/{}", word(self.affected.platform), excluded.version);
            findings.push(finding(FindingLevel::Warning, &path, message)?);
        }
        findings.extend(self.holes(&versions)?);
        let skipped = with(Status::Covered, Seen::Skipped);
        if !skipped.is_empty() {
            let message = format!(
                "the update graph skips {}, and clusters may run it all the same: covered where there is a payload",
                listed(skipped.into_iter())
            );
            findings.push(self.say(FindingLevel::Info, "skipped", message)?);
        }
        Ok(findings)
    }

    fn say(&self, level: FindingLevel, what: &str, message: String) -> Result<Finding, Error> {
        let path = format!("coverage/{}/{}/{what}", word(self.affected.platform), self.minor);
        finding(level, &path, message)
    }

    /// The next z-stream takes the fix away from whoever upgrades to it, unless it has the fix.
    fn open_end(&self) -> Result<Option<Finding>, Error> {
        let End::Open(why) = &self.end else { return Ok(None) };
        let minor = self.minor;
        let (level, message) = if self.graph == Some(true) {
            let last = self.last.and_then(|z| z_stream(minor, z));
            let last = last.map_or_else(|| minor.to_string(), |version| version.to_string());
            let message = format!(
                "no release of {minor} with the fix is known ({why}): whoever upgrades past {last} gets the defect back; name `fixedIn`, or give the development cutoffs"
            );
            (FindingLevel::Blocking, message)
        } else {
            let message = format!(
                "no release of {minor} with the fix is named: an upgrade to a z-stream that is not covered brings the defect back; name `fixedIn` once it is known"
            );
            (FindingLevel::Warning, message)
        };
        self.say(level, "open-end", message).map(Some)
    }

    /// Z-streams between covered ones that nothing covers.
    fn holes(&self, versions: &BTreeSet<Version>) -> Result<Option<Finding>, Error> {
        if self.graph == Some(true) {
            let left: Vec<&Version> = versions
                .iter()
                .filter(|v| {
                    self.in_range(v)
                        && self.affected.excluded(v).is_none()
                        && !self.affected.lists(v)
                })
                .collect();
            if left.is_empty() {
                return Ok(None);
            }
            let message = format!(
                "`versions` leaves out {}, which {} between the first affected version and the first fixed one: list {}, or exclude with a reason, or leave `versions` away",
                listed(left.iter().copied()),
                if left.len() == 1 { "is" } else { "are" },
                if left.len() == 1 { "it" } else { "them" },
            );
            return self.say(FindingLevel::Blocking, "holes", message).map(Some);
        }
        let of_line = versions.iter().filter(|v| !v.is_prerelease()).map(Version::patch);
        let patches: BTreeSet<u64> = of_line.collect();
        let holes: Vec<(u64, u64)> = patches
            .iter()
            .zip(patches.iter().skip(1))
            .filter(|(a, b)| *b - *a > 1)
            .map(|(a, b)| (a + 1, b - 1))
            .collect();
        if holes.is_empty() {
            return Ok(None);
        }
        let message = format!(
            "nothing is said of {}: name their payloads, or exclude them with a reason",
            told(&holes.iter().map(|(a, b)| numbered(self.minor, *a, *b)).collect::<Vec<_>>())
        );
        self.say(FindingLevel::Warning, "holes", message).map(Some)
    }
}

/// `4.20.7`, from its numbers.
pub(super) fn z_stream(minor: Minor, z: u64) -> Option<Version> {
    format!("{minor}.{z}").parse().ok()
}

fn numbered(minor: Minor, first: u64, last: u64) -> String {
    if first == last {
        format!("{minor}.{first}")
    } else {
        format!("{minor}.{first} to {minor}.{last}")
    }
}

/// Versions as a list, neighbours as a range. They must be sorted.
pub(crate) fn listed<'v>(versions: impl Iterator<Item = &'v Version>) -> String {
    let mut ranges: Vec<(&Version, &Version)> = Vec::new();
    for version in versions {
        match ranges.last_mut() {
            Some((_, last)) if follows(last, version) => *last = version,
            _ => ranges.push((version, version)),
        }
    }
    let spelled = |(first, last): &(&Version, &Version)| {
        if first == last { first.to_string() } else { format!("{first} to {last}") }
    };
    told(&ranges.iter().map(spelled).collect::<Vec<_>>())
}

/// True if no z-stream can be between the two.
fn follows(a: &Version, b: &Version) -> bool {
    a.minor() == b.minor()
        && !a.is_prerelease()
        && !b.is_prerelease()
        && a.patch().checked_add(1) == Some(b.patch())
}

fn told(ranges: &[String]) -> String {
    let mut text = ranges.iter().take(LISTED).cloned().collect::<Vec<_>>().join(", ");
    if ranges.len() > LISTED {
        let _ = write!(text, ", and {} more", ranges.len() - LISTED);
    }
    text
}
