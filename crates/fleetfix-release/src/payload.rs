//! A payload and how it is read from a store.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use fleetfix_model::name::ComponentTag;
use fleetfix_model::{Class, Classify, Digest, Platform, Reference, Version};
use fleetfix_oci::manifest::{Kind, Manifest, RawDescriptor};
use fleetfix_oci::tree::{Limits, Named, named};
use fleetfix_registry::image::ImageManifest;
use fleetfix_registry::{Client, Image, Store};

use crate::Error;
use crate::document::{
    self, Component, IMAGE_REFERENCES, ImageReferences, Problem, RELEASE_METADATA,
};
use crate::image::Config;
use crate::index::Key;

/// The architecture that is read first.
const FIRST: &str = "amd64";
/// Most bytes of one of the two files; image-references has some 200 KiB.
const MAX_FILE: u64 = 8 << 20;
/// Most bytes that a layer may unpack to; the largest layer of a release is some 300 MiB.
const MAX_UNPACKED: u64 = 4 << 30;

/// Whether a payload is for one architecture or for several.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Stream {
    /// One image.
    Single,
    /// An index of images, one per architecture.
    Multi,
}

/// A release image.
#[derive(Clone, Debug)]
pub struct Payload {
    /// As it was named.
    pub reference: Reference,
    /// Digest of the index or manifest that was named.
    pub digest: Digest,
    /// Its version.
    pub version: Version,
    /// Whether it is for one architecture or for several.
    pub stream: Stream,
    /// Platforms of its images, in the order of the index. The first that was read is
    /// [`Payload::read_from`].
    pub platforms: Vec<Platform>,
    /// The platform that the components were read from: amd64 if it has that.
    pub read_from: Platform,
    /// The components.
    pub components: BTreeMap<ComponentTag, Component>,
    /// Components whose image is another one on another platform of the same payload. In a release
    /// of several architectures all of them name the same indexes.
    pub differing: BTreeSet<ComponentTag>,
}

impl Payload {
    /// What tells it from the other payloads of its version.
    pub fn key(&self) -> Key {
        let architecture = match self.stream {
            Stream::Single => Some(self.read_from.architecture.clone()),
            Stream::Multi => None,
        };
        Key { version: self.version.clone(), architecture }
    }
}

/// What a name leads to.
#[derive(Debug)]
pub enum Found {
    /// A payload.
    New(Box<Payload>),
    /// One that was read before, by another name.
    Known(Digest),
}

/// Reads a payload, after mirrors. All its platforms are read, because they must agree on the
/// version; what they share is read once.
pub async fn read(client: &Client, reference: &Reference) -> Result<Payload, Error> {
    let reader = Reader { store: client.source(&reference.repository), reference };
    let image = reader.image().await?;
    reader.payload(&image).await
}

/// The same, unless its digest is among those that were read before.
pub async fn read_new(
    client: &Client,
    reference: &Reference,
    known: &[Digest],
) -> Result<Found, Error> {
    let reader = Reader { store: client.source(&reference.repository), reference };
    let image = reader.image().await?;
    let digest = image.top.digest();
    if known.contains(&digest) {
        return Ok(Found::Known(digest));
    }
    reader.payload(&image).await.map(|payload| Found::New(Box::new(payload)))
}

/// A manifest with its platform.
struct Child<'a> {
    platform: Platform,
    manifest: &'a Manifest,
}

struct Reader<'a> {
    store: Store,
    reference: &'a Reference,
}

/// What one layer says about the files of a release; what is not there is not mentioned.
type Findings = BTreeMap<&'static str, Named>;

/// What was found in a layer that was read.
type Seen = BTreeMap<Digest, Arc<Findings>>;

