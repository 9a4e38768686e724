//! The next state in the making.

use std::collections::{BTreeMap, BTreeSet};

use fleetfix_model::{Digest, Timestamp};
use serde_json::{Map, Value, json};

use super::authority::{self, key_ids, shortfall};
use super::error::Error;
use super::role_file::RoleFile;
use super::roles::{Authority, PerRole, Role};
use crate::sign::Sign;
use crate::tuf::contents::{Contents, role_of};
use crate::tuf::memory::Remembered;
use crate::tuf::{self, Memory, TufState, load};

/// The state there is, as a publisher sees it: all of it holds, but roles may have expired, since
/// renewing them is the publisher's work.
#[derive(Clone, Debug)]
pub struct Current {
    contents: Contents,
    state: TufState,
    memory: Memory,
}

impl Current {
    /// Opens `state`, starting from the trusted `root` file. Expiry is not judged.
    pub async fn open(root: &[u8], state: &TufState) -> Result<Self, Error> {
        Self::open_after(root, state, None).await
    }

    /// Opens `state` and refuses one that is older than the one that `remembered` holds, so that
    /// nobody who can write to the registry has a publisher build on a state of the past. What is
    /// remembered stays as it is: [`crate::tuf::verify`] replaces it.
    pub async fn open_after(
        root: &[u8],
        state: &TufState,
        remembered: Option<&std::path::Path>,
    ) -> Result<Self, Error> {
        let remembered = remembered.map(Remembered::open).transpose()?;
        let contents = load::load(root, state, remembered.as_ref()).await?;
        let memory = match &remembered {
            None => Memory::None,
            Some(remembered) => Memory::after(remembered.timestamp()?),
        };
        let state = contents.prune(state);
        Ok(Self { contents, state, memory })
    }

    /// What the state was held against, to see that it is not an older one.
    pub fn memory(&self) -> Memory {
        self.memory
    }

    /// Roles and targets.
    pub fn contents(&self) -> &Contents {
        &self.contents
    }

    /// The files, without those that nothing names any more.
    pub fn state(&self) -> &TufState {
        &self.state
    }

    /// The roles that end before `time`, so that they are renewed in time.
    pub fn ending_before(&self, time: Timestamp) -> BTreeSet<Role> {
        let ending = self.contents.roles().filter(|role| role.expires < time);
        ending.filter_map(|role| Role::from_name(&role.name)).collect()
    }
}

/// What is to change.
#[derive(Clone, Debug)]
pub struct Changes {
    /// Targets by name: their new bytes, or `None` to take them away. What is the same already changes
    /// nothing.
    pub targets: BTreeMap<String, Option<Vec<u8>>>,
    /// Roles that get a new version with the same content and a new end. `Role::Timestamp` refreshes
    /// the channel. `Role::Root` is not renewed here.
    pub renew: BTreeSet<Role>,
    /// When each role ends, if it gets a new version.
    pub expires: PerRole<Timestamp>,
}

/// A role that lacks signatures.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Missing {
    /// The role.
    pub role: Role,
    /// Its file.
    pub file: String,
    /// Good signatures.
    pub valid: u64,
    /// Signatures needed.
    pub threshold: u64,
}

/// The next state in the making.
#[derive(Clone, Debug)]
pub struct Draft {
    /// The files of the next state, as far as they are known.
    state: TufState,
    /// Which of them are the files of the roles there are.
    files: BTreeMap<Role, String>,
    /// New role files that people sign.
    roles: BTreeMap<Role, RoleFile>,
    /// `meta` of the snapshot there is.
    meta: Map<String, Value>,
    /// Versions of the snapshot and of the timestamp there are; 0 before the first.
    online: [u64; 2],
    renew: BTreeSet<Role>,
    expires: PerRole<Timestamp>,
}

impl Draft {
    /// A new repository: version 1 of every role.
    pub fn init(
        authorities: &PerRole<Authority>,
        expires: &PerRole<Timestamp>,
        targets: BTreeMap<String, Vec<u8>>,
    ) -> Result<Self, Error> {
        for role in Role::ALL {
            authorities.get(role).check(role)?;
        }
        let mut roles = BTreeMap::new();
        let new = |role: Role, content| RoleFile::new(role, 1, *expires.get(role), content);
        roles.insert(Role::Root, new(Role::Root, authority::root(authorities))?);
        roles.insert(Role::Targets, new(Role::Targets, authority::targets(authorities))?);
        for role in Role::DELEGATED {
            roles.insert(
                role,
                new(role, [("targets".to_owned(), json!({}))].into_iter().collect())?,
            );
        }
        let mut draft = Self {
            state: TufState::default(),
            files: BTreeMap::new(),
            roles,
            meta: Map::new(),
            online: [0, 0],
            renew: BTreeSet::new(),
            expires: expires.clone(),
        };
        for (name, bytes) in targets {
            draft.set_target(&name, None, Some(bytes))?;
        }
        Ok(draft)
    }

