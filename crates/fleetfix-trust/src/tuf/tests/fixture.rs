//! A repository made for one test.

use std::collections::{BTreeMap, BTreeSet};

use fleetfix_model::{Class, Classify as _, Timestamp, canonical};
use serde_json::Value;

use crate::sign::Sign;
use crate::test_key::TestKey;
use crate::tuf::edit::{Authority, Changes, Current, Draft, PerRole, Role, RoleFile};
use crate::tuf::{Error, Repository, TufState, verify};

pub(super) const NOW: &str = "2026-01-01T00:00:00Z";
pub(super) const CHANNEL: &str = "channel.stable.json";

pub(super) fn time(text: &str) -> Timestamp {
    text.parse().unwrap()
}

/// `NOW` and some days.
pub(super) fn day(days: i64) -> Timestamp {
    time(NOW).plus_seconds(days * 86_400)
}

/// People, their keys, and the state they published.
pub(super) struct Fleet {
    pub(super) keys: PerRole<Vec<TestKey>>,
    pub(super) authorities: PerRole<Authority>,
    pub(super) expires: PerRole<Timestamp>,
    pub(super) root: Vec<u8>,
    pub(super) state: TufState,
}

fn is_many(role: Role) -> bool {
    matches!(role, Role::Root | Role::Publishers)
}

impl Fleet {
    /// Root 2 of 3, publishers 2 of 3, the others 1 of 1.
    pub(super) async fn new() -> Self {
        let keys = |role| (0..if is_many(role) { 3 } else { 1 }).map(|_| TestKey::new()).collect();
        Self::with(PerRole::from_fn(keys), |role| if is_many(role) { 2 } else { 1 }).await
    }

    /// One key for everything: the smallest files there are.
    pub(super) async fn small() -> Self {
        let key = TestKey::new();
        Self::with(PerRole::from_fn(|_| vec![key.clone()]), |_| 1).await
    }

    async fn with(keys: PerRole<Vec<TestKey>>, threshold: fn(Role) -> u32) -> Self {
        let authorities = PerRole::from_fn(|role| Authority {
            keys: keys.get(role).iter().map(TestKey::public).collect(),
            threshold: threshold(role),
        });
        let expires = PerRole::from_fn(|role| match role {
            Role::Timestamp => day(1),
            Role::Snapshot => day(7),
            Role::Publishers => day(90),
            Role::Policy | Role::Pause => day(180),
            Role::Root | Role::Targets => day(365),
        });
        let mut fleet =
            Self { keys, authorities, expires, root: Vec::new(), state: TufState::default() };
        let targets = [
            (CHANNEL.to_owned(), b"{\"channel\":1}".to_vec()),
            ("policy.json".to_owned(), b"{\"policy\":1}".to_vec()),
        ];
        let mut draft = Draft::init(&fleet.authorities, &fleet.expires, targets.into()).unwrap();
        fleet.sign(&mut draft);
        fleet.state = draft.seal(&fleet.online(), time(NOW)).await.unwrap();
        fleet.root = fleet.state.metadata["1.root.json"].clone();
        fleet
    }

    pub(super) fn online(&self) -> Vec<&dyn Sign> {
        let keys = self.keys.snapshot.iter().chain(&self.keys.timestamp);
        keys.map(|key| key as &dyn Sign).collect()
    }

    /// Signs with every key there is.
    pub(super) fn sign(&self, draft: &mut Draft) {
        for role in Role::ALL {
            for key in self.keys.get(role) {
                draft.sign(key).unwrap();
            }
        }
    }

    pub(super) async fn current(&self) -> Current {
        Current::open(&self.root, &self.state).await.unwrap()
    }

    pub(super) fn changes(&self, targets: &[(&str, &[u8])], renew: &[Role]) -> Changes {
        let targets =
            targets.iter().map(|(name, bytes)| ((*name).to_owned(), Some(bytes.to_vec())));
        Changes {
            targets: targets.collect(),
            renew: renew.iter().copied().collect(),
            expires: self.expires.clone(),
        }
    }

