//! Where a range of affected versions ends, and what becomes of those that are not released yet.

use std::collections::BTreeMap;

use fleetfix_model::document::finding::{Finding, FindingLevel};
use fleetfix_model::document::plan::Status;
use fleetfix_model::document::request::Affected;
use fleetfix_model::{HostedPlatform, Minor, Timestamp, Version};

use super::range::listed;
use super::{Coverage, Covered, Known};
use crate::Error;
use crate::finding::{finding, word};

/// Where a range of affected versions ends.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum End {
    /// The request names the first version with the fix.
    Named(Version),
    /// It is the first z-stream whose development cutoff follows the merge.
    Cutoff {
        /// The first version with the fix.
        version: Version,
        /// Its development cutoff.
        cutoff: Timestamp,
        /// When the fix was merged.
        merged: Timestamp,
    },
    /// Nobody knows, and why not.
    Open(&'static str),
}

impl End {
    /// The end of one entry.
    pub fn of(affected: &Affected, known: &Known<'_>) -> Self {
        if let Some(version) = &affected.fixed_in {
            return Self::Named(version.clone());
        }
        let minor = affected.introduced.minor();
        let mut cutoffs = of_line(&known.cutoffs, minor).peekable();
        if cutoffs.peek().is_none() {
            return Self::Open("no development cutoff of the line is known");
        }
        let Some(merged) = known.merged.get(&minor).copied() else {
            return Self::Open("the fix is not known to be merged into the line's branch");
        };
        match cutoffs.find(|(version, cutoff)| **cutoff > merged && **version > affected.introduced)
        {
            Some((version, cutoff)) => {
                Self::Cutoff { version: version.clone(), cutoff: *cutoff, merged }
            }
            None => Self::Open("every known development cutoff of the line is before the merge"),
        }
    }

    /// The first version with the fix.
    pub fn version(&self) -> Option<&Version> {
        match self {
            Self::Named(version) | Self::Cutoff { version, .. } => Some(version),
            Self::Open(_) => None,
        }
    }
}

/// Says what becomes of the z-streams that are not released yet. `ahead` tells whether entries for them
/// are written before they are.
///
/// HyperShift's own file names them, all with the image of the line, which is built from its branch. So
/// does one that is made from a finished image. An image that is patched is that of a payload: where
/// there is none yet, that of an earlier version would be older code than the release has.
pub fn judge(
    coverage: &Coverage,
    ahead: impl Fn(HostedPlatform, Minor) -> bool,
) -> Result<Vec<Finding>, Error> {
    let mut lines: BTreeMap<(HostedPlatform, Minor), Vec<&Version>> = BTreeMap::new();
    for ((platform, version), covered) in coverage {
        if covered.status == Status::Unreleased {
            lines.entry((*platform, version.minor())).or_default().push(version);
        }
    }
    let told = |((platform, minor), versions): ((HostedPlatform, Minor), Vec<&Version>)| {
        let (level, rest) = if ahead(platform, minor) {
            (FindingLevel::Info, "the finished image gets its entry before the release")
        } else {
            (
                FindingLevel::Warning,
                "nothing of this plan is for that: it gets no entry until the plan is made again after the release, and whoever upgrades there before loses the fix",
            )
        };
        let mut message = format!("not released yet: {}; {rest}", listed(versions.into_iter()));
        if let Some((version, covered)) = first_fixed(coverage, platform, minor) {
            let why = covered.reason.as_ref().map(|why| format!(" ({why})")).unwrap_or_default();
            message = format!("{message}; {version} is the first with the fix{why}");
        }
        let path = format!("coverage/{}/{minor}/frontier", word(platform));
        finding(level, &path, message)
    };
    lines.into_iter().map(told).collect()
}

/// The first version of a line whose payload has the fix.
fn first_fixed(
    coverage: &Coverage,
    platform: HostedPlatform,
    minor: Minor,
) -> Option<(&Version, &Covered)> {
    let mut of_line = coverage.iter().filter(|((on, v), _)| (*on, v.minor()) == (platform, minor));
    let first = of_line.find(|(_, covered)| covered.status == Status::FixedInPayload);
    first.map(|((_, version), covered)| (version, covered))
}

fn of_line(
    cutoffs: &BTreeMap<Version, Timestamp>,
    minor: Minor,
) -> impl Iterator<Item = (&Version, &Timestamp)> {
    cutoffs.iter().filter(move |(version, _)| version.minor() == minor)
}
