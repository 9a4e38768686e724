//! What an approver is shown. The digest of this text goes into the approval, so it is a function
//! of the bundle and the plan alone.

use std::fmt::{Display, Write as _};

use fleetfix_model::Digest;
use fleetfix_model::document::bundle::Affects;
use fleetfix_model::document::plan::{PlannedFix, Row, Status};
use fleetfix_model::document::rollout::{Selector, Targets};
use fleetfix_model::document::{FixBundle, FixPlan};

/// The text for one bundle: what it is, what it replaces where, what restarts, what was found.
pub fn text(digest: Digest, bundle: &FixBundle, plan: &FixPlan) -> String {
    let mut lines = Lines(String::new());
    // The version of this text: a change of it is another text for the same bundle.
    lines.add("fleetfix approval, text 2");
    lines.add(format_args!("bundle {digest}"));
    let tickets = joined(&bundle.tickets);
    lines.add(format_args!("fix {} revision {} ({tickets})", bundle.id, bundle.revision));
    lines.each(bundle.title.iter().map(|title| format!("  {title}")));
    lines.each(bundle.incident.iter().map(|incident| format!("  incident {incident}")));
    lines.add(format_args!("for the fleet {}", bundle.fleet));
    lines.each(plan.requester.iter().map(|requester| format!("requested by {requester}")));
    for one in &plan.fixes {
        fix(&mut lines, one);
    }
    images(&mut lines, bundle);
    for affects in &bundle.affects {
        versions(&mut lines, affects, plan);
    }
    for version in &plan.frontier {
        lines.add(format_args!(
            "{version} is the first with the fix; what comes before it is not out"
        ));
    }
    delivered(&mut lines, bundle);
    judged(&mut lines, plan);
    rest(&mut lines, bundle);
    lines.0
}

/// Who wrote it, from what, and what it puts in and takes out.
fn fix(lines: &mut Lines, fix: &PlannedFix) {
    let minor = fix.minor;
    if !fix.authors.is_empty() {
        lines.add(format_args!("written for {minor} by {}", joined(&fix.authors)));
    }
    lines.each(fix.source.iter().map(|source| format!("{minor} is built from {source}")));
    if !fix.pull_requests.is_empty() {
        let numbers = fix.pull_requests.iter().map(|number| format!("#{number}"));
        lines.add(format_args!("{minor} claims {}", joined(numbers)));
    }
    for file in &fix.files {
        let verb = if file.create { "creates" } else { "replaces" };
        let mode = file.mode.map_or_else(String::new, |mode| format!(", mode {mode}"));
        let uid = file.uid.map_or_else(String::new, |uid| format!(", uid {uid}"));
        let gid = file.gid.map_or_else(String::new, |gid| format!(", gid {gid}"));
        lines.add(format_args!("{minor} {verb} {}{mode}{uid}{gid}", file.path));
    }
    lines.each(fix.remove.iter().map(|path| format!("{minor} removes {path}")));
    lines.each(fix.image.iter().map(|image| format!("{minor} is the finished image {image}")));
    for along in &fix.along {
        lines.add(format_args!("{minor} BRINGS ALONG {}: {}", along.commit, along.title));
    }
    if fix.along_more > 0 {
        lines.add(format_args!(
            "{minor} BRINGS ALONG {} more, which are not listed",
            fix.along_more
        ));
    }
}

/// What takes whose place, and what somebody must have vouched for.
fn images(lines: &mut Lines, bundle: &FixBundle) {
    lines.add(format_args!("replaces `{}` with:", bundle.component));
    for image in &bundle.images {
        let platforms = joined(image.platforms.iter().map(|p| &p.platform));
        let commit = image.commit.as_ref().map_or("unknown", |commit| commit.as_str());
        lines.add(format_args!("  {} {} {platforms}", image.minor, image.index.digest));
        lines.add(format_args!("       on {}@{}", image.base.repository, image.base.digest));
        lines.add(format_args!("       from commit {commit}"));
        for one in &image.attestations {
            let (count, role, predicate) = (one.count, one.role, &one.predicate_type);
            lines.add(format_args!("       with {predicate} by {count} {role}"));
        }
    }
}

/// Where it goes, and where it does not although it is needed.
fn versions(lines: &mut Lines, affects: &Affects, plan: &FixPlan) {
    let Affects { platform, minor, .. } = affects;
    let covered = joined(affects.versions.iter().map(|v| &v.version));
    lines.add(format_args!("on {platform} {minor}: {covered}"));
    for excluded in &affects.excluded {
        lines.add(format_args!("  not {}: {}", excluded.version, excluded.reason));
    }
    let left_out = |row: &&Row| {
        row.status == Status::Gap
            && (row.platform, row.version.minor()) == (*platform, *minor)
            && affects.excluded.iter().all(|e| e.version != row.version)
    };
    for row in plan.rows.iter().filter(left_out) {
        let reason = row.reason.as_deref().unwrap_or("no reason is given");
        lines.add(format_args!("  not {}, which is affected: {reason}", row.version));
    }
}

