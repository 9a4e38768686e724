//! The plan from all of it.

use std::collections::{BTreeMap, BTreeSet};

use fleetfix_hypershift::coverage::Coverage;
use fleetfix_hypershift::delivery::{self, Place};
use fleetfix_hypershift::finding::finding;
use fleetfix_hypershift::{Catalogue, impact};
use fleetfix_model::document::delivery::{Delivery, Impact};
use fleetfix_model::document::finding::{Finding, FindingLevel};
use fleetfix_model::document::plan::{FixPlan, FixPlanKind, Row, Status};
use fleetfix_model::document::rollout::RetireWhen;
use fleetfix_model::document::{Document, FixRequest};
use fleetfix_model::name::ComponentTag;
use fleetfix_model::{Digest, HostedPlatform, Minor, Version};
use fleetfix_release::{Payload, Stream};

use crate::base::{self, Base, Bases};
use crate::content::Fixes;
use crate::finding::Findings;
use crate::payload::{Component, Payloads};
use crate::request::Request;
use crate::{Error, check};

/// What a plan is made of.
#[derive(Debug)]
pub struct Parts<'a> {
    /// The request.
    pub request: &'a Request,
    /// What is known of components.
    pub catalogue: &'a Catalogue,
    /// What the fix means for each version.
    pub coverage: Coverage,
    /// What was found about that.
    pub found: Vec<Finding>,
    /// The payloads.
    pub payloads: &'a Payloads,
    /// The component.
    pub component: Component,
    /// Its images.
    pub bases: Bases,
    /// The fixes.
    pub fixes: Fixes,
}

