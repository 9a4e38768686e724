//! The roles of a repository of ours, and who signs each.

use std::fmt;

use super::error::Error;
use crate::key::{Algorithm, PublicKey};
use crate::tuf::{PAUSE, POLICY, PUBLISHERS};

/// A role of a repository of ours.
#[derive(Clone, Copy, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub enum Role {
    /// Says whose keys sign each top-level role: offline keys.
    Root,
    /// Delegates to the three roles below: offline keys.
    Targets,
    /// Gives channels: keys of publishers.
    Publishers,
    /// Gives the trust policy: keys of its owners.
    Policy,
    /// Gives pauses: keys of whoever is on call.
    Pause,
    /// Names the version of each role above but root: an online key.
    Snapshot,
    /// Names the newest snapshot, and is renewed often: an online key.
    Timestamp,
}

impl Role {
    /// All of them, in the order in which their files are made.
    pub const ALL: [Self; 7] = [
        Self::Root,
        Self::Targets,
        Self::Publishers,
        Self::Policy,
        Self::Pause,
        Self::Snapshot,
        Self::Timestamp,
    ];
    /// The roles that the targets role delegates to, in the order in which clients ask them.
    pub const DELEGATED: [Self; 3] = [Self::Publishers, Self::Policy, Self::Pause];

    /// The name in the metadata.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Root => "root",
            Self::Targets => "targets",
            Self::Publishers => PUBLISHERS,
            Self::Policy => POLICY,
            Self::Pause => PAUSE,
            Self::Snapshot => "snapshot",
            Self::Timestamp => "timestamp",
        }
    }

    /// The role with this name.
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|role| role.name() == name)
    }

    /// `_type` of its file: delegated roles are targets roles.
    pub(crate) const fn kind(self) -> &'static str {
        match self {
            Self::Root => "root",
            Self::Targets | Self::Publishers | Self::Policy | Self::Pause => "targets",
            Self::Snapshot => "snapshot",
            Self::Timestamp => "timestamp",
        }
    }

    /// The paths that the targets role delegates to it.
    pub(crate) const fn path(self) -> Option<&'static str> {
        match self {
            Self::Publishers => Some("channel.*.json"),
            Self::Policy => Some("policy.json"),
            Self::Pause => Some("pause.*.json"),
            Self::Root | Self::Targets | Self::Snapshot | Self::Timestamp => None,
        }
    }

    /// The name of its file with consistent snapshots (TUF specification 1.0.33, section 6.2).
    pub fn file_name(self, version: u64) -> String {
        match self {
            Self::Timestamp => "timestamp.json".to_owned(),
            _ => format!("{version}.{}.json", self.name()),
        }
    }
}

impl fmt::Display for Role {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// One value for each role.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct PerRole<T> {
    /// Root.
    pub root: T,
    /// Targets.
    pub targets: T,
    /// Publishers.
    pub publishers: T,
    /// Policy owners.
    pub policy: T,
    /// Whoever may pause.
    pub pause: T,
    /// Snapshot.
    pub snapshot: T,
    /// Timestamp.
    pub timestamp: T,
}

impl<T> PerRole<T> {
    /// Makes the value of each role.
    pub fn from_fn(mut value: impl FnMut(Role) -> T) -> Self {
        Self {
            root: value(Role::Root),
            targets: value(Role::Targets),
            publishers: value(Role::Publishers),
            policy: value(Role::Policy),
            pause: value(Role::Pause),
            snapshot: value(Role::Snapshot),
            timestamp: value(Role::Timestamp),
        }
    }

    /// The value of one role.
    pub const fn get(&self, role: Role) -> &T {
        match role {
            Role::Root => &self.root,
            Role::Targets => &self.targets,
            Role::Publishers => &self.publishers,
            Role::Policy => &self.policy,
            Role::Pause => &self.pause,
            Role::Snapshot => &self.snapshot,
            Role::Timestamp => &self.timestamp,
        }
    }
}

/// Who signs a role.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Authority {
    /// Keys, ECDSA P-256: the scheme that all TUF clients know.
    pub keys: Vec<PublicKey>,
    /// How many different keys must sign.
    pub threshold: u32,
}

impl Authority {
    /// One key.
    pub fn one(key: PublicKey) -> Self {
        Self { keys: vec![key], threshold: 1 }
    }

    pub(crate) fn check(&self, role: Role) -> Result<(), Error> {
        if let Some(key) = self.keys.iter().find(|key| key.algorithm() != Algorithm::EcdsaP256) {
            let algorithm = key.algorithm();
            return Err(Error::Algorithm { role, key: key.to_string(), algorithm });
        }
        let keys = self.keys.iter().map(PublicKey::der).collect::<std::collections::BTreeSet<_>>();
        let reachable =
            usize::try_from(self.threshold).is_ok_and(|n| (1..=keys.len()).contains(&n));
        if reachable && keys.len() == self.keys.len() {
            return Ok(());
        }
        Err(Error::Threshold { role, threshold: self.threshold, keys: keys.len() })
    }
}
