//! What a verified state holds.

use std::collections::BTreeMap;

use fleetfix_model::document::{self, Channel, Document, Pause, TrustPolicy, policy};
use fleetfix_model::name::ChannelName;
use fleetfix_model::{Digest, Timestamp};

use super::error::Error;
use super::state::TufState;
use crate::verified::Verified;

/// How the target names of channels start, see [`Channel::target_name`].
const CHANNEL_PREFIX: &str = "channel.";
/// How the target names of pauses start, see [`Pause::target_name`].
const PAUSE_PREFIX: &str = "pause.";

/// What stands between `prefix` and `.json`.
fn middle<'a>(target: &'a str, prefix: &str) -> Option<&'a str> {
    target.strip_prefix(prefix)?.strip_suffix(".json")
}

/// The one role that may give a target of this name, where only one may.
pub(crate) fn role_of(target: &str) -> Option<&'static str> {
    if target == policy::TARGET_NAME {
        Some(super::POLICY)
    } else if middle(target, CHANNEL_PREFIX).is_some() {
        Some(super::PUBLISHERS)
    } else if middle(target, PAUSE_PREFIX).is_some() {
        Some(super::PAUSE)
    } else {
        None
    }
}

/// One role of a verified state.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct RoleState {
    /// Name: `root`, `timestamp`, `snapshot`, `targets` or a delegated role's.
    pub name: String,
    /// Name of its file.
    pub file: String,
    /// Version.
    pub version: u64,
    /// When it ends.
    pub expires: Timestamp,
    pub(crate) bytes: Vec<u8>,
}

/// One target of a verified state.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(crate) struct Target {
    pub(crate) role: String,
    pub(crate) bytes: Vec<u8>,
}

/// The roles and targets of a state whose signatures, versions and hashes hold.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Contents {
    roles: BTreeMap<String, RoleState>,
    targets: BTreeMap<String, Target>,
}

impl Contents {
    pub(crate) fn new(
        roles: BTreeMap<String, RoleState>,
        targets: BTreeMap<String, Target>,
    ) -> Self {
        Self { roles, targets }
    }

    /// All roles, by name.
    pub fn roles(&self) -> impl Iterator<Item = &RoleState> {
        self.roles.values()
    }

    /// One role.
    pub fn role(&self, name: &str) -> Option<&RoleState> {
        self.roles.get(name)
    }

    /// Version of a role; 0 if there is no such role.
    pub fn version(&self, role: &str) -> u64 {
        self.role(role).map_or(0, |role| role.version)
    }

    /// The newest root file, which the chain of roots ended with.
    pub fn root(&self) -> &[u8] {
        self.role_file("root")
    }

    /// The bytes of a role's file; empty if there is no such role.
    pub(crate) fn role_file(&self, role: &str) -> &[u8] {
        self.role(role).map_or(&[], |role| &role.bytes)
    }

    /// Names of all targets.
    pub fn target_names(&self) -> impl Iterator<Item = &str> {
        self.targets.keys().map(String::as_str)
    }

    /// The role that gives a target.
    pub fn target_role(&self, name: &str) -> Option<&str> {
        self.targets.get(name).map(|target| target.role.as_str())
    }

    /// The channels there are.
    pub fn channel_names(&self) -> Vec<ChannelName> {
        let name = |target: &str| middle(target, CHANNEL_PREFIX)?.parse().ok();
        self.target_names().filter_map(name).collect()
    }

    /// The bytes of a target.
    pub fn target(&self, name: &str) -> Option<Verified<Vec<u8>>> {
        self.targets.get(name).map(|target| Verified::new(target.bytes.clone()))
    }

    /// A channel.
    pub fn channel(&self, name: &ChannelName) -> Result<Verified<Channel>, Error> {
        let target = Channel::target_name(name);
        let channel: Verified<Channel> = self.document(&target)?;
        if channel.name == *name {
            return Ok(channel);
        }
        Err(Error::OtherName { name: target, found: channel.name.to_string() })
    }

    /// The pauses of a channel, if anybody ever paused it.
    pub fn pause(&self, name: &ChannelName) -> Result<Option<Verified<Pause>>, Error> {
        let target = Pause::target_name(name);
        if !self.targets.contains_key(&target) {
            return Ok(None);
        }
        let pause: Verified<Pause> = self.document(&target)?;
        if pause.channel == *name {
            return Ok(Some(pause));
        }
        Err(Error::OtherName { name: target, found: pause.channel.to_string() })
    }

    /// The trust policy.
    pub fn policy(&self) -> Result<Verified<TrustPolicy>, Error> {
        self.document(policy::TARGET_NAME)
    }

    fn document<T: Document>(&self, name: &str) -> Result<Verified<T>, Error> {
        let Some(target) = self.targets.get(name) else {
            let mut known: Vec<_> = self.target_names().map(|name| format!("`{name}`")).collect();
            if known.is_empty() {
                known.push("none at all".to_owned());
            }
            return Err(Error::NoTarget { name: name.to_owned(), known: known.join(", ") });
        };
        let read = document::from_canonical(name, &target.bytes);
        read.map(Verified::new)
            .map_err(|e| Error::Document { name: name.to_owned(), source: Box::new(e) })
    }

    /// Refuses a role whose end has come at `now`.
    pub(crate) fn check_expiry(&self, now: Timestamp) -> Result<(), Error> {
        match self.roles.values().find(|role| role.expires <= now) {
            Some(role) => {
                Err(Error::Expired { role: role.name.clone(), expires: role.expires, now })
            }
            None => Ok(()),
        }
    }

    /// `state` without the files that this state does not name: old snapshots, old targets. Roots
    /// stay, all of them: clients with an old root file walk along them.
    pub fn prune(&self, state: &TufState) -> TufState {
        let is_root = |file: &str| {
            file.strip_suffix(".root.json").is_some_and(|version| version.parse::<u64>().is_ok())
        };
        let metadata = state.metadata.iter().filter(|(file, _)| {
            is_root(file) || self.roles.values().any(|role| role.file == **file)
        });
        let mut pruned = TufState {
            metadata: metadata.map(|(file, bytes)| (file.clone(), bytes.clone())).collect(),
            targets: BTreeMap::new(),
        };
        for (name, target) in &self.targets {
            let file = format!("{}.{name}", Digest::of(&target.bytes).hex());
            pruned.targets.insert(file, target.bytes.clone());
        }
        pruned
    }
}
