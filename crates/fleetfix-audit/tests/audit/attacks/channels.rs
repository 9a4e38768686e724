//! What publishers say.

use fleetfix_model::verdict::Outcome::Refused;
use fleetfix_model::{Digest, media};
use serde_json::json;

use super::{channel, policy, run};
use crate::fleet::Recipe;

#[tokio::test]
async fn channels() {
    run(vec![
        ("a revoked bundle", channel(|c, m| c["revoked"] = json!([{"digest": m.bundle.digest, "reason": "x"}])), Refused, "revoked"),
        ("a revoked index", channel(|c, m| c["revoked"] = json!([{"digest": m.index.digest, "reason": "x"}])), Refused, "revoked"),
        ("a revoked manifest", channel(|c, m| c["revoked"] = json!([{"digest": m.children[1].digest, "reason": "x"}])), Refused, "revoked"),
        ("a bundle of another fleet", channel(|c, _| c["fleet"] = json!("quay.io/other")), Refused, "fleet"),
        ("another id", channel(|c, _| c["bundles"][0]["id"] = json!("FIX-2")), Refused, "id"),
        ("another revision", channel(|c, _| c["bundles"][0]["revision"] = json!(2)), Refused, "revision"),
        ("another tag", channel(|c, _| c["bundles"][0]["tag"] = json!("fix-1-r2")), Refused, "tag"),
        ("another size", channel(|c, _| c["bundles"][0]["bundle"]["size"] = json!(7)), Refused, "artifact"),
        ("another media type", channel(|c, _| c["bundles"][0]["bundle"]["mediaType"] = json!(media::DOCKER_MANIFEST)), Refused, "artifact"),
        ("a bundle that is not there", channel(|c, _| c["bundles"][0]["bundle"]["digest"] = json!(Digest::of("x"))), Refused, "artifact"),
        ("an image as a bundle", channel(|c, m| {
            c["bundles"][0]["bundle"] = crate::fleet::descriptor(&m.index);
            c["bundles"][0]["repository"] = json!("etcd");
        }), Refused, "artifact"),
        ("another repository", channel(|c, _| c["bundles"][0]["repository"] = json!("etcd")), Refused, "artifact"),
        ("a channel under another's name", channel(|c, _| c["name"] = json!("canary")), Refused, "channel"),
        ("a channel with fields of its own", channel(|c, _| c["more"] = json!(1)), Refused, "channel"),
        ("a channel that needs a newer reader", channel(|c, _| c["requires"] = json!(["x"])), Refused, "channel"),
        ("a policy with a broken key", policy(|p| {
            p["release"]["keys"][0]["publicKey"] = json!("-----BEGIN PUBLIC KEY-----\nAAAA\n-----END PUBLIC KEY-----\n");
        }), Refused, "policy"),
        ("a pause of another channel", Recipe {
            pause: |_| Some(json!({"apiVersion": "fleetfix.openshift.io/v1alpha1", "kind": "Pause", "channel": "canary", "bundles": []})),
            ..Recipe::default()
        }, Refused, "pause"),
    ])
    .await;
}
