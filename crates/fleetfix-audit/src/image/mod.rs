//! One patched image at a fleet: what it is, who released it, what is attested about it.

pub mod content;
mod lineage;
pub mod signature;

use std::collections::BTreeSet;

use fleetfix_model::Repository;
use fleetfix_model::document::bundle::PatchedImage;
use fleetfix_model::document::{FixBundle, FixPlan};
use fleetfix_model::name::PrincipalName;
use fleetfix_registry::Client;
use fleetfix_registry::attach::Kind;
use fleetfix_trust::policy::Place;

use crate::bundle::Evidence;
use crate::judgement::Judged;
use crate::{Rules, Stage, attestation};

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
    /// The plan that it follows.
    pub plan: &'a FixPlan,
}

/// What was found about an image.
#[derive(Clone, Debug)]
pub struct ImageAudit {
    /// The checks.
    pub judged: Judged,
    /// Who attested in the role of a builder, and who signed what a builder signs.
    pub builders: BTreeSet<PrincipalName>,
    /// What was counted.
    pub evidence: Vec<Evidence>,
}

/// Verifies an image as a cluster will see it: content, release signatures, attestations. Where it was
/// built, builders must have signed in place of the release keys.
pub async fn verify(subject: &Subject<'_>, rules: &Rules<'_>) -> ImageAudit {
    let Subject { client, fleet, bundle, plan, image } = *subject;
    let base = plan.bases.iter().find(|base| base.digest == image.base.digest);
    let repository = fleet.below(&image.repository);
    let store = client.store(&repository);
    let reference = signature::docker_reference(&bundle.fleet, image);
    let digests = signature::digests(image);
    let attested = attestation::image(&store, subject, rules).await;
    let attached = signature::Attached::read(&store, &digests).await;
    let logical = bundle.fleet.below(&image.repository);
    let place = Place {
        channel: rules.channel,
        component: Some(&bundle.component),
        repository: Some(&logical),
    };
    let built = attached.by_builders(&reference, &place, rules);
    let signed = match rules.stage {
        Stage::Build { .. } => built.judged,
        Stage::Fleet => attached.released(&reference, &rules.policy.release_keys(rules.now)),
    };
    let mut evidence = attested.evidence(&image.repository);
    evidence.extend(built.counted.into_iter().map(|(subject, attachment)| Evidence {
        subject,
        repository: image.repository.clone(),
        kind: Kind::Signature,
        attachment,
    }));
    let builders = attested.builders.into_iter().chain(built.builders).collect();
    let parts = vec![content::check(&store, image, base).await, signed, attested.judged];
    let name = repository.tagged(image.tag.clone());
    let judged = Judged::all(CHECK, format!("{name}@{}", image.index.digest), parts);
    ImageAudit { judged, builders, evidence }
}
