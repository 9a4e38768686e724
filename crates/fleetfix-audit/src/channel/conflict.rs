//! Two fixes that are active at once: clusters take one image for a component, so no two bundles
//! may name different ones for the same version and platform.

use std::collections::BTreeSet;

use fleetfix_model::document::FixBundle;
use fleetfix_model::{HostedPlatform, Version};

use crate::judgement::Judged;

/// Name of the check.
const CHECK: &str = "conflicts";

/// Compares each active bundle with each other one.
pub(super) fn check(bundles: &[&FixBundle]) -> Judged {
    let mut parts = Vec::new();
    for (i, one) in bundles.iter().enumerate() {
        for other in bundles.iter().skip(i + 1) {
            let subject = format!("{} and {}", one.id, other.id);
            if excludes(one, other) || excludes(other, one) {
                parts.push(Judged::refused("conflict", subject, "one excludes the other"));
            } else if one.component == other.component
                && let Some((platform, version)) = places(one).intersection(&places(other)).next()
            {
                let detail = format!("both replace {} of {platform} {version}", one.component);
                parts.push(Judged::refused("conflict", subject, detail));
            }
        }
    }
    Judged::all(CHECK, "", parts).detail(format!("{} active bundles", bundles.len()))
}

fn excludes(one: &FixBundle, other: &FixBundle) -> bool {
    one.conflicts
        .iter()
        .any(|c| c.id == other.id && c.revision.is_none_or(|revision| revision == other.revision))
}

fn places(bundle: &FixBundle) -> BTreeSet<(HostedPlatform, &Version)> {
    let affects = bundle.affects.iter();
    affects.flat_map(|a| a.versions.iter().map(|v| (a.platform, &v.version))).collect()
}
