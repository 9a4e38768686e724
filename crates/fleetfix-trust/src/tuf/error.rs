//! Why a TUF state is refused, each attack by its name.

use std::path::PathBuf;

use fleetfix_model::{Class, Classify, Digest, Timestamp, document};
use tough::schema;

/// Something else's error, kept as the cause.
pub(crate) type Cause = Box<dyn std::error::Error + Send + Sync>;

/// Why a TUF state is refused.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// The trust anchor is not a TUF root file.
    #[error(
        "the root file is not a TUF root [give the `N.root.json` that the fleet's owners hand out]"
    )]
    NotARoot(#[source] Cause),
    /// The trust anchor does not carry its own signatures.
    #[error("the root file is signed by {valid} of its own root keys, {threshold} are needed")]
    RootNotSigned {
        /// Good signatures.
        valid: u64,
        /// Signatures needed.
        threshold: u64,
    },
    /// The repository has another root of the same version.
    #[error(
        "{file} of the repository is not the root file that was given: wrong root file, or another repository"
    )]
    OtherRoot {
        /// File of the repository.
        file: String,
    },
    /// A file that another one names is not there.
    #[error("{file} is missing")]
    Missing {
        /// The file.
        file: String,
    },
    /// A file is not what it should be.
    #[error("{file} is malformed")]
    Malformed {
        /// The file.
        file: String,
        /// What is wrong.
        #[source]
        source: Cause,
    },
    /// More or larger files than are read.
    #[error("{what}: {found}, at most {max} are read")]
    TooLarge {
        /// What there is too much of.
        what: String,
        /// How much there is.
        found: usize,
        /// The limit.
        max: usize,
    },
    /// A role file without enough good signatures: an arbitrary software attack.
    #[error("{file} is signed by {valid} keys of its role, {threshold} are needed")]
    BelowThreshold {
        /// The role file.
        file: String,
        /// Good signatures by different keys.
        valid: u64,
        /// Signatures needed.
        threshold: u64,
    },
    /// A role file with two signatures under one key id, which TUF forbids.
    #[error("{file} has two signatures under one key id")]
    SignedTwice {
        /// The role file.
        file: String,
    },
    /// A file differs from what the file that names it says: mix-and-match, or a changed byte.
    #[error("{file} has digest {found}, expected {expected}")]
    Hash {
        /// The file.
        file: String,
        /// Digest found, in hex.
        found: String,
        /// Digest expected, in hex.
        expected: String,
    },
    /// A file has another size than the file that names it says: an endless data attack.
    #[error("{file} has another size than {expected} bytes")]
    Size {
        /// The file.
        file: String,
        /// Size expected.
        expected: u64,
    },
    /// A role file says another version than the file that names it: mix-and-match.
    #[error("{file} says version {found}, expected {expected}")]
    Version {
        /// The role file.
        file: String,
        /// Version found.
        found: u64,
        /// Version expected.
        expected: u64,
    },
    /// A role is past its end: a freeze attack, or nobody refreshed the channel.
    #[error(
        "role `{role}` expired at {expires}, it is {now} now [the channel's owners must refresh it]"
    )]
    Expired {
        /// The role.
        role: String,
        /// When it ended.
        expires: Timestamp,
        /// The time it was judged at.
        now: Timestamp,
    },
    /// A lower version than the one remembered: a rollback attack.
    #[error("role `{role}` went back to version {found}, version {seen} was seen before")]
    Rollback {
        /// The role.
        role: String,
        /// Version seen before.
        seen: u64,
        /// Version found.
        found: u64,
    },
    /// A role that was listed before is gone: a rollback attack.
    #[error("role `{role}` was listed before and is no more")]
    Vanished {
        /// The role.
        role: String,
    },
    /// Two contents with one version: two writers at once, or a key that signs both.
    #[error("role `{role}` version {version} was seen before with other content")]
    Fork {
        /// The role.
        role: String,
        /// The version.
        version: u64,
    },
    /// What is remembered comes from another repository.
    #[error(
        "the state remembered in {} is of another repository: its root version {version} is not in line with the root file that was given [use a directory of its own for each channel]",
        path.display()
    )]
    OtherRepository {
        /// The directory.
        path: PathBuf,
        /// Version of the remembered root.
        version: u64,
    },
    /// A repository without consistent snapshots.
    #[error("{file} says no to consistent snapshots, which fleetfix needs")]
    NotConsistent {
        /// The root file.
        file: String,
    },
    /// A role of another major version of the TUF specification.
    #[error("{file} follows TUF specification `{found}`, expected 1.x")]
    SpecVersion {
        /// The role file.
        file: String,
        /// What it says.
        found: String,
    },
    /// One key under two key ids would count twice.
    #[error("role `{role}` lists one key under two key ids")]
    KeyTwice {
        /// The role.
        role: String,
    },
    /// Two delegations of one role, or one with the name of a top-level role.
    #[error("role `{role}` is delegated twice, or has the name of another role")]
    RoleTwice {
        /// The role.
        role: String,
    },
    /// A delegated role that the snapshot does not list.
    #[error("role `{role}` is delegated, and {snapshot} does not list it")]
    NotInSnapshot {
        /// The role.
        role: String,
        /// The snapshot file.
        snapshot: String,
    },
    /// A target by a role that it is not for.
    #[error("role `{role}` lists target `{target}`, which is not its to give")]
    ForeignTarget {
        /// The role.
        role: String,
        /// The target.
        target: String,
    },
    /// A target of a role that nobody delegated it to.
    #[error("target `{target}` is listed by a role that it is not delegated to")]
    NotDelegated {
        /// The target.
        target: String,
    },
    /// A target with a name that not every client reads the same way.
    #[error("target name `{name}`, expected letters, digits, `.`, `_` and `-`")]
    TargetName {
        /// The name.
        name: String,
    },
    /// The repository has no such target.
    #[error("no target `{name}`, there is {known}")]
    NoTarget {
        /// The name.
        name: String,
        /// The names there are.
        known: String,
    },
    /// A target is not the document it should be.
    #[error("target `{name}`")]
    Document {
        /// The target.
        name: String,
        /// What is wrong.
        #[source]
        source: Box<document::Error>,
    },
    /// A target holds a document about something else.
    #[error("target `{name}` is about `{found}`")]
    OtherName {
        /// The target.
        name: String,
        /// What it is about.
        found: String,
    },
    /// The remembered state cannot be read or written.
    #[error("remembered state {}", path.display())]
    Memory {
        /// The file or directory.
        path: PathBuf,
        /// What went wrong.
        #[source]
        source: std::io::Error,
    },
    /// The remembered state is damaged.
    #[error("remembered state {} is damaged [if you remove it, rollback is not checked once]", path.display())]
    MemoryDamaged {
        /// The file.
        path: PathBuf,
        /// What is wrong.
        #[source]
        source: Cause,
    },
    /// No room for the scratch files of the TUF library.
    #[error("cannot use a temporary directory")]
    Scratch(#[source] std::io::Error),
    /// The TUF library refuses for a reason without a name of its own here.
    #[error("{file} does not hold")]
    Tough {
        /// The file that was read last.
        file: String,
        /// What it says.
        #[source]
        source: Cause,
    },
}

