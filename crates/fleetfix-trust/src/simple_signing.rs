//! Simple signing: the signature format that CRI-O, podman, skopeo and cosign share.
//!
//! A signature is a layer of the image tagged `sha256-<hex>.sig`: the payload below, with the
//! signature in an annotation (cosign `specs/SIGNATURE_SPEC.md`). The payload binds a manifest
//! digest and the reference that the image goes by; cosign ignores the latter, `containers/image`
//! does not, and neither do we.

use std::collections::BTreeMap;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use fleetfix_model::{Class, Classify, Digest, canonical};
use serde::{Deserialize, Serialize};

use crate::exact;
use crate::key::PublicKey;
use crate::sign::{Sign, SignError};
use crate::verified::Verified;

/// Annotation of the layer that holds the signature in base64 (cosign `pkg/oci/static/signature.go`).
pub const SIGNATURE_ANNOTATION: &str = "dev.cosignproject.cosign/signature";
/// The one value of `critical.type` (cosign `specs/SIGNATURE_SPEC.md`).
pub const TYPE: &str = "cosign container image signature";
/// Largest payload that is read, in bytes; one of ours takes about 300.
pub const MAX_SIZE: usize = 64 << 10;

/// What is signed about an image.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Payload {
    /// The reference that the image goes by, `registry/repository:tag`.
    pub docker_reference: String,
    /// Digest of its manifest or index.
    pub manifest_digest: Digest,
    /// Whatever else the signer said, outside of what is judged. We say nothing.
    pub optional: serde_json::Value,
}

