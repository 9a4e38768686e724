//! The same inputs give the same plan: from a layout and from a registry, for one architecture and for
//! several, on another day.

use fleetfix_tests::client::Clients;
use fleetfix_tests::registry::{KINDS, Registry};

use super::upstream::{Image, ORIGIN, RELEASED, Upstream, but, graph, request};

const AFFECTED: &str = "{platform: AWS, introduced: 4.20.5, fixedIn: 4.20.8}";

/// 4.20.5 has a payload for one architecture, 4.20.6 one for several, 4.20.7 both.
fn upstream() -> Upstream {
    let upstream = Upstream::new();
    let several = upstream.component(Image::new("4.20", RELEASED));
    let one =
        upstream.component(Image { architectures: &["amd64"], ..Image::new("one", RELEASED) });
    let tags = |image| ["etcd", "hypershift"].map(|tag| (tag, image, RELEASED));
    let both: &[&str] = &["amd64", "arm64"];
    upstream.payload_of("4.20.5", "4.20.5-x86_64", &["amd64"], &tags(one.as_str()));
    upstream.payload_of("4.20.6", "4.20.6-multi", both, &tags(several.as_str()));
    upstream.payload_of("4.20.7", "4.20.7-multi", both, &tags(several.as_str()));
    upstream.payload_of("4.20.7", "4.20.7-x86_64", &["amd64"], &tags(one.as_str()));
    upstream
        .file("graph.json", &graph(&[&["4.20.5", "4.20.6", "4.20.7", "4.20.8"], &["4.21.0"]], &[]));
    upstream
}

const TAGS: [&str; 4] = ["4.20.5-x86_64", "4.20.6-multi", "4.20.7-multi", "4.20.7-x86_64"];

fn both_templates() -> String {
    let template = format!("'{ORIGIN}/ocp-release:{{version}}-multi'");
    let both = format!("{template}, '{ORIGIN}/ocp-release:{{version}}-x86_64'");
    but(&request(AFFECTED), &template, &both)
}

#[test]
fn layouts_and_registries_give_one_plan() {
    let upstream = upstream();
    let given = ["--graph", "graph.json"];
    upstream.plan(&both_templates(), &given).success();
    let expected = std::fs::read(upstream.bench.path("plan.json")).unwrap();
    let plan = upstream.written();
    assert_eq!(plan["bases"].as_array().unwrap().len(), 2, "one architecture is another image");
    let clients = Clients::new();
    for kind in KINDS {
        let registry = Registry::start(kind);
        let place = registry.repository("mirror");
        let layout = |name: &str| format!("oci:{}", upstream.mirror().join(name).display());
        for tag in TAGS {
            let from = format!("{}:{tag}", layout("ocp-release"));
            clients.copy(&from, &format!("{place}/ocp-release:{tag}"));
        }
        for name in ["4.20", "one"] {
            let from = format!("{}:{name}", layout("ocp-v4.0-art-dev"));
            clients.copy(&from, &format!("{place}/ocp-v4.0-art-dev:{name}"));
        }
        upstream.file("request.yaml", &both_templates());
        let mirror = format!("{ORIGIN}={place}");
        let args = ["--request", "request.yaml", "--plan", "other.json", "--mirror", &mirror];
        upstream.bench.run("fleetfix-plan", [&args[..], &given].concat()).success();
        let found = std::fs::read(upstream.bench.path("other.json")).unwrap();
        assert_eq!(String::from_utf8_lossy(&found), String::from_utf8_lossy(&expected), "{kind:?}");
    }
}

#[test]
fn a_list_a_mapping_a_template_and_the_graph_name_the_same_payloads() {
    let upstream = upstream();
    let covered = |request: &str, given: &[&str]| {
        upstream.plan(request, given).success();
        let plan = upstream.written();
        let rows = plan["rows"].as_array().unwrap().clone();
        (rows, plan["bases"].clone())
    };
    let release = |tag: &str| format!("{ORIGIN}/ocp-release:{tag}");
    let template =
        but(&both_templates(), "fixedIn: 4.20.8", "fixedIn: 4.20.8, versions: [4.20.6, 4.20.7]")
            .replace("introduced: 4.20.5", "introduced: 4.20.6");
    let expected = covered(&template, &[]);
    let bare = template.split("payloadTemplates:").next().unwrap();

    let listed = format!(
        "{bare}payloads:\n- {{version: 4.20.6, image: '{}'}}\n- {{version: 4.20.7, image: '{}'}}\n- {{version: 4.20.7, image: '{}'}}\n",
        release(TAGS[1]),
        release(TAGS[2]),
        release(TAGS[3])
    );
    assert_eq!(covered(&listed, &[]), expected);

    let mapping = format!(
        "4.20.6: {}\n4.20.7: ['{}', '{}']\n",
        release(TAGS[1]),
        release(TAGS[3]),
        release(TAGS[2])
    );
    upstream.file("payloads.yaml", &mapping);
    assert_eq!(covered(bare, &["--payloads", "payloads.yaml"]), expected);
    let more = upstream.plan(
        &but(bare, "4.20.6, 4.20.7", "4.20.6, 4.20.7, 4.20.6-rc.1")
            .replace("introduced: 4.20.6", "introduced: 4.20.6-rc.1"),
        &["--payloads", "payloads.yaml"],
    );
    assert!(more.code(11).stderr.contains("version 4.20.6-rc.1 has no payload"));
}

#[test]
fn another_day_another_order_the_same_digest() {
    let upstream = upstream();
    let digest = |output: fleetfix_tests::child::Output| {
        output.success().json()["digest"].as_str().unwrap().to_owned()
    };
    let given = ["--graph", "graph.json"];
    let expected = digest(upstream.plan(&both_templates(), &given));

    // A server may list nodes and edges in any order.
    let versions = ["4.21.0", "4.20.8", "4.20.6", "4.20.5", "4.20.7"];
    let nodes: Vec<_> = versions.map(|v| serde_json::json!({"version": v})).into();
    let at = |version: &str| versions.iter().position(|v| *v == version).unwrap();
    let line = ["4.20.5", "4.20.6", "4.20.7", "4.20.8"];
    let mut edges = Vec::new();
    for to in (0..line.len()).rev() {
        edges.extend((0..to).map(|from| [at(line[from]), at(line[to])]));
    }
    upstream.file("other.json", &serde_json::json!({"edges": edges, "nodes": nodes}).to_string());
    let mut later = upstream;
    later.bench = std::mem::take(&mut later.bench).at_time("2031-02-03 04:05:06");
    assert_eq!(digest(later.plan(&both_templates(), &["--graph", "other.json"])), expected);
}
