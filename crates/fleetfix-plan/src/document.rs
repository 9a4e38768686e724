//! The plan from all of it.

use std::collections::{BTreeMap, BTreeSet};

use fleetfix_audit::bundle::{self, VerifiedBundle};
use fleetfix_audit::channel::VerifiedChannel;
use fleetfix_hypershift::conflict::{self, Ours};
use fleetfix_hypershift::coverage::{Covered, Expanded, frontier, paths};
use fleetfix_model::document::plan::{FixPlan, FixPlanKind, Row, Status, cleaned};
use fleetfix_model::document::rollout::{FixReference, RetireWhen};
use fleetfix_model::document::{Document, FixRequest};
use fleetfix_model::name::FixId;
use fleetfix_model::{Digest, HostedPlatform, Minor, Version};

use crate::base::Bases;
use crate::content::Fixes;
use crate::deliver::Delivered;
use crate::finding::Findings;
use crate::payload::{Component, Payloads};
use crate::request::Request;
use crate::running::Running;
use crate::sources::Given;
use crate::{Error, check, finding, judge};

/// What a plan is made of.
#[derive(Debug)]
pub struct Parts<'a> {
    /// The request.
    pub request: &'a Request,
    /// What was given beside it.
    pub given: &'a Given,
    /// What the fix means for each version.
    pub expanded: Expanded,
    /// The payloads.
    pub payloads: &'a Payloads,
    /// The component.
    pub component: Component,
    /// What runs.
    pub running: Running,
    /// How the fix gets there.
    pub delivered: Delivered,
    /// The images to patch.
    pub bases: Bases,
    /// The fixes.
    pub fixes: Fixes,
    /// What was found on the way.
    pub findings: Findings,
    /// Checks that were left out, with the reason.
    pub not_made: Vec<(String, String)>,
}

/// Makes the plan.
pub fn assemble(parts: Parts<'_>) -> Result<FixPlan, Error> {
    let Parts { request, given, expanded, payloads, component, running, bases, fixes, .. } = parts;
    let delivered = parts.delivered;
    let Expanded { coverage, frontier: first_fixed, findings: found } = expanded;
    let document = &request.document;
    let tag = component.tag;
    let named = |e| Error::of_request(request, e);

    let mut findings = parts.findings;
    findings.extend(found.into_iter().chain(component.finding).chain(fixes.findings));
    findings.extend(running.findings);
    findings.extend(judge::without_commit(&fixes.planned).map_err(named)?);
    findings.extend(judge::payloads(&payloads.covered, &tag).map_err(named)?);
    findings.extend(judge::running(&payloads.covered, &tag, &bases).map_err(named)?);
    if let Some((graph, _)) = &given.graph {
        findings.extend(paths::judge(document, &coverage, graph).map_err(named)?);
    }
    if let Some(clusters) = &given.clusters {
        findings.extend(judge::proxied(clusters, &tag, &coverage, payloads).map_err(named)?);
    }
    let supersedes = pinned(&document.supersedes, given.channel.as_ref());
    // What comes later is excluded as well.
    let conflicts: BTreeSet<FixReference> = document.conflicts.iter().cloned().collect();
    let conflicts: Vec<FixReference> = conflicts.into_iter().collect();
    if let Some(channel) = &given.channel {
        let approvers = bundle::approvers(channel, &tag);
        findings.extend(finding::idle_names(&document.waivers, &approvers).map_err(named)?);
        let ours = Ours {
            id: &request.id,
            revision: document.revision(),
            component: &tag,
            coverage: &coverage,
            targets: document.targets.as_ref(),
            delivery: &delivered.deliveries,
            supersedes: &supersedes,
            conflicts: &conflicts,
        };
        let active = channel.bundles().iter().map(VerifiedBundle::document);
        findings.extend(conflict::judge(ours, active).map_err(named)?);
    }

    let rows: Vec<Row> =
        coverage.iter().map(|(place, covered)| row(place, covered, payloads, &bases)).collect();
    findings.extend(delivered.findings.iter().cloned());
    let by_version = |platform, minor| delivered.is_by_version(platform, minor);
    findings.extend(running.overriding.shadowed(&coverage, by_version).map_err(named)?);
    // As `render overrides` does it: nothing is patched for what has no payload.
    let finished = |minor| fixes.planned.iter().any(|f| f.minor == minor && f.image.is_some());
    let ahead = |platform, minor| finished(minor) && by_version(platform, minor);
    findings.extend(frontier::judge(&coverage, ahead).map_err(named)?);

    let plan = FixPlan {
        api_version: document.api_version,
        kind: FixPlanKind::FixPlan,
        annotations: document.annotations.clone(),
        requires: Vec::new(),
        id: request.id.clone(),
        revision: document.revision(),
        title: document.title.clone(),
        tickets: document.tickets.clone(),
        severity: document.severity,
        incident: document.incident.clone(),
        request: request.digest,
        graph: given.graph.as_ref().map(|(_, digest)| *digest),
        inputs: given.inputs.clone(),
        requester: document.requester.clone(),
        component: tag,
        fixes: fixes.planned,
        bases: bases.images.into_values().map(|base| base.image).collect(),
        rows,
        frontier: first_fixed,
        delivery: delivered.deliveries,
        impact: delivered.impacts,
        checks: check::of(given, document, &parts.not_made),
        findings: findings.waived(&document.waivers).map_err(named)?,
        supersedes,
        conflicts,
        targets: document.targets.clone(),
        rollout: document.rollout.clone(),
        health_gates: document.health_gates.clone(),
        irreversible: document.irreversible.clone(),
        expires: document.expires,
        retire_when: document.retire_when.clone().or_else(|| retire_when(document)),
    };
    plan.check().map_err(Error::Plan)?;
    Ok(plan)
}

fn row(
    place: &(HostedPlatform, Version),
    covered: &Covered,
    payloads: &Payloads,
    bases: &Bases,
) -> Row {
    let (platform, version) = place;
    let pinned = || -> Option<(Digest, Digest)> {
        Some((payloads.covered.first(version)?.digest, *bases.places.get(place)?))
    };
    let (payload, base) = match covered.status {
        Status::Covered => pinned().unzip(),
        Status::FixedInPayload => (payloads.fixed.first(version).map(|found| found.digest), None),
        _ => (None, None),
    };
    Row {
        platform: *platform,
        version: version.clone(),
        status: covered.status,
        payload,
        base,
        reason: covered.reason.as_deref().map(cleaned),
    }
}

/// Where every affected line has a release with the fix, the bundle is over once all clusters run
/// those.
fn retire_when(request: &FixRequest) -> Option<RetireWhen> {
    let mut last: BTreeMap<Minor, &Version> = BTreeMap::new();
    for affected in &request.affected {
        let fixed = affected.fixed_in.as_ref()?;
        let known = last.entry(fixed.minor()).or_insert(fixed);
        *known = (*known).max(fixed);
    }
    Some(RetireWhen { all_clusters_at_or_above: last.into_values().cloned().collect() })
}

/// What is superseded, each up to the revision that the channel has: one that comes later may hold
/// what this fix does not.
fn pinned(references: &[FixReference], channel: Option<&VerifiedChannel>) -> Vec<FixReference> {
    let there = |id: &FixId| {
        let bundles = &channel?.document().bundles;
        bundles.iter().find(|entry| entry.id == *id).map(|entry| entry.revision)
    };
    let set: BTreeSet<FixReference> =
        references.iter().map(|reference| reference.pinned(there(&reference.id))).collect();
    set.into_iter().collect()
}
