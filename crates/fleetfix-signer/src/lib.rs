//! Signing keys: the only crate that can sign.