/// The JSON, with the order of fields that Go gives it.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Wire {
    critical: Critical,
    // `Value` would take an absent field for `null`; `containers/image` wants it there.
    #[serde(deserialize_with = "serde_json::Value::deserialize")]
    optional: serde_json::Value,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Critical {
    identity: Identity,
    image: Image,
    r#type: String,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
struct Identity {
    docker_reference: String,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
struct Image {
    docker_manifest_digest: Digest,
}

/// Why bytes are not a payload.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// More than [`MAX_SIZE`] bytes.
    #[error("payload of {size} bytes, at most {MAX_SIZE} are read")]
    TooLarge {
        /// Size found.
        size: usize,
    },
    /// Not the exact fields, a duplicate key, a digest that is none.
    #[error("not a simple-signing payload")]
    Malformed(#[source] canonical::Error),
    /// Another type of payload.
    #[error("payload of type `{found}`, expected `{TYPE}`")]
    Type {
        /// Type found.
        found: String,
    },
    /// A value of ours that cannot be written: a defect.
    #[error("payload has no JSON form")]
    NoForm(#[source] serde_json::Error),
}

impl Classify for Error {
    fn class(&self) -> Class {
        match self {
            Self::TooLarge { .. } | Self::Malformed(_) | Self::Type { .. } => Class::Input,
            Self::NoForm(_) => Class::Bug,
        }
    }
}

impl Payload {
    /// States that `docker_reference` is the image `manifest_digest`.
    pub fn new(docker_reference: impl Into<String>, manifest_digest: Digest) -> Self {
        Self {
            docker_reference: docker_reference.into(),
            manifest_digest,
            optional: serde_json::Value::Null,
        }
    }

    /// The bytes as cosign writes them.
    pub fn to_bytes(&self) -> Result<Vec<u8>, Error> {
        let wire = Wire {
            critical: Critical {
                identity: Identity { docker_reference: self.docker_reference.clone() },
                image: Image { docker_manifest_digest: self.manifest_digest },
                r#type: TYPE.to_owned(),
            },
            optional: self.optional.clone(),
        };
        serde_json::to_vec(&wire).map_err(Error::NoForm)
    }

    /// Reads a payload as strictly as `containers/image` does
    /// (`image/signature/internal/sigstore_payload.go`): exactly these fields, none twice.
    pub fn parse(bytes: &[u8]) -> Result<Self, Error> {
        if bytes.len() > MAX_SIZE {
            return Err(Error::TooLarge { size: bytes.len() });
        }
        let value = canonical::from_bounded_json(bytes).map_err(Error::Malformed)?;
        let Wire { critical, optional } = exact::typed(&value).map_err(Error::Malformed)?;
        if critical.r#type != TYPE {
            return Err(Error::Type { found: critical.r#type.chars().take(100).collect() });
        }
        Ok(Self {
            docker_reference: critical.identity.docker_reference,
            manifest_digest: critical.image.docker_manifest_digest,
            optional,
        })
    }
}

/// A signature that may or may not hold: a layer as it was found in a registry, or as it goes there.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Candidate {
    /// The payload's bytes.
    pub payload: Vec<u8>,
    /// The signature in base64; absent if the layer had none.
    pub signature: Option<String>,
}

impl Candidate {
    /// From a layer and its annotations.
    pub fn from_layer(payload: Vec<u8>, annotations: &BTreeMap<String, String>) -> Self {
        Self { payload, signature: annotations.get(SIGNATURE_ANNOTATION).cloned() }
    }

    /// The annotations of the layer.
    pub fn annotations(&self) -> BTreeMap<String, String> {
        let signature = self.signature.iter();
        signature.map(|s| (SIGNATURE_ANNOTATION.to_owned(), s.clone())).collect()
    }
}

/// Signs the statement that `docker_reference` is the image `manifest_digest`.
pub fn sign(payload: &Payload, key: &dyn Sign) -> Result<Candidate, NotSigned> {
    let payload = payload.to_bytes()?;
    let signature = Some(STANDARD.encode(key.sign(&payload)?));
    Ok(Candidate { payload, signature })
}

/// Why there is no new signature.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum NotSigned {
    /// The payload cannot be written.
    #[error(transparent)]
    Payload(#[from] Error),
    /// The key did not sign.
    #[error(transparent)]
    Key(#[from] SignError),
}

impl Classify for NotSigned {
    fn class(&self) -> Class {
        match self {
            Self::Payload(e) => e.class(),
            Self::Key(e) => e.class(),
        }
    }
}

/// A signature that holds.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Good {
    /// What it says.
    pub payload: Verified<Payload>,
    /// The key that made it.
    pub key: PublicKey,
}

/// Why a candidate does not count.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Rejection {
    /// The layer has no signature annotation.
    #[error("no annotation `{SIGNATURE_ANNOTATION}`")]
    NoSignature,
    /// The signature is not standard base64.
    #[error("its signature is not standard base64")]
    NotBase64,
    /// None of the keys made the signature, or the payload was changed since.
    #[error("signed by none of the {keys} keys")]
    NoKey {
        /// How many keys were tried.
        keys: usize,
    },
    /// Signed by one of the keys, and no payload.
    #[error("signed, but {0}")]
    Payload(Error),
    /// A good signature for another image.
    #[error("signed for {found}, expected {expected}")]
    OtherDigest {
        /// Digest in the payload.
        found: Digest,
        /// Digest of the image.
        expected: Digest,
    },
    /// A good signature for another reference.
    #[error("signed as `{found}`, expected `{expected}`")]
    OtherReference {
        /// Reference in the payload.
        found: String,
        /// Reference that the image goes by.
        expected: String,
    },
}

/// Judges each candidate, in their order: the good signature, or why it does not count.
///
/// A candidate counts if one of `keys` made it for `manifest_digest` and exactly
/// `docker_reference`.
pub fn judge(
    candidates: &[Candidate],
    keys: &[PublicKey],
    manifest_digest: Digest,
    docker_reference: &str,
) -> Vec<Result<Good, Rejection>> {
    let one = |candidate: &Candidate| {
        let signature = candidate.signature.as_ref().ok_or(Rejection::NoSignature)?;
        let signature = STANDARD.decode(signature).map_err(|_| Rejection::NotBase64)?;
        let key = keys
            .iter()
            .find(|key| key.verify(&candidate.payload, &signature))
            .ok_or(Rejection::NoKey { keys: keys.len() })?;
        let payload = Payload::parse(&candidate.payload).map_err(Rejection::Payload)?;
        if payload.manifest_digest != manifest_digest {
            return Err(Rejection::OtherDigest {
                found: payload.manifest_digest,
                expected: manifest_digest,
            });
        }
        if payload.docker_reference != docker_reference {
            return Err(Rejection::OtherReference {
                found: payload.docker_reference,
                expected: docker_reference.to_owned(),
            });
        }
        Ok(Good { payload: Verified::new(payload), key: key.clone() })
    };
    candidates.iter().map(one).collect()
}

#[cfg(test)]
mod tests;
