//! One patched image at a fleet: what it is, who released it, what is attested about it.

pub mod content;
mod lineage;
pub mod signature;

use std::collections::BTreeSet;

use fleetfix_model::Repository;
use fleetfix_model::document::FixBundle;
use fleetfix_model::document::bundle::PatchedImage;
use fleetfix_model::document::plan::BaseImage;
use fleetfix_model::name::PrincipalName;
use fleetfix_registry::Client;

use crate::judgement::Judged;
use crate::{Rules, attestation};

/// Name of the check of one image.
pub const CHECK: &str = "image";

/// A patched image of a bundle.
#[derive(Clone, Copy, Debug)]
pub struct Subject<'a> {
    /// What reads it.
    pub client: &'a Client,
    /// Where the fleet lies.
    pub fleet: &'a Repository,
    /// The bundle that names it.
    pub bundle: &'a FixBundle,
    /// What the bundle says about it.
    pub image: &'a PatchedImage,
    /// What the plan says about its base.
    pub base: Option<&'a BaseImage>,
}

/// What was found about an image.
#[derive(Clone, Debug)]
pub struct ImageAudit {
    /// The checks.
    pub judged: Judged,
    /// Who attested in the role of a builder.
    pub builders: BTreeSet<PrincipalName>,
}

/// Verifies an image as a cluster will see it: content, release signatures, attestations.
pub async fn verify(subject: &Subject<'_>, rules: &Rules<'_>) -> ImageAudit {
    let Subject { client, fleet, bundle, image, base } = *subject;
    let repository = fleet.below(&image.repository);
    let store = client.store(&repository);
    let keys = rules.policy.release_keys(rules.now);
    let reference = signature::docker_reference(&bundle.fleet, image);
    let digests = signature::digests(image);
    let attested = attestation::image(&store, &bundle.fleet, bundle, image, rules).await;
    let parts = vec![
        content::check(&store, image, base).await,
        signature::check(&store, &digests, &reference, &keys).await,
        attested.judged,
    ];
    let name = repository.tagged(image.tag.clone());
    let judged = Judged::all(CHECK, format!("{name}@{}", image.index.digest), parts);
    ImageAudit { judged, builders: attested.builders }
}
