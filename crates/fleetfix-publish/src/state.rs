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
    /// Directory that remembers the last state published or seen, kept from run to run
    #[arg(long, env = "FLEETFIX_STATE", value_name = "DIR")]
    pub state: Option<PathBuf>,
    /// Build on whatever state is there: nobody notices an older one that somebody put back, and
    /// what was withdrawn or revoked since is active again
    #[arg(long, env = "FLEETFIX_NO_MEMORY")]
    pub no_memory: bool,
}

/// Where a publisher's memory is, or that it was said to have none. A timestamp on an older state
/// makes it new for every client that remembers nothing, so one of the two has to be said.
#[derive(Clone, Debug)]
pub struct Memory(Option<PathBuf>);

impl StateArgs {
    /// Which of the two was said; both or none is a mistake.
    pub fn memory(&self) -> Result<Memory, Failure> {
        match (&self.state, self.no_memory) {
            (Some(dir), false) => Ok(Memory(Some(dir.clone()))),
            (None, true) => Ok(Memory(None)),
            (Some(_), true) => Err(Failure::usage("--state and --no-memory: give one of them")),
            (None, false) => {
                Err(Failure::usage("nothing is remembered that an older state could be noticed by")
                    .hint("give --state DIR, kept from run to run, or --no-memory"))
            }
        }
    }
}

impl Memory {
    /// Opens a state that is not older than the one remembered.
    pub async fn open(
        &self,
        context: &Context,
        root: &[u8],
        state: &TufState,
    ) -> Result<Current, Failure> {
        let current = Current::open_after(root, state, self.0.as_deref()).await?;
        match current.memory() {
            tuf::Memory::None => context.step("not checked: rollback: --no-memory"),
            tuf::Memory::First => {
                context.step("not checked: rollback: the first state that --state sees");
            }
            tuf::Memory::Checked { .. } => {}
        }
        Ok(current)
    }

    /// Remembers what was published.
    pub async fn remember(
        &self,
        root: &[u8],
        state: &TufState,
        now: Timestamp,
    ) -> Result<(), Failure> {
        if let Some(dir) = &self.0 {
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
