//! Where upgrades from covered versions lead.
//!
//! A fix for 4.17 and none for 4.18 is taken away by the customer's next upgrade: overrides covered
//! 4.17.20 to 4.17.43 and no 4.18 had the fix (openshift/hypershift `overrides.yaml`, `OCPBUGS-63638`
//! and 63639).

use std::collections::{BTreeMap, BTreeSet};

use fleetfix_model::document::finding::{Finding, FindingLevel};
use fleetfix_model::document::plan::Status;
use fleetfix_model::document::request::FixRequest;
use fleetfix_model::{HostedPlatform, Minor, Version};

use super::range::listed;
use super::{Coverage, entry};
use crate::finding::{finding, word};
use crate::{Error, Graph};

/// Upgrades of one platform from one release line to another that lose the fix.
#[derive(Default)]
struct Lost<'a> {
    from: BTreeSet<&'a Version>,
    to: BTreeSet<&'a Version>,
    conditional: bool,
}

/// Follows every edge out of a covered version. It must land on one that is covered, fixed or not
/// affected.
pub fn judge(
    request: &FixRequest,
    coverage: &Coverage,
    graph: &Graph,
) -> Result<Vec<Finding>, Error> {
    let mut lost: BTreeMap<(HostedPlatform, Minor, Minor), Lost<'_>> = BTreeMap::new();
    let covered = coverage.iter().filter(|(_, covered)| covered.status == Status::Covered);
    let mut lines = BTreeSet::new();
    for ((platform, from), _) in covered {
        lines.insert(from.minor());
        for edge in graph.edges_from(from) {
            if keeps(request, coverage, *platform, edge.to) {
                continue;
            }
            let lost = lost.entry((*platform, from.minor(), edge.to.minor())).or_default();
            lost.from.insert(from);
            lost.to.insert(edge.to);
            lost.conditional |= !edge.risks.is_empty();
        }
    }
    let mut findings = Vec::new();
    for ((platform, from, to), lost) in &lost {
        findings.push(regression(request, *platform, *from, *to, lost)?);
    }
    for minor in lines {
        findings.extend(next_unknown(graph, minor)?);
    }
    Ok(findings)
}

/// True if whoever lands there has the fix, or does not need it.
fn keeps(
    request: &FixRequest,
    coverage: &Coverage,
    platform: HostedPlatform,
    to: &Version,
) -> bool {
    match coverage.get(&(platform, to.clone())) {
        Some(covered) => covered.status != Status::Gap,
        None => {
            entry(request, platform, to.minor()).is_none()
                && request.is_unaffected(platform, to.minor())
        }
    }
}

fn regression(
    request: &FixRequest,
    platform: HostedPlatform,
    from: Minor,
    to: Minor,
    lost: &Lost<'_>,
) -> Result<Finding, Error> {
    let (why, mend) = if entry(request, platform, to).is_some() {
        ("which is affected and not covered", "cover it".to_owned())
    } else {
        (
            "of which the request says nothing",
            format!(
                "add {platform} {to} to `affected` with its fix, or to `unaffected` with the reason"
            ),
        )
    };
    let condition = if lost.conditional { "; some of these upgrades are conditional" } else { "" };
    let message = format!(
        "whoever upgrades on {platform} from {} to {}, {why}, gets the defect back: {mend}{condition}",
        listed(lost.from.iter().copied()),
        listed(lost.to.iter().copied()),
    );
    finding(FindingLevel::Blocking, &format!("upgrade/{}/{from}/{to}", word(platform)), message)
}

/// A graph without the next release line shows no upgrade to it.
fn next_unknown(graph: &Graph, minor: Minor) -> Result<Option<Finding>, Error> {
    let Some(number) = minor.minor.checked_add(1) else { return Ok(None) };
    let next = Minor { minor: number, ..minor };
    if graph.line(next).len() > 0 {
        return Ok(None);
    }
    let message = format!(
        "the update graph has no {next} version, so that upgrades from {minor} to it were not judged; if there is one, give the graph of a {next} channel as well"
    );
    finding(FindingLevel::Warning, &format!("upgrade/{minor}/next"), message).map(Some)
}
