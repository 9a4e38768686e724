//! Why there is no signing key.

use std::path::PathBuf;

use fleetfix_model::{Class, Classify};
use fleetfix_trust::pem;

/// Why there is no signing key. No variant holds a secret.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// The file cannot be read.
    #[error("cannot read {}", path.display())]
    Read {
        /// The file.
        path: PathBuf,
        /// What went wrong.
        #[source]
        source: std::io::Error,
    },
    /// The file is larger than any key.
    #[error("{}: more than {max} bytes, which is no key", path.display())]
    TooLarge {
        /// The file.
        path: PathBuf,
        /// Most that is read.
        max: usize,
    },
    /// The file is read, and is no key of ours.
    #[error("key file {}", path.display())]
    InFile {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        #[source]
        source: Box<Error>,
    },
    /// Not one PEM block.
    #[error("not a private key")]
    Pem(#[source] pem::Error),
    /// A PEM block of something else.
    #[error("PEM block `{found}`, expected a private key: {}", crate::key::LABELS)]
    Label {
        /// Label found.
        found: String,
    },
    /// A public key where a private one is needed.
    #[error("a public key, expected the private one that belongs to it")]
    PublicKey,
    /// The key is encrypted and no password was given.
    #[error(
        "the key is encrypted and there is no password [give --key-password-file, or set COSIGN_PASSWORD]"
    )]
    NoPassword,
    /// The password does not open the key.
    #[error("wrong password: it does not open the key")]
    WrongPassword,
    /// The encrypted block is not what cosign writes.
    #[error("not a key that cosign encrypted: {what}")]
    NotCosign {
        /// What is wrong.
        what: String,
    },
    /// A private key of another kind.
    #[error("private key of kind {found}, expected ECDSA P-256")]
    Kind {
        /// Kind found.
        found: String,
    },
    /// No private key in the block.
    #[error("PEM block `{label}` holds no private key")]
    NotAKey {
        /// Label of the block.
        label: String,
    },
    /// No key file was named.
    #[error("no key [give --key FILE]")]
    NoKey,
    /// The provider of random numbers or of cryptography failed.
    #[error("cannot {what}")]
    Crypto {
        /// What was tried.
        what: &'static str,
    },
}

impl Classify for Error {
    fn class(&self) -> Class {
        match self {
            Self::Read { source, .. } => source.class(),
            Self::InFile { source, .. } => source.class(),
            Self::Pem(e) => e.class(),
            Self::TooLarge { .. }
            | Self::Label { .. }
            | Self::PublicKey
            | Self::NoPassword
            | Self::WrongPassword
            | Self::NotCosign { .. }
            | Self::Kind { .. }
            | Self::NotAKey { .. } => Class::Input,
            Self::NoKey => Class::Usage,
            Self::Crypto { .. } => Class::Bug,
        }
    }
}
