//! Copies a manifest and all below it from one store to another.

use std::collections::BTreeMap;

use bytes::Bytes;
use fleetfix_model::{Descriptor, Digest};
use fleetfix_oci::manifest::{Kind, Manifest, RawDescriptor};
use futures_util::future::{Either, select};
use futures_util::stream::{self, StreamExt, TryStreamExt};

use crate::layout::Directory;
use crate::remote::{Content, Remote};
use crate::spool;
use crate::store::{Body, Place, RawManifest};
use crate::{Error, Store, Written};

/// Deepest nesting of indexes: an index of indexes of images is the deepest seen.
const MAX_DEPTH: usize = 4;
/// Most manifests of one copy.
const MAX_MANIFESTS: usize = 1000;
/// Most bytes of all manifests of one copy: they are held until their children are written.
const MAX_BYTES: usize = 64 << 20;
/// Blobs that move at a time.
const PARALLEL: usize = 4;
/// Largest blob that passes through memory on its way between two registries, in bytes.
const IN_MEMORY: u64 = 1 << 20;

/// Copies the manifest `digest` and all below it, children first. Nothing is sent that is there;
/// inside one registry blobs are mounted. Layers that lie elsewhere (`urls`) stay there. A manifest
/// of a kind that we do not know is copied by itself.
pub async fn copy(from: &Store, to: &Store, digest: Digest) -> Result<(), Error> {
    let tree = Tree::read(from, digest).await?;
    let mut blobs = tree.blobs.into_iter();
    // One request before the others: Quay makes a repository with the first push to it, and
    // refuses those that come at the same time.
    if let Some(first) = blobs.next() {
        copy_blob(from, to, &first).await?;
    }
    stream::iter(blobs)
        .map(|blob| async move { copy_blob(from, to, &blob).await.map(drop) })
        .buffer_unordered(PARALLEL)
        .try_collect::<()>()
        .await?;
    for manifest in tree.manifests {
        to.put_manifest(&manifest.media_type, &manifest.bytes).await?;
    }
    Ok(())
}

/// What is to be copied.
struct Tree {
    /// Children before their parents.
    manifests: Vec<RawManifest>,
    /// Each blob once, in the order in which they are met.
    blobs: Vec<Descriptor>,
}

enum Step {
    /// A manifest, its size as its parent says, and how deep it lies.
    Enter(Digest, Option<u64>, usize),
    Leave(RawManifest),
}

impl Tree {
    async fn read(from: &Store, digest: Digest) -> Result<Self, Error> {
        let mut tree = Self { manifests: Vec::new(), blobs: Vec::new() };
        // Sizes of manifests as they are, and of blobs as the first that named them says.
        let (mut entered, mut listed) = (BTreeMap::new(), BTreeMap::new());
        let mut bytes = 0;
        let mut steps = vec![Step::Enter(digest, None, 0)];
        while let Some(step) = steps.pop() {
            let (digest, claimed, depth) = match step {
                Step::Leave(manifest) => {
                    tree.manifests.push(manifest);
                    continue;
                }
                Step::Enter(digest, claimed, depth) => (digest, claimed, depth),
            };
            let at = || from.repository().at(digest);
            if let Some(actual) = entered.get(&digest) {
                same_size(|| at().to_string(), claimed, *actual)?;
                continue;
            }
            let limit = |problem: String| Error::Tree { reference: Box::new(at()), problem };
            if depth > MAX_DEPTH {
                return Err(limit(format!("nested deeper than {MAX_DEPTH}")));
            }
            if entered.len() == MAX_MANIFESTS {
                return Err(limit(format!("more than {MAX_MANIFESTS} manifests")));
            }
            let raw = from.manifest(digest).await?;
            let actual = raw.bytes.len() as u64;
            same_size(|| at().to_string(), claimed, actual)?;
            entered.insert(digest, actual);
            bytes += raw.bytes.len();
            if bytes > MAX_BYTES {
                return Err(limit(format!("manifests of more than {MAX_BYTES} bytes")));
            }
            let bad = |e| Error::manifest(at(), e);
            let manifest = Manifest::parse(Some(&raw.media_type), &raw.bytes).map_err(bad)?;
            steps.push(Step::Leave(raw));
            match manifest.kind {
                Kind::Index => {
                    let children = manifest.children().map_err(bad)?;
                    let enter = |c: &RawDescriptor| Step::Enter(c.digest, Some(c.size), depth + 1);
                    steps.extend(children.iter().rev().map(enter));
                }
                Kind::Image => {
                    let config = manifest.config().map_err(bad)?;
                    let layers = manifest.layers().map_err(bad)?;
                    for blob in std::iter::once(&config).chain(&layers) {
                        if blob.is_foreign() {
                            continue;
                        }
                        match listed.insert(blob.digest, blob.size) {
                            None => tree.blobs.push(blob.descriptor()),
                            Some(first) => {
                                let what = || format!("blob {}", from.repository().at(blob.digest));
                                same_size(what, Some(blob.size), first)?;
                            }
                        }
                    }
                }
                Kind::Other => {}
            }
        }
        Ok(tree)
    }
}

