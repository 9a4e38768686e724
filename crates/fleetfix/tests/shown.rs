//! What approvers are shown is signed by its digest, so it has a golden.
//!
//! `UPDATE_GOLDENS=1 cargo test -p fleetfix --test shown` writes it anew.

use std::path::Path;

use fleetfix::shown;
use fleetfix_model::Digest;
use fleetfix_model::document::{Document, FixBundle, FixPlan, from_canonical};

fn golden<T: Document>(name: &str) -> T {
    let path =
        Path::new(env!("CARGO_MANIFEST_DIR")).join("../fleetfix-model/tests/goldens").join(name);
    let bytes = std::fs::read(&path).unwrap_or_else(|e| panic!("{}: {e}", path.display()));
    from_canonical(name, &bytes).unwrap_or_else(|e| panic!("{name}: {e}"))
}

#[test]
fn the_text_is_a_function_of_bundle_and_plan() {
    let (bundle, plan): (FixBundle, FixPlan) = (golden("fix-bundle.json"), golden("fix-plan.json"));
    let text = shown::text(Digest::of("manifest"), &bundle, &plan);
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/goldens/shown.txt");
    if std::env::var_os("UPDATE_GOLDENS").is_some() {
        std::fs::write(&path, &text).unwrap();
    }
    let golden = std::fs::read_to_string(&path).unwrap_or_default();
    assert_eq!(text, golden, "if that is meant, run with UPDATE_GOLDENS=1");
    // Nothing that an approver must know is left out.
    for finding in &plan.findings {
        assert!(text.contains(finding.id.as_str()));
    }
    for image in &bundle.images {
        assert!(text.contains(&image.index.digest.to_string()));
    }
}

/// What comes along, which clusters are meant, and until when something was accepted.
#[test]
fn what_an_approver_could_overlook() {
    let (mut bundle, mut plan): (FixBundle, FixPlan) =
        (golden("fix-bundle.json"), golden("fix-plan.json"));
    let along = serde_json::json!([{"commit": "a".repeat(40), "title": "Something else"}]);
    plan.fixes[0].along = serde_json::from_value(along).unwrap();
    plan.fixes[0].along_more = 7;
    let waived = plan.findings.iter_mut().find_map(|found| found.waiver.as_mut()).unwrap();
    waived.expires = Some("2026-12-01T00:00:00Z".parse().unwrap());
    let targets = serde_json::json!({
        "minHypershiftOperator": "0.1.74",
        "include": [{"region": "us-east-1", "label": "tier=canary"}],
        "exclude": [{"clusterId": "c2"}],
    });
    bundle.targets = Some(serde_json::from_value(targets).unwrap());
    let text = shown::text(Digest::of("manifest"), &bundle, &plan);
    for says in [
        &format!("BRINGS ALONG {}: Something else", "a".repeat(40)),
        "BRINGS ALONG 7 more, which are not listed",
        ", until 2026-12-01T00:00:00Z: ",
        "needs HyperShift operator 0.1.74 or later",
        "only for clusters of region us-east-1, label tier=canary",
        "not for clusters of cluster c2",
    ] {
        assert!(text.contains(says), "no `{says}` in\n{text}");
    }
}