    /// The state after `current` with `changes`.
    pub fn change(current: &Current, changes: &Changes) -> Result<Self, Error> {
        let contents = &current.contents;
        let role_file = |role: Role| contents.role(role.name()).ok_or(Error::NoRole { role });
        let mut files = BTreeMap::new();
        for role in Role::ALL {
            files.insert(role, role_file(role)?.file.clone());
        }
        let snapshot = role_file(Role::Snapshot)?;
        let snapshot = RoleFile::parse(&snapshot.file, &snapshot.bytes)?;
        let mut draft = Self {
            state: current.state.clone(),
            files,
            roles: BTreeMap::new(),
            meta: snapshot.field("meta"),
            online: [contents.version("snapshot"), contents.version("timestamp")],
            renew: changes.renew.clone(),
            expires: changes.expires.clone(),
        };
        for role in &changes.renew {
            if *role == Role::Targets || Role::DELEGATED.contains(role) {
                draft.next_version(*role)?;
            }
        }
        for (name, bytes) in &changes.targets {
            let old = contents.target(name).map(crate::Verified::into_inner);
            if old != *bytes {
                draft.set_target(name, old, bytes.clone())?;
            }
        }
        Ok(draft)
    }

    /// True if nothing changes: sealing gives back the state that the draft started from.
    pub fn is_unchanged(&self) -> bool {
        let is_online = |role: &Role| matches!(role, Role::Snapshot | Role::Timestamp);
        self.roles.is_empty() && !self.renew.iter().any(is_online)
    }

    /// The new role files that people sign, in the order of [`Role::ALL`].
    pub fn role_files(&self) -> impl Iterator<Item = &RoleFile> {
        self.roles.values()
    }

    /// Signs every new role file whose role lists `key`; says which.
    pub fn sign(&mut self, key: &dyn Sign) -> Result<Vec<Role>, Error> {
        let mut signed = Vec::new();
        for role in self.roles.keys().copied().collect::<Vec<_>>() {
            let ids =
                key_ids(role, key.public_key(), &self.signed_root()?, &self.signed_targets()?);
            if let Some(file) = self.roles.get_mut(&role).filter(|_| !ids.is_empty()) {
                ids.iter().try_for_each(|id| file.add_as(id, key))?;
                signed.push(role);
            }
        }
        Ok(signed)
    }

    /// Takes over the signatures of a role file that somebody signed elsewhere.
    pub fn merge(&mut self, file: &str, bytes: &[u8]) -> Result<(), Error> {
        let signed = RoleFile::parse(file, bytes)?;
        match self.roles.get_mut(&signed.role()) {
            Some(own) => own.merge(signed),
            None => Err(Error::OtherContent { file: file.to_owned() }),
        }
    }

    /// The roles that people still have to sign.
    pub fn missing(&self) -> Result<Vec<Missing>, Error> {
        let (root, targets) = (self.signed_root()?, self.signed_targets()?);
        let mut missing = Vec::new();
        for (role, file) in &self.roles {
            if let Some((valid, threshold)) = shortfall(file, &root, &targets)? {
                missing.push(Missing { role: *role, file: file.file_name(), valid, threshold });
            }
        }
        Ok(missing)
    }

    /// Closes the draft: writes snapshot and timestamp, signs them with those of `online` that the root
    /// lists for them, and verifies the whole at `now` as a client would.
    pub async fn seal(mut self, online: &[&dyn Sign], now: Timestamp) -> Result<TufState, Error> {
        if self.is_unchanged() {
            return Ok(self.state);
        }
        if let Some(Missing { role, valid, threshold, .. }) = self.missing()?.into_iter().next() {
            return Err(Error::Unsigned { role, valid, threshold });
        }
        let root = self.signed_root()?;
        let trusted = self.role_bytes(Role::Root)?;
        let [snapshot, timestamp] = self.online;
        if !self.roles.is_empty() || self.renew.contains(&Role::Snapshot) {
            for (role, file) in std::mem::take(&mut self.roles) {
                let bytes = file.to_bytes()?;
                if role != Role::Root {
                    let entry = format!("{}.json", role.name());
                    self.meta.insert(entry, described(Some(file.version()), &bytes));
                }
                self.put(role, file.file_name(), bytes);
            }
            let meta = Value::Object(std::mem::take(&mut self.meta));
            self.close(Role::Snapshot, snapshot, meta, &root, online)?;
        }
        let snapshot = self.files.get(&Role::Snapshot).cloned().unwrap_or_default();
        let bytes = self.role_bytes(Role::Snapshot)?;
        let version = RoleFile::parse(&snapshot, &bytes)?.version();
        let meta = json!({ "snapshot.json": described(Some(version), &bytes) });
        self.close(Role::Timestamp, timestamp, meta, &root, online)?;
        tuf::verify(&trusted, &self.state, now, None).await?;
        Ok(self.state)
    }

