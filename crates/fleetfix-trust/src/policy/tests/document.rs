//! What a policy document means.

use std::collections::BTreeSet;

use fleetfix_model::Repository;
use fleetfix_model::document::policy::{BaseImageRule, Role, Scope, Separation};
use fleetfix_model::name::{ChannelName, ComponentTag};
use proptest::prelude::*;

use super::fixture::{Team, name, now, rule, time, trusted};
use crate::key::{Algorithm, PublicKey};
use crate::policy::place::is_text_below;
use crate::policy::{Error, Place, Policy};
use crate::test_key::TestKey;

#[test]
fn one_key_has_one_owner() {
    let team = Team::new();
    let policy = team.policy();
    let owner = |key: &TestKey| policy.speaker(&key.public(), now()).map(|one| one.principal);
    assert_eq!(owner(&team.alice2), Some(name("alice")));
    assert_eq!(owner(&team.release), None);

    let mut twice = team.document.clone();
    twice.principals[2].keys.push(trusted(&team.alice));
    let error = Policy::new(twice).unwrap_err();
    assert_eq!(
        error.to_string(),
        format!(
            "trust policy: field `principals[2].keys[1]`: key {} stands at `principals[0].keys[0]` already",
            team.alice.public()
        )
    );
    // The same key in another spelling is the same key.
    let mut spelled = team.document.clone();
    let mut key = trusted(&team.alice);
    key.public_key = key.public_key.trim().to_owned();
    spelled.principals[1].keys.push(key);
    assert!(matches!(Policy::new(spelled), Err(Error::KeyTwice { .. })));
    let mut release = team.document.clone();
    release.release.keys.push(trusted(&team.release));
    assert!(matches!(Policy::new(release), Err(Error::KeyTwice { .. })));
    // An approver who holds the release key would release alone what two must approve.
    let mut both = team.document.clone();
    both.release.keys.push(trusted(&team.bob));
    let error = Policy::new(both).unwrap_err().to_string();
    assert!(error.contains("`release.keys[1]`: key"), "{error}");
    assert!(error.ends_with("stands at `principals[1].keys[0]` already"), "{error}");
}

#[test]
fn a_broken_key_is_named_wherever_it_stands() {
    let team = Team::new();
    let mut broken = trusted(&team.alice);
    broken.public_key = broken.public_key.replace("MFkw", "MFkx");
    let with = |change: fn(&mut fleetfix_model::document::TrustPolicy, _)| {
        let mut document = team.document.clone();
        change(&mut document, broken.clone());
        Policy::new(document).unwrap_err().to_string()
    };
    assert_eq!(
        with(|d, key| d.principals[1].keys.push(key)),
        "trust policy: field `principals[1].keys[1].publicKey`"
    );
    assert_eq!(
        with(|d, key| d.release.keys.push(key)),
        "trust policy: field `release.keys[1].publicKey`"
    );
    let base = with(|d, key| {
        d.base_images.push(BaseImageRule { prefix: "quay.io/x".into(), keys: vec![key] });
    });
    assert_eq!(base, "trust policy: field `baseImages[0].keys[0].publicKey`");
    let mut rules = team.document.clone();
    rules.roles[0].threshold = 4;
    assert!(matches!(Policy::new(rules), Err(Error::Rule(_))));
}

#[test]
fn release_keys_have_windows() {
    let mut team = Team::new();
    let old = TestKey::of(Algorithm::EcdsaP384);
    let mut key = trusted(&old);
    key.not_before = Some(time("2025-01-01T00:00:00Z"));
    key.not_after = Some(time("2026-01-10T00:00:00Z"));
    team.document.release.keys.push(key);
    let policy = team.policy();
    let keys = |at: &str| policy.release_keys(time(at));
    let both = [team.release.public(), old.public()];
    assert_eq!(keys("2024-12-31T23:59:59Z"), both[..1]);
    assert_eq!(keys("2025-01-01T00:00:00Z"), both);
    assert_eq!(keys("2026-01-09T23:59:59Z"), both);
    assert_eq!(keys("2026-01-10T00:00:00Z"), both[..1]);
}

