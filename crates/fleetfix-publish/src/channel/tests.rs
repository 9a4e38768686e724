use fleetfix_model::document::rollout::FixReference;
use fleetfix_model::{Descriptor, Digest, canonical, media};
use serde_json::json;

use super::*;

fn bundle(id: &str, revision: u32, version: &str) -> FixBundle {
    let digest = Digest::of("index");
    let descriptor = json!({"mediaType": media::OCI_INDEX, "digest": digest, "size": 1});
    canonical::typed(json!({
        "apiVersion": "fleetfix.openshift.io/v1alpha1", "kind": "FixBundle", "id": id, "revision": revision,
        "tickets": ["A-1"], "component": "hypershift", "request": Digest::of("r"), "plan": Digest::of("p"),
        "fleet": "quay.io/fleet",
        "images": [{"minor": "4.20", "repository": "hypershift", "tag": "t", "index": descriptor,
            "platforms": [{"platform": "linux/amd64", "manifest": descriptor}],
            "base": {"repository": "quay.io/a/b", "digest": Digest::of("b")}, "attestations": []}],
        "affects": [{"platform": "AWS", "minor": "4.20", "introduced": version,
            "versions": [{"version": version, "image": digest}]}],
        "delivery": [], "impact": [], "rollback": {"possible": false, "reason": "none"}
    }))
    .unwrap()
}

fn entry(bundle: &FixBundle) -> ChannelBundle {
    ChannelBundle {
        id: bundle.id.clone(),
        revision: bundle.revision,
        bundle: Descriptor::of(
            media::OCI_MANIFEST,
            format!("{} {}", bundle.id, bundle.revision).as_bytes(),
        ),
        repository: "bundles".parse().unwrap(),
        tag: bundle.tag().unwrap(),
        state: BundleState::Active,
        reason: None,
        rollout_start: None,
        counted: "2026-11-23T00:00:00Z".parse().unwrap(),
        approvals: vec![Digest::of("a")],
    }
}

fn channel(bundles: &[&FixBundle]) -> Channel {
    Channel {
        api_version: fleetfix_model::document::ApiVersion::V1alpha1,
        kind: fleetfix_model::document::channel::ChannelKind::Channel,
        annotations: fleetfix_model::document::Annotations::new(),
        requires: vec![],
        name: "stable".parse().unwrap(),
        fleet: "quay.io/fleet".parse().unwrap(),
        bundles: bundles.iter().map(|b| entry(b)).collect(),
        resumed: Vec::new(),
        revoked: Vec::new(),
    }
}

fn plan(more: &serde_json::Value) -> FixPlan {
    let digest = Digest::of("base");
    let mut plan = json!({
        "apiVersion": "fleetfix.openshift.io/v1alpha1", "kind": "FixPlan", "id": "A-1", "revision": 1,
        "tickets": ["A-1"], "request": digest, "component": "hypershift", "fixes": [{"minor": "4.20"}],
        "bases": [{"digest": digest, "repository": "quay.io/a/b", "mediaType": media::OCI_INDEX,
            "minor": "4.20", "origin": "payload", "platforms": []}],
        "rows": [], "delivery": [], "impact": [], "checks": [], "findings": [],
    });
    for (field, value) in more.as_object().unwrap() {
        plan[field] = value.clone();
    }
    canonical::typed(plan).unwrap()
}

/// A row of a plan, on AWS.
fn row(version: &str, status: &str) -> serde_json::Value {
    json!({"platform": "AWS", "version": version, "status": status, "base": Digest::of("base")})
}

/// The plan of a bundle.
fn planned(bundle: &FixBundle) -> FixPlan {
    let versions = bundle.affects.iter().flat_map(|affects| &affects.versions);
    let rows: Vec<_> = versions.map(|v| row(&v.version.to_string(), "covered")).collect();
    plan(&json!({"rows": rows}))
}

fn with_bundle(
    channel: &Channel,
    entry: ChannelBundle,
    bundle: &FixBundle,
    active: &[FixBundle],
) -> Result<Channel, Error> {
    super::with_bundle(channel, entry, bundle, &planned(bundle), active)
}

#[test]
fn the_same_again_changes_nothing() {
    let a = bundle("A-1", 2, "4.20.1");
    let there = channel(&[&a]);
    assert_eq!(with_bundle(&there, entry(&a), &a, std::slice::from_ref(&a)), Ok(there));
}

