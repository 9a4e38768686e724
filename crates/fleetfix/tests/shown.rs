//! What approvers are shown is signed by its digest, so it has a golden.
//!
//! `UPDATE_GOLDENS=1 cargo test -p fleetfix --test shown` writes it anew.

use std::path::Path;

use fleetfix::shown;
use fleetfix_model::Digest;
use fleetfix_model::document::plan::Status;
use fleetfix_model::document::rollout::HealthGate;
use fleetfix_model::document::{Document, FixBundle, FixPlan, from_canonical};

fn golden<T: Document>(name: &str) -> T {
    let path =
        Path::new(env!("CARGO_MANIFEST_DIR")).join("../fleetfix-model/tests/goldens").join(name);
    let bytes = std::fs::read(&path).unwrap_or_else(|e| panic!("{}: {e}", path.display()));
    from_canonical(name, &bytes).unwrap_or_else(|e| panic!("{name}: {e}"))
}

#[test]
fn the_text_is_a_function_of_bundle_and_plan() {
    let (mut bundle, mut plan): (FixBundle, FixPlan) =
        (golden("fix-bundle.json"), golden("fix-plan.json"));
    // What the goldens lack.
    plan.fixes[0].along_more = 3;
    bundle.health_gates = vec![HealthGate {
        condition: "EtcdAvailable".to_owned(),
        status: "True".to_owned(),
        window_seconds: 300,
    }];
    let text = shown::text(Digest::of("manifest"), &bundle, &plan);
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/goldens/shown.txt");
    if std::env::var_os("UPDATE_GOLDENS").is_some() {
        std::fs::write(&path, &text).unwrap();
    }
    let golden = std::fs::read_to_string(&path).unwrap_or_default();
    assert_eq!(text, golden, "if that is meant, run with UPDATE_GOLDENS=1");
    // Nothing that an approver must know is left out.
    let mut told: Vec<String> = Vec::new();
    for finding in &plan.findings {
        told.extend([finding.id.to_string(), finding.message.clone()]);
        told.extend(finding.waiver.iter().map(|w| format!("waived by {}: {}", w.by, w.reason)));
    }
    for image in &bundle.images {
        told.extend([image.index.digest.to_string(), image.base.digest.to_string()]);
        told.extend(image.attestations.iter().map(|one| one.predicate_type.clone()));
    }
    for fix in &plan.fixes {
        told.extend(fix.along.iter().map(|one| format!("{}: {}", one.commit, one.title)));
        told.push(format!("{} more", fix.along_more));
        told.extend(fix.source.clone());
        told.extend(fix.pull_requests.iter().map(ToString::to_string));
        told.extend(fix.authors.iter().map(ToString::to_string));
        told.extend(fix.files.iter().map(|file| file.path.to_string()));
    }
    for row in plan.rows.iter().filter(|row| row.status == Status::Gap) {
        told.extend([row.version.to_string(), row.reason.clone().unwrap()]);
    }
    told.extend(plan.frontier.iter().map(ToString::to_string));
    told.extend(plan.checks.iter().filter_map(|check| check.reason.clone()));
    for affects in &bundle.affects {
        told.extend(affects.versions.iter().map(|one| one.version.to_string()));
        told.extend(affects.excluded.iter().map(|e| format!("{}: {}", e.version, e.reason)));
    }
    let targets = bundle.targets.as_ref().unwrap();
    told.push(targets.min_hypershift_operator.as_ref().unwrap().to_string());
    told.extend(targets.exclude.iter().map(|one| one.region.clone().unwrap()));
    told.extend(bundle.rollout.iter().flat_map(|r| &r.waves).map(|wave| wave.name.clone()));
    told.extend(bundle.health_gates.iter().map(|gate| gate.condition.clone()));
    told.push(bundle.rollback.reason.clone());
    told.extend(bundle.supersedes.iter().map(|other| other.id.to_string()));
    let retire = bundle.retire_when.as_ref().unwrap();
    told.extend(retire.all_clusters_at_or_above.iter().map(ToString::to_string));
    assert!(told.len() > 20, "{told:#?}");
    for part in told {
        assert!(text.contains(&part), "`{part}` is left out of\n{text}");
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
        " until 2026-12-01T00:00:00Z: ",
        "needs HyperShift operator 0.1.74 or later",
        "only clusters with region us-east-1 and label tier=canary",
        "no clusters with id c2",
    ] {
        assert!(text.contains(says), "no `{says}` in\n{text}");
    }
}
