//! The remembered state: rollback, forks, and what is written when.

use std::fs;
use std::path::{Path, PathBuf};

use serde_json::{Value, json};
use tempfile::TempDir;

use super::fixture::{CHANNEL, Fleet, NOW, add_root, day, resign, time};
use crate::test_key::TestKey;
use crate::tuf::edit::{Role, key_id};
use crate::tuf::{Error, Memory, Repository, TufState, verify};

struct Client {
    root: Vec<u8>,
    dir: TempDir,
}

impl Client {
    fn new(fleet: &Fleet) -> Self {
        Self { root: fleet.root.clone(), dir: tempfile::tempdir().unwrap() }
    }

    async fn see(&self, state: &TufState) -> Result<Repository, Error> {
        verify(&self.root, state, time(NOW), Some(&self.memory())).await
    }

    fn memory(&self) -> PathBuf {
        self.dir.path().join("not/there/yet")
    }

    fn file(&self) -> PathBuf {
        self.memory().join("tuf-seen.json")
    }
}

fn read(path: &Path) -> Option<Vec<u8>> {
    fs::read(path).ok()
}

#[tokio::test]
async fn the_first_state_and_those_after_it() {
    let mut fleet = Fleet::new().await;
    let client = Client::new(&fleet);
    let first = client.see(&fleet.state).await.unwrap();
    assert_eq!(first.memory(), Memory::First);
    let seen = read(&client.file()).unwrap();
    let inode = |path: &Path| std::os::unix::fs::MetadataExt::ino(&fs::metadata(path).unwrap());
    let before = inode(&client.file());
    let again = client.see(&fleet.state).await.unwrap();
    assert_eq!(again.memory(), Memory::Checked { timestamp: 1 });
    assert_eq!(inode(&client.file()), before, "the same state is not written again");
    fleet.state = fleet.next(&[(CHANNEL, b"two")], &[]).await;
    let next = client.see(&fleet.state).await.unwrap();
    assert_eq!(next.memory(), Memory::Checked { timestamp: 1 });
    assert_ne!(read(&client.file()).unwrap(), seen);
    let names: Vec<_> =
        fs::read_dir(client.memory()).unwrap().map(|e| e.unwrap().file_name()).collect();
    assert_eq!(names.len(), 2, "a file and its lock: {names:?}");
    let offline = fleet.verify(&fleet.state).await.unwrap();
    assert_eq!(offline.memory(), Memory::None);
    assert!(offline.checks().iter().any(|c| c.name == "rollback" && c.detail.contains("--state")));
}

#[tokio::test]
async fn rollback_to_an_older_state() {
    let mut fleet = Fleet::new().await;
    let client = Client::new(&fleet);
    let old = fleet.state.clone();
    fleet.state = fleet.next(&[(CHANNEL, b"two")], &[]).await;
    client.see(&fleet.state).await.unwrap();
    let error = client.see(&old).await.unwrap_err();
    assert_eq!(
        error.to_string(),
        "role `timestamp` went back to version 1, version 2 was seen before"
    );
    assert!(client.see(&fleet.state).await.is_ok(), "what is remembered is as it was");
    assert!(fleet.verify(&old).await.is_ok(), "without a memory nobody can tell");
}

#[tokio::test]
async fn rollback_by_a_stolen_online_key() {
    let mut fleet = Fleet::new().await;
    let client = Client::new(&fleet);
    let old = fleet.state.clone();
    fleet.state = fleet.next(&[(CHANNEL, b"two")], &[]).await;
    client.see(&fleet.state).await.unwrap();
    let version = |n: u64| move |signed: &mut Value| signed["version"] = json!(n);
    let (snapshot, timestamp) = (&fleet.keys.snapshot[0], &fleet.keys.timestamp[0]);

    // A new timestamp over the old snapshot.
    let mut state = old.clone();
    fleet.replace_role(&mut state, Role::Timestamp, version(9), &[timestamp]);
    match client.see(&state).await.unwrap_err() {
        Error::Rollback { role, seen: 2, found: 1 } => assert_eq!(role, "snapshot"),
        other => panic!("{other}"),
    }
    // A new timestamp and a new snapshot over the old channel.
    let mut state = old.clone();
    let renumber = |signed: &mut Value| signed["meta"]["snapshot.json"]["version"] = json!(9);
    let bytes = state.metadata["1.snapshot.json"].clone();
    state.metadata.insert("9.snapshot.json".into(), bytes);
    resign(&mut state, "9.snapshot.json", version(9), &[snapshot]);
    fleet.replace_role(&mut state, Role::Timestamp, renumber, &[timestamp]);
    fleet.name_again(&mut state, Role::Snapshot);
    fleet.replace_role(&mut state, Role::Timestamp, version(9), &[timestamp]);
    match client.see(&state).await.unwrap_err() {
        Error::Rollback { role, seen: 2, found: 1 } => assert_eq!(role, "publishers"),
        other => panic!("{other}"),
    }
    // The same with the channel's role left out.
    let forget = |signed: &mut Value| {
        signed["meta"].as_object_mut().unwrap().remove("publishers.json");
    };
    resign(&mut state, "9.snapshot.json", forget, &[snapshot]);
    fleet.name_again(&mut state, Role::Snapshot);
    match client.see(&state).await.unwrap_err() {
        Error::Vanished { role } => assert_eq!(role, "publishers"),
        other => panic!("{other}"),
    }
}