#[test]
fn a_revision_rises_and_never_changes() {
    let (old, new) = (bundle("A-1", 1, "4.20.1"), bundle("A-1", 2, "4.20.1"));
    let next =
        with_bundle(&channel(&[&old]), entry(&new), &new, std::slice::from_ref(&old)).unwrap();
    assert_eq!(next.bundles.len(), 1);
    assert_eq!(next.bundles[0].revision, 2);
    let lower = with_bundle(&next, entry(&old), &old, &[]);
    assert!(matches!(lower, Err(Error::LowerRevision { active: 2, new: 1, .. })), "{lower:?}");
    let mut other = entry(&new);
    other.bundle = Descriptor::of(media::OCI_MANIFEST, b"other");
    let other = with_bundle(&next, other, &new, &[]);
    assert!(matches!(other, Err(Error::OtherContent { revision: 2, .. })), "{other:?}");
}

#[test]
fn a_fix_that_names_itself_as_superseded_stays_and_a_planned_start_too() {
    let mut a = bundle("A-1", 1, "4.20.1");
    a.supersedes = vec![FixReference { id: a.id.clone(), revision: None }];
    let mut first = entry(&a);
    first.rollout_start = Some("2026-12-01T00:00:00Z".parse().unwrap());
    let next = with_bundle(&channel(&[]), first, &a, &[]).unwrap();
    let again = with_bundle(&next, entry(&a), &a, std::slice::from_ref(&a));
    assert_eq!(again, Ok(next));
}

#[test]
fn a_revoked_image_is_not_published_in_another_bundle() {
    let a = bundle("A-1", 1, "4.20.1");
    let mut there = channel(&[]);
    there.revoked.push(fleetfix_model::document::channel::Revoked {
        digest: Digest::of("index"),
        reason: "crashes".into(),
    });
    assert!(matches!(with_bundle(&there, entry(&a), &a, &[]), Err(Error::Revoked { .. })));
}

#[test]
fn a_revoked_digest_never_comes_back() {
    let a = bundle("A-1", 1, "4.20.1");
    let mut there = channel(&[]);
    let digest = entry(&a).bundle.digest;
    there
        .revoked
        .push(fleetfix_model::document::channel::Revoked { digest, reason: "crashes".into() });
    assert!(matches!(with_bundle(&there, entry(&a), &a, &[]), Err(Error::Revoked { .. })));
}

#[test]
fn no_image_is_replaced_twice_unless_superseded() {
    let (a, mut b) = (bundle("A-1", 1, "4.20.1"), bundle("B-1", 1, "4.20.1"));
    let there = channel(&[&a]);
    let active = [a.clone()];
    assert!(matches!(with_bundle(&there, entry(&b), &b, &active), Err(Error::Overlap { .. })));
    b.supersedes = vec![FixReference { id: a.id.clone(), revision: None }];
    let next = with_bundle(&there, entry(&b), &b, &active).unwrap();
    assert_eq!(next.bundles[0].state, BundleState::Withdrawn);
    assert_eq!(next.bundles[1].state, BundleState::Active);
    let back = with_bundle(&next, entry(&a), &a, &[b.clone()]);
    assert!(matches!(back, Err(Error::Withdrawn { .. })), "{back:?}");
    let a2 = bundle("A-1", 2, "4.20.1");
    let back = with_bundle(&next, entry(&a2), &a2, &[b.clone()]);
    assert!(matches!(back, Err(Error::Superseded { .. })), "{back:?}");
    let elsewhere = bundle("C-1", 1, "4.20.2");
    assert!(with_bundle(&there, entry(&elsewhere), &elsewhere, &active).is_ok());
}

#[test]
fn another_revision_than_the_one_that_is_superseded_stays() {
    let (a, mut b) = (bundle("A-1", 2, "4.20.1"), bundle("B-1", 1, "4.20.1"));
    b.supersedes = vec![FixReference { id: a.id.clone(), revision: Some(1) }];
    assert!(supersedes(&b, &a.id, 1) && !supersedes(&b, &a.id, 2));
    let next = with_bundle(&channel(&[&a]), entry(&b), &b, std::slice::from_ref(&a));
    assert!(matches!(next, Err(Error::Overlap { .. })), "{next:?}");
}

#[test]
fn conflicts_hold_in_both_directions() {
    let (mut a, mut b) = (bundle("A-1", 1, "4.20.1"), bundle("B-1", 1, "4.20.2"));
    b.conflicts = vec![FixReference { id: a.id.clone(), revision: None }];
    let there = channel(&[&a]);
    assert!(matches!(
        with_bundle(&there, entry(&b), &b, &[a.clone()]),
        Err(Error::Conflict { .. })
    ));
    a.conflicts = std::mem::take(&mut b.conflicts);
    a.conflicts[0].id = b.id.clone();
    assert!(matches!(
        with_bundle(&there, entry(&b), &b, &[a.clone()]),
        Err(Error::Conflict { .. })
    ));
}