/// Makes the plan.
pub fn assemble(parts: Parts<'_>) -> Result<FixPlan, Error> {
    let Parts { request, catalogue, coverage, found, payloads, component, bases, fixes } = parts;
    let document = &request.document;
    let tag = component.tag;
    let named = |e| Error::of_request(request, e);

    let mut findings = Findings::default();
    findings.extend(found.into_iter().chain(component.finding).chain(fixes.findings));
    for fix in fixes.planned.iter().filter(|fix| fix.commit.is_none()) {
        let message = format!(
            "no commit is named for {}: nobody can tell what the files were built from",
            fix.minor
        );
        let path = format!("commit/{}/missing", fix.minor);
        findings.add(finding(FindingLevel::Warning, &path, message).map_err(named)?);
    }
    let rows = rows(coverage, |version| {
        let payload = payloads.get(version)?.first()?;
        Some((payload.digest, base::digest_in(&tag, payloads, version)?))
    });
    for (version, of_version) in payloads {
        let base = base::digest_in(&tag, payloads, version).and_then(|digest| bases.get(&digest));
        if let (Some(payload), Some(base)) = (of_version.first(), base) {
            about_payload(&mut findings, &tag, version, payload, of_version, base)
                .map_err(named)?;
        }
    }
    for base in bases.values() {
        about_labels(&mut findings, base).map_err(named)?;
    }

    let (class, said) = impact::class(&tag, catalogue).map_err(named)?;
    findings.extend(said);
    let mut deliveries: Vec<Delivery> = Vec::new();
    let mut impacts: Vec<Impact> = Vec::new();
    for (platform, minor) in lines(&rows) {
        let place = Place { tag: &tag, class, platform, minor };
        let (delivery, said) = delivery::choose(place, document.delivery).map_err(named)?;
        findings.extend(said);
        let method = delivery.as_ref().map(|delivery| delivery.method);
        let (touched, said) =
            impact::assess(&tag, class, platform, minor, method, catalogue).map_err(named)?;
        findings.extend(said);
        deliveries.extend(delivery);
        impacts.push(touched);
    }

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
        graph: None,
        requester: document.requester.clone(),
        component: tag,
        fixes: fixes.planned,
        bases: bases.into_values().map(|base| base.image).collect(),
        rows,
        frontier: Vec::new(),
        delivery: deliveries,
        impact: impacts,
        checks: check::without_graph(),
        findings: findings.waived(&document.waivers).map_err(named)?,
        supersedes: sorted(&document.supersedes),
        conflicts: sorted(&document.conflicts),
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

/// One row per platform and version. `pinned` gives payload and base of a covered version.
fn rows(coverage: Coverage, pinned: impl Fn(&Version) -> Option<(Digest, Digest)>) -> Vec<Row> {
    let row = |((platform, version), covered): ((HostedPlatform, Version), _)| {
        let fleetfix_hypershift::coverage::Covered { status, reason, seen: _ } = covered;
        let (payload, base) = match status {
            Status::Covered => pinned(&version).unzip(),
            _ => (None, None),
        };
        Row { platform, version, status, payload, base, reason }
    };
    coverage.into_iter().map(row).collect()
}

/// The platforms and release lines with a covered version.
fn lines(rows: &[Row]) -> BTreeSet<(HostedPlatform, Minor)> {
    let covered = rows.iter().filter(|row| row.status == Status::Covered);
    covered.map(|row| (row.platform, row.version.minor())).collect()
}

fn about_payload(
    findings: &mut Findings,
    tag: &ComponentTag,
    version: &Version,
    payload: &Payload,
    of_version: &[Payload],
    base: &Base,
) -> Result<(), fleetfix_hypershift::Error> {
    use FindingLevel::{Blocking, Warning};
    let mut say = |level, path: String, message: String| {
        finding(level, &path, message).map(|f| findings.add(f))
    };
    let image = |payload: &Payload| payload.components.get(tag).map(|c| c.pullspec.digest);
    if of_version.iter().any(|other| image(other) != image(payload)) {
        let names: Vec<String> = of_version.iter().map(|p| p.reference.to_string()).collect();
        let message = format!(
            "{} have different images of `{tag}`; only that of {} is covered",
            names.join(" and "),
            payload.reference
        );
        say(Blocking, format!("payload/{version}/several"), message)?;
    }
    if payload.differing.contains(tag) {
        let message = format!(
            "the architectures of {} name different images of `{tag}`; only that of {} is covered",
            payload.reference, payload.read_from
        );
        say(Blocking, format!("payload/{version}/differing"), message)?;
    }
    let has = |architecture: &str| {
        base.image.platforms.iter().any(|p| p.platform.architecture == architecture)
    };
    let missing: BTreeSet<&str> = payload
        .platforms
        .iter()
        .map(|platform| platform.architecture.as_str())
        .filter(|architecture| !has(architecture))
        .collect();
    if !missing.is_empty() {
        let stream = match payload.stream {
            Stream::Multi => "a payload for several architectures",
            Stream::Single => "a payload",
        };
        let message = format!(
            "{} is {stream}, and its image of `{tag}` is not for {}: nor will the patched one be",
            payload.reference,
            missing.into_iter().collect::<Vec<_>>().join(", ")
        );
        say(Warning, format!("architecture/{version}"), message)?;
    }
    let commit = payload.components.get(tag).and_then(|component| component.commit.as_ref());
    if let (Some(commit), Some(label)) = (commit, &base.label)
        && commit != label
    {
        let message = format!(
            "{} says that `{tag}` was built from {commit}, the image's label {label}",
            payload.reference
        );
        say(Warning, format!("commit/{version}/differs"), message)?;
    }
    if base.image.commit.is_none() {
        let message = format!("neither payload nor label say which commit `{tag}` was built from");
        say(Warning, format!("commit/{version}/unknown"), message)?;
    }
    Ok(())
}

fn about_labels(findings: &mut Findings, base: &Base) -> Result<(), fleetfix_hypershift::Error> {
    if base.uneven.is_empty() {
        return Ok(());
    }
    let names: Vec<&str> = base.uneven.iter().map(String::as_str).collect();
    let message = format!(
        "the architectures of {} do not all have the labels {}, which HyperShift reads",
        base.image.digest,
        names.join(", ")
    );
    let path = format!("labels/{}", base.image.digest.short());
    findings.add(finding(FindingLevel::Warning, &path, message)?);
    Ok(())
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

fn sorted<T: Clone + Ord>(items: &[T]) -> Vec<T> {
    let set: BTreeSet<T> = items.iter().cloned().collect();
    set.into_iter().collect()
}
