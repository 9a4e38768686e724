//! Each document has a golden file: its exact bytes are the contract with tomorrow's readers.
//!
//! `UPDATE_GOLDENS=1 cargo test -p fleetfix-model` writes them anew; look at the difference before
//! you commit it.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::path::PathBuf;

use fleetfix_model::document::{
    Approval, Channel, Document, Error, Fix, FixBundle, FixPlan, FixRequest, Pause, TrustPolicy,
    from_canonical, from_yaml,
};
use fleetfix_model::{ToCanonical, canonical};
use serde_json::{Value, json};

const HEADER: &str = "fleetfix.openshift.io/v1alpha1";

fn file(name: &str) -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests").join(name)
}

fn read(name: &str) -> Vec<u8> {
    std::fs::read(file(name)).unwrap_or_else(|e| panic!("{name}: {e}"))
}

fn digest(seed: &str) -> String {
    fleetfix_model::Digest::of(seed).to_string()
}

fn commit(c: char) -> String {
    c.to_string().repeat(40)
}

fn descriptor(seed: &str) -> Value {
    json!({"mediaType": "application/vnd.oci.image.index.v1+json", "digest": digest(seed), "size": 856})
}

fn delivery() -> Value {
    json!([{
        "platform": "AWS", "minor": "4.20", "method": "overridesYaml", "scope": "version",
        "endsWithUpgrade": true, "reason": "the only delivery that is keyed by version"
    }])
}

fn impact() -> Value {
    json!([{
        "platform": "AWS", "minor": "4.20", "class": "management-only", "restarts": ["etcd", "kube-apiserver"],
        "rollsEtcd": true, "rollsKubeApiserver": true,
        "customerNodes": [{"effect": "node pools roll", "condition": "a proxy reaches the API server"}]
    }])
}

fn plan() -> Value {
    json!({
        "apiVersion": HEADER, "kind": "FixPlan", "id": "FIX-2026-0007", "revision": 1,
        "tickets": ["OCPBUGS-61296"], "severity": "critical", "request": digest("request"), "graph": digest("graph"),
        "requester": "rita", "component": "hypershift",
        "fixes": [{
            "minor": "4.20", "source": "https://github.com/openshift/hypershift", "commit": commit('a'),
            "pullRequests": [7110], "authors": ["amir"],
            "along": [{"commit": commit('b'), "title": "Raise the log level"}],
            "files": [{
                "path": "/usr/bin/control-plane-operator", "mode": "0755",
                "contents": [
                    {"architecture": "amd64", "from": "out/amd64/cpo", "digest": digest("amd64"), "size": 54},
                    {"architecture": "arm64", "from": "out/arm64/cpo", "digest": digest("arm64"), "size": 53}
                ]
            }]
        }],
        "bases": [{
            "digest": digest("base"), "repository": "quay.io/openshift-release-dev/ocp-v4.0-art-dev",
            "mediaType": "application/vnd.oci.image.index.v1+json", "minor": "4.20", "origin": "payload",
            "commit": commit('c'),
            "platforms": [
                {"platform": "linux/amd64", "digest": digest("base-amd64")},
                {"platform": "linux/arm64", "digest": digest("base-arm64")}
            ],
            "hypershiftLabels": ["io.openshift.hypershift.restricted-psa"]
        }],
        "rows": [
            {"platform": "AWS", "version": "4.20.0", "status": "covered", "payload": digest("p0"), "base": digest("base")},
            {"platform": "AWS", "version": "4.20.7", "status": "gap", "reason": "no release image"},
            {"platform": "AWS", "version": "4.20.12", "status": "fixedInPayload"}
        ],
        "frontier": ["4.20.13"], "delivery": delivery(), "impact": impact(),
        "checks": [
            {"name": "ancestry", "state": "notMade", "reason": "no git repository was given"},
            {"name": "coverage", "state": "made"}
        ],
        "findings": [{
            "id": "coverage/4.20.7", "level": "blocking", "message": "4.20.7 is affected and not covered",
            "waiver": {"finding": "coverage/4.20.7", "by": "alice", "reason": "never shipped"}
        }],
        "expires": "2027-01-31T00:00:00Z"
    })
}

