//! A channel, from the root file down to the last layer of every active bundle.
//!
//! What an [`Outcome`](fleetfix_model::verdict::Outcome) says about freshness: `verified` needs a
//! registry, which is asked for its newest state, and a remembered state that this one is not older
//! than. A directory can be as old as the day it was copied, so there, and wherever no state was
//! remembered yet, it is `verifiedFreshnessUnknown`: all holds, the state has not expired, and a newer
//! one may exist. Both mean that the task is done (exit 0).

pub mod conflict;
mod follow;

use fleetfix_model::document::channel::{BundleState, ChannelBundle};
use fleetfix_model::document::{Channel, Pause};
use fleetfix_model::{Digest, Repository};
use fleetfix_registry::Client;
use fleetfix_trust::Verified;

use crate::bundle::{self, BundleAudit, VerifiedBundle};
use crate::judgement::{Concluded, Judged, verdict};
use crate::layout::{self, Scope};
use crate::{ChannelPlace, Error, Rules};

pub use follow::{Anchor, Followed, Opened, Target, follow};

/// Name of the check of a bundle that the channel took back.
const WITHDRAWN: &str = "withdrawn";
/// Name of the check of a bundle that is over.
const EXPIRED: &str = "expired";

/// A channel that holds in every respect, with its active bundles. Only [`verify`] makes one.
#[derive(Debug)]
pub struct VerifiedChannel {
    followed: Followed,
    bundles: Vec<VerifiedBundle>,
    expired: Vec<ChannelBundle>,
}

impl VerifiedChannel {
    /// The channel.
    pub const fn document(&self) -> &Verified<Channel> {
        &self.followed.channel
    }

    /// What waits, if anybody ever paused the channel.
    pub const fn pause(&self) -> Option<&Verified<Pause>> {
        self.followed.pause.as_ref()
    }

    /// What was judged by.
    pub const fn policy(&self) -> &fleetfix_trust::policy::Policy {
        &self.followed.policy
    }

    /// Where the fleet lies.
    pub const fn fleet(&self) -> &Repository {
        &self.followed.fleet
    }

    /// The active bundles, in the order of the channel. One that is paused is among them, one that is
    /// over is not.
    pub fn bundles(&self) -> &[VerifiedBundle] {
        &self.bundles
    }

    /// Active entries whose bundles are over, in the order of the channel. Nothing takes them any
    /// more; clusters that run them go on.
    pub fn expired(&self) -> &[ChannelBundle] {
        &self.expired
    }

    /// True if the bundle with this manifest waits.
    pub fn is_paused(&self, bundle: Digest) -> bool {
        self.followed.paused(bundle).is_some()
    }
}

/// What was found about a channel.
#[derive(Debug)]
pub struct ChannelAudit {
    /// The verdict.
    pub concluded: Concluded,
    /// The channel, if all checks hold.
    pub verified: Option<VerifiedChannel>,
}

impl ChannelAudit {
    /// The channel, for whoever cannot go on without it.
    ///
    /// # Errors
    /// [`Error::DoesNotHold`], about `place`.
    pub fn holding(self, place: &ChannelPlace) -> Result<VerifiedChannel, Error> {
        let ending = self.concluded.ending();
        self.verified.ok_or_else(|| Error::ended(place.to_string(), ending))
    }
}

/// Verifies a channel with all that it leads to.
pub async fn verify(
    client: &Client,
    target: &Target<'_>,
    anchor: &Anchor<'_>,
) -> Result<ChannelAudit, Error> {
    let Opened { mut parts, subject, followed, fresh } =
        Box::pin(follow(client, target, anchor)).await?;
    let Some(followed) = followed else {
        return Ok(ChannelAudit { concluded: verdict(subject, parts, fresh), verified: None });
    };
    let (mut bundles, mut expired) = (Vec::new(), Vec::new());
    for entry in &followed.channel.bundles {
        let audit = entry_of(client, &followed, entry, anchor).await;
        // One fix that is over must not keep the others from anybody.
        if let Some(end) = audit.ended {
            let subject = audit.judged.check.subject;
            parts.push(Judged::not_made(EXPIRED, subject, format!("ended at {end}")));
            expired.push(entry.clone());
            continue;
        }
        parts.push(audit.judged);
        bundles.extend(audit.verified);
    }
    let documents: Vec<_> = bundles.iter().map(VerifiedBundle::document).collect();
    parts.push(conflict::check(&documents));
    parts.extend(on_disk(target, &followed.fleet).await);
    let concluded = verdict(subject, parts, fresh);
    let verified = concluded.answer.class().is_none().then_some(VerifiedChannel {
        followed,
        bundles,
        expired,
    });
    Ok(ChannelAudit { concluded, verified })
}

/// Verifies one entry of a channel. One that is over is refused: that is right where it was asked for.
pub async fn entry_of(
    client: &Client,
    followed: &Followed,
    entry: &ChannelBundle,
    anchor: &Anchor<'_>,
) -> BundleAudit {
    if entry.state == BundleState::Withdrawn {
        let subject = format!("{} revision {}", entry.id, entry.revision);
        let reason = entry.reason.as_deref().unwrap_or("no reason given");
        let judged = Judged::not_made(WITHDRAWN, subject, reason);
        return BundleAudit { judged, verified: None, ended: None };
    }
    let rules = Rules {
        policy: &followed.policy,
        channel: Some(&followed.channel.name),
        now: anchor.now,
        counted: entry.counted,
        stage: crate::Stage::Fleet,
    };
    let subject = bundle::Subject {
        client,
        fleet: &followed.fleet,
        repository: &entry.repository,
        manifest: &entry.bundle,
        listed: Some((&followed.channel, entry)),
    };
    // A large future, which callers would carry around in theirs.
    let mut audit = Box::pin(bundle::verify(&subject, &rules)).await;
    if let Some(paused) = followed.paused(entry.bundle.digest) {
        let detail = format!("by {} at {}: {}", paused.by, paused.issued, paused.reason);
        audit.judged.check.checks.push(Judged::not_made("paused", "", detail).check);
    }
    audit
}

/// Every byte of a fleet on disk; nothing where it lies in a registry.
pub async fn on_disk(target: &Target<'_>, fleet: &Repository) -> Vec<Judged> {
    let mut dirs: Vec<_> = fleet.layout_dir().into_iter().collect();
    // The channel may be kept apart from its fleet.
    let channel = target.place.layout_dir();
    dirs.extend(channel.filter(|dir| dirs.iter().all(|fleet| !dir.starts_with(fleet))));
    let mut parts = Vec::new();
    for dir in dirs {
        parts.push(layout::check_in_thread(Scope::Fleet { dir: dir.to_owned() }).await);
    }
    parts
}
