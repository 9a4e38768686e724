//! Approvals: what counts, and each reason why one does not.

use fleetfix_model::document::Approval;
use fleetfix_model::document::finding::Waiver;
use fleetfix_model::document::policy::{Role, Separation};
use fleetfix_model::name::{ChannelName, PrincipalName};
use fleetfix_model::verdict::Status;
use fleetfix_model::{Class, Classify, Digest, Timestamp, media};

use super::fixture::{Team, approval, bundle, envelope, name, now, signed, time};
use crate::policy::{Approvals, Asked, People, Place, Refusal};
use crate::statement::Statement;
use crate::test_key::TestKey;
use crate::verified::Verified;

fn waived_by(who: &str) -> Waiver {
    let finding = "coverage/4.20.7".parse().unwrap();
    Waiver { finding, by: name(who), reason: "never shipped".to_owned(), expires: None }
}

struct Question {
    channel: ChannelName,
    waivers: Vec<Waiver>,
    requester: Option<PrincipalName>,
    authors: Vec<PrincipalName>,
    builders: Vec<PrincipalName>,
    time: Timestamp,
}

impl Question {
    fn new() -> Self {
        Self {
            channel: "stable".parse().unwrap(),
            waivers: vec![waived_by("alice")],
            requester: Some(name("dave")),
            authors: vec![name("erin")],
            builders: vec![name("ci")],
            time: now(),
        }
    }

    fn ask(&self, team: &Team, candidates: &[Vec<u8>]) -> Result<Verified<Approvals>, Refusal> {
        let asked = Asked {
            bundle: bundle(),
            request: Digest::of("request"),
            plan: Digest::of("plan"),
            waivers: &self.waivers,
            place: Place { channel: Some(&self.channel), ..Place::default() },
            people: People {
                requester: self.requester.as_ref(),
                authors: &self.authors,
                builders: &self.builders,
            },
            time: self.time,
        };
        team.policy().approvals(&asked, candidates)
    }
}

#[test]
fn two_people_are_enough() {
    let team = Team::new();
    let candidates =
        [signed(&approval("alice"), &team.alice2), signed(&approval("bob"), &team.bob)];
    let approvals = Question::new().ask(&team, &candidates).unwrap();
    let mut digests = candidates.map(Digest::of);
    digests.sort_unstable();
    assert_eq!(approvals.envelopes(), digests);
    let who: Vec<_> = approvals.approvals.iter().map(|a| a.approval.principal.as_str()).collect();
    assert_eq!(who, ["alice", "bob"]);
    let check = approvals.check();
    assert_eq!(check.status, Status::Passed);
    assert_eq!(check.checks.len(), 3);
}

/// The reasons why each candidate is not counted, beside one good approval by Alice.
fn reasons(question: &Question, team: &Team, bad: &[Vec<u8>]) -> Vec<String> {
    let mut candidates = vec![signed(&approval("alice"), &team.alice)];
    candidates.extend_from_slice(bad);
    match question.ask(team, &candidates).unwrap_err() {
        Refusal::TooFew { counted: 1, needed: 2, rejected, check, .. } => {
            assert!(!check.holds());
            let digests: Vec<_> = bad.iter().map(Digest::of).collect();
            assert_eq!(rejected.iter().map(|r| r.candidate).collect::<Vec<_>>(), digests);
            let short = &check.checks.last().unwrap().detail;
            for one in rejected.iter().take(8) {
                let why = format!("{} is not counted: {}", one.candidate.short(), one.reason);
                assert!(short.contains(&why), "no `{why}` in {short}");
            }
            rejected.iter().map(|r| r.reason.to_string()).collect()
        }
        other => panic!("{other}"),
    }
}

