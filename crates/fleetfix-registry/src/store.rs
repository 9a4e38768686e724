//! One repository, in a registry or in a layout.

use std::path::{Path, PathBuf};

use bytes::Bytes;
use fleetfix_model::name::Tag;
use fleetfix_model::{Descriptor, Digest, Reference, Repository};

use crate::layout::Directory;
use crate::reader::BlobReader;
use crate::remote::Remote;
use crate::Error;

/// A manifest or index with the bytes that its digest is over.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct RawManifest {
    /// What the registry or layout calls it, else what it calls itself.
    pub media_type: String,
    /// The bytes, hashed by us.
    pub bytes: Bytes,
    /// Their digest.
    pub digest: Digest,
}

impl RawManifest {
    /// Names it by media type, digest and size.
    pub fn descriptor(&self) -> Descriptor {
        Descriptor {
            media_type: self.media_type.clone(),
            digest: self.digest,
            size: self.bytes.len() as u64,
        }
    }
}

/// What a write did.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Written {
    /// The content was not there before.
    New,
    /// It was there, and nothing was written.
    AlreadyThere,
}

/// Content to upload. It is read again when an upload has to start again.
#[derive(Clone, Debug)]
pub enum Body {
    /// In memory.
    Bytes(Bytes),
    /// A file that nobody changes meanwhile.
    File(PathBuf),
}

/// One repository. Cheap to clone.
#[derive(Clone, Debug)]
pub struct Store {
    repository: Repository,
    pub(crate) place: Place,
}

#[derive(Clone, Debug)]
pub(crate) enum Place {
    Remote(Remote),
    Directory(Directory),
}

impl Store {
    pub(crate) fn new(repository: Repository, place: Place) -> Self {
        Self { repository, place }
    }

    /// Where this is: after mirrors, so what error messages name.
    pub fn repository(&self) -> &Repository {
        &self.repository
    }

    /// What `tag` names: the bytes are read and hashed here, whatever the registry's headers say.
    /// `None`: there is no such tag, repository or directory.
    pub async fn resolve(&self, tag: &Tag) -> Result<Option<Descriptor>, Error> {
        todo!("{tag}")
    }
    /// The manifest of `digest`, hash-checked, at most 4 MiB.
    pub async fn manifest(&self, digest: Digest) -> Result<RawManifest, Error> {
        todo!("{digest}")
    }
    /// The manifest of `digest`; `None` if it is not there.
    pub async fn find_manifest(&self, digest: Digest) -> Result<Option<RawManifest>, Error> {
        todo!("{digest}")
    }
    /// Whether there is a manifest of `digest`.
    pub async fn has_manifest(&self, digest: Digest) -> Result<bool, Error> {
        todo!("{digest}")
    }
    /// The manifest that `tag` names; `None` if there is no such tag.
    pub async fn find_tag(&self, tag: &Tag) -> Result<Option<RawManifest>, Error> {
        todo!("{tag}")
    }
    /// What `reference` names, by digest if it has one, else by tag. Its repository is not looked at.
    pub async fn get(&self, reference: &Reference) -> Result<RawManifest, Error> {
        todo!("{reference}")
    }
    /// A small blob in memory, hash-checked; larger than `max` bytes is refused.
    pub async fn blob(&self, digest: Digest, max: u64) -> Result<Vec<u8>, Error> {
        todo!("{digest} {max}")
    }
    /// A blob as a stream. `size` is what its descriptor says; the digest is checked at the end.
    pub async fn blob_reader(&self, digest: Digest, size: Option<u64>) -> Result<BlobReader, Error> {
        todo!("{digest} {size:?}")
    }
    /// A blob into a new file at `path`, hash-checked; on an error nothing is left there.
    pub async fn blob_to_file(&self, digest: Digest, size: Option<u64>, path: &Path) -> Result<(), Error> {
        todo!("{digest} {size:?} {path:?}")
    }
    /// Whether there is a blob of `digest`.
    pub async fn has_blob(&self, digest: Digest) -> Result<bool, Error> {
        todo!("{digest}")
    }
    /// Writes a blob, unless it is there.
    pub async fn put_blob(&self, descriptor: &Descriptor, body: Body) -> Result<Written, Error> {
        todo!("{descriptor:?} {body:?}")
    }
    /// Asks for a blob of another repository in the same registry. `false`: not possible, or not
    /// permitted; upload it. Between two layouts the file is copied.
    pub async fn mount_blob(&self, from: &Repository, digest: Digest) -> Result<bool, Error> {
        todo!("{from} {digest}")
    }
    /// Writes a manifest by its digest, unless it is there.
    pub async fn put_manifest(&self, media_type: &str, bytes: &[u8]) -> Result<Digest, Error> {
        todo!("{media_type} {bytes:?}")
    }
    /// Makes `tag` name this manifest, whatever it named before.
    pub async fn put_tag(&self, tag: &Tag, media_type: &str, bytes: &[u8]) -> Result<Written, Error> {
        todo!("{tag} {media_type} {bytes:?}")
    }
    /// Makes `tag` name this manifest unless it names something else: [`Error::TagTaken`].
    pub async fn put_immutable_tag(&self, tag: &Tag, media_type: &str, bytes: &[u8]) -> Result<Written, Error> {
        todo!("{tag} {media_type} {bytes:?}")
    }
}
