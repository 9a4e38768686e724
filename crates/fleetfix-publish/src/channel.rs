//! The next channel: what a new bundle changes in the list of active ones.

use fleetfix_model::document::channel::{BundleState, ChannelBundle};
use fleetfix_model::document::{Channel, FixBundle};
use fleetfix_model::name::FixId;
use fleetfix_model::{Class, Classify, Digest, HostedPlatform, Version};

/// Why a bundle does not go into a channel.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// A lower revision than the one that is there.
    #[error(
        "{id} is in channel `{channel}` with revision {active}, revision {new} is older (raise the revision)"
    )]
    LowerRevision {
        /// The fix.
        id: FixId,
        /// The channel.
        channel: String,
        /// Revision that is there.
        active: u32,
        /// Revision that was given.
        new: u32,
    },
    /// The same revision with other content.
    #[error(
        "{id} revision {revision} is in channel `{channel}` as {active}, not as {new} (a revision never changes: raise it)"
    )]
    OtherContent {
        /// The fix.
        id: FixId,
        /// The channel.
        channel: String,
        /// Its revision.
        revision: u32,
        /// The manifest that is there.
        active: Digest,
        /// The manifest that was given.
        new: Digest,
    },
    /// The digest is revoked in this channel.
    #[error("{digest} is revoked in channel `{channel}`: {reason}")]
    Revoked {
        /// The bundle's manifest.
        digest: Digest,
        /// The channel.
        channel: String,
        /// Why it was revoked.
        reason: String,
    },
    /// It was withdrawn, and nobody said why it should come back.
    #[error(
        "{id} revision {revision} was withdrawn from channel `{channel}`: {reason} (publish a new revision)"
    )]
    Withdrawn {
        /// The fix.
        id: FixId,
        /// Its revision.
        revision: u32,
        /// The channel.
        channel: String,
        /// Why it was withdrawn.
        reason: String,
    },
    /// An active bundle says that it replaces this one.
    #[error(
        "{id} revision {revision} is superseded by {other}, which is active (publish a new revision)"
    )]
    Superseded {
        /// The fix.
        id: FixId,
        /// Its revision.
        revision: u32,
        /// The active fix.
        other: FixId,
    },
    /// The bundle says that it must not be active beside another one that is.
    #[error("{id} conflicts with {other}, which is active (withdraw {other} first)")]
    Conflict {
        /// The new fix.
        id: FixId,
        /// The active fix.
        other: FixId,
    },
    /// Two active bundles would replace the same image of the same version.
    #[error(
        "{id} and {other} both replace `{component}` of {platform} {version} (let {id} supersede {other}, with both fixes in it)"
    )]
    Overlap {
        /// The new fix.
        id: FixId,
        /// The active fix.
        other: FixId,
        /// The component.
        component: String,
        /// Platform.
        platform: HostedPlatform,
        /// Version.
        version: Version,
    },
}

impl Classify for Error {
    fn class(&self) -> Class {
        match self {
            Self::LowerRevision { .. }
            | Self::OtherContent { .. }
            | Self::Revoked { .. }
            | Self::Withdrawn { .. }
            | Self::Superseded { .. }
            | Self::Conflict { .. }
            | Self::Overlap { .. } => Class::Refused,
        }
    }
}

