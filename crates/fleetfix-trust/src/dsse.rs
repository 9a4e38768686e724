//! DSSE envelopes (secure-systems-lab/dsse `envelope.md` and `protocol.md`, v1.0.2) around in-toto
//! statements.
//!
//! An envelope is read in one spelling: these fields only, none twice, standard base64 with
//! padding. A `keyid` is a hint that anybody can write, so it is never used to decide anything.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use fleetfix_model::{Class, Classify, Digest, ToCanonical, canonical, media};
use serde::{Deserialize, Serialize};

use crate::exact;
use crate::key::PublicKey;
use crate::sign::{Sign, SignError};

/// Largest envelope that is read, in bytes.
pub const MAX_SIZE: usize = canonical::MAX_SIZE;
/// Most signatures that are read: each costs a verification per key.
pub const MAX_SIGNATURES: usize = 64;
/// Longest signature that is read, in bytes; RSA with 8192 bits makes 1024.
pub const MAX_SIGNATURE: usize = 2048;

/// Annotation of the layer in cosign's `.att` manifest: the predicate type, outside of what is
/// signed (cosign `pkg/oci/static/options.go`).
pub const PREDICATE_TYPE_ANNOTATION: &str = "predicateType";

/// Bytes with signatures over them.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Envelope {
    payload: Vec<u8>,
    signatures: Vec<Signature>,
}

