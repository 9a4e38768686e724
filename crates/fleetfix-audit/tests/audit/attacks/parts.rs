//! Parts that one person must not have together, and rules for places.

use fleetfix_model::verdict::Outcome::Refused;
use serde_json::json;

use super::{attestations, policy, run, signatures};
use crate::fleet::{Fleet, Recipe, Who};

#[tokio::test]
async fn parts_and_places() {
    run(vec![
        (
            "an approver who signed the image as its builder",
            signatures(|all| {
                let mut more = all[2].clone();
                more.by = Who::Ann;
                all.push(more);
            }),
            Refused,
            "approvals",
        ),
        (
            "a base from a neighbour of what the policy allows",
            policy(|p| p["baseImages"] = json!([{"prefix": "quay.io/pay"}])),
            Refused,
            "baseImage",
        ),
        (
            "too few approvals for a rule of the image's repository",
            policy(|p| {
                let rule = json!({"role": "approver", "principals": ["rae"], "threshold": 1,
                    "scope": {"repositories": ["quay.io/fleet/etcd"]}});
                p["roles"].as_array_mut().unwrap().push(rule);
            }),
            Refused,
            "approvals",
        ),
    ])
    .await;
}

#[tokio::test]
async fn provenance_of_a_second_revision_takes_nothing_away() {
    let second = attestations(|all| {
        let mut more = all[2].clone();
        more.predicate["buildDefinition"]["externalParameters"]["plan"] = json!("sha256:other");
        all.push(more);
    });
    let bases = policy(|p| p["baseImages"] = json!([{"prefix": "quay.io/payload"}]));
    for recipe in [second, bases, Recipe::default()] {
        let audit = Fleet::make(&recipe).await.verify().await.unwrap();
        assert!(audit.verified.is_some(), "{}", audit.concluded.verdict);
    }
}
