//! Dumps as people make them.

use std::path::Path;

use serde_json::json;

use super::*;

fn dump(annotations: &serde_json::Value) -> Vec<u8> {
    let cluster = json!({
        "apiVersion": "hypershift.openshift.io/v1beta1", "kind": "HostedCluster",
        "metadata": {"namespace": "ocm-1", "name": "a", "annotations": annotations},
        "spec": {"release": {"image": "quay.io/a/release:4.20.1"}, "platform": {"type": "AWS"}, "other": 1},
        "status": {"version": {"history": [{"state": "Completed", "version": "4.20.1"}, {"version": "4.20.0"}]}},
    });
    json!({"apiVersion": "v1", "kind": "List", "items": [cluster]}).to_string().into_bytes()
}

#[expect(clippy::needless_pass_by_value, reason = "values are written in the call")]
fn found(component: &str, annotations: serde_json::Value) -> (Vec<String>, usize) {
    let clusters = read(Path::new("dump.json"), &dump(&annotations)).unwrap();
    let found = super::annotations(&clusters, &component.parse().unwrap(), &Payloads::default());
    let told = |a: &Annotated| format!("{} {} {} {}", a.cluster, a.platform, a.version, a.image);
    (found.annotated.iter().map(told).collect(), found.unclear.len())
}

#[test]
fn annotations_of_a_component() {
    let cpo = "hypershift.openshift.io/control-plane-operator-image";
    let overrides = "hypershift.openshift.io/image-overrides";
    let agent = "hypershift.openshift.io/konnectivity-agent-image";
    let autoscaler = "hypershift.openshift.io/cluster-autoscaler-image";
    let a = "ocm-1/a AWS 4.20.1 quay.io/a/b:x";
    let table = [
        ("hypershift", json!({}), vec![], 0),
        ("hypershift", json!({cpo: "quay.io/a/b:x"}), vec![a], 0),
        ("hypershift", json!({cpo: ""}), vec![], 1),
        ("hypershift", json!({overrides: "hypershift=quay.io/a/b:x"}), vec![], 0),
        ("etcd", json!({cpo: "quay.io/a/b:x"}), vec![], 0),
        ("etcd", json!({overrides: "etcd=quay.io/a/b:y,etcd=quay.io/a/b:x"}), vec![a], 0),
        ("etcd", json!({overrides: "etcd=quay.io/a/b:y,x,etcd=quay.io/a/b:x"}), vec![a], 1),
        ("etcd", json!({overrides: "cli"}), vec![], 1),
        ("etcd", json!({overrides: ""}), vec![], 0),
        ("apiserver-network-proxy", json!({agent: "quay.io/a/b:x"}), vec![a], 0),
        (
            "apiserver-network-proxy",
            json!({agent: "quay.io/a/b:x", overrides: "apiserver-network-proxy=quay.io/a/b:y"}),
            vec![a, "ocm-1/a AWS 4.20.1 quay.io/a/b:y"],
            0,
        ),
        (
            "cluster-autoscaler",
            json!({overrides: "cluster-autoscaler=quay.io/a/b:y", autoscaler: "quay.io/a/b:x"}),
            vec![a],
            0,
        ),
    ];
    for (component, annotations, expected, unclear) in table {
        let told = format!("{component} {annotations}");
        let (annotated, unclear_found) = found(component, annotations);
        assert_eq!(annotated, expected, "{told}");
        assert_eq!(unclear_found, unclear, "{told}");
    }
}

#[test]
fn who_goes_through_a_proxy() {
    let (aws, azure) = ("AWS", "Azure");
    let public = json!({"endpointAccess": "Public"});
    let private = json!({"endpointAccess": "PublicAndPrivate"});
    let proxy = |no: &str| json!({"httpsProxy": "http://proxy:3128", "noProxy": no});
    let table = [
        (aws, &public, json!({}), false),
        (aws, &json!({}), proxy(""), true),
        (aws, &public, proxy(""), true),
        (aws, &private, proxy(""), false),
        (aws, &public, proxy("api.a.example"), false),
        (aws, &public, proxy(".b.example, .a.example"), false),
        (aws, &public, proxy("a.example"), false),
        (aws, &public, proxy("*"), false),
        (aws, &public, proxy("pi.a.example,.api.a.example,b.example"), true),
        (azure, &json!({}), proxy(""), true),
        (azure, &json!({"topology": "Private"}), proxy(""), false),
        ("KubeVirt", &json!({}), proxy(""), true),
    ];
    for (platform, spec, proxy, expected) in table {
        let told = format!("{platform} {spec} {proxy}");
        let dump = json!({
            "kind": "HostedCluster", "metadata": {"name": "a", "namespace": "n"},
            "spec": {
                "release": {"image": "x"}, "configuration": {"proxy": proxy},
                "platform": {"type": platform, platform.to_lowercase(): spec},
            },
            "status": {"controlPlaneEndpoint": {"host": "api.a.example", "port": 443}},
        });
        let clusters = read(Path::new("dump.json"), dump.to_string().as_bytes()).unwrap();
        assert_eq!(clusters[0].is_proxied(), expected, "{told}");
    }
}

#[test]
fn versions_that_may_run() {
    let entry = |version: &str, state: &str| json!({"version": version, "state": state});
    let (partial, done) = ("Partial", "Completed");
    let table = [
        (json!([]), vec![]),
        (json!([entry("4.20.1", done), entry("4.20.0", done)]), vec!["4.20.1"]),
        (json!([entry("4.20.2", partial), entry("4.20.1", done)]), vec!["4.20.1", "4.20.2"]),
        (
            json!([
                entry("4.20.3", partial),
                entry("4.20.2", partial),
                entry("4.20.1", done),
                entry("4.20.0", done)
            ]),
            vec!["4.20.1", "4.20.2", "4.20.3"],
        ),
        (json!([entry("4.20.2", partial)]), vec!["4.20.2"]),
        (json!([entry("soon", partial), entry("4.20.1", done)]), vec!["4.20.1"]),
    ];
    for (history, expected) in table {
        let dump = json!({
            "kind": "HostedCluster", "metadata": {"name": "a", "namespace": "n"},
            "spec": {"release": {"image": "x"}, "platform": {"type": "AWS"}},
            "status": {"version": {"history": history}},
        });
        let clusters = read(Path::new("dump.json"), dump.to_string().as_bytes()).unwrap();
        let versions = clusters[0].versions(&Payloads::default());
        let told: Vec<String> = versions.iter().map(ToString::to_string).collect();
        assert_eq!(told, expected, "{history}");
    }
}

#[test]
fn one_cluster_yaml_and_what_is_none() {
    let yaml = "apiVersion: hypershift.openshift.io/v1beta1\nkind: HostedCluster\n\
        metadata:\n  name: a\n  namespace: n\nspec:\n  release:\n    image: quay.io/a/r:x\n  \
        controlPlaneRelease:\n    image: quay.io/a/r:y\n  platform:\n    type: Azure\n";
    let clusters = read(Path::new("dump.yaml"), yaml.as_bytes()).unwrap();
    assert_eq!((clusters.len(), clusters[0].release.as_str()), (1, "quay.io/a/r:y"));
    assert_eq!(clusters[0].platform, Some(HostedPlatform::Azure));
    for bad in [
        "",
        "{",
        "[]",
        "kind: Pod\n",
        r#"{"kind":"HostedCluster"}"#,
        r#"{"kind":"List","items":[{}]}"#,
    ] {
        assert!(read(Path::new("dump"), bad.as_bytes()).is_err(), "{bad}");
    }
}
