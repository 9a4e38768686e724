//! The channel's TUF state at the fleet: read, moved, and written out as a directory.

use std::path::Path;

use bytes::Bytes;
use fleetfix_audit::{ChannelPlace, state};
use fleetfix_model::{Class, Digest};
use fleetfix_registry::{Body, Written};
use fleetfix_task::Failure;
use fleetfix_trust::tuf::TufState;

use crate::fleet::{Fleet, current};

/// A state with the digest of the artifact that it was read from.
#[derive(Clone, Debug)]
pub struct Published {
    /// The state.
    pub state: TufState,
    /// What the tag named.
    pub artifact: Digest,
}

/// The place of the newest state.
pub fn place(fleet: &Fleet) -> Result<ChannelPlace, Failure> {
    Ok(ChannelPlace::Artifact(fleet.channels()?.repository().tagged(current()?)))
}

/// The newest state at the fleet; `None` if there is none yet.
pub async fn load(fleet: &Fleet) -> Result<Option<Published>, Failure> {
    let store = fleet.channels()?;
    match store.find_tag(&current()?).await? {
        Some(manifest) => {
            let state = state::from_artifact(&store, &manifest).await?;
            Ok(Some(Published { state, artifact: manifest.digest }))
        }
        None => Ok(None),
    }
}

/// Writes `next` beside what is there, then moves the tag: clients see the old state or the new
/// one. `from` is the artifact that `next` was made from. Registries cannot compare and swap, so
/// this looks once more just before: it narrows the race of two publishers, and whoever loses it is
/// told by the check that follows.
pub async fn push(
    fleet: &Fleet,
    next: &TufState,
    from: Option<Digest>,
) -> Result<Written, Failure> {
    let artifact = state::artifact(next)?;
    let descriptor = artifact.descriptor();
    let store = fleet.channels()?;
    let tag = current()?;
    if from == Some(descriptor.digest) {
        return Ok(Written::AlreadyThere);
    }
    for (blob, bytes) in &artifact.blobs {
        store.put_blob(blob, Body::Bytes(Bytes::from(bytes.clone()))).await?;
    }
    // An interrupted run may have left a state of this version that nobody was ever shown.
    let version = state::version(next).and_then(state::tag);
    let version = version.ok_or_else(|| Failure::new(Class::Bug, "a state without a version"))?;
    store.put_tag(&version, &descriptor.media_type, &artifact.manifest).await?;
    let now_there = store.resolve(&tag).await?.map(|d| d.digest);
    if now_there != from {
        let found = now_there.map_or_else(|| "nothing".to_owned(), |d| d.to_string());
        return Err(Failure::new(
            Class::Environment,
            format!("{}: somebody moved it to {found} meanwhile", store.repository().tagged(tag)),
        )
        .hint("run the same command again"));
    }
    Ok(store.put_tag(&tag, &descriptor.media_type, &artifact.manifest).await?)
}

/// Writes the state as an ordinary TUF repository, if a directory is named.
pub fn export(next: &TufState, dir: Option<&Path>) -> Result<(), Failure> {
    if let Some(dir) = dir {
        state::write_dir(next, dir)?;
    }
    Ok(())
}