#[tokio::test]
async fn rollback_of_the_root() {
    let fleet = Fleet::new().await;
    let client = Client::new(&fleet);
    let keys: Vec<_> = fleet.keys.root.iter().collect();
    let mut state = fleet.state.clone();
    add_root(&mut state, 2, |_| (), &keys);
    client.see(&state).await.unwrap();
    match client.see(&fleet.state).await.unwrap_err() {
        Error::Rollback { role, seen: 2, found: 1 } => assert_eq!(role, "root"),
        other => panic!("{other}"),
    }
    // Another second root.
    let mut other = fleet.state.clone();
    add_root(&mut other, 2, |signed| signed["expires"] = json!(day(9)), &keys);
    let error = client.see(&other).await.unwrap_err();
    assert!(matches!(error, Error::OtherRepository { version: 2, .. }), "{error}");
}

#[tokio::test]
async fn a_fork_is_not_followed() {
    let mut fleet = Fleet::new().await;
    let client = Client::new(&fleet);
    let left = fleet.next(&[(CHANNEL, b"left")], &[]).await;
    let right = fleet.next(&[(CHANNEL, b"right")], &[]).await;
    client.see(&left).await.unwrap();
    match client.see(&right).await.unwrap_err() {
        Error::Fork { role, version: 2 } => assert_eq!(role, "timestamp"),
        other => panic!("{other}"),
    }
    // One state later it is the same fork: the versions of roles and their digests are remembered.
    fleet.state = right;
    let later = fleet.next(&[], &[Role::Snapshot]).await;
    match client.see(&later).await.unwrap_err() {
        Error::Fork { role, version: 2 } => assert_eq!(role, "publishers"),
        other => panic!("{other}"),
    }
    // Signed again with the same content is no fork.
    let mut again = left.clone();
    let key = &fleet.keys.timestamp[0];
    fleet.replace_role(&mut again, Role::Timestamp, |_| (), &[key]);
    assert_ne!(again, left);
    assert!(client.see(&again).await.is_ok());
}

#[tokio::test]
async fn what_is_refused_is_not_remembered() {
    let mut fleet = Fleet::new().await;
    let client = Client::new(&fleet);
    let old = fleet.state.clone();
    fleet.state = fleet.next(&[(CHANNEL, b"two")], &[]).await;
    let mut broken = fleet.state.clone();
    let target = broken.targets.keys().find(|name| name.ends_with(CHANNEL)).unwrap().clone();
    broken.targets.remove(&target);
    assert!(client.see(&broken).await.is_err());
    assert_eq!(read(&client.file()), None);
    let expired = verify(&client.root, &fleet.state, day(1), Some(&client.memory())).await;
    assert!(matches!(expired, Err(Error::Expired { .. })));
    assert_eq!(read(&client.file()), None);
    assert!(client.see(&old).await.is_ok());
}

#[tokio::test]
async fn a_memory_of_another_repository_is_named() {
    let (fleet, other) = (Fleet::new().await, Fleet::new().await);
    let client = Client::new(&fleet);
    client.see(&fleet.state).await.unwrap();
    let error = verify(&other.root, &other.state, time(NOW), Some(&client.memory())).await;
    assert!(matches!(error, Err(Error::OtherRepository { version: 1, .. })));
    assert!(client.see(&fleet.state).await.is_ok());
}