#[test]
fn each_approval_that_does_not_count_says_why() {
    let mut team = Team::new();
    team.document.principals[2].keys[0].not_after = Some(now());
    let question = Question::new();
    let bob = |change: fn(&mut Approval)| {
        let mut document = approval("bob");
        change(&mut document);
        signed(&document, &team.bob)
    };
    let other_subject =
        Statement::new(Digest::of("other"), media::APPROVAL_PREDICATE, approval("bob"));
    let other_type = Statement::new(bundle(), media::FIX_PREDICATE, approval("bob"));
    let not_one =
        Statement::new(bundle(), media::APPROVAL_PREDICATE, serde_json::json!({"ok": true}));
    let statement = |bytes: Vec<u8>| envelope(&bytes, &[&team.bob]);
    let table: Vec<(Vec<u8>, String)> = vec![
        (b"junk".to_vec(), "not a DSSE envelope: not JSON that can be canonical: expected value at line 1 column 1".into()),
        (signed(&approval("bob"), &TestKey::new()), "signed by no key of the policy".into()),
        (signed(&approval("bob"), &team.release), "signed by no key of the policy".into()),
        (signed(&approval("bob"), &team.dave), "it names bob, and the key is of dave".into()),
        (signed(&approval("zoe"), &team.bob), "it names zoe, and the key is of bob".into()),
        (signed(&approval("carol"), &team.carol), "the key of carol is not good at 2026-01-10T00:00:00Z".into()),
        (signed(&approval("dave"), &team.dave), "dave is no approver here".into()),
        (signed(&approval("ci"), &team.ci), "ci is no approver here".into()),
        (signed(&approval("alice"), &team.alice2), "alice was counted already".into()),
        (bob(|a| a.request = Digest::of("x")), format!("for request {}, expected {}", Digest::of("x"), Digest::of("request"))),
        (bob(|a| a.plan = Digest::of("x")), format!("for plan {}, expected {}", Digest::of("x"), Digest::of("plan"))),
        (bob(|a| a.role = Role::Builder), "given as builder, expected approver".into()),
        (bob(|a| a.channels = vec!["canary".parse().unwrap()]), "not for channel `stable`".into()),
        (bob(|a| a.issued = time("2026-01-10T00:05:01Z")), "given at 2026-01-10T00:05:01Z, which is after 2026-01-10T00:00:00Z".into()),
        (bob(|a| a.expires = now()), "expired at 2026-01-10T00:00:00Z, it is 2026-01-10T00:00:00Z".into()),
        (bob(|a| a.findings = vec![]), "waived finding `coverage/4.20.7` is not accepted in it".into()),
        (bob(|a| a.reason = String::new()), "predicate: Approval: field `reason`: must be one line of 1 to 500 bytes without control characters".into()),
        (bob(|a| a.requires = vec!["magic".into()]), "predicate: Approval requires `magic`, which this version does not know: use a newer fleetfix".into()),
        (statement(other_subject.to_bytes().unwrap()), format!("about {}, expected {}", Digest::of("other"), bundle())),
        (statement(other_type.to_bytes().unwrap()), "predicate of type `https://fleetfix.openshift.io/fix/v1`, expected `https://fleetfix.openshift.io/approval/v1`".into()),
        (statement(b"{}".to_vec()), "not an in-toto statement: field `.`: missing field `_type`".into()),
    ];
    for (candidate, expected) in &table {
        let found = reasons(&question, &team, std::slice::from_ref(candidate));
        assert_eq!(found, std::slice::from_ref(expected));
    }
    let found = reasons(&question, &team, &[statement(not_one.to_bytes().unwrap())]);
    assert!(found[0].starts_with("predicate: Approval: field `ok`"), "{found:?}");
    // All at once: each with its own reason, and none of them hides another.
    let all: Vec<_> = table.iter().map(|(candidate, _)| candidate.clone()).collect();
    assert_eq!(
        reasons(&question, &team, &all),
        table.iter().map(|(_, reason)| reason.clone()).collect::<Vec<_>>()
    );
}

#[test]
fn a_clock_a_little_ahead_is_forgiven() {
    let team = Team::new();
    let mut early = approval("bob");
    early.issued = now().plus_seconds(300);
    let candidates = [signed(&approval("alice"), &team.alice), signed(&early, &team.bob)];
    assert!(Question::new().ask(&team, &candidates).is_ok());
}

#[test]
fn one_person_with_two_keys_is_one_person() {
    let team = Team::new();
    let mut second = approval("alice");
    second.reason = "once more".to_owned();
    let candidates = [signed(&approval("alice"), &team.alice), signed(&second, &team.alice2)];
    let error = Question::new().ask(&team, &candidates).unwrap_err();
    assert_eq!(error.class(), Class::Refused);
    let text = error.to_string();
    assert!(text.contains("1 of 2 by role approver"), "{text}");
    assert!(text.contains("alice was counted already"), "{text}");
}

#[test]
fn the_same_approval_twice_is_one() {
    let team = Team::new();
    let one = signed(&approval("alice"), &team.alice);
    assert!(Question::new().ask(&team, &[one.clone(), one]).is_err());
}

#[test]
fn junk_beside_enough_approvals_harms_nothing() {
    let team = Team::new();
    let candidates = [
        b"junk".to_vec(),
        signed(&approval("bob"), &TestKey::new()),
        signed(&approval("alice"), &team.alice),
        signed(&approval("bob"), &team.bob),
    ];
    let approvals = Question::new().ask(&team, &candidates).unwrap();
    assert_eq!(approvals.rejected.len(), 2);
    assert!(approvals.check().holds());
}

