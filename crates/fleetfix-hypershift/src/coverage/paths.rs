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
use crate::graph::next_lines;
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
    let mut lines: BTreeMap<Minor, BTreeSet<HostedPlatform>> = BTreeMap::new();
    for ((platform, from), _) in covered {
        lines.entry(from.minor()).or_default().insert(*platform);
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
    for (minor, platforms) in &lines {
        findings.extend(next_unknown(request, graph, *minor, platforms)?);
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

/// A graph without a later release line shows no upgrade to one, so that nothing was judged. Of a line
/// that the request speaks of, it says itself what the fix means there.
fn next_unknown(
    request: &FixRequest,
    graph: &Graph,
    minor: Minor,
    platforms: &BTreeSet<HostedPlatform>,
) -> Result<Option<Finding>, Error> {
    let spoken_of = |platform: &HostedPlatform| {
        next_lines(minor).any(|next| {
            entry(request, *platform, next).is_some() || request.is_unaffected(*platform, next)
        })
    };
    if !graph.lines_after(minor).is_empty() || platforms.iter().all(spoken_of) {
        return Ok(None);
    }
    let next: Vec<String> = next_lines(minor).map(|next| next.to_string()).collect();
    let next = next.join(" or ");
    let message = format!(
        "the update graph shows no upgrade from {minor} to a later release line, so that none was judged: give the graph of a channel of {next} as well, or name that line in `affected` with its fix, or in `unaffected` with the reason, such as that it is not released"
    );
    finding(FindingLevel::Blocking, &format!("upgrade/{minor}/next"), message).map(Some)
}
