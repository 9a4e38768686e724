//! Putting states together.

use std::collections::BTreeMap;

use fleetfix_model::canonical::MAX_INTEGER;
use fleetfix_model::{Class, Classify as _};
use serde_json::{Value, json};

use super::fixture::{CHANNEL, Fleet, NOW, add_root, day, time};
use crate::key::Algorithm;
use crate::test_key::{BrokenKey, TestKey};
use crate::tuf::edit::{Authority, Changes, Current, Draft, Error, PerRole, Role, RoleFile};
use crate::tuf::{self, TufState, verify};

#[tokio::test]
async fn a_new_repository_holds() {
    let fleet = Fleet::new().await;
    let repository = fleet.verify(&fleet.state).await.unwrap();
    assert_eq!(repository.target(CHANNEL).unwrap().into_inner(), b"{\"channel\":1}");
    assert_eq!(repository.target("channel.other.json"), None);
    assert_eq!(repository.target_role(CHANNEL), Some("publishers"));
    assert_eq!(repository.target_role("policy.json"), Some("policy"));
    assert_eq!(repository.channel_names(), ["stable".parse().unwrap()]);
    assert_eq!(repository.roles().count(), 7);
    assert!(repository.roles().all(|role| role.version == 1));
    let names: Vec<_> = fleet.state.metadata.keys().map(String::as_str).collect();
    let expected = [
        "1.pause.json",
        "1.policy.json",
        "1.publishers.json",
        "1.root.json",
        "1.snapshot.json",
        "1.targets.json",
        "timestamp.json",
    ];
    assert_eq!(names, expected);
    assert_eq!(fleet.state.targets.len(), 2);
}

/// The role files that differ between two states, by name.
fn changed(old: &TufState, new: &TufState) -> Vec<String> {
    let mut names: Vec<_> = old.metadata.keys().chain(new.metadata.keys()).cloned().collect();
    names.sort_unstable();
    names.dedup();
    names.retain(|name| old.metadata.get(name) != new.metadata.get(name));
    names
}

#[tokio::test]
async fn what_is_the_same_changes_nothing() {
    let fleet = Fleet::new().await;
    let current = fleet.current().await;
    for targets in [vec![], vec![(CHANNEL, &b"{\"channel\":1}"[..])]] {
        let draft = Draft::change(&current, &fleet.changes(&targets, &[])).unwrap();
        assert!(draft.is_unchanged());
        assert_eq!(draft.role_files().count(), 0);
        assert_eq!(draft.seal(&[], time(NOW)).await.unwrap(), fleet.state);
    }
    let mut away = fleet.changes(&[], &[]);
    away.targets.insert("channel.none.json".into(), None);
    assert!(Draft::change(&current, &away).unwrap().is_unchanged());
}

#[tokio::test]
async fn a_changed_channel_is_a_new_version_of_three_roles() {
    let fleet = Fleet::new().await;
    let state = fleet.next(&[(CHANNEL, b"two")], &[]).await;
    assert_eq!(
        changed(&fleet.state, &state),
        [
            "1.publishers.json",
            "1.snapshot.json",
            "2.publishers.json",
            "2.snapshot.json",
            "timestamp.json"
        ]
    );
    assert!(!state.metadata.contains_key("1.snapshot.json"), "nothing names it any more");
    assert_eq!(state.targets.len(), 2);
    let repository = fleet.verify(&state).await.unwrap();
    assert_eq!(repository.target(CHANNEL).unwrap().into_inner(), b"two");
    let versions = ["publishers", "snapshot", "timestamp", "policy", "targets", "root"];
    assert_eq!(versions.map(|role| repository.version(role)), [2, 2, 2, 1, 1, 1]);
}

#[tokio::test]
async fn targets_come_and_go() {
    let mut fleet = Fleet::new().await;
    fleet.state =
        fleet.next(&[("channel.canary.json", b"c"), ("pause.stable.json", b"p")], &[]).await;
    let repository = fleet.verify(&fleet.state).await.unwrap();
    assert_eq!(repository.target_names().count(), 4);
    assert_eq!(repository.target_role("pause.stable.json"), Some("pause"));
    assert_eq!(repository.target(CHANNEL).unwrap().into_inner(), b"{\"channel\":1}");
    let mut changes = fleet.changes(&[], &[]);
    changes.targets.insert("channel.canary.json".into(), None);
    let mut draft = Draft::change(&fleet.current().await, &changes).unwrap();
    fleet.sign(&mut draft);
    let state = draft.seal(&fleet.online(), time(NOW)).await.unwrap();
    let repository = fleet.verify(&state).await.unwrap();
    assert_eq!(repository.target("channel.canary.json"), None);
    assert_eq!((repository.version("publishers"), state.targets.len()), (3, 3));
}

