//! What an attacker or a careless owner may put before a client, named for the attack (TUF
//! specification 1.0.33, section 1.5.2).

use serde_json::{Value, json};

use super::fixture::{CHANNEL, Fleet, NOW, day, refused, role_file_name, time};
use crate::test_key::TestKey;
use crate::tuf::edit::{Role, key_id};
use crate::tuf::{Error, MAX_FILE_SIZE, verify};

/// The roles whose files the snapshot or the root vouches for, with the keys that should sign them.
const BELOW_ROOT: [Role; 6] =
    [Role::Targets, Role::Publishers, Role::Policy, Role::Pause, Role::Snapshot, Role::Timestamp];

#[tokio::test]
async fn arbitrary_software_a_stranger_signs() {
    let fleet = Fleet::new().await;
    let stranger = TestKey::new();
    for role in BELOW_ROOT {
        let mut state = fleet.state.clone();
        fleet.replace_role(&mut state, role, |_| (), &[&stranger]);
        let expected = role_file_name(&state, role);
        match refused(&fleet, &state).await {
            Error::BelowThreshold { file, valid: 0, .. } => assert_eq!(file, expected),
            other => panic!("{role}: {other}"),
        }
    }
}

#[tokio::test]
async fn arbitrary_software_one_publisher_of_two() {
    let fleet = Fleet::new().await;
    let keys = &fleet.keys.publishers;
    let sign = |signers: &[&TestKey]| {
        let mut state = fleet.state.clone();
        fleet.replace_role(&mut state, Role::Publishers, |_| (), signers);
        state
    };
    for signers in [&[&keys[0]][..], &[&keys[2], &fleet.keys.policy[0]], &[&keys[1], &keys[1]]] {
        match refused(&fleet, &sign(signers)).await {
            Error::BelowThreshold { file, valid: 1, threshold: 2 } => {
                assert_eq!(file, "1.publishers.json");
            }
            other => panic!("{other}"),
        }
    }
    assert!(fleet.verify(&sign(&[&keys[0], &keys[2]])).await.is_ok());
}

#[tokio::test]
async fn arbitrary_software_the_online_key_signs_a_channel() {
    let fleet = Fleet::new().await;
    let mut state = fleet.state.clone();
    let online: Vec<_> = fleet.keys.snapshot.iter().chain(&fleet.keys.timestamp).collect();
    fleet.replace_role(&mut state, Role::Publishers, |_| (), &online);
    let error = refused(&fleet, &state).await;
    assert!(matches!(error, Error::BelowThreshold { valid: 0, threshold: 2, .. }), "{error}");
}

#[tokio::test]
async fn arbitrary_software_one_signature_twice_in_the_file() {
    let fleet = Fleet::new().await;
    let mut state = fleet.state.clone();
    let keys = &fleet.keys.publishers;
    fleet.replace_role(&mut state, Role::Publishers, |_| (), &[&keys[0]]);
    let mut file: Value = serde_json::from_slice(&state.metadata["1.publishers.json"]).unwrap();
    let signature = file["signatures"][0].clone();
    file["signatures"].as_array_mut().unwrap().push(signature);
    state.metadata.insert("1.publishers.json".into(), serde_json::to_vec(&file).unwrap());
    fleet.name_again(&mut state, Role::Publishers);
    let error = refused(&fleet, &state).await;
    assert!(
        matches!(&error, Error::SignedTwice { file } if file == "1.publishers.json"),
        "{error}"
    );
}

#[tokio::test]
async fn arbitrary_software_one_key_under_two_ids() {
    let fleet = Fleet::new().await;
    let key = &fleet.keys.publishers[0];
    // The same key without the line end of its PEM has another id.
    let pem = key.public().to_pem();
    let object = json!({
        "keytype": "ecdsa", "scheme": "ecdsa-sha2-nistp256", "keyval": {"public": pem.trim_end()},
    });
    let canonical = serde_json::to_string(&json!({
        "keytype": "ecdsa", "keyval": {"public": "@"}, "scheme": "ecdsa-sha2-nistp256",
    }));
    let canonical = canonical.unwrap().replace('@', pem.trim_end());
    let id = fleetfix_model::Digest::of(canonical).hex();
    assert_ne!(id, key_id(&key.public()));
    let mut state = fleet.state.clone();
    let add = |signed: &mut Value| {
        signed["delegations"]["keys"][&id] = object.clone();
        signed["delegations"]["roles"][0]["keyids"].as_array_mut().unwrap().push(json!(id));
    };
    fleet.replace_role(&mut state, Role::Targets, add, &[&fleet.keys.targets[0]]);
    match refused(&fleet, &state).await {
        Error::KeyTwice { role } => assert_eq!(role, "publishers"),
        other => panic!("{other}"),
    }
}

