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
