//! Plans beside a dump of `HostedClusters`: what a cluster runs may be unknown, on its way from one
//! version to another, or of its own.

use serde_json::{Value, json};

use super::upstream::{
    FIX, Image, LABELS, ORIGIN, RELEASED, Upstream, but, finding, finished, refused, request,
    waiving,
};

const AFFECTED: &str = "{platform: AWS, introduced: 4.20.5, fixedIn: 4.20.6}";
const GIVEN: [&str; 2] = ["--clusters", "clusters.json"];
const ANNOTATION: &str = "hypershift.openshift.io/";

/// A cluster on AWS, on 4.20.5.
fn cluster(annotations: &[(&str, &str)]) -> Value {
    let annotations: serde_json::Map<String, Value> = annotations
        .iter()
        .map(|(name, value)| (format!("{ANNOTATION}{name}"), Value::from(*value)))
        .collect();
    json!({
        "kind": "HostedCluster",
        "metadata": {"namespace": "ocm", "name": "a", "annotations": annotations},
        "spec": {
            "release": {"image": format!("{ORIGIN}/ocp-release:4.20.5-multi")},
            "platform": {"type": "AWS"},
        },
    })
}

fn proxied() -> Value {
    let mut cluster = cluster(&[]);
    cluster["spec"]["configuration"] =
        json!({"proxy": {"httpsProxy": "http://proxy.example:3128"}});
    cluster
}

fn dump(upstream: &Upstream, cluster: &Value) {
    let list = json!({"kind": "List", "items": [cluster]});
    upstream.file("clusters.json", &list.to_string());
}

/// A request for a component that is delivered to single clusters.
fn etcd() -> String {
    let etcd = but(&request(AFFECTED), "component: hypershift", "component: etcd");
    format!(
        "{etcd}waivers:\n- {{finding: delivery/aws/4.20/survives-upgrade, by: lena, reason: guarded}}\n"
    )
}

fn also_waiving(request: &str, id: &str) -> String {
    format!("{request}- {{finding: {id}, by: lena, reason: looked at}}\n")
}

#[test]
fn a_proxied_cluster_of_which_nothing_is_known() {
    let upstream = Upstream::with(&["4.20.5"]);
    let id = "impact/proxied/unclear";
    let mut nowhere = proxied();
    nowhere["spec"]["release"]["image"] = "quay.io/a/release:x".into();
    dump(&upstream, &nowhere);
    let output = upstream.plan(&request(AFFECTED), &GIVEN);
    refused(output, id, &["ocm/a: neither its release image nor its status"]);
    upstream.plan(&waiving(&request(AFFECTED), id), &GIVEN).success();

    let mut strange = proxied();
    strange["spec"]["platform"]["type"] = "Moon".into();
    dump(&upstream, &strange);
    refused(upstream.plan(&request(AFFECTED), &GIVEN), id, &["its platform is not known"]);

    // What is known not to be covered does not matter.
    nowhere["spec"]["platform"]["type"] = "KubeVirt".into();
    dump(&upstream, &nowhere);
    upstream.plan(&request(AFFECTED), &GIVEN).success();
    nowhere["spec"]["platform"]["type"] = "AWS".into();
    nowhere["status"] =
        json!({"version": {"history": [{"version": "4.19.3", "state": "Completed"}]}});
    dump(&upstream, &nowhere);
    upstream.plan(&request(AFFECTED), &GIVEN).success();
}

/// The newest entry of the history is where an update leads; pods of the last completed one run on.
#[test]
fn a_cluster_on_its_way_is_judged_at_both_versions() {
    let upstream = Upstream::with(&["4.20.5"]);
    let mut moving = proxied();
    moving["spec"]["release"]["image"] = "quay.io/a/release:x".into();
    moving["status"] = json!({"version": {"history": [
        {"version": "4.20.6", "state": "Partial"}, {"version": "4.20.5", "state": "Completed"},
    ]}});
    dump(&upstream, &moving);
    refused(upstream.plan(&request(AFFECTED), &GIVEN), "impact/aws/4.20/proxied", &["ocm/a"]);
    let said = finding(&upstream.written(), "effective-image/updating");
    let said = said["message"].as_str().unwrap();
    assert!(said.contains("ocm/a (4.20.5, 4.20.6)"), "{said}");
    moving["status"]["version"]["history"][0]["state"] = "Completed".into();
    dump(&upstream, &moving);
    upstream.plan(&request(AFFECTED), &GIVEN).success();
}