fn bundle() -> Value {
    json!({
        "apiVersion": HEADER, "kind": "FixBundle", "id": "FIX-2026-0007", "revision": 1,
        "tickets": ["OCPBUGS-61296"], "component": "hypershift", "request": digest("request"), "plan": digest("plan"),
        "fleet": "quay.io/fleet",
        "images": [{
            "minor": "4.20", "repository": "hypershift", "tag": "fix-2026-0007-r1-0123456789ab",
            "index": descriptor("index"),
            "platforms": [{"platform": "linux/amd64", "manifest": descriptor("amd64")}],
            "base": {"repository": "quay.io/openshift-release-dev/ocp-v4.0-art-dev", "digest": digest("base"), "commit": commit('c')},
            "commit": commit('a'),
            "attestations": [{
                "subject": digest("index"), "predicateType": "https://fleetfix.openshift.io/fix/v1",
                "role": "builder", "count": 1, "statement": digest("statement")
            }]
        }],
        "affects": [{
            "platform": "AWS", "minor": "4.20", "introduced": "4.20.0", "fixedIn": "4.20.12",
            "versions": [{"version": "4.20.0", "image": digest("index")}],
            "excluded": [{"version": "4.20.9", "reason": "tombstoned before release"}]
        }],
        "targets": {"minHypershiftOperator": "0.1.74", "exclude": [{"region": "us-gov-west-1"}]},
        "delivery": delivery(), "impact": impact(),
        "rollout": {"waves": [{"name": "canary", "percent": 5, "afterSeconds": 0, "soakSeconds": 3600}]},
        "rollback": {"possible": true, "reason": "the base image is still there",
            "previous": [{"image": digest("index"), "base": digest("base")}]},
        "supersedes": [{"id": "FIX-2026-0003"}],
        "retireWhen": {"allClustersAtOrAbove": ["4.20.12"]}
    })
}

fn samples() -> Vec<(&'static str, Value)> {
    vec![
        ("fix-plan.json", plan()),
        ("fix-bundle.json", bundle()),
        (
            "approval.json",
            json!({
                "apiVersion": HEADER, "kind": "Approval", "principal": "alice", "role": "approver",
                "request": digest("request"), "plan": digest("plan"), "channels": ["stable"],
                "findings": ["coverage/4.20.7"], "shown": digest("text"), "reason": "checked in staging",
                "issued": "2026-11-23T00:00:00Z", "expires": "2026-11-30T00:00:00Z"
            }),
        ),
        (
            "fix.json",
            json!({
                "apiVersion": HEADER, "kind": "Fix", "id": "FIX-2026-0007", "revision": 1,
                "tickets": ["OCPBUGS-61296"], "component": "hypershift", "minor": "4.20", "plan": digest("plan"),
                "baseRepository": "quay.io/openshift-release-dev/ocp-v4.0-art-dev", "base": digest("base"),
                "commit": commit('a'),
                "platforms": [{
                    "platform": "linux/amd64", "manifest": digest("amd64"), "base": digest("base-amd64"),
                    "files": [{"path": "/usr/bin/control-plane-operator", "digest": digest("file"), "size": 54, "mode": "0755", "uid": 0, "gid": 0}]
                }]
            }),
        ),
        (
            "channel.json",
            json!({
                "apiVersion": HEADER, "kind": "Channel", "name": "stable", "fleet": "quay.io/fleet",
                "bundles": [{
                    "id": "FIX-2026-0007", "revision": 1, "bundle": descriptor("bundle"), "repository": "bundles",
                    "tag": "fix-2026-0007-r1", "state": "active", "rolloutStart": "2026-11-24T00:00:00Z",
                    "counted": "2026-11-23T12:00:00Z",
                    "approvals": [digest("a")]
                }],
                "resumed": [{"bundle": digest("bundle"), "until": "2026-11-24T02:00:00Z", "reason": "etcd is back"}],
                "revoked": [{"digest": digest("old"), "reason": "crashes on arm64"}]
            }),
        ),
        (
            "pause.json",
            json!({
                "apiVersion": HEADER, "kind": "Pause", "channel": "stable",
                "bundles": [{"bundle": digest("bundle"), "by": "bob", "reason": "etcd does not come back",
                    "issued": "2026-11-24T01:00:00Z"}]
            }),
        ),
    ]
}

