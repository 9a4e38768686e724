//! HyperShift's own file, as its module has it: read, checked, turned into requests and back.

use std::collections::BTreeSet;
use std::fs;

use fleetfix_tests::binary::Workbench;
use serde_json::Value;

use super::{HyperShift, entries};

/// Ticket of the entries that no comment names one for: those of Azure 4.19.
const TICKET: &str = "OCPBUGS-64817";

#[test]
fn hypershifts_file_is_imported_and_rendered_back() {
    let bench = Workbench::new();
    let hypershift = HyperShift::new(bench.dir());
    let own = fs::read_to_string(hypershift.own_file()).unwrap();
    fs::write(bench.path("overrides.yaml"), &own).unwrap();
    let there = entries(&own);
    assert!(there.len() > 150, "{} entries", there.len());

    let without = bench.run("fleetfix", ["import", "overrides", "overrides.yaml", "--dir", "r"]);
    let without = without.code(11).says("overrides.yaml").says("--ticket");
    assert!(without.stderr.contains("lines 4, 6, 8, 10"), "{without}");
    let args = ["import", "overrides", "overrides.yaml", "--dir", "r", "--ticket", TICKET];
    let imported = bench.run("fleetfix", args).success().json();
    let requests = imported["requests"].as_array().unwrap();
    let count: u64 = requests.iter().map(|r| r["entries"].as_u64().unwrap()).sum();
    assert_eq!(usize::try_from(count).unwrap(), there.len());
    let files: Vec<&str> = requests.iter().map(|r| r["file"].as_str().unwrap()).collect();
    assert!(
        files.contains(&"r/OCPBUGS-48519.yaml") && files.contains(&"r/OCPBUGS-61296.yaml"),
        "{files:?}"
    );
    let ids = ids(&imported["findings"]);
    for version in ["4.15.53", "4.15.54", "4.16.43"] {
        assert!(ids.contains(&format!("overrides/tag/aws/{version}")), "{ids:?}");
    }
    let first = fs::read(bench.path(files[0])).unwrap();
    bench.run("fleetfix", args).success();
    assert_eq!(fs::read(bench.path(files[0])).unwrap(), first, "a second run writes the same");

    // Back into a file of their own: the same entries.
    let requests = files.join(",");
    let render = ["render", "overrides", "--request", &requests, "--into"];
    let args = [&render[..], &["rendered.yaml"]].concat();
    bench.run("fleetfix", &args).success();
    let rendered = fs::read_to_string(bench.path("rendered.yaml")).unwrap();
    let sorted = |text: &str| entries(text).into_iter().collect::<BTreeSet<_>>();
    assert_eq!(sorted(&rendered), sorted(&own));
    assert_eq!(entries(&rendered).len(), there.len());
    bench.run("fleetfix", &args).success();
    assert_eq!(fs::read_to_string(bench.path("rendered.yaml")).unwrap(), rendered);

    // And into the file that they came from: nothing changes, not a byte.
    let args = [&render[..], &["overrides.yaml"]].concat();
    let again = bench.run("fleetfix", args).success().json();
    assert_eq!(again["changes"], serde_json::json!([]));
    assert_eq!(fs::read_to_string(bench.path("overrides.yaml")).unwrap(), own);

    // HyperShift's tests and look-up, with our file in the place of its own.
    let file = bench.path("rendered.yaml");
    hypershift.tests(&file).success().says("--- PASS: TestExistingOverride");
    let mut questions: Vec<String> =
        there.iter().map(|(platform, version, _)| format!("{platform} {version}")).collect();
    let outside =
        ["aws 4.18.1", "aws 4.20.1", "azure 4.17.1", "azure 4.20.0-rc.1", "gcp 4.20.1", "AWS 4.15"];
    questions.extend(outside.map(str::to_owned));
    let expected = there.iter().map(|(_, _, image)| image.as_str()).chain(outside.map(|_| "-"));
    let expected: Vec<&str> = expected.collect();
    assert_eq!(hypershift.answers(&file, &questions), expected);
}

#[test]
fn what_is_wrong_with_hypershifts_file() {
    let bench = Workbench::new();
    let hypershift = HyperShift::new(bench.dir());
    let own = hypershift.own_file().display().to_string();
    let found = bench.run("fleetfix", ["lint", "overrides", &own]).code(10).json();
    let expected = [
        // Entries from 4.15.53 on stand behind those of 4.17.
        "overrides/order/aws",
        // The fix for 4.17.20 to 4.17.43 was never brought to 4.18, though it was built.
        "overrides/regresses/aws/4.17",
        "overrides/tag/aws/4.15.53",
        "overrides/tag/aws/4.15.54",
        "overrides/tag/aws/4.16.43",
        // Its tests update from 4.21.24, and the entries of 4.21 end before.
        "overrides/tested/azure/previous",
    ];
    assert_eq!(ids(&found["findings"]), expected);
    let table = bench.run("fleetfix", ["lint", "overrides", &own, "--output", "table"]).code(10);
    assert_eq!(table.stdout.lines().count(), expected.len(), "{table}");

    // A graph that knows updates from 4.17 to 4.18, and skips what it skips.
    let nodes = ["4.17.43", "4.17.44", "4.18.30", "4.20.6", "4.20.8", "4.21.0"];
    let nodes: Vec<Value> = nodes.iter().map(|v| serde_json::json!({"version": v})).collect();
    let graph = serde_json::json!({"nodes": nodes, "edges": [[0, 1], [0, 2], [3, 4], [4, 5]]});
    fs::write(bench.path("graph.json"), graph.to_string()).unwrap();
    let args = ["lint", "overrides", &own, "--graph", "graph.json"];
    let found = bench.run("fleetfix", args).code(10).json();
    let text = found.to_string();
    assert!(text.contains("4.17.43 to 4.18.30"), "{text}");
    let ids = ids(&found["findings"]);
    assert!(ids.contains(&"overrides/ends/aws/4.17".to_owned()), "{ids:?}");

    // A graph of another line alone knows of no update, and hides none.
    let nodes =
        [serde_json::json!({"version": "4.20.6"}), serde_json::json!({"version": "4.20.8"})];
    let other = serde_json::json!({"nodes": nodes, "edges": [[0, 1]]});
    fs::write(bench.path("other.json"), other.to_string()).unwrap();
    let args = ["lint", "overrides", &own, "--graph", "other.json"];
    bench.run("fleetfix", args).code(10).says("overrides/regresses/aws/4.17");

    // The hole that stood open for 75 days.
    let text = fs::read_to_string(&own).unwrap();
    let mut lines: Vec<&str> = text.lines().collect();
    let at = lines.iter().position(|line| line.trim() == "- version: 4.20.7").unwrap();
    lines.drain(at..at + 2);
    fs::write(bench.path("hole.yaml"), lines.join("\n")).unwrap();
    let args = ["lint", "overrides", "hole.yaml", "--graph", "graph.json"];
    bench.run("fleetfix", args).code(10).says("overrides/hole/azure/4.20.7").says("skips");
}

fn ids(findings: &Value) -> Vec<String> {
    let findings = findings.as_array().unwrap();
    findings.iter().map(|finding| finding["id"].as_str().unwrap().to_owned()).collect()
}