/// `oc get hc,np,cm -o yaml` lists other kinds beside the clusters.
#[test]
fn a_list_of_several_kinds() {
    let upstream = Upstream::with(&["4.20.5"]);
    let others = [
        json!({"kind": "NodePool", "metadata": {"name": "a"}, "spec": {"platform": "x", "release": 1}}),
        json!({"kind": "ConfigMap", "data": {"x": "y"}}),
    ];
    let list = |items: &[&Value]| {
        let list = json!({"apiVersion": "v1", "kind": "List", "items": items});
        upstream.file("clusters.json", &list.to_string());
    };
    list(&[&others[0], &proxied(), &others[1]]);
    refused(upstream.plan(&request(AFFECTED), &GIVEN), "impact/aws/4.20/proxied", &["ocm/a"]);
    let yaml = "kind: List\nitems:\n- kind: NodePool\n  spec: {release: 1}\n- kind: HostedCluster\n  metadata: {name: a, namespace: ocm}\n  spec:\n    release: {image: quay.io/a/release:x}\n    platform: {type: AWS}\n    configuration: {proxy: {httpsProxy: \"http://proxy.example:3128\"}}\n";
    upstream.file("clusters.json", yaml);
    refused(upstream.plan(&request(AFFECTED), &GIVEN), "impact/proxied/unclear", &["ocm/a"]);
    // Nothing but other kinds, or nothing at all, is no dump of clusters.
    for items in [&[&others[0], &others[1]][..], &[]] {
        list(items);
        let output = upstream.plan(&request(AFFECTED), &GIVEN).code(11);
        assert!(output.stderr.contains("no HostedCluster is in the list"), "{output}");
    }
}

/// `endpointAccess` is `Public` where nothing is said (CRD `hostedclusters`).
#[test]
fn an_endpoint_that_is_not_said_is_public() {
    let upstream = Upstream::with(&["4.20.5"]);
    let mut silent = proxied();
    silent["spec"]["platform"]["aws"] = json!({"region": "eu-west-1"});
    dump(&upstream, &silent);
    refused(upstream.plan(&request(AFFECTED), &GIVEN), "impact/aws/4.20/proxied", &["ocm/a"]);
}

#[test]
fn an_annotation_that_cannot_be_made_out() {
    let upstream = Upstream::with(&["4.20.5"]);
    let id = "effective-image/unclear";
    for broken in ["cli", "etcd=not an image", "etcd="] {
        dump(&upstream, &cluster(&[("image-overrides", broken)]));
        refused(upstream.plan(&etcd(), &GIVEN), id, &["ocm/a"]);
        upstream.plan(&also_waiving(&etcd(), id), &GIVEN).success();
    }
    // An entry by version does not touch it.
    dump(&upstream, &cluster(&[("control-plane-operator-image", "")]));
    upstream.plan(&request(AFFECTED), &GIVEN).success();
    assert_eq!(finding(&upstream.written(), id)["level"], "warning");
}

