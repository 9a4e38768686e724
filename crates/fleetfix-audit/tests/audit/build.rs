//! A bundle where it was built, before anything of it is copied.

use fleetfix_audit::bundle::{BundleAudit, Subject, verify};
use fleetfix_audit::{Rules, Stage};
use fleetfix_model::canonical;
use fleetfix_model::document::TrustPolicy;
use fleetfix_registry::attach::{Kind, candidates};
use fleetfix_trust::policy::Policy;

use crate::fleet::{Fleet, NOW, Recipe, Who, has_failed, time};

async fn built(fleet: &Fleet, hand_in: bool) -> BundleAudit {
    let document: TrustPolicy = canonical::from_canonical(&fleet.policy).unwrap();
    let policy = Policy::new(document).unwrap();
    let store = fleet.store("bundles");
    let beside = candidates(&store, fleet.made.bundle.digest, Kind::Attestation);
    let approvals: Vec<_> = beside.await.unwrap().into_iter().map(|one| one.payload).collect();
    let channel = "stable".parse().unwrap();
    let rules = Rules {
        policy: &policy,
        channel: Some(&channel),
        now: time(NOW),
        counted: time(NOW),
        stage: Stage::Build { approvals: if hand_in { &approvals } else { &[] } },
    };
    let prefix = fleet.prefix();
    let repository = "bundles".parse().unwrap();
    let subject = Subject {
        client: &fleet.client,
        fleet: &prefix,
        repository: &repository,
        manifest: &fleet.made.bundle,
        listed: None,
    };
    verify(&subject, &rules).await
}

#[tokio::test]
async fn builders_signed_and_what_counted_is_named() {
    let recipe = Recipe {
        signatures: |all| {
            for one in all.iter_mut() {
                one.by = Who::Builder;
            }
            let mut more = all[0].clone();
            more.by = Who::Stranger;
            all.push(more);
        },
        ..Recipe::default()
    };
    let fleet = Fleet::make(&recipe).await;
    let audit = built(&fleet, true).await;
    let verified = audit.verified.unwrap_or_else(|| panic!("{:?}", audit.judged.ending()));
    let count = |kind| verified.evidence().iter().filter(|one| one.kind == kind).count();
    assert_eq!((count(Kind::Signature), count(Kind::Attestation)), (3, 3));
    let audit = built(&fleet, false).await;
    assert!(audit.verified.is_none() && has_failed(&[audit.judged.check], "approvals"));
}

#[tokio::test]
async fn a_release_signature_is_none_of_a_builder() {
    let audit = built(&Fleet::new().await, true).await;
    assert!(audit.verified.is_none());
    let (_, why) = audit.judged.ending().unwrap();
    assert!(why.starts_with("builderSignature: sha256:"), "{why}");
}
