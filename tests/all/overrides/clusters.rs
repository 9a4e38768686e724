//! Patches for one HostedCluster, applied as the API server applies them, and taken back.

use std::fs;

use fleetfix_tests::chain::Chain;
use fleetfix_tests::child::Output;
use fleetfix_tests::lab::Place;
use fleetfix_tests::request;
use serde_json::{Value, json};

use super::HyperShift;
use crate::refusals::one_line;

const RELEASE: &str = "quay.io/openshift-release-dev/ocp-release:4.20.1-multi";
const CPO_IMAGE: &str = "hypershift.openshift.io/control-plane-operator-image";
const IMAGE_OVERRIDES: &str = "hypershift.openshift.io/image-overrides";

/// What must be accepted of what is not keyed by version.
const SURVIVES: &str = "delivery/aws/4.20/survives-upgrade";

/// A chain whose fix for 4.20 goes by `delivery`, with everything accepted that it takes.
fn released(delivery: &str) -> Chain {
    released_with(Chain::new(Place::Layout), &format!("delivery: {delivery}\n"), "")
}

/// The same in a chain, with more in the request and in its waiver.
fn released_with(chain: Chain, more: &str, waiver: &str) -> Chain {
    let text = format!("{}{more}{}", request::text_420(), waived(waiver));
    let bundle = built(&chain, &text);
    chain.init().success();
    chain.publish(&bundle, &["alice", "bob"]).success();
    chain
}

fn waived(more: &str) -> String {
    format!(
        "waivers:\n- finding: {SURVIVES}\n  by: alice\n  reason: it is taken away with the upgrade\n{more}"
    )
}