#[tokio::test]
async fn a_refresh_is_a_new_timestamp_alone() {
    let mut fleet = Fleet::new().await;
    fleet.expires.timestamp = day(2);
    let state = fleet.next(&[], &[Role::Timestamp]).await;
    assert_eq!(changed(&fleet.state, &state), ["timestamp.json"]);
    let repository = fleet.verify(&state).await.unwrap();
    assert_eq!(repository.role("timestamp").unwrap().expires, day(2));
    assert_eq!((repository.version("timestamp"), repository.version("snapshot")), (2, 1));
    let state = fleet.next(&[], &[Role::Snapshot]).await;
    assert_eq!(
        changed(&fleet.state, &state),
        ["1.snapshot.json", "2.snapshot.json", "timestamp.json"]
    );
}

#[tokio::test]
async fn renewing_keeps_what_a_role_says() {
    let mut fleet = Fleet::new().await;
    fleet.expires.publishers = day(100);
    fleet.expires.targets = day(500);
    let state = fleet.next(&[], &[Role::Publishers, Role::Targets]).await;
    let repository = fleet.verify(&state).await.unwrap();
    assert_eq!(repository.role("publishers").unwrap().expires, day(100));
    assert_eq!(repository.role("targets").unwrap().expires, day(500));
    assert_eq!(repository.version("targets"), 2);
    assert_eq!(repository.target(CHANNEL).unwrap().into_inner(), b"{\"channel\":1}");
}

#[tokio::test]
async fn an_expired_state_is_refreshed() {
    let mut fleet = Fleet::new().await;
    assert!(verify(&fleet.root, &fleet.state, day(8), None).await.is_err());
    let current = Current::open(&fleet.root, &fleet.state).await.unwrap();
    let ending = current.ending_before(day(8));
    assert_eq!(ending, [Role::Timestamp, Role::Snapshot].into());
    fleet.expires.timestamp = day(9);
    fleet.expires.snapshot = day(15);
    let mut changes = fleet.changes(&[], &[]);
    changes.renew = ending;
    let draft = Draft::change(&current, &changes).unwrap();
    let state = draft.seal(&fleet.online(), day(8)).await.unwrap();
    assert!(verify(&fleet.root, &state, day(8), None).await.is_ok());
    // What people sign is not renewed by the online key.
    let draft = Draft::change(&current, &changes).unwrap();
    match draft.seal(&fleet.online(), day(90)).await.unwrap_err() {
        Error::State(tuf::Error::Expired { role, .. }) => assert_eq!(role, "publishers"),
        other => panic!("{other}"),
    }
}

