//! Which checks were made. A plan says of each whether it was; what is not said was not looked at.

use fleetfix_model::document::FixPlan;
use fleetfix_model::document::finding::{CheckState, PlanCheck};
use fleetfix_model::document::plan::Status;

/// Checks that were made, by the first part of their findings' ids.
const MADE: [&str; 10] = [
    "architecture",
    "commit",
    "component",
    "coverage",
    "delivery",
    "image",
    "impact",
    "labels",
    "payload",
    "waiver",
];

/// Checks that were not made, and why.
const NOT_MADE: [(&str, &str); 6] = [
    (
        "ancestry",
        "no git repository was given: nobody checked that the fix's commit holds what it claims, nor what comes along",
    ),
    (
        "conflict",
        "no channel was given: nobody checked for another active fix of the same component and version",
    ),
    (
        "downgrade",
        "no git repository was given: nobody checked that the fix's commit descends from the commit of each image it replaces",
    ),
    (
        "effective-image",
        "no deployed overrides.yaml, channel or cluster was given: the payload's image is taken for what runs",
    ),
    (
        "graph",
        "no update graph was given: versions that no payload or request names are not covered, and upgrade paths were not followed",
    ),
    ("parity", "programs were not compared with those they replace"),
];

/// The checks of a plan without update graph and git repository, sorted.
pub fn without_graph() -> Vec<PlanCheck> {
    let made = MADE.iter().map(|name| PlanCheck {
        name: (*name).to_owned(),
        state: CheckState::Made,
        reason: None,
    });
    let not_made = NOT_MADE.iter().map(|(name, reason)| PlanCheck {
        name: (*name).to_owned(),
        state: CheckState::NotMade,
        reason: Some((*reason).to_owned()),
    });
    let mut checks: Vec<PlanCheck> = made.chain(not_made).collect();
    checks.sort_by(|a, b| a.name.cmp(&b.name));
    checks
}

/// How many rows the fix covers.
pub fn covered(plan: &FixPlan) -> usize {
    plan.rows.iter().filter(|row| row.status == Status::Covered).count()
}
