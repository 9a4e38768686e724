//! The artifact and its documents.

use fleetfix_model::verdict::Outcome::Refused;
use fleetfix_model::{Digest, media};
use serde_json::json;

use super::{artifact, bundle, plan, pop, remove, run};

#[tokio::test]
#[expect(clippy::too_many_lines, reason = "one table")]
async fn bundles() {
    run(vec![
        ("for another fleet", bundle(|b| b["fleet"] = json!("quay.io/other")), Refused, "fleet"),
        (
            "another artifact type",
            artifact(|a| a["artifactType"] = json!("x/y")),
            Refused,
            "artifact",
        ),
        (
            "a config of its own",
            artifact(|a| a["config"]["mediaType"] = json!(media::OCI_CONFIG)),
            Refused,
            "artifact",
        ),
        (
            "layers in another order",
            artifact(|a| a["layers"].as_array_mut().unwrap().swap(1, 2)),
            Refused,
            "document",
        ),
        ("a layer too few", artifact(|a| pop(&mut a["layers"])), Refused, "artifact"),
        (
            "a layer of another size",
            artifact(|a| a["layers"][0]["size"] = json!(1)),
            Refused,
            "document",
        ),
        (
            "another plan than it names",
            bundle(|b| b["plan"] = json!(Digest::of("x"))),
            Refused,
            "artifact",
        ),
        (
            "a plan that a finding stops",
            plan(|p| remove(&mut p["findings"][0], "waiver")),
            Refused,
            "findings",
        ),
        (
            "a plan in which somebody else asked for it",
            plan(|p| p["requester"] = json!("bob")),
            Refused,
            "request",
        ),
        (
            "a plan with another waiver than was asked for",
            plan(|p| p["findings"][0]["waiver"]["by"] = json!("bob")),
            Refused,
            "request",
        ),
        (
            "a version that nobody planned",
            bundle(|b| b["affects"][0]["versions"][0]["version"] = json!("4.20.2")),
            Refused,
            "coverage",
        ),
        (
            "an image that is not there",
            bundle(|b| {
                let other = json!(Digest::of("x"));
                b["images"][0]["index"]["digest"] = other.clone();
                b["affects"][0]["versions"][0]["image"] = other.clone();
                b["rollback"]["previous"][0]["image"] = other.clone();
                b["images"][0]["attestations"][0]["subject"] = other.clone();
                b["images"][0]["attestations"][1]["subject"] = other.clone();
                b["images"][0]["attestations"][2]["subject"] = other;
            }),
            Refused,
            "index",
        ),
        (
            "an index of another size",
            bundle(|b| b["images"][0]["index"]["size"] = json!(1)),
            Refused,
            "index",
        ),
        (
            "a manifest of another size",
            bundle(|b| b["images"][0]["platforms"][1]["manifest"]["size"] = json!(1)),
            Refused,
            "platforms",
        ),
        (
            "platforms exchanged",
            bundle(|b| {
                let first = b["images"][0]["platforms"][0]["platform"].take();
                let second = b["images"][0]["platforms"][1]["platform"].take();
                b["images"][0]["platforms"][0]["platform"] = second;
                b["images"][0]["platforms"][1]["platform"] = first;
            }),
            Refused,
            "configPlatform",
        ),
        (
            "a platform left out",
            bundle(|b| pop(&mut b["images"][0]["platforms"])),
            Refused,
            "platforms",
        ),
        (
            "two images of one base",
            bundle(|b| {
                let mut second = b["images"][0].clone();
                second["index"]["digest"] = json!(
                    "sha256:ffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff"
                );
                second["tag"] = json!("other");
                b["images"].as_array_mut().unwrap().push(second);
            }),
            Refused,
            "images",
        ),
    ])
    .await;
}
