//! Rules of parts that several documents have. Approvers read them in a terminal: one line each, so
//! that none looks like another.

use super::delivery::{Delivery, Impact};
use super::request::Excluded;
use super::rollout::{HealthGate, Rollout, Selector, Targets};
use super::{Rule, line, text};

/// Revisions count from 1.
pub(super) fn revision(field: &str, revision: u32) -> Result<(), Rule> {
    if revision == 0 { Err(Rule::new(field, "counts from 1")) } else { Ok(()) }
}

pub(super) fn optional_line(field: &str, said: Option<&String>) -> Result<(), Rule> {
    said.map_or(Ok(()), |said| line(field, said))
}

pub(super) fn deliveries(all: &[Delivery]) -> Result<(), Rule> {
    all.iter()
        .enumerate()
        .try_for_each(|(i, one)| text(&format!("delivery[{i}].reason"), &one.reason))
}

pub(super) fn impacts(all: &[Impact]) -> Result<(), Rule> {
    for (i, impact) in all.iter().enumerate() {
        for (j, workload) in impact.restarts.iter().enumerate() {
            text(&format!("impact[{i}].restarts[{j}]"), workload)?;
        }
        for (j, node) in impact.customer_nodes.iter().enumerate() {
            let field = format!("impact[{i}].customerNodes[{j}]");
            text(&format!("{field}.effect"), &node.effect)?;
            if let Some(condition) = &node.condition {
                text(&format!("{field}.condition"), condition)?;
            }
        }
    }
    Ok(())
}

pub(super) fn excluded(field: &str, all: &[Excluded]) -> Result<(), Rule> {
    all.iter()
        .enumerate()
        .try_for_each(|(i, one)| line(&format!("{field}.excluded[{i}].reason"), &one.reason))
}

/// Which clusters, in which waves, under which conditions.
pub(super) fn rollout(
    targets: Option<&Targets>,
    rollout: Option<&Rollout>,
    gates: &[HealthGate],
) -> Result<(), Rule> {
    if let Some(targets) = targets {
        for (name, selectors) in [("include", &targets.include), ("exclude", &targets.exclude)] {
            for (i, one) in selectors.iter().enumerate() {
                selector(&format!("targets.{name}[{i}]"), one)?;
            }
        }
    }
    for (i, wave) in rollout.iter().flat_map(|rollout| &rollout.waves).enumerate() {
        let field = format!("rollout.waves[{i}]");
        line(&format!("{field}.name"), &wave.name)?;
        if !(1..=100).contains(&wave.percent) {
            return Err(Rule::new(format!("{field}.percent"), "must be 1 to 100"));
        }
    }
    for (i, gate) in gates.iter().enumerate() {
        let field = format!("healthGates[{i}]");
        line(&format!("{field}.condition"), &gate.condition)?;
        if !matches!(gate.status.as_str(), "True" | "False") {
            return Err(Rule::new(format!("{field}.status"), "must be `True` or `False`"));
        }
    }
    Ok(())
}

fn selector(field: &str, selector: &Selector) -> Result<(), Rule> {
    let parts = [
        ("region", &selector.region),
        ("managementCluster", &selector.management_cluster),
        ("clusterId", &selector.cluster_id),
        ("label", &selector.label),
    ];
    let mut parts = parts.into_iter();
    parts.try_for_each(|(name, said)| optional_line(&format!("{field}.{name}"), said.as_ref()))
}
