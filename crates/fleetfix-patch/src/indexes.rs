//! What base layers hold: each is read once, and remembered for the next run.
//!
//! Indexes of layers with many files are large, so memory holds those of one image at a time and a
//! few that others share; the rest lie in the cache, or in files without a name where there is none.

use std::collections::{BTreeMap, VecDeque};
use std::io::{Read, Write};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use fleetfix_model::Digest;
use fleetfix_oci::manifest::{Manifest, RawDescriptor};
use fleetfix_oci::segments::{Segments, Spool};
use fleetfix_oci::tree::{LayerCache, LayerIndex, Limits, MAX_LAYERS, MAX_MEMORY, Tree};
use fleetfix_registry::Store;
use tokio::sync::{Semaphore, SemaphorePermit};

use crate::Error;
use crate::replaced::{OfLayer, Replaced};

/// Most bytes of indexes that are held for the images that come next.
const HELD: u64 = 4 << 20;

/// Digest and size of a layer, as a manifest has them: one that lies about the size finds nothing.
type Key = (Digest, u64);

/// Indexes of base layers.
#[derive(Debug)]
pub struct Indexes {
    cache: Option<LayerCache>,
    replaced: Arc<Replaced>,
    /// [`HELD`].
    most: u64,
    state: Mutex<State>,
    /// Images whose trees are in memory at a time: one.
    trees: Semaphore,
    /// Layers that are unpacked at a time: it keeps a core busy and holds a window and an index; two
    /// of them took a cold run past 32 MiB.
    turns: Semaphore,
}

#[derive(Debug, Default)]
struct State {
    /// Those that the cache did not take.
    spooled: BTreeMap<Key, Segments>,
    /// Those that were used last, the newest at the end.
    held: VecDeque<(Key, Arc<LayerIndex>)>,
}

impl Indexes {
    /// None known yet but those that `cache` remembers. `replaced` sees the files of every layer that
    /// is read.
    pub fn new(cache: Option<LayerCache>, replaced: Arc<Replaced>) -> Self {
        let (trees, turns) = (Semaphore::new(1), Semaphore::new(1));
        Self { cache, replaced, most: HELD, state: Mutex::default(), trees, turns }
    }

    /// Asks the layers of an image, from the top one down, until `ask` has its answer. `base` names it
    /// in messages.
    ///
    /// # Errors
    /// Those of `ask`; [`Error::Base`] for an image with too many layers or entries;
    /// [`Error::NotKnown`] if there is no answer after the last layer.
    pub async fn ask<T>(
        &self,
        source: &Store,
        base: &str,
        manifest: &Manifest,
        mut ask: impl FnMut(&Tree) -> Result<Option<T>, fleetfix_oci::Error>,
    ) -> Result<T, Error> {
        let limit = |what, limit| {
            let subject = manifest.subject();
            Error::base(base)(fleetfix_oci::Error::LayerLimit { subject, what, limit })
        };
        let layers = manifest.layers().map_err(Error::base(base))?;
        if layers.len() > MAX_LAYERS {
            return Err(limit("layers", MAX_LAYERS as u64));
        }
        let _tree = self.trees.acquire().await;
        let mut tree = Tree::new();
        for layer in layers.iter().rev() {
            if let Some(answer) = ask(&tree).map_err(Error::base(base))? {
                return Ok(answer);
            }
            tree.push(self.get(source, base, layer).await?);
            if tree.memory() > MAX_MEMORY {
                return Err(limit("bytes of names and attributes in its layers", MAX_MEMORY));
            }
        }
        tree.complete();
        let answer = ask(&tree).map_err(Error::base(base))?;
        answer.ok_or_else(|| Error::NotKnown { base: base.to_owned() })
    }

    /// Waits until no other layer is unpacked.
    pub(crate) async fn turn(&self) -> Option<SemaphorePermit<'_>> {
        self.turns.acquire().await.ok()
    }

    async fn get(
        &self,
        source: &Store,
        base: &str,
        layer: &RawDescriptor,
    ) -> Result<Arc<LayerIndex>, Error> {
        let unreadable = |why| {
            let (base, layer) = (base.to_owned(), layer.digest);
            Error::UnreadableLayer { base, layer, why }
        };
        if layer.media_type.ends_with("+encrypted") {
            return Err(unreadable("is encrypted"));
        }
        let key = (layer.digest, layer.size);
        if let Some(held) = self.held(key) {
            return Ok(held);
        }
        // It may be there all the same.
        if layer.is_foreign() && !source.has_blob(layer.digest).await? {
            return Err(unreadable("lies elsewhere (`urls`)"));
        }
        let (cache, spooled) = (self.cache.clone(), self.state().spooled.get(&key).cloned());
        let known = tokio::task::spawn_blocking(move || match spooled {
            Some(spooled) => unspooled(&spooled),
            None => cache?.get(key.0, key.1),
        });
        let index = match known.await.map_err(|_| Error::Abandoned { what: "a layer" })? {
            Some(index) => Arc::new(index),
            None => self.read(source, base, layer).await?,
        };
        self.hold(key, &index);
        Ok(index)
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn held(&self, key: Key) -> Option<Arc<LayerIndex>> {
        let mut state = self.state();
        let at = state.held.iter().position(|(held, _)| *held == key)?;
        let found = state.held.remove(at)?;
        let index = Arc::clone(&found.1);
        state.held.push_back(found);
        Some(index)
    }

    fn hold(&self, key: Key, index: &Arc<LayerIndex>) {
        let mut state = self.state();
        state.held.push_back((key, Arc::clone(index)));
        let mut memory: u64 = state.held.iter().map(|(_, index)| index.memory()).sum();
        while memory > self.most
            && let Some((_, oldest)) = state.held.pop_front()
        {
            memory -= oldest.memory();
        }
    }

    async fn read(
        &self,
        source: &Store,
        base: &str,
        layer: &RawDescriptor,
    ) -> Result<Arc<LayerIndex>, Error> {
        let (digest, size) = (layer.digest, layer.size);
        let _turn = self.turn().await;
        let reader = source.blob_reader(digest, Some(size)).await?.into_read();
        let (cache, replaced) = (self.cache.clone(), Arc::clone(&self.replaced));
        let read = tokio::task::spawn_blocking(move || {
            let (subject, mut found) = (format!("layer {digest}"), OfLayer::new());
            let look =
                |file: fleetfix_oci::tree::LayerFile<'_>| replaced.look(&subject, file, &mut found);
            let index = LayerIndex::read_showing(&subject, reader, &Limits::default(), look)?;
            replaced.add(digest, found);
            // A cache that cannot be written costs time next time, and is no reason to fail.
            let kept = cache.is_some_and(|cache| cache.put(digest, size, &index).is_ok());
            let spooled = if kept { None } else { Some(spooled(&subject, &index)?) };
            Ok((Arc::new(index), spooled))
        });
        let read = read.await.map_err(|_| Error::Abandoned { what: "a layer" })?;
        let (index, spooled) = read.map_err(Error::base(base))?;
        if let Some(spooled) = spooled {
            self.state().spooled.insert((digest, size), spooled);
        }
        Ok(index)
    }
}

