//! Attestations: what counts, and each reason why one does not.

use fleetfix_model::document::policy::Role;
use fleetfix_model::{Digest, media};
use serde_json::{Value, json};

use super::fixture::{Team, envelope, name, now, rule};
use crate::policy::{Claim, Place, Refusal, Rejection};
use crate::statement::Statement;
use crate::test_key::TestKey;

fn image() -> Digest {
    Digest::of("image")
}

fn claim(predicate_type: &str) -> Claim<'_> {
    Claim {
        subject: image(),
        predicate_type,
        role: Role::Builder,
        count: 1,
        statement: None,
        place: Place::default(),
        time: now(),
    }
}

fn attestation(predicate_type: &str, predicate: Value, keys: &[&TestKey]) -> Vec<u8> {
    let statement = Statement::new(image(), predicate_type, predicate);
    envelope(&statement.to_bytes().unwrap(), keys)
}

fn sbom(keys: &[&TestKey]) -> Vec<u8> {
    attestation(media::SBOM_PREDICATE, json!({"bomFormat": "CycloneDX"}), keys)
}

#[test]
fn one_by_the_builder_counts() {
    let team = Team::new();
    let candidates = [attestation(media::FIX_PREDICATE, json!({}), &[&team.ci]), sbom(&[&team.ci])];
    let attested = team.policy().attested(&claim(media::SBOM_PREDICATE), &candidates).unwrap();
    assert_eq!(attested.principals(), [name("ci")].into());
    assert_eq!(attested.statements.len(), 1);
    assert_eq!(attested.statements[0].statement.predicate["bomFormat"], "CycloneDX");
    assert_eq!(attested.rejected.len(), 1);
    assert!(matches!(attested.rejected[0].reason, Rejection::OtherPredicate { .. }));
    assert!(attested.check().holds());
}

#[test]
fn each_one_that_does_not_count_says_why() {
    let mut team = Team::new();
    team.document.principals[1].keys[0].not_after = Some(now());
    let other = Statement::new(Digest::of("x"), media::SBOM_PREDICATE, json!({}));
    let table: Vec<(Vec<u8>, String)> = vec![
        (sbom(&[&TestKey::new()]), "signed by no key of the policy".into()),
        (sbom(&[&team.alice]), "alice is no builder here".into()),
        (sbom(&[&team.bob]), "the key of bob is not good at 2026-01-10T00:00:00Z".into()),
        (
            envelope(&other.to_bytes().unwrap(), &[&team.ci]),
            format!("about {}, expected {}", Digest::of("x"), image()),
        ),
        (
            attestation("https://cyclonedx.org/bom/v1.4", json!({}), &[&team.ci]),
            "predicate of type `https://cyclonedx.org/bom/v1.4`".into(),
        ),
        (
            envelope(b"[]", &[&team.ci]),
            "not an in-toto statement: field `.`: invalid length 0".into(),
        ),
    ];
    for (candidate, expected) in table {
        let error =
            team.policy().attested(&claim(media::SBOM_PREDICATE), &[candidate]).unwrap_err();
        let Refusal::TooFew { rejected, counted: 0, needed: 1, check, .. } = error else {
            panic!("{error}")
        };
        assert!(rejected[0].reason.to_string().starts_with(&expected), "{}", rejected[0].reason);
        assert!(!check.holds());
    }
    let none = team.policy().attested(&claim(media::SBOM_PREDICATE), &[]).unwrap_err();
    assert!(none.to_string().ends_with("0 of 1 by role builder"), "{none}");
}

#[test]
fn the_promised_statement_and_no_other() {
    let team = Team::new();
    let good = sbom(&[&team.ci]);
    let promised = crate::dsse::Envelope::parse(&good).unwrap().payload_digest();
    let claim = Claim { statement: Some(promised), ..claim(media::SBOM_PREDICATE) };
    assert!(team.policy().attested(&claim, std::slice::from_ref(&good)).is_ok());
    let other = attestation(media::SBOM_PREDICATE, json!({"bomFormat": "other"}), &[&team.ci]);
    let error = team.policy().attested(&claim, &[other]).unwrap_err();
    assert!(error.to_string().contains("expected sha256:"), "{error}");
}

