//! Writes patched images: blobs, then manifests, then tags, so that a tag never names what is not
//! all there. Everything that is there already is left alone.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, PoisonError};

use bytes::Bytes;
use fleetfix_model::{Descriptor, Digest, Reference, Repository};
use fleetfix_oci::layer::Finished;
use fleetfix_oci::manifest::RawDescriptor;
use fleetfix_registry::copy::copy_blob;
use fleetfix_registry::{Body, Client, Store, copy};
use fleetfix_task::Context;
use futures_util::stream::{self, StreamExt, TryStreamExt};
use tokio::sync::{OnceCell, Semaphore};

use crate::Error;
use crate::base::Base;
use crate::compress::Layers;
use crate::image::{Document, Patched};
use crate::run::AT_ONCE;

/// Blobs that move at a time.
const PARALLEL: usize = 8;

/// One image to write, and where its base is.
#[derive(Debug)]
pub struct Image<'a> {
    /// The base.
    pub base: &'a Base,
    /// What became of it.
    pub patched: &'a Patched,
}

/// One blob to write.
#[derive(Clone)]
enum Blob {
    Copy {
        from: Store,
        to: Store,
        blob: Descriptor,
    },
    Send {
        to: Store,
        blob: Descriptor,
        body: Body,
    },
    /// A configuration of an image whose tag is free. Each image has one of its own, and many bases
    /// make many requests: it is sent without a question.
    New {
        to: Store,
        blob: Descriptor,
        bytes: Bytes,
    },
}

impl Blob {
    fn to(&self) -> (&Repository, &Descriptor) {
        let (Self::Copy { to, blob, .. }
        | Self::Send { to, blob, .. }
        | Self::New { to, blob, .. }) = self;
        (to.repository(), blob)
    }
}

/// Writes each blob once for each repository.
#[derive(Debug)]
pub struct Transfers<'a> {
    client: &'a Client,
    /// By digest and size: a manifest that lies about a size is no other one's.
    done: Mutex<BTreeSet<(Repository, Digest, u64)>>,
    /// Repositories that something was written to, or that are there anyway.
    opened: Mutex<BTreeMap<Repository, std::sync::Arc<OnceCell<()>>>>,
    turns: Semaphore,
}

impl<'a> Transfers<'a> {
    /// Nothing written yet.
    pub fn new(client: &'a Client) -> Self {
        let turns = Semaphore::new(PARALLEL);
        Self { client, done: Mutex::default(), opened: Mutex::default(), turns }
    }

    /// Sees that the repository of a base's patched image is there. One small request before the
    /// others: Quay makes a repository with the first push to it, and refuses those that come at
    /// the same time.
    pub(crate) async fn open(&self, base: &Base) -> Result<(), Error> {
        let mut blobs = self.of_base(base)?;
        blobs.sort_by_key(|blob| blob.to().1.size);
        self.opened(&base.job.to, blobs.into_iter().next()).await
    }

    /// Writes `first` before all others of the repository.
    async fn opened(&self, to: &Repository, first: Option<Blob>) -> Result<(), Error> {
        let cell = {
            let mut opened = self.opened.lock().unwrap_or_else(PoisonError::into_inner);
            std::sync::Arc::clone(opened.entry(to.clone()).or_default())
        };
        let write = async || match first {
            Some(blob) => self.write(blob).await,
            None => Ok(()),
        };
        cell.get_or_try_init(write).await.copied()
    }

    /// Sees that the layers of a base are there and have their sizes, where its patched image goes to
    /// the same repository: registries differ in what they ask of a manifest's layers. One small
    /// request for each layer.
    pub(crate) async fn find_base(&self, base: &Base) -> Result<(), Error> {
        let to = self.client.store(&base.job.to);
        if !same_place(base, &to) {
            return Ok(());
        }
        let find = |blob: Descriptor| {
            let to = &to;
            async move {
                if self.is_first(to.repository(), &blob) {
                    let _turn = self.turns.acquire().await;
                    to.check_blob(&blob).await?;
                }
                Ok::<_, Error>(())
            }
        };
        let found = stream::iter(layers(base)?).map(find).buffer_unordered(PARALLEL);
        found.try_collect::<()>().await
    }

