//! Moves a bundle and its images from where they were built to the fleet.

use fleetfix_audit::image::signature::digests;
use fleetfix_model::document::bundle::PatchedImage;
use fleetfix_model::{Digest, Reference};
use fleetfix_registry::attach::{Kind, attach, candidates};
use fleetfix_registry::{Store, Written, copy};
use fleetfix_task::Failure;

/// Copies an image with everything attached to it, and gives it its immutable tag. What is there
/// already is not written again.
pub async fn image(from: &Store, to: &Store, image: &PatchedImage) -> Result<(), Failure> {
    copy(from, to, image.index.digest).await?;
    let manifest = to.manifest(image.index.digest).await?;
    to.put_immutable_tag(&image.tag, &manifest.media_type, &manifest.bytes).await?;
    for digest in digests(image) {
        for kind in [Kind::Signature, Kind::Attestation] {
            attachments(from, to, digest, kind).await?;
        }
    }
    Ok(())
}

/// Copies a manifest with everything below it and gives it its immutable tag.
pub async fn artifact(
    from: &Store,
    to: &Store,
    reference: &Reference,
    digest: Digest,
) -> Result<(), Failure> {
    copy(from, to, digest).await?;
    let manifest = to.manifest(digest).await?;
    if let Some(tag) = &reference.tag {
        to.put_immutable_tag(tag, &manifest.media_type, &manifest.bytes).await?;
    }
    for kind in [Kind::Signature, Kind::Attestation] {
        attachments(from, to, digest, kind).await?;
    }
    Ok(())
}

async fn attachments(
    from: &Store,
    to: &Store,
    subject: Digest,
    kind: Kind,
) -> Result<Written, Failure> {
    let found = candidates(from, subject, kind).await?;
    if found.is_empty() {
        return Ok(Written::AlreadyThere);
    }
    Ok(attach(to, subject, kind, &found).await?)
}
