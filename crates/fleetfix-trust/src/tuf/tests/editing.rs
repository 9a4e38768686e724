//! Putting states together.

use fleetfix_model::canonical::MAX_INTEGER;
use serde_json::{Value, json};

use super::fixture::{CHANNEL, Fleet, NOW, add_root, day, time};
use crate::tuf::edit::{Changes, Current, Draft, Error, Role};
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
    fleet.state.metadata.insert("junk.root.json".into(), b"x".to_vec());
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
