//! Signing keys: the only crate that can sign.
//!
//! Keys are files: cosign's encrypted PEM, or plain PKCS #8 or SEC 1 PEM. Only ECDSA P-256 signs: the
//! one kind that cosign, `containers/image` and TUF clients agree on. Secrets are wiped from memory
//! when they are dropped, and nothing here prints them.

mod args;
mod cosign;
mod error;
mod file;
mod key;

pub use args::KeyArgs;
pub use error::Error;
pub use key::SigningKey;
