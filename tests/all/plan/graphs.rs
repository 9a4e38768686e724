//! Update graphs: of several channels, from a server, with conditions, at the end of a major version; and
//! a catalogue of one's own.

use fleetfix_tests::binary::Workbench;
use fleetfix_tests::serve::Directory;
use serde_json::{Value, json};

use super::upstream::{FIX, Upstream, but, finding, graph, refused, request, waiving};

const AFFECTED: &str = "{platform: AWS, introduced: 4.20.5, fixedIn: 4.20.6}";
const GIVEN: [&str; 2] = ["--graph", "graph.json"];

#[test]
fn a_graph_that_ends_with_the_line() {
    let upstream = Upstream::with(&["4.20.5"]);
    upstream.file("graph.json", &graph(&[&["4.20.5", "4.20.6"]], &[]));
    let request = request(AFFECTED);
    let id = "upgrade/4.20/next";
    let says = ["shows no upgrade from 4.20", "the graph of a channel of 4.21 or 5.0"];
    refused(upstream.plan(&request, &GIVEN), id, &says);
    upstream.plan(&waiving(&request, id), &GIVEN).success();
    let newest = format!("{request}unaffected: [{{minor: '4.21', reason: not released}}]\n");
    upstream.plan(&newest, &GIVEN).success();
}

/// Nobody knows which line is the last of its major version: the graph's edges say what follows.
#[test]
fn a_line_that_a_major_version_follows() {
    let upstream = Upstream::with(&["4.20.5"]);
    let edges = [("4.20.5", "5.0.0"), ("4.20.6", "5.0.0")];
    upstream.file("graph.json", &graph(&[&["4.20.5", "4.20.6"], &["5.0.0"]], &edges));
    let request = request(AFFECTED);
    let says = ["from 4.20.5 to 5.0.0", "add AWS 5.0 to `affected`"];
    refused(upstream.plan(&request, &GIVEN), "upgrade/aws/4.20/5.0", &says);
    let output = upstream.plan(&request, &GIVEN).code(10);
    assert!(!output.stderr.contains("upgrade/4.20/next"), "{output}");
    let unaffected = format!("{request}unaffected: [{{minor: '5.0', reason: has the fix}}]\n");
    upstream.plan(&unaffected, &GIVEN).success();
}

/// A number that has no next one is no reason to die.
#[test]
fn the_last_number_there_is() {
    let bench = Workbench::new();
    for version in [format!("4.{}.5", u64::MAX), format!("{0}.{0}.5", u64::MAX)] {
        let overrides = format!(
            "platforms:\n  aws:\n    overrides:\n    - version: {version}\n      cpoImage: quay.io/a/b@sha256:{}\n",
            "1".repeat(64)
        );
        std::fs::write(bench.path("overrides.yaml"), overrides).unwrap();
        bench.run("fleetfix", ["lint", "overrides", "overrides.yaml"]).success();
    }
}

/// An upgrade under a condition is one all the same.
#[test]
fn a_conditional_upgrade_to_a_line_without_the_fix() {
    let upstream = Upstream::with(&["4.20.5"]);
    let mut document: Value =
        serde_json::from_str(&graph(&[&["4.20.5", "4.20.6"], &["4.21.0"]], &[])).unwrap();
    upstream.file("graph.json", &document.to_string());
    upstream.plan(&request(AFFECTED), &GIVEN).success();
    document["conditionalEdges"] = json!([{
        "edges": [{"from": "4.20.5", "to": "4.21.0"}],
        "risks": [{"name": "SlowLogin", "url": "u", "message": "m", "matchingRules": [{"type": "Always"}]}],
    }]);
    upstream.file("graph.json", &document.to_string());
    refused(
        upstream.plan(&request(AFFECTED), &GIVEN),
        "upgrade/aws/4.20/4.21",
        &["from 4.20.5 to 4.21.0", "some of these upgrades are conditional"],
    );
}