    /// Brings the layers of a base to where its patched image goes.
    pub(crate) async fn copy_base(&self, base: &Base) -> Result<(), Error> {
        self.write_all(self.of_base(base)?).await
    }

    /// Sends a new layer.
    pub(crate) async fn send_layer(&self, to: &Repository, layer: &Finished) -> Result<(), Error> {
        self.write(self.of_layer(to, layer)).await
    }

    fn of_layer(&self, to: &Repository, layer: &Finished) -> Blob {
        let body = Body::Segments(layer.segments.clone());
        // Blobs have no media type where they are written.
        let (digest, size) = (layer.layer.digest, layer.layer.size);
        let blob = Descriptor { media_type: "a new layer".into(), digest, size };
        Blob::Send { to: self.client.store(to), blob, body }
    }

    /// The layers of a base, unless they are where its patched image goes.
    fn of_base(&self, base: &Base) -> Result<Vec<Blob>, Error> {
        let to = self.client.store(&base.job.to);
        if same_place(base, &to) {
            return Ok(Vec::new());
        }
        let copy = |blob| Blob::Copy { from: base.source.clone(), to: to.clone(), blob };
        Ok(layers(base)?.into_iter().map(copy).collect())
    }

    async fn write_all(&self, blobs: Vec<Blob>) -> Result<(), Error> {
        let write = |blob| self.write(blob);
        stream::iter(blobs).map(write).buffer_unordered(PARALLEL).try_collect::<()>().await
    }

    /// True if nothing was done about a blob in this run yet.
    fn is_first(&self, to: &Repository, blob: &Descriptor) -> bool {
        let key = (to.clone(), blob.digest, blob.size);
        self.done.lock().unwrap_or_else(PoisonError::into_inner).insert(key)
    }

    /// Writes a blob, unless this run did or does that already.
    async fn write(&self, blob: Blob) -> Result<(), Error> {
        let (to, descriptor) = blob.to();
        if !self.is_first(to, descriptor) {
            return Ok(());
        }
        let _turn = self.turns.acquire().await;
        match blob {
            Blob::Copy { from, to, blob } => {
                Box::pin(copy_blob(&from, &to, &blob)).await?;
            }
            Blob::Send { to, blob, body } => {
                Box::pin(to.put_blob(&blob, body)).await?;
            }
            Blob::New { to, blob, bytes } => Box::pin(to.put_new_blob(&blob, bytes)).await?,
        }
        Ok(())
    }
}

/// Writes all images. Nothing is written where a tag names other content already.
pub async fn all(
    transfers: &Transfers<'_>,
    images: &[Image<'_>],
    layers: &Layers,
    context: &Context,
) -> Result<(), Error> {
    tags_are_free(images)?;
    let mut blobs = blobs(transfers, images, layers)?;
    blobs.sort_by_key(|blob| blob.to().1.size);
    let mut first = BTreeMap::new();
    for blob in &blobs {
        first.entry(blob.to().0.clone()).or_insert_with(|| blob.clone());
    }
    for (to, blob) in first {
        transfers.opened(&to, Some(blob)).await?;
    }
    let meter = context.measure(blobs.iter().map(|blob| blob.to().1.size).sum());
    let write = |blob: Blob| {
        let (size, meter) = (blob.to().1.size, &meter);
        async move { transfers.write(blob).await.map(|()| meter.add(size)) }
    };
    stream::iter(blobs).map(write).buffer_unordered(PARALLEL).try_collect::<()>().await?;
    let write = |image| manifests(transfers.client, image);
    stream::iter(images).map(write).buffer_unordered(AT_ONCE).try_collect::<()>().await?;
    tags(transfers.client, images).await
}

/// All tags. Once one fails no further one is begun, and those that were written are named.
async fn tags<'a>(client: &Client, images: &[Image<'a>]) -> Result<(), Error> {
    let failed = AtomicBool::new(false);
    let write = |patched: &'a Patched| {
        let failed = &failed;
        let (to, tag, top) = (client.store(&patched.to), patched.tag.clone(), patched.top.clone());
        async move {
            if failed.load(Ordering::Relaxed) {
                return None;
            }
            let put = to.put_immutable_tag(&tag, &top.descriptor.media_type, &top.bytes).await;
            failed.fetch_or(put.is_err(), Ordering::Relaxed);
            Some(put.map(|_| patched.to.tagged(tag)))
        }
    };
    let done: Vec<_> =
        stream::iter(images).map(|image| write(image.patched)).buffered(AT_ONCE).collect().await;
    let (mut written, mut first) = (Vec::new(), None);
    for done in done.into_iter().flatten() {
        match done {
            Ok(place) => written.push(place.to_string()),
            Err(error) => first = first.or(Some(error)),
        }
    }
    match first {
        None => Ok(()),
        Some(source) if written.is_empty() => Err(source.into()),
        Some(source) => {
            let (written, source) = (written.join(", "), Box::new(source));
            Err(Error::SomeTags { written, source })
        }
    }
}