#[tokio::test]
async fn freeze_each_role_has_an_end() {
    let fleet = Fleet::new().await;
    for role in BELOW_ROOT {
        let mut state = fleet.state.clone();
        let end = |signed: &mut Value| signed["expires"] = json!(NOW);
        fleet.replace_role(&mut state, role, end, &fleet.keys.get(role).iter().collect::<Vec<_>>());
        match refused(&fleet, &state).await {
            Error::Expired { role: found, expires, now } => {
                assert_eq!((found.as_str(), expires, now), (role.name(), time(NOW), time(NOW)));
            }
            other => panic!("{role}: {other}"),
        }
        let before = verify(&fleet.root, &state, time(NOW).plus_seconds(-1), None).await;
        assert!(before.is_ok(), "{role} is good until its end");
    }
    let late = verify(&fleet.root, &fleet.state, day(1), None).await.unwrap_err();
    assert_eq!(
        late.to_string(),
        "role `timestamp` expired at 2026-01-02T00:00:00Z, it is 2026-01-02T00:00:00Z now [the channel's owners must refresh it]"
    );
}

#[tokio::test]
async fn mix_and_match_of_two_states() {
    let mut fleet = Fleet::new().await;
    let old = fleet.state.clone();
    fleet.state = fleet.next(&[(CHANNEL, b"two")], &[]).await;
    let new = fleet.state.clone();
    // Old content under the new name.
    for (name, old_name) in [
        ("2.publishers.json", "1.publishers.json"),
        ("2.snapshot.json", "1.snapshot.json"),
        ("1.policy.json", "1.pause.json"),
    ] {
        let mut state = new.clone();
        state.metadata.insert(name.into(), old.metadata[old_name].clone());
        match refused(&fleet, &state).await {
            Error::Hash { file, .. } | Error::Size { file, .. } => assert_eq!(file, name),
            other => panic!("{name}: {other}"),
        }
    }
    // The new timestamp over the old rest.
    let mut state = old.clone();
    state.metadata.insert("timestamp.json".into(), new.metadata["timestamp.json"].clone());
    match refused(&fleet, &state).await {
        Error::Missing { file } => assert_eq!(file, "2.snapshot.json"),
        other => panic!("{other}"),
    }
}

#[tokio::test]
async fn mix_and_match_a_snapshot_that_lies_about_a_version() {
    let fleet = Fleet::new().await;
    let mut state = fleet.state.clone();
    let bytes = state.metadata["1.publishers.json"].clone();
    state.metadata.insert("7.publishers.json".into(), bytes);
    let lie = |signed: &mut Value| signed["meta"]["publishers.json"]["version"] = json!(7);
    fleet.replace_role(&mut state, Role::Snapshot, lie, &[&fleet.keys.snapshot[0]]);
    match refused(&fleet, &state).await {
        Error::Version { file, found: 1, expected: 7 } => assert_eq!(file, "7.publishers.json"),
        other => panic!("{other}"),
    }
}

#[tokio::test]
async fn a_delegated_role_cannot_be_left_out() {
    let fleet = Fleet::new().await;
    let mut state = fleet.state.clone();
    let drop = |signed: &mut Value| {
        signed["meta"].as_object_mut().unwrap().remove("pause.json");
    };
    fleet.replace_role(&mut state, Role::Snapshot, drop, &[&fleet.keys.snapshot[0]]);
    match refused(&fleet, &state).await {
        Error::NotInSnapshot { role, snapshot } => {
            assert_eq!((role.as_str(), snapshot.as_str()), ("publishers", "1.snapshot.json"));
        }
        other => panic!("{other}"),
    }
}

#[tokio::test]
async fn a_role_gives_only_what_is_its_own() {
    let fleet = Fleet::new().await;
    let listed = |name: &str| {
        let name = name.to_owned();
        let bytes = b"evil";
        let digest = fleetfix_model::Digest::of(bytes).hex();
        move |signed: &mut Value| {
            signed["targets"][&name] = json!({"length": 4, "hashes": {"sha256": digest}});
        }
    };
    let table = [
        (
            Role::Pause,
            CHANNEL,
            "role `pause` lists target `channel.stable.json`, which is not its to give",
        ),
        (
            Role::Pause,
            "policy.json",
            "role `pause` lists target `policy.json`, which is not its to give",
        ),
        (
            Role::Pause,
            "channel.evil.json",
            "target `channel.evil.json` is listed by a role that it is not delegated to",
        ),
        (
            Role::Targets,
            "channel.evil.json",
            "role `targets` lists target `channel.evil.json`, which is not its to give",
        ),
        (
            Role::Targets,
            "policy.json",
            "role `targets` lists target `policy.json`, which is not its to give",
        ),
        (
            Role::Publishers,
            "channel.a/b.json",
            "target name `channel.a/b.json`, expected letters, digits, `.`, `_` and `-`",
        ),
        (
            Role::Publishers,
            "channel.%2e.json",
            "target name `channel.%2e.json`, expected letters, digits, `.`, `_` and `-`",
        ),
    ];
    for (role, name, expected) in table {
        let mut state = fleet.state.clone();
        let keys: Vec<_> = fleet.keys.get(role).iter().collect();
        fleet.replace_role(&mut state, role, listed(name), &keys);
        let digest = fleetfix_model::Digest::of(b"evil").hex();
        state.targets.insert(format!("{digest}.{name}"), b"evil".to_vec());
        let error = refused(&fleet, &state).await.to_string();
        // Which of the two listings of one name comes first is open.
        let other = expected.replace("role `targets`", "role `policy`");
        assert!(error == expected || error == other, "{role} {name}: {error}");
    }
}

