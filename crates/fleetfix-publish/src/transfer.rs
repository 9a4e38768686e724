//! Moves a bundle and its images from where they were built to the fleet.

use std::collections::BTreeMap;

use fleetfix_audit::bundle::{Evidence, VerifiedBundle};
use fleetfix_audit::image::signature::{digests, docker_reference};
use fleetfix_model::name::{RepositoryPath, Tag};
use fleetfix_model::{Class, Digest, Repository, media};
use fleetfix_registry::attach::{Attachment, Kind, attach};
use fleetfix_registry::{Store, copy};
use fleetfix_task::{Context, Failure};
use fleetfix_trust::{Sign, dsse};

use crate::fleet::Fleet;
use crate::release;

/// A bundle that was judged where it was built.
#[derive(Clone, Copy, Debug)]
pub struct Candidate<'a> {
    /// The bundle.
    pub bundle: &'a VerifiedBundle,
    /// What it and its images lie below.
    pub place: &'a Repository,
}

impl Candidate<'_> {
    /// Copies what was counted, and nothing else, and signs images for the clusters with `key`. The
    /// bundle, from `repository` of the place, comes after all that it names.
    pub async fn copy(
        &self,
        context: &Context,
        fleet: &Fleet,
        repository: &RepositoryPath,
        key: &dyn Sign,
    ) -> Result<(), Failure> {
        let bundle = self.bundle.document();
        for image in &bundle.images {
            let from = fleet.client().store(&self.place.below(&image.repository));
            let to = fleet.store(&image.repository);
            context.step(format_args!("copying {} to {}", image.tag, to.repository()));
            Box::pin(manifest(&from, &to, &image.tag, image.index.digest)).await?;
            // Images of one component lie in one repository: the rest of it is about others.
            let digests = digests(image);
            let about_it = |evidence: &&Evidence| digests.contains(&evidence.subject);
            evidence(&to, self.bundle.evidence().iter().filter(about_it)).await?;
            release::sign_image(&to, image, &docker_reference(&bundle.fleet, image), key).await?;
        }
        let from = fleet.client().store(&self.place.below(repository));
        let to = fleet.bundles()?;
        let tag = bundle.tag().ok_or_else(|| Failure::new(Class::Bug, "a bundle without a tag"))?;
        let digest = self.bundle.manifest().digest;
        Box::pin(manifest(&from, &to, &tag, digest)).await?;
        let about_it = |evidence: &&Evidence| evidence.subject == digest;
        evidence(&to, self.bundle.evidence().iter().filter(about_it)).await
    }
}

/// Lays the approvals that were counted beside the bundle, where verifiers look for them.
pub async fn approvals(
    fleet: &Fleet,
    bundle: &VerifiedBundle,
    envelopes: impl Iterator<Item = Vec<u8>>,
) -> Result<(), Failure> {
    let counted = bundle.approvals().envelopes();
    let attachments: Vec<Attachment> = envelopes
        .filter(|envelope| counted.contains(&Digest::of(envelope)))
        .map(|payload| Attachment {
            media_type: media::DSSE.to_owned(),
            payload,
            annotations: dsse::annotations(media::APPROVAL_PREDICATE),
        })
        .collect();
    attach(&fleet.bundles()?, bundle.manifest().digest, Kind::Attestation, &attachments).await?;
    Ok(())
}

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
