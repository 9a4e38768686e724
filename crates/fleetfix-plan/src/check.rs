//! Which checks were made. A plan says of each whether it was; what is not said was not looked at.

use fleetfix_model::document::finding::{CheckState, PlanCheck};
use fleetfix_model::document::plan::Status;
use fleetfix_model::document::{FixPlan, FixRequest};

use crate::fixed;
use crate::sources::Given;

/// Checks that need nothing but the request and its payloads, by the first part of their findings'
/// ids.
const ALWAYS: [&str; 10] = [
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

/// The check of titles and files against platforms.
pub const PLATFORM: &str = "platform";

/// Checks that need something which may not have been given.
const SOMETIMES: [(&str, Needs, &str); 10] = [
    (
        "ancestry",
        Needs::Git,
        "no git repository was given: nobody checked that the fix's commit holds what it claims, nor what comes along",
    ),
    (
        "conflict",
        Needs::Channel,
        "no channel was given: nobody checked for another active fix of the same component and version",
    ),
    (
        fixed::CHECK,
        Needs::Git,
        "no git repository was given: nobody checked that payloads which are called fixed hold the fix",
    ),
    (
        "downgrade",
        Needs::Git,
        "no git repository was given: nobody checked that the fix's commit descends from the commit of each image it replaces",
    ),
    (
        "effective-image/annotations",
        Needs::Clusters,
        "no dump of HostedClusters was given: an annotation that names another image is not known",
    ),
    (
        "effective-image/bundles",
        Needs::Channel,
        "no channel was given: an active bundle that put another image in place is not known",
    ),
    (
        "effective-image/overrides",
        Needs::Overrides,
        "no deployed overrides.yaml was given: an entry of it that names another image is not known",
    ),
    (
        "impact/proxied",
        Needs::Clusters,
        "no dump of HostedClusters was given: clusters whose nodes reach the API server through a proxy are not known",
    ),
    (
        PLATFORM,
        Needs::Git,
        "no git repository was given: the titles and files of the pull requests were not held against the platforms",
    ),
    (
        "upgrade",
        Needs::Graph,
        "no update graph was given: versions that no payload or request names are not covered, and upgrade paths were not followed",
    ),
];

/// Why nobody looked whether images can be pulled.
const REPOSITORY: &str = "where clusters pull from is settled when the fix is published: nobody checked that the customer's pull secret, the management nodes and, where the image runs there, customer nodes can read it, nor that its prefix is allowed there";

/// What a check needs.
#[derive(Clone, Copy, Debug)]
enum Needs {
    Git,
    Channel,
    Clusters,
    Overrides,
    Graph,
}

impl Needs {
    fn are_met(self, given: &Given) -> bool {
        match self {
            Self::Git => given.git,
            Self::Channel => given.channel.is_some(),
            Self::Clusters => given.clusters.is_some(),
            Self::Overrides => given.overrides.is_some(),
            Self::Graph => given.graph.is_some(),
        }
    }
}

/// Whoever waives has to approve, and so has to be allowed to.
const WAIVERS: &str =
    "no channel was given: nobody checked that those who are named in waivers may approve";

/// The checks of a plan of `request`, sorted. `not_made` are those that were left out for a reason of
/// their own.
pub fn of(given: &Given, request: &FixRequest, not_made: &[(String, String)]) -> Vec<PlanCheck> {
    let check = |name: &str, reason: Option<&str>| PlanCheck {
        name: name.to_owned(),
        state: if reason.is_none() { CheckState::Made } else { CheckState::NotMade },
        reason: reason.map(str::to_owned),
    };
    let mut checks: Vec<PlanCheck> = ALWAYS.iter().map(|name| check(name, None)).collect();
    checks.extend(
        SOMETIMES.iter().map(|(name, needs, reason)| {
            check(name, Some(*reason).filter(|_| !needs.are_met(given)))
        }),
    );
    if !request.waivers.is_empty() {
        checks.push(check("waiver/by", Some(WAIVERS).filter(|_| !Needs::Channel.are_met(given))));
    }
    checks.push(check("repository", Some(REPOSITORY)));
    checks.retain(|check| !not_made.iter().any(|(name, _)| *name == check.name));
    checks.extend(not_made.iter().map(|(name, reason)| check(name, Some(reason))));
    checks.sort_by(|a, b| a.name.cmp(&b.name));
    checks
}

/// How many rows the fix covers.
pub fn covered(plan: &FixPlan) -> usize {
    plan.rows.iter().filter(|row| row.status == Status::Covered).count()
}
