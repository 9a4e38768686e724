//! What looks like an attack and is none: it must not take a fix away.

use serde_json::json;

use crate::fleet::{Fleet, NOW, Recipe, Who, time};

#[tokio::test]
async fn what_ends_after_it_was_counted_takes_no_fix_away() {
    let recipe = Recipe {
        policy: |p| {
            p["principals"][0]["keys"][0]["notAfter"] = json!("2026-05-31T12:00:00Z");
            p["principals"][1]["keys"][0]["notAfter"] = json!("2026-05-31T12:00:00Z");
        },
        request: |r| r["waivers"][0]["expires"] = json!("2026-05-31T12:00:00Z"),
        plan: |p| p["findings"][0]["waiver"]["expires"] = json!("2026-05-31T12:00:00Z"),
        approvals: |all| all[1].predicate["expires"] = json!("2026-05-31T12:00:00Z"),
        ..Recipe::default()
    };
    let audit = Fleet::make(&recipe).await.verify().await.unwrap();
    assert!(audit.verified.is_some(), "{}", audit.concluded.verdict);
    assert!(time("2026-05-31T12:00:00Z") < time(NOW));
}

#[tokio::test]
async fn anybody_can_attach_and_nobody_is_harmed() {
    let recipe = Recipe {
        signatures: |all| {
            let mut other = all[0].clone();
            other.by = Who::Stranger;
            all.insert(0, other);
        },
        attestations: |all| {
            let mut other = all[0].clone();
            other.by = Who::Stranger;
            all.insert(0, other);
        },
        // A later approval by the same person must not hide the one that the channel names.
        approvals: |all| {
            let mut stranger = all[0].clone();
            stranger.by = Who::Stranger;
            all.insert(0, stranger);
            let mut second = all[1].clone();
            second.predicate["reason"] = json!("looked again");
            all.insert(0, second);
        },
        channel: |c, made| {
            let mut named = [made.approvals[2], made.approvals[3]];
            named.sort();
            c["bundles"][0]["approvals"] = json!(named);
        },
        ..Recipe::default()
    };
    let audit = Fleet::make(&recipe).await.verify().await.unwrap();
    assert!(audit.verified.is_some(), "{}", audit.concluded.verdict);
}
