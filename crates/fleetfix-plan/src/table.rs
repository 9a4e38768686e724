//! The plan for people: what approvers read.

use std::collections::BTreeMap;
use std::fmt::Write;

use fleetfix_model::document::delivery::{DeliveryMethod, Impact};
use fleetfix_model::document::finding::{CheckState, FindingLevel};
use fleetfix_model::document::plan::{FixPlan, Row, Status};
use fleetfix_model::{Digest, HostedPlatform, Minor};

/// The plan as text, at most a screen or two.
pub fn render(plan: &FixPlan, digest: Digest) -> String {
    let mut text = String::new();
    // Writing to a string does not fail.
    let _ = write(&mut text, plan, digest);
    text
}

fn write(out: &mut String, plan: &FixPlan, digest: Digest) -> std::fmt::Result {
    writeln!(out, "{} revision {} for `{}`", plan.id, plan.revision, plan.component)?;
    if let Some(title) = &plan.title {
        writeln!(out, "{title}")?;
    }
    let tickets: Vec<&str> =
        plan.tickets.iter().map(fleetfix_model::name::Ticket::as_str).collect();
    writeln!(out, "tickets    {}", tickets.join(", "))?;
    writeln!(out, "plan       {digest}")?;
    writeln!(out, "request    {}", plan.request)?;

    writeln!(out, "\ncoverage")?;
    for ((platform, minor), rows) in by_line(plan) {
        writeln!(out, "  {platform} {minor}")?;
        for (status, versions) in by_status(&rows) {
            writeln!(out, "    {:<16} {versions}", told_status(status))?;
        }
    }
    writeln!(out, "\nfixes")?;
    for fix in &plan.fixes {
        let commit = fix.commit.as_ref().map_or("no commit", |commit| commit.as_str());
        writeln!(out, "  {} {commit}", fix.minor)?;
        if let Some(image) = &fix.image {
            writeln!(out, "    image {image}")?;
        }
        for file in &fix.files {
            let architectures: Vec<&str> =
                file.contents.iter().map(|content| content.architecture.as_str()).collect();
            writeln!(out, "    {} ({})", file.path, architectures.join(", "))?;
        }
        for path in &fix.remove {
            writeln!(out, "    {path} (removed)")?;
        }
    }
    writeln!(out, "\nbase images")?;
    for base in &plan.bases {
        let platforms: Vec<String> =
            base.platforms.iter().map(|p| p.platform.to_string()).collect();
        writeln!(out, "  {} {}@{}", base.minor, base.repository, base.digest)?;
        writeln!(out, "    {}", platforms.join(", "))?;
    }
    writeln!(out, "\ndelivery")?;
    for delivery in &plan.delivery {
        let method = told_method(delivery.method);
        writeln!(out, "  {} {} {method}: {}", delivery.platform, delivery.minor, delivery.reason)?;
    }
    writeln!(out, "\nimpact")?;
    for impact in &plan.impact {
        write_impact(out, impact)?;
    }
    write_findings(out, plan)?;
    writeln!(out, "\nnot checked")?;
    for check in plan.checks.iter().filter(|check| check.state == CheckState::NotMade) {
        writeln!(
            out,
            "  {}: {}",
            check.name,
            check.reason.as_deref().unwrap_or("no reason given")
        )?;
    }
    Ok(())
}

fn write_impact(out: &mut String, impact: &Impact) -> std::fmt::Result {
    let rolls = |yes: bool| if yes { "rolls" } else { "stays" };
    writeln!(
        out,
        "  {} {}: {} workloads restart; etcd {}; kube-apiserver {}",
        impact.platform,
        impact.minor,
        impact.restarts.len(),
        rolls(impact.rolls_etcd),
        rolls(impact.rolls_kube_apiserver)
    )?;
    for node in &impact.customer_nodes {
        match &node.condition {
            Some(condition) => {
                writeln!(out, "    customer nodes: {}, where {condition}", node.effect)?;
            }
            None => writeln!(out, "    customer nodes: {}", node.effect)?,
        }
    }
    Ok(())
}

fn write_findings(out: &mut String, plan: &FixPlan) -> std::fmt::Result {
    writeln!(out, "\nfindings")?;
    if plan.findings.is_empty() {
        writeln!(out, "  none")?;
    }
    for level in [FindingLevel::Blocking, FindingLevel::Warning, FindingLevel::Info] {
        for found in plan.findings.iter().filter(|found| found.level == level) {
            writeln!(out, "  {:<8} {}: {}", told_level(level), found.id, found.message)?;
            if let Some(waiver) = &found.waiver {
                writeln!(out, "           waived by {}: {}", waiver.by, waiver.reason)?;
            }
        }
    }
    Ok(())
}

fn by_line(plan: &FixPlan) -> BTreeMap<(HostedPlatform, Minor), Vec<&Row>> {
    let mut lines: BTreeMap<_, Vec<&Row>> = BTreeMap::new();
    for row in &plan.rows {
        lines.entry((row.platform, row.version.minor())).or_default().push(row);
    }
    lines
}

/// Versions of one status, neighbours as a range.
fn by_status(rows: &[&Row]) -> Vec<(Status, String)> {
    let mut told = Vec::new();
    for status in [
        Status::Covered,
        Status::Unreleased,
        Status::FixedInPayload,
        Status::NotAffected,
        Status::Gap,
    ] {
        let mut ranges: Vec<(&Row, &Row)> = Vec::new();
        let rows: Vec<&Row> = rows.iter().filter(|row| row.status == status).copied().collect();
        for row in &rows {
            match ranges.last_mut() {
                Some((_, last)) if follows(last, row) => *last = *row,
                _ => ranges.push((*row, *row)),
            }
        }
        let ranges: Vec<String> = ranges
            .iter()
            .map(|(first, last)| {
                if first.version == last.version {
                    first.version.to_string()
                } else {
                    format!("{} to {}", first.version, last.version)
                }
            })
            .collect();
        if !rows.is_empty() {
            told.push((status, format!("{} ({})", ranges.join(", "), rows.len())));
        }
    }
    told
}

/// True if no z-stream can be between the two.
fn follows(a: &Row, b: &Row) -> bool {
    !a.version.is_prerelease()
        && !b.version.is_prerelease()
        && a.version.patch().checked_add(1) == Some(b.version.patch())
}

const fn told_status(status: Status) -> &'static str {
    match status {
        Status::Covered => "covered",
        Status::FixedInPayload => "fixed in payload",
        Status::NotAffected => "not affected",
        Status::Gap => "left out",
        Status::Unreleased => "unreleased",
    }
}

const fn told_level(level: FindingLevel) -> &'static str {
    match level {
        FindingLevel::Info => "info",
        FindingLevel::Warning => "warning",
        FindingLevel::Blocking => "blocking",
    }
}

const fn told_method(method: DeliveryMethod) -> &'static str {
    match method {
        DeliveryMethod::OverridesYaml => "overridesYaml",
        DeliveryMethod::ControlPlaneOperatorImage => "controlPlaneOperatorImage",
        DeliveryMethod::ImageOverrides => "imageOverrides",
        DeliveryMethod::ControlPlaneRelease => "controlPlaneRelease",
    }
}
