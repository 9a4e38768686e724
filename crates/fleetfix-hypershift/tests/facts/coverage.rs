//! Ranges over a graph: what is covered, what is not, and where upgrades lead.

use std::collections::BTreeMap;

use fleetfix_hypershift::Error;
use fleetfix_hypershift::coverage::{self, Known, Seen, frontier, paths};
use fleetfix_model::HostedPlatform::{Aws, Azure};
use fleetfix_model::Timestamp;
use fleetfix_model::document::finding::FindingLevel;
use fleetfix_model::document::plan::Status;
use proptest::prelude::*;

use crate::support::{
    blocking, channel, expand, found, graph, request, statuses, version, z_streams,
};

fn at(text: &str) -> Timestamp {
    text.parse().unwrap()
}

#[test]
fn a_range_has_every_kind_of_row() {
    let graph = graph(&[channel(&z_streams("4.20", 0..10, &[7]), &[], &[])]);
    let request = request(
        &["4.20"],
        "affected: [{platform: AWS, introduced: 4.20.2, fixedIn: 4.20.12, excluded: [{version: 4.20.4, reason: tombstoned}]}]",
    );
    let expanded = expand(&request, &graph);
    let rows = statuses(&expanded, Aws);
    let of = |z: u64| rows.get(&format!("4.20.{z}")).copied();
    assert_eq!(of(0), Some(Status::NotAffected));
    assert_eq!(of(2), Some(Status::Covered));
    assert_eq!(of(4), Some(Status::Gap));
    assert_eq!(of(7), Some(Status::Covered));
    assert_eq!((of(10), of(11)), (Some(Status::Unreleased), Some(Status::Unreleased)));
    assert_eq!(of(12), Some(Status::FixedInPayload));
    assert_eq!(rows.len(), 13);
    assert_eq!(expanded.frontier, [version("4.20.12")]);
    assert!(blocking(&expanded.findings).is_empty());
    let none = "nothing of this plan is for that: it gets no entry until the plan is made again after the release, and whoever upgrades there before loses the fix";
    let table = [
        (true, FindingLevel::Info, "the finished image gets its entry before the release"),
        (false, FindingLevel::Warning, none),
    ];
    for (ahead, level, says) in table {
        let findings = frontier::judge(&expanded.coverage, |_, _| ahead).unwrap();
        let said = found(&findings, "coverage/aws/4.20/frontier");
        let first = "4.20.12 is the first with the fix";
        assert_eq!(said.message, format!("not released yet: 4.20.10 to 4.20.11; {says}; {first}"));
        assert_eq!((said.level, findings.len()), (level, 1));
    }
    let skipped = &expanded.coverage[&(Aws, version("4.20.7"))];
    assert_eq!(skipped.seen, Seen::Skipped);
    assert!(found(&expanded.findings, "coverage/aws/4.20/skipped").message.contains("4.20.7"));
}

#[test]
fn the_frontier_is_the_first_cutoff_after_the_merge() {
    let graph = graph(&[channel(&z_streams("4.20", 0..33, &[]), &[], &[])]);
    let request = request(&["4.20"], "affected: [{platform: Azure, introduced: 4.20.0}]");
    let cutoffs: BTreeMap<_, _> = [
        (version("4.20.33"), at("2026-08-10T00:00:00Z")),
        (version("4.20.34"), at("2026-08-24T00:00:00Z")),
        (version("4.20.35"), at("2026-09-07T00:00:00Z")),
    ]
    .into();
    // When it was merged; the first with the fix; what blocks.
    let open: &[&str] = &["coverage/azure/4.20/open-end"];
    let table: [(Option<&str>, Option<&str>, &[&str]); 5] = [
        (Some("2026-08-09T00:00:00Z"), Some("4.20.33"), &[]),
        (Some("2026-08-10T00:00:00Z"), Some("4.20.34"), &[]),
        (Some("2026-09-01T00:00:00Z"), Some("4.20.35"), &[]),
        (Some("2026-09-07T00:00:01Z"), None, open),
        (None, None, open),
    ];
    for (merged, first, blocks) in table {
        let minor = "4.20".parse().unwrap();
        let merged_at: BTreeMap<_, _> = merged.map(|time| (minor, at(time))).into_iter().collect();
        let known = Known { graph: Some(&graph), cutoffs: cutoffs.clone(), merged: merged_at };
        let expanded = coverage::expand(&request, &known).unwrap();
        assert_eq!(
            expanded.frontier,
            first.map(version).into_iter().collect::<Vec<_>>(),
            "{merged:?}"
        );
        assert_eq!(blocking(&expanded.findings), blocks, "{merged:?}");
        let rows = statuses(&expanded, Azure);
        let last = first.map_or(33, |first| version(first).patch());
        let unreleased = rows.values().filter(|status| **status == Status::Unreleased).count();
        assert_eq!(unreleased as u64, last - 33, "{merged:?}");
    }
}

