//! Reads a base: its manifests and configurations, and the metadata of the paths that change.

use std::sync::Arc;

use fleetfix_model::{Digest, Platform};
use fleetfix_oci::change::{Change, place};
use fleetfix_oci::config::{self, Config};
use fleetfix_oci::layer::Items;
use fleetfix_oci::manifest::{Kind, Manifest};
use fleetfix_oci::tree::Tree;
use fleetfix_registry::{Client, Documents, Image, Store};
use futures_util::future::try_join;
use futures_util::stream::{self, StreamExt, TryStreamExt};

use crate::Error;
use crate::error::name;
use crate::indexes::Indexes;
use crate::job::{Job, Pinned};
use crate::one_module::one_module;
use crate::programs::{Written, written};

/// Images of one base that are read at a time.
const AT_ONCE: usize = 4;

/// A base with everything that patching it needs.
#[derive(Debug)]
pub struct Base {
    /// What is to be done to it.
    pub job: Job,
    /// Where it was read from.
    pub source: Store,
    /// The index, or the manifest where there is none.
    pub top: Manifest,
    /// Every image, in the order of the index.
    pub images: Vec<BaseImage>,
    /// What the new image's tag names now.
    pub tag_at: Option<Digest>,
}

/// One image of a base.
#[derive(Debug)]
pub struct BaseImage {
    /// Its platform.
    pub platform: Platform,
    /// Its manifest.
    pub manifest: Manifest,
    /// Bytes of its configuration.
    pub config: Vec<u8>,
    /// The entries of the new layer, which images share.
    pub items: Arc<Items>,
    /// What a person should know about them, a sentence each.
    pub notes: Vec<String>,
    /// The files that are written, until programs among them are compared.
    pub written: Vec<Written>,
}

impl Base {
    /// Digest of the index or manifest.
    pub fn digest(&self) -> Digest {
        self.top.digest()
    }

    /// Names it in messages.
    pub fn name(&self) -> String {
        name(&self.job.base.repository, self.digest())
    }
}

/// Reads the base of a job and finds where its changes go.
pub async fn read(
    client: &Client,
    job: Job,
    indexes: &Indexes,
    documents: Option<Documents>,
) -> Result<Base, Error> {
    if job.base.digest.is_none() && job.base.tag.is_none() {
        return Err(Error::NoBase { base: job.base });
    }
    let source = client.source(&job.base.repository).remembering(documents);
    let to = client.store(&job.to);
    let (image, tag_at) = try_join(Image::get(&source, &job.base), to.resolve(&job.tag)).await?;
    let tag_at = tag_at.map(|there| there.digest);
    let base = name(&job.base.repository, image.top.digest());
    if let Some(inner) = image.inner.first() {
        let (subject, child) = (image.top.subject(), inner.digest());
        return Err(Error::base(base)(fleetfix_oci::Error::NestedIndex { subject, child }));
    }
    if image.manifests.is_empty() {
        return Err(Error::NoImages { base });
    }
    if let Some(other) = image.manifests.iter().find(|found| found.manifest.kind == Kind::Other) {
        let (subject, actual) = (other.manifest.subject(), other.manifest.media_type.clone());
        let expected = "an image manifest or an index of OCI or Docker".to_owned();
        let source = fleetfix_oci::Error::WrongMediaType { subject, expected, actual };
        return Err(Error::base(base)(source));
    }
    let read = |found: fleetfix_registry::image::ImageManifest| {
        let (source, base) = (&source, &base);
        async move {
            let config = configuration(source, base, &found.manifest).await?;
            let platform = platform(base, found.platform, &config)?;
            Ok::<_, Error>((platform, found.manifest, config))
        }
    };
    let read: Vec<_> =
        stream::iter(image.manifests).map(read).buffered(AT_ONCE).try_collect().await?;
    if let Some(pinned) = &job.pinned {
        as_pinned(&base, pinned, &image.top, &read)?;
    }
    every_architecture(&base, &job, &read)?;
    let place = |(platform, manifest, config): (Platform, Manifest, Vec<u8>)| {
        let (source, job, base) = (&source, &job, format!("{base} ({platform})"));
        async move {
            let changes = job.changes.of(&platform.architecture).unwrap_or_default();
            let Onto { items, notes, written } =
                placed(source, &base, &manifest, changes, indexes).await?;
            let items = Arc::new(items);
            Ok::<_, Error>(BaseImage { platform, manifest, config, items, notes, written })
        }
    };
    let images = stream::iter(read).map(place).buffered(AT_ONCE).try_collect().await?;
    Ok(Base { job, source, top: image.top, images, tag_at })
}