#[test]
fn who_approves_has_no_other_part() {
    let mut team = Team::new();
    let both = |team: &Team| {
        [signed(&approval("alice"), &team.alice), signed(&approval("bob"), &team.bob)]
    };
    let reason =
        |question: &Question, team: &Team| question.ask(team, &both(team)).unwrap_err().to_string();
    let mut question = Question::new();
    question.requester = Some(name("bob"));
    assert!(reason(&question, &team).contains("bob is requester of this bundle as well"));
    let mut question = Question::new();
    question.authors.push(name("alice"));
    assert!(reason(&question, &team).contains("alice is author of this bundle as well"));
    let mut question = Question::new();
    question.builders.push(name("bob"));
    assert!(question.ask(&team, &both(&team)).is_ok(), "the policy does not keep builders apart");
    // A rule that names the other role first says the same.
    team.document.separation = vec![Separation { role: Role::Builder, not: vec![Role::Approver] }];
    assert!(reason(&question, &team).contains("bob is builder of this bundle as well"));
}

#[test]
fn leaving_a_name_out_helps_nobody() {
    let mut team = Team::new();
    let both = [signed(&approval("alice"), &team.alice), signed(&approval("bob"), &team.bob)];
    let mut question = Question::new();
    question.requester = None;
    let error = question.ask(&team, &both).unwrap_err();
    assert!(matches!(error, Refusal::Unknown { other: Role::Requester, .. }), "{error}");
    assert!(!error.check().holds());
    let mut question = Question::new();
    question.authors.clear();
    let error = question.ask(&team, &both).unwrap_err();
    assert!(matches!(error, Refusal::Unknown { other: Role::Author, .. }), "{error}");
    team.document.separation.clear();
    assert!(question.ask(&team, &both).is_ok());
}

#[test]
fn another_name_helps_nobody() {
    type Part = fn(&mut Question, PrincipalName);
    let mut team = Team::new();
    team.document.principals[1].identities.push(super::fixture::mail("Bob@example.com"));
    let both = [signed(&approval("alice"), &team.alice), signed(&approval("bob"), &team.bob)];
    let parts: [(Part, Role); 2] = [
        (|question, name| question.requester = Some(name), Role::Requester),
        (|question, name| question.authors.push(name), Role::Author),
    ];
    for (set, role) in parts {
        let ask = |who: &str| {
            let mut question = Question::new();
            set(&mut question, name(who));
            question.ask(&team, &both)
        };
        // In nobody's name that the policy knows, it may be an approver's.
        for stranger in ["bobby", "alice@example.com", "bob.example.com"] {
            let error = ask(stranger).unwrap_err();
            let Refusal::Stranger { other, name, check, .. } = &error else { panic!("{error}") };
            assert_eq!((*other, name.as_str()), (role, stranger));
            assert!(!check.holds());
        }
        let error = ask("bob@example.com").unwrap_err().to_string();
        assert!(error.contains(&format!("bob is {role} of this bundle as well")), "{error}");
        assert!(ask("erin@example.com").is_ok() && ask("erin").is_ok());
    }
}

#[test]
fn whoever_waives_approves() {
    let team = Team::new();
    let both = [signed(&approval("alice"), &team.alice), signed(&approval("bob"), &team.bob)];
    let ask = |who: &str| {
        let question = Question { waivers: vec![waived_by(who)], ..Question::new() };
        question.ask(&team, &both)
    };
    assert!(ask("alice").is_ok() && ask("bob").is_ok());
    // Carol may approve and did not; Dave may not; nobody knows Zoe.
    for who in ["carol", "dave", "zoe"] {
        let error = ask(who).unwrap_err();
        let Refusal::Waiver { by, check, .. } = &error else { panic!("{error}") };
        assert_eq!(by.as_str(), who);
        assert!(!check.holds() && check.checks.len() == 4, "{check:#?}");
        assert_eq!(error.class(), Class::Refused);
    }
}

#[test]
fn without_a_rule_nobody_may() {
    let mut team = Team::new();
    team.document.roles.retain(|rule| rule.role != Role::Approver);
    let both = [signed(&approval("alice"), &team.alice), signed(&approval("bob"), &team.bob)];
    let error = Question::new().ask(&team, &both).unwrap_err();
    assert!(matches!(error, Refusal::NoRule { role: Role::Approver, .. }), "{error}");
}

#[test]
fn a_changed_byte_is_never_counted() {
    let team = Team::new();
    let alice = signed(&approval("alice"), &team.alice);
    let bob = signed(&approval("bob"), &team.bob);
    let question = Question::new();
    for at in 0..bob.len() {
        let mut bad = bob.clone();
        bad[at] ^= if at % 2 == 0 { 1 } else { 0x20 };
        assert!(question.ask(&team, &[alice.clone(), bad]).is_err(), "byte {at}");
    }
    assert!(question.ask(&team, &[alice, bob]).is_ok());
}
