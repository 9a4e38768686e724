//! The channel as a TUF repository (TUF specification 1.0.33): read by clients, put together by
//! publishers.
//!
//! A fleet has one repository. Its targets are `channel.<name>.json`, given by the role
//! `publishers`; `policy.json`, given by `policy`; and `pause.<name>.json`, given by `pause`. Root,
//! targets and these three are signed by people, snapshot and timestamp by an online key.
//!
//! [`verify`] is for everybody who follows a channel. It needs a root file and the time, and what it
//! gives back is whole: every role is signed, fresh and named by the snapshot, and every target is
//! there. The `tough` library makes the checks of the specification; what it leaves open is made
//! here: expiry at a time that is given, one spelling of what was signed, one key under two ids,
//! delegations that the snapshot lacks, and memory that is written only when all holds.
//!
//! [`edit`] is for publishers.

mod contents;
pub mod edit;
mod error;
mod exact;
mod load;
mod memory;
mod root;
mod state;
mod transport;

use std::ops::Deref;
use std::path::Path;

use fleetfix_model::Timestamp;
use fleetfix_model::verdict::Check;
use tough::schema::{self, Signed};

pub use contents::{Contents, RoleState};
pub use error::Error;
pub use state::{MAX_FILE_SIZE, MAX_FILES, MAX_STATE_SIZE, TufState};

/// The delegated role that gives channels.
pub const PUBLISHERS: &str = "publishers";
/// The delegated role that gives the trust policy.
pub const POLICY: &str = "policy";
/// The delegated role that gives pauses.
pub const PAUSE: &str = "pause";

/// A state that holds in every respect at the time it was judged.
#[derive(Clone, Debug)]
pub struct Repository {
    contents: Contents,
    memory: Memory,
    now: Timestamp,
}

/// What the rollback checks were made against.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Memory {
    /// Nothing is remembered, so nothing says that this is the newest state.
    None,
    /// This is the first state seen.
    First,
    /// The state seen last time.
    Checked {
        /// Version of the timestamp seen last time.
        timestamp: u64,
    },
}

/// Verifies `state`, starting from the trusted `root` file, at time `now`.
///
/// `remembered` is a directory that holds the last state seen of this one repository: lower versions
/// than those are refused, and once all holds, this state is remembered there instead.
pub async fn verify(
    root: &[u8],
    state: &TufState,
    now: Timestamp,
    remembered: Option<&Path>,
) -> Result<Repository, Error> {
    let remembered = remembered.map(memory::Remembered::open).transpose()?;
    let contents = load::load(root, state, remembered.as_ref()).await?;
    contents.check_expiry(now)?;
    let Some(remembered) = remembered else {
        return Ok(Repository { contents, memory: Memory::None, now });
    };
    let seen = remembered.timestamp()?;
    remembered.replace(
        contents.root(),
        contents.role_file("timestamp"),
        contents.role_file("snapshot"),
    )?;
    Ok(Repository { contents, memory: Memory::after(seen), now })
}

impl Memory {
    /// With a memory in which `seen` is the timestamp of last time.
    fn after(seen: Option<Signed<schema::Timestamp>>) -> Self {
        seen.map_or(Self::First, |seen| Self::Checked { timestamp: seen.signed.version.get() })
    }
}

impl Repository {
    /// What the rollback checks were made against.
    pub fn memory(&self) -> Memory {
        self.memory
    }

    /// What was checked, for a verdict.
    pub fn checks(&self) -> Vec<Check> {
        let role = |role: &RoleState| {
            let detail = format!("version {}, until {}", role.version, role.expires);
            Check::passed("tufRole", &role.name, detail)
        };
        let roles = self.contents.roles().map(role).collect();
        let rollback = match self.memory {
            Memory::None => Check::not_made(
                "rollback",
                "timestamp",
                "no state is remembered [give --state DIR]",
            ),
            Memory::First => {
                Check::not_made("rollback", "timestamp", "first state seen, remembered from now on")
            }
            Memory::Checked { timestamp } => Check::passed(
                "rollback",
                "timestamp",
                format!("version {}, {timestamp} was seen before", self.version("timestamp")),
            ),
        };
        let subject = format!("state {} at {}", self.version("timestamp"), self.now);
        vec![Check::all("tuf", subject, roles), rollback]
    }
}

impl Deref for Repository {
    type Target = Contents;

    fn deref(&self) -> &Contents {
        &self.contents
    }
}

/// OLPC canonical JSON: what TUF signs and hashes (TUF specification 1.0.33, section 4.1).
fn canonical_json(value: &serde_json::Value) -> serde_json::Result<Vec<u8>> {
    use serde::Serialize as _;
    let mut bytes = Vec::new();
    let formatter = olpc_cjson::CanonicalFormatter::new();
    value.serialize(&mut serde_json::Serializer::with_formatter(&mut bytes, formatter))?;
    Ok(bytes)
}

#[cfg(test)]
mod tests;
