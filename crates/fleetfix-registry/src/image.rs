//! An image as it lies in a store: index or manifest with every manifest below it that runs.

use fleetfix_model::name::Tag;
use fleetfix_model::{Digest, Platform, Reference};
use fleetfix_oci::manifest::{Kind, Manifest, RawDescriptor};

use crate::{Error, RawManifest, Store};

/// Most manifests of one image that are read; real ones have a handful.
pub const MAX_MANIFESTS: usize = 100;
/// Most bytes of all manifests of one image; real ones have some ten thousand.
pub const MAX_BYTES: u64 = 16 << 20;
/// Deepest nesting of indexes that is followed.
pub const MAX_DEPTH: usize = 4;

/// An image, all of it read by digest and hashed. Children that do not run, such as build
/// attestations, are left out ([`RawDescriptor::is_image`]).
#[derive(Clone, Debug)]
pub struct Image {
    /// The index, or the manifest where there is none.
    pub top: Manifest,
    /// Indexes inside the index.
    pub inner: Vec<Manifest>,
    /// The image manifests, in the order of the index; the top itself where it is one.
    pub manifests: Vec<ImageManifest>,
}

/// One image manifest.
#[derive(Clone, Debug)]
pub struct ImageManifest {
    /// Its platform as the index says; `None` where there is no index, or it says none.
    pub platform: Option<Platform>,
    /// The manifest.
    pub manifest: Manifest,
}

impl Image {
    /// The image that `tag` names, resolved once; `None` if there is no such tag.
    pub async fn find(store: &Store, tag: &Tag) -> Result<Option<Self>, Error> {
        match store.find_tag(tag).await? {
            Some(top) => Self::of(store, &top).await.map(Some),
            None => Ok(None),
        }
    }

    /// The image that `reference` names, resolved once. Its repository is not looked at.
    pub async fn get(store: &Store, reference: &Reference) -> Result<Self, Error> {
        let top = store.get(reference).await?;
        Self::of(store, &top).await
    }

    /// The image whose index or manifest was read already.
    pub async fn of(store: &Store, top: &RawManifest) -> Result<Self, Error> {
        let mut bytes = top.bytes.len() as u64;
        let top = parse(store, top)?;
        let mut image = Self { top: top.clone(), inner: Vec::new(), manifests: Vec::new() };
        let mut open = vec![(top, None, 0)];
        while let Some((manifest, platform, depth)) = open.pop() {
            if manifest.kind != Kind::Index {
                image.manifests.push(ImageManifest { platform, manifest });
                continue;
            }
            let at = manifest.digest();
            let children = manifest.children().map_err(|e| broken(store, at, e))?;
            if depth > 0 {
                image.inner.push(manifest);
            }
            let children: Vec<_> = children.into_iter().filter(belongs).collect();
            let count = image.manifests.len() + image.inner.len() + open.len() + children.len();
            if depth == MAX_DEPTH || count > MAX_MANIFESTS {
                let problem =
                    format!("more than {MAX_MANIFESTS} manifests, or indexes {MAX_DEPTH} deep");
                return Err(Error::Tree {
                    reference: Box::new(store.repository().at(at)),
                    problem,
                });
            }
            // Before any of them is fetched: the sizes are checked against the content.
            bytes = children.iter().fold(bytes, |sum, child| sum.saturating_add(child.size));
            if bytes > MAX_BYTES {
                return Err(Error::Tree {
                    reference: Box::new(store.repository().at(at)),
                    problem: format!("more than {MAX_BYTES} bytes of manifests"),
                });
            }
            // The last one goes first onto the stack, so that the order of the index is kept.
            for child in children.iter().rev() {
                let manifest = read_child(store, child).await?;
                open.push((manifest, child.platform(), depth + 1));
            }
        }
        Ok(image)
    }

    /// Everything that a signature is put on: the index, the indexes in it, and the manifests.
    pub fn digests(&self) -> Vec<Digest> {
        let mut digests = vec![self.top.digest()];
        let below = self.inner.iter().chain(self.manifests.iter().map(|m| &m.manifest));
        for digest in below.map(Manifest::digest) {
            if !digests.contains(&digest) {
                digests.push(digest);
            }
        }
        digests
    }
}

/// What is read of an index: images, and indexes of images.
fn belongs(child: &RawDescriptor) -> bool {
    use fleetfix_model::media::{DOCKER_INDEX, OCI_INDEX};
    child.is_image() || matches!(child.media_type.as_str(), OCI_INDEX | DOCKER_INDEX)
}

async fn read_child(store: &Store, child: &RawDescriptor) -> Result<Manifest, Error> {
    let raw = store.manifest(child.digest).await?;
    let actual = raw.bytes.len() as u64;
    if actual != child.size {
        let what = store.repository().at(child.digest).to_string();
        return Err(Error::SizeMismatch { what, expected: child.size, actual });
    }
    parse(store, &raw)
}

fn parse(store: &Store, raw: &RawManifest) -> Result<Manifest, Error> {
    Manifest::parse(Some(&raw.media_type), &raw.bytes).map_err(|e| broken(store, raw.digest, e))
}

fn broken(store: &Store, digest: Digest, source: fleetfix_oci::Error) -> Error {
    Error::Manifest { reference: Box::new(store.repository().at(digest)), source }
}
