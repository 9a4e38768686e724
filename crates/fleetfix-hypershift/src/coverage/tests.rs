//! Coverage of small requests, without and with an update graph.

use std::fmt::Write;

use fleetfix_model::document;

use super::*;

fn request(affected: &str, payloads: &[&str]) -> FixRequest {
    let mut text = format!(
        "apiVersion: fleetfix.openshift.io/v1alpha1\nkind: FixRequest\ntickets: [OCPBUGS-1]\ncomponent: hypershift\n\
         fixes: [{{minor: '4.20', commit: {}, files: [{{path: /usr/bin/app, from: app}}]}}]\n\
         affected: [{affected}]\n",
        "a".repeat(40)
    );
    if !payloads.is_empty() {
        text.push_str("payloads:\n");
    }
    for version in payloads {
        let _ = writeln!(text, "- {{version: {version}, image: 'oci:payloads:{version}'}}");
    }
    document::from_yaml("request.yaml", text.as_bytes()).unwrap()
}

/// The coverage that follows from what a request names.
fn without_graph(request: &FixRequest) -> Result<(Coverage, Vec<Finding>), Error> {
    expand(request, &Known::default()).map(|expanded| (expanded.coverage, expanded.findings))
}

fn covered(affected: &str, payloads: &[&str]) -> (Vec<String>, Vec<String>) {
    let (coverage, findings) = without_graph(&request(affected, payloads)).unwrap();
    let rows = coverage
        .iter()
        .map(|((platform, version), c)| format!("{platform} {version} {:?}", c.status))
        .collect();
    (rows, findings.iter().map(|f| f.id.to_string()).collect())
}

#[test]
fn from_payloads() {
    let (rows, findings) = covered(
        "{platform: AWS, introduced: 4.20.1, fixedIn: 4.20.4}",
        &["4.20.0", "4.20.1", "4.20.2", "4.20.3", "4.20.4", "4.21.0"],
    );
    let expected = [
        "AWS 4.20.0 NotAffected",
        "AWS 4.20.1 Covered",
        "AWS 4.20.2 Covered",
        "AWS 4.20.3 Covered",
        "AWS 4.20.4 FixedInPayload",
    ];
    assert_eq!(rows, expected);
    assert!(findings.is_empty(), "{findings:?}");
}

#[test]
fn from_a_list() {
    let (rows, findings) = covered(
        "{platform: AWS, introduced: 4.20.1, versions: [4.20.1, 4.20.3]}",
        &["4.20.0", "4.20.2"],
    );
    let expected = ["AWS 4.20.0 NotAffected", "AWS 4.20.1 Covered", "AWS 4.20.3 Covered"];
    assert_eq!(rows, expected);
    assert_eq!(findings, ["coverage/aws/4.20/open-end", "coverage/aws/4.20/holes"]);
}

#[test]
fn what_is_left_out_is_said() {
    let (rows, findings) = covered(
        "{platform: Azure, introduced: 4.20.0-rc.1, fixedIn: 4.20.9, excluded: [{version: 4.20.7, reason: never installed}]}",
        &["4.20.0-rc.1", "4.20.0-rc.2", "4.20.0"],
    );
    let expected = [
        "Azure 4.20.0-rc.1 Covered",
        "Azure 4.20.0-rc.2 Covered",
        "Azure 4.20.0 Covered",
        "Azure 4.20.7 Gap",
        "Azure 4.20.9 FixedInPayload",
    ];
    assert_eq!(rows, expected);
    assert_eq!(findings, ["coverage/azure/4.20.7", "coverage/azure/4.20/holes"]);
}

#[test]
fn fixes_and_affected_lines_belong_together() {
    let other = request("{platform: AWS, introduced: 4.21.0}", &[]);
    assert!(matches!(without_graph(&other), Err(Error::NoFix { .. })));
    let mut two = request("{platform: AWS, introduced: 4.20.0, fixedIn: 4.20.1}", &[]);
    two.fixes.push(two.fixes[0].clone());
    two.fixes[1].minor = "4.21".parse().unwrap();
    let (_, findings) = without_graph(&two).unwrap();
    assert_eq!(findings[0].id.as_str(), "coverage/4.21/unused");
}

#[test]
fn holes_are_listed_as_ranges_and_cost_nothing() {
    let (_, findings) = covered(
        "{platform: AWS, introduced: 4.20.0, fixedIn: 4.20.18446744073709551615}",
        &["4.20.6", "4.20.8"],
    );
    assert_eq!(findings, ["coverage/aws/4.20/holes"]);
}