    /// The state after some changes.
    pub(super) async fn next(&self, targets: &[(&str, &[u8])], renew: &[Role]) -> TufState {
        let mut draft =
            Draft::change(&self.current().await, &self.changes(targets, renew)).unwrap();
        self.sign(&mut draft);
        draft.seal(&self.online(), time(NOW)).await.unwrap()
    }

    pub(super) async fn verify(&self, state: &TufState) -> Result<Repository, Error> {
        verify(&self.root, state, time(NOW), None).await
    }

    /// A role file of the state with another content, signed by `signers`, and snapshot and timestamp
    /// that name it.
    pub(super) fn replace_role(
        &self,
        state: &mut TufState,
        role: Role,
        change: impl FnOnce(&mut Value),
        signers: &[&TestKey],
    ) {
        let file = role_file_name(state, role);
        resign(state, &file, change, signers);
        self.name_again(state, role);
    }

    /// Makes snapshot and timestamp name the file of `role` as it is now.
    pub(super) fn name_again(&self, state: &mut TufState, role: Role) {
        let (above, entry, keys) = match role {
            Role::Timestamp => return,
            Role::Snapshot => (Role::Timestamp, "snapshot.json".to_owned(), &self.keys.timestamp),
            _ => (Role::Snapshot, format!("{}.json", role.name()), &self.keys.snapshot),
        };
        let meta = described(&state.metadata[&role_file_name(state, role)]);
        let change = |signed: &mut Value| {
            for (key, value) in meta {
                signed["meta"][&entry][key] = value;
            }
        };
        self.replace_role(state, above, change, &keys.iter().collect::<Vec<_>>());
    }
}

/// The next root, signed by `signers`, put into `state`.
pub(super) fn add_root(
    state: &mut TufState,
    version: u64,
    change: impl FnOnce(&mut Value),
    signers: &[&TestKey],
) {
    let file = format!("{}.root.json", version - 1);
    let mut root: Value = canonical::from_bounded_json(&state.metadata[&file]).unwrap();
    root["signed"]["version"] = version.into();
    change(&mut root["signed"]);
    let name = format!("{version}.root.json");
    state.metadata.insert(name.clone(), resigned(&name, &root["signed"], signers));
}

/// A role file of the state with another content, signed by `signers`.
pub(super) fn resign(
    state: &mut TufState,
    file: &str,
    change: impl FnOnce(&mut Value),
    signers: &[&TestKey],
) {
    let mut value: Value = canonical::from_bounded_json(&state.metadata[file]).unwrap();
    change(&mut value["signed"]);
    let bytes = resigned(file, &value["signed"], signers);
    state.metadata.insert(file.to_owned(), bytes);
}

fn described(bytes: &[u8]) -> BTreeMap<&'static str, Value> {
    let digest = fleetfix_model::Digest::of(bytes).hex();
    [("hashes", serde_json::json!({ "sha256": digest })), ("length", bytes.len().into())].into()
}

/// The name of a role's newest file.
pub(super) fn role_file_name(state: &TufState, role: Role) -> String {
    if role == Role::Timestamp {
        return "timestamp.json".to_owned();
    }
    let suffix = format!(".{}.json", role.name());
    let names: BTreeSet<_> = state.metadata.keys().filter(|name| name.ends_with(&suffix)).collect();
    let version = |name: &&&String| name.split('.').next().unwrap().parse::<u64>().unwrap();
    (*names.iter().max_by_key(version).unwrap()).clone()
}

/// `signed` with signatures by `signers`, whoever may sign.
pub(super) fn resigned(file: &str, signed: &Value, signers: &[&TestKey]) -> Vec<u8> {
    let bytes = serde_json::to_vec(&serde_json::json!({ "signed": signed, "signatures": [] }));
    let mut role_file = RoleFile::parse(file, &bytes.unwrap()).unwrap();
    for key in signers {
        role_file.add(*key).unwrap();
    }
    role_file.to_bytes().unwrap()
}

/// Why a client refuses `state`.
pub(super) async fn refused(fleet: &Fleet, state: &TufState) -> Error {
    let error = fleet.verify(state).await.unwrap_err();
    assert!(matches!(error.class(), Class::Refused | Class::Input), "{error}");
    error
}
