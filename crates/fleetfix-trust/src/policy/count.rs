//! How many principals spoke, against each rule.

use std::collections::BTreeSet;

use fleetfix_model::document::policy::Role;
use fleetfix_model::name::PrincipalName;
use fleetfix_model::verdict::Check;

use super::rejection::{Rejected, reasons};

/// What was counted for one rule.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct RuleCount {
    /// Number of the rule in `roles` of the policy, from 0.
    pub rule: usize,
    /// How many different principals must speak.
    pub threshold: u32,
    /// Who spoke, of those that the rule names.
    pub principals: BTreeSet<PrincipalName>,
}

impl RuleCount {
    /// True if enough spoke.
    pub fn holds(&self) -> bool {
        usize::try_from(self.threshold).is_ok_and(|needed| self.principals.len() >= needed)
    }
}

/// What was counted for all rules of a role that hold at a place.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Counted {
    /// The role.
    pub role: Role,
    /// The rules.
    pub rules: Vec<RuleCount>,
}

impl Counted {
    /// True if there is a rule and all rules hold.
    pub fn holds(&self) -> bool {
        !self.rules.is_empty() && self.rules.iter().all(RuleCount::holds)
    }

    /// One check a rule. A rule that does not hold says why each of `rejected` is not counted.
    pub fn checks(&self, rejected: &[Rejected]) -> Vec<Check> {
        if self.rules.is_empty() {
            let detail = "no rule of the policy names anybody for it here";
            return vec![Check::failed("threshold", self.role, detail)];
        }
        let check = |count: &RuleCount| {
            let subject = format!("{} (roles[{}])", self.role, count.rule);
            let detail = format!(
                "{} of {}: {}",
                count.principals.len(),
                count.threshold,
                list(&count.principals)
            );
            if count.holds() {
                Check::passed("threshold", subject, detail)
            } else {
                Check::failed("threshold", subject, detail + &reasons(rejected))
            }
        };
        self.rules.iter().map(check).collect()
    }
}

/// Names for a message.
pub(crate) fn list<'a>(names: impl IntoIterator<Item = &'a PrincipalName>) -> String {
    let names: Vec<_> = names.into_iter().map(PrincipalName::as_str).collect();
    if names.is_empty() { "nobody".to_owned() } else { names.join(", ") }
}