#[tokio::test]
async fn people_sign_in_different_places() {
    let fleet = Fleet::new().await;
    let changes = fleet.changes(&[(CHANNEL, b"two")], &[]);
    let mut draft = Draft::change(&fleet.current().await, &changes).unwrap();
    let proposed: BTreeMap<String, Vec<u8>> =
        draft.role_files().map(|file| (file.file_name(), file.to_bytes().unwrap())).collect();
    assert_eq!(proposed.keys().collect::<Vec<_>>(), ["2.publishers.json"]);
    let sign = |key: &TestKey| {
        let mut file =
            RoleFile::parse("2.publishers.json", &proposed["2.publishers.json"]).unwrap();
        file.add(key).unwrap();
        file.to_bytes().unwrap()
    };
    let keys = &fleet.keys.publishers;
    draft.merge("2.publishers.json", &sign(&keys[2])).unwrap();
    let missing = draft.missing().unwrap();
    assert_eq!((missing.len(), missing[0].valid, missing[0].threshold), (1, 1, 2));
    assert_eq!(
        (missing[0].role, missing[0].file.as_str()),
        (Role::Publishers, "2.publishers.json")
    );
    // The same person again is no second one.
    draft.merge("2.publishers.json", &sign(&keys[2])).unwrap();
    draft.merge("2.publishers.json", &sign(&TestKey::new())).unwrap();
    match draft.clone().seal(&fleet.online(), time(NOW)).await.unwrap_err() {
        Error::Unsigned { role: Role::Publishers, valid: 1, threshold: 2 } => {}
        other => panic!("{other}"),
    }
    draft.merge("2.publishers.json", &sign(&keys[0])).unwrap();
    assert!(draft.missing().unwrap().is_empty());
    let state = draft.clone().seal(&fleet.online(), time(NOW)).await.unwrap();
    assert!(fleet.verify(&state).await.is_ok());

    let other = fleet.changes(&[(CHANNEL, b"three")], &[]);
    let other = Draft::change(&fleet.current().await, &other).unwrap();
    let other = other.role_files().next().unwrap().to_bytes().unwrap();
    let error = draft.merge("2.publishers.json", &other).unwrap_err();
    assert!(matches!(error, Error::OtherContent { .. }), "{error}");
    let policy = fleet.state.metadata["1.policy.json"].clone();
    assert!(matches!(draft.merge("1.policy.json", &policy), Err(Error::OtherContent { .. })));
}

#[tokio::test]
async fn signing_is_by_those_who_are_listed_and_once() {
    let fleet = Fleet::new().await;
    let changes = fleet.changes(&[(CHANNEL, b"two"), ("policy.json", b"p")], &[]);
    let mut draft = Draft::change(&fleet.current().await, &changes).unwrap();
    assert_eq!(draft.sign(&TestKey::new()).unwrap(), []);
    assert_eq!(draft.sign(&fleet.keys.timestamp[0]).unwrap(), []);
    assert_eq!(draft.sign(&fleet.keys.root[0]).unwrap(), []);
    assert_eq!(draft.sign(&fleet.keys.publishers[1]).unwrap(), [Role::Publishers]);
    let bytes = |draft: &Draft| draft.role_files().next().unwrap().to_bytes().unwrap();
    let before = bytes(&draft);
    assert_eq!(draft.sign(&fleet.keys.publishers[1]).unwrap(), [Role::Publishers]);
    assert_eq!(bytes(&draft), before, "a good signature stays as it is");
    assert_eq!(draft.sign(&fleet.keys.policy[0]).unwrap(), [Role::Policy]);
    let broken = BrokenKey(fleet.keys.publishers[0].public());
    assert!(matches!(draft.sign(&broken), Err(Error::Sign(_))));
    draft.sign(&fleet.keys.publishers[0]).unwrap();
    for online in [&fleet.keys.snapshot[0], &fleet.keys.timestamp[0], &TestKey::new()] {
        let error = draft.clone().seal(&[online], time(NOW)).await.unwrap_err();
        assert!(matches!(error, Error::Unsigned { valid: 0, threshold: 1, .. }), "{error}");
        assert_eq!(error.class(), Class::Refused);
    }
    assert!(draft.seal(&fleet.online(), time(NOW)).await.is_ok());
}

#[tokio::test]
async fn the_same_input_gives_the_same_bytes_to_sign() {
    let fleet = Fleet::new().await;
    let new = || {
        let targets = [("policy.json".to_owned(), b"p".to_vec())];
        Draft::init(&fleet.authorities, &fleet.expires, targets.into()).unwrap()
    };
    let bytes = |draft: &Draft| -> Vec<_> {
        draft.role_files().map(|file| (file.file_name(), file.to_bytes().unwrap())).collect()
    };
    assert_eq!(bytes(&new()), bytes(&new()));
    let names: Vec<_> = bytes(&new()).into_iter().map(|(name, _)| name).collect();
    assert_eq!(
        names,
        ["1.root.json", "1.targets.json", "1.publishers.json", "1.policy.json", "1.pause.json"]
    );
    // The order of signing does not show.
    let sign = |order: [usize; 2]| {
        let mut draft = new();
        let before = draft.role_files().next().unwrap().clone();
        for i in order {
            draft.sign(&fleet.keys.root[i]).unwrap();
        }
        let file = draft.role_files().next().unwrap();
        assert_eq!(file.to_sign(), before.to_sign());
        let value: Value = serde_json::from_slice(&file.to_bytes().unwrap()).unwrap();
        value["signatures"]
            .as_array()
            .unwrap()
            .iter()
            .map(|s| s["keyid"].clone())
            .collect::<Vec<_>>()
    };
    assert_eq!(sign([0, 1]), sign([1, 0]));
}