/// The bundle of a request, approved.
fn built(chain: &Chain, text: &str) -> String {
    fs::write(chain.lab.bench.path("request.yaml"), text).unwrap();
    let bundle = chain.build();
    chain.approve_both(&bundle, &["--accept", SURVIVES]);
    bundle
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

#[test]
fn several_components_in_one_annotation() {
    let chain = Chain::new(Place::Layout);
    let text = |component: &str, ticket: &str| {
        let text = request::text_420()
            .replace("component: hypershift", &format!("component: {component}"))
            .replace(request::FIX_ID, ticket);
        format!("{text}delivery: imageOverrides\n{}", waived(""))
    };
    let first = built(&chain, &text("etcd", "OCPBUGS-1"));
    chain.init().success();
    chain.publish(&first, &["alice", "bob"]).success();
    let etcd = format!("{}/etcd@{}", chain.fleet(), chain.published()[0].1);
    let second = built(&chain, &text("hyperkube", "OCPBUGS-2"));
    chain.publish(&second, &["alice", "bob"]).success();
    let hyperkube = format!("{}/hyperkube@{}", chain.fleet(), chain.published()[0].1);

    // What others wrote stays, in the order of tags; the first text comes back as it was.
    let autoscaler = format!("cluster-autoscaler=quay.io/a/b@sha256:{}", "3".repeat(64));
    let ingress = format!("haproxy-router=quay.io/a/c@sha256:{}", "4".repeat(64));
    let before = object(
        "4.20.1",
        &json!({"other/key~x": "stays", IMAGE_OVERRIDES: format!("{ingress},{autoscaler}")}),
    );
    write(&chain, &before);
    one_line(&render(&chain, "annotations", &[]), 2, "--component");
    let mut states = vec![before];
    for component in ["etcd", "hyperkube"] {
        let inverse = format!("{component}.json");
        let more = ["--component", component, "--inverse", &inverse];
        let channel = chain.channel();
        let args = ["render", "annotations", "--channels", &channel, "--root", "root.json"];
        let files = ["--hosted-cluster", "hc.json", "--patch", "patch.json"];
        chain.lab.bench.run("fleetfix", [&args[..], &files, &more].concat()).success();
        let patch = chain.lab.json("patch.json");
        assert_eq!(
            patch[2]["path"],
            "/metadata/annotations/hypershift.openshift.io~1image-overrides"
        );
        let after = apply(&chain, "patch.json").success().json();
        write(&chain, &after);
        states.push(after);
    }
    let expected = format!("{autoscaler},etcd={etcd},{ingress},hyperkube={hyperkube}");
    let annotations = |state: &Value| state["metadata"]["annotations"].clone();
    assert_eq!(annotations(&states[2])[IMAGE_OVERRIDES], expected);
    assert_eq!(annotations(&states[2])["other/key~x"], "stays");
    // The first one's inverse does not fit while the second is there.
    apply(&chain, "etcd.json").refused();
    for (inverse, state) in [("hyperkube.json", 1), ("etcd.json", 0)] {
        let after = apply(&chain, inverse).success().json();
        assert_eq!(after, states[state], "{inverse}");
        write(&chain, &after);
    }

    // Where there is none, an old operator would keep the flag: the inverse names what ran.
    let bare = object("4.20.1", &json!({"other": "stays"}));
    let ran = &chain.lab.upstream.base_420.digest;
    for (operator, back) in [("0.1.73", Some(ran)), ("0.1.74", None)] {
        write(&chain, &bare);
        let more = ["--component", "etcd", "--operator-version", operator];
        render(&chain, "annotations", &more).success();
        write(&chain, &apply(&chain, "patch.json").success().json());
        let after = apply(&chain, "inverse.json").success().json();
        let left = annotations(&after)[IMAGE_OVERRIDES].as_str().map(str::to_owned);
        assert_eq!(left.is_some(), back.is_some(), "{after}");
        assert!(left.is_none_or(|left| back.is_some_and(|back| left.ends_with(back.as_str()))));
    }
    for (text, why) in [("etcd", "no `tag=image`"), ("etcd=a,etcd=b", "names `etcd` twice")] {
        write(&chain, &object("4.20.1", &json!({IMAGE_OVERRIDES: text})));
        one_line(&render(&chain, "annotations", &["--component", "etcd"]), 10, why);
    }
}

/// A bundle that is for some clusters is for no others.
#[test]
fn clusters_that_a_bundle_does_not_name() {
    let more = "delivery: controlPlaneOperatorImage\ntargets:\n  minHypershiftOperator: 0.1.74\n  include: [{label: tier=canary}]\n  exclude: [{clusterId: c2}]\n";
    let chain = released_with(Chain::new(Place::Layout), more, "");
    let cluster = |tier: &str, id: &str| {
        let mut cluster = object("4.20.1", &json!({}));
        cluster["metadata"]["labels"] = json!({"tier": tier});
        cluster["spec"]["clusterID"] = id.into();
        cluster
    };
    let operator = ["--operator-version", "0.1.80"];
    let table = [
        (cluster("prod", "c1"), &operator[..], "none of the clusters that the bundle includes"),
        (cluster("canary", "c2"), &operator, "excludes it"),
        (object("4.20.1", &json!({})), &operator, "none of the clusters"),
        (cluster("canary", "c1"), &[], "--operator-version"),
        (cluster("canary", "c1"), &["--operator-version", "0.1.73"], "needs HyperShift operator"),
    ];
    for (object, more, why) in table {
        write(&chain, &object);
        one_line(&render(&chain, "annotations", more), 10, why);
    }
    assert!(!chain.lab.bench.path("patch.json").exists());
    write(&chain, &cluster("canary", "c1"));
    render(&chain, "annotations", &operator).success();
}

/// What somebody accepted until a day is not accepted after it.
#[test]
fn an_ended_waiver_is_none() {
    let mut chain = Chain::new(Place::Layout);
    chain.lab.bench = chain.lab.bench.at_time("2026-06-01 00:00:00");
    let waiver = "  expires: 2026-06-01T06:00:00Z\n";
    let mut chain = released_with(chain, "delivery: controlPlaneOperatorImage\n", waiver);
    write(&chain, &object("4.20.1", &json!({})));
    render(&chain, "annotations", &[]).success();
    chain.lab.bench = chain.lab.bench.now().at_time("2026-06-01 06:00:01");
    let output = render(&chain, "annotations", &[]);
    one_line(&output, 10, "its waiver ended 2026-06-01T06:00:00Z");
    one_line(&output, 10, SURVIVES);
    // No task works on such a plan any more, and nobody approves it.
    let tag = format!("{}-r1", request::FIX_ID.to_lowercase());
    let bundle = format!("{}:{tag}", chain.lab.at("build/bundles"));
    let read = ["approve", "--bundle", &bundle];
    let tasks = [
        ("patch", chain.lab.patch()),
        ("sign", chain.sign()),
        ("attest", chain.attest()),
        ("bundle", chain.bundle()),
        ("approve", chain.lab.bench.run("fleetfix", read)),
    ];
    for (task, output) in tasks {
        assert_eq!(output.code, Some(10), "{task}: {output}");
        output.says(SURVIVES);
    }
}

/// Where the plan looked for the release image is where it is.
#[test]
fn a_release_is_found_where_the_plan_found_it() {
    let chain = Chain::new(Place::Layout);
    let text = request::text_420();
    let (text, _) = text.split_once("payloadTemplates:").unwrap();
    let text = format!("{text}delivery: controlPlaneRelease\n{}", waived(""));
    let release =
        |version: &str| format!("quay.io/openshift-release-dev/ocp-release:{version}-multi");
    let listed = ["4.20.1", "4.20.2"].map(|v| format!("{v}: {}\n", release(v))).concat();
    fs::write(chain.lab.bench.path("payloads.yaml"), listed).unwrap();
    fs::write(chain.lab.bench.path("request.yaml"), &text).unwrap();
    let mirror = chain.lab.mirror();
    let plan = ["--request", "request.yaml", "--plan", "plan.json", &mirror];
    let given = [&plan[..], &["--payloads", "payloads.yaml"]].concat();
    chain.lab.bench.run("fleetfix-plan", given).success();
    chain.lab.patch().success();
    chain.sign().success();
    chain.attest().success();
    let bundle = chain.bundle().success().json()["bundle"].as_str().unwrap().to_owned();
    chain.approve_both(&bundle, &["--accept", SURVIVES]);
    chain.init().success();
    chain.publish(&bundle, &["alice", "bob"]).success();

    write(&chain, &object("4.20.1", &json!({})));
    let to = ["--release", "registry.example/fixes/release:4.20.1-fixed"];
    one_line(&render(&chain, "release", &to), 11, "--payloads FILE");
    let more = [&to[..], &["--payloads", "payloads.yaml"]].concat();
    let made = render(&chain, "release", &more).success().json();
    let payload = chain.lab.json("plan.json")["rows"][0]["payload"].as_str().unwrap().to_owned();
    let from = format!("quay.io/openshift-release-dev/ocp-release@{payload}");
    assert_eq!(made["from"], from.as_str());
    // Of several places the one that has it.
    let other = "4.20.1: ['quay.io/a/b:4.20.1', 'quay.io/openshift-release-dev/ocp-release:4.20.1-multi']\n";
    fs::write(chain.lab.bench.path("payloads.yaml"), other).unwrap();
    let nowhere = format!("--mirror=quay.io/a/b=oci:{}", chain.lab.bench.path("empty").display());
    let made = render(&chain, "release", &[&more[..], &[&mirror, &nowhere]].concat());
    assert_eq!(made.success().json()["from"], from.as_str());
    // A graph names it as well.
    let graph = json!({"nodes": [{"version": "4.20.1", "payload": from}], "edges": []});
    fs::write(chain.lab.bench.path("graph.json"), graph.to_string()).unwrap();
    let more = [&to[..], &["--graph", "graph.json"]].concat();
    assert_eq!(render(&chain, "release", &more).success().json()["from"], from.as_str());
}
