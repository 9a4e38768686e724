//! Small requests, graphs and bundles.
#![expect(clippy::unwrap_used, reason = "helpers of tests")]

use std::collections::BTreeMap;

use fleetfix_hypershift::coverage::{self, Expanded, Known};
use fleetfix_hypershift::graph::Graph;
use fleetfix_model::document::finding::{Finding, FindingLevel};
use fleetfix_model::document::plan::Status;
use fleetfix_model::document::{self, FixBundle, FixRequest};
use fleetfix_model::{HostedPlatform, Version};
use serde_json::{Value, json};

/// A request with these lines in it; `fixes` for each of `minors`.
pub(crate) fn request(minors: &[&str], lines: &str) -> FixRequest {
    let fixes: Vec<String> = minors
        .iter()
        .map(|minor| {
            let commit = "a".repeat(40);
            format!(
                "{{minor: '{minor}', commit: {commit}, files: [{{path: /usr/bin/app, from: app}}]}}"
            )
        })
        .collect();
    let text = format!(
        "apiVersion: fleetfix.openshift.io/v1alpha1\nkind: FixRequest\ntickets: [OCPBUGS-1]\ncomponent: hypershift\nfixes: [{}]\n{lines}\n",
        fixes.join(", ")
    );
    document::from_yaml("request.yaml", text.as_bytes()).unwrap()
}

/// A document of Cincinnati with these versions and edges between them.
pub(crate) fn channel(
    versions: &[String],
    edges: &[(&str, &str)],
    conditional: &[(&str, &str)],
) -> Value {
    let at = |version: &str| versions.iter().position(|v| v == version).unwrap();
    let node = |version: &String| json!({"version": version, "payload": format!("quay.io/ocp/release@{}", digest(version)), "metadata": {"url": "x"}});
    let risk = |(from, to): &(&str, &str)| json!({"edges": [{"from": from, "to": to}], "risks": [{"name": "SomeRisk", "url": "u", "message": "m", "matchingRules": [{"type": "Always"}]}]});
    json!({
        "version": 1,
        "nodes": versions.iter().map(node).collect::<Vec<_>>(),
        "edges": edges.iter().map(|(from, to)| json!([at(from), at(to)])).collect::<Vec<_>>(),
        "conditionalEdges": conditional.iter().map(risk).collect::<Vec<_>>(),
    })
}

/// The digest of the version's own text.
pub(crate) fn digest(text: &str) -> String {
    fleetfix_model::Digest::of(text.as_bytes()).to_string()
}

pub(crate) fn graph(documents: &[Value]) -> Graph {
    let texts: Vec<String> = documents.iter().map(ToString::to_string).collect();
    Graph::read(texts.iter().map(|text| ("channel", text.as_bytes()))).unwrap()
}

/// `4.20.0` and so on, those of `without` left out.
pub(crate) fn z_streams(minor: &str, range: std::ops::Range<u64>, without: &[u64]) -> Vec<String> {
    range.filter(|z| !without.contains(z)).map(|z| format!("{minor}.{z}")).collect()
}

pub(crate) fn expand(request: &FixRequest, graph: &Graph) -> Expanded {
    let known = Known { graph: Some(graph), ..Known::default() };
    coverage::expand(request, &known).unwrap()
}

pub(crate) fn version(text: &str) -> Version {
    text.parse().unwrap()
}

/// The status of each version on a platform, as `4.20.1 covered`.
pub(crate) fn statuses(expanded: &Expanded, platform: HostedPlatform) -> BTreeMap<String, Status> {
    let of = expanded.coverage.iter().filter(|((p, _), _)| *p == platform);
    of.map(|((_, v), covered)| (v.to_string(), covered.status)).collect()
}

/// The identities of what blocks.
pub(crate) fn blocking(findings: &[Finding]) -> Vec<String> {
    let blocking = findings.iter().filter(|f| f.level == FindingLevel::Blocking);
    blocking.map(|f| f.id.to_string()).collect()
}

/// The finding of that name.
#[track_caller]
pub(crate) fn found<'a>(findings: &'a [Finding], id: &str) -> &'a Finding {
    let ids: Vec<&str> = findings.iter().map(|f| f.id.as_str()).collect();
    let found = findings.iter().find(|f| f.id.as_str() == id);
    assert!(found.is_some(), "{id} is not among {ids:?}");
    found.unwrap()
}

/// An active bundle for AWS.
pub(crate) fn bundle(id: &str, revision: u32, component: &str, versions: &[&str]) -> FixBundle {
    let image = digest(id);
    let affects: Vec<Value> =
        versions.iter().map(|v| json!({"version": v, "image": image})).collect();
    let bundle = json!({
        "apiVersion": "fleetfix.openshift.io/v1alpha1", "kind": "FixBundle",
        "id": id, "revision": revision, "tickets": ["OCPBUGS-1"], "component": component,
        "request": digest("request"), "plan": digest("plan"), "fleet": "registry.example/fleet",
        "images": [{
            "minor": "4.20", "repository": component, "tag": "t",
            "index": {"mediaType": "application/vnd.oci.image.index.v1+json", "digest": image, "size": 1},
            "platforms": [{"platform": "linux/amd64", "manifest": {"mediaType": "application/vnd.oci.image.manifest.v1+json", "digest": digest("m"), "size": 1}}],
            "base": {"repository": "quay.io/ocp/app", "digest": digest("base")},
            "commit": "b".repeat(40), "attestations": [],
        }],
        "affects": [{"platform": "AWS", "minor": "4.20", "introduced": versions[0], "versions": affects}],
        "delivery": [], "impact": [],
        "rollback": {"possible": true, "reason": "the base is there"},
    });
    serde_json::from_value(bundle).unwrap()
}
