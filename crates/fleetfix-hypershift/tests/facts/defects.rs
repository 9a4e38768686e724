//! What went wrong in the history of HyperShift's `overrides.yaml`.

use fleetfix_hypershift::coverage::{Known, expand, paths};
use fleetfix_hypershift::effective::mutable;
use fleetfix_hypershift::platform;
use fleetfix_model::HostedPlatform::{Aws, Azure};
use fleetfix_model::document::finding::FindingLevel;
use fleetfix_model::document::plan::Status;

use crate::support::{
    blocking, channel, digest, found, graph, request, statuses, version, z_streams,
};

/// 4.20.7 was missing for 75 days, because the graph skips it (b460b210c5, 46f3b353fd).
#[test]
fn the_4_20_7_hole() {
    let graph = graph(&[channel(&z_streams("4.20", 0..12, &[7]), &[], &[])]);
    let versions = z_streams("4.20", 0..12, &[7]).join(", ");
    let listed = |versions: &str, more: &str| {
        let lines = format!(
            "affected: [{{platform: Azure, introduced: 4.20.0, fixedIn: 4.20.12{versions}{more}}}]"
        );
        super::support::expand(&request(&["4.20"], &lines), &graph)
    };
    // As the entries were: one for each version that the graph has.
    let wrong = listed(&format!(", versions: [{versions}]"), "");
    assert_eq!(blocking(&wrong.findings), ["coverage/azure/4.20/holes"]);
    let said = &found(&wrong.findings, "coverage/azure/4.20/holes").message;
    assert!(said.starts_with("`versions` leaves out 4.20.7, which is between"), "{said}");
    assert_eq!(statuses(&wrong, Azure)["4.20.7"], Status::Gap);
    // Mended: the range, the list with it, or a reason.
    let reason = ", excluded: [{version: 4.20.7, reason: no cluster runs it}]";
    for (list, more, status) in [
        (String::new(), "", Status::Covered),
        (format!(", versions: [{versions}, 4.20.7]"), "", Status::Covered),
        (format!(", versions: [{versions}]"), reason, Status::Gap),
    ] {
        let mended = listed(&list, more);
        assert!(blocking(&mended.findings).is_empty(), "{list}{more}: {:?}", mended.findings);
        assert_eq!(statuses(&mended, Azure)["4.20.7"], status);
    }
}

/// Fixes for Azure under AWS (#9009, superseded by #9010).
#[test]
fn fixes_under_the_wrong_platform() {
    let title = "OCPBUGS-98695: add Azure CPO overrides for 4.22";
    let judge = |platforms: &[_], title| {
        platform::judge(&platforms.iter().copied().collect(), [("#9009", title)]).unwrap()
    };
    let wrong = judge(&[Aws], title);
    assert_eq!(blocking(&wrong), ["platform/9009"]);
    assert!(wrong[0].waivable);
    assert!(wrong[0].message.contains("which names Azure, and the request is for AWS"));
    assert!(judge(&[Azure], title).is_empty());
    assert!(judge(&[Aws, Azure], title).is_empty());
    // A title that names none says nothing, nor does a word that only looks like one.
    assert!(
        judge(&[Aws], "OCPBUGS-63638: fix(konnectivity): resolve circular dependency").is_empty()
    );
    assert!(judge(&[Aws], "Work around narrow arowana awsome").is_empty());
    assert_eq!(blocking(&judge(&[Aws], "ARO-26610: pin haproxy")), ["platform/9009"]);
}

/// Overrides for 4.17.20 to 4.17.43 and none for 4.18, which had the same defect (#7111).
#[test]
fn the_4_17_to_4_18_regression() {
    let lines = [("4.17", 20..44), ("4.18", 10..27), ("4.19", 0..1)];
    let versions: Vec<String> =
        lines.into_iter().flat_map(|(line, range)| z_streams(line, range, &[])).collect();
    let edges = [("4.17.42", "4.17.43"), ("4.17.43", "4.18.26"), ("4.17.20", "4.18.10")];
    let graph = graph(&[channel(&versions, &edges, &[])]);
    let affected = "{platform: AWS, introduced: 4.17.20, fixedIn: 4.17.44}";
    let judge = |minors: &[&str], lines: &str| {
        let request = request(minors, lines);
        let known = Known { graph: Some(&graph), ..Known::default() };
        let coverage = expand(&request, &known).unwrap().coverage;
        paths::judge(&request, &coverage, &graph).unwrap()
    };
    let wrong = judge(&["4.17"], &format!("affected: [{affected}]"));
    assert_eq!(blocking(&wrong), ["upgrade/aws/4.17/4.18"]);
    let said = &found(&wrong, "upgrade/aws/4.17/4.18").message;
    assert_eq!(
        said,
        "whoever upgrades on AWS from 4.17.20, 4.17.43 to 4.18.10, 4.18.26, of which the request says nothing, gets the defect back: add AWS 4.18 to `affected` with its fix, or to `unaffected` with the reason"
    );
    let both =
        format!("affected: [{affected}, {{platform: AWS, introduced: 4.18.0, fixedIn: 4.18.27}}]");
    assert!(blocking(&judge(&["4.17", "4.18"], &both)).is_empty());
}

/// The next z-stream lacks the fix, because its development was cut off before the merge; people
/// compared dates by hand.
#[test]
fn the_next_z_regression() {
    let graph = graph(&[channel(&z_streams("4.20", 0..33, &[]), &[], &[])]);
    let request = request(&["4.20"], "affected: [{platform: Azure, introduced: 4.20.0}]");
    let wrong = super::support::expand(&request, &graph);
    assert_eq!(blocking(&wrong.findings), ["coverage/azure/4.20/open-end"]);
    let said = &found(&wrong.findings, "coverage/azure/4.20/open-end").message;
    assert!(said.contains("whoever upgrades past 4.20.32 gets the defect back"), "{said}");
    let known = Known {
        graph: Some(&graph),
        cutoffs: [
            (version("4.20.33"), "2026-08-01T00:00:00Z".parse().unwrap()),
            (version("4.20.34"), "2026-08-15T00:00:00Z".parse().unwrap()),
        ]
        .into(),
        merged: [("4.20".parse().unwrap(), "2026-08-03T10:00:00Z".parse().unwrap())].into(),
    };
    let mended = expand(&request, &known).unwrap();
    assert!(blocking(&mended.findings).is_empty());
    let rows = statuses(&mended, Azure);
    assert_eq!(rows["4.20.33"], Status::Unreleased);
    assert_eq!(rows["4.20.34"], Status::FixedInPayload);
    let row = &mended.coverage[&(Azure, version("4.20.34"))];
    let why = row.reason.as_deref().unwrap();
    assert_eq!(
        why,
        "its development cutoff 2026-08-15T00:00:00Z follows the merge of 2026-08-03T10:00:00Z"
    );
}

/// Three entries name images by a tag.
#[test]
fn a_mutable_tag() {
    let tagged = "quay.io/redhat-user-workloads/app/hypershift-cert-hotfix-416-multi:0a1b2c";
    let tagged = tagged.parse().unwrap();
    for (by_version, level) in [(true, FindingLevel::Warning), (false, FindingLevel::Blocking)] {
        let said = mutable(Aws, &version("4.16.43"), &tagged, by_version).unwrap().unwrap();
        assert_eq!(said.id.as_str(), "effective-image/aws/4.16/mutable");
        assert_eq!(said.level, level);
    }
    let pinned = format!("quay.io/redhat-user-workloads/app/x@{}", digest("x")).parse().unwrap();
    assert_eq!(mutable(Aws, &version("4.16.43"), &pinned, false).unwrap(), None);
}
