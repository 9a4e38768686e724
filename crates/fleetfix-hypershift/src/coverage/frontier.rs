//! Where a range of affected versions ends.

use std::collections::BTreeMap;

use fleetfix_model::document::request::Affected;
use fleetfix_model::{Minor, Timestamp, Version};

use super::Known;

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

fn of_line(
    cutoffs: &BTreeMap<Version, Timestamp>,
    minor: Minor,
) -> impl Iterator<Item = (&Version, &Timestamp)> {
    cutoffs.iter().filter(move |(version, _)| version.minor() == minor)
}
