//! Patches for one HostedCluster, applied as the API server applies them, and taken back.

use std::fs;

use fleetfix_tests::chain::{CHANNEL, Chain};
use fleetfix_tests::child::Output;
use fleetfix_tests::keys;
use fleetfix_tests::lab::Place;
use fleetfix_tests::request;
use serde_json::{Value, json};

use super::HyperShift;
use crate::refusals::one_line;

const RELEASE: &str = "quay.io/openshift-release-dev/ocp-release:4.20.1-multi";
const CPO_IMAGE: &str = "hypershift.openshift.io/control-plane-operator-image";

/// A chain whose fix for 4.20 goes by `delivery`, with everything accepted that it takes.
fn released(delivery: &str) -> Chain {
    let chain = Chain::new(Place::Layout);
    let survives = "delivery/aws/4.20/survives-upgrade";
    let text = format!(
        "{}delivery: {delivery}\nwaivers:\n- finding: {survives}\n  by: alice\n  reason: it is taken away with the upgrade\n",
        request::text_420()
    );
    fs::write(chain.lab.bench.path("request.yaml"), text).unwrap();
    let bundle = chain.build();
    for (name, key) in [("alice", &chain.people.alice), ("bob", &chain.people.bob)] {
        let approval = format!("{name}.approval");
        let who = ["approve", "--bundle", &bundle, "--principal", name, "--channel", CHANNEL];
        let what = ["--reason", "read", "--approval", &approval, "--accept", survives];
        let key = keys::flags(&chain.lab.clients, key);
        let args = who.iter().chain(&what).map(|arg| (*arg).to_owned()).chain(key);
        chain.lab.bench.run("fleetfix", args).success();
    }
    chain.init().success();
    chain.publish(&bundle, &["alice", "bob"]).success();
    chain
}

fn object(version: &str, annotations: &Value) -> Value {
    json!({
        "apiVersion": "hypershift.openshift.io/v1beta1", "kind": "HostedCluster",
        "metadata": {"namespace": "ocm", "name": "c", "annotations": annotations},
        "spec": {"release": {"image": RELEASE}, "platform": {"type": "AWS"}},
        "status": {"version": {"history": [
            {"state": "Completed", "version": version, "image": RELEASE},
        ]}},
    })
}

/// `fleetfix render WHAT` for the object in `hc.json`.
fn render(chain: &Chain, what: &str, more: &[&str]) -> Output {
    let channel = chain.channel();
    let args = ["render", what, "--channels", &channel, "--root", "root.json"];
    let files =
        ["--hosted-cluster", "hc.json", "--patch", "patch.json", "--inverse", "inverse.json"];
    chain.lab.bench.run("fleetfix", [&args[..], &files, more].concat())
}

fn write(chain: &Chain, object: &Value) {
    fs::write(chain.lab.bench.path("hc.json"), object.to_string()).unwrap();
}

/// Applies a patch to `hc.json`.
fn apply(chain: &Chain, patch: &str) -> Output {
    let bench = &chain.lab.bench;
    HyperShift::new(bench.dir()).patch(&bench.path("hc.json"), &bench.path(patch))
}

#[test]
fn an_annotation_comes_and_goes() {
    let chain = released("controlPlaneOperatorImage");
    let image = format!("{}/hypershift@{}", chain.fleet(), chain.published()[0].1);
    let before = object("4.20.1", &json!({"other": "stays"}));
    write(&chain, &before);
    let made = render(&chain, "annotations", &[]).success().says("accepted by alice").json();
    assert_eq!(made["image"], image.as_str());
    let after = apply(&chain, "patch.json").success().json();
    assert_eq!(after["metadata"]["annotations"], json!({"other": "stays", CPO_IMAGE: image}));

    write(&chain, &after);
    let again = render(&chain, "annotations", &["--patch", "none.json", "--inverse", "none.json"]);
    again.code(2);
    assert_eq!(apply(&chain, "inverse.json").success().json(), before);
    // It is there: the patch does not fit any more, and there is nothing to change.
    apply(&chain, "patch.json").refused();
    let made = render(&chain, "annotations", &[]).success().says("nothing to change").json();
    assert_eq!((&made["patch"], &made["inverse"]), (&json!([]), &json!([])));

    // The release changed in the meantime: the write is refused, as is taking it back.
    write(&chain, &before);
    render(&chain, "annotations", &[]).success();
    let mut moved = before.clone();
    moved["spec"]["release"]["image"] = "quay.io/r/release:4.20.2".into();
    write(&chain, &moved);
    apply(&chain, "patch.json").refused();
    one_line(&render(&chain, "annotations", &[]), 10, "wait for it");
    // So is a control-plane release that came.
    let mut pinned = before.clone();
    pinned["spec"]["controlPlaneRelease"] = json!({"image": RELEASE});
    write(&chain, &pinned);
    apply(&chain, "patch.json").refused();
}

