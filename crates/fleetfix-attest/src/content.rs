//! Establishes from the image itself that it is the base with the plan's patch, and nothing else.
//!
//! A tag can be moved by whoever can write to the build place, so what lies under it proves nothing.
//! Patching is a function of the base and the plan: the layer is read and held against the entries
//! that the plan calls for on this base, then configuration, manifest and index are made again from
//! the base's, and their digests compared. A path that leads through symbolic links of the base is
//! resolved as the patch did it.

use std::collections::BTreeMap;

use fleetfix_model::document::request::FileMode;
use fleetfix_model::{Descriptor, Digest, Repository};
use fleetfix_oci::change::{Action, Change, Placed, place};
use fleetfix_oci::config;
use fleetfix_oci::edit::{self, ImagePatch};
use fleetfix_oci::layer::{self, Layer};
use fleetfix_oci::manifest::{Kind, Manifest, RawDescriptor};
use fleetfix_oci::metadata::Mtime;
use fleetfix_oci::tree::{LayerIndex, Limits, Tree};
use fleetfix_registry::{Client, Image, Store};
use fleetfix_task::Failure;

use crate::Error;
use crate::patched::{Patched, PatchedPlatform};

/// Checks that `image`, which lies in `store`, is what patching its base with the plan makes. The
/// base is read by digest, where `client` reads its repository.
pub async fn check(
    client: &Client,
    store: &Store,
    image: &Image,
    patched: &Patched<'_>,
) -> Result<(), Failure> {
    let source = client.source(&patched.base.repository);
    let base = Image::get(&source, &patched.base.repository.at(patched.base.digest)).await?;
    // As the patch names it: a directory means nothing to others.
    let name = match &patched.base.repository {
        Repository::Registry { .. } => Some(patched.base.repository.to_string()),
        Repository::Layout(_) => None,
    };
    let from = |digest| edit::Base { name: name.as_deref(), digest };
    let commit = patched.fix.commit.as_ref();
    let mut replaced = BTreeMap::new();
    for platform in &patched.platforms {
        let at = platform.manifest;
        let find = |image: &Image, digest| {
            image.manifests.iter().map(|m| &m.manifest).find(|m| m.digest() == digest).cloned()
        };
        let of_base = find(&base, platform.base.digest).ok_or_else(|| {
            other(at, "base", &platform.base.digest, &"no such manifest in the base")
        })?;
        let found =
            find(image, at).ok_or_else(|| other(at, "manifest", &at, &"no such manifest"))?;
        let new = new_layer(&of_base, &found)?;
        let layer = read_layer(&source, store, patched, platform, &of_base, &new).await?;
        let descriptor = of_base.config().map_err(failed(at))?;
        let config = source.blob(descriptor.digest, config::MAX_SIZE).await?;
        let patch = ImagePatch {
            layer: &layer,
            base: from(of_base.digest()),
            commit,
            labels: &BTreeMap::new(),
        };
        let expected = edit::image(&of_base, &config, patch).map_err(failed(at))?;
        let config = found.config().map_err(failed(at))?;
        same(at, "configuration", expected.config.digest, config.digest)?;
        same(at, "manifest", expected.manifest.digest, at)?;
        replaced.insert(of_base.digest(), expected.manifest);
    }
    same(patched.index, "index", top(&base.top, &replaced, from, patched)?, image.top.digest())?;
    Ok(())
}

/// Digest of the index, or manifest, that the patch makes.
fn top<'a>(
    base: &Manifest,
    replaced: &BTreeMap<Digest, Descriptor>,
    from: impl Fn(Digest) -> edit::Base<'a>,
    patched: &Patched<'_>,
) -> Result<Digest, Error> {
    if base.kind != Kind::Index {
        return Ok(replaced.get(&base.digest()).map_or(base.digest(), |m| m.digest));
    }
    let commit = patched.fix.commit.as_ref();
    let index = edit::index(base, replaced, from(base.digest()), commit);
    Ok(index.map_err(failed(patched.index))?.index.digest)
}