/// Manifests without their tag.
async fn manifests(client: &Client, image: &Image<'_>) -> Result<(), Error> {
    let to = client.store(&image.patched.to);
    for kept in image.patched.kept.iter().filter(|_| !same_place(image.base, &to)) {
        Box::pin(copy(&image.base.source, &to, kept.digest)).await?;
    }
    let put = |manifest: &Document| {
        let (to, manifest) = (to.clone(), manifest.clone());
        let is_new = image.base.tag_at.is_none();
        async move {
            let (media_type, bytes) = (&manifest.descriptor.media_type, &manifest.bytes);
            if is_new {
                return to.put_new_manifest(media_type, bytes).await;
            }
            to.put_manifest(media_type, bytes).await.map(|_| ())
        }
    };
    let manifests = stream::iter(&image.patched.manifests).map(put).buffer_unordered(PARALLEL);
    Ok(manifests.try_collect::<()>().await?)
}

/// Layers of all images of a base, but for those that lie elsewhere (`urls`).
fn layers(base: &Base) -> Result<Vec<Descriptor>, Error> {
    let mut all = Vec::new();
    for image in &base.images {
        let layers = image.manifest.layers().map_err(Error::base(base.name()))?;
        all.extend(layers.iter().filter(|l| !l.is_foreign()).map(RawDescriptor::descriptor));
    }
    Ok(all)
}

fn same_place(base: &Base, to: &Store) -> bool {
    base.source.repository() == to.repository()
}

/// Looked at before manifests are sent; [`Store::put_immutable_tag`] looks again.
fn tags_are_free(images: &[Image<'_>]) -> Result<(), Error> {
    let mut taken = BTreeMap::new();
    for Image { base, patched } in images {
        let place: Reference = patched.to.tagged(patched.tag.clone());
        let expected = patched.top.descriptor.digest;
        if let Some(other) = taken.insert(place.clone(), expected)
            && other != expected
        {
            return Err(Error::OneTag { place });
        }
        if let Some(actual) = base.tag_at.filter(|there| *there != expected) {
            let reference = Box::new(place);
            return Err(fleetfix_registry::Error::TagTaken { reference, expected, actual }.into());
        }
    }
    Ok(())
}

/// All blobs of all images.
fn blobs(
    transfers: &Transfers<'_>,
    images: &[Image<'_>],
    layers: &Layers,
) -> Result<Vec<Blob>, Error> {
    let finished: BTreeMap<Digest, &Finished> =
        layers.iter().map(|finished| (finished.layer.digest, finished)).collect();
    let mut blobs = Vec::new();
    for Image { base, patched } in images {
        let to = transfers.client.store(&patched.to);
        let new = patched.layers.iter().filter_map(|layer| finished.get(&layer.digest));
        blobs.extend(new.map(|layer| transfers.of_layer(&patched.to, layer)));
        blobs.extend(transfers.of_base(base)?);
        blobs.extend(patched.configs.iter().map(|config| {
            let (to, blob, bytes) = (to.clone(), config.descriptor.clone(), config.bytes.clone());
            match base.tag_at {
                None => Blob::New { to, blob, bytes },
                Some(_) => Blob::Send { to, blob, body: Body::Bytes(bytes) },
            }
        }));
    }
    Ok(blobs)
}
