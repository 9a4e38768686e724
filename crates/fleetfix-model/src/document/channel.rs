//! A channel: the bundles that are active for one fleet.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{Rule, document, line, shared, sorted_unique};
use crate::name::{ChannelName, FixId, RepositoryPath, Tag};
use crate::{Descriptor, Digest, Repository, Timestamp};

document! {
    /// A TUF target, `channel.<name>.json`. TUF keeps it fresh, whole and in order; this document
    /// says what is active.
    Channel, ChannelKind {
        /// Name of the channel.
        name: ChannelName,
        /// Registry and path of the fleet, as in each bundle.
        fleet: Repository,
        /// The bundles, sorted by id.
        bundles: Vec<ChannelBundle>,
        /// Bundles whose pauses are over, sorted by digest: see [`super::Pause`].
        #[serde(default, skip_serializing_if = "Vec::is_empty")]
        resumed: Vec<Resumed>,
        /// Digests of bundles and images that must not run any more, sorted.
        #[serde(default, skip_serializing_if = "Vec::is_empty")]
        revoked: Vec<Revoked>,
    }
    check(this) {
        sorted_unique("bundles", &this.bundles, |b| b.id.clone())?;
        sorted_unique("resumed", &this.resumed, |r| r.bundle)?;
        sorted_unique("revoked", &this.revoked, |r| r.digest)?;
        for (i, bundle) in this.bundles.iter().enumerate() {
            sorted_unique(&format!("bundles[{i}].approvals"), &bundle.approvals, |a| *a)?;
            shared::revision(&format!("bundles[{i}].revision"), bundle.revision)?;
            let needs_reason = bundle.state == BundleState::Withdrawn;
            if needs_reason && bundle.reason.is_none() {
                return Err(Rule::new(format!("bundles[{i}].reason"), "a withdrawn bundle says why"));
            }
            if let Some(reason) = &bundle.reason {
                line(&format!("bundles[{i}].reason"), reason)?;
            }
        }
        for (i, resumed) in this.resumed.iter().enumerate() {
            line(&format!("resumed[{i}].reason"), &resumed.reason)?;
        }
        for (i, revoked) in this.revoked.iter().enumerate() {
            line(&format!("revoked[{i}].reason"), &revoked.reason)?;
        }
        Ok(())
    }
}

impl Channel {
    /// The name of the TUF target that holds this channel. No `/`: clients disagree about where a
    /// hash prefix goes in a path.
    pub fn target_name(name: &ChannelName) -> String {
        format!("channel.{name}.json")
    }

    /// True if `digest` is revoked here.
    pub fn revokes(&self, digest: Digest) -> Option<&Revoked> {
        self.revoked.iter().find(|revoked| revoked.digest == digest)
    }
}

/// One bundle of a channel.
#[derive(Clone, Debug, Deserialize, Eq, JsonSchema, PartialEq, Serialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct ChannelBundle {
    /// Identity of the fix.
    pub id: FixId,
    /// Revision of the fix: never lower than before without `reason`.
    pub revision: u32,
    /// The bundle's manifest: its digest is what was approved.
    pub bundle: Descriptor,
    /// Repository relative to the fleet's prefix.
    pub repository: RepositoryPath,
    /// Its immutable tag.
    pub tag: Tag,
    /// Whether it is active.
    pub state: BundleState,
    /// Why it was withdrawn, or why its revision was lowered.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
    /// When its rollout starts; absent: at once.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub rollout_start: Option<Timestamp>,
    /// When the approvals were counted. Whoever verifies the channel judges them at this time, which
    /// the publishers' threshold signed: an approval that ends later takes no running fix away.
    pub counted: Timestamp,
    /// Digests of the approval envelopes that were counted, sorted.
    pub approvals: Vec<Digest>,
}

/// Whether a bundle of a channel is active.
#[derive(Clone, Copy, Debug, Deserialize, Eq, JsonSchema, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub enum BundleState {
    /// Clusters take it.
    Active,
    /// Clusters give it back.
    Withdrawn,
}

/// A bundle whose pauses are over. A pause that was issued later than `until` holds again.
#[derive(Clone, Debug, Deserialize, Eq, JsonSchema, PartialEq, Serialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Resumed {
    /// Digest of the bundle's manifest.
    pub bundle: Digest,
    /// Pauses issued up to this time are over.
    pub until: Timestamp,
    /// Why.
    pub reason: String,
}

/// A digest that must not run any more.
#[derive(Clone, Debug, Deserialize, Eq, JsonSchema, PartialEq, Serialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Revoked {
    /// Digest of a bundle, an index or a manifest.
    pub digest: Digest,
    /// Why.
    pub reason: String,
}
