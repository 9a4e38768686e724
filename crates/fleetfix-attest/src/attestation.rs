//! Signed statements beside an image: DSSE envelopes in cosign's `.att` tags.

use fleetfix_model::{Digest, media};
use fleetfix_registry::Store;
use fleetfix_registry::attach::{self, Attachment, Kind};
use fleetfix_task::Failure;
use fleetfix_trust::Sign;
use fleetfix_trust::dsse::{self, Envelope};
use serde::Serialize;

use crate::statements::Statement;

/// What was done about one statement.
#[derive(Clone, Debug, Eq, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Attested {
    /// Where the image is.
    pub reference: String,
    /// What the statement is about.
    pub digest: Digest,
    /// The type of its predicate.
    pub predicate_type: String,
    /// Digest of the statement.
    pub statement: Digest,
    /// Whether there is a new attestation.
    pub attestation: State,
}

/// Whether an attestation had to be written.
#[derive(Clone, Copy, Debug, Eq, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub enum State {
    /// It is new.
    Written,
    /// The same key signed the same statement before.
    AlreadyThere,
}

/// Signs each of `statements` and puts it beside its subject, all about one subject and in one
/// write. What this key signed before is not written again.
pub async fn attest(
    store: &Store,
    subject: Digest,
    statements: &[Statement],
    key: &dyn Sign,
) -> Result<Vec<Attested>, Failure> {
    let there = attach::candidates(store, subject, Kind::Attestation).await?;
    let mut new = Vec::new();
    let mut done = Vec::new();
    for statement in statements {
        let signed = there.iter().any(|layer| is_signed(layer, statement, key));
        if !signed {
            new.push(layer(statement, key)?);
        }
        done.push(Attested {
            reference: store.repository().at(subject).to_string(),
            digest: subject,
            predicate_type: statement.predicate_type.clone(),
            statement: statement.digest(),
            attestation: if signed { State::AlreadyThere } else { State::Written },
        });
    }
    if !new.is_empty() {
        attach::attach(store, subject, Kind::Attestation, &new).await?;
    }
    Ok(done)
}

/// True if `layer` is `statement`, signed by `key`. ECDSA signatures differ each time, so the
/// envelopes cannot be compared. The annotation has to be right too: cosign looks there first.
fn is_signed(layer: &Attachment, statement: &Statement, key: &dyn Sign) -> bool {
    let claimed = layer.annotations.get(dsse::PREDICATE_TYPE_ANNOTATION);
    claimed == Some(&statement.predicate_type)
        && layer.media_type == media::DSSE
        && Envelope::parse(&layer.payload).is_ok_and(|envelope| {
            envelope.payload() == statement.bytes
                && !envelope.verify(std::slice::from_ref(key.public_key())).is_empty()
        })
}

fn layer(statement: &Statement, key: &dyn Sign) -> Result<Attachment, Failure> {
    let mut envelope = Envelope::new(statement.bytes.clone());
    envelope.sign_with(key)?;
    Ok(Attachment {
        media_type: media::DSSE.to_owned(),
        payload: envelope.to_bytes()?,
        annotations: dsse::annotations(&statement.predicate_type),
    })
}