#[test]
fn what_must_not_be_annotated() {
    let chain = released("controlPlaneOperatorImage");
    let other = format!("quay.io/a/b@sha256:{}", "3".repeat(64));
    let none = json!({});
    let mut owned = object("4.20.1", &none);
    owned["metadata"]["ownerReferences"] = json!([{"kind": "AppliedManifestWork", "name": "w"}]);
    let mut azure = object("4.20.1", &none);
    azure["spec"]["platform"]["type"] = "Azure".into();
    let mut partial = object("4.20.1", &none);
    partial["status"]["version"]["history"][0]["state"] = "Partial".into();
    let table = [
        (object("4.20.9", &none), 10, "nothing for AWS 4.20.9"),
        (azure, 10, "nothing for Azure 4.20.1"),
        (partial, 10, "`Partial`"),
        (owned, 10, "AppliedManifestWork w"),
        (object("4.20.1", &json!({CPO_IMAGE: other})), 10, "fixes could be lost"),
        (object("4.20.1", &json!({CPO_IMAGE: ""})), 10, "delete its key"),
        (json!({"kind": "Pod"}), 11, "field `kind`"),
    ];
    for (object, code, why) in table {
        write(&chain, &object);
        one_line(&render(&chain, "annotations", &[]), code, why);
    }
    write(&chain, &object("4.20.1", &none));
    one_line(
        &render(&chain, "release", &["--release", "quay.io/a/r:x"]),
        10,
        "controlPlaneOperatorImage",
    );
    let args = ["render", "overrides", "--channels", &chain.channel(), "--root", "root.json"];
    one_line(&chain.lab.bench.run("fleetfix", args), 10, "no fix is delivered by overrides.yaml");
    let args = ["render", "annotations", "--hosted-cluster", "hc.json"];
    one_line(&chain.lab.bench.run("fleetfix", args), 2, "--root");
    assert!(!chain.lab.bench.path("patch.json").exists(), "what is refused writes nothing");
}

#[test]
fn a_release_is_made_then_named() {
    let chain = released("controlPlaneRelease");
    let before = object("4.20.1", &json!({}));
    write(&chain, &before);
    let to = "registry.example/fixes/release:4.20.1-fixed";
    let made = render(&chain, "release", &["--release", to]).success().json();
    let command = made["commands"][0].as_str().unwrap();
    let plan = chain.lab.json("plan.json");
    let payload = plan["rows"][0]["payload"].as_str().unwrap();
    for part in [
        format!("--from-release=quay.io/openshift-release-dev/ocp-release@{payload}"),
        format!("--to-image={to}"),
        format!("hypershift={}/hypershift@{}", chain.fleet(), chain.published()[0].1),
    ] {
        assert!(command.contains(&part), "no `{part}` in {command}");
    }
    let pinned = format!("registry.example/fixes/release@sha256:{}", "5".repeat(64));
    let made = render(&chain, "release", &["--release", &pinned]).success();
    let made = made.says("every control-plane pod restarts").says("Completed early").json();
    assert_eq!(made["release"], pinned.as_str());
    let after = apply(&chain, "patch.json").success().json();
    assert_eq!(after["spec"]["controlPlaneRelease"], json!({"image": pinned}));
    write(&chain, &after);
    assert_eq!(apply(&chain, "inverse.json").success().json(), before);
    write(&chain, &before);
    one_line(&render(&chain, "annotations", &[]), 10, "render release");
    one_line(&render(&chain, "release", &["--release", "quay.io/a/r"]), 2, "--release");
}
