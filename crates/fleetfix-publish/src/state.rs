//! The channel's TUF state at the fleet: read, moved, and written out as a directory.

use std::path::{Path, PathBuf};

use bytes::Bytes;
use fleetfix_audit::{ChannelPlace, state};
use fleetfix_model::name::Tag;
use fleetfix_model::{Class, Digest, Timestamp};
use fleetfix_registry::{Body, Store, Written};
use fleetfix_task::{Context, Failure};
use fleetfix_trust::tuf::edit::Current;
use fleetfix_trust::tuf::{self, TufState};

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
/// one. `from` is the artifact that `next` was made from; where the tag names another one by then,
/// another publisher was faster, and nothing is lost. See [`Store::put_tag_from`] for what a
/// registry cannot promise.
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
    let own = state::version(next).and_then(|version| state::tag(version, descriptor.digest));
    let own = own.ok_or_else(|| Failure::new(Class::Bug, "a state without a version"))?;
    store.put_immutable_tag(&own, &descriptor.media_type, &artifact.manifest).await?;
    match store.put_tag_from(&tag, from, &descriptor.media_type, &artifact.manifest).await? {
        Some(there) if there == descriptor.digest => Ok(Written::New),
        there => Err(moved(&store, &tag, there)),
    }
}

/// Another publisher was faster.
fn moved(store: &Store, tag: &Tag, there: Option<Digest>) -> Failure {
    let found = there.map_or_else(|| "nothing".to_owned(), |digest| digest.to_string());
    let at = store.repository().tagged(tag.clone());
    Failure::new(Class::Environment, format!("{at}: somebody moved it to {found} meanwhile"))
        .hint("run the same command again")
}

/// What a publisher remembers of the channel, so that nobody has it build on an older state.
#[derive(Clone, Debug, Default, clap::Args)]
pub struct StateArgs {
    /// Directory that remembers the last state published or seen; without it an older state that
    /// somebody put back is not noticed.
    #[arg(long, env = "FLEETFIX_STATE", value_name = "DIR")]
    pub state: Option<PathBuf>,
}

impl StateArgs {
    /// Opens a state that is not older than the one remembered.
    pub async fn open(
        &self,
        context: &Context,
        root: &[u8],
        state: &TufState,
    ) -> Result<Current, Failure> {
        if self.state.is_none() {
            context.step("not checked: rollback: no state is remembered (give --state DIR)");
        }
        Ok(Current::open_after(root, state, self.state.as_deref()).await?)
    }

    /// Remembers what was published.
    pub async fn remember(
        &self,
        root: &[u8],
        state: &TufState,
        now: Timestamp,
    ) -> Result<(), Failure> {
        if let Some(dir) = &self.state {
            tuf::verify(root, state, now, Some(dir)).await?;
        }
        Ok(())
    }
}

/// Writes the state as an ordinary TUF repository, if a directory is named.
pub fn export(next: &TufState, dir: Option<&Path>) -> Result<(), Failure> {
    if let Some(dir) = dir {
        state::write_dir(next, dir)?;
    }
    Ok(())
}
