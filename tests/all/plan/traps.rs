//! What HyperShift does without a word, each as a request that is refused, or that a plan says.

use super::upstream::{FIX, Image, LABELS, ORIGIN, Upstream, but, refused, request, waiving};

const AFFECTED: &str = "{platform: AWS, introduced: 4.20.5, fixedIn: 4.20.6}";

/// `image-overrides: hypershift=...` does nothing, although payloads have the tag.
#[test]
fn an_entry_that_has_no_effect() {
    let upstream = Upstream::with(&["4.20.5"]);
    let with = |delivery: &str| format!("{}delivery: {delivery}\n", request(AFFECTED));
    let output = upstream.plan(&with("imageOverrides"), &[]);
    refused(
        output,
        "delivery/aws/4.20/no-effect",
        &["is ignored without a word", "use overridesYaml or controlPlaneOperatorImage"],
    );
    upstream.plan(&with("overridesYaml"), &[]).success();
}

/// A key of `image-overrides` that no payload has is ignored: `kube-apiserver` is a workload, its
/// image is `hyperkube`.
#[test]
fn a_tag_that_no_payload_has() {
    let upstream = Upstream::with(&["4.20.5"]);
    let with = |component: &str| {
        but(&request(AFFECTED), "component: hypershift", &format!("component: {component}"))
    };
    let output = upstream.plan(&with("kube-apiservers"), &[]).code(11);
    for says in ["request.yaml", "`kube-apiservers`", "did you mean `kube-apiserver`"] {
        assert!(output.stderr.contains(says), "no `{says}` in {output}");
    }
    assert!(!upstream.bench.path("plan.json").exists(), "what cannot be resolved leaves no plan");
    // The workload's own name is enough; that it means another tag is said.
    let request = waiving(&with("kube-apiserver"), "delivery/aws/4.20/survives-upgrade");
    upstream.plan(&request, &[]).success();
    assert_eq!(upstream.written()["component"], "hyperkube");
}

/// Without `skips-haproxy` every customer node is replaced.
#[test]
fn a_lost_label() {
    let upstream = Upstream::with(&["4.20.5"]);
    let base = upstream.component(Image::new("4.20", super::upstream::RELEASED));
    let short = &base["sha256:".len()..][..12];
    let finished = |labels: &[&str]| {
        let image = upstream.fix(Image { labels, ..Image::new("fix", FIX) });
        but(
            &request(AFFECTED),
            "files: [{path: /usr/bin/app, from: app}]",
            &format!("image: {image}"),
        )
    };
    refused(
        upstream.plan(&finished(&LABELS[1..]), &[]),
        &format!("labels/{short}/control-plane-operator-skips-haproxy"),
        &["every customer node is replaced", "with the labels of what it replaces"],
    );
    upstream.plan(&finished(&LABELS), &[]).success();
}

/// An annotation is not keyed by version: after the customer's upgrade it keeps the old image.
#[test]
fn an_annotation_that_outlives_an_upgrade() {
    let upstream = Upstream::with(&["4.20.5"]);
    let etcd = but(&request(AFFECTED), "component: hypershift", "component: etcd");
    let id = "delivery/aws/4.20/survives-upgrade";
    let says = ["after the customer's upgrade from 4.20", "have somebody waive this"];
    refused(upstream.plan(&etcd, &[]), id, &says);
    upstream.plan(&waiving(&etcd, id), &[]).success();
    let waived = &upstream.written()["findings"];
    let finding = waived.as_array().unwrap().iter().find(|f| f["id"] == id).unwrap();
    assert_eq!(finding["waiver"]["by"], "lena");
}

/// What runs is what the deployed operator's overrides.yaml names, not the payload's image.
#[test]
fn what_runs_is_patched() {
    let upstream = Upstream::with(&["4.20.5"]);
    let hotfix = upstream.fix(Image::new("hotfix", &"2".repeat(40)));
    let overrides = format!(
        "platforms:\n  azure:\n    overrides:\n    - version: 4.20.5\n      cpoImage: {ORIGIN}/fixes:none\n  aws:\n    overrides:\n    - version: 4.20.5\n      cpoImage: {hotfix}\n"
    );
    upstream.file("overrides.yaml", &overrides);
    upstream.plan(&request(AFFECTED), &["--overrides", "overrides.yaml"]).success();
    let plan = upstream.written();
    let base = &plan["bases"][0];
    assert_eq!(base["origin"], "overridesYaml");
    assert_eq!(base["commit"], "2".repeat(40));
    assert!(hotfix.ends_with(base["digest"].as_str().unwrap()));
    assert_eq!(plan["inputs"][0]["name"], "overrides");
}