#[tokio::test]
async fn the_first_state_needs_the_keys_of_everybody() {
    let fleet = Fleet::new().await;
    let mut draft = Draft::init(&fleet.authorities, &fleet.expires, BTreeMap::new()).unwrap();
    assert!(!draft.is_unchanged());
    let missing = draft.missing().unwrap();
    assert_eq!(missing.len(), 5);
    assert!(missing.iter().all(|role| role.valid == 0));
    for key in &fleet.keys.root {
        draft.sign(key).unwrap();
    }
    let roles: Vec<_> = draft.missing().unwrap().into_iter().map(|missing| missing.role).collect();
    assert_eq!(roles, [Role::Targets, Role::Publishers, Role::Policy, Role::Pause]);
    fleet.sign(&mut draft);
    let state = draft.seal(&fleet.online(), time(NOW)).await.unwrap();
    assert_eq!(state.targets.len(), 0, "an empty repository holds as well");
}

#[test]
fn authorities_are_reachable_and_of_the_common_kind() {
    let (a, b) = (TestKey::new().public(), TestKey::new().public());
    let with = |keys: Vec<_>, threshold| {
        let authorities = PerRole::from_fn(|role| match role {
            Role::Policy => Authority { keys: keys.clone(), threshold },
            _ => Authority::one(a.clone()),
        });
        Draft::init(&authorities, &PerRole::from_fn(|_| day(1)), BTreeMap::new())
    };
    assert!(with(vec![a.clone(), b.clone()], 2).is_ok());
    for (keys, threshold) in [
        (vec![], 0),
        (vec![], 1),
        (vec![a.clone()], 0),
        (vec![a.clone()], 2),
        (vec![a.clone(), a.clone()], 1),
    ] {
        let error = with(keys, threshold).unwrap_err();
        assert!(matches!(error, Error::Threshold { role: Role::Policy, .. }), "{error}");
    }
    let p384 = TestKey::of(Algorithm::EcdsaP384).public();
    let error = with(vec![p384], 1).unwrap_err();
    assert!(error.to_string().ends_with("is ECDSA P-384, expected ECDSA P-256"), "{error}");
}

#[tokio::test]
async fn only_our_targets_have_a_role() {
    let fleet = Fleet::new().await;
    let current = fleet.current().await;
    for name in ["", "x.json", "channel.json", "channel.stable", "policy.jsonx", "a/channel.b.json"]
    {
        let error = Draft::change(&current, &fleet.changes(&[(name, b"x")], &[])).unwrap_err();
        assert!(matches!(error, Error::TargetName { .. }), "{name}: {error}");
    }
    // A name that its role may give and that clients would not agree about.
    let mut draft =
        Draft::change(&current, &fleet.changes(&[("channel.a/b.json", b"x")], &[])).unwrap();
    fleet.sign(&mut draft);
    let error = draft.seal(&fleet.online(), time(NOW)).await.unwrap_err();
    assert!(matches!(error, Error::State(tuf::Error::TargetName { .. })), "{error}");
}

#[tokio::test]
async fn pruning_keeps_roots_and_what_is_named() {
    let mut fleet = Fleet::new().await;
    let first = fleet.state.clone();
    fleet.state = fleet.next(&[(CHANNEL, b"two")], &[]).await;
    let clean = fleet.state.clone();
    fleet.state.metadata.extend(first.metadata.into_iter().filter(|(k, _)| k != "timestamp.json"));
    fleet.state.metadata.insert("junk".into(), b"x".to_vec());
    fleet.state.targets.extend(first.targets);
    let current = fleet.current().await;
    assert_eq!(*current.state(), clean);
    assert_eq!(current.contents().version("timestamp"), 2);
    let keys: Vec<_> = fleet.keys.root.iter().collect();
    let mut state = clean.clone();
    add_root(&mut state, 2, |_| (), &keys);
    let pruned = fleet.verify(&state).await.unwrap().prune(&state);
    assert_eq!(pruned, state, "each root is kept, for clients with an old one");
}

