//! Release signatures: what `publish` says to clusters once approvals are counted.

use fleetfix_audit::image::signature::digests;
use fleetfix_model::document::bundle::PatchedImage;
use fleetfix_model::{Digest, media};
use fleetfix_registry::attach::{Attachment, Kind, attach, candidates};
use fleetfix_registry::{Store, Written};
use fleetfix_task::Failure;
use fleetfix_trust::simple_signing::{Candidate, Payload, judge, sign};
use fleetfix_trust::{PublicKey, Sign};

/// Signs index and every manifest of `image` in `store`. CRI-O checks the manifest that it runs,
/// skopeo each one it copies. What is signed by this key already stays as it is. Gives back how
/// many signatures were written.
pub async fn sign_image(
    store: &Store,
    image: &PatchedImage,
    identity: &str,
    key: &dyn Sign,
) -> Result<usize, Failure> {
    let mut written = 0;
    for digest in digests(image) {
        if sign_one(store, digest, identity, key).await? == Written::New {
            written += 1;
        }
    }
    Ok(written)
}

async fn sign_one(
    store: &Store,
    digest: Digest,
    identity: &str,
    key: &dyn Sign,
) -> Result<Written, Failure> {
    let there = candidates(store, digest, Kind::Signature).await?;
    if is_signed(&there, digest, identity, key.public_key()) {
        return Ok(Written::AlreadyThere);
    }
    let signed = sign(&Payload::new(identity, digest), key)?;
    let new = Attachment {
        media_type: media::SIMPLE_SIGNING.to_owned(),
        annotations: signed.annotations(),
        payload: signed.payload,
    };
    Ok(attach(store, digest, Kind::Signature, &[new]).await?)
}

/// True if one of `there` is a good signature by `key`. ECDSA signatures differ each time, so
/// "signed already" is a question for the verifier, not of equal bytes.
fn is_signed(there: &[Attachment], digest: Digest, identity: &str, key: &PublicKey) -> bool {
    let candidates: Vec<Candidate> = there
        .iter()
        .map(|layer| Candidate::from_layer(layer.payload.clone(), &layer.annotations))
        .collect();
    judge(&candidates, std::slice::from_ref(key), digest, identity).iter().any(Result::is_ok)
}
