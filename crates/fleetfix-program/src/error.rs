//! Everything that can go wrong in this crate.

use std::io;

use fleetfix_model::{Class, Classify};

/// Why a program could not be read.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// The reader failed.
    #[error("cannot read {subject}")]
    Read {
        /// The program.
        subject: String,
        /// What the reader says.
        #[source]
        source: io::Error,
    },
    /// The file starts as an ELF file and is none, or is cut short.
    #[error("{subject} is no whole ELF file: {what} at byte {offset} {reason}")]
    Malformed {
        /// The program.
        subject: String,
        /// The part that is wrong.
        what: &'static str,
        /// Where it is in the file.
        offset: u64,
        /// What is wrong with it.
        reason: &'static str,
    },
    /// More of something than any program has.
    #[error("{subject}: {what} of {actual}, more than {limit}")]
    Limit {
        /// The program.
        subject: String,
        /// What is too large or too many.
        what: &'static str,
        /// How much there is.
        actual: u64,
        /// The limit.
        limit: u64,
    },
    /// Go's linker left information that cannot be read.
    #[error("{subject}: Go's build information: {reason}")]
    GoBuild {
        /// The program.
        subject: String,
        /// What is wrong with it.
        reason: &'static str,
    },
}

impl Classify for Error {
    fn class(&self) -> Class {
        match self {
            Self::Read { source, .. } => source.class(),
            Self::Malformed { .. } | Self::Limit { .. } | Self::GoBuild { .. } => Class::Input,
        }
    }
}