/// Where a proxy leads to the API server, the image of the control plane operator stands in every
/// node's configuration.
#[test]
fn a_proxied_cluster() {
    let upstream = Upstream::with(&["4.20.5", "4.20.6"]);
    let cluster = |access: &str| {
        let cluster = serde_json::json!({
            "apiVersion": "hypershift.openshift.io/v1beta1",
            "kind": "HostedCluster",
            "metadata": {"namespace": "ocm", "name": "a"},
            "spec": {
                "release": {"image": format!("{ORIGIN}/ocp-release:4.20.5-multi")},
                "platform": {"type": "AWS", "aws": {"endpointAccess": access}},
                "configuration": {"proxy": {"httpsProxy": "http://proxy.example:3128"}},
            },
            "status": {"version": {"history": [{"state": "Completed", "version": "4.20.5"}]}},
        });
        upstream.file("cluster.json", &cluster.to_string());
    };
    let given = ["--clusters", "cluster.json"];
    let id = "impact/aws/4.20/proxied";
    cluster("Public");
    let output = upstream.plan(&request(AFFECTED), &given);
    refused(output, id, &["ocm/a", "every node of theirs is replaced", "leave their versions out"]);
    upstream.plan(&waiving(&request(AFFECTED), id), &given).success();
    let others = "{platform: AWS, introduced: 4.20.5, fixedIn: 4.20.7, versions: [4.20.5, 4.20.6], excluded: [{version: 4.20.5, reason: proxied}]}";
    upstream.plan(&request(others), &given).success();
    assert_eq!(upstream.versions("covered"), ["4.20.6"]);
    cluster("Private");
    upstream.plan(&request(AFFECTED), &given).success();
}

/// An annotated cluster is shadowed from every entry for the fleet.
#[test]
fn a_cluster_with_an_image_of_its_own() {
    let upstream = Upstream::with(&["4.20.5"]);
    let dump = serde_json::json!({"kind": "List", "items": [{
        "kind": "HostedCluster",
        "metadata": {"namespace": "ocm", "name": "a", "annotations": {
            "hypershift.openshift.io/control-plane-operator-image": "quay.io/a/b:x",
        }},
        "spec": {
            "release": {"image": format!("{ORIGIN}/ocp-release:4.20.5-multi")},
            "platform": {"type": "AWS"},
        },
    }]});
    upstream.file("clusters.json", &dump.to_string());
    upstream.plan(&request(AFFECTED), &["--clusters", "clusters.json"]).success();
    let plan = upstream.written();
    let ids: Vec<&str> =
        plan["findings"].as_array().unwrap().iter().map(|f| f["id"].as_str().unwrap()).collect();
    assert!(ids.contains(&"effective-image/aws/4.20/shadowed"), "{ids:?}");
}

/// overrides.yaml reaches every matching cluster of an operator at once.
#[test]
fn waves_that_overrides_yaml_cannot_give() {
    let upstream = Upstream::with(&["4.20.5"]);
    let waves = "rollout: {waves: [{name: canary, percent: 5}, {name: all, percent: 100}]}\n";
    let table = [
        (waves, "waves"),
        ("rollout: {maxParallel: 3}\n", "max-parallel"),
        ("targets: {include: [{label: canary=true}]}\n", "targets"),
        ("targets: {exclude: [{clusterId: a-b-c}]}\n", "targets"),
    ];
    for (wanted, name) in table {
        let request = format!("{}{wanted}", request(AFFECTED));
        let id = format!("delivery/aws/4.20/{name}");
        refused(upstream.plan(&request, &[]), &id, &["at once, with the operator's release"]);
        upstream.plan(&waiving(&request, &id), &[]).success();
    }
    for all in ["rollout: {waves: [{name: all, percent: 100}]}\n", "rollout: {maxFailures: 1}\n"] {
        upstream.plan(&format!("{}{all}", request(AFFECTED)), &[]).success();
    }
    let single = format!("{}{waves}delivery: controlPlaneOperatorImage\n", request(AFFECTED));
    let single = waiving(&single, "delivery/aws/4.20/survives-upgrade");
    upstream.plan(&single, &[]).success();
}
