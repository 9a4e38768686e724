//! Two fixes that are active at once: clusters take one image for a component, so no two bundles
//! may name different ones for the same version and platform.

use std::collections::BTreeSet;

use fleetfix_model::document::FixBundle;
use fleetfix_model::{HostedPlatform, Version};

use crate::judgement::Judged;

/// Name of the check.
const CHECK: &str = "conflicts";

/// Why two bundles cannot be active at once.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Conflict {
    /// One of them says so.
    Excluded,
    /// Both replace the same image.
    SameImage {
        /// The platform of the clusters.
        platform: HostedPlatform,
        /// Their version.
        version: Version,
    },
}

/// What speaks against having both active at once.
pub fn between(one: &FixBundle, other: &FixBundle) -> Option<Conflict> {
    if excludes(one, other) || excludes(other, one) {
        return Some(Conflict::Excluded);
    }
    if one.component != other.component {
        return None;
    }
    let (platform, version) = places(one).intersection(&places(other)).next().copied()?;
    Some(Conflict::SameImage { platform, version: version.clone() })
}

/// Compares each active bundle with each other one.
pub(super) fn check(bundles: &[&FixBundle]) -> Judged {
    let mut parts = Vec::new();
    for (i, one) in bundles.iter().enumerate() {
        for other in bundles.iter().skip(i + 1) {
            let subject = format!("{} and {}", one.id, other.id);
            let detail = match between(one, other) {
                None => continue,
                Some(Conflict::Excluded) => "one excludes the other".to_owned(),
                Some(Conflict::SameImage { platform, version }) => {
                    format!("both replace {} of {platform} {version}", one.component)
                }
            };
            parts.push(Judged::refused("conflict", subject, detail));
        }
    }
    Judged::all(CHECK, "", parts).detail(format!("{} active bundles", bundles.len()))
}

fn excludes(one: &FixBundle, other: &FixBundle) -> bool {
    one.conflicts.iter().any(|named| named.means(&other.id, other.revision))
}

/// Where a bundle replaces the image of its component.
pub fn places(bundle: &FixBundle) -> BTreeSet<(HostedPlatform, &Version)> {
    let affects = bundle.affects.iter();
    affects.flat_map(|a| a.versions.iter().map(|v| (a.platform, &v.version))).collect()
}

#[cfg(test)]
mod tests {
    use fleetfix_model::{canonical, media};
    use serde_json::json;

    use super::*;

    fn bundle(id: &str, component: &str, version: &str, conflicts: &[&str]) -> FixBundle {
        let digest = fleetfix_model::Digest::of(id);
        let descriptor = json!({"mediaType": media::OCI_INDEX, "digest": digest, "size": 1});
        let conflicts: Vec<_> =
            conflicts.iter().map(|id| json!({"id": id, "revision": 1})).collect();
        canonical::typed(json!({
            "apiVersion": "fleetfix.openshift.io/v1alpha1", "kind": "FixBundle", "id": id, "revision": 1,
            "tickets": ["A-1"], "component": component, "request": digest, "plan": digest,
            "fleet": "quay.io/fleet",
            "images": [{"minor": "4.20", "repository": component, "tag": "t", "index": descriptor,
                "platforms": [{"platform": "linux/amd64", "manifest": descriptor}],
                "base": {"repository": "quay.io/a/b", "digest": digest}, "attestations": []}],
            "affects": [{"platform": "AWS", "minor": "4.20", "introduced": "4.20.0",
                "versions": [{"version": version, "image": digest}]}],
            "delivery": [], "impact": [], "conflicts": conflicts,
            "rollback": {"possible": false, "reason": "none"},
        }))
        .unwrap()
    }

    #[test]
    fn no_two_bundles_replace_one_image() {
        let a = bundle("A-1", "etcd", "4.20.1", &[]);
        for (other, good) in [
            (bundle("B-1", "etcd", "4.20.1", &[]), false),
            (bundle("B-1", "etcd", "4.20.2", &[]), true),
            (bundle("B-1", "hyperkube", "4.20.1", &[]), true),
            (bundle("B-1", "hyperkube", "4.20.1", &["A-1"]), false),
            (bundle("B-1", "hyperkube", "4.20.1", &["C-1"]), true),
        ] {
            assert_eq!(check(&[&a, &other]).is_good(), good, "{other:?}");
            assert_eq!(check(&[&other, &a]).is_good(), good, "{other:?}");
        }
    }
}
