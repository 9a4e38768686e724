//! What a person names by one reference, an image or a bundle: judged by the channel that it must be
//! active in, or, without a channel, by a policy alone.
//!
//! A reference is resolved once; what was read then is what everything after it is about. A policy
//! alone cannot say what is active or revoked, and the verdict says so.

mod bundle;
mod image;

use fleetfix_model::{Digest, Reference, Repository};
use fleetfix_registry::{Client, RawManifest};

pub use bundle::{bundle_by_policy, bundle_in_channel, held_by_policy};
pub use image::{image_by_policy, image_in_channel};

use crate::Error;
use crate::judgement::Judged;

/// Name of the check that a channel activates what is named.
const ACTIVE: &str = "activeBundle";

/// Reads what `reference` names. An error in the inner result stands in the way of all else.
async fn resolve(
    client: &Client,
    reference: &Reference,
) -> Result<Result<RawManifest, Judged>, Error> {
    let store = client.store(&reference.repository);
    let found = match (reference.digest, &reference.tag) {
        (Some(digest), _) => store.find_manifest(digest).await,
        (None, Some(tag)) => store.find_tag(tag).await,
        (None, None) => {
            return Err(Error::NothingNamed { reference: Box::new(reference.clone()) });
        }
    };
    match found {
        Ok(Some(manifest)) => Ok(Ok(manifest)),
        Ok(None) => Err(Error::Absent { reference: reference.to_string() }),
        Err(error) => Ok(Err(Judged::error("reference", reference, &Error::from(error)))),
    }
}

/// Names what was resolved, with its digest.
fn resolved(reference: &Reference, digest: Digest) -> String {
    Reference { digest: Some(digest), ..reference.clone() }.to_string()
}

/// Whether two names are of one place. A directory has many names.
fn same_place(one: &Repository, other: &Repository) -> bool {
    match (one.layout_dir(), other.layout_dir()) {
        (Some(one), Some(other)) => {
            one == other
                || matches!((one.canonicalize(), other.canonicalize()), (Ok(a), Ok(b)) if a == b)
        }
        _ => one == other,
    }
}

/// What a policy alone leaves open.
fn no_channel() -> Judged {
    let detail = "a policy alone does not say what is active or revoked [give --root FILE]";
    Judged::not_made("channel", "", detail)
}