/// How it gets there and what that touches.
fn delivered(lines: &mut Lines, bundle: &FixBundle) {
    for one in &bundle.delivery {
        let ends =
            if one.ends_with_upgrade { "ends with an upgrade" } else { "OUTLIVES AN UPGRADE" };
        let (platform, minor, method, reason) = (one.platform, one.minor, one.method, &one.reason);
        lines.add(format_args!("delivered on {platform} {minor} by {method}, {ends}: {reason}"));
    }
    for one in &bundle.impact {
        lines.add(format_args!(
            "restarts on {} {}: {} (etcd: {}, kube-apiserver: {})",
            one.platform,
            one.minor,
            one.restarts.join(" "),
            if one.rolls_etcd { "rolls" } else { "no" },
            if one.rolls_kube_apiserver { "rolls" } else { "no" },
        ));
        for node in &one.customer_nodes {
            let condition = node.condition.as_deref().unwrap_or("always");
            lines.add(format_args!("  customer nodes: {} ({condition})", node.effect));
        }
    }
}

/// What was found, who waived it, and what nobody looked at.
fn judged(lines: &mut Lines, plan: &FixPlan) {
    for finding in &plan.findings {
        lines.add(format_args!("finding, {}: {}: {}", finding.level, finding.id, finding.message));
        if let Some(waiver) = &finding.waiver {
            let end = waiver.expires.map_or_else(String::new, |end| format!(" until {end}"));
            lines.add(format_args!("  waived by {}{end}: {}", waiver.by, waiver.reason));
        }
    }
    for check in plan.checks.iter().filter(|check| check.reason.is_some()) {
        let reason = check.reason.as_deref().unwrap_or_default();
        lines.add(format_args!("not checked: {}: {reason}", check.name));
    }
}

/// Its relation to other fixes, the way back, how it goes out, and its end.
fn rest(lines: &mut Lines, bundle: &FixBundle) {
    for (verb, others) in
        [("supersedes", &bundle.supersedes), ("conflicts with", &bundle.conflicts)]
    {
        for other in others {
            let revision =
                other.revision.map_or_else(String::new, |r| format!(" up to revision {r}"));
            lines.add(format_args!("{verb} {}{revision}", other.id));
        }
    }
    let back = if bundle.rollback.possible { "can be taken back" } else { "CANNOT BE TAKEN BACK" };
    lines.add(format_args!("{back}: {}", bundle.rollback.reason));
    if let Some(targets) = &bundle.targets {
        clusters(lines, targets);
    }
    if let Some(rollout) = &bundle.rollout {
        for wave in &rollout.waves {
            let (percent, after, soak) = (wave.percent, wave.after_seconds, wave.soak_seconds);
            lines.add(format_args!(
                "wave {}: {percent} percent, not before {after} s, healthy for {soak} s",
                wave.name
            ));
        }
        lines.each(rollout.max_parallel.map(|n| format!("at most {n} clusters at a time")));
        lines.each(rollout.max_failures.map(|n| format!("stops after {n} failed clusters")));
    }
    for gate in &bundle.health_gates {
        let (condition, status, window) = (&gate.condition, &gate.status, gate.window_seconds);
        lines.add(format_args!("afterwards {condition} must be {status} for {window} s"));
    }
    lines.each(bundle.expires.map(|expires| format!("expires {expires}")));
    if let Some(retire) = &bundle.retire_when {
        let versions = joined(&retire.all_clusters_at_or_above);
        lines.add(format_args!("over when all clusters are at or above {versions}"));
    }
}

/// Which clusters are meant, beyond version and platform.
fn clusters(lines: &mut Lines, targets: &Targets) {
    for (operator, version) in [
        ("HyperShift operator", &targets.min_hypershift_operator),
        ("control plane operator", &targets.min_control_plane_operator),
    ] {
        lines.each(version.iter().map(|version| format!("needs {operator} {version} or later")));
    }
    lines.each(targets.include.iter().map(|one| format!("only clusters with {}", selector(one))));
    lines.each(targets.exclude.iter().map(|one| format!("no clusters with {}", selector(one))));
}

fn selector(selector: &Selector) -> String {
    let platform = selector.platform.map(|platform| platform.to_string());
    let parts = [
        ("platform", &platform),
        ("region", &selector.region),
        ("management cluster", &selector.management_cluster),
        ("id", &selector.cluster_id),
        ("label", &selector.label),
    ];
    let parts = parts.into_iter();
    let parts: Vec<String> =
        parts.filter_map(|(name, value)| Some(format!("{name} {}", value.as_ref()?))).collect();
    if parts.is_empty() { "anything".to_owned() } else { parts.join(" and ") }
}

fn joined<T: Display>(all: impl IntoIterator<Item = T>) -> String {
    all.into_iter().map(|one| one.to_string()).collect::<Vec<_>>().join(" ")
}

/// The text in the making.
struct Lines(String);

impl Lines {
    /// Writing to a string does not fail.
    fn add(&mut self, line: impl Display) {
        let _ = writeln!(self.0, "{line}");
    }

    fn each(&mut self, lines: impl IntoIterator<Item = String>) {
        lines.into_iter().for_each(|line| self.add(line));
    }
}
