//! Release signatures: what clusters check before they run an image. The index has one and each of
//! its manifests has one, because CRI-O looks at the manifest that it runs.

use std::collections::BTreeSet;

use fleetfix_model::document::bundle::PatchedImage;
use fleetfix_model::{Digest, Repository, media};
use fleetfix_registry::Store;
use fleetfix_registry::attach::{self, Attachment, Kind};
use fleetfix_trust::PublicKey;
use fleetfix_trust::simple_signing::{Candidate, judge};
use futures_util::stream::{self, StreamExt};

use crate::judgement::{Judged, chain};
use crate::{Error, PARALLEL};

/// Name of the check of one digest.
pub const CHECK: &str = "releaseSignature";

/// What the signature of an image of `fleet` calls it: what clusters pull.
pub fn docker_reference(fleet: &Repository, image: &PatchedImage) -> String {
    fleet.below(&image.repository).tagged(image.tag.clone()).to_string()
}

/// The digests of an image that need a signature: its index and its manifests.
pub fn digests(image: &PatchedImage) -> BTreeSet<Digest> {
    let manifests = image.platforms.iter().map(|platform| platform.manifest.digest);
    manifests.chain([image.index.digest]).collect()
}

/// Checks that each of `digests` is signed as `docker_reference` by one of `keys`.
pub async fn check(
    store: &Store,
    digests: &BTreeSet<Digest>,
    docker_reference: &str,
    keys: &[PublicKey],
) -> Judged {
    let one = digests.iter().map(|digest| one(store, *digest, docker_reference, keys));
    let parts = stream::iter(one).buffered(PARALLEL).collect().await;
    Judged::all("releaseSignatures", docker_reference, parts)
}

async fn one(store: &Store, digest: Digest, docker_reference: &str, keys: &[PublicKey]) -> Judged {
    match attach::candidates(store, digest, Kind::Signature).await {
        Ok(candidates) => judged(&candidates, digest, docker_reference, keys),
        Err(error) => Judged::error(CHECK, digest, &Error::from(error)),
    }
}

/// Judges what is attached. Anybody who may write there can attach anything, so one good signature
/// is enough, and each of the others is told with the reason why it does not count.
fn judged(
    attached: &[Attachment],
    digest: Digest,
    docker_reference: &str,
    keys: &[PublicKey],
) -> Judged {
    if attached.is_empty() {
        return Judged::nothing(CHECK, digest, "no signature is there");
    }
    let (signatures, others): (Vec<_>, Vec<_>) =
        attached.iter().partition(|a| a.media_type == media::SIMPLE_SIGNING);
    let candidates: Vec<Candidate> = signatures
        .into_iter()
        .map(|a| Candidate::from_layer(a.payload.clone(), &a.annotations))
        .collect();
    let results = judge(&candidates, keys, digest, docker_reference);
    let good = results.iter().find_map(|result| result.as_ref().ok());
    let mut reasons: Vec<String> =
        results.iter().filter_map(|result| result.as_ref().err()).map(|e| chain(e)).collect();
    reasons.extend(others.iter().map(|a| format!("a layer of media type `{}`", a.media_type)));
    if let Some(good) = good {
        let mut judged = Judged::holds(CHECK, digest, format!("by key {}", good.key.key_id()));
        let skipped = reasons.into_iter().map(|r| Judged::not_made("candidate", "", r).check);
        judged.check.checks = skipped.collect();
        judged
    } else {
        let failed = reasons.into_iter().map(|r| Judged::refused("candidate", "", r)).collect();
        Judged::all(CHECK, digest, failed).detail("none of the signatures counts")
    }
}
