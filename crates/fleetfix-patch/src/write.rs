//! Writes patched images: blobs, then manifests, then tags, so that a tag never names what is not
//! all there. Everything that is there already is left alone.

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;

use fleetfix_model::{Descriptor, Digest, Reference};
use fleetfix_registry::copy::copy_blob;
use fleetfix_registry::{Body, Client, Store, copy};
use futures_util::stream::{self, StreamExt, TryStreamExt};

use crate::Error;
use crate::base::Base;
use crate::compress::Layers;
use crate::image::Patched;

/// Blobs that move at a time.
const PARALLEL: usize = 4;

/// One image to write, and where its base is.
#[derive(Debug)]
pub struct Image<'a> {
    /// The base.
    pub base: &'a Base,
    /// What became of it.
    pub patched: &'a Patched,
}

/// One blob to write.
enum Blob {
    Copy { from: Store, to: Store, blob: Descriptor },
    Send { to: Store, blob: Descriptor, body: Body },
}

/// Writes all images. Nothing is written where a tag names other content already.
pub async fn all(client: &Client, images: &[Image<'_>], layers: &Layers) -> Result<(), Error> {
    tags_are_free(client, images).await?;
    let mut blobs = blobs(client, images, layers).into_iter();
    // One request before the others: Quay makes a repository with the first push to it, and
    // refuses those that come at the same time.
    if let Some(first) = blobs.next() {
        write(first).await?;
    }
    stream::iter(blobs).map(write).buffer_unordered(PARALLEL).try_collect::<()>().await?;
    for image in images {
        let to = client.store(&image.patched.to);
        for kept in image.patched.kept.iter().filter(|_| !same_place(image, &to)) {
            copy(&image.base.source, &to, kept.digest).await?;
        }
        for manifest in &image.patched.manifests {
            to.put_manifest(&manifest.descriptor.media_type, &manifest.bytes).await?;
        }
        let (top, tag) = (&image.patched.top, &image.patched.tag);
        to.put_immutable_tag(tag, &top.descriptor.media_type, &top.bytes).await?;
    }
    Ok(())
}

fn same_place(image: &Image<'_>, to: &Store) -> bool {
    image.base.source.repository() == to.repository()
}

/// Looked at before anything is sent; [`Store::put_immutable_tag`] looks again.
async fn tags_are_free(client: &Client, images: &[Image<'_>]) -> Result<(), Error> {
    let mut taken = BTreeMap::new();
    for Image { patched, .. } in images {
        let place: Reference = patched.to.tagged(patched.tag.clone());
        let expected = patched.top.descriptor.digest;
        if let Some(other) = taken.insert(place.clone(), expected)
            && other != expected
        {
            return Err(Error::OneTag { place });
        }
        let there = client.store(&patched.to).resolve(&patched.tag).await?;
        if let Some(there) = there.filter(|there| there.digest != expected) {
            let (reference, actual) = (Box::new(place), there.digest);
            return Err(fleetfix_registry::Error::TagTaken { reference, expected, actual }.into());
        }
    }
    Ok(())
}

/// Every blob once for each repository, small ones of the image itself last: they tell a reader
/// that the large ones are there.
fn blobs(client: &Client, images: &[Image<'_>], layers: &Layers) -> Vec<Blob> {
    let files: BTreeMap<Digest, PathBuf> =
        layers.iter().map(|finished| (finished.layer.digest, finished.path().to_owned())).collect();
    let mut seen = BTreeSet::new();
    let mut blobs = Vec::new();
    for image in images {
        let to = client.store(&image.patched.to);
        let mut first = |blob: &Descriptor| seen.insert((image.patched.to.clone(), blob.digest));
        for blob in &image.patched.layers {
            if let Some(path) = files.get(&blob.digest).filter(|_| first(blob)) {
                let body = Body::File(path.clone());
                blobs.push(Blob::Send { to: to.clone(), blob: blob.clone(), body });
            }
        }
        for blob in image.patched.base_layers.iter().filter(|_| !same_place(image, &to)) {
            if first(blob) {
                let from = image.base.source.clone();
                blobs.push(Blob::Copy { from, to: to.clone(), blob: blob.clone() });
            }
        }
        for config in &image.patched.configs {
            if first(&config.descriptor) {
                let body = Body::Bytes(config.bytes.clone());
                let blob = config.descriptor.clone();
                blobs.push(Blob::Send { to: to.clone(), blob, body });
            }
        }
    }
    blobs
}

async fn write(blob: Blob) -> Result<(), Error> {
    match blob {
        Blob::Copy { from, to, blob } => copy_blob(&from, &to, &blob).await?,
        Blob::Send { to, blob, body } => to.put_blob(&blob, body).await?,
    };
    Ok(())
}
