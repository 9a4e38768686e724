//! Images and bundles by their references, with a channel and with a policy alone.

use fleetfix_audit::channel::{Anchor, Target};
use fleetfix_audit::judgement::Concluded;
use fleetfix_audit::named::{
    bundle_by_policy, bundle_in_channel, image_by_policy, image_in_channel,
};
use fleetfix_audit::{Error, Rules, Stage};
use fleetfix_model::document::TrustPolicy;
use fleetfix_model::verdict::Outcome;
use fleetfix_model::{Class, Classify, Digest, canonical};
use fleetfix_oci::layout::Layout;
use fleetfix_trust::policy::Policy;
use serde_json::json;

use crate::fleet::{FLEET, Fleet, NOW, Recipe, find, has_failed, time};

async fn image(fleet: &Fleet, what: &str) -> Result<Concluded, Error> {
    let place = fleet.place();
    let target = Target { place: &place, fleet: None, name: None };
    let anchor = Anchor { root: &fleet.root, state: None, now: time(NOW) };
    let reference = format!("oci:{}/{what}", fleet.dir().display()).parse().unwrap();
    image_in_channel(&fleet.client, &reference, &target, &anchor).await
}

async fn bundle(fleet: &Fleet, what: &str) -> Result<Concluded, Error> {
    let place = fleet.place();
    let target = Target { place: &place, fleet: None, name: None };
    let anchor = Anchor { root: &fleet.root, state: None, now: time(NOW) };
    let reference = format!("oci:{}/{what}", fleet.dir().display()).parse().unwrap();
    bundle_in_channel(&fleet.client, &reference, &target, &anchor).await
}

fn policy(fleet: &Fleet) -> Policy {
    let document: TrustPolicy = canonical::from_canonical(&fleet.policy).unwrap();
    Policy::new(document).unwrap()
}

#[tokio::test]
async fn an_image_of_an_active_bundle_says_which_and_where() {
    let fleet = Fleet::new().await;
    let made = &fleet.made;
    for (what, says) in [
        (format!("etcd:{}", made.tag), "for linux/amd64, linux/arm64, on AWS 4.20.1"),
        (format!("etcd@{}", made.index.digest), "for linux/amd64, linux/arm64, on AWS 4.20.1"),
        (format!("etcd@{}", made.children[1].digest), "for linux/arm64, on AWS 4.20.1"),
    ] {
        let concluded = image(&fleet, &what).await.unwrap();
        let verdict = concluded.verdict;
        assert_eq!(verdict.outcome, Outcome::VerifiedFreshnessUnknown, "{verdict}");
        let active = find(&verdict.checks, "activeBundle").unwrap();
        assert_eq!(active.detail, format!("FIX-1 revision 1, etcd {says}"));
        assert!(verdict.subject.contains("@sha256:"), "{}", verdict.subject);
    }
}

#[tokio::test]
async fn images_that_no_channel_activates() {
    let withdrawn = Recipe {
        channel: |c, _| {
            c["bundles"][0]["state"] = json!("withdrawn");
            c["bundles"][0]["reason"] = json!("x");
        },
        ..Recipe::default()
    };
    let revoked = Recipe {
        channel: |c, m| c["revoked"] = json!([{"digest": m.index.digest, "reason": "x"}]),
        ..Recipe::default()
    };
    for (recipe, what, check) in [
        (withdrawn, "etcd", "activeBundle"),
        (revoked, "etcd", "revoked"),
        (Recipe::default(), "bundles", "activeBundle"),
    ] {
        let fleet = Fleet::make(&recipe).await;
        let tag = if what == "etcd" { &*fleet.made.tag } else { "fix-1-r1" };
        let verdict = image(&fleet, &format!("{what}:{tag}")).await.unwrap().verdict;
        assert_eq!(verdict.outcome, Outcome::Refused, "{verdict}");
        assert!(has_failed(&verdict.checks, check), "{check}: {verdict}");
    }
}

