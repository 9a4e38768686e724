//! What a verifier says: one verdict for machines, a tree of named checks for people.

use std::fmt;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::terminal::OneLine;

/// The outcome of a verification as a whole.
#[derive(Clone, Copy, Debug, Deserialize, Eq, JsonSchema, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub enum Outcome {
    /// Every check passed.
    Verified,
    /// Every check passed, but nothing proved that this is the newest state: no state was
    /// remembered, or the source is offline.
    VerifiedFreshnessUnknown,
    /// There is nothing that could be judged: no signature, no attestation.
    NoneFound,
    /// Something is there, and it does not hold.
    Refused,
    /// Something could not be read, so nothing is said.
    CouldNotAsk,
}

/// How one check ended.
#[derive(Clone, Copy, Debug, Deserialize, Eq, JsonSchema, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub enum Status {
    /// It holds.
    Passed,
    /// It does not hold.
    Failed,
    /// It was not made, and `detail` says why. Never counts as passed.
    NotMade,
}

/// One named check, with the checks it is made of.
#[derive(Clone, Debug, Deserialize, Eq, JsonSchema, PartialEq, Serialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Check {
    /// Name of the check, stable over releases, such as `releaseSignature`.
    pub name: String,
    /// What was checked: a reference, a digest, a role.
    pub subject: String,
    /// How it ended.
    pub status: Status,
    /// What was found, and for a failure what was expected and what to do.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub detail: String,
    /// The parts.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub checks: Vec<Check>,
}

impl Check {
    /// A check that holds.
    pub fn passed(
        name: impl Into<String>,
        subject: impl fmt::Display,
        detail: impl fmt::Display,
    ) -> Self {
        Self::new(name, subject, Status::Passed, detail)
    }

    /// A check that does not hold.
    pub fn failed(
        name: impl Into<String>,
        subject: impl fmt::Display,
        detail: impl fmt::Display,
    ) -> Self {
        Self::new(name, subject, Status::Failed, detail)
    }

    /// A check that was not made.
    pub fn not_made(
        name: impl Into<String>,
        subject: impl fmt::Display,
        detail: impl fmt::Display,
    ) -> Self {
        Self::new(name, subject, Status::NotMade, detail)
    }

    fn new(
        name: impl Into<String>,
        subject: impl fmt::Display,
        status: Status,
        detail: impl fmt::Display,
    ) -> Self {
        Self {
            name: name.into(),
            subject: subject.to_string(),
            status,
            detail: detail.to_string(),
            checks: Vec::new(),
        }
    }

    /// A check made of `checks`: it fails if one of them failed.
    pub fn all(name: impl Into<String>, subject: impl fmt::Display, checks: Vec<Self>) -> Self {
        let failed = checks.iter().any(|check| check.status == Status::Failed);
        let status = if failed { Status::Failed } else { Status::Passed };
        Self {
            name: name.into(),
            subject: subject.to_string(),
            status,
            detail: String::new(),
            checks,
        }
    }

    /// True if this check, and so each part of it, did not fail.
    pub fn holds(&self) -> bool {
        self.status != Status::Failed
    }

    /// The first failure, deepest first: the cause rather than its consequence.
    pub fn first_failure(&self) -> Option<&Self> {
        if self.status != Status::Failed {
            return None;
        }
        self.checks.iter().find_map(Self::first_failure).or(Some(self))
    }
}

/// A verdict.
#[derive(Clone, Debug, Deserialize, Eq, JsonSchema, PartialEq, Serialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Verdict {
    /// The outcome.
    pub outcome: Outcome,
    /// What was verified, with its digest once that is known.
    pub subject: String,
    /// Every check that was made.
    pub checks: Vec<Check>,
}

impl fmt::Display for Verdict {
    /// The tree, one check a line, whatever its texts quote.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for check in &self.checks {
            write_check(f, check, 0)?;
        }
        let outcome = match self.outcome {
            Outcome::Verified => "verified",
            Outcome::VerifiedFreshnessUnknown => "verified, freshness not established",
            Outcome::NoneFound => "none found",
            Outcome::Refused => "refused",
            Outcome::CouldNotAsk => "could not ask",
        };
        writeln!(f, "{outcome}: {}", OneLine(&self.subject))
    }
}

fn write_check(f: &mut fmt::Formatter<'_>, check: &Check, depth: usize) -> fmt::Result {
    let mark = match check.status {
        Status::Passed => "ok  ",
        Status::Failed => "FAIL",
        Status::NotMade => "-   ",
    };
    write!(f, "{mark} {:indent$}{}", "", OneLine(&check.name), indent = depth * 2)?;
    if !check.subject.is_empty() {
        write!(f, "  {}", OneLine(&check.subject))?;
    }
    if !check.detail.is_empty() {
        write!(f, ": {}", OneLine(&check.detail))?;
    }
    writeln!(f)?;
    check.checks.iter().try_for_each(|part| write_check(f, part, depth + 1))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_check_quotes_stays_on_its_line() {
        let lie = "x\nverified: quay.io/fleet\u{1b}[1A\u{202e}";
        let part = Check { name: lie.into(), ..Check::not_made("part", lie, lie) };
        let checks = vec![Check::all("whole", lie, vec![part])];
        let verdict = Verdict { outcome: Outcome::Refused, subject: lie.into(), checks };
        let shown = verdict.to_string();
        assert_eq!(shown.lines().count(), 3, "{shown}");
        assert!(!shown.chars().any(|c| c != '\n' && crate::terminal::forges(c)), "{shown:?}");
        assert!(!shown.lines().any(|line| line.starts_with("verified")), "{shown}");
    }

    #[test]
    fn a_failed_part_fails_the_whole_and_is_the_cause() {
        let inner = Check::failed("size", "a", "expected 1, found 2");
        let whole = Check::all("blob", "a", vec![Check::passed("digest", "a", ""), inner.clone()]);
        assert_eq!(whole.status, Status::Failed);
        assert_eq!(whole.first_failure(), Some(&inner));
        let fine = Check::all("blob", "a", vec![Check::not_made("x", "a", "offline")]);
        assert!(fine.holds());
        assert_eq!(fine.first_failure(), None);
    }
}
