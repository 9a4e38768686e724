//! What is planned from: payloads as a release has them, an update graph as large as that of all
//! channels, and a request that covers four release lines.

use std::fmt::Write as _;
use std::fs;
use std::path::Path;

use serde_json::{Value, json};

use super::layout::Layout;
use crate::failure::Failure;

/// Where names of release images start.
pub(super) const ORIGIN: &str = "quay.io/openshift-release-dev";
/// Components of a payload; 4.20 has some 190.
pub(super) const COMPONENTS: usize = 190;
/// Payloads that are read: every z-stream of the covered lines.
pub(super) const PAYLOADS: usize = 200;

const LINES: usize = 40;
const Z_STREAMS: usize = 50;
const EDGES: usize = 60_000;
/// The covered release lines.
const COVERED: std::ops::Range<usize> = 16..20;
const ARCHITECTURES: [&str; 4] = ["amd64", "arm64", "ppc64le", "s390x"];
const FIX: &str = "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa";

/// What was written.
pub(super) struct Upstream {
    pub(super) nodes: usize,
    pub(super) edges: usize,
}

impl Upstream {
    /// Writes `mirror/`, `graph.json`, `request.yaml` and the file that it names.
    pub(super) fn write(dir: &Path) -> Result<Self, Failure> {
        let mirror = dir.join("mirror");
        let mut releases = Layout::create(&mirror.join("ocp-release"))?;
        let components = Layout::create(&mirror.join("ocp-v4.0-art-dev"))?;
        for (line, z) in COVERED.flat_map(|line| (0..Z_STREAMS).map(move |z| (line, z))) {
            payload(&mut releases, &components, &format!("4.{line}.{z}"))?;
        }
        releases.finish()?;
        components.finish()?;
        let (graph, edges) = graph();
        for (name, text) in
            [("graph.json", graph), ("request.yaml", request()), ("app", "fixed".to_owned())]
        {
            let file = dir.join(name);
            fs::write(&file, text).map_err(Failure::at(&file))?;
        }
        Ok(Self { nodes: LINES * Z_STREAMS, edges })
    }
}

/// A payload for four architectures, and its own image of the component.
fn payload(releases: &mut Layout, components: &Layout, version: &str) -> Result<(), Failure> {
    let labels = json!({
        "vcs-ref": "1111111111111111111111111111111111111111",
        "io.openshift.hypershift.restricted-psa": "true",
        "io.openshift.hypershift.control-plane-operator-skips-haproxy": "true",
    });
    let layer = components.layer(&[("usr/bin/app", version)])?;
    let image = components.image(&ARCHITECTURES, &labels, &[layer])?;
    let digest = image.get("digest").and_then(Value::as_str).unwrap_or_default();
    let tag = |name: &str| {
        json!({
            "name": name,
            "annotations": {
                "io.openshift.build.commit.id": "1111111111111111111111111111111111111111",
                "io.openshift.build.commit.ref": "",
                "io.openshift.build.source-location": format!("https://github.com/openshift/{name}"),
            },
            "from": {"kind": "DockerImage", "name": format!("{ORIGIN}/ocp-v4.0-art-dev@{digest}")},
            "generation": 2, "importPolicy": {}, "referencePolicy": {"type": "Source"},
        })
    };
    let mut tags: Vec<Value> =
        (1..COMPONENTS).map(|i| tag(&format!("component-of-the-release-{i}"))).collect();
    tags.push(tag("hypershift"));
    let references =
        json!({"kind": "ImageStream", "metadata": {"name": version}, "spec": {"tags": tags}});
    let metadata = json!({"kind": "cincinnati-metadata-v0", "version": version});
    let layer = releases.layer(&[
        ("release-manifests/image-references", &format!("{references:#}")),
        ("release-manifests/release-metadata", &metadata.to_string()),
    ])?;
    let index = releases.image(&ARCHITECTURES, &json!({}), &[layer])?;
    releases.tag(&format!("{version}-multi"), index);
    Ok(())
}

/// From every version to each later one of its line, and to as many of the next line as it takes.
fn graph() -> (String, usize) {
    let index = |line: usize, z: usize| line * Z_STREAMS + z;
    let all = || (0..LINES).flat_map(|line| (0..Z_STREAMS).map(move |z| (line, z)));
    let mut edges: Vec<[usize; 2]> = all()
        .flat_map(|(line, z)| (z + 1..Z_STREAMS).map(move |to| [index(line, z), index(line, to)]))
        .collect();
    let next = (0..Z_STREAMS).flat_map(|step| {
        all()
            .filter(|(line, _)| line + 1 < LINES)
            .map(move |(line, z)| [index(line, z), index(line + 1, (z + step) % Z_STREAMS)])
    });
    let missing = EDGES.saturating_sub(edges.len());
    edges.extend(next.take(missing));
    let nodes: Vec<Value> = all()
        .map(|(line, z)| {
            json!({
                "version": format!("4.{line}.{z}"),
                "metadata": {"url": "https://access.redhat.com/errata/RHBA-2026:0000"},
            })
        })
        .collect();
    let count = edges.len();
    let graph = json!({"version": 1, "nodes": nodes, "edges": edges, "conditionalEdges": []});
    (graph.to_string(), count)
}

fn request() -> String {
    let mut text = String::from(
        "apiVersion: fleetfix.openshift.io/v1alpha1\nkind: FixRequest\ntickets: [OCPBUGS-1]\ncomponent: hypershift\nfixes:\n",
    );
    // Writing to a string does not fail.
    for line in COVERED {
        let _ = writeln!(
            text,
            "- {{minor: '4.{line}', commit: {FIX}, files: [{{path: /usr/bin/app, from: app}}]}}"
        );
    }
    text.push_str("affected:\n");
    for line in COVERED {
        let _ = writeln!(
            text,
            "- {{platform: AWS, introduced: 4.{line}.0, fixedIn: 4.{line}.{Z_STREAMS}}}"
        );
    }
    let after = COVERED.end;
    let _ = writeln!(
        text,
        "unaffected: [{{minor: '4.{after}', reason: has the fix from its first version on}}]\npayloadTemplates: ['{ORIGIN}/ocp-release:{{version}}-multi']"
    );
    text
}