#[tokio::test]
async fn endless_data() {
    let fleet = Fleet::new().await;
    let mut state = fleet.state.clone();
    for name in ["1.snapshot.json", "1.publishers.json", "1.targets.json"] {
        let mut state = fleet.state.clone();
        state.metadata.get_mut(name).unwrap().push(b' ');
        match refused(&fleet, &state).await {
            Error::Size { file, .. } => assert_eq!(file, name),
            other => panic!("{name}: {other}"),
        }
    }
    let target = state.targets.keys().next().unwrap().clone();
    state.targets.get_mut(&target).unwrap().push(b' ');
    match refused(&fleet, &state).await {
        Error::Size { file, .. } => assert_eq!(file, target),
        other => panic!("{other}"),
    }
    let mut state = fleet.state.clone();
    state.metadata.insert("timestamp.json".into(), vec![b' '; MAX_FILE_SIZE + 1]);
    assert!(matches!(refused(&fleet, &state).await, Error::TooLarge { .. }));
    let mut state = fleet.state.clone();
    state.targets.extend((0..3000).map(|i| (format!("{i}.x"), Vec::new())));
    assert!(matches!(refused(&fleet, &state).await, Error::TooLarge { .. }));
}

#[tokio::test]
async fn a_target_of_another_size_or_content() {
    let fleet = Fleet::new().await;
    let (name, _) = fleet.state.targets.iter().find(|(name, _)| name.ends_with(CHANNEL)).unwrap();
    let mut state = fleet.state.clone();
    state.targets.get_mut(name).unwrap()[3] ^= 1;
    assert!(matches!(refused(&fleet, &state).await, Error::Hash { file, .. } if file == *name));
    let mut state = fleet.state.clone();
    state.targets.remove(name);
    assert!(matches!(refused(&fleet, &state).await, Error::Missing { file } if file == *name));
    // The hash is right and the length is not.
    let mut state = fleet.state.clone();
    let longer = |signed: &mut Value| signed["targets"][CHANNEL]["length"] = json!(99);
    let keys: Vec<_> = fleet.keys.publishers.iter().collect();
    fleet.replace_role(&mut state, Role::Publishers, longer, &keys);
    match refused(&fleet, &state).await {
        Error::Size { file, expected: 99 } => assert_eq!(file, *name),
        other => panic!("{other}"),
    }
}

#[tokio::test]
async fn each_missing_file_is_named() {
    let fleet = Fleet::new().await;
    for name in fleet.state.metadata.keys().filter(|name| *name != "1.root.json") {
        let mut state = fleet.state.clone();
        state.metadata.remove(name);
        match refused(&fleet, &state).await {
            Error::Missing { file } => assert_eq!(file, *name),
            other => panic!("{name}: {other}"),
        }
    }
    // The given root is enough: its own file is not needed.
    let mut state = fleet.state.clone();
    state.metadata.remove("1.root.json");
    assert!(fleet.verify(&state).await.is_ok());
}

#[tokio::test]
async fn duplicate_keys_are_malformed_in_every_role() {
    let fleet = Fleet::new().await;
    let table = [
        ("{\"signatures\"", "{\"signatures\":[],\"signatures\""),
        ("\"signed\":{\"", "\"signed\":{\"_type\":\"x\",\""),
        ("\"signed\":{\"", "\"signed\":{\"version\":7,\""),
    ];
    for role in Role::ALL {
        let name = role_file_name(&fleet.state, role);
        for (from, to) in table {
            let mut state = fleet.state.clone();
            let text = String::from_utf8(state.metadata[&name].clone()).unwrap();
            state.metadata.insert(name.clone(), text.replacen(from, to, 1).into_bytes());
            if role != Role::Root {
                fleet.name_again(&mut state, role);
            }
            match refused(&fleet, &state).await {
                Error::Malformed { file, .. } => assert_eq!(file, name, "{to}"),
                other => panic!("{name} {to}: {other}"),
            }
        }
    }
}

#[tokio::test]
async fn a_delegation_twice_is_refused() {
    let fleet = Fleet::new().await;
    let mut state = fleet.state.clone();
    let twice = |signed: &mut Value| {
        let roles = signed["delegations"]["roles"].as_array_mut().unwrap();
        let mut again = roles[2].clone();
        again["name"] = json!("publishers");
        roles.push(again);
    };
    fleet.replace_role(&mut state, Role::Targets, twice, &[&fleet.keys.targets[0]]);
    let error = refused(&fleet, &state).await;
    assert!(matches!(&error, Error::RoleTwice { role } if role == "publishers"), "{error}");
}
