//! Fleets that hold, and what their verdicts say.

use crate::fleet::{Fleet, Made, NOW, Recipe, Shape, find, has_failed, time};
use fleetfix_audit::channel::{Anchor, Target};
use fleetfix_audit::state::write_dir;
use fleetfix_audit::{ChannelPlace, named};
use fleetfix_model::verdict::{Outcome, Status};
use serde_json::json;

#[tokio::test]
async fn a_fleet_that_holds() {
    let fleet = Fleet::new().await;
    let audit = fleet.verify().await.unwrap();
    let verdict = &audit.concluded.verdict;
    assert_eq!(verdict.outcome, Outcome::VerifiedFreshnessUnknown, "{verdict}");
    let rollback = find(&verdict.checks, "rollback").unwrap();
    assert_eq!(rollback.status, Status::NotMade);
    assert!(rollback.detail.contains("--state"), "{rollback:?}");
    assert_eq!(audit.concluded.ending(), None);
    let channel = audit.verified.unwrap();
    assert_eq!(channel.bundles().len(), 1);
    let bundle = &channel.bundles()[0];
    assert_eq!(*bundle.manifest(), fleet.made.bundle);
    assert_eq!(bundle.document().id.as_str(), "FIX-1");
    assert_eq!(bundle.approvals().envelopes().len(), 2);
}

#[tokio::test]
async fn a_directory_never_says_that_it_is_the_newest() {
    let fleet = Fleet::new().await;
    let memory = fleet.temp.path().join("memory");
    for _ in 0..2 {
        let audit = fleet.verify_at(&fleet.place(), Some(&memory), NOW).await.unwrap();
        let verdict = audit.concluded.verdict;
        assert_eq!(verdict.outcome, Outcome::VerifiedFreshnessUnknown, "{verdict}");
        assert_eq!(find(&verdict.checks, "freshness").unwrap().status, Status::NotMade);
    }
    let audit = fleet.verify_at(&fleet.place(), Some(&memory), NOW).await.unwrap();
    let rollback = find(&audit.concluded.verdict.checks, "rollback").unwrap().clone();
    assert_eq!(rollback.status, Status::Passed);
}

#[tokio::test]
async fn a_tuf_repository_on_disk_holds_the_same() {
    let fleet = Fleet::new().await;
    let dir = fleet.temp.path().join("tuf");
    write_dir(&fleet.state, &dir).unwrap();
    let place: ChannelPlace = format!("tuf:{}", dir.display()).parse().unwrap();
    let audit = fleet.verify_at(&place, None, NOW).await.unwrap();
    assert!(audit.verified.is_some(), "{}", audit.concluded.verdict);
}

#[tokio::test]
async fn an_empty_channel_holds() {
    let recipe = Recipe { channel: |c, _| c["bundles"] = json!([]), ..Recipe::default() };
    let audit = Fleet::make(&recipe).await.verify().await.unwrap();
    assert_eq!(audit.verified.unwrap().bundles().len(), 0);
}

#[tokio::test]
async fn a_withdrawn_bundle_is_told_and_not_verified() {
    let recipe = Recipe {
        channel: |c, _| {
            c["bundles"][0]["state"] = json!("withdrawn");
            c["bundles"][0]["reason"] = json!("crashes");
        },
        // Nobody approved it, and nobody needs to.
        approvals: Vec::clear,
        ..Recipe::default()
    };
    let audit = Fleet::make(&recipe).await.verify().await.unwrap();
    let withdrawn = find(&audit.concluded.verdict.checks, "withdrawn").unwrap();
    assert_eq!(withdrawn.detail, "crashes");
    assert_eq!(audit.verified.unwrap().bundles().len(), 0);
}

fn hold_on(made: &Made) -> serde_json::Value {
    json!({"apiVersion": "fleetfix.openshift.io/v1alpha1", "kind": "Pause", "channel": "stable",
        "bundles": [{"bundle": made.bundle.digest, "by": "ann", "reason": "hold on", "issued": NOW}]})
}

#[tokio::test]
async fn a_paused_bundle_is_verified_and_told() {
    let fleet =
        Fleet::make(&Recipe { pause: |made| Some(hold_on(made)), ..Recipe::default() }).await;
    let audit = fleet.verify().await.unwrap();
    let paused = find(&audit.concluded.verdict.checks, "paused").unwrap();
    assert!(paused.detail.contains("hold on"), "{paused:?}");
    assert!(audit.verified.unwrap().is_paused(fleet.made.bundle.digest));
}

#[tokio::test]
async fn a_pause_is_over_once_the_channel_says_so_and_a_later_one_holds() {
    fn resume(channel: &mut serde_json::Value, made: &Made, until: &str) {
        channel["resumed"] =
            json!([{"bundle": made.bundle.digest, "until": until, "reason": "fine again"}]);
    }
    let pause = |made: &Made| Some(hold_on(made));
    let over = Recipe { pause, channel: |c, made| resume(c, made, NOW), ..Recipe::default() };
    let earlier = |c: &mut serde_json::Value, made: &Made| resume(c, made, "2026-05-31T23:59:59Z");
    let again = Recipe { pause, channel: earlier, ..Recipe::default() };
    for (recipe, waits) in [(over, false), (again, true)] {
        let fleet = Fleet::make(&recipe).await;
        let audit = fleet.verify().await.unwrap();
        assert_eq!(find(&audit.concluded.verdict.checks, "paused").is_some(), waits);
        assert_eq!(audit.verified.unwrap().is_paused(fleet.made.bundle.digest), waits);
    }
}

#[tokio::test]
async fn a_bundle_that_is_over_is_told_and_keeps_nothing_from_the_rest_of_the_channel() {
    fn end(document: &mut serde_json::Value) {
        document["expires"] = json!(NOW);
    }
    let recipe = Recipe { request: end, plan: end, bundle: end, ..Recipe::default() };
    let fleet = Fleet::make(&recipe).await;
    let audit = fleet.verify().await.unwrap();
    let expired = find(&audit.concluded.verdict.checks, "expired").unwrap();
    assert_eq!(expired.status, Status::NotMade, "{expired:?}");
    assert!(expired.detail.contains(NOW), "{expired:?}");
    let channel = audit.verified.unwrap();
    assert_eq!(channel.bundles().len(), 0);
    assert_eq!(channel.expired()[0].bundle, fleet.made.bundle);

    // A second before, it held; and whoever asks for it is refused.
    let before = fleet.verify_at(&fleet.place(), None, "2026-05-31T23:59:59Z").await.unwrap();
    assert_eq!(before.verified.unwrap().bundles().len(), 1);
    let prefix = fleet.prefix();
    let place = fleet.place();
    let target = Target { place: &place, fleet: Some(&prefix), name: None };
    let anchor = Anchor { root: &fleet.root, state: None, now: time(NOW) };
    let store = fleet.store("bundles");
    let reference = store.repository().at(fleet.made.bundle.digest);
    let asked = named::bundle_in_channel(&fleet.client, &reference, &target, &anchor).await;
    let verdict = asked.unwrap().verdict;
    assert_eq!(verdict.outcome, Outcome::Refused, "{verdict}");
    assert!(has_failed(&verdict.checks, "expiry"), "{verdict}");
}

#[tokio::test]
async fn images_of_every_shape() {
    for shape in [Shape::Index, Shape::DockerList, Shape::Manifest] {
        let audit = Fleet::make(&Recipe { shape, ..Recipe::default() }).await.verify().await;
        let audit = audit.unwrap();
        assert!(audit.verified.is_some(), "{shape:?}:\n{}", audit.concluded.verdict);
    }
}
