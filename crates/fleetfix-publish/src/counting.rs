//! Counting, before anything is copied: who built the images, and who approved the bundle.

use std::collections::BTreeSet;

use fleetfix_audit::image::signature::{digests, docker_reference};
use fleetfix_model::document::policy::Role;
use fleetfix_model::document::{FixBundle, FixPlan};
use fleetfix_model::name::{ChannelName, FindingId, PrincipalName};
use fleetfix_model::{Digest, Repository, Timestamp};
use fleetfix_registry::attach::{Kind, candidates};
use fleetfix_registry::{Client, Store};
use fleetfix_task::Failure;
use fleetfix_trust::policy::{Approvals, Asked, Claim, People, Place, Policy};
use fleetfix_trust::simple_signing::{Candidate, judge};
use fleetfix_trust::{PublicKey, Verified};

/// What is counted, and when it is judged.
#[derive(Clone, Copy, Debug)]
pub struct Subject<'a> {
    /// Digest of the bundle's manifest.
    pub digest: Digest,
    /// The bundle.
    pub bundle: &'a FixBundle,
    /// Its plan.
    pub plan: &'a FixPlan,
    /// The channel it is for.
    pub channel: &'a ChannelName,
    /// The time that keys and approvals are judged at.
    pub now: Timestamp,
}

/// The builders whose attestations hold, where the images were built. What is not signed by one of
/// them, index and every manifest, is not published.
pub async fn builders(
    client: &Client,
    build: &Repository,
    policy: &Policy,
    subject: Subject<'_>,
) -> Result<BTreeSet<PrincipalName>, Failure> {
    let bundle = subject.bundle;
    let mut builders = BTreeSet::new();
    for image in &bundle.images {
        let store = client.store(&build.below(&image.repository));
        let repository = bundle.fleet.below(&image.repository);
        let place = Place {
            channel: Some(subject.channel),
            component: Some(&bundle.component),
            repository: Some(&repository),
        };
        for required in &image.attestations {
            let claim = Claim {
                subject: required.subject,
                predicate_type: &required.predicate_type,
                role: required.role,
                count: required.count,
                statement: required.statement,
                place,
                time: subject.now,
            };
            let found = envelopes(&store, required.subject).await?;
            builders.extend(policy.attested(&claim, &found)?.principals());
        }
        let keys = keys_of(policy, Role::Builder, &place, subject.now);
        let identity = docker_reference(&bundle.fleet, image);
        for digest in digests(image) {
            is_signed(&store, digest, &identity, &keys).await?;
        }
    }
    Ok(builders)
}

/// The approvals that count, among envelopes from files.
pub fn approvals(
    policy: &Policy,
    subject: Subject<'_>,
    builders: &BTreeSet<PrincipalName>,
    envelopes: &[Vec<u8>],
) -> Result<Verified<Approvals>, Failure> {
    let plan = subject.plan;
    let waived: Vec<FindingId> =
        plan.findings.iter().filter(|f| f.waiver.is_some()).map(|f| f.id.clone()).collect();
    let authors: Vec<PrincipalName> =
        plan.fixes.iter().flat_map(|fix| fix.authors.iter().cloned()).collect();
    let builders: Vec<PrincipalName> = builders.iter().cloned().collect();
    let asked = Asked {
        bundle: subject.digest,
        request: subject.bundle.request,
        plan: subject.bundle.plan,
        waived: &waived,
        place: Place {
            channel: Some(subject.channel),
            component: Some(&subject.bundle.component),
            repository: Some(&subject.bundle.fleet),
        },
        people: People {
            requester: plan.requester.as_ref(),
            authors: &authors,
            builders: &builders,
        },
        time: subject.now,
    };
    Ok(policy.approvals(&asked, envelopes)?)
}

async fn envelopes(store: &Store, subject: Digest) -> Result<Vec<Vec<u8>>, Failure> {
    let found = candidates(store, subject, Kind::Attestation).await?;
    Ok(found.into_iter().map(|attachment| attachment.payload).collect())
}

/// The keys of everybody with a role.
fn keys_of(policy: &Policy, role: Role, place: &Place<'_>, now: Timestamp) -> Vec<PublicKey> {
    let holders = policy.holders(role, place);
    let principals = policy.document().principals.iter().filter(|p| holders.contains(&p.name));
    let good = principals.flat_map(|p| &p.keys).filter(|key| key.is_good_at(now));
    // A policy whose keys cannot be read was refused before.
    good.filter_map(|key| PublicKey::from_pem(&key.public_key).ok()).collect()
}

async fn is_signed(
    store: &Store,
    digest: Digest,
    identity: &str,
    keys: &[PublicKey],
) -> Result<(), Failure> {
    let layers = candidates(store, digest, Kind::Signature).await?;
    let found: Vec<Candidate> = layers
        .into_iter()
        .map(|layer| Candidate::from_layer(layer.payload, &layer.annotations))
        .collect();
    let judged = judge(&found, keys, digest, identity);
    if judged.iter().any(Result::is_ok) {
        return Ok(());
    }
    let reasons: Vec<String> =
        judged.iter().filter_map(|j| j.as_ref().err().map(ToString::to_string)).collect();
    let found =
        if reasons.is_empty() { "no signature there".to_owned() } else { reasons.join("; ") };
    let at = store.repository().at(digest);
    Err(Failure::refused(format!("{at}: not signed by a builder as {identity}: {found}")).hint(
        "sign it with fleetfix-sign, with the key of a principal that the policy names as builder",
    ))
}
