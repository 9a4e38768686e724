//! Which crate may use which: the arrows of the design, held over `cargo metadata`.

use std::collections::{BTreeMap, BTreeSet};
use std::process::Command;

use fleetfix_tests::tools::repository;
use serde_json::Value;

/// Each crate and the crates of ours that it may depend on. Arrows point down only: a crate may
/// name what stands above it in this table, and no other.
const ARROWS: &[(&str, &[&str])] = &[
    ("fleetfix-model", &[]),
    ("fleetfix-hypershift", &["model"]),
    ("fleetfix-source", &["model"]),
    ("fleetfix-oci", &["model"]),
    ("fleetfix-program", &["model"]),
    ("fleetfix-registry", &["model", "oci"]),
    ("fleetfix-release", &["model", "oci", "registry"]),
    ("fleetfix-trust", &["model"]),
    ("fleetfix-signer", &["model", "trust"]),
    ("fleetfix-audit", &["model", "oci", "registry", "trust"]),
    ("fleetfix-task", &["model"]),
    (
        "fleetfix-plan",
        &["audit", "hypershift", "model", "program", "registry", "release", "source", "task"],
    ),
    ("fleetfix-patch", &["model", "oci", "program", "registry", "task"]),
    ("fleetfix-sign", &["model", "registry", "signer", "task", "trust"]),
    ("fleetfix-attest", &["model", "oci", "registry", "signer", "task", "trust"]),
    ("fleetfix-bundle", &["model", "registry", "task", "trust"]),
    ("fleetfix-publish", &["audit", "hypershift", "model", "registry", "signer", "task", "trust"]),
    ("fleetfix-verify", &["audit", "model", "registry", "task", "trust"]),
    (
        "fleetfix",
        &[
            "attest",
            "audit",
            "bundle",
            "hypershift",
            "model",
            "oci",
            "patch",
            "plan",
            "publish",
            "registry",
            "release",
            "sign",
            "signer",
            "source",
            "task",
            "trust",
            "verify",
        ],
    ),
    ("fleetfix-testkit", &["model"]),
    ("fleetfix-fuzz", &["model", "oci", "program"]),
    ("fleetfix-tests", &["testkit"]),
    ("xtask", &[]),
];

/// What a crate can never reach, however far the way.
const NEVER: &[(&str, &[&str])] = &[
    ("fleetfix-model", &["tokio", "reqwest"]),
    ("fleetfix-hypershift", &["tokio", "reqwest"]),
    ("fleetfix-source", &["tokio", "reqwest"]),
    ("fleetfix-oci", &["tokio", "reqwest"]),
    ("fleetfix-program", &["tokio", "reqwest"]),
    ("fleetfix-audit", &["fleetfix-signer"]),
    ("fleetfix-verify", &["fleetfix-signer"]),
    ("fleetfix-task", &["reqwest"]),
    ("xtask", &["tokio", "reqwest"]),
];

/// Direct dependencies of each package in the tree, without those of tests.
type Graph = BTreeMap<String, BTreeSet<String>>;

#[test]
fn arrows_point_down() {
    let graph = graph();
    let ours: BTreeSet<&str> = ARROWS.iter().map(|(name, _)| *name).collect();
    let members: BTreeSet<&str> =
        graph.keys().map(String::as_str).filter(|name| is_ours(name)).collect();
    assert_eq!(members, ours, "every crate of the workspace has its line in the table");
    for (index, (name, allowed)) in ARROWS.iter().enumerate() {
        let above: BTreeSet<&str> = ARROWS[..index].iter().map(|(name, _)| *name).collect();
        let allowed: BTreeSet<String> =
            allowed.iter().map(|name| format!("fleetfix-{name}")).collect();
        assert!(
            allowed.iter().all(|name| above.contains(name.as_str())),
            "{name}: an arrow points up"
        );
        let used: BTreeSet<String> =
            graph[*name].iter().filter(|name| is_ours(name)).cloned().collect();
        assert_eq!(used, allowed, "{name}: what it depends on, and what the table lets it");
    }
}

#[test]
fn what_must_not_be_reached_is_not() {
    let graph = graph();
    for (name, forbidden) in NEVER {
        for target in *forbidden {
            if let Some(way) = way(&graph, name, target) {
                panic!("{name} reaches {target}: {}", way.join(" -> "));
            }
        }
    }
    // The search finds what is there, or the lines above hold nothing.
    assert!(way(&graph, "fleetfix-verify", "reqwest").is_some());
    assert!(way(&graph, "fleetfix-publish", "fleetfix-signer").is_some());
}

#[test]
fn no_package_is_published_and_all_share_version_and_lints() {
    let metadata = metadata();
    for package in metadata["packages"].as_array().unwrap() {
        let name = package["name"].as_str().unwrap();
        if !is_ours(name) {
            continue;
        }
        assert_eq!(package["publish"], serde_json::json!([]), "{name}");
        assert_eq!(package["edition"], "2024", "{name}");
        let manifest = std::fs::read_to_string(package["manifest_path"].as_str().unwrap()).unwrap();
        assert!(manifest.contains("[lints]\nworkspace = true"), "{name}: lints of the workspace");
        assert!(package["description"].is_string(), "{name}: a description");
    }
}

fn is_ours(name: &str) -> bool {
    name == "xtask" || name == "fleetfix" || name.starts_with("fleetfix-")
}

fn metadata() -> Value {
    let cargo = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    let args = ["metadata", "--format-version", "1", "--locked", "--offline"];
    let output =
        Command::new(cargo).args(args).current_dir(repository()).output().expect("cargo runs");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    serde_json::from_slice(&output.stdout).expect("cargo speaks JSON")
}

fn graph() -> Graph {
    let metadata = metadata();
    let names: BTreeMap<&str, &str> = metadata["packages"]
        .as_array()
        .unwrap()
        .iter()
        .map(|package| (package["id"].as_str().unwrap(), package["name"].as_str().unwrap()))
        .collect();
    let mut graph = Graph::new();
    for node in metadata["resolve"]["nodes"].as_array().unwrap() {
        let uses = graph.entry(names[node["id"].as_str().unwrap()].to_owned()).or_default();
        for dependency in node["deps"].as_array().unwrap() {
            let kinds = dependency["dep_kinds"].as_array().unwrap();
            if kinds.iter().any(|kind| kind["kind"] != "dev") {
                uses.insert(names[dependency["pkg"].as_str().unwrap()].to_owned());
            }
        }
    }
    graph
}

/// The packages on the way from one to another.
fn way(graph: &Graph, from: &str, to: &str) -> Option<Vec<String>> {
    let mut todo = vec![vec![from.to_owned()]];
    let mut seen = BTreeSet::new();
    while let Some(path) = todo.pop() {
        let last = path.last()?;
        if last == to {
            return Some(path);
        }
        if seen.insert(last.clone()) {
            todo.extend(
                graph
                    .get(last)
                    .into_iter()
                    .flatten()
                    .map(|next| [&path[..], std::slice::from_ref(next)].concat()),
            );
        }
    }
    None
}
