//! Keys in TUF metadata (TUF specification 1.0.33, section 4.2).

use fleetfix_model::Digest;
use serde_json::{Value, json};

use crate::key::PublicKey;
use crate::tuf::canonical_json;

/// The key as it stands in root and delegations. `keyval.public` is our PEM, last line end included,
/// as securesystemslib and go-securesystemslib write it.
pub(crate) fn key_object(key: &PublicKey) -> Value {
    json!({
        "keytype": "ecdsa",
        "keyval": { "public": key.to_pem() },
        "scheme": "ecdsa-sha2-nistp256",
    })
}

/// The key's id in TUF metadata, in hex: the SHA-256 of the key object in canonical JSON (section
/// 4.2.1). Another one than [`PublicKey::key_id`].
pub fn key_id(key: &PublicKey) -> String {
    // An object of strings always has a canonical form.
    Digest::of(canonical_json(&key_object(key)).unwrap_or_default()).hex()
}

/// The public key in a key object, if it is one that we sign with.
pub(crate) fn public_key(object: &Value) -> Option<PublicKey> {
    PublicKey::from_pem(object.pointer("/keyval/public")?.as_str()?).ok()
}