/// `channel` with `entry` active, whose document is `bundle`. `active` are the documents of the
/// other active bundles, to see that no two replace the same image. What the bundle supersedes is
/// withdrawn in the same step. A channel that has the entry already comes back as it was.
pub fn with_bundle(
    channel: &Channel,
    entry: ChannelBundle,
    bundle: &FixBundle,
    active: &[FixBundle],
) -> Result<Channel, Error> {
    let name = channel.name.to_string();
    let digest = entry.bundle.digest;
    // What clusters would refuse is not published: the bundle, its indexes, its manifests.
    let named = bundle.images.iter().flat_map(fleetfix_audit::image::signature::digests);
    if let Some(revoked) = named.chain([digest]).find_map(|digest| channel.revokes(digest)) {
        let (digest, reason) = (revoked.digest, revoked.reason.clone());
        return Err(Error::Revoked { digest, channel: name, reason });
    }
    if let Some(there) = channel.bundles.iter().find(|there| there.id == entry.id) {
        if entry.revision < there.revision {
            return Err(Error::LowerRevision {
                id: entry.id,
                channel: name,
                active: there.revision,
                new: entry.revision,
            });
        }
        if entry.revision == there.revision && there.bundle != entry.bundle {
            return Err(Error::OtherContent {
                id: entry.id,
                channel: name,
                revision: there.revision,
                active: there.bundle.digest,
                new: digest,
            });
        }
    }
    if let Some(there) = channel.bundles.iter().find(|there| there.bundle == entry.bundle)
        && there.state == BundleState::Withdrawn
    {
        return Err(Error::Withdrawn {
            id: entry.id,
            revision: entry.revision,
            channel: name,
            reason: there.reason.clone().unwrap_or_default(),
        });
    }
    // A fix does not supersede itself: its own older revision gives way in any case.
    let superseded = |id: &FixId, revision: u32| {
        *id != bundle.id
            && bundle
                .supersedes
                .iter()
                .any(|s| s.id == *id && s.revision.is_none_or(|r| r == revision))
    };
    for other in active.iter().filter(|other| other.id != bundle.id) {
        if superseded(&other.id, other.revision) {
            continue;
        }
        let by_other = |s: &fleetfix_model::document::rollout::FixReference| {
            s.id == bundle.id && s.revision.is_none_or(|r| r == bundle.revision)
        };
        if other.supersedes.iter().any(by_other) {
            return Err(Error::Superseded {
                id: bundle.id.clone(),
                revision: bundle.revision,
                other: other.id.clone(),
            });
        }
        beside(bundle, other)?;
    }
    let mut next = channel.clone();
    for there in &mut next.bundles {
        if there.state == BundleState::Active && superseded(&there.id, there.revision) {
            there.state = BundleState::Withdrawn;
            there.reason =
                Some(format!("superseded by {} revision {}", bundle.id, bundle.revision));
        }
    }
    let kept = next.bundles.iter().find(|there| there.bundle == entry.bundle);
    // The same again changes nothing; a start that is not named again stays as it was planned.
    let same = kept.is_some_and(|there| {
        there.approvals == entry.approvals
            && (entry.rollout_start.is_none() || there.rollout_start == entry.rollout_start)
    });
    if !same {
        let planned = kept.and_then(|there| there.rollout_start);
        let entry = ChannelBundle { rollout_start: entry.rollout_start.or(planned), ..entry };
        next.bundles.retain(|there| there.id != entry.id);
        next.bundles.push(entry);
        next.bundles.sort_by(|a, b| a.id.cmp(&b.id));
    }
    Ok(next)
}

