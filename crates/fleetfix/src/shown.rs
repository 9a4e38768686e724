//! What an approver is shown. The digest of this text goes into the approval, so it is a function
//! of the bundle and the plan alone.

use std::fmt::Write as _;

use fleetfix_model::Digest;
use fleetfix_model::document::plan::PlannedFix;
use fleetfix_model::document::rollout::{Selector, Targets};
use fleetfix_model::document::{FixBundle, FixPlan};
use fleetfix_model::name::PrincipalName;

/// The text for one bundle: what it is, what it replaces where, what restarts, what was found.
pub fn text(digest: Digest, bundle: &FixBundle, plan: &FixPlan) -> String {
    let mut text = String::new();
    let tickets: Vec<String> = bundle.tickets.iter().map(ToString::to_string).collect();
    // The version of this text: a change of it is another text for the same bundle.
    line(&mut text, format_args!("fleetfix approval, text 2"));
    line(&mut text, format_args!("bundle {digest}"));
    line(
        &mut text,
        format_args!("fix {} revision {} ({})", bundle.id, bundle.revision, tickets.join(", ")),
    );
    if let Some(title) = &bundle.title {
        line(&mut text, format_args!("  {title}"));
    }
    line(&mut text, format_args!("for the fleet {}", bundle.fleet));
    if let Some(requester) = &plan.requester {
        line(&mut text, format_args!("requested by {requester}"));
    }
    for fix in &plan.fixes {
        content(&mut text, fix);
    }
    line(&mut text, format_args!("replaces `{}` with:", bundle.component));
    for image in &bundle.images {
        let platforms: Vec<String> =
            image.platforms.iter().map(|p| p.platform.to_string()).collect();
        let commit = image.commit.as_ref().map_or("unknown", |commit| commit.as_str());
        line(
            &mut text,
            format_args!("  {} {} {}", image.minor, image.index.digest, platforms.join(" ")),
        );
        line(&mut text, format_args!("       on {}@{}", image.base.repository, image.base.digest));
        line(&mut text, format_args!("       from commit {commit}"));
    }
    for affects in &bundle.affects {
        let versions: Vec<String> =
            affects.versions.iter().map(|v| v.version.to_string()).collect();
        line(
            &mut text,
            format_args!("on {} {}: {}", affects.platform, affects.minor, versions.join(" ")),
        );
        for excluded in &affects.excluded {
            line(&mut text, format_args!("  not {}: {}", excluded.version, excluded.reason));
        }
    }
    for delivery in &bundle.delivery {
        let ends =
            if delivery.ends_with_upgrade { "ends with an upgrade" } else { "OUTLIVES AN UPGRADE" };
        line(
            &mut text,
            format_args!(
                "delivered on {} {} by {}, {ends}: {}",
                delivery.platform, delivery.minor, delivery.method, delivery.reason
            ),
        );
    }
    for impact in &bundle.impact {
        line(
            &mut text,
            format_args!(
                "restarts on {} {}: {} (etcd: {}, kube-apiserver: {})",
                impact.platform,
                impact.minor,
                impact.restarts.join(" "),
                if impact.rolls_etcd { "rolls" } else { "no" },
                if impact.rolls_kube_apiserver { "rolls" } else { "no" },
            ),
        );
        for node in &impact.customer_nodes {
            let condition = node.condition.as_deref().unwrap_or("always");
            line(&mut text, format_args!("  customer nodes: {} ({condition})", node.effect));
        }
    }
    judged(&mut text, plan);
    rest(&mut text, bundle);
    text
}