/// What one channel lacks another has; in whatever order, from files or a server, it is one graph.
#[test]
fn channels_of_a_server_and_of_files_are_one_graph() {
    let upstream = Upstream::with(&["4.20.5", "4.20.6"]);
    let stable = graph(&[&["4.20.5"]], &[]);
    let fast = graph(&[&["4.20.5", "4.20.6"], &["4.21.0"]], &[("4.20.6", "4.21.0")]);
    std::fs::create_dir(upstream.bench.path("served")).unwrap();
    upstream.file("served/stable", &stable);
    upstream.file("served/fast", &fast);
    let server = Directory::serve(&upstream.bench.path("served"));
    let url = |name: &str| format!("{}/{name}", server.url());
    let request = format!(
        "{}unaffected: [{{minor: '4.21', reason: has the fix}}]\n",
        request("{platform: AWS, introduced: 4.20.5, fixedIn: 4.20.7}")
    );
    upstream.file("stable.json", &stable);
    upstream.file("fast.json", &fast);
    let digest = |given: &[&str]| {
        upstream.plan(&request, given).success();
        assert_eq!(upstream.versions("covered"), ["4.20.5", "4.20.6"]);
        upstream.written()["graph"].as_str().unwrap().to_owned()
    };
    let files = digest(&["--graph", "stable.json", "--graph", "fast.json"]);
    assert_eq!(digest(&["--graph", "fast.json,stable.json"]), files);
    assert_eq!(digest(&["--graph", &url("fast"), "--graph", &url("stable")]), files);
    // A server that has no such channel is no empty graph.
    let none = upstream.plan(&request, &["--graph", &url("eus")]).code(11);
    assert!(none.stderr.contains("/eus"), "{none}");
    let alone = but(&request, "4.20.7}", "4.20.6}");
    upstream.plan(&alone, &["--graph", "stable.json"]).success();
}

/// A prerelease of the first fixed version comes before it, and clusters may run it.
#[test]
fn a_prerelease_that_is_covered() {
    let upstream = Upstream::with(&["4.20.0-rc.1", "4.20.0"]);
    upstream.file("graph.json", &graph(&[&["4.20.0-rc.1", "4.20.0", "4.20.1"], &["4.21.0"]], &[]));
    let request = request("{platform: AWS, introduced: 4.20.0-rc.1, fixedIn: 4.20.1}");
    upstream.plan(&request, &GIVEN).success();
    assert_eq!(upstream.versions("covered"), ["4.20.0-rc.1", "4.20.0"]);
    assert_eq!(upstream.versions("fixedInPayload"), ["4.20.1"]);
}

/// A component that nobody classified blocks, until somebody says what runs it.
#[test]
fn a_catalogue_of_ones_own() {
    let upstream = Upstream::new();
    let image = upstream.component(super::upstream::Image::new("4.20", FIX));
    let tags = [("brand-new", image.as_str(), FIX)];
    upstream.payload_of("4.20.5", "4.20.5-multi", &["amd64", "arm64"], &tags);
    let request = but(&request(AFFECTED), "component: hypershift", "component: brand-new");
    refused(upstream.plan(&request, &[]), "impact/brand-new/unknown", &["not in the catalogue"]);
    let catalogue = json!({
        "source": "ours",
        "components": {"brand-new": {"class": "management-only", "workloads": []}},
        "workloads": {},
    });
    upstream.file("catalogue.json", &catalogue.to_string());
    let given = ["--catalogue", "catalogue.json"];
    let request = waiving(&request, "delivery/aws/4.20/survives-upgrade");
    upstream.plan(&request, &given).success();
    let plan = upstream.written();
    assert_eq!(plan["delivery"][0]["method"], "imageOverrides");
    assert_eq!(plan["inputs"][0]["name"], "catalogue");
    assert_eq!(finding(&plan, "impact/brand-new/own-catalogue")["level"], "warning");
}