/// Reads `bytes` as the document that `name` is, and writes it again.
fn reread(name: &str, bytes: &[u8]) -> Result<Vec<u8>, Error> {
    fn through<T: Document>(bytes: &[u8]) -> Result<Vec<u8>, Error> {
        from_canonical::<T>("sample", bytes).map(|document| document.to_canonical().unwrap())
    }
    match name {
        "fix-plan.json" => through::<FixPlan>(bytes),
        "fix-bundle.json" => through::<FixBundle>(bytes),
        "approval.json" => through::<Approval>(bytes),
        "fix.json" => through::<Fix>(bytes),
        "channel.json" => through::<Channel>(bytes),
        "pause.json" => through::<Pause>(bytes),
        "fix-request.json" => through::<FixRequest>(bytes),
        "trust-policy.json" => through::<TrustPolicy>(bytes),
        other => panic!("no document for {other}"),
    }
}

/// Each golden's name and bytes, from samples in this file and from the YAML files.
fn goldens() -> Vec<(&'static str, Vec<u8>)> {
    let mut all: Vec<_> =
        samples().into_iter().map(|(name, value)| (name, value.to_canonical().unwrap())).collect();
    let request: FixRequest = from_yaml("request.yaml", &read("data/request.yaml")).unwrap();
    let policy: TrustPolicy = from_yaml("policy.yaml", &read("data/policy.yaml")).unwrap();
    all.push(("fix-request.json", request.to_canonical().unwrap()));
    all.push(("trust-policy.json", policy.to_canonical().unwrap()));
    all
}

#[test]
fn goldens_hold() {
    for (name, bytes) in goldens() {
        assert_eq!(reread(name, &bytes).unwrap(), bytes, "{name} is not written as it was read");
        let path = file("goldens").join(name);
        if std::env::var_os("UPDATE_GOLDENS").is_some() {
            std::fs::write(&path, &bytes).unwrap();
        }
        let golden = std::fs::read(&path).unwrap_or_default();
        assert_eq!(
            String::from_utf8_lossy(&bytes),
            String::from_utf8_lossy(&golden),
            "{name} changed; if that is meant, run with UPDATE_GOLDENS=1"
        );
    }
}

#[test]
fn unknown_fields_are_refused() {
    fn each_object(value: &mut Value, visit: &mut dyn FnMut(&mut Value)) {
        if value.is_object() {
            visit(value);
        }
        match value {
            Value::Object(map) => map.values_mut().for_each(|v| each_object(v, visit)),
            Value::Array(items) => items.iter_mut().for_each(|v| each_object(v, visit)),
            _ => {}
        }
    }
    for (name, bytes) in goldens() {
        let original: Value = canonical::from_canonical(&bytes).unwrap();
        let mut objects = 0;
        each_object(&mut original.clone(), &mut |_| objects += 1);
        for i in 0..objects {
            let mut value = original.clone();
            let mut n = 0;
            each_object(&mut value, &mut |object| {
                if n == i {
                    object["zzz"] = json!(1);
                }
                n += 1;
            });
            let error = reread(name, &value.to_canonical().unwrap()).unwrap_err();
            let source =
                std::error::Error::source(&error).map(ToString::to_string).unwrap_or_default();
            assert!(source.contains("field"), "{name}, object {i}: {error}: {source}");
        }
    }
}

#[test]
fn a_mutated_byte_is_refused_or_another_document() {
    for (name, bytes) in goldens() {
        for i in 0..bytes.len() {
            let mut mutated = bytes.clone();
            mutated[i] ^= 1;
            // What is read is what is written again: no byte can change without the digest.
            if let Ok(again) = reread(name, &mutated) {
                assert_eq!(again, mutated, "{name}, byte {i}");
            }
        }
    }
}

#[test]
fn a_document_has_one_form() {
    let (_, plan) = goldens().into_iter().find(|(name, _)| *name == "fix-plan.json").unwrap();
    let plan: Value = canonical::from_canonical(&plan).unwrap();
    let table = [
        ("null for what is absent", "/incident", Value::Null),
        ("a default spelled out", "/annotations", json!({})),
        ("an empty list spelled out", "/conflicts", json!([])),
    ];
    for (what, path, new) in table {
        let mut value = plan.clone();
        let (parent, key) = path.rsplit_once('/').unwrap();
        value.pointer_mut(parent).unwrap().as_object_mut().unwrap().insert(key.to_owned(), new);
        assert!(reread("fix-plan.json", &value.to_canonical().unwrap()).is_err(), "{what}");
    }
    let channel = json!({"apiVersion": HEADER, "kind": "Channel", "name": "stable", "fleet": "quay.io/fleet", "bundles": []});
    assert!(reread("channel.json", &channel.to_canonical().unwrap()).is_ok());
    let mut listed = channel.clone();
    listed["revoked"] = json!([[digest("a"), "a list for an object"]]);
    assert!(reread("channel.json", &listed.to_canonical().unwrap()).is_err());
}

