//! Attestations beside images.

use fleetfix_model::Digest;
use fleetfix_model::verdict::Outcome::{NoneFound, Refused};
use serde_json::{Value, json};

use super::{attestations, bundle, policy, remove, run};
use crate::fleet::{Recipe, Who};

/// A builder's word about the first platform that is not what approvers read in the plan: the bundle
/// names the very statement.
fn fix(change: fn(&mut Value)) -> Recipe {
    Recipe { said: change, ..Recipe::default() }
}

#[tokio::test]
#[expect(clippy::too_many_lines, reason = "one table")]
async fn attestations_of_images() {
    run(vec![
        // Nobody is known as builder then, so nobody can be kept apart from the builder either.
        ("none at all", attestations(Vec::clear), Refused, "attestation"),
        ("one taken away", attestations(|all| drop(all.remove(0))), NoneFound, "attestation"),
        (
            "another predicate type",
            attestations(|all| all[0].predicate_type.push('2')),
            NoneFound,
            "attestation",
        ),
        ("by nobody", attestations(|all| all[0].by = Who::Stranger), Refused, "attestation"),
        ("by an approver", attestations(|all| all[1].by = Who::Ann), Refused, "attestation"),
        (
            "by the release key",
            attestations(|all| all[1].by = Who::Release),
            Refused,
            "attestation",
        ),
        (
            "about something else",
            attestations(|all| all[1].subject = Digest::of("x")),
            Refused,
            "attestation",
        ),
        (
            "another statement than the bundle names",
            attestations(|all| {
                all[1].predicate["tickets"] = json!(["OCPBUGS-2"]);
            }),
            Refused,
            "attestation",
        ),
        (
            "a fix of another base",
            Recipe {
                attestations: |all| all[1].predicate["base"] = json!(Digest::of("x")),
                bundle: |b| remove(&mut b["images"][0]["attestations"][1], "statement"),
                ..Recipe::default()
            },
            Refused,
            "fix",
        ),
        (
            "no demands, and a policy without any",
            Recipe {
                attestations: Vec::clear,
                bundle: |b| b["images"][0]["attestations"] = json!([]),
                policy: |p| {
                    remove(p, "required");
                    p["separation"][0]["not"] = json!(["requester", "author"]);
                },
                ..Recipe::default()
            },
            Refused,
            "demands",
        ),
        (
            "only provenance demanded",
            bundle(|b| {
                let all = b["images"][0]["attestations"].as_array_mut().unwrap();
                all.drain(..2);
            }),
            Refused,
            "demands",
        ),
        (
            "a fix with another file in it",
            fix(|p| {
                p["files"][0]["digest"] = json!(Digest::of("x"));
            }),
            Refused,
            "fix",
        ),
        (
            "a fix with a file more",
            fix(|p| {
                let more = json!({"path": "/usr/bin/more", "digest": Digest::of("x"), "size": 7});
                p["files"].as_array_mut().unwrap().push(more);
            }),
            Refused,
            "fix",
        ),
        ("a fix with no file", fix(|p| p["files"] = json!([])), Refused, "fix"),
        ("a fix with another mode", fix(|p| p["files"][0]["mode"] = json!("4755")), Refused, "fix"),
        ("a fix that removes", fix(|p| p["removed"] = json!(["/etc/passwd"])), Refused, "fix"),
        (
            "a fix on another manifest of the base",
            fix(|p| p["base"] = json!(Digest::of("x"))),
            Refused,
            "fix",
        ),
        (
            "a fix that is no document",
            Recipe {
                attestations: |all| all[1].predicate["more"] = json!(1),
                bundle: |b| remove(&mut b["images"][0]["attestations"][1], "statement"),
                ..Recipe::default()
            },
            Refused,
            "fix",
        ),
        (
            "provenance of another plan",
            attestations(|all| {
                all[2].predicate["buildDefinition"]["externalParameters"]["plan"] =
                    json!(Digest::of("x"));
            }),
            Refused,
            "provenance",
        ),
        (
            "provenance under another builder's id",
            attestations(|all| {
                all[2].predicate["runDetails"]["builder"]["id"] = json!("https://ci.example/other");
            }),
            Refused,
            "attestation",
        ),
        (
            "more builders demanded than there are",
            bundle(|b| b["images"][0]["attestations"][0]["count"] = json!(2)),
            Refused,
            "attestation",
        ),
        (
            "what the policy demands of images",
            policy(|p| p["required"][0]["predicateType"] = json!("https://example.com/scan/v1")),
            NoneFound,
            "attestation",
        ),
        (
            "what the policy demands of bundles",
            policy(|p| p["required"][0]["artefact"] = json!("bundle")),
            NoneFound,
            "attestation",
        ),
        (
            "a policy that names no builder",
            policy(|p| drop(p["roles"].as_array_mut().unwrap().remove(0))),
            Refused,
            "attestation",
        ),
        (
            "a builder key that ended before it was counted",
            policy(|p| {
                p["principals"][0]["keys"][0]["notAfter"] = json!("2026-05-30T00:00:00Z");
            }),
            Refused,
            "attestation",
        ),
    ])
    .await;
}