impl Classify for Error {
    fn class(&self) -> Class {
        match self {
            Self::NotARoot(_)
            | Self::Missing { .. }
            | Self::Malformed { .. }
            | Self::TooLarge { .. }
            | Self::NotConsistent { .. }
            | Self::SpecVersion { .. }
            | Self::NoTarget { .. }
            | Self::MemoryDamaged { .. } => Class::Input,
            Self::RootNotSigned { .. }
            | Self::OtherRoot { .. }
            | Self::BelowThreshold { .. }
            | Self::SignedTwice { .. }
            | Self::Hash { .. }
            | Self::Size { .. }
            | Self::Version { .. }
            | Self::Expired { .. }
            | Self::Rollback { .. }
            | Self::Vanished { .. }
            | Self::Fork { .. }
            | Self::OtherRepository { .. }
            | Self::KeyTwice { .. }
            | Self::RoleTwice { .. }
            | Self::NotInSnapshot { .. }
            | Self::ForeignTarget { .. }
            | Self::NotDelegated { .. }
            | Self::TargetName { .. }
            | Self::OtherName { .. }
            | Self::Tough { .. } => Class::Refused,
            Self::Document { source, .. } => source.class(),
            Self::Memory { source, .. } | Self::Scratch(source) => source.class(),
        }
    }
}

/// Why the signatures of `file` do not hold.
pub(crate) fn signatures(file: String, error: &schema::Error) -> Error {
    match error {
        schema::Error::SignatureThreshold { threshold, valid, .. } => {
            Error::BelowThreshold { file, valid: *valid, threshold: *threshold }
        }
        schema::Error::DuplicateKeyId { .. } => Error::SignedTwice { file },
        // Its message has its causes in it.
        other => Error::Malformed { file, source: other.to_string().into() },
    }
}

/// Hex as tough gives it, as a digest where it is one.
pub(crate) fn digest_text(hex: &str) -> String {
    let text = format!("sha256:{hex}");
    text.parse::<Digest>().map_or(text, |digest| digest.to_string())
}