#[tokio::test]
async fn a_foreign_field_survives_a_new_version() {
    let mut fleet = Fleet::new().await;
    let keys: Vec<_> = fleet.keys.publishers.iter().collect();
    let add = |signed: &mut Value| signed["x-note"] = json!("kept");
    let mut state = fleet.state.clone();
    fleet.replace_role(&mut state, Role::Publishers, add, &keys);
    fleet.state = state;
    let next = fleet.next(&[(CHANNEL, b"two")], &[]).await;
    let text = String::from_utf8(next.metadata["2.publishers.json"].clone()).unwrap();
    assert!(text.contains("\"x-note\":\"kept\""), "{text}");
}

#[tokio::test]
async fn the_last_version_is_the_last() {
    let mut fleet = Fleet::new().await;
    let key = &fleet.keys.timestamp[0];
    let last = |signed: &mut Value| signed["version"] = json!(MAX_INTEGER);
    let mut state = fleet.state.clone();
    fleet.replace_role(&mut state, Role::Timestamp, last, &[key]);
    fleet.state = state;
    let changes = fleet.changes(&[], &[Role::Timestamp]);
    let draft = Draft::change(&fleet.current().await, &changes).unwrap();
    let error = draft.seal(&fleet.online(), time(NOW)).await.unwrap_err();
    assert!(matches!(error, Error::LastVersion { role: Role::Timestamp, .. }), "{error}");
}

#[test]
fn what_is_no_role_file_says_why() {
    let good = br#"{"signatures":[],"signed":{"_type":"targets","version":2}}"#;
    assert!(RoleFile::parse("2.publishers.json", good).is_ok());
    let table: [(&str, &[u8], &str); 8] = [
        ("2.publishers.txt", good, "its name does not end in .json"),
        ("2.others.json", good, "its name is not that of a role"),
        ("3.publishers.json", good, "its name has another version"),
        ("2.snapshot.json", good, "its `_type` is of another role"),
        ("2.publishers.json", b"{}", "it has no field `signed`"),
        ("2.publishers.json", b"[]", "it has no field `signed`"),
        ("2.publishers.json", br#"{"signed":{"_type":"targets"}}"#, "it has no `version`"),
        (
            "2.publishers.json",
            br#"{"signatures":[{"keyid":"a"}],"signed":{"_type":"targets","version":2}}"#,
            "a signature lacks `keyid` or `sig`",
        ),
    ];
    for (file, bytes, expected) in table {
        let error = RoleFile::parse(file, bytes).unwrap_err().to_string();
        assert_eq!(error, format!("{file} is not a role file: {expected}"));
    }
    assert!(RoleFile::parse("2.publishers.json", b"junk").is_err());
}

#[tokio::test]
async fn a_state_without_our_roles_is_not_changed() {
    let fleet = Fleet::new().await;
    let mut state = fleet.state.clone();
    let drop = |signed: &mut Value| {
        signed["delegations"]["roles"].as_array_mut().unwrap().pop();
    };
    fleet.replace_role(&mut state, Role::Targets, drop, &[&fleet.keys.targets[0]]);
    let current = Current::open(&fleet.root, &state).await.unwrap();
    let changes: Changes = fleet.changes(&[("pause.stable.json", b"x")], &[]);
    let error = Draft::change(&current, &changes).unwrap_err();
    assert!(matches!(error, Error::NoRole { role: Role::Pause }), "{error}");
}

#[tokio::test]
async fn a_publisher_builds_on_no_state_of_the_past() {
    let mut fleet = Fleet::new().await;
    let old = fleet.state.clone();
    fleet.state = fleet.next(&[(CHANNEL, b"two")], &[]).await;
    let dir = tempfile::tempdir().unwrap();
    verify(&fleet.root, &fleet.state, time(NOW), Some(dir.path())).await.unwrap();
    let open = async |state| Current::open_after(&fleet.root, state, Some(dir.path())).await;
    assert!(open(&fleet.state).await.is_ok());
    let error = open(&old).await.unwrap_err();
    assert!(matches!(error, Error::State(tuf::Error::Rollback { .. })), "{error}");
}
