//! What checks found, and who accepted it.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::Timestamp;
use crate::name::{FindingId, PrincipalName};

/// How much a finding weighs.
#[derive(
    Clone, Copy, Debug, Deserialize, Eq, JsonSchema, Ord, PartialEq, PartialOrd, Serialize,
)]
#[serde(rename_all = "camelCase")]
pub enum FindingLevel {
    /// Worth knowing.
    Info,
    /// An approver should look at it.
    Warning,
    /// The plan is refused unless a waiver names it.
    Blocking,
}

impl std::fmt::Display for FindingLevel {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::Info => "info",
            Self::Warning => "warning",
            Self::Blocking => "blocking",
        })
    }
}

/// One thing that a check found.
#[derive(Clone, Debug, Deserialize, Eq, JsonSchema, PartialEq, Serialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Finding {
    /// Identity, stable over runs: a waiver names it.
    pub id: FindingId,
    /// Its weight.
    pub level: FindingLevel,
    /// What, where, and what to do.
    pub message: String,
    /// False where no waiver helps: what would be done has no effect, or must never be done.
    #[serde(default = "yes", skip_serializing_if = "is_yes")]
    pub waivable: bool,
    /// The waiver that covers it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub waiver: Option<Waiver>,
}

impl Finding {
    /// True if somebody's waiver covers it at this time.
    pub fn is_waived(&self, now: Timestamp) -> bool {
        self.waivable && self.waiver.as_ref().is_some_and(|waiver| !waiver.is_over(now))
    }

    /// True if it stops the plan at this time: nobody waived it, or the waiver is over.
    pub fn stops(&self, now: Timestamp) -> bool {
        self.level == FindingLevel::Blocking && !self.is_waived(now)
    }
}

const fn yes() -> bool {
    true
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde hands out a reference")]
const fn is_yes(value: &bool) -> bool {
    *value
}

/// A person's acceptance of one finding, by its identity.
#[derive(Clone, Debug, Deserialize, Eq, JsonSchema, PartialEq, Serialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Waiver {
    /// The finding.
    pub finding: FindingId,
    /// Who accepts it.
    pub by: PrincipalName,
    /// Why.
    pub reason: String,
    /// When the waiver ends.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub expires: Option<Timestamp>,
}

impl Waiver {
    /// True from the second on at which it ends.
    pub fn is_over(&self, now: Timestamp) -> bool {
        self.expires.is_some_and(|end| end <= now)
    }
}

/// Whether a named check of the plan was made.
#[derive(Clone, Copy, Debug, Deserialize, Eq, JsonSchema, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub enum CheckState {
    /// It was made; what it found stands in the findings.
    Made,
    /// It was not made, and the reason stands beside it.
    NotMade,
}

/// A check of the plan.
#[derive(Clone, Debug, Deserialize, Eq, JsonSchema, PartialEq, Serialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct PlanCheck {
    /// Name, the first part of its findings' ids.
    pub name: String,
    /// Whether it was made.
    pub state: CheckState,
    /// Why not.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
}