pub(crate) async fn configuration(
    source: &Store,
    base: &str,
    manifest: &Manifest,
) -> Result<Vec<u8>, Error> {
    let descriptor = manifest.config().map_err(Error::base(base))?;
    let bytes = source.blob(descriptor.digest, config::MAX_SIZE).await?;
    let actual = bytes.len() as u64;
    if actual != descriptor.size {
        let subject = format!("the configuration of {}", manifest.subject());
        let source = fleetfix_oci::Error::WrongSize { subject, expected: descriptor.size, actual };
        return Err(Error::base(base)(source));
    }
    Ok(bytes)
}

/// The platform that the index names; where there is no index, the configuration's. They may
/// differ in the variant, which many configurations leave out.
pub(crate) fn platform(
    base: &str,
    index: Option<Platform>,
    config: &[u8],
) -> Result<Platform, Error> {
    let own = Config::parse(config).and_then(|config| config.platform());
    let own = own.map_err(Error::base(base))?;
    let Some(index) = index else { return Ok(own) };
    if (&index.os, &index.architecture) != (&own.os, &own.architecture) {
        let (index, config) = (index.to_string(), own.to_string());
        return Err(Error::TwoPlatforms { base: base.to_owned(), index, config });
    }
    Ok(index)
}

/// The base must be what the plan pinned and its approvers saw.
fn as_pinned(
    base: &str,
    pinned: &Pinned,
    top: &Manifest,
    images: &[(Platform, Manifest, Vec<u8>)],
) -> Result<(), Error> {
    let other = |what, expected: String, actual: String| {
        Err(Error::OtherBase { base: base.to_owned(), what, expected, actual })
    };
    if pinned.media_type != top.media_type {
        return other("media type", pinned.media_type.clone(), top.media_type.clone());
    }
    let list = |all: Vec<String>| all.join(", ");
    let named = |platform: &Platform, digest: Digest| format!("{platform} {}", digest.short());
    let expected: Vec<String> =
        pinned.platforms.iter().map(|p| named(&p.platform, p.digest)).collect();
    let actual: Vec<String> = images.iter().map(|(p, m, _)| named(p, m.digest())).collect();
    let same = pinned.platforms.len() == images.len()
        && pinned.platforms.iter().zip(images).all(|(expected, (platform, manifest, _))| {
            (&expected.platform, expected.digest) == (platform, manifest.digest())
        });
    if same { Ok(()) } else { other("images", list(expected), list(actual)) }
}

/// No architecture stays behind, and nothing was built for one that is not there.
fn every_architecture(
    base: &str,
    job: &Job,
    images: &[(Platform, Manifest, Vec<u8>)],
) -> Result<(), Error> {
    let has = |architecture: &str| {
        images.iter().any(|(platform, ..)| platform.architecture == architecture)
    };
    if let Some(architecture) = job.changes.architectures().into_iter().find(|a| !has(a)) {
        let found: Vec<_> = images.iter().map(|(p, ..)| p.architecture.clone()).collect();
        let (base, architecture) = (base.to_owned(), architecture.to_owned());
        return Err(Error::NoArchitecture { base, architecture, found: found.join(", ") });
    }
    let missing = images.iter().find(|(p, ..)| job.changes.of(&p.architecture).is_none());
    match missing {
        Some((platform, ..)) => Err(Error::NoContent {
            base: base.to_owned(),
            architecture: platform.architecture.clone(),
            what: "there are no files".into(),
        }),
        None => Ok(()),
    }
}

/// Changes as they are placed on an image.
struct Onto {
    items: Items,
    notes: Vec<String>,
    written: Vec<Written>,
}

/// Places changes on an image, reading its layers from the top one down until all is known.
async fn placed(
    source: &Store,
    base: &str,
    manifest: &Manifest,
    changes: &[Change],
    indexes: &Indexes,
) -> Result<Onto, Error> {
    let layers = manifest.layers().map_err(Error::base(base))?;
    let ask = |tree: &Tree| {
        let Some(placed) = place(tree, changes)? else { return Ok(None) };
        let stay = one_module(tree, changes, &placed.items)?;
        let notes = placed.notes.iter().map(ToString::to_string);
        let notes = notes.chain(stay.iter().map(ToString::to_string)).collect();
        let written = written(tree, &layers, changes)?;
        Ok(Some(Onto { items: placed.items, notes, written }))
    };
    indexes.ask(source, base, manifest, ask).await
}