/// Two fixes that are active at once: neither excludes the other, and no image is replaced twice.
fn beside(new: &FixBundle, other: &FixBundle) -> Result<(), Error> {
    let excludes = |a: &FixBundle, b: &FixBundle| {
        a.conflicts.iter().any(|c| c.id == b.id && c.revision.is_none_or(|r| r == b.revision))
    };
    if excludes(new, other) || excludes(other, new) {
        return Err(Error::Conflict { id: new.id.clone(), other: other.id.clone() });
    }
    if new.component != other.component {
        return Ok(());
    }
    let places = |bundle: &FixBundle| {
        let pairs = bundle
            .affects
            .iter()
            .flat_map(|a| a.versions.iter().map(|v| (a.platform, v.version.clone())));
        pairs.collect::<std::collections::BTreeSet<_>>()
    };
    match places(new).intersection(&places(other)).next() {
        Some((platform, version)) => Err(Error::Overlap {
            id: new.id.clone(),
            other: other.id.clone(),
            component: new.component.to_string(),
            platform: *platform,
            version: version.clone(),
        }),
        None => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use fleetfix_model::document::rollout::FixReference;
    use fleetfix_model::{Descriptor, canonical, media};
    use serde_json::json;

    use super::*;

    fn bundle(id: &str, revision: u32, version: &str) -> FixBundle {
        let digest = Digest::of("index");
        let descriptor = json!({"mediaType": media::OCI_INDEX, "digest": digest, "size": 1});
        canonical::typed(json!({
            "apiVersion": "fleetfix.openshift.io/v1alpha1", "kind": "FixBundle", "id": id, "revision": revision,
            "tickets": ["A-1"], "component": "hypershift", "request": Digest::of("r"), "plan": Digest::of("p"),
            "fleet": "quay.io/fleet",
            "images": [{"minor": "4.20", "repository": "hypershift", "tag": "t", "index": descriptor,
                "platforms": [{"platform": "linux/amd64", "manifest": descriptor}],
                "base": {"repository": "quay.io/a/b", "digest": Digest::of("b")}, "attestations": []}],
            "affects": [{"platform": "AWS", "minor": "4.20", "introduced": version,
                "versions": [{"version": version, "image": digest}]}],
            "delivery": [], "impact": [], "rollback": {"possible": false, "reason": "none"}
        }))
        .unwrap()
    }

    fn entry(bundle: &FixBundle) -> ChannelBundle {
        ChannelBundle {
            id: bundle.id.clone(),
            revision: bundle.revision,
            bundle: Descriptor::of(
                media::OCI_MANIFEST,
                format!("{} {}", bundle.id, bundle.revision).as_bytes(),
            ),
            repository: "bundles".parse().unwrap(),
            tag: bundle.tag().unwrap(),
            state: BundleState::Active,
            reason: None,
            rollout_start: None,
            counted: "2026-11-23T00:00:00Z".parse().unwrap(),
            approvals: vec![Digest::of("a")],
        }
    }

    fn channel(bundles: &[&FixBundle]) -> Channel {
        Channel {
            api_version: fleetfix_model::document::ApiVersion::V1alpha1,
            kind: fleetfix_model::document::channel::ChannelKind::Channel,
            annotations: fleetfix_model::document::Annotations::new(),
            requires: vec![],
            name: "stable".parse().unwrap(),
            fleet: "quay.io/fleet".parse().unwrap(),
            bundles: bundles.iter().map(|b| entry(b)).collect(),
            resumed: Vec::new(),
            revoked: Vec::new(),
        }
    }

    #[test]
    fn the_same_again_changes_nothing() {
        let a = bundle("A-1", 2, "4.20.1");
        let there = channel(&[&a]);
        assert_eq!(with_bundle(&there, entry(&a), &a, std::slice::from_ref(&a)), Ok(there));
    }

    #[test]
    fn a_revision_rises_and_never_changes() {
        let (old, new) = (bundle("A-1", 1, "4.20.1"), bundle("A-1", 2, "4.20.1"));
        let next =
            with_bundle(&channel(&[&old]), entry(&new), &new, std::slice::from_ref(&old)).unwrap();
        assert_eq!(next.bundles.len(), 1);
        assert_eq!(next.bundles[0].revision, 2);
        let lower = with_bundle(&next, entry(&old), &old, &[]);
        assert!(matches!(lower, Err(Error::LowerRevision { active: 2, new: 1, .. })), "{lower:?}");
        let mut other = entry(&new);
        other.bundle = Descriptor::of(media::OCI_MANIFEST, b"other");
        let other = with_bundle(&next, other, &new, &[]);
        assert!(matches!(other, Err(Error::OtherContent { revision: 2, .. })), "{other:?}");
    }

    #[test]
    fn a_fix_that_names_itself_as_superseded_stays_and_a_planned_start_too() {
        let mut a = bundle("A-1", 1, "4.20.1");
        a.supersedes = vec![FixReference { id: a.id.clone(), revision: None }];
        let mut first = entry(&a);
        first.rollout_start = Some("2026-12-01T00:00:00Z".parse().unwrap());
        let next = with_bundle(&channel(&[]), first, &a, &[]).unwrap();
        let again = with_bundle(&next, entry(&a), &a, std::slice::from_ref(&a));
        assert_eq!(again, Ok(next));
    }

    #[test]
    fn a_revoked_image_is_not_published_in_another_bundle() {
        let a = bundle("A-1", 1, "4.20.1");
        let mut there = channel(&[]);
        there.revoked.push(fleetfix_model::document::channel::Revoked {
            digest: Digest::of("index"),
            reason: "crashes".into(),
        });
        assert!(matches!(with_bundle(&there, entry(&a), &a, &[]), Err(Error::Revoked { .. })));
    }

    #[test]
    fn a_revoked_digest_never_comes_back() {
        let a = bundle("A-1", 1, "4.20.1");
        let mut there = channel(&[]);
        let digest = entry(&a).bundle.digest;
        there
            .revoked
            .push(fleetfix_model::document::channel::Revoked { digest, reason: "crashes".into() });
        assert!(matches!(with_bundle(&there, entry(&a), &a, &[]), Err(Error::Revoked { .. })));
    }

    #[test]
    fn no_image_is_replaced_twice_unless_superseded() {
        let (a, mut b) = (bundle("A-1", 1, "4.20.1"), bundle("B-1", 1, "4.20.1"));
        let there = channel(&[&a]);
        let active = [a.clone()];
        assert!(matches!(with_bundle(&there, entry(&b), &b, &active), Err(Error::Overlap { .. })));
        b.supersedes = vec![FixReference { id: a.id.clone(), revision: None }];
        let next = with_bundle(&there, entry(&b), &b, &active).unwrap();
        assert_eq!(next.bundles[0].state, BundleState::Withdrawn);
        assert_eq!(next.bundles[1].state, BundleState::Active);
        let back = with_bundle(&next, entry(&a), &a, &[b.clone()]);
        assert!(matches!(back, Err(Error::Withdrawn { .. })), "{back:?}");
        let a2 = bundle("A-1", 2, "4.20.1");
        let back = with_bundle(&next, entry(&a2), &a2, &[b.clone()]);
        assert!(matches!(back, Err(Error::Superseded { .. })), "{back:?}");
        let elsewhere = bundle("C-1", 1, "4.20.2");
        assert!(with_bundle(&there, entry(&elsewhere), &elsewhere, &active).is_ok());
    }

    #[test]
    fn conflicts_hold_in_both_directions() {
        let (mut a, mut b) = (bundle("A-1", 1, "4.20.1"), bundle("B-1", 1, "4.20.2"));
        b.conflicts = vec![FixReference { id: a.id.clone(), revision: None }];
        let there = channel(&[&a]);
        assert!(matches!(
            with_bundle(&there, entry(&b), &b, &[a.clone()]),
            Err(Error::Conflict { .. })
        ));
        a.conflicts = std::mem::take(&mut b.conflicts);
        a.conflicts[0].id = b.id.clone();
        assert!(matches!(
            with_bundle(&there, entry(&b), &b, &[a.clone()]),
            Err(Error::Conflict { .. })
        ));
    }
}
