//! Clusters that name their release where it is mirrored.

use fleetfix_tests::lab::{Lab, Place};
use fleetfix_tests::registry::Kind;
use serde_json::json;

/// The version of such a cluster is that of the release, though its status says nothing yet.
#[test]
fn a_cluster_that_names_a_mirror() {
    let lab = Lab::new(Place::Registry(Kind::Olareg));
    let shadowed = |release: String| {
        let cluster = json!({
            "apiVersion": "hypershift.openshift.io/v1beta1",
            "kind": "HostedCluster",
            "metadata": {"namespace": "ocm", "name": "a", "annotations": {
                "hypershift.openshift.io/control-plane-operator-image": "quay.io/a/b:x",
            }},
            "spec": {"release": {"image": release}, "platform": {"type": "AWS"}},
        });
        std::fs::write(lab.bench.path("cluster.json"), cluster.to_string()).unwrap();
        let args = ["--request", "request.yaml", "--plan", "plan.json", "--clusters"];
        let more = ["cluster.json", &lab.mirror()];
        lab.bench.run("fleetfix-plan", [&args[..], &more].concat()).success();
        let plan = lab.json("plan.json");
        let findings = plan["findings"].as_array().unwrap();
        let ids: Vec<&str> = findings.iter().map(|f| f["id"].as_str().unwrap()).collect();
        let of = |id: &str| ids.contains(&id);
        (of("effective-image/aws/4.20/shadowed"), of("effective-image/unclear"))
    };
    let release = |place: &str| format!("{place}/ocp-release:4.20.1-multi");
    assert_eq!(shadowed(release(&lab.at("mirror"))), (true, false));
    assert_eq!(shadowed(release("elsewhere.example")), (false, true));
}
