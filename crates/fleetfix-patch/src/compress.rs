//! The new layers: compressed once for all images that get the same entries.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::{self, BufWriter, Read};
use std::path::Path;
use std::sync::Arc;

use fleetfix_oci::layer::{self, Item, Items, Kind, Layer, Options};
use tempfile::NamedTempFile;

use crate::Error;
use crate::job::Files;

/// A finished layer in a temporary file, which goes when this is dropped.
#[derive(Debug)]
pub struct Finished {
    /// Digests and sizes.
    pub layer: Layer,
    file: NamedTempFile,
}

impl Finished {
    /// The compressed bytes.
    pub fn path(&self) -> &Path {
        self.file.path()
    }
}

/// Finished layers by their entries.
#[derive(Debug, Default)]
pub struct Layers(BTreeMap<Items, Finished>);

impl Layers {
    /// How many there are.
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// True if there are none.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// The layer of `items`, if it is finished.
    pub fn get(&self, items: &Items) -> Option<&Finished> {
        self.0.get(items)
    }

    /// All of them.
    pub fn iter(&self) -> impl Iterator<Item = &Finished> {
        self.0.values()
    }

    /// Finishes the layer of `items`, unless it is. Contents are compared with the digests in
    /// `items` on their way. `base` is for messages.
    pub async fn finish(
        &mut self,
        base: &str,
        items: &Items,
        files: &Arc<Files>,
    ) -> Result<(), Error> {
        if self.0.contains_key(items) {
            return Ok(());
        }
        let (files, key, base) = (Arc::clone(files), items.clone(), base.to_owned());
        let work = tokio::task::spawn_blocking(move || {
            compress(&base, &key, &files).map(|finished| (key, finished))
        });
        let (key, finished) =
            work.await.map_err(|_| Error::Abandoned { what: "a new layer" })??;
        self.0.insert(key, finished);
        Ok(())
    }
}

fn compress(base: &str, items: &Items, files: &Files) -> Result<Finished, Error> {
    let dir = std::env::temp_dir();
    let failed = |source| Error::Temporary { dir: dir.clone(), source };
    let file = NamedTempFile::with_prefix_in("fleetfix-layer-", &dir).map_err(failed)?;
    let out = BufWriter::new(file.reopen().map_err(failed)?);
    let open = |item: &Item| -> io::Result<Box<dyn Read>> {
        let path = match &item.kind {
            Kind::File { digest, .. } => files.get(digest),
            Kind::Directory | Kind::Whiteout => None,
        };
        let path = path.ok_or_else(|| io::Error::other("no file is named for it"))?;
        let file = File::open(path);
        let named = |e: io::Error| io::Error::new(e.kind(), format!("{}: {e}", path.display()));
        Ok(Box::new(file.map_err(named)?))
    };
    let layer = layer::write(items, open, out, &Options::default())
        .map_err(|source| Error::Layer { base: base.to_owned(), source })?;
    Ok(Finished { layer, file })
}
