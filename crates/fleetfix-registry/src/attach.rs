//! cosign's attachments: signatures and attestations under tags made of a digest.

use std::collections::BTreeMap;

use fleetfix_model::Digest;
use fleetfix_model::name::Tag;

use crate::{Error, Store, Written};

/// Which tag.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Kind {
    /// `sha256-<hex>.sig`: simple-signing payloads.
    Signature,
    /// `sha256-<hex>.att`: DSSE envelopes.
    Attestation,
}

impl Kind {
    /// The tag of `subject`'s attachments.
    pub fn tag(self, subject: Digest) -> Tag {
        todo!("{subject}")
    }
}

/// One layer of an attachment manifest.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Attachment {
    /// Media type of the layer.
    pub media_type: String,
    /// Content of the layer.
    pub payload: Vec<u8>,
    /// Annotations of the layer.
    pub annotations: BTreeMap<String, String>,
}

/// All attachments of `subject`. None there is an empty list; a registry that cannot be asked is an error.
pub async fn candidates(store: &Store, subject: Digest, kind: Kind) -> Result<Vec<Attachment>, Error> {
    todo!("{store:?} {subject} {kind:?}")
}

/// Adds `new` to what is attached to `subject`. What is there already is not added again; if all
/// is, nothing is written.
pub async fn attach(store: &Store, subject: Digest, kind: Kind, new: &[Attachment]) -> Result<Written, Error> {
    todo!("{store:?} {subject} {kind:?} {new:?}")
}