/// What one release line gets, and what comes along with it.
fn content(text: &mut String, fix: &PlannedFix) {
    let minor = fix.minor;
    let authors: Vec<&str> = fix.authors.iter().map(PrincipalName::as_str).collect();
    if !authors.is_empty() {
        line(text, format_args!("written for {minor} by {}", authors.join(" ")));
    }
    if !fix.pull_requests.is_empty() {
        let numbers: Vec<String> = fix.pull_requests.iter().map(|n| format!("#{n}")).collect();
        let of = fix.source.as_ref().map_or_else(String::new, |source| format!(" of {source}"));
        line(text, format_args!("{minor} claims {}{of}", numbers.join(" ")));
    }
    for file in &fix.files {
        let verb = if file.create { "creates" } else { "replaces" };
        let mode = file.mode.map_or_else(String::new, |mode| format!(", mode {mode}"));
        let uid = file.uid.map_or_else(String::new, |uid| format!(", uid {uid}"));
        let gid = file.gid.map_or_else(String::new, |gid| format!(", gid {gid}"));
        line(text, format_args!("{minor} {verb} {}{mode}{uid}{gid}", file.path));
    }
    for path in &fix.remove {
        line(text, format_args!("{minor} removes {path}"));
    }
    if let Some(image) = &fix.image {
        line(text, format_args!("{minor} is the finished image {image}"));
    }
    for along in &fix.along {
        line(text, format_args!("{minor} BRINGS ALONG {}: {}", along.commit, along.title));
    }
    if fix.along_more > 0 {
        line(
            text,
            format_args!("{minor} BRINGS ALONG {} more, which are not listed", fix.along_more),
        );
    }
}

/// Which clusters are meant, where not all are.
fn targets(text: &mut String, targets: &Targets) {
    let least = [
        ("HyperShift operator", &targets.min_hypershift_operator),
        ("control plane operator", &targets.min_control_plane_operator),
    ];
    for (what, version) in least {
        if let Some(version) = version {
            line(text, format_args!("needs {what} {version} or later"));
        }
    }
    for (verb, selectors) in [("only for", &targets.include), ("not for", &targets.exclude)] {
        for selector in selectors {
            let Selector { platform, region, management_cluster, cluster_id, label } = selector;
            let fields = [
                ("platform", platform.map(|platform| platform.to_string())),
                ("region", region.clone()),
                ("management cluster", management_cluster.clone()),
                ("cluster", cluster_id.clone()),
                ("label", label.clone()),
            ];
            let fields = fields.into_iter().filter_map(|(n, v)| Some(format!("{n} {}", v?)));
            let fields: Vec<String> = fields.collect();
            line(text, format_args!("{verb} clusters of {}", fields.join(", ")));
        }
    }
}

/// What was found, who waived it, and what nobody looked at.
fn judged(text: &mut String, plan: &FixPlan) {
    for finding in &plan.findings {
        line(text, format_args!("finding, {}: {}: {}", finding.level, finding.id, finding.message));
        if let Some(waiver) = &finding.waiver {
            let until = waiver.expires.map_or_else(String::new, |end| format!(", until {end}"));
            line(text, format_args!("  waived by {}{until}: {}", waiver.by, waiver.reason));
        }
    }
    for check in plan.checks.iter().filter(|check| check.reason.is_some()) {
        let reason = check.reason.as_deref().unwrap_or_default();
        line(text, format_args!("not checked: {}: {reason}", check.name));
    }
}

/// Its relation to other fixes, the way back, and its end.
fn rest(text: &mut String, bundle: &FixBundle) {
    for (verb, others) in
        [("supersedes", &bundle.supersedes), ("conflicts with", &bundle.conflicts)]
    {
        for other in others {
            let revision = other.revision.map_or_else(String::new, |r| format!(" revision {r}"));
            line(text, format_args!("{verb} {}{revision}", other.id));
        }
    }
    let back = if bundle.rollback.possible { "can be taken back" } else { "CANNOT BE TAKEN BACK" };
    line(text, format_args!("{back}: {}", bundle.rollback.reason));
    if let Some(meant) = &bundle.targets {
        targets(text, meant);
    }
    if let Some(rollout) = &bundle.rollout {
        line(text, format_args!("in {} waves", rollout.waves.len().max(1)));
    }
    if let Some(expires) = bundle.expires {
        line(text, format_args!("expires {expires}"));
    }
}

/// Writing to a string does not fail.
fn line(text: &mut String, args: std::fmt::Arguments<'_>) {
    let _ = writeln!(text, "{args}");
}