/// A descriptor that lies about a size would go on lying where it is copied to.
fn same_size(
    what: impl FnOnce() -> String,
    claimed: Option<u64>,
    actual: u64,
) -> Result<(), Error> {
    match claimed {
        Some(expected) if expected != actual => {
            Err(Error::SizeMismatch { what: what(), expected, actual })
        }
        _ => Ok(()),
    }
}

/// Copies one blob: there already, mounted, or moved.
pub async fn copy_blob(from: &Store, to: &Store, blob: &Descriptor) -> Result<Written, Error> {
    match (&from.place, &to.place) {
        (Place::Directory(from), Place::Directory(to)) => {
            let (to, blob) = (to.clone(), blob.clone());
            from.blocking(move |from| between(from, &to, &blob)).await
        }
        (Place::Directory(from), Place::Remote(to)) => {
            to.put_blob(blob, &Body::File(from.blob_path(blob.digest)?)).await
        }
        (Place::Remote(_), Place::Directory(directory)) => {
            let wanted = blob.clone();
            if directory.blocking(move |directory| directory.holds(&wanted)).await? {
                return Ok(Written::AlreadyThere);
            }
            let mut source = from.blob_reader(blob.digest, Some(blob.size)).await?.into_read();
            let blob = blob.clone();
            directory.blocking(move |directory| directory.write(&blob, &mut source)).await?;
            Ok(Written::New)
        }
        (Place::Remote(source), Place::Remote(remote)) => across(from, source, remote, blob).await,
    }
}

/// Between two repositories of registries.
async fn across(
    from: &Store,
    source: &Remote,
    to: &Remote,
    blob: &Descriptor,
) -> Result<Written, Error> {
    if to.has_blob(blob.digest, Some(blob.size), true).await? {
        return Ok(Written::AlreadyThere);
    }
    let session = match to.mount_or_open(source, blob).await? {
        Ok(()) => return Ok(Written::New),
        Err(session) => session,
    };
    let reader = from.blob_reader(blob.digest, Some(blob.size)).await?;
    if blob.size <= IN_MEMORY {
        let body = Body::Bytes(Bytes::from(reader.whole(IN_MEMORY).await?));
        to.send_blob(blob, &Content::from(&body), session).await?;
        return Ok(Written::New);
    }
    let (spool, filling) = spool::open().await?;
    let content = Content::Spool(spool);
    let send = std::pin::pin!(to.send_blob(blob, &content, session));
    let fill = std::pin::pin!(filling.fill(reader));
    // Whichever fails first ends the other. The upload cannot end well before the download has: the
    // last piece is not sent before all of them are the blob.
    match select(fill, send).await {
        Either::Left((result, send)) => {
            result?;
            send.await?;
        }
        Either::Right((result, _)) => result?,
    }
    Ok(Written::New)
}

/// Between two layouts. Blocks.
fn between(from: &Directory, to: &Directory, blob: &Descriptor) -> Result<Written, Error> {
    let path = from.blob_path(blob.digest)?;
    if to.holds(blob)? {
        return Ok(Written::AlreadyThere);
    }
    let mut file = std::fs::File::open(&path).map_err(|source| Error::File { path, source })?;
    to.write(blob, &mut file)?;
    Ok(Written::New)
}