#[test]
fn a_revision_after_the_superseded_ones_is_another_matter() {
    let (mut b, a) = (bundle("B-1", 1, "4.20.1"), bundle("A-1", 3, "4.20.2"));
    b.supersedes = vec![FixReference { id: a.id.clone(), revision: Some(2) }];
    let next = with_bundle(&channel(&[&b]), entry(&a), &a, std::slice::from_ref(&b)).unwrap();
    assert_eq!(next.bundles.len(), 2);
    b.supersedes[0].revision = Some(3);
    let next = with_bundle(&channel(&[&b]), entry(&a), &a, std::slice::from_ref(&b));
    assert!(matches!(next, Err(Error::Superseded { .. })), "{next:?}");
}

/// `old` covers 4.20.1 and 4.20.2, the new bundle only 4.20.1.
fn narrower(old: &FixBundle, new: &FixBundle, plan: &FixPlan) -> Result<Channel, Error> {
    super::with_bundle(&channel(&[old]), entry(new), new, plan, std::slice::from_ref(old))
}

#[test]
fn what_takes_the_place_of_another_leaves_no_version_without_its_fix() {
    let wide = |id: &str| {
        let mut old = bundle(id, 1, "4.20.1");
        let mut second = old.affects[0].versions[0].clone();
        second.version = "4.20.2".parse().unwrap();
        old.affects[0].versions.push(second);
        old
    };
    let revision = bundle("A-1", 2, "4.20.1");
    let mut other = bundle("B-1", 1, "4.20.1");
    other.supersedes = vec![FixReference { id: "A-1".parse().unwrap(), revision: Some(1) }];
    let covered = row("4.20.1", "covered");
    let none = plan(&json!({"rows": [covered]}));
    for new in [&revision, &other] {
        let lost = narrower(&wide("A-1"), new, &none);
        assert!(
            matches!(&lost, Err(Error::Uncovered { places, .. }) if places == "AWS 4.20.2"),
            "{lost:?}"
        );
        // Somebody who may decide said that it may lose it.
        let waived = plan(
            &json!({"rows": [covered], "findings": [{"id": "conflict/a-1/uncovered", "level": "blocking",
            "message": "covers 4.20.2", "waivable": true,
            "waiver": {"finding": "conflict/a-1/uncovered", "by": "ann", "reason": "gone"}}]}),
        );
        assert!(narrower(&wide("A-1"), new, &waived).is_ok());
    }
    // A waiver covers it up to its last second, and only what may be waived.
    let counted = entry(&revision).counted.to_string();
    let after = entry(&revision).counted.plus_seconds(1).to_string();
    for (expires, waivable, holds) in
        [(&after, true, true), (&counted, true, false), (&after, false, false)]
    {
        let waived = plan(
            &json!({"rows": [covered], "findings": [{"id": "conflict/a-1/uncovered", "level": "info",
            "message": "covers 4.20.2", "waivable": waivable,
            "waiver": {"finding": "conflict/a-1/uncovered", "by": "ann", "reason": "gone", "expires": expires}}]}),
        );
        let next = narrower(&wide("A-1"), &revision, &waived);
        assert_eq!(next.is_ok(), holds, "{expires} {waivable}: {next:?}");
    }
    // Its payload has the fix of the same request; what another fix mended it need not have.
    let fixed = plan(&json!({"rows": [covered, row("4.20.2", "fixedInPayload")]}));
    assert!(narrower(&wide("A-1"), &revision, &fixed).is_ok());
    assert!(matches!(narrower(&wide("A-1"), &other, &fixed), Err(Error::Uncovered { .. })));
    // What is not released has no image yet.
    let beyond = plan(&json!({"rows": [covered, row("4.20.2", "unreleased")]}));
    let lost = narrower(&wide("A-1"), &revision, &beyond);
    assert!(matches!(lost, Err(Error::Uncovered { .. })), "{lost:?}");
    // Targets that leave out a version which the plan covers.
    let mut targeted = wide("A-1");
    targeted.revision = 2;
    let both = planned(&targeted);
    assert!(narrower(&wide("A-1"), &targeted, &both).is_ok());
    let later = json!({"minControlPlaneOperator": "4.20.2"});
    targeted.targets = Some(serde_json::from_value(later).unwrap());
    let lost = narrower(&wide("A-1"), &targeted, &both);
    assert!(
        matches!(&lost, Err(Error::Uncovered { places, .. }) if places == "AWS 4.20.1"),
        "{lost:?}"
    );
    // The same versions of another component.
    let mut elsewhere = wide("A-1");
    elsewhere.component = "etcd".parse().unwrap();
    let lost = narrower(&elsewhere, &revision, &none);
    assert!(matches!(lost, Err(Error::Uncovered { .. })), "{lost:?}");
}
