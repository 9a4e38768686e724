//! Changed bytes: never accepted as something else, never a panic.

use std::collections::BTreeMap;

use proptest::prelude::*;

use super::fixture::{CHANNEL, Fleet, NOW, role_file_name, time};
use crate::tuf::edit::Role;
use crate::tuf::{Contents, TufState, verify};

/// All that a client acts on.
#[derive(Debug, PartialEq)]
struct Meaning {
    roles: Vec<(String, u64, String)>,
    targets: BTreeMap<String, (String, Vec<u8>)>,
}

fn meaning(contents: &Contents) -> Meaning {
    let role =
        |role: &crate::tuf::RoleState| (role.name.clone(), role.version, role.expires.to_string());
    let target = |name: &str| {
        let role = contents.target_role(name).unwrap().to_owned();
        (name.to_owned(), (role, contents.target(name).unwrap().into_inner()))
    };
    Meaning {
        roles: contents.roles().map(role).collect(),
        targets: contents.target_names().map(target).collect(),
    }
}

/// Where the signed part of a role file of ours starts: what is before it is signatures.
fn signed_part(bytes: &[u8]) -> usize {
    let text = std::str::from_utf8(bytes).unwrap();
    text.find("\"signed\":").unwrap()
}

/// Changes each byte of a role file, one at a time.
async fn each_byte(role: Role) {
    let fleet = Fleet::small().await;
    let good = meaning(&fleet.verify(&fleet.state).await.unwrap());
    let name = role_file_name(&fleet.state, role);
    let bytes = &fleet.state.metadata[&name];
    let signed = signed_part(bytes);
    let (mut refused, mut same) = (0, 0);
    for at in 0..bytes.len() {
        let mut state = fleet.state.clone();
        let file = state.metadata.get_mut(&name).unwrap();
        file[at] ^= if at % 3 == 0 { 0x20 } else { 1 << (at % 3) };
        match fleet.verify(&state).await {
            Err(_) => refused += 1,
            Ok(repository) => {
                // Only these two are named by no other file, and only their signatures are signed by
                // nobody: those of the root's own copy, and the case of hex digits.
                assert!(matches!(role, Role::Root | Role::Timestamp), "byte {at}");
                assert!(at < signed, "byte {at} is signed");
                assert_eq!(meaning(&repository), good, "byte {at}");
                same += 1;
            }
        }
    }
    assert_eq!(refused + same, bytes.len());
    assert!(refused >= bytes.len() - signed, "{refused} refused, {same} the same");
}

#[tokio::test]
async fn a_changed_byte_of_the_root() {
    each_byte(Role::Root).await;
}

#[tokio::test]
async fn a_changed_byte_of_the_timestamp() {
    each_byte(Role::Timestamp).await;
}

#[tokio::test]
async fn a_changed_byte_of_the_snapshot() {
    each_byte(Role::Snapshot).await;
}

#[tokio::test]
async fn a_changed_byte_of_the_targets() {
    each_byte(Role::Targets).await;
}

#[tokio::test]
async fn a_changed_byte_of_a_delegated_role() {
    for role in Role::DELEGATED {
        each_byte(role).await;
    }
}

#[tokio::test]
async fn a_changed_byte_of_the_trust_anchor() {
    let fleet = Fleet::small().await;
    let good = meaning(&fleet.verify(&fleet.state).await.unwrap());
    let mut state = fleet.state.clone();
    state.metadata.remove("1.root.json");
    for at in 0..fleet.root.len() {
        let mut root = fleet.root.clone();
        root[at] ^= 1;
        if let Ok(repository) = verify(&root, &state, time(NOW), None).await {
            assert!(at < signed_part(&fleet.root), "byte {at}");
            assert_eq!(meaning(&repository), good, "byte {at}");
        }
    }
}

#[tokio::test]
async fn a_changed_byte_in_a_target() {
    let fleet = Fleet::new().await;
    for (name, bytes) in &fleet.state.targets {
        for at in 0..bytes.len() {
            let mut state = fleet.state.clone();
            state.targets.get_mut(name).unwrap()[at] ^= 1;
            assert!(fleet.verify(&state).await.is_err(), "{name}: byte {at}");
        }
    }
}

/// `tough` alone would take these: it does not look at `_type` and reads several forms of a time.
#[tokio::test]
async fn another_spelling_of_what_is_signed() {
    let fleet = Fleet::new().await;
    for (from, to) in [
        ("\"_type\":\"timestamp\"", "\"_type\":\"snapshot\""),
        ("\"_type\":\"timestamp\",", ""),
        ("T00:00:00Z", " 00:00:00Z"),
        ("T00:00:00Z", "T00:00:00.0Z"),
        ("T00:00:00Z", "T00:00:00+00:00"),
    ] {
        let mut state = fleet.state.clone();
        let text = String::from_utf8(state.metadata["timestamp.json"].clone()).unwrap();
        assert!(text.contains(from), "{from}");
        state.metadata.insert("timestamp.json".into(), text.replace(from, to).into_bytes());
        assert!(fleet.verify(&state).await.is_err(), "{from} as {to}");
    }
}

fn files() -> impl Strategy<Value = BTreeMap<String, Vec<u8>>> {
    let name = prop_oneof![
        Just("timestamp.json".to_owned()),
        "[12]\\.(root|snapshot|targets|publishers)\\.json",
        ".{0,8}",
    ];
    let piece = prop_oneof![
        Just("{\"signatures\":[],\"signed\":{"),
        Just("\"_type\":\"targets\","),
        Just("\"version\":9007199254740992"),
        Just("}}"),
        Just("\"meta\":{\"snapshot.json\":{\"version\":1}}"),
    ];
    let bytes = prop_oneof![
        prop::collection::vec(any::<u8>(), 0..80),
        prop::collection::vec(piece, 0..6).prop_map(|pieces| pieces.concat().into_bytes()),
    ];
    prop::collection::btree_map(name, bytes, 0..5)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]
    #[test]
    fn other_files_never_panic(metadata in files(), targets in files(), root in files()) {
        let state = TufState { metadata, targets };
        let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
        for root in root.values().chain(state.metadata.values()) {
            prop_assert!(runtime.block_on(verify(root, &state, time(NOW), None)).is_err());
        }
        // And put over a good state, under a good root.
        let mut fleet = runtime.block_on(Fleet::small());
        fleet.state.metadata.extend(state.metadata);
        fleet.state.targets.extend(state.targets);
        if let Ok(repository) = runtime.block_on(fleet.verify(&fleet.state)) {
            prop_assert_eq!(repository.target(CHANNEL).unwrap().into_inner(), b"{\"channel\":1}");
        }
    }
}