#[test]
fn a_graph_without_the_line_blocks() {
    let graph = graph(&[channel(&z_streams("4.19", 0..3, &[]), &[], &[])]);
    let request =
        request(&["4.20"], "affected: [{platform: AWS, introduced: 4.20.0, fixedIn: 4.20.9}]");
    let expanded = expand(&request, &graph);
    assert_eq!(blocking(&expanded.findings), ["coverage/aws/4.20/graph"]);
}

#[test]
fn prereleases_of_the_range_are_covered() {
    let versions =
        ["4.21.0-ec.1", "4.21.0-rc.0", "4.21.0-rc.1", "4.21.0", "4.21.1"].map(String::from);
    let graph = graph(&[channel(&versions, &[], &[])]);
    let request =
        request(&["4.21"], "affected: [{platform: AWS, introduced: 4.21.0-rc.0, fixedIn: 4.21.1}]");
    let rows = statuses(&expand(&request, &graph), Aws);
    let covered: Vec<&str> =
        rows.iter().filter(|(_, s)| **s == Status::Covered).map(|(v, _)| v.as_str()).collect();
    assert_eq!(covered, ["4.21.0", "4.21.0-rc.0", "4.21.0-rc.1"]);
    assert_eq!(rows["4.21.0-ec.1"], Status::NotAffected);
}

#[test]
fn a_range_without_end_is_no_range() {
    let graph = graph(&[channel(&z_streams("4.20", 0..3, &[]), &[], &[])]);
    let request = request(
        &["4.20"],
        "affected: [{platform: AWS, introduced: 4.20.0, fixedIn: 4.20.18446744073709551615}]",
    );
    let known = Known { graph: Some(&graph), ..Known::default() };
    let error = coverage::expand(&request, &known).unwrap_err();
    assert!(matches!(error, Error::TooWide { .. }), "{error}");
}

#[test]
fn payloads_that_are_called_fixed_and_lack_the_fix() {
    let graph = graph(&[channel(&z_streams("4.20", 0..8, &[]), &[], &[])]);
    let request =
        request(&["4.20"], "affected: [{platform: AWS, introduced: 4.20.0, fixedIn: 4.20.5}]");
    let coverage = expand(&request, &graph).coverage;
    // 4.20.5 was branched before, and 4.20.7 is not known.
    let fixed = |v: &fleetfix_model::Version| match v.patch() {
        6 => Some(true),
        7 => None,
        _ => Some(false),
    };
    let findings = coverage::judge_payloads(&coverage, fixed).unwrap();
    assert_eq!(blocking(&findings), ["coverage/aws/4.20/not-fixed"]);
    assert!(
        findings[0].message.starts_with("4.20.5 on AWS is called fixed"),
        "{}",
        findings[0].message
    );
}

