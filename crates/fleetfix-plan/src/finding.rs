//! What was found, and who accepted it.

use std::collections::btree_map::Entry;
use std::collections::{BTreeMap, BTreeSet};

use fleetfix_hypershift::finding::{finding, refusal as refusal_of};
use fleetfix_model::document::finding::{Finding, FindingLevel, Waiver};
use fleetfix_model::document::plan::cleaned;
use fleetfix_model::name::{FindingId, PrincipalName};

/// Start of the names of differences between new programs and those that they replace
/// (`fleetfix_program::Difference::finding`).
const PARITY: &str = "parity/";

/// Findings, one per identity. What they say may quote commits and names of others: it is cleaned
/// before it stands in a plan.
#[derive(Debug, Default)]
pub struct Findings(BTreeMap<FindingId, Finding>);

impl Findings {
    /// Takes a finding. Two of one identity become one, with the weight of the heavier.
    pub fn add(&mut self, new: Finding) {
        match self.0.entry(new.id.clone()) {
            Entry::Vacant(free) => {
                free.insert(new);
            }
            Entry::Occupied(mut known) => {
                let known = known.get_mut();
                known.level = known.level.max(new.level);
                known.waivable &= new.waivable;
                if known.message != new.message {
                    known.message = format!("{}; {}", known.message, new.message);
                }
            }
        }
    }

    /// The findings, sorted, with the waivers that name them. A waiver that names none is itself
    /// worth knowing: it was meant for something.
    pub fn waived(
        mut self,
        waivers: &[Waiver],
    ) -> Result<Vec<Finding>, fleetfix_hypershift::Error> {
        let mut idle = Vec::new();
        for waiver in waivers {
            match self.0.get_mut(&waiver.finding) {
                Some(found) => found.waiver = Some(waiver.clone()),
                None => idle.push(waiver),
            }
        }
        for waiver in idle {
            let id = &waiver.finding;
            // Programs are compared when images are patched, which reads the waiver here.
            if id.as_str().starts_with(PARITY) {
                let message = "new programs may differ from the base's in this: they are compared \
                               when images are patched";
                let later = finding(FindingLevel::Blocking, id.as_str(), message.to_owned())?;
                self.add(Finding { waiver: Some(waiver.clone()), ..later });
                continue;
            }
            let message = format!("the request waives `{id}`, which was not found");
            self.add(finding(FindingLevel::Info, &format!("waiver/{id}"), message)?);
        }
        let clean = |found: Finding| Finding { message: cleaned(&found.message), ..found };
        Ok(self.0.into_values().map(clean).collect())
    }
}

impl Extend<Finding> for Findings {
    fn extend<T: IntoIterator<Item = Finding>>(&mut self, new: T) {
        for finding in new {
            self.add(finding);
        }
    }
}

/// Waivers in the name of somebody who may not approve: publishing wants an approval by whoever waives,
/// so no bundle of this plan would ever be published.
pub fn idle_names(
    waivers: &[Waiver],
    approvers: &BTreeSet<PrincipalName>,
) -> Result<Vec<Finding>, fleetfix_hypershift::Error> {
    let one = |waiver: &Waiver| {
        let Waiver { finding: id, by, .. } = waiver;
        let message =
            format!("`{id}` is waived by {by}, who is no approver here: have an approver waive it");
        refusal_of(&format!("waiver/{id}/by"), message)
    };
    waivers.iter().filter(|waiver| !approvers.contains(&waiver.by)).map(one).collect()
}

/// Why the plan is no good, on one line.
pub fn refusal(plan: &str, stopping: &[&Finding]) -> String {
    let listed: Vec<String> = stopping
        .iter()
        .map(|found| match found.waiver.as_ref().and_then(|waiver| waiver.expires) {
            Some(expires) if found.waivable => {
                format!("{} (its waiver ended {expires})", found.id)
            }
            _ => format!("{}: {}", found.id, found.message),
        })
        .collect();
    format!(
        "{}: {} [{}]",
        plan,
        listed.join("; "),
        if stopping.iter().all(|found| found.waivable) {
            "mend the request, or have somebody waive it by name"
        } else {
            "mend the request: no waiver helps against all of it"
        }
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    fn found(level: FindingLevel, path: &str, message: &str) -> Finding {
        finding(level, path, message).unwrap()
    }

    fn waiver(id: &str) -> Waiver {
        Waiver {
            finding: id.parse().unwrap(),
            by: "alice".parse().unwrap(),
            reason: "known".into(),
            expires: None,
        }
    }

    #[test]
    fn one_per_identity_and_the_heavier_weighs() {
        let mut findings = Findings::default();
        findings.add(found(FindingLevel::Info, "a/b", "one"));
        findings.add(found(FindingLevel::Blocking, "a/b", "two"));
        findings.add(found(FindingLevel::Info, "a/b", "one; two"));
        findings.add(found(FindingLevel::Info, "a/a", "x"));
        let waivers = [waiver("a/b"), waiver("gone"), waiver("parity/go-version")];
        let all = findings.waived(&waivers).unwrap();
        let told: Vec<String> = all
            .iter()
            .map(|f| format!("{} {:?} {} {}", f.id, f.level, f.message, f.waiver.is_some()))
            .collect();
        let expected = [
            "a/a Info x false",
            "a/b Blocking one; two true",
            "parity/go-version Blocking new programs may differ from the base's in this: they are \
             compared when images are patched true",
            "waiver/gone Info the request waives `gone`, which was not found false",
        ];
        assert_eq!(told, expected);
    }

    #[test]
    fn who_may_not_approve_waives_nothing() {
        let approvers = ["bob".parse().unwrap()].into();
        let found = idle_names(&[waiver("a/b")], &approvers).unwrap();
        assert_eq!(found.len(), 1);
        assert_eq!(found[0].id.as_str(), "waiver/a/b/by");
        assert!(found[0].level == FindingLevel::Blocking && !found[0].waivable, "{found:?}");
        let approvers = ["alice".parse().unwrap()].into();
        assert!(idle_names(&[waiver("a/b")], &approvers).unwrap().is_empty());
    }
}
