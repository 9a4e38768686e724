//! The statements about a patched image, with a golden for each.
//!
//! `UPDATE_GOLDENS=1 cargo test -p fleetfix-attest` writes them anew; look at the difference before
//! you commit it.

#![expect(clippy::unwrap_used, clippy::indexing_slicing, reason = "a test fails by panicking")]

use std::path::PathBuf;

use fleetfix_attest::patched::{Patched, Planned};
use fleetfix_attest::provenance::{LOCAL_BUILDER, provenance};
use fleetfix_attest::sbom::sbom;
use fleetfix_attest::statements::statements;
use fleetfix_attest::{Error, fix::fix};
use fleetfix_model::document::{Fix, FixPlan, from_canonical};
use fleetfix_model::{Digest, Platform, ToCanonical, media};
use fleetfix_trust::statement::Statement;
use serde_json::Value;

fn plan() -> FixPlan {
    let bytes = include_bytes!("../../fleetfix-model/tests/goldens/fix-plan.json");
    from_canonical("fix-plan.json", bytes).unwrap()
}

fn planned(plan: FixPlan) -> Planned {
    let digest = plan.canonical_digest().unwrap();
    Planned::new(plan, digest, "2026-06-01T00:00:00Z".parse().unwrap()).unwrap()
}

fn children() -> Vec<(Platform, Digest)> {
    ["amd64", "arm64"]
        .map(|arch| (Platform::linux(arch), Digest::of(format!("patched-{arch}"))))
        .to_vec()
}

fn patched(planned: &Planned) -> Patched<'_> {
    Patched::new(planned, &planned.plan.bases[0], Digest::of("patched"), &children()).unwrap()
}

/// Compares `bytes` with the golden file `name`.
fn golden(name: &str, bytes: &[u8]) {
    let path = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/goldens").join(name);
    if std::env::var_os("UPDATE_GOLDENS").is_some() {
        std::fs::write(&path, bytes).unwrap();
    }
    let golden = std::fs::read(&path).unwrap_or_default();
    assert_eq!(
        String::from_utf8_lossy(bytes),
        String::from_utf8_lossy(&golden),
        "{name} changed; if that is meant, run with UPDATE_GOLDENS=1"
    );
}

#[test]
fn goldens_hold() {
    let planned = planned(plan());
    let patched = patched(&planned);
    let names = ["fix.json", "sbom.json", "provenance.json"];
    let types = [media::FIX_PREDICATE, media::SBOM_PREDICATE, media::PROVENANCE_PREDICATE];
    let statements = statements(&patched, LOCAL_BUILDER).unwrap();
    assert_eq!(statements.len(), names.len());
    for ((name, predicate_type), statement) in names.iter().zip(types).zip(statements) {
        golden(name, &statement.bytes);
        let read = Statement::parse(&statement.bytes, predicate_type, patched.index).unwrap();
        if predicate_type == media::FIX_PREDICATE {
            assert_eq!(read.document::<Fix>().unwrap().predicate, fix(&patched));
        }
    }
}

#[test]
fn what_is_not_known_is_left_out() {
    let mut plan = plan();
    plan.fixes[0].commit = None;
    plan.fixes[0].source = Some("git@github.com:openshift/hypershift".into());
    plan.bases[0].repository = "oci:some/dir".parse().unwrap();
    let planned = planned(plan);
    let patched = patched(&planned);
    let bom = sbom(&patched).to_string();
    assert!(!bom.contains("commits") && !bom.contains("vcs") && !bom.contains("some/"), "{bom}");
    let provenance = provenance(&patched, LOCAL_BUILDER).to_string();
    assert!(!provenance.contains("gitCommit") && !provenance.contains("git@"), "{provenance}");
}

#[test]
fn a_base_that_is_a_manifest() {
    let mut plan = plan();
    plan.bases[0].platforms.truncate(1);
    plan.bases[0].platforms[0].digest = plan.bases[0].digest;
    let index = Digest::of("patched");
    let planned = planned(plan);
    let alone = [(Platform::linux("amd64"), index)];
    let patched = Patched::new(&planned, &planned.plan.bases[0], index, &alone).unwrap();
    assert_eq!(fix(&patched).platforms[0].manifest, index);
    // References inside one bill of materials must differ (CycloneDX 1.6, `bom-ref`).
    let mut seen = std::collections::BTreeSet::new();
    references(&sbom(&patched), &mut |reference| {
        assert!(seen.insert(reference.to_owned()), "{reference} twice");
    });
    assert_eq!(seen.len(), 4);
}

fn references(value: &Value, visit: &mut dyn FnMut(&str)) {
    match value {
        Value::Object(map) => {
            if let Some(Value::String(reference)) = map.get("bom-ref") {
                visit(reference);
            }
            map.values().for_each(|v| references(v, visit));
        }
        Value::Array(items) => items.iter().for_each(|v| references(v, visit)),
        _ => {}
    }
}

#[test]
fn the_platforms_are_those_of_the_base() {
    let planned = planned(plan());
    let index = Digest::of("patched");
    let refused = |children: &[(Platform, Digest)]| match Patched::new(
        &planned,
        &planned.plan.bases[0],
        index,
        children,
    ) {
        Err(Error::Platforms { platform, expected, found, .. }) => {
            (platform.to_string(), expected, found)
        }
        other => panic!("{other:?}"),
    };
    let [amd64, arm64] = children().try_into().unwrap();
    let s390x = (Platform::linux("s390x"), Digest::of("s390x"));
    assert_eq!(refused(std::slice::from_ref(&amd64)), ("linux/arm64".into(), 1, 0));
    assert_eq!(
        refused(&[amd64.clone(), arm64.clone(), arm64.clone()]),
        ("linux/arm64".into(), 1, 2)
    );
    assert_eq!(refused(&[amd64, arm64, s390x]), ("linux/s390x".into(), 0, 1));
}

#[test]
fn every_architecture_has_every_file() {
    let mut plan = plan();
    plan.fixes[0].files[0].contents.truncate(1);
    let planned = planned(plan);
    let result = Patched::new(&planned, &planned.plan.bases[0], Digest::of("patched"), &children());
    assert!(
        matches!(&result, Err(Error::NoContent { architecture, .. }) if architecture == "arm64"),
        "{result:?}"
    );
}