#[test]
fn a_scope_matches_in_every_field_that_is_there() {
    let stable: ChannelName = "stable".parse().unwrap();
    let etcd: ComponentTag = "etcd".parse().unwrap();
    let repository: Repository = "quay.io/fleet/etcd".parse().unwrap();
    let here =
        Place { channel: Some(&stable), component: Some(&etcd), repository: Some(&repository) };
    let scope = |channels: &[&str], components: &[&str], repositories: &[&str]| Scope {
        channels: channels.iter().map(|one| one.parse().unwrap()).collect(),
        components: components.iter().map(|one| one.parse().unwrap()).collect(),
        repositories: repositories.iter().map(|one| (*one).to_owned()).collect(),
    };
    let table: [(Option<Scope>, bool); 14] = [
        (None, true),
        (Some(Scope::default()), true),
        (Some(scope(&["stable"], &[], &[])), true),
        (Some(scope(&["canary", "stable"], &["etcd"], &["quay.io/fleet"])), true),
        (Some(scope(&["canary"], &[], &[])), false),
        (Some(scope(&["stable"], &["hyperkube"], &[])), false),
        (Some(scope(&[], &[], &["quay.io/fleet/etcd"])), true),
        (Some(scope(&[], &[], &["quay.io/fleet/"])), true),
        (Some(scope(&[], &[], &["quay.io"])), true),
        (Some(scope(&[], &[], &["quay.io/fle"])), false),
        (Some(scope(&[], &[], &["quay.io/fleet/etcd/more"])), false),
        (Some(scope(&[], &[], &["fleet/etcd"])), false),
        (Some(scope(&[], &[], &[""])), false),
        (Some(scope(&[], &[], &["docker.io", "quay.io"])), true),
    ];
    for (scope, expected) in table {
        assert_eq!(here.is_in(scope.as_ref()), expected, "{scope:?}");
    }
    let nowhere = Place::default();
    assert!(nowhere.is_in(None));
    assert!(!nowhere.is_in(Some(&scope(&["stable"], &[], &[]))));
    assert!(!nowhere.is_in(Some(&scope(&[], &[], &["quay.io"]))));
}

#[test]
fn all_matching_rules_hold_and_there_is_one() {
    let mut team = Team::new();
    let stable: ChannelName = "stable".parse().unwrap();
    let canary: ChannelName = "canary".parse().unwrap();
    let only =
        |channel: &ChannelName| Scope { channels: vec![channel.clone()], ..Scope::default() };
    team.document.roles = vec![
        rule(Role::Approver, &["alice", "bob"], 1, None),
        rule(Role::Approver, &["bob", "carol"], 2, Some(only(&stable))),
    ];
    let policy = team.policy();
    let count = |channel: &ChannelName, who: &[&str]| {
        let who: BTreeSet<_> = who.iter().map(|one| name(one)).collect();
        let place = Place { channel: Some(channel), ..Place::default() };
        policy.count(Role::Approver, &place, &who)
    };
    assert!(count(&canary, &["alice"]).holds());
    assert!(!count(&canary, &["carol"]).holds());
    assert!(!count(&stable, &["alice", "carol"]).holds());
    assert!(!count(&stable, &["bob"]).holds());
    assert!(count(&stable, &["bob", "carol"]).holds());
    let none = policy.count(Role::Builder, &Place::default(), &[name("ci")].into());
    assert!(!none.holds() && none.rules.is_empty());
    assert!(!none.checks(&[])[0].holds());
}

#[test]
fn speakers_are_known_by_their_keys() {
    let mut team = Team::new();
    team.document.principals[1].keys[0].not_after = Some(now());
    let policy = team.policy();
    let keys = [&team.alice, &team.alice2, &team.bob, &team.ci, &TestKey::new()];
    let bytes = super::fixture::envelope(b"{}", &keys);
    let envelope = crate::dsse::Envelope::parse(&bytes).unwrap();
    let speakers = policy.speakers(&envelope, now());
    let found: Vec<_> = speakers.iter().map(|s| (s.principal.as_str(), s.key_is_good)).collect();
    assert_eq!(found, [("alice", true), ("bob", false), ("ci", true)]);
}

