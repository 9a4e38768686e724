//! Reading the update graph.

use std::time::{Duration, Instant};

use fleetfix_hypershift::Error;
use fleetfix_hypershift::coverage::{self, Known, paths};
use fleetfix_hypershift::graph::{Graph, next_lines};
use fleetfix_model::{Class, Classify, ToCanonical};
use serde_json::json;

use crate::support::{blocking, channel, graph, request, version, z_streams};

#[test]
fn channels_are_one_graph_in_any_order() {
    let (a, b) = (z_streams("4.20", 0..4, &[]), z_streams("4.20", 2..6, &[]));
    let stable = channel(&a, &[("4.20.0", "4.20.1"), ("4.20.1", "4.20.3")], &[]);
    let fast = channel(&b, &[("4.20.2", "4.20.5")], &[("4.20.3", "4.20.4"), ("4.20.2", "4.20.4")]);
    let one = graph(&[stable.clone(), fast.clone()]);
    assert_eq!(one.versions().len(), 6);
    assert_eq!(one.edge_count(), 5);
    // The other way round, and with the nodes of each shuffled.
    let mut reversed: Vec<String> = b.clone();
    reversed.reverse();
    let shuffled =
        channel(&reversed, &[("4.20.2", "4.20.5")], &[("4.20.2", "4.20.4"), ("4.20.3", "4.20.4")]);
    let other = graph(&[shuffled, stable]);
    assert_eq!(one, other);
    assert_eq!(one.to_canonical().unwrap(), other.to_canonical().unwrap());

    let edges: Vec<String> = one
        .edges_from(&version("4.20.2"))
        .map(|edge| format!("{} {:?}", edge.to, edge.risks))
        .collect();
    assert_eq!(edges, [r#"4.20.4 {"SomeRisk"}"#, "4.20.5 {}"]);
    assert_eq!(one.edges_from(&version("4.20.9")).count(), 0);
    assert_eq!(one.line("4.20".parse().unwrap()).len(), 6);
    assert_eq!(one.line("4.19".parse().unwrap()).len(), 0);
    assert!(
        one.payload(&version("4.20.1"))
            .unwrap()
            .to_string()
            .starts_with("quay.io/ocp/release@sha256:")
    );
}

#[test]
fn an_edge_that_one_channel_offers_without_condition_has_none() {
    let versions = z_streams("4.20", 0..2, &[]);
    let free = channel(&versions, &[("4.20.0", "4.20.1")], &[]);
    let risky = channel(&versions, &[], &[("4.20.0", "4.20.1")]);
    for documents in [[free.clone(), risky.clone()], [risky, free]] {
        let graph = graph(&documents);
        assert!(graph.edges_from(&version("4.20.0")).all(|edge| edge.risks.is_empty()));
    }
}

#[test]
fn prereleases_are_exact_strings() {
    let versions = ["4.20.0-rc.1", "4.20.0-ec.0", "4.20.0"].map(String::from);
    let graph = graph(&[channel(&versions, &[("4.20.0-ec.0", "4.20.0-rc.1")], &[])]);
    let sorted: Vec<String> = graph.versions().map(ToString::to_string).collect();
    assert_eq!(sorted, ["4.20.0-ec.0", "4.20.0-rc.1", "4.20.0"]);
    assert!(!graph.contains(&version("4.20.0-rc.1+build")));
}

#[test]
fn malformed_graphs_are_refused() {
    let two = json!([{"version": "4.20.0"}, {"version": "4.20.1"}]);
    let table = [
        ("", "update graph bad"),
        ("[]", "update graph bad"),
        (r#"{"nodes":[],"nodes":[]}"#, "update graph bad"),
        (r#"{"nodes":[{"version":"4.20"}]}"#, "update graph bad"),
        (r#"{"nodes":[{"version":"4.20.0","payload":"not a reference!"}]}"#, "update graph bad"),
        (
            r#"{"nodes":[{"version":"4.20.0"},{"version":"4.20.0"}]}"#,
            "update graph bad: version 4.20.0 is there twice",
        ),
        (
            &json!({"nodes": two, "edges": [[0, 2]]}).to_string(),
            "update graph bad: edge [0,2]: there is no node 2 of 2",
        ),
        (&json!({"nodes": two, "edges": [[-1, 0]]}).to_string(), "update graph bad"),
        (
            &json!({"nodes": two, "conditionalEdges": [{"edges": [{"from": "4.20.0", "to": "4.20.9"}]}]}).to_string(),
            "update graph bad: conditional edge 4.20.0 to 4.20.9: there is no version 4.20.9",
        ),
    ];
    for (text, expected) in table {
        let error = Graph::read([("bad", text.as_bytes())]).unwrap_err();
        assert!(error.to_string().starts_with(expected), "{text}: {error}");
        assert_eq!(error.class(), Class::Input);
    }
}

#[test]
fn two_payloads_for_one_version_are_of_two_architectures() {
    let one = json!({"nodes": [{"version": "4.20.0", "payload": "quay.io/a/b:x86"}]}).to_string();
    let other = json!({"nodes": [{"version": "4.20.0", "payload": "quay.io/a/b:arm"}]}).to_string();
    let none = json!({"nodes": [{"version": "4.20.0"}]}).to_string();
    let read = |texts: &[&String]| Graph::read(texts.iter().map(|text| ("g", text.as_bytes())));
    let error = read(&[&one, &other]).unwrap_err();
    assert!(matches!(error, Error::GraphPayloads { .. }), "{error}");
    assert!(error.to_string().contains("quay.io/a/b:arm, and quay.io/a/b:x86 in another graph"));
    for texts in [[&one, &none], [&none, &one]] {
        assert!(read(&texts).unwrap().payload(&version("4.20.0")).is_some());
    }
}

/// 2,000 versions and 60,000 edges: 20 release lines of 100 z-streams, each z-stream to the 30 that
/// follow it, all of it covered.
#[test]
fn a_large_graph_is_judged_in_no_time() {
    let minors: Vec<String> = (1..=20).map(|minor| format!("4.{minor}")).collect();
    let versions: Vec<String> = minors.iter().flat_map(|m| z_streams(m, 0..100, &[])).collect();
    let mut edges = Vec::new();
    for from in 0..versions.len() {
        for to in from + 1..(from + 31).min(versions.len()) {
            edges.push(json!([from, to]));
        }
    }
    assert!(edges.len() > 59_000);
    let nodes: Vec<_> = versions.iter().map(|v| json!({"version": v})).collect();
    let text = json!({"nodes": nodes, "edges": edges}).to_string();
    let entries: Vec<String> = minors
        .iter()
        .flat_map(|m| {
            ["AWS", "Azure"]
                .map(|p| format!("{{platform: {p}, introduced: {m}.0, fixedIn: {m}.120}}"))
        })
        .collect();
    let lines: Vec<&str> = minors.iter().map(String::as_str).collect();
    let request = request(
        &lines,
        &format!(
            "affected: [{}]\nunaffected: [{{minor: '4.21', reason: not released}}]",
            entries.join(", ")
        ),
    );

    let start = Instant::now();
    let graph = Graph::read([("g", text.as_bytes())]).unwrap();
    let known = Known { graph: Some(&graph), ..Known::default() };
    let expanded = coverage::expand(&request, &known).unwrap();
    let found = paths::judge(&request, &expanded.coverage, &graph).unwrap();
    let took = start.elapsed();
    assert!(blocking(&found).is_empty(), "{found:?}");
    // 100 released, 20 unreleased and the first fixed one, of 20 lines on two platforms.
    assert_eq!(expanded.coverage.len(), 121 * 20 * 2);
    // Without optimisation, beside other tests; what is quadratic takes minutes.
    assert!(took < Duration::from_secs(20), "{took:?}");
}

/// Versions, edges between them, and the lines after 4.20.
type After =
    (&'static [&'static str], &'static [(&'static str, &'static str)], &'static [&'static str]);

#[test]
fn the_lines_after_a_line() {
    let table: [After; 6] = [
        (&["4.20.0"], &[], &[]),
        (&["4.20.0", "4.21.0"], &[], &["4.21"]),
        (&["4.20.0", "5.0.0"], &[], &["5.0"]),
        (&["4.20.0", "4.21.0", "5.0.0"], &[("4.20.0", "5.0.0")], &["5.0"]),
        (&["4.19.0", "4.20.0", "4.22.0"], &[("4.19.0", "4.20.0")], &[]),
        (&["4.20.0", "4.21.0", "5.0.0"], &[], &["4.21", "5.0"]),
    ];
    for (versions, edges, expected) in table {
        let versions: Vec<String> = versions.iter().map(|v| (*v).to_owned()).collect();
        let graph = graph(&[channel(&versions, edges, &[])]);
        let after = graph.lines_after("4.20".parse().unwrap());
        let told: Vec<String> = after.iter().map(ToString::to_string).collect();
        assert_eq!(told, expected, "{versions:?} {edges:?}");
    }
    let last = version(&format!("{0}.{0}.0", u64::MAX)).minor();
    assert_eq!(next_lines(last).count(), 0);
}