    /// Writes and signs the version of an online role that comes after `version`.
    fn close(
        &mut self,
        role: Role,
        version: u64,
        meta: Value,
        root: &Value,
        online: &[&dyn Sign],
    ) -> Result<(), Error> {
        let content = [("meta".to_owned(), meta)].into_iter().collect();
        let next = following(role, version)?;
        let mut file = RoleFile::new(role, next, *self.expires.get(role), content)?;
        for key in online {
            for id in key_ids(role, key.public_key(), root, &Value::Null) {
                file.add_as(&id, *key)?;
            }
        }
        if let Some((valid, threshold)) = shortfall(&file, root, &Value::Null)? {
            return Err(Error::Unsigned { role, valid, threshold });
        }
        self.put(role, file.file_name(), file.to_bytes()?);
        Ok(())
    }

    /// Puts a role's new file in the place of its old one. Old roots stay.
    fn put(&mut self, role: Role, file: String, bytes: Vec<u8>) {
        if let Some(old) = self.files.insert(role, file.clone())
            && role != Role::Root
        {
            self.state.metadata.remove(&old);
        }
        self.state.metadata.insert(file, bytes);
    }

    /// The bytes of a role's newest file.
    fn role_bytes(&self, role: Role) -> Result<Vec<u8>, Error> {
        if let Some(file) = self.roles.get(&role) {
            return file.to_bytes();
        }
        let file = self.files.get(&role).ok_or(Error::NoRole { role })?;
        self.state.metadata.get(file).cloned().ok_or(Error::NoRole { role })
    }

    fn signed_root(&self) -> Result<Value, Error> {
        self.signed(Role::Root)
    }

    fn signed_targets(&self) -> Result<Value, Error> {
        self.signed(Role::Targets)
    }

    fn signed(&self, role: Role) -> Result<Value, Error> {
        if let Some(file) = self.roles.get(&role) {
            return Ok(file.signed().clone());
        }
        let file = self.files.get(&role).ok_or(Error::NoRole { role })?;
        Ok(RoleFile::parse(file, &self.role_bytes(role)?)?.signed().clone())
    }

    /// Makes the next version of a role's file, unless it is made already.
    fn next_version(&mut self, role: Role) -> Result<(), Error> {
        if self.roles.contains_key(&role) {
            return Ok(());
        }
        let file = self.files.get(&role).ok_or(Error::NoRole { role })?;
        let old = RoleFile::parse(file, &self.role_bytes(role)?)?;
        let next = following(role, old.version())?;
        let content = old.into_content();
        self.roles.insert(role, RoleFile::new(role, next, *self.expires.get(role), content)?);
        Ok(())
    }

    /// Puts the target in the place of its old bytes, or takes it away.
    fn set_target(
        &mut self,
        name: &str,
        old: Option<Vec<u8>>,
        new: Option<Vec<u8>>,
    ) -> Result<(), Error> {
        let bad_name = || Error::TargetName { name: name.chars().take(200).collect() };
        let role = role_of(name).and_then(Role::from_name).ok_or_else(bad_name)?;
        self.next_version(role)?;
        let file = self.roles.get_mut(&role).ok_or(Error::NoRole { role })?;
        let mut targets = file.field("targets");
        if let Some(old) = old {
            self.state.targets.remove(&target_file(name, &old));
            targets.remove(name);
        }
        if let Some(new) = new {
            targets.insert(name.to_owned(), described(None, &new));
            self.state.targets.insert(target_file(name, &new), new);
        }
        file.set_field("targets", Value::Object(targets))
    }
}

fn following(role: Role, version: u64) -> Result<u64, Error> {
    if version < fleetfix_model::canonical::MAX_INTEGER {
        Ok(version + 1)
    } else {
        Err(Error::LastVersion { role, version })
    }
}

/// The name of a target's file with consistent snapshots.
fn target_file(name: &str, bytes: &[u8]) -> String {
    format!("{}.{name}", Digest::of(bytes).hex())
}

/// How a file is named by another one (TUF specification 1.0.33, sections 4.4 and 4.5).
fn described(version: Option<u64>, bytes: &[u8]) -> Value {
    let hashes = json!({ "sha256": Digest::of(bytes).hex() });
    match version {
        Some(version) => json!({ "hashes": hashes, "length": bytes.len(), "version": version }),
        None => json!({ "hashes": hashes, "length": bytes.len() }),
    }
}