#[test]
fn the_count_is_of_principals() {
    let mut team = Team::new();
    team.document.roles = vec![rule(Role::Builder, &["ci", "alice"], 1, None)];
    let two = Claim { count: 2, ..claim(media::SBOM_PREDICATE) };
    let policy = team.policy();
    let twice = [sbom(&[&team.alice]), sbom(&[&team.alice2]), sbom(&[&team.alice, &team.alice2])];
    let error = policy.attested(&two, &twice).unwrap_err();
    assert!(matches!(error, Refusal::TooFew { counted: 1, needed: 2, .. }), "{error}");
    assert!(!error.check().holds(), "{:?}", error.check());
    assert!(policy.attested(&two, &[sbom(&[&team.alice, &team.ci])]).is_ok());
    assert!(policy.attested(&two, &[sbom(&[&team.alice]), sbom(&[&team.ci])]).is_ok());
    team.document.roles[0].threshold = 2;
    let one = claim(media::SBOM_PREDICATE);
    assert!(team.policy().attested(&one, &[sbom(&[&team.ci])]).is_err(), "the rule wants two");
    team.document.roles.clear();
    let error = team.policy().attested(&one, &[sbom(&[&team.ci])]).unwrap_err();
    assert!(matches!(error, Refusal::NoRule { .. }), "{error}");
}

#[test]
fn provenance_is_what_its_builder_may_claim() {
    let team = Team::new();
    let good = json!({
        "buildDefinition": {
            "buildType": "https://fleetfix/build/v1",
            "resolvedDependencies": [
                {"uri": "pkg:oci/base"},
                {"uri": "git+https://github.com/openshift/etcd@refs/heads/main"},
                {"uri": "git+https://github.com/openshift/api.git#v1"},
            ],
        },
        "runDetails": {"builder": {"id": "https://fleetfix/builder"}},
    });
    let ask = |predicate: &Value| {
        let candidate = attestation(media::PROVENANCE_PREDICATE, predicate.clone(), &[&team.ci]);
        team.policy().attested(&claim(media::PROVENANCE_PREDICATE), &[candidate])
    };
    assert!(ask(&good).is_ok());
    let uri = "/buildDefinition/resolvedDependencies/1/uri";
    let table = [
        (
            "/runDetails/builder/id",
            json!("https://fleetfix/builder2"),
            "builder id `https://fleetfix/builder2`",
        ),
        ("/runDetails/builder/id", Value::Null, "builder id ``"),
        (
            "/buildDefinition/buildType",
            json!("https://fleetfix/build/v2"),
            "build type `https://fleetfix/build/v2`",
        ),
        ("/buildDefinition/resolvedDependencies", json!([]), "no Git source"),
        (uri, json!("git+https://github.com/openshift-evil/etcd"), "is not below"),
        (uri, json!("git+https://github.com@evil.example/openshift/etcd"), "is not below"),
        (uri, json!("git+https://github.com/openshift/../evil/etcd"), "is not below"),
        (uri, json!("git+https://evil.example/https://github.com/openshift/etcd"), "is not below"),
        (uri, json!("git+ssh://github.com/openshift/etcd"), "is not below"),
    ];
    for (path, value, expected) in table {
        let mut bad = good.clone();
        *bad.pointer_mut(path).unwrap() = value;
        let error = ask(&bad).unwrap_err().to_string();
        assert!(error.contains(expected), "{path}: {error}");
    }
}

#[test]
fn provenance_by_a_builder_without_a_rule() {
    let mut team = Team::new();
    team.document.builders[0].principal = name("bob");
    let candidate = attestation(media::PROVENANCE_PREDICATE, json!({}), &[&team.ci]);
    let ask = |team: &Team| {
        let candidates = [candidate.clone()];
        team.policy().attested(&claim(media::PROVENANCE_PREDICATE), &candidates).map(drop)
    };
    let error = ask(&team).unwrap_err().to_string();
    assert!(error.contains("no rule of `builders` names it"), "{error}");
    team.document.builders.clear();
    assert!(ask(&team).is_ok());
}