#[tokio::test]
async fn a_damaged_memory_is_named() {
    let fleet = Fleet::new().await;
    let client = Client::new(&fleet);
    client.see(&fleet.state).await.unwrap();
    let good = read(&client.file()).unwrap();
    for bytes in [&b""[..], b"junk", b"{}", &good[..good.len() / 2]] {
        fs::write(client.file(), bytes).unwrap();
        let error = client.see(&fleet.state).await.unwrap_err();
        assert!(matches!(error, Error::MemoryDamaged { .. }), "{error}");
    }
    let text = String::from_utf8(good.clone()).unwrap();
    fs::write(
        client.file(),
        text.replace("\\\"_type\\\":\\\"root\\\"", "\\\"_type\\\":\\\"toor\\\""),
    )
    .unwrap();
    assert!(matches!(client.see(&fleet.state).await, Err(Error::MemoryDamaged { .. })));
    fs::write(client.file(), good).unwrap();
    assert!(client.see(&fleet.state).await.is_ok());
    fs::remove_file(client.file()).unwrap();
    fs::create_dir(client.file()).unwrap();
    assert!(matches!(client.see(&fleet.state).await, Err(Error::Memory { .. })));
}

#[tokio::test]
async fn a_newer_root_file_goes_with_an_older_memory() {
    let fleet = Fleet::new().await;
    let mut client = Client::new(&fleet);
    client.see(&fleet.state).await.unwrap();
    let keys: Vec<_> = fleet.keys.root.iter().collect();
    let mut state = fleet.state.clone();
    add_root(&mut state, 2, |_| (), &keys);
    add_root(&mut state, 3, |_| (), &keys);
    client.root = state.metadata["3.root.json"].clone();
    assert!(client.see(&state).await.is_ok());
    // And the old root file with the newer memory.
    client.root = fleet.root.clone();
    assert!(client.see(&state).await.is_ok());
}

/// A root with a new timestamp key: the way to recover from a stolen one that signed version 1000
/// (TUF specification 1.0.33, section 5.3.11).
#[tokio::test]
async fn rotated_online_keys_forgive_a_fast_forward_and_only_that() {
    let mut fleet = Fleet::new().await;
    let client = Client::new(&fleet);
    let mut forward = fleet.state.clone();
    let jump = |signed: &mut Value| signed["version"] = json!(1000);
    fleet.replace_role(&mut forward, Role::Timestamp, jump, &[&fleet.keys.timestamp[0]]);
    client.see(&forward).await.unwrap();
    assert!(matches!(client.see(&fleet.state).await, Err(Error::Rollback { .. })));

    let new = TestKey::new();
    let (id, pem) = (key_id(&new.public()), new.public().to_pem());
    let rotate = |signed: &mut Value| {
        signed["keys"][&id] = json!({
            "keytype": "ecdsa", "scheme": "ecdsa-sha2-nistp256", "keyval": {"public": pem},
        });
        signed["roles"]["timestamp"] = json!({"keyids": [id], "threshold": 1});
    };
    let mut state = fleet.state.clone();
    add_root(&mut state, 2, rotate, &fleet.keys.root.iter().collect::<Vec<_>>());
    let renew = |version: u64, key: &TestKey| {
        let mut state = state.clone();
        let to = |signed: &mut Value| signed["version"] = json!(version);
        fleet.replace_role(&mut state, Role::Timestamp, to, &[key]);
        state
    };
    assert!(
        client.see(&renew(2000, &fleet.keys.timestamp[0])).await.is_err(),
        "the old key is void"
    );
    assert!(client.see(&renew(5, &new)).await.is_ok(), "a lower version, once");
    // From now on rollback is refused again, although the client still holds the first root file.
    match client.see(&renew(4, &new)).await.unwrap_err() {
        Error::Rollback { role, seen: 5, found: 4 } => assert_eq!(role, "timestamp"),
        other => panic!("{other}"),
    }
    assert!(client.see(&renew(6, &new)).await.is_ok());
    fleet.keys.timestamp = vec![new];
}

#[test]
fn two_at_once_wait_for_each_other() {
    let dir = tempfile::tempdir().unwrap();
    let first = crate::tuf::memory::Remembered::open(dir.path()).unwrap();
    let path = dir.path().to_owned();
    let (tell, told) = std::sync::mpsc::channel();
    let other = std::thread::spawn(move || {
        let second = crate::tuf::memory::Remembered::open(&path).unwrap();
        tell.send(second.timestamp().is_err()).unwrap();
    });
    assert!(told.try_recv().is_err(), "the second waits");
    // Not a state, and never read as one by the first: what counts is that the second sees it.
    first.replace(b"{}", b"{}", b"{}").unwrap();
    drop(first);
    assert!(told.recv().unwrap(), "the second read what the first wrote");
    other.join().unwrap();
}
