//! Moves a bundle and its images from where they were built to the fleet.

use std::collections::BTreeMap;

use fleetfix_audit::bundle::Evidence;
use fleetfix_model::Digest;
use fleetfix_model::name::Tag;
use fleetfix_registry::attach::{Attachment, Kind, attach};
use fleetfix_registry::{Store, copy};
use fleetfix_task::Failure;

/// Copies a manifest with everything below it, and gives it its immutable tag. What is there
/// already is not written again.
pub async fn manifest(from: &Store, to: &Store, tag: &Tag, digest: Digest) -> Result<(), Failure> {
    copy(from, to, digest).await?;
    let manifest = to.manifest(digest).await?;
    to.put_immutable_tag(tag, &manifest.media_type, &manifest.bytes).await?;
    Ok(())
}

/// Attaches what was counted at the build place. What else lies there stays there: anybody who can
/// write to a build registry could have left it.
pub async fn evidence<'a>(
    to: &Store,
    counted: impl Iterator<Item = &'a Evidence>,
) -> Result<(), Failure> {
    let mut subjects: BTreeMap<(Digest, bool), Vec<Attachment>> = BTreeMap::new();
    for one in counted {
        let key = (one.subject, one.kind == Kind::Attestation);
        subjects.entry(key).or_default().push(one.attachment.clone());
    }
    for ((subject, attestation), attachments) in subjects {
        let kind = if attestation { Kind::Attestation } else { Kind::Signature };
        attach(to, subject, kind, &attachments).await?;
    }
    Ok(())
}