#[derive(Clone, Debug, Eq, PartialEq)]
struct Signature {
    keyid: Option<String>,
    sig: Vec<u8>,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
struct Wire {
    payload: String,
    payload_type: String,
    signatures: Vec<WireSignature>,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct WireSignature {
    #[serde(default, skip_serializing_if = "Option::is_none")]
    keyid: Option<String>,
    sig: String,
}

/// Why bytes are not an envelope of ours.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// Not the fields of an envelope, a duplicate key, too large.
    #[error("not a DSSE envelope")]
    Malformed(#[source] canonical::Error),
    /// The payload is of another type.
    #[error("payload type `{found}`, expected `{}`", media::IN_TOTO)]
    PayloadType {
        /// Type found.
        found: String,
    },
    /// A field is not standard base64 with padding.
    #[error("field `{field}` is not standard base64")]
    NotBase64 {
        /// The field.
        field: String,
    },
    /// No signature at all.
    #[error("DSSE envelope without signatures")]
    NoSignature,
    /// More than [`MAX_SIGNATURES`].
    #[error("DSSE envelope with {found} signatures, at most {MAX_SIGNATURES} are read")]
    TooManySignatures {
        /// How many there are.
        found: usize,
    },
    /// Longer than [`MAX_SIGNATURE`].
    #[error("field `{field}` of {size} bytes, at most {MAX_SIGNATURE} are read")]
    LongSignature {
        /// The field.
        field: String,
        /// Size found.
        size: usize,
    },
    /// An envelope of ours that cannot be written: a defect, or a payload that is too large.
    #[error("DSSE envelope has no JSON form")]
    NoForm(#[source] canonical::Error),
}

impl Classify for Error {
    fn class(&self) -> Class {
        match self {
            Self::Malformed(_)
            | Self::PayloadType { .. }
            | Self::NotBase64 { .. }
            | Self::NoSignature
            | Self::TooManySignatures { .. }
            | Self::LongSignature { .. } => Class::Input,
            Self::NoForm(e) => e.class(),
        }
    }
}

impl Envelope {
    /// An envelope around `payload` without signatures yet.
    pub fn new(payload: Vec<u8>) -> Self {
        Self { payload, signatures: Vec::new() }
    }

    /// Reads an envelope with at least one signature.
    pub fn parse(bytes: &[u8]) -> Result<Self, Error> {
        let value = canonical::from_bounded_json(bytes).map_err(Error::Malformed)?;
        let wire: Wire = exact::typed(&value).map_err(Error::Malformed)?;
        if wire.payload_type != media::IN_TOTO {
            let found = wire.payload_type.chars().take(100).collect();
            return Err(Error::PayloadType { found });
        }
        if wire.signatures.is_empty() {
            return Err(Error::NoSignature);
        }
        if wire.signatures.len() > MAX_SIGNATURES {
            return Err(Error::TooManySignatures { found: wire.signatures.len() });
        }
        let decode = |field: String, text: &str| {
            STANDARD.decode(text).map_err(|_| Error::NotBase64 { field })
        };
        let payload = decode("payload".to_owned(), &wire.payload)?;
        let mut signatures = Vec::with_capacity(wire.signatures.len());
        for (i, WireSignature { keyid, sig }) in wire.signatures.into_iter().enumerate() {
            let field = format!("signatures[{i}].sig");
            let sig = decode(field.clone(), &sig)?;
            if sig.len() > MAX_SIGNATURE {
                return Err(Error::LongSignature { field, size: sig.len() });
            }
            signatures.push(Signature { keyid, sig });
        }
        Ok(Self { payload, signatures })
    }

    /// The envelope as canonical JSON.
    pub fn to_bytes(&self) -> Result<Vec<u8>, Error> {
        let wire = |signature: &Signature| WireSignature {
            keyid: signature.keyid.clone(),
            sig: STANDARD.encode(&signature.sig),
        };
        let wire = Wire {
            payload: STANDARD.encode(&self.payload),
            payload_type: media::IN_TOTO.to_owned(),
            signatures: self.signatures.iter().map(wire).collect(),
        };
        wire.to_canonical().map_err(Error::NoForm)
    }

    /// What is inside. Nobody vouches for it before [`Envelope::verify`] names a key.
    pub fn payload(&self) -> &[u8] {
        &self.payload
    }

    /// Digest of the payload: of the statement, which is the same whoever signs it.
    pub fn payload_digest(&self) -> Digest {
        Digest::of(&self.payload)
    }

    /// Adds the signature of `key`, unless a good one by it is there already: then nothing changes.
    pub fn sign_with(&mut self, key: &dyn Sign) -> Result<(), SignError> {
        let message = pae(&self.payload);
        let public = key.public_key();
        if !self.signatures.iter().any(|s| public.verify(&message, &s.sig)) {
            // cosign leaves the hint empty for keys; so do we.
            self.signatures
                .push(Signature { keyid: Some(String::new()), sig: key.sign(&message)? });
        }
        Ok(())
    }

    /// The keys that made a signature here, each once however many signatures it made.
    pub fn verify<'k>(&self, keys: &'k [PublicKey]) -> Vec<&'k PublicKey> {
        let message = pae(&self.payload);
        let mut found: Vec<&PublicKey> = Vec::new();
        for key in keys {
            let signed = || self.signatures.iter().any(|s| key.verify(&message, &s.sig));
            if !found.contains(&key) && signed() {
                found.push(key);
            }
        }
        found
    }
}

/// The bytes that are signed for `payload`: the pre-authentication encoding (DSSE `protocol.md`,
/// "Signature Definition") with the payload type of in-toto.
pub fn pae(payload: &[u8]) -> Vec<u8> {
    pae_of(media::IN_TOTO, payload)
}

fn pae_of(payload_type: &str, payload: &[u8]) -> Vec<u8> {
    let head = format!("DSSEv1 {} {payload_type} {} ", payload_type.len(), payload.len());
    [head.as_bytes(), payload].concat()
}

/// The annotations of a layer that holds an envelope, as cosign writes them in `.att`.
pub fn annotations(predicate_type: &str) -> std::collections::BTreeMap<String, String> {
    [
        (PREDICATE_TYPE_ANNOTATION.to_owned(), predicate_type.to_owned()),
        (crate::simple_signing::SIGNATURE_ANNOTATION.to_owned(), String::new()),
    ]
    .into()
}

#[cfg(test)]
mod tests;
