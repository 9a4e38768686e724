//! Approvals of a bundle.

use fleetfix_model::verdict::Outcome::{NoneFound, Refused};
use fleetfix_model::{Digest, media};
use serde_json::json;

use super::{approvals, channel, plan, remove, run};
use crate::fleet::{Recipe, Who};

#[tokio::test]
#[expect(clippy::too_many_lines, reason = "one table")]
async fn approvals_of_bundles() {
    run(vec![
        ("none at all", approvals(Vec::clear), NoneFound, "approvals"),
        ("too few", approvals(|all| drop(all.pop())), Refused, "approvals"),
        ("one twice", approvals(|all| all[1] = all[0].clone()), Refused, "approvals"),
        (
            "two by one person with two keys",
            approvals(|all| {
                all[1] = all[0].clone();
                all[1].by = Who::AnnAgain;
            }),
            Refused,
            "approvals",
        ),
        (
            "in the name of somebody else",
            approvals(|all| all[1].by = Who::AnnAgain),
            Refused,
            "approvals",
        ),
        ("by nobody", approvals(|all| all[1].by = Who::Stranger), Refused, "approvals"),
        (
            "by who asked for it",
            approvals(|all| {
                all[1].by = Who::Rae;
                all[1].predicate["principal"] = json!("rae");
            }),
            Refused,
            "approvals",
        ),
        (
            "by who wrote it",
            approvals(|all| {
                all[1].by = Who::Art;
                all[1].predicate["principal"] = json!("art");
            }),
            Refused,
            "approvals",
        ),
        (
            "of another bundle",
            approvals(|all| all[1].subject = Digest::of("x")),
            Refused,
            "approvals",
        ),
        (
            "of another request",
            approvals(|all| all[1].predicate["request"] = json!(Digest::of("x"))),
            Refused,
            "approvals",
        ),
        (
            "of another plan",
            approvals(|all| all[1].predicate["plan"] = json!(Digest::of("x"))),
            Refused,
            "approvals",
        ),
        (
            "for another channel",
            approvals(|all| all[1].predicate["channels"] = json!(["canary"])),
            Refused,
            "approvals",
        ),
        (
            "without accepting what was waived",
            approvals(|all| remove(&mut all[1].predicate, "findings")),
            Refused,
            "approvals",
        ),
        (
            "that ended before it was counted",
            approvals(|all| all[1].predicate["expires"] = json!("2026-05-31T00:00:00Z")),
            Refused,
            "approvals",
        ),
        (
            "given after it was counted",
            approvals(|all| all[1].predicate["issued"] = json!("2026-05-31T01:00:00Z")),
            Refused,
            "approvals",
        ),
        (
            "another predicate type",
            approvals(|all| all[1].predicate_type = media::FIX_PREDICATE.into()),
            Refused,
            "approvals",
        ),
        (
            "that the channel names and nobody gave",
            channel(|c, _| {
                c["bundles"][0]["approvals"] = json!([Digest::of("x")]);
            }),
            Refused,
            "named",
        ),
        (
            "counted in the future",
            channel(|c, _| c["bundles"][0]["counted"] = json!("2026-06-01T00:05:01Z")),
            Refused,
            "counted",
        ),
        ("nobody named as requester", plan(|p| remove(p, "requester")), Refused, "separation"),
        (
            "a requester whom nobody knows",
            Recipe {
                request: |r| r["requester"] = json!("ann@example.com"),
                plan: |p| p["requester"] = json!("ann@example.com"),
                ..Recipe::default()
            },
            Refused,
            "separation",
        ),
        (
            "an author whom nobody knows",
            Recipe {
                request: |r| r["fixes"][0]["authors"] = json!(["bob.w"]),
                plan: |p| p["fixes"][0]["authors"] = json!(["bob.w"]),
                ..Recipe::default()
            },
            Refused,
            "separation",
        ),
        (
            "a waiver by somebody who may approve and did not",
            Recipe {
                request: |r| r["waivers"][0]["by"] = json!("art"),
                plan: |p| p["findings"][0]["waiver"]["by"] = json!("art"),
                ..Recipe::default()
            },
            Refused,
            "waiver",
        ),
    ])
    .await;
}
