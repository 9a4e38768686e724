//! What can sign, seen from the side that only verifies: envelopes, payloads and TUF roles are put
//! together here, and whoever holds a key passes it in.

use fleetfix_model::{Class, Classify};

use crate::key::PublicKey;

/// A private key, or something that holds one.
pub trait Sign {
    /// The public half.
    fn public_key(&self) -> &PublicKey;

    /// A signature on `message` that [`PublicKey::verify`] accepts.
    fn sign(&self, message: &[u8]) -> Result<Vec<u8>, SignError>;
}

/// A key did not sign.
#[derive(Debug, thiserror::Error)]
#[error("key {key} did not sign")]
pub struct SignError {
    /// Start of the key's id.
    pub key: String,
    /// Whether asking again can help, as it may with a key in a remote service.
    pub transient: bool,
    /// What went wrong.
    #[source]
    pub source: Box<dyn std::error::Error + Send + Sync>,
}

impl Classify for SignError {
    fn class(&self) -> Class {
        if self.transient { Class::Environment } else { Class::Bug }
    }
}
