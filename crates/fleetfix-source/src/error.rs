//! What can go wrong while history is read.

use std::path::PathBuf;

use fleetfix_model::name::Commit;
use fleetfix_model::{Class, Classify};

/// What the libraries below say.
pub(crate) type Cause = Box<dyn std::error::Error + Send + Sync>;

/// What can go wrong while history is read.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// There is no repository.
    #[error(
        "{} is no git repository: it has neither `objects` and `HEAD` nor `.git` [give a clone or a bare mirror]", path.display()
    )]
    NoRepository {
        /// Where it should be.
        path: PathBuf,
    },
    /// A file of the repository cannot be read.
    #[error("git repository: cannot read {}", path.display())]
    File {
        /// The file.
        path: PathBuf,
        /// Why.
        #[source]
        source: std::io::Error,
    },
    /// The store of objects cannot be opened.
    #[error("git repository {}: cannot open its objects", path.display())]
    Objects {
        /// The repository.
        path: PathBuf,
        /// Why.
        #[source]
        source: std::io::Error,
    },
    /// References cannot be read.
    #[error("git repository {}: cannot read its references", path.display())]
    References {
        /// The repository.
        path: PathBuf,
        /// Why.
        #[source]
        source: Cause,
    },
    /// A branch that somebody named is not there.
    #[error(
        "git repository {}: there is no branch {branch} [name the branch that release branches are made from]", path.display()
    )]
    NoBranch {
        /// The repository.
        path: PathBuf,
        /// The branch.
        branch: String,
    },
    /// An object is damaged.
    #[error("git repository: object {commit} is damaged [run `git fsck`, and fetch it again]")]
    Damaged {
        /// The object.
        commit: Commit,
        /// Why.
        #[source]
        source: Cause,
    },
    /// An object is no commit.
    #[error("git repository: object {commit} is a {kind}, not a commit")]
    NotACommit {
        /// The object.
        commit: Commit,
        /// What it is.
        kind: String,
    },
    /// History ends too early.
    #[error(
        "git repository: commit {commit} is missing, an ancestor of what was asked for [a shallow clone is not enough: run `git fetch --unshallow`]"
    )]
    Missing {
        /// The commit.
        commit: Commit,
    },
    /// A commit is larger than any should be.
    #[error("git repository: commit {commit} has {size} bytes, at most {max} are read")]
    TooLarge {
        /// The commit.
        commit: Commit,
        /// How large it is.
        size: u64,
        /// How much is read.
        max: u64,
    },
    /// History is longer than any should be.
    #[error("git repository: more than {max} commits")]
    TooMany {
        /// How many are read.
        max: usize,
    },
    /// An identifier is not what it should be: a defect.
    #[error("git repository: object id {found} is not SHA-1")]
    Identifier {
        /// What stood there.
        found: String,
    },
}

impl Classify for Error {
    fn class(&self) -> Class {
        match self {
            Self::File { source, .. } | Self::Objects { source, .. } => source.class(),
            Self::NoRepository { .. }
            | Self::References { .. }
            | Self::NoBranch { .. }
            | Self::Damaged { .. }
            | Self::NotACommit { .. }
            | Self::Missing { .. }
            | Self::TooLarge { .. }
            | Self::TooMany { .. } => Class::Input,
            Self::Identifier { .. } => Class::Bug,
        }
    }
}
