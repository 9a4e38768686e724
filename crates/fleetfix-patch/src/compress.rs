//! The new layers: large contents compressed once, archives laid out beside that, and both put
//! together as soon as both are there.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::{self, Read};
use std::path::PathBuf;
use std::sync::Arc;

use fleetfix_model::Digest;
use fleetfix_oci::change::Action;
use fleetfix_oci::layer::{
    Algorithm, Compressor, Content, Finished, Item, Items, Kind, LaidOut, is_large,
};
use fleetfix_task::Meter;
use tokio::sync::Semaphore;

use crate::Error;
use crate::job::{Files, Job};
use crate::settings::Settings;

/// Archives that are laid out at a time, of all bases: each of many small files holds some blocks.
const LAY_OUTS: usize = 2;

/// Finished layers by their entries. Their bytes lie in files without a name, which go when this
/// is dropped or the process ends.
#[derive(Debug, Default)]
pub struct Layers(BTreeMap<Arc<Items>, Finished>);

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

    pub(crate) fn insert(&mut self, items: Arc<Items>, finished: Finished) {
        self.0.insert(items, finished);
    }
}

/// What compressing needs. Cheap to clone. Work that goes on when the last [`Stop`] is dropped ends
/// soon.
#[derive(Clone, Debug)]
pub(crate) struct Works {
    compressor: Arc<Compressor>,
    files: Arc<Files>,
    dir: PathBuf,
    lay_outs: Arc<Semaphore>,
    /// Counts the bytes of large contents.
    meter: Meter,
}

/// Ends the work when it is dropped.
#[derive(Debug)]
pub(crate) struct Stop(Arc<Compressor>);

impl Drop for Stop {
    fn drop(&mut self) {
        self.0.stop();
    }
}

/// A large content that a job calls for.
#[derive(Clone, Debug)]
pub(crate) struct Wanted {
    pub(crate) digest: Digest,
    pub(crate) size: u64,
    /// Names it in messages.
    subject: String,
    base: String,
}

/// The large contents of all jobs, each once, in their order.
pub(crate) fn wanted(jobs: &[Job]) -> Vec<Wanted> {
    let mut wanted: Vec<Wanted> = Vec::new();
    for job in jobs {
        for change in job.changes.all() {
            if let Action::Write { size, digest, .. } = change.action
                && is_large(size)
                && wanted.iter().all(|known| known.digest != digest)
            {
                let subject = format!("the new content of `{}`", change.path);
                wanted.push(Wanted { digest, size, subject, base: job.base.to_string() });
            }
        }
    }
    wanted
}

impl Works {
    /// Starts the threads that compress.
    pub(crate) fn new(files: Files, settings: &Settings, meter: Meter) -> (Self, Stop) {
        let compressor = Arc::new(Compressor::new(&settings.layer));
        let (files, dir) = (Arc::new(files), std::env::temp_dir());
        let lay_outs = Arc::new(Semaphore::new(LAY_OUTS));
        let works = Self { compressor, files, dir, lay_outs, meter };
        let stop = Stop(Arc::clone(&works.compressor));
        (works, stop)
    }

    /// Compresses a large content, which must be what was wanted.
    pub(crate) async fn content(&self, wanted: Wanted) -> Result<(Digest, Content), Error> {
        self.blocking("a new content", move |works| {
            let Wanted { digest, size, subject, base } = wanted;
            let failed = |source| Error::Layer { base: base.clone(), source };
            let source = works.open(&digest).map_err(|source| {
                failed(fleetfix_oci::Error::Read { subject: subject.clone(), source })
            })?;
            let source = Counted { source, meter: works.meter.clone() };
            let content = works.compressor.content(&subject, source, size, digest, &works.dir);
            Ok((digest, content.map_err(failed)?))
        })
        .await
    }

    /// How layers are compressed.
    pub(crate) fn algorithm(&self) -> Algorithm {
        self.compressor.algorithm()
    }

    /// Lays the archive of `items` out. `base` is for messages.
    pub(crate) async fn lay_out(&self, base: String, items: Arc<Items>) -> Result<LaidOut, Error> {
        let _turn = self.lay_outs.acquire().await;
        self.blocking("a new layer", move |works| {
            let open = |item: &Item| match &item.kind {
                Kind::File { digest, .. } => works.open(digest),
                Kind::Directory | Kind::Whiteout => Ok(Box::new(io::empty()) as Box<dyn Read>),
            };
            let laid_out = works.compressor.lay_out(&items, open, &works.dir);
            laid_out.map_err(|source| Error::Layer { base, source })
        })
        .await
    }

    /// Puts a layer together. `base` is for messages.
    pub(crate) async fn finish(
        &self,
        base: String,
        laid_out: LaidOut,
        contents: BTreeMap<Digest, Content>,
    ) -> Result<Finished, Error> {
        self.blocking("a new layer", move |_| {
            laid_out.finish(&contents).map_err(|source| Error::Layer { base, source })
        })
        .await
    }

    fn open(&self, digest: &Digest) -> io::Result<Box<dyn Read>> {
        let path = self.files.get(digest);
        let path = path.ok_or_else(|| io::Error::other("no file is named for it"))?;
        let named = |e: io::Error| io::Error::new(e.kind(), format!("{}: {e}", path.display()));
        Ok(Box::new(File::open(path).map_err(named)?))
    }

    async fn blocking<T: Send + 'static>(
        &self,
        what: &'static str,
        work: impl FnOnce(&Self) -> Result<T, Error> + Send + 'static,
    ) -> Result<T, Error> {
        let works = self.clone();
        let work = tokio::task::spawn_blocking(move || work(&works)).await;
        work.map_err(|_| Error::Abandoned { what })?
    }
}

/// Counts what is read.
struct Counted {
    source: Box<dyn Read>,
    meter: Meter,
}

impl Read for Counted {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let n = self.source.read(buffer)?;
        self.meter.add(n as u64);
        Ok(n)
    }
}
