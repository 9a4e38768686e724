//! What an approver is shown. The digest of this text goes into the approval, so it is a function
//! of the bundle and the plan alone.

use std::fmt::Write as _;

use fleetfix_model::Digest;
use fleetfix_model::document::{FixBundle, FixPlan};

/// The text for one bundle: what it is, what it replaces where, what restarts, what was found.
pub fn text(digest: Digest, bundle: &FixBundle, plan: &FixPlan) -> String {
    let mut text = String::new();
    // Writing to a string does not fail.
    let mut line = |args: std::fmt::Arguments<'_>| {
        let _ = writeln!(text, "{args}");
    };
    let tickets: Vec<String> = bundle.tickets.iter().map(ToString::to_string).collect();
    line(format_args!("bundle {digest}"));
    line(format_args!("fix {} revision {} ({})", bundle.id, bundle.revision, tickets.join(", ")));
    if let Some(title) = &bundle.title {
        line(format_args!("  {title}"));
    }
    line(format_args!("replaces `{}` with:", bundle.component));
    for image in &bundle.images {
        let platforms: Vec<String> =
            image.platforms.iter().map(|p| p.platform.to_string()).collect();
        let commit = image.commit.as_ref().map_or("unknown", |commit| commit.as_str());
        line(format_args!("  {} {} {}", image.minor, image.index.digest, platforms.join(" ")));
        line(format_args!("       on {}@{}", image.base.repository, image.base.digest));
        line(format_args!("       from commit {commit}"));
    }
    for affects in &bundle.affects {
        let versions: Vec<String> =
            affects.versions.iter().map(|v| v.version.to_string()).collect();
        line(format_args!("on {} {}: {}", affects.platform, affects.minor, versions.join(" ")));
    }
    for delivery in &bundle.delivery {
        let ends =
            if delivery.ends_with_upgrade { "ends with an upgrade" } else { "OUTLIVES AN UPGRADE" };
        line(format_args!(
            "delivered on {} {} by {}, {ends}: {}",
            delivery.platform, delivery.minor, delivery.method, delivery.reason
        ));
    }
    for impact in &bundle.impact {
        line(format_args!(
            "restarts on {} {}: {} (etcd: {}, kube-apiserver: {})",
            impact.platform,
            impact.minor,
            impact.restarts.join(" "),
            if impact.rolls_etcd { "rolls" } else { "no" },
            if impact.rolls_kube_apiserver { "rolls" } else { "no" },
        ));
        for node in &impact.customer_nodes {
            let condition = node.condition.as_deref().unwrap_or("always");
            line(format_args!("  customer nodes: {} ({condition})", node.effect));
        }
    }
    for finding in &plan.findings {
        line(format_args!("finding, {}: {}: {}", finding.level, finding.id, finding.message));
        if let Some(waiver) = &finding.waiver {
            line(format_args!("  waived by {}: {}", waiver.by, waiver.reason));
        }
    }
    for check in plan.checks.iter().filter(|check| check.reason.is_some()) {
        let reason = check.reason.as_deref().unwrap_or_default();
        line(format_args!("not checked: {}: {reason}", check.name));
    }
    if let Some(expires) = bundle.expires {
        line(format_args!("expires {expires}"));
    }
    text
}
