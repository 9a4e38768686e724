//! One signature on one digest, in the format of cosign's `.sig` tags, which is the one that CRI-O
//! reads.

use fleetfix_model::{Digest, media};
use fleetfix_registry::attach::{self, Attachment, Kind};
use fleetfix_registry::{Store, Written};
use fleetfix_task::Failure;
use fleetfix_trust::Sign;
use fleetfix_trust::simple_signing::{self, Candidate, Payload};
use serde::Serialize;

use crate::identity::Identity;

/// What was done about one digest.
#[derive(Clone, Debug, Eq, PartialEq, Serialize)]
pub struct Signed {
    /// What the signature calls the image.
    pub reference: String,
    /// The index or manifest.
    pub digest: Digest,
    /// Whether there is a new signature.
    pub signature: State,
}

/// Whether a signature had to be written.
#[derive(Clone, Copy, Debug, Eq, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub enum State {
    /// It is new.
    Written,
    /// The same key signed the same before.
    AlreadyThere,
}

/// Signs `digest` in `store` as `identity`, unless the key's signature on just that is there.
pub async fn sign(
    store: &Store,
    digest: Digest,
    identity: &Identity,
    key: &dyn Sign,
) -> Result<Signed, Failure> {
    let reference = identity.to_string();
    let payload = Payload::new(&reference, digest);
    let bytes = payload.to_bytes()?;
    // ECDSA signatures differ each time, so what counts is the payload and who signed it.
    let same: Vec<Candidate> = attach::candidates(store, digest, Kind::Signature)
        .await?
        .into_iter()
        .filter(|layer| layer.media_type == media::SIMPLE_SIGNING && layer.payload == bytes)
        .map(|layer| Candidate::from_layer(layer.payload, &layer.annotations))
        .collect();
    let keys = std::slice::from_ref(key.public_key());
    let judged = simple_signing::judge(&same, keys, digest, &reference);
    let signature = if judged.iter().any(Result::is_ok) {
        State::AlreadyThere
    } else {
        let new = simple_signing::sign(&payload, key)?;
        let annotations = new.annotations();
        let layer = Attachment {
            media_type: media::SIMPLE_SIGNING.to_owned(),
            payload: new.payload,
            annotations,
        };
        match attach::attach(store, digest, Kind::Signature, &[layer]).await? {
            Written::New => State::Written,
            Written::AlreadyThere => State::AlreadyThere,
        }
    };
    Ok(Signed { reference, digest, signature })
}
