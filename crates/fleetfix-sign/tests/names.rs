//! What signatures say, with a golden for the payload.
//!
//! `UPDATE_GOLDENS=1 cargo test -p fleetfix-sign` writes it anew; look at the difference before you
//! commit it.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::path::PathBuf;

use fleetfix_model::document::{FixPlan, from_canonical};
use fleetfix_model::{Class, Classify, Digest};
use fleetfix_sign::error::Error;
use fleetfix_sign::target::Chosen;
use fleetfix_trust::simple_signing::Payload;

fn plan() -> FixPlan {
    let bytes = include_bytes!("../../fleetfix-model/tests/goldens/fix-plan.json");
    from_canonical("fix-plan.json", bytes).unwrap()
}

const NOW: &str = "2026-06-01T00:00:00Z";

fn planned(plan: &FixPlan, fleet: &str) -> Result<Chosen, Error> {
    let (from, fleet) = ("oci:build".parse().unwrap(), fleet.parse().unwrap());
    Chosen::planned(plan, &from, &fleet, NOW.parse().unwrap())
}

#[test]
fn the_payload_names_the_place_in_the_fleet() {
    let Chosen::Planned { repository, images } = planned(&plan(), "quay.io/fleet").unwrap() else {
        panic!("a plan was chosen");
    };
    assert_eq!(repository.to_string(), "oci:build/hypershift");
    let [(tag, identity)] = images.try_into().unwrap();
    assert_eq!(identity.to_string(), format!("quay.io/fleet/hypershift:{tag}"));

    let bytes = Payload::new(identity.to_string(), Digest::of("patched")).to_bytes().unwrap();
    let golden = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/goldens/payload.json");
    if std::env::var_os("UPDATE_GOLDENS").is_some() {
        std::fs::write(&golden, &bytes).unwrap();
    }
    assert_eq!(
        String::from_utf8_lossy(&bytes),
        String::from_utf8_lossy(&std::fs::read(&golden).unwrap_or_default()),
        "the payload changed; if that is meant, run with UPDATE_GOLDENS=1"
    );
}

#[test]
fn a_directory_is_no_fleet() {
    let error = planned(&plan(), "oci:fleet").unwrap_err();
    assert_eq!(error.class(), Class::Usage, "{error}");
}

#[test]
fn a_blocked_plan_is_not_signed() {
    let (mut unwaived, mut over) = (plan(), plan());
    for finding in &mut unwaived.findings {
        finding.waiver = None;
    }
    for waiver in over.findings.iter_mut().filter_map(|finding| finding.waiver.as_mut()) {
        waiver.expires = Some(NOW.parse().unwrap());
    }
    for plan in [unwaived, over] {
        let error = planned(&plan, "quay.io/fleet").unwrap_err();
        assert_eq!(error.class(), Class::Refused, "{error}");
        assert!(error.to_string().contains("coverage/4.20.7"), "{error}");
    }
}
