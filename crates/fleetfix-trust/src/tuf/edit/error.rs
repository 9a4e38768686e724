//! Why a state cannot be put together.

use fleetfix_model::{Class, Classify, canonical};

use super::Role;
use crate::key::Algorithm;
use crate::sign::SignError;
use crate::tuf;

/// Why a state cannot be put together.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// The state there is, or the one that was made, does not hold.
    #[error(transparent)]
    State(#[from] tuf::Error),
    /// A key did not sign.
    #[error(transparent)]
    Sign(#[from] SignError),
    /// TUF clients have no common scheme for this key.
    #[error("key {key} of role `{role}` is {algorithm}, expected ECDSA P-256")]
    Algorithm {
        /// The role.
        role: Role,
        /// Start of the key's id.
        key: String,
        /// What the key is.
        algorithm: Algorithm,
    },
    /// A role nobody or not enough people could sign.
    #[error("threshold {threshold} of role `{role}`, expected 1 to its {keys} different keys")]
    Threshold {
        /// The role.
        role: Role,
        /// The threshold asked for.
        threshold: u32,
        /// Different keys.
        keys: usize,
    },
    /// A target that no role of ours gives.
    #[error(
        "target name `{name}`, expected `channel.NAME.json`, `policy.json` or `pause.NAME.json`"
    )]
    TargetName {
        /// The name.
        name: String,
    },
    /// The state has no such role to change: it was set up by something else.
    #[error("the repository has no role `{role}`")]
    NoRole {
        /// The role.
        role: Role,
    },
    /// A role file that cannot be read as one.
    #[error("{file} is not a role file: {what}")]
    NotARoleFile {
        /// The file.
        file: String,
        /// What is wrong.
        what: String,
    },
    /// Signatures for other bytes than the draft's.
    #[error("{file} says something else than the draft: sign what the draft proposes")]
    OtherContent {
        /// The file.
        file: String,
    },
    /// A version that cannot be counted up.
    #[error("version {version} of role `{role}` is the last one")]
    LastVersion {
        /// The role.
        role: Role,
        /// The version.
        version: u64,
    },
    /// Signatures are missing.
    #[error(
        "role `{role}` has {valid} of {threshold} signatures [sign with more keys of that role]"
    )]
    Unsigned {
        /// The role.
        role: Role,
        /// Good signatures.
        valid: u64,
        /// Signatures needed.
        threshold: u64,
    },
    /// A document of ours that cannot be written: a defect.
    #[error("role `{role}` has no JSON form")]
    NoForm {
        /// The role.
        role: Role,
        /// What went wrong.
        #[source]
        source: canonical::Error,
    },
}

impl Classify for Error {
    fn class(&self) -> Class {
        match self {
            Self::State(e) => e.class(),
            Self::Sign(e) => e.class(),
            Self::Algorithm { .. }
            | Self::Threshold { .. }
            | Self::TargetName { .. }
            | Self::NoRole { .. }
            | Self::NotARoleFile { .. }
            | Self::LastVersion { .. } => Class::Input,
            Self::OtherContent { .. } | Self::Unsigned { .. } => Class::Refused,
            Self::NoForm { .. } => Class::Bug,
        }
    }
}