#[test]
fn upgrades_between_release_lines_are_followed() {
    let lines = [("4.20", 0..4), ("4.21", 0..4), ("4.22", 0..1)];
    let versions: Vec<String> =
        lines.into_iter().flat_map(|(line, range)| z_streams(line, range, &[])).collect();
    let edges = [("4.20.1", "4.20.3"), ("4.20.2", "4.21.1")];
    let conditional = [("4.20.1", "4.21.0")];
    let graph = graph(&[channel(&versions, &edges, &conditional)]);
    let affected20 = "{platform: AWS, introduced: 4.20.0, fixedIn: 4.20.3}";
    // What the request says of 4.21; what blocks.
    let lost: &[&str] = &["upgrade/aws/4.20/4.21"];
    let table: [(&str, &[&str]); 6] = [
        ("", lost),
        (", {platform: Azure, introduced: 4.21.0, fixedIn: 4.21.3}", &["upgrade/aws/4.20/4.21"]),
        (", {platform: AWS, introduced: 4.21.0, fixedIn: 4.21.1}", &[]),
        (", {platform: AWS, introduced: 4.21.1, fixedIn: 4.21.3}", &[]),
        (
            ", {platform: AWS, introduced: 4.21.0, fixedIn: 4.21.3, excluded: [{version: 4.21.1, reason: x}]}",
            lost,
        ),
        (", {platform: AWS, introduced: 4.21.0, versions: [4.21.0], fixedIn: 4.21.2}", lost),
    ];
    for (more, blocks) in table {
        let request = request(&["4.20", "4.21"], &format!("affected: [{affected20}{more}]"));
        let coverage = expand(&request, &graph).coverage;
        let found = paths::judge(&request, &coverage, &graph).unwrap();
        assert_eq!(blocking(&found), blocks, "{more}");
    }
    let unaffected = "unaffected: [{minor: '4.21', reason: fixed before it was branched}]";
    let request = request(&["4.20"], &format!("affected: [{affected20}]\n{unaffected}"));
    let coverage = expand(&request, &graph).coverage;
    assert!(blocking(&paths::judge(&request, &coverage, &graph).unwrap()).is_empty());
}

#[test]
fn a_graph_that_ends_with_the_line_shows_no_upgrade_to_the_next() {
    let affected = "affected: [{platform: AWS, introduced: 4.20.0, fixedIn: 4.20.4}]";
    let unaffected =
        |minor: &str| format!("{affected}\nunaffected: [{{minor: '{minor}', reason: x}}]");
    let next: &[&str] = &["upgrade/4.20/next"];
    // Further versions of the graph, what the request says; what blocks.
    let table: [(&[&str], String, &[&str]); 7] = [
        (&[], affected.to_owned(), next),
        (&["4.19.0"], affected.to_owned(), next),
        (&["4.22.0"], affected.to_owned(), next),
        (&["4.21.0"], affected.to_owned(), &[]),
        (&["5.0.0"], affected.to_owned(), &[]),
        (&[], unaffected("4.21"), &[]),
        (&[], unaffected("4.22"), next),
    ];
    for (more, request_says, blocks) in table {
        let mut versions = z_streams("4.20", 0..4, &[]);
        versions.extend(more.iter().map(|v| (*v).to_owned()));
        let graph = graph(&[channel(&versions, &[], &[])]);
        let request = request(&["4.20"], &request_says);
        let coverage = expand(&request, &graph).coverage;
        let findings = paths::judge(&request, &coverage, &graph).unwrap();
        assert_eq!(blocking(&findings), blocks, "{more:?} {request_says}");
    }
}

proptest! {
    /// Whatever the graph skips: every z-stream of the range has a row, once, and none is left alone.
    #[test]
    fn no_z_stream_of_a_range_is_forgotten(
        last in 1u64..60,
        skipped in prop::collection::btree_set(0u64..60, 0..20),
        introduced in 0u64..50,
        length in 1u64..40,
    ) {
        let without: Vec<u64> = skipped.into_iter().filter(|z| *z != last).collect();
        let versions = z_streams("4.20", 0..last + 1, &without);
        let graph = graph(&[channel(&versions, &[], &[])]);
        let fixed = introduced + length;
        let request = request(
            &["4.20"],
            &format!("affected: [{{platform: AWS, introduced: 4.20.{introduced}, fixedIn: 4.20.{fixed}}}]"),
        );
        let rows = statuses(&expand(&request, &graph), Aws);
        for z in introduced..fixed {
            let status = rows.get(&format!("4.20.{z}")).copied();
            let expected = if z > last { Status::Unreleased } else { Status::Covered };
            prop_assert_eq!(status, Some(expected), "4.20.{}", z);
        }
        prop_assert_eq!(rows.get(&format!("4.20.{fixed}")).copied(), Some(Status::FixedInPayload));
    }
}
