//! Release signatures.

use fleetfix_model::Digest;
use fleetfix_model::verdict::Outcome::{NoneFound, Refused};
use serde_json::json;

use super::{policy, run, signatures};
use crate::fleet::{NOW, Who};

#[tokio::test]
async fn release_signatures() {
    run(vec![
        ("none at all", signatures(Vec::clear), NoneFound, "releaseSignature"),
        (
            "a child without one",
            signatures(|all| drop(all.remove(0))),
            NoneFound,
            "releaseSignature",
        ),
        ("the index without one", signatures(|all| drop(all.pop())), NoneFound, "releaseSignature"),
        (
            "by a key of nobody",
            signatures(|all| all[1].by = Who::Stranger),
            Refused,
            "releaseSignature",
        ),
        ("by the builder", signatures(|all| all[2].by = Who::Builder), Refused, "releaseSignature"),
        (
            "for another digest",
            signatures(|all| all[0].digest = Digest::of("x")),
            Refused,
            "releaseSignature",
        ),
        (
            "the index's on a child",
            signatures(|all| all[0].digest = all[2].digest),
            Refused,
            "releaseSignature",
        ),
        (
            "for another repository",
            signatures(|all| {
                all[2].reference = all[2].reference.replace("/etcd", "/other");
            }),
            Refused,
            "releaseSignature",
        ),
        (
            "for another registry",
            signatures(|all| {
                all[2].reference = all[2].reference.replace("quay.io", "evil.example");
            }),
            Refused,
            "releaseSignature",
        ),
        (
            "for another tag",
            signatures(|all| all[2].reference.push('x')),
            Refused,
            "releaseSignature",
        ),
        (
            "for a bare repository",
            signatures(|all| all[2].reference = "quay.io/fleet/etcd".into()),
            Refused,
            "releaseSignature",
        ),
        (
            "by a key that has ended",
            policy(|p| {
                p["release"]["keys"][0]["notAfter"] = json!(NOW);
            }),
            Refused,
            "releaseSignature",
        ),
        (
            "by a key that is not good yet",
            policy(|p| {
                p["release"]["keys"][0]["notBefore"] = json!("2026-06-01T00:00:01Z");
            }),
            Refused,
            "releaseSignature",
        ),
    ])
    .await;
}
