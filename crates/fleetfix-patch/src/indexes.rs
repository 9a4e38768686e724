//! What base layers hold: each is read once, and remembered for the next run.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};

use fleetfix_model::Digest;
use fleetfix_oci::manifest::RawDescriptor;
use fleetfix_oci::tree::{LayerCache, LayerIndex, Limits};
use fleetfix_registry::Store;
use tokio::sync::{OnceCell, Semaphore};

use crate::Error;

/// Layers that are read at a time: unpacking one keeps a core busy and holds a window and an index;
/// two of them took a cold run past 32 MiB.
const AT_ONCE: usize = 1;

/// Indexes of base layers by digest.
#[derive(Debug)]
pub struct Indexes {
    cache: Option<LayerCache>,
    known: Mutex<BTreeMap<Digest, Arc<OnceCell<Arc<LayerIndex>>>>>,
    turns: Semaphore,
}

impl Indexes {
    /// None known yet but those that `cache` remembers.
    pub fn new(cache: Option<LayerCache>) -> Self {
        Self { cache, known: Mutex::default(), turns: Semaphore::new(AT_ONCE) }
    }

    /// The index of a layer, which is read from `source` if nobody knows it. `base` is for messages.
    pub async fn get(
        &self,
        source: &Store,
        base: &str,
        layer: &RawDescriptor,
    ) -> Result<Arc<LayerIndex>, Error> {
        let cell = {
            let mut known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
            Arc::clone(known.entry(layer.digest).or_default())
        };
        cell.get_or_try_init(|| self.find(source, base, layer)).await.cloned()
    }

    async fn find(
        &self,
        source: &Store,
        base: &str,
        layer: &RawDescriptor,
    ) -> Result<Arc<LayerIndex>, Error> {
        let abandoned = |_| Error::Abandoned { what: "a layer" };
        let unreadable = |why| {
            let (base, layer) = (base.to_owned(), layer.digest);
            Error::UnreadableLayer { base, layer, why }
        };
        if layer.media_type.ends_with("+encrypted") {
            return Err(unreadable("is encrypted"));
        }
        // It may be there all the same.
        if layer.is_foreign() && !source.has_blob(layer.digest).await? {
            return Err(unreadable("lies elsewhere (`urls`)"));
        }
        let (digest, size) = (layer.digest, layer.size);
        if let Some(cache) = self.cache.clone() {
            let kept = tokio::task::spawn_blocking(move || cache.get(digest, size));
            if let Some(index) = kept.await.map_err(abandoned)? {
                return Ok(Arc::new(index));
            }
        }
        let _turn = self.turns.acquire().await;
        let reader = source.blob_reader(layer.digest, Some(layer.size)).await?.into_read();
        let (subject, cache) = (format!("layer {digest}"), self.cache.clone());
        let read = tokio::task::spawn_blocking(move || {
            let index = LayerIndex::read(&subject, reader, &Limits::default())?;
            if let Some(cache) = cache {
                // A cache that cannot be written costs time next time, and is no reason to fail.
                let _ = cache.put(digest, size, &index);
            }
            Ok(Arc::new(index))
        });
        read.await.map_err(abandoned)?.map_err(Error::base(base))
    }
}