impl Reader<'_> {
    async fn image(&self) -> Result<Image, Error> {
        Image::get(&self.store, self.reference).await.map_err(|source| self.failed(source))
    }

    async fn payload(&self, image: &Image) -> Result<Payload, Error> {
        let stream = if image.top.kind == Kind::Index { Stream::Multi } else { Stream::Single };
        let mut releases = Vec::new();
        let mut seen = BTreeMap::new();
        for child in self.linux(image).await? {
            let release = self.release(child.manifest, &mut seen).await?;
            releases.push((child.platform, release));
        }
        let platforms = releases.iter().map(|(platform, _)| platform.clone()).collect();
        // A stable sort: the order of the index among the others.
        releases.sort_by_key(|(platform, _)| platform.architecture != FIRST);
        let mut releases = releases.into_iter();
        let Some((read_from, (version, references))) = releases.next() else {
            return Err(self.no_image(image));
        };
        let mut differing = BTreeSet::new();
        for (other, (actual, others)) in releases {
            if actual != version {
                return Err(Error::Mixed {
                    reference: self.boxed(),
                    first: Box::new(read_from),
                    expected: version,
                    other: Box::new(other),
                    actual,
                });
            }
            let names = references.components.keys().chain(others.components.keys());
            let image =
                |of: &ImageReferences, tag| of.components.get(tag).map(|c| c.pullspec.digest);
            differing.extend(
                names.filter(|tag| image(&references, tag) != image(&others, tag)).cloned(),
            );
        }
        Ok(Payload {
            reference: self.reference.clone(),
            digest: image.top.digest(),
            version,
            stream,
            platforms,
            read_from,
            components: references.components,
            differing,
        })
    }

    fn boxed(&self) -> Box<Reference> {
        Box::new(self.reference.clone())
    }

    fn failed(&self, source: fleetfix_registry::Error) -> Error {
        Error::Store { reference: self.boxed(), source: Box::new(source) }
    }

    fn no_image(&self, image: &Image) -> Error {
        let found = match image.manifests.as_slice() {
            [] => format!("no image in `{}`", image.top.media_type),
            some => some
                .iter()
                .map(|m| {
                    m.platform.as_ref().map_or(m.manifest.media_type.clone(), ToString::to_string)
                })
                .collect::<Vec<_>>()
                .join(", "),
        };
        Error::NoImage { reference: self.boxed(), found }
    }

    /// The images for Linux. Where the index names no platform, the configuration does.
    async fn linux<'i>(&self, image: &'i Image) -> Result<Vec<Child<'i>>, Error> {
        let mut children = Vec::new();
        let images = image.manifests.iter().filter(|m| m.manifest.kind == Kind::Image);
        for ImageManifest { platform, manifest } in images {
            let platform = match platform {
                Some(platform) => platform.clone(),
                None => Config::read(&self.store, self.reference, manifest).await?.platform(),
            };
            if platform.os == "linux" {
                children.push(Child { platform, manifest });
            }
        }
        Ok(children)
    }

    fn broken(&self, manifest: &Manifest, source: fleetfix_oci::Error) -> Error {
        let manifest = manifest.digest();
        Error::Manifest { reference: self.boxed(), manifest, source: Box::new(source) }
    }

    /// Version and components of one image of the payload.
    async fn release(
        &self,
        manifest: &Manifest,
        seen: &mut Seen,
    ) -> Result<(Version, ImageReferences), Error> {
        let mut files = self.files(manifest, seen).await?;
        let mut take = |path: &'static str| {
            files.remove(path).ok_or_else(|| Error::NotARelease { reference: self.boxed(), path })
        };
        let (references, metadata) = (take(IMAGE_REFERENCES)?, take(RELEASE_METADATA)?);
        let references = document::image_references(&references)
            .map_err(|problem| self.malformed(IMAGE_REFERENCES, problem))?;
        let version = document::version(&metadata)
            .map_err(|problem| self.malformed(RELEASE_METADATA, problem))?;
        // HyperShift goes by the name of the image stream, the update graph by the metadata.
        if references.name != version.to_string() {
            return Err(Error::TwoVersions {
                reference: self.boxed(),
                image_references: references.name,
                release_metadata: version,
            });
        }
        Ok((version, references))
    }

    fn malformed(&self, path: &'static str, problem: Problem) -> Error {
        let reference = self.boxed();
        match problem {
            Problem::Json(source) => Error::Document { reference, path, source },
            Problem::Field(field, problem) => Error::Field { reference, path, field, problem },
        }
    }

    /// The files of the release, from the top layer down, until all are found or hidden.
    async fn files(
        &self,
        manifest: &Manifest,
        seen: &mut Seen,
    ) -> Result<BTreeMap<&'static str, Vec<u8>>, Error> {
        let layers = manifest.layers().map_err(|source| self.broken(manifest, source))?;
        let mut open = BTreeSet::from([IMAGE_REFERENCES, RELEASE_METADATA]);
        let mut files = BTreeMap::new();
        for layer in layers.iter().rev() {
            if open.is_empty() {
                break;
            }
            let findings = if let Some(known) = seen.get(&layer.digest) {
                known.clone()
            } else {
                let new = Arc::new(self.search(layer).await?);
                seen.insert(layer.digest, new.clone());
                new
            };
            for (path, found) in findings.iter().filter(|(path, _)| open.contains(**path)) {
                match found {
                    Named::File(bytes) => {
                        files.insert(*path, bytes.clone());
                    }
                    Named::Other => {
                        let (reference, layer) = (self.boxed(), layer.digest);
                        return Err(Error::NotAFile { reference, layer, path });
                    }
                    Named::Hidden => {}
                }
            }
            open.retain(|path| !findings.contains_key(path));
        }
        Ok(files)
    }

    async fn search(&self, layer: &RawDescriptor) -> Result<Findings, Error> {
        let stream = self
            .store
            .blob_reader(layer.digest, Some(layer.size))
            .await
            .map_err(|source| self.failed(source))?
            .into_read();
        let subject = format!("layer {}", layer.digest);
        let search = move || {
            let limits = Limits { archive: MAX_UNPACKED, ..Limits::default() };
            named(&subject, stream, &limits, &[IMAGE_REFERENCES, RELEASE_METADATA], MAX_FILE)
        };
        let found = tokio::task::spawn_blocking(search)
            .await
            .map_err(|source| Error::Thread { reference: self.boxed(), source })?;
        found.map_err(|error| self.layer_failed(error))
    }

    fn layer_failed(&self, error: fleetfix_oci::Error) -> Error {
        // A blob's stream carries the store's errors (`fleetfix_registry::BlobReader::into_read`).
        let error = match error {
            fleetfix_oci::Error::Read { subject, source } => match source.downcast() {
                Ok(source) => return self.failed(source),
                Err(source) => fleetfix_oci::Error::Read { subject, source },
            },
            other => other,
        };
        let (reference, source) = (self.boxed(), Box::new(error));
        if source.class() == Class::Refused {
            Error::Content { reference, source }
        } else {
            Error::Layer { reference, source }
        }
    }
}

#[cfg(test)]
mod tests;
