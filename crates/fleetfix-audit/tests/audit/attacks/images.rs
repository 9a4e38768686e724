//! Patched images.

use fleetfix_model::verdict::Outcome::Refused;
use fleetfix_model::{Digest, media};
use serde_json::json;

use super::{config, index, manifest, pop, remove, run};
use crate::fleet::Recipe;

#[tokio::test]
async fn images() {
    run(vec![
        (
            "a configuration of another architecture",
            config(|c| c["architecture"] = json!("s390x")),
            Refused,
            "configPlatform",
        ),
        (
            "a configuration without labels",
            config(|c| c["config"] = json!({})),
            Refused,
            "baseLabel",
        ),
        (
            "a label that HyperShift reads is lost",
            config(|c| {
                remove(
                    &mut c["config"]["Labels"],
                    "io.openshift.hypershift.control-plane-operator-skips-haproxy",
                );
            }),
            Refused,
            "hypershiftLabels",
        ),
        (
            "another base in the label",
            config(|c| c["config"]["Labels"][media::BASE_DIGEST] = json!("sha256:00")),
            Refused,
            "baseLabel",
        ),
        (
            "another commit in the label",
            config(|c| c["config"]["Labels"][media::VCS_REF] = json!("2222")),
            Refused,
            "commitLabel",
        ),
        (
            "another base in the annotation",
            manifest(|m| m["annotations"][media::BASE_DIGEST] = json!("sha256:00")),
            Refused,
            "baseAnnotation",
        ),
        (
            "an index without its base",
            index(|i| i["annotations"] = json!({})),
            Refused,
            "baseAnnotation",
        ),
        (
            "a layer that is not there",
            manifest(|m| m["layers"][0]["digest"] = json!(Digest::of("x"))),
            Refused,
            "layer",
        ),
        (
            "a configuration that is not there",
            manifest(|m| m["config"]["digest"] = json!(Digest::of("x"))),
            Refused,
            "config",
        ),
        (
            "a configuration of another size",
            manifest(|m| m["config"]["size"] = json!(1)),
            Refused,
            "config",
        ),
        (
            "one more platform in the index",
            index(|i| {
                let mut more = i["manifests"][0].clone();
                more["platform"]["architecture"] = json!("s390x");
                i["manifests"].as_array_mut().unwrap().push(more);
            }),
            Refused,
            "platforms",
        ),
        (
            "one platform less in the index",
            index(|i| pop(&mut i["manifests"])),
            Refused,
            "platforms",
        ),
        (
            "a build attestation that is not there",
            Recipe {
                index: |i| {
                    let mut more = i["manifests"][0].clone();
                    more["digest"] = json!(Digest::of("x"));
                    more["platform"] = json!({"os": "unknown", "architecture": "unknown"});
                    i["manifests"].as_array_mut().unwrap().push(more);
                },
                ..Recipe::default()
            },
            Refused,
            "manifest",
        ),
        ("an index that is a manifest too", index(|i| i["layers"] = json!([])), Refused, "index"),
    ])
    .await;
}
