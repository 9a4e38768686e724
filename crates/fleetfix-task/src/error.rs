//! What can go wrong around a task.

use std::path::PathBuf;

use fleetfix_model::{Class, Classify};

/// What can go wrong around a task.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// A file cannot be read.
    #[error("cannot read {}", path.display())]
    Read {
        /// The file.
        path: PathBuf,
        /// Why.
        #[source]
        source: std::io::Error,
    },
    /// A file is larger than what is read of its kind.
    #[error("{} has more than {max} bytes, the most that is read", path.display())]
    TooLarge {
        /// The file.
        path: PathBuf,
        /// The cap in bytes.
        max: u64,
    },
    /// A file cannot be written. Nothing of it is left behind.
    #[error("cannot write {}", path.display())]
    Write {
        /// The file.
        path: PathBuf,
        /// Why.
        #[source]
        source: std::io::Error,
    },
    /// The results do not fit into the message that Tekton carries them in.
    #[error(
        "the results need {size} bytes, Tekton carries {max} per step: leave out some --result-* flags"
    )]
    ResultsTooLarge {
        /// Bytes needed, names and quoting included.
        size: usize,
        /// Bytes that are there.
        max: usize,
    },
    /// Two results would go to one file.
    #[error("two results go to {}: give each --result-* flag a file of its own", path.display())]
    ResultTwice {
        /// The file.
        path: PathBuf,
    },
    /// Standard output cannot be written.
    #[error("cannot write standard output")]
    Stdout(#[source] std::io::Error),
    /// The run time of asynchronous tasks does not start.
    #[error("cannot start")]
    Start(#[source] std::io::Error),
    /// SIGTERM or SIGINT.
    #[error("interrupted: run the same command again to go on")]
    Interrupted,
    /// The data of a task has no JSON form.
    #[error("the result has no JSON form")]
    NoJson(#[source] serde_json::Error),
    /// The task panicked.
    #[error("{message}")]
    Panic {
        /// Message and place.
        message: String,
    },
}

impl Classify for Error {
    fn class(&self) -> Class {
        match self {
            Self::Read { source, .. } | Self::Write { source, .. } => source.class(),
            Self::TooLarge { .. } | Self::ResultsTooLarge { .. } => Class::Input,
            Self::ResultTwice { .. } => Class::Usage,
            Self::Stdout(_) | Self::Start(_) | Self::Interrupted => Class::Environment,
            Self::NoJson(_) | Self::Panic { .. } => Class::Bug,
        }
    }
}