/// Writes an index into a file without a name.
fn spooled(subject: &str, index: &LayerIndex) -> Result<Segments, fleetfix_oci::Error> {
    let write = || {
        let mut spool = Spool::new(&std::env::temp_dir())?;
        spool.write_all(index.as_bytes())?;
        Ok(spool.segments())
    };
    let subject = format!("the index of {subject}");
    write().map_err(|source| fleetfix_oci::Error::Write { subject, source })
}

/// Reads it again; `None` if it is not what was written.
fn unspooled(spooled: &Segments) -> Option<LayerIndex> {
    let mut bytes = Vec::with_capacity(usize::try_from(spooled.size()).ok()?);
    spooled.reader().read_to_end(&mut bytes).ok()?;
    LayerIndex::from_bytes(bytes)
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt;

    use fleetfix_model::{Descriptor, Reference};
    use fleetfix_oci::layout::Layout;
    use fleetfix_oci::tree::{Final, Resolved, Target};
    use fleetfix_registry::{Client, Options};
    use serde_json::json;

    use super::*;

    /// A layer with a program and `count` other files, one image over it, and the image's manifest.
    fn image(layout: &Layout, note: usize, count: usize) -> Manifest {
        let mut archive = tar::Builder::new(Vec::new());
        let mut add = |path: String| {
            let mut header = tar::Header::new_ustar();
            header.set_mode(0o755);
            header.set_size(0);
            archive.append_data(&mut header, path, &b""[..]).unwrap();
        };
        add(format!("etc/note-{note}"));
        add("app".to_owned());
        (0..count).for_each(|n| add(format!("usr/share/a-directory/file-{n:06}")));
        let bytes = archive.into_inner().unwrap();
        let layer = layout.put("application/vnd.oci.image.layer.v1.tar", &bytes).unwrap();
        let config = Descriptor::of("application/vnd.oci.image.config.v1+json", b"{}");
        let manifest = json!({ "schemaVersion": 2, "config": config, "layers": [layer],
            "mediaType": "application/vnd.oci.image.manifest.v1+json" });
        Manifest::parse(None, manifest.to_string().as_bytes()).unwrap()
    }

    fn app(tree: &Tree) -> Result<Option<Resolved>, fleetfix_oci::Error> {
        tree.resolve(b"/app", Final::Follow)
    }

    /// With and without a cache: what memory lets go is read from disk, and not from the base.
    #[tokio::test]
    async fn memory_holds_few_indexes_and_bases_are_read_once() {
        let dir = tempfile::tempdir().unwrap();
        let layout = Layout::create(dir.path().join("base")).unwrap();
        let images: Vec<Manifest> = (0..6).map(|note| image(&layout, note, 1000)).collect();
        let name = format!("oci:{}", dir.path().join("base").display());
        let source = Client::new(Options::default()).unwrap();
        let source = source.source(&name.parse::<Reference>().unwrap().repository);
        let place = dir.path().join("cache");
        for (cache, is_open) in [(None, false), (Some(&place), false), (Some(&place), true)] {
            if is_open {
                // What others could write is neither believed nor written.
                for entry in std::fs::read_dir(&place).unwrap() {
                    let open = std::fs::Permissions::from_mode(0o777);
                    std::fs::set_permissions(entry.unwrap().path(), open).unwrap();
                }
            }
            let cache = cache.map(|place| LayerCache::new(place));
            let mut indexes = Indexes::new(cache, Arc::new(Replaced::new(&[], None)));
            indexes.most = 100 << 10;
            for manifest in &images {
                indexes.ask(&source, "it", manifest, app).await.unwrap();
                let held: u64 = indexes.state().held.iter().map(|(_, i)| i.memory()).sum();
                assert!(held > 0 && held <= indexes.most, "{held}");
            }
            let blobs = dir.path().join("base/blobs/sha256");
            let hidden = dir.path().join("hidden");
            std::fs::rename(&blobs, &hidden).unwrap();
            for manifest in &images {
                let found = indexes.ask(&source, "it", manifest, app).await.unwrap();
                assert!(matches!(found.target, Target::File { .. }), "{found:?}");
            }
            std::fs::rename(&hidden, &blobs).unwrap();
        }
    }
}