#[test]
fn the_document_comes_back_as_it_was() {
    let team = Team::new();
    assert_eq!(*team.policy().document(), team.document);
    assert!(PublicKey::from_pem(&team.document.release.keys[0].public_key).is_ok());
}

proptest! {
    #[test]
    fn the_cut_is_at_a_slash(prefix in "[a-z]{1,3}(/[a-z]{1,2}){0,2}", more in "(/?[a-z]){0,3}") {
        let text = format!("{prefix}{more}");
        prop_assert_eq!(is_text_below(&text, &prefix), more.is_empty() || more.starts_with('/'));
        let below = format!("{prefix}/x");
        prop_assert!(!is_text_below(&prefix, &below));
    }
}

#[test]
fn base_images_with_keys_are_refused_and_prefixes_are_cut_at_a_slash() {
    let mut team = Team::new();
    assert!(team.policy().allows_base("quay.io/any"));
    team.document.base_images =
        vec![BaseImageRule { prefix: "quay.io/payload".into(), keys: Vec::new() }];
    let policy = team.policy();
    assert!(policy.allows_base("quay.io/payload/etcd"));
    assert!(!policy.allows_base("quay.io/payload-evil/etcd"));
    team.document.base_images[0].keys.push(trusted(&TestKey::new()));
    let error = Policy::new(team.document).unwrap_err();
    assert!(error.to_string().contains("`baseImages[0].keys`: not supported yet"), "{error}");
}

#[test]
fn a_demand_that_nobody_would_check_is_refused() {
    let refused = |change: &dyn Fn(&mut fleetfix_model::document::TrustPolicy)| {
        let mut document = Team::new().document;
        change(&mut document);
        Policy::new(document).unwrap_err()
    };
    for role in [Role::Requester, Role::Author] {
        let error = refused(&|d| d.roles.push(rule(role, &["dave"], 1, None)));
        assert!(error.to_string().contains("`roles[2].role`: not supported yet"), "{error}");
    }
    let apart = |role, not: &[Role]| Separation { role, not: not.to_vec() };
    for rule in [
        apart(Role::Builder, &[Role::Author]),
        apart(Role::Builder, &[Role::Approver, Role::Author]),
        apart(Role::Requester, &[Role::Builder]),
        apart(Role::Approver, &[Role::Requester, Role::Approver]),
    ] {
        let error = refused(&|d| d.separation.push(rule.clone()));
        assert!(error.to_string().contains("`separation[1]`: not supported yet"), "{error}");
    }
    for prefix in ["https://quay.io/fleet", "", "/", "fleet/etcd", "oci:fleet", "quay.io/Fleet"] {
        let scope = Scope { repositories: vec![prefix.to_owned()], ..Scope::default() };
        let scoped = rule(Role::Approver, &["alice"], 1, Some(scope));
        let error = refused(&|d| d.roles.push(scoped.clone()));
        let Error::Rule(rule) = &error else { panic!("{prefix}: {error}") };
        assert_eq!(rule.field, "roles[2].scope.repositories[0]", "{prefix}");
        let base = BaseImageRule { prefix: prefix.to_owned(), keys: Vec::new() };
        assert!(matches!(refused(&|d| d.base_images.push(base.clone())), Error::Rule(_)));
    }
    for prefix in ["quay.io", "quay.io/", "quay.io/fleet", "localhost:5000/a/b/", "docker.io"] {
        let mut document = Team::new().document;
        let scope = Scope { repositories: vec![prefix.to_owned()], ..Scope::default() };
        document.roles.push(rule(Role::Approver, &["alice"], 1, Some(scope)));
        assert!(Policy::new(document).is_ok(), "{prefix}");
    }
}