/// The image is the right one and lies where nobody published it.
#[tokio::test]
async fn an_image_of_another_repository() {
    let fleet = Fleet::new().await;
    let from = fleet.store("etcd");
    let to = fleet.store("copy");
    fleetfix_registry::copy(&from, &to, fleet.made.index.digest).await.unwrap();
    let layout = Layout::open(fleet.dir().join("copy")).unwrap();
    layout.set_tag(&"x".parse().unwrap(), &fleet.made.index).unwrap();
    let verdict = image(&fleet, "copy:x").await.unwrap().verdict;
    assert_eq!(verdict.outcome, Outcome::Refused);
    assert!(has_failed(&verdict.checks, "activeBundle"), "{verdict}");
}

#[tokio::test]
async fn bundles_by_reference() {
    let fleet = Fleet::new().await;
    for what in ["bundles:fix-1-r1".to_owned(), format!("bundles@{}", fleet.made.bundle.digest)] {
        let verdict = bundle(&fleet, &what).await.unwrap().verdict;
        assert_eq!(verdict.outcome, Outcome::VerifiedFreshnessUnknown, "{verdict}");
    }
    let other = bundle(&fleet, &format!("etcd@{}", fleet.made.index.digest)).await.unwrap();
    assert_eq!(other.verdict.outcome, Outcome::Refused);
    let withdrawn = Recipe {
        channel: |c, _| {
            c["bundles"][0]["state"] = json!("withdrawn");
            c["bundles"][0]["reason"] = json!("x");
        },
        ..Recipe::default()
    };
    let fleet = Fleet::make(&withdrawn).await;
    let verdict = bundle(&fleet, "bundles:fix-1-r1").await.unwrap().verdict;
    assert_eq!(verdict.outcome, Outcome::Refused);
    assert!(find(&verdict.checks, "activeBundle").unwrap().detail.contains("withdrawn"));
}

#[tokio::test]
async fn what_is_named_and_not_there_is_the_callers_mistake() {
    let fleet = Fleet::new().await;
    for what in ["etcd:x".to_owned(), "x:x".to_owned(), format!("etcd@{}", Digest::of("x"))] {
        for error in
            [image(&fleet, &what).await.unwrap_err(), bundle(&fleet, &what).await.unwrap_err()]
        {
            assert_eq!(error.class(), Class::Input, "{what}: {error}");
        }
    }
    assert_eq!(image(&fleet, "etcd").await.unwrap_err().class(), Class::Usage);
}

#[tokio::test]
async fn a_policy_alone() {
    let fleet = Fleet::new().await;
    let policy = policy(&fleet);
    let stable = "stable".parse().unwrap();
    let canary = "canary".parse().unwrap();
    let rules = |channel| Rules {
        policy: &policy,
        channel,
        now: time(NOW),
        counted: time(NOW),
        stage: Stage::Fleet,
    };
    let dir = fleet.dir();
    let reference = format!("oci:{}/etcd:{}", dir.display(), fleet.made.tag).parse().unwrap();
    let name = format!("{FLEET}/etcd:{}", fleet.made.tag);
    let by = image_by_policy(&fleet.client, &reference, &name, &rules(None)).await.unwrap();
    assert_eq!(by.verdict.outcome, Outcome::VerifiedFreshnessUnknown, "{}", by.verdict);
    let by = image_by_policy(&fleet.client, &reference, FLEET, &rules(None)).await.unwrap();
    assert_eq!(by.verdict.outcome, Outcome::Refused, "{}", by.verdict);

    let reference = format!("oci:{}/bundles:fix-1-r1", dir.display()).parse().unwrap();
    for (channel, outcome) in
        [(&stable, Outcome::VerifiedFreshnessUnknown), (&canary, Outcome::Refused)]
    {
        let by = bundle_by_policy(&fleet.client, &reference, &rules(Some(channel))).await.unwrap();
        assert_eq!(by.verdict.outcome, outcome, "{}", by.verdict);
    }
}
