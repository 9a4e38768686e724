//! Why a bundle does not go into a channel.

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
        "{id} revision {revision} is superseded by {other}, which is active (put both fixes into one that supersedes {other}, or into a new revision of {other})"
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
    /// Versions that only the replaced bundle covers would lose its fix.
    #[error(
        "{id} takes the place of {other}, and {places} has its `{component}` only from that one, for some clusters at least (cover it as well, or have `{finding}` waived in the plan)"
    )]
    Uncovered {
        /// The new fix.
        id: FixId,
        /// The fix that goes, or the id again where an older revision does.
        other: FixId,
        /// Its component.
        component: String,
        /// Platforms and versions.
        places: String,
        /// The finding of a plan that says the same.
        finding: String,
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
            | Self::Overlap { .. }
            | Self::Uncovered { .. } => Class::Refused,
        }
    }
}
