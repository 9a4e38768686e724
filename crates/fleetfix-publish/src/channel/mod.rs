//! The next channel: what a new bundle changes in the list of active ones.

mod error;

use fleetfix_audit::channel::conflict::{self, Conflict};
use fleetfix_hypershift::conflict::{Successor, uncovered};
use fleetfix_model::document::channel::{BundleState, ChannelBundle};
use fleetfix_model::document::finding::Finding;
use fleetfix_model::document::{Channel, FixBundle, FixPlan};
use fleetfix_model::name::FixId;
use fleetfix_model::{Timestamp, Version};

pub use error::Error;

/// `channel` with `entry` active, whose documents are `bundle` and `plan`. `active` are the documents
/// of the other active bundles, to see that no two replace the same image, and that what this one
/// takes the place of loses none. What the bundle supersedes is withdrawn in the same step. A channel
/// that has the entry already comes back as it was.
pub fn with_bundle(
    channel: &Channel,
    entry: ChannelBundle,
    bundle: &FixBundle,
    plan: &FixPlan,
    active: &[FixBundle],
) -> Result<Channel, Error> {
    not_revoked(channel, &entry, bundle)?;
    newer(channel, &entry)?;
    for other in active {
        if other.id == bundle.id || supersedes(bundle, &other.id, other.revision) {
            all_covered(bundle, plan, other, entry.counted)?;
            continue;
        }
        if supersedes(other, &bundle.id, bundle.revision) {
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
        if there.state == BundleState::Active && supersedes(bundle, &there.id, there.revision) {
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

/// True if `bundle` takes the place of this revision of another fix. Its own older revision gives
/// way in any case.
pub fn supersedes(bundle: &FixBundle, id: &FixId, revision: u32) -> bool {
    bundle.id != *id && bundle.supersedes.iter().any(|other| other.means(id, revision))
}

/// Every place of a bundle that goes is one of the new bundle as well, unless somebody who may decide
/// waived in the plan that it is not. The waiver is judged at the time at which approvals are.
fn all_covered(
    new: &FixBundle,
    plan: &FixPlan,
    old: &FixBundle,
    time: Timestamp,
) -> Result<(), Error> {
    // The plan was held against the bundle before: what it covers the bundle names.
    let status = |platform, version: &Version| {
        let mut rows = plan.rows.iter();
        rows.find(|row| row.platform == platform && row.version == *version).map(|row| row.status)
    };
    let FixBundle { id, component, delivery, .. } = new;
    let successor = Successor { id, component, targets: new.targets.as_ref(), delivery };
    let Some(lost) = uncovered(old, successor, status) else {
        return Ok(());
    };
    let waived = |found: &Finding| found.id.as_str() == lost.finding && found.is_waived(time);
    if plan.findings.iter().any(waived) {
        return Ok(());
    }
    Err(Error::Uncovered {
        id: new.id.clone(),
        other: old.id.clone(),
        component: old.component.to_string(),
        places: lost.places(),
        finding: lost.finding,
    })
}

/// What clusters would refuse is not published: the bundle, its indexes, its manifests.
fn not_revoked(channel: &Channel, entry: &ChannelBundle, bundle: &FixBundle) -> Result<(), Error> {
    let images = bundle.images.iter().flat_map(fleetfix_audit::image::signature::digests);
    let mut named = images.chain([entry.bundle.digest]);
    match named.find_map(|digest| channel.revokes(digest)) {
        None => Ok(()),
        Some(revoked) => Err(Error::Revoked {
            digest: revoked.digest,
            channel: channel.name.to_string(),
            reason: revoked.reason.clone(),
        }),
    }
}

/// Revisions rise, and none of them changes or comes back.
fn newer(channel: &Channel, entry: &ChannelBundle) -> Result<(), Error> {
    let Some(there) = channel.bundles.iter().find(|there| there.id == entry.id) else {
        return Ok(());
    };
    let (id, channel) = (entry.id.clone(), channel.name.to_string());
    let revision = entry.revision;
    if revision < there.revision {
        return Err(Error::LowerRevision { id, channel, active: there.revision, new: revision });
    }
    if revision == there.revision && there.bundle != entry.bundle {
        let (active, new) = (there.bundle.digest, entry.bundle.digest);
        return Err(Error::OtherContent { id, channel, revision, active, new });
    }
    if there.bundle == entry.bundle && there.state == BundleState::Withdrawn {
        let reason = there.reason.clone().unwrap_or_default();
        return Err(Error::Withdrawn { id, revision, channel, reason });
    }
    Ok(())
}

/// Two fixes that are active at once: the verifier's own rule.
fn beside(new: &FixBundle, other: &FixBundle) -> Result<(), Error> {
    let (id, other_id) = (new.id.clone(), other.id.clone());
    match conflict::between(new, other) {
        None => Ok(()),
        Some(Conflict::Excluded) => Err(Error::Conflict { id, other: other_id }),
        Some(Conflict::SameImage { platform, version }) => Err(Error::Overlap {
            id,
            other: other_id,
            component: new.component.to_string(),
            platform,
            version,
        }),
    }
}

#[cfg(test)]
mod tests;
