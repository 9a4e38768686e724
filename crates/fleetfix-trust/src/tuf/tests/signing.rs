//! Who signs what in a draft.

use std::collections::BTreeMap;

use fleetfix_model::{Class, Classify as _};
use serde_json::Value;

use super::fixture::{CHANNEL, Fleet, NOW, day, time};
use crate::key::Algorithm;
use crate::test_key::{BrokenKey, TestKey};
use crate::tuf::edit::{Authority, Draft, Error, PerRole, Role, RoleFile};

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