/// What runs on an annotated cluster is not the base that is patched.
#[test]
fn an_annotated_image_is_held_against_the_fix() {
    let upstream = Upstream::with(&["4.20.5"]);
    let own = |image: &str| {
        dump(&upstream, &cluster(&[("image-overrides", &format!("etcd={image}"))]));
    };
    let base = upstream.component(Image::new("4.20", RELEASED));
    own(&format!("{ORIGIN}/ocp-v4.0-art-dev@{base}"));
    upstream.plan(&etcd(), &GIVEN).success();

    own(&format!("{ORIGIN}/ocp-v4.0-art-dev:4.20"));
    let says = ["which a tag names"];
    refused(upstream.plan(&etcd(), &GIVEN), "effective-image/aws/4.20/mutable", &says);

    own(&upstream.fix(Image::new("hotfix", FIX)));
    let id = "effective-image/aws/4.20.5/other-base";
    let says = ["whatever else is in the annotated image would be lost"];
    refused(upstream.plan(&etcd(), &GIVEN), id, &says);
    upstream.plan(&also_waiving(&etcd(), id), &GIVEN).success();
    // A finished image holds all that it is to hold.
    let whole = finished(&etcd(), &upstream.fix(Image::new("fix", FIX)));
    upstream.plan(&whole, &GIVEN).success();

    let more = [&LABELS[..], &["control-plane-operator-creates-aws-sg"]].concat();
    let three = &["amd64", "arm64", "s390x"];
    let other =
        upstream.fix(Image { labels: &more, architectures: three, ..Image::new("more", FIX) });
    own(&other);
    let short = &other.rsplit_once(':').unwrap().1[..12];
    let lost = format!("labels/{short}/control-plane-operator-creates-aws-sg");
    refused(upstream.plan(&whole, &GIVEN), &lost, &["is lost"]);
    let says = ["which is for linux/s390x, and the patched image is not"];
    refused(upstream.plan(&whole, &GIVEN), "architecture/aws/4.20.5", &says);

    own(&format!("{ORIGIN}/fixes@sha256:{}", "0".repeat(64)));
    let says = ["which cannot be read"];
    refused(upstream.plan(&whole, &GIVEN), "effective-image/unreadable/ocm/a", &says);
}

/// An effective image that a tag names, where the fix is written to single clusters.
#[test]
fn an_override_by_tag_under_a_fix_for_single_clusters() {
    let upstream = Upstream::with(&["4.20.5"]);
    upstream.fix(Image::new("hotfix", FIX));
    let overrides = format!(
        "platforms:\n  aws:\n    overrides:\n    - version: 4.20.5\n      cpoImage: {ORIGIN}/fixes:hotfix\n"
    );
    upstream.file("overrides.yaml", &overrides);
    let given = ["--overrides", "overrides.yaml"];
    let id = "effective-image/aws/4.20/mutable";
    upstream.plan(&request(AFFECTED), &given).success();
    assert_eq!(finding(&upstream.written(), id)["level"], "warning");
    let single = format!("{}delivery: controlPlaneOperatorImage\n", request(AFFECTED));
    refused(upstream.plan(&single, &given), id, &["which a tag names"]);
}

/// `konnectivity-agent-image` beats `image-overrides`, as other annotations of single components do.
#[test]
fn an_annotation_for_one_component() {
    for (tag, annotation) in [
        ("apiserver-network-proxy", "konnectivity-agent-image"),
        ("apiserver-network-proxy", "konnectivity-server-image"),
        ("cluster-autoscaler", "cluster-autoscaler-image"),
        ("aws-kms-encryption-provider", "aws-kms-provider-image"),
        ("cluster-capi-controllers", "capi-manager-image"),
    ] {
        let upstream = Upstream::new();
        let base = upstream.component(Image::new("4.20", RELEASED));
        let tags = [(tag, base.as_str(), RELEASED)];
        upstream.payload_of("4.20.5", "4.20.5-multi", &["amd64", "arm64"], &tags);
        let image = upstream.fix(Image::new("hotfix", FIX));
        dump(&upstream, &cluster(&[(annotation, &image)]));
        let named = format!("component: {tag}\ndelivery: imageOverrides");
        let request = but(&etcd(), "component: etcd", &named);
        let id = "effective-image/aws/4.20.5/other-base";
        refused(upstream.plan(&request, &GIVEN), id, &["ocm/a", "runs"]);
        let said = finding(&upstream.written(), "delivery/aws/4.20/beaten");
        assert!(said["message"].as_str().unwrap().contains(annotation), "{said}");
    }
}