/// The one layer that `found` has on top of those of `base`.
fn new_layer(base: &Manifest, found: &Manifest) -> Result<RawDescriptor, Error> {
    let at = found.digest();
    let old = base.layers().map_err(failed(at))?;
    let mut layers = found.layers().map_err(failed(at))?.into_iter();
    for (i, expected) in old.iter().enumerate() {
        let found = layers.next().map(|layer| layer.raw);
        if found.as_ref() != Some(&expected.raw) {
            let digest = found.and_then(|raw| raw.get("digest").map(ToString::to_string));
            let what = format!("layer {i}");
            let found = digest.unwrap_or_else(|| "none".to_owned());
            return Err(other(at, &what, &expected.digest, &found));
        }
    }
    let count = old.len() + layers.len();
    match (layers.next(), layers.next()) {
        (Some(new), None) => Ok(new),
        _ => Err(other(at, "number of layers", &(old.len() + 1), &count)),
    }
}

/// Reads the new layer, which must hold what the plan calls for on this base.
async fn read_layer(
    source: &Store,
    store: &Store,
    patched: &Patched<'_>,
    platform: &PatchedPlatform<'_>,
    base: &Manifest,
    new: &RawDescriptor,
) -> Result<Layer, Failure> {
    let at = platform.manifest;
    let placed = placed(source, at, base, &changes(patched, platform)).await?;
    let reader = store.blob_reader(new.digest, Some(new.size)).await?.into_read();
    let subject = format!("layer {}", new.digest);
    let read =
        tokio::task::spawn_blocking(move || layer::check(&subject, &placed.items, reader)).await;
    Ok(read.map_err(|_| Error::Abandoned)?.map_err(failed(at))?)
}

/// What the plan changes on one platform, as `fleetfix-patch` reads the plan.
fn changes(patched: &Patched<'_>, platform: &PatchedPlatform<'_>) -> Vec<Change> {
    let written = platform.files.iter().map(|file| {
        let mode = file.planned.mode.map(FileMode::bits);
        let action = Action::Write {
            size: file.content.size,
            digest: file.content.digest,
            create: file.planned.create.then_some(mode.unwrap_or(0o644)),
            mode,
            uid: file.planned.uid,
            gid: file.planned.gid,
            mtime: Mtime::default(),
        };
        Change { path: file.path.clone(), action }
    });
    let removed = patched.fix.remove.iter();
    let removed = removed.map(|path| Change { path: path.clone(), action: Action::Remove });
    written.chain(removed).collect()
}

/// Places changes on the base, reading its layers from the top one down until all is known.
async fn placed(
    source: &Store,
    at: Digest,
    base: &Manifest,
    changes: &[Change],
) -> Result<Placed, Failure> {
    let mut tree = Tree::new();
    for layer in base.layers().map_err(failed(at))?.iter().rev() {
        if let Some(placed) = place(&tree, changes).map_err(failed(at))? {
            return Ok(placed);
        }
        let reader = source.blob_reader(layer.digest, Some(layer.size)).await?.into_read();
        let subject = format!("layer {}", layer.digest);
        let read = tokio::task::spawn_blocking(move || {
            LayerIndex::read(&subject, reader, &Limits::default())
        });
        tree.push(read.await.map_err(|_| Error::Abandoned)?.map_err(failed(at))?);
    }
    tree.complete();
    Ok(place(&tree, changes).map_err(failed(at))?.ok_or(Error::Abandoned)?)
}

fn failed(image: Digest) -> impl Fn(fleetfix_oci::Error) -> Error {
    move |source| Error::Content { image, source: Box::new(source) }
}

fn same(image: Digest, what: &str, expected: Digest, found: Digest) -> Result<(), Error> {
    if expected == found { Ok(()) } else { Err(other(image, what, &expected, &found)) }
}

fn other(image: Digest, what: &str, expected: &dyn ToString, found: &dyn ToString) -> Error {
    let (expected, found) = (expected.to_string(), found.to_string());
    Error::NotThePatch { image, what: what.to_owned(), expected, found }
}
