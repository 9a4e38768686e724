//! One state of a TUF repository: read from where it lies, put together for where it goes.
//!
//! Nothing here trusts what it reads. Roles are looked at only far enough to know which files
//! belong to the state, so that a directory with a thousand old versions costs no more than one
//! with a single version; whether the state holds is for [`fleetfix_trust::tuf`] to say.

mod artifact;
mod directory;

use std::collections::BTreeMap;

use fleetfix_model::Digest;
use fleetfix_model::canonical::from_bounded_json;
use fleetfix_model::name::Tag;
use fleetfix_registry::Client;
use fleetfix_trust::tuf::{MAX_FILES, TufState};
use serde_json::Value;

pub use artifact::{Artifact, artifact, from_artifact};
pub use directory::{load_dir, write_dir};

use crate::{ChannelPlace, Error};

/// Most layers of an artifact: as many files as readers of a state take of each of its two kinds. A
/// state of ours has about ten, one for each channel and pause, and one root file for each rotation.
const MAX_LAYERS: usize = 2 * MAX_FILES;
/// Largest file, in bytes.
pub const MAX_FILE: u64 = 8 << 20;

/// The role file that moves a TUF repository to its next state.
pub(crate) const TIMESTAMP: &str = "timestamp.json";

/// Loads the state that `place` holds. `None`: there is nothing.
pub async fn load(client: &Client, place: &ChannelPlace) -> Result<Option<TufState>, Error> {
    match place {
        ChannelPlace::Directory(dir) => load_dir(dir),
        ChannelPlace::Artifact(reference) => {
            let store = client.store(&reference.repository);
            let found = match (reference.digest, &reference.tag) {
                (Some(digest), _) => store.find_manifest(digest).await?,
                (None, Some(tag)) => store.find_tag(tag).await?,
                (None, None) => {
                    return Err(Error::NothingNamed { reference: Box::new(reference.clone()) });
                }
            };
            match found {
                Some(manifest) => from_artifact(&store, &manifest).await.map(Some),
                None => Ok(None),
            }
        }
    }
}

/// The version of the state: of its timestamp role, which rises with each state.
pub fn version(state: &TufState) -> Option<u64> {
    version_of(state.metadata.get(TIMESTAMP)?)
}

/// The version of one role file.
pub(crate) fn version_of(role: &[u8]) -> Option<u64> {
    from_bounded_json(role).ok()?.get("signed")?.get("version")?.as_u64()
}

/// The tag that a state keeps when the next one becomes current: registries delete what has none.
/// The first 12 hex digits of the manifest's digest are part of it, so that it never moves: two
/// publishers at once make two states of one version, of which one never becomes current.
pub fn tag(version: u64, manifest: Digest) -> Option<Tag> {
    format!("state-{version}-{}", manifest.short()).parse().ok()
}

/// A file name as it may stand in a state: it goes into a path as it is.
fn is_plain(name: &str) -> bool {
    !name.is_empty()
        && name.len() <= 255
        && !name.starts_with('.')
        && name.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'.' | b'_' | b'-'))
}

/// Which of the two directories of a TUF repository a file lies in.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Kind {
    Metadata,
    Target,
}

/// Puts together the files that make up one state, starting from the timestamp role. `read` gives
/// a file's bytes, or `None` where there is no such file: whether it may be missing is not ours to
/// say. `None`: there is no timestamp, so no state.
fn collect(
    roots: BTreeMap<String, Vec<u8>>,
    mut read: impl FnMut(Kind, &str) -> Result<Option<Vec<u8>>, Error>,
) -> Result<Option<TufState>, Error> {
    let mut state = TufState { metadata: roots, targets: BTreeMap::new() };
    let Some(timestamp) = read(Kind::Metadata, TIMESTAMP)? else { return Ok(None) };
    let snapshots = metadata_of(&timestamp);
    state.metadata.insert(TIMESTAMP.to_owned(), timestamp);
    for snapshot_name in snapshots {
        let Some(snapshot) = read(Kind::Metadata, &snapshot_name)? else { continue };
        let roles = metadata_of(&snapshot);
        state.metadata.insert(snapshot_name, snapshot);
        for role_name in roles {
            if state.metadata.len() >= MAX_FILES || state.metadata.contains_key(&role_name) {
                continue;
            }
            let Some(role) = read(Kind::Metadata, &role_name)? else { continue };
            for target_name in targets_of(&role) {
                if state.targets.len() >= MAX_FILES || state.targets.contains_key(&target_name) {
                    continue;
                }
                if let Some(target) = read(Kind::Target, &target_name)? {
                    state.targets.insert(target_name, target);
                }
            }
            state.metadata.insert(role_name, role);
        }
    }
    Ok(Some(state))
}

/// The files that `signed.meta` of a timestamp or snapshot role names, with their version in front
/// (TUF specification 1.0.33, section 6.2 "Writing consistent snapshots").
fn metadata_of(role: &[u8]) -> Vec<String> {
    signed_map(role, "meta")
        .into_iter()
        .filter_map(|(name, meta)| Some(format!("{}.{name}", meta.get("version")?.as_u64()?)))
        .filter(|name| is_plain(name))
        .collect()
}

/// The files that `signed.targets` of a targets role names, with their hash in front.
fn targets_of(role: &[u8]) -> Vec<String> {
    signed_map(role, "targets")
        .into_iter()
        .filter_map(|(name, target)| {
            Some(format!("{}.{name}", target.get("hashes")?.get("sha256")?.as_str()?))
        })
        .filter(|name| is_plain(name))
        .collect()
}

fn signed_map(role: &[u8], field: &str) -> serde_json::Map<String, Value> {
    let Ok(mut role) = from_bounded_json(role) else { return serde_json::Map::new() };
    match role.get_mut("signed").and_then(|signed| signed.get_mut(field)).map(Value::take) {
        Some(Value::Object(map)) => map,
        _ => serde_json::Map::new(),
    }
}