#[test]
fn annotations_may_be_ignored_and_requirements_may_not() {
    for (name, bytes) in goldens() {
        let mut value: Value = canonical::from_canonical(&bytes).unwrap();
        value["annotations"] = json!({"example.com/any": "text"});
        assert!(reread(name, &value.to_canonical().unwrap()).is_ok(), "{name}");
        value["requires"] = json!(["a-feature-of-tomorrow"]);
        let error = reread(name, &value.to_canonical().unwrap()).unwrap_err().to_string();
        assert!(error.contains("a-feature-of-tomorrow"), "{name}: {error}");
    }
}

/// Every rule that the types cannot hold, as (document, path, value, part of the message).
#[test]
#[expect(clippy::too_many_lines, reason = "one table")]
fn rules() {
    let table: &[(&str, &str, Value, &str)] = &[
        ("fix-request.json", "/tickets", json!([]), "tickets"),
        ("fix-request.json", "/revision", json!(0), "revision"),
        ("fix-request.json", "/fixes", json!([]), "fixes"),
        ("fix-request.json", "/fixes/0/files", json!([]), "either files or a finished image"),
        ("fix-request.json", "/fixes/0/files/0/from", json!("../x"), "without `..`"),
        ("fix-request.json", "/fixes/0/files/0/from", json!("/etc/passwd"), "below the request"),
        ("fix-request.json", "/fixes/0/files/0/create", json!(true), "mode"),
        (
            "fix-request.json",
            "/fixes/0/remove",
            json!(["/usr/bin/control-plane-operator"]),
            "replaced and removed",
        ),
        ("fix-request.json", "/affected/0/fixedIn", json!("4.19.3"), "must be a 4.20 version"),
        ("fix-request.json", "/affected/0/versions", json!(["4.21.0"]), "outside"),
        ("fix-request.json", "/payloadTemplates", json!(["quay.io/a/b:1"]), "{version}"),
        ("fix-request.json", "/title", json!("two\nlines"), "one line"),
        ("fix-plan.json", "/rows/0/base", json!(digest("other")), "one of `bases`"),
        ("fix-plan.json", "/bases/0/minor", json!("4.21"), "no fix is named"),
        ("fix-plan.json", "/component", json!("bundles"), "of the fleet itself"),
        ("fix-plan.json", "/component", json!("channels"), "of the fleet itself"),
        ("fix-bundle.json", "/component", json!("channels"), "of the fleet itself"),
        ("fix-bundle.json", "/images/0/repository", json!("bundles"), "of the fleet itself"),
        ("fix-bundle.json", "/delivery/0/reason", json!("ok\nall checks made"), "one line"),
        ("fix-plan.json", "/findings/0/message", json!("ok\n  waived by bob"), "one line"),
        ("fix-plan.json", "/findings/0/message", json!("x".repeat(2001)), "one line"),
        ("fix-plan.json", "/findings/0/message", json!("\u{1b}[2K"), "one line"),
        ("fix-plan.json", "/findings/0/message", json!("a\u{202e}b"), "one line"),
        ("fix-plan.json", "/findings/0/waiver/reason", json!("\u{2066}x"), "one line"),
        ("fix-plan.json", "/checks/0/reason", json!("a\nb"), "one line"),
        ("fix-plan.json", "/delivery/0/reason", json!("a\rb"), "one line"),
        ("fix-plan.json", "/rows/1/reason", json!("a\nb"), "one line"),
        ("fix-plan.json", "/fixes/0/source", json!("https://a\u{2069}"), "one line"),
        ("fix-plan.json", "/fixes/0/along/0/title", json!("a\nb"), "one line"),
        ("fix.json", "/platforms/0/removed", json!(["/b", "/a"]), "ascending"),
        ("fix.json", "/platforms/0/removed", json!(["/a", "/a"]), "doubled"),
        ("fix-request.json", "/waivers/0/reason", json!("a\nb"), "one line"),
        ("fix-bundle.json", "/fleet", json!("oci:dir"), "identity in signatures"),
        (
            "fix-bundle.json",
            "/affects/0/versions/0/image",
            json!(digest("other")),
            "none of `images`",
        ),
        (
            "fix-plan.json",
            "/findings/0/waiver/finding",
            json!("coverage/4.20.8"),
            "another finding",
        ),
        ("fix-plan.json", "/impact/0/restarts", json!(["etcd\n  waived by bob: fine"]), "one line"),
        ("fix-plan.json", "/impact/0/customerNodes/0/effect", json!("a\nb"), "one line"),
        ("fix-plan.json", "/impact/0/customerNodes/0/condition", json!("a\u{202e}b"), "one line"),
        ("fix-plan.json", "/revision", json!(0), "counts from 1"),
        ("fix-plan.json", "/targets", json!({"include": [{"region": "a\nb"}]}), "one line"),
        (
            "fix-bundle.json",
            "/impact/0/restarts",
            json!(["etcd\nnot checked: nothing"]),
            "one line",
        ),
        ("fix-bundle.json", "/impact/0/customerNodes/0/effect", json!("a\nb"), "one line"),
        ("fix-bundle.json", "/affects/0/excluded/0/reason", json!("a\nb"), "one line"),
        ("fix-bundle.json", "/rollback/reason", json!("a\nwaived by bob"), "one line"),
        ("fix-bundle.json", "/title", json!("a\nb"), "one line"),
        ("fix-bundle.json", "/images/0/attestations/0/predicateType", json!("a\nb"), "one line"),
        ("fix-bundle.json", "/revision", json!(0), "counts from 1"),
        ("fix-bundle.json", "/rollout/waves/0/percent", json!(0), "1 to 100"),
        ("fix-bundle.json", "/rollout/waves/0/percent", json!(101), "1 to 100"),
        ("fix-bundle.json", "/rollout/waves/0/name", json!("a\nb"), "one line"),
        (
            "fix-bundle.json",
            "/healthGates",
            json!([{"condition": "Available", "status": "true", "windowSeconds": 1}]),
            "`True` or `False`",
        ),
        ("fix-bundle.json", "/fleet", json!(format!("quay.io/{}", "a".repeat(195))), "too long"),
        ("fix-bundle.json", "/images/0/repository", json!("a".repeat(199)), "too long"),
        ("channel.json", "/bundles/0/revision", json!(0), "counts from 1"),
        ("approval.json", "/expires", json!("2026-11-23T00:00:00Z"), "after `issued`"),
        ("approval.json", "/channels", json!([]), "channels"),
        ("approval.json", "/channels", json!(["b", "a"]), "ascending"),
        ("channel.json", "/bundles/0/state", json!("withdrawn"), "says why"),
        ("pause.json", "/bundles/0/reason", json!(""), "one line"),
        ("trust-policy.json", "/release/keys", json!([]), "release.keys"),
        ("trust-policy.json", "/roles/0/threshold", json!(2), "threshold"),
        ("trust-policy.json", "/roles/0/threshold", json!(0), "threshold"),
        ("trust-policy.json", "/roles/0/principals", json!(["mallory"]), "none of `principals`"),
        ("trust-policy.json", "/principals/1/identities", json!([]), "a key or an identity"),
        (
            "trust-policy.json",
            "/release/keys/0/notBefore",
            json!("2027-01-31T00:00:00Z"),
            "notAfter",
        ),
        (
            "trust-policy.json",
            "/release/keys/0/publicKey",
            json!("-----BEGIN PRIVATE KEY-----\n"),
            "PUBLIC KEY",
        ),
    ];
    let goldens = goldens();
    for (name, path, new, expected) in table {
        let (_, bytes) = goldens.iter().find(|(n, _)| n == name).unwrap();
        let mut value: Value = canonical::from_canonical(bytes).unwrap();
        let (parent, key) = path.rsplit_once('/').unwrap();
        let parent = value.pointer_mut(parent).unwrap_or_else(|| panic!("{path}"));
        parent.as_object_mut().unwrap().insert((*key).to_owned(), new.clone());
        if *path == "/fixes/0/files/0/create" {
            parent.as_object_mut().unwrap().remove("mode");
        }
        let error = reread(name, &value.to_canonical().unwrap()).unwrap_err();
        let source = std::error::Error::source(&error).map(ToString::to_string).unwrap_or_default();
        let whole = format!("{error}: {source}");
        assert!(whole.contains(expected), "{name} {path}: {whole}");
    }
}
