//! One repository, in a registry or in a layout.

use std::path::PathBuf;

use bytes::Bytes;
use fleetfix_model::name::Tag;
use fleetfix_model::{Descriptor, Digest, Reference, Repository};
use fleetfix_oci::layout::NewTag;
use fleetfix_oci::manifest::Manifest;
use fleetfix_oci::segments::Segments;

use crate::Error;
use crate::documents::Documents;
use crate::layout::Directory;
use crate::reader::BlobReader;
use crate::remote::Remote;

/// Largest blob that is read, in bytes, whatever its descriptor says: more than registries take
/// (Quay's `MAXIMUM_LAYER_SIZE` is 20 GB).
pub const MAX_BLOB: u64 = 32 << 30;

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
        let size = self.bytes.len() as u64;
        Descriptor { media_type: self.media_type.clone(), digest: self.digest, size }
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
    /// In pieces, in memory and in files that may have no name.
    Segments(Segments),
}

/// One repository. Cheap to clone.
#[derive(Clone, Debug)]
pub struct Store {
    repository: Repository,
    pub(crate) place: Place,
    pub(crate) documents: Option<Documents>,
}

#[derive(Clone, Debug)]
pub(crate) enum Place {
    Remote(Remote),
    Directory(Directory),
}

impl Store {
    pub(crate) fn new(repository: Repository, place: Place) -> Self {
        Self { repository, place, documents: None }
    }

    /// Where this is: after mirrors, so what error messages name.
    pub fn repository(&self) -> &Repository {
        &self.repository
    }

    /// What `tag` names: the bytes are read and hashed here, whatever the registry's headers say.
    /// `None`: there is no such tag, repository or directory.
    pub async fn resolve(&self, tag: &Tag) -> Result<Option<Descriptor>, Error> {
        Ok(self.find_tag(tag).await?.map(|manifest| manifest.descriptor()))
    }

    /// The manifest of `digest`, hash-checked, at most 4 MiB.
    pub async fn manifest(&self, digest: Digest) -> Result<RawManifest, Error> {
        self.find_manifest(digest).await?.ok_or_else(|| self.absent(&self.repository.at(digest)))
    }

    /// The manifest of `digest`; `None` if it is not there.
    pub async fn find_manifest(&self, digest: Digest) -> Result<Option<RawManifest>, Error> {
        if let Some(known) = self.known_manifest(digest).await {
            return Ok(Some(known));
        }
        let found = self.ask_manifest(digest).await?;
        if let Some(found) = &found {
            self.know_manifest(found).await;
        }
        Ok(found)
    }

    async fn ask_manifest(&self, digest: Digest) -> Result<Option<RawManifest>, Error> {
        let found = match &self.place {
            Place::Directory(directory) => {
                return directory.blocking(move |directory| directory.manifest(digest)).await;
            }
            Place::Remote(remote) => remote.manifest(&digest.to_string()).await?,
        };
        match found {
            Some(found) if found.digest != digest => Err(Error::DigestMismatch {
                what: self.repository.at(digest).to_string(),
                expected: digest,
                actual: found.digest.to_string(),
            }),
            found => Self::named(found, || self.repository.at(digest)),
        }
    }

    /// Whether there is a manifest of `digest`.
    pub async fn has_manifest(&self, digest: Digest) -> Result<bool, Error> {
        match &self.place {
            Place::Directory(directory) => directory.has(digest),
            Place::Remote(remote) => remote.has_manifest(digest, false).await,
        }
    }

    /// The manifest that `tag` names; `None` if there is no such tag.
    pub async fn find_tag(&self, tag: &Tag) -> Result<Option<RawManifest>, Error> {
        match &self.place {
            Place::Directory(directory) => {
                let tag = tag.clone();
                directory.blocking(move |directory| directory.tagged(&tag)).await
            }
            Place::Remote(remote) => {
                let found = remote.manifest(tag.as_str()).await?;
                Self::named(found, || self.repository.tagged(tag.clone()))
            }
        }
    }

    /// What `reference` names, by digest if it has one, else by tag: asked for even where it is
    /// remembered. Its repository is not looked at.
    pub async fn get(&self, reference: &Reference) -> Result<RawManifest, Error> {
        let (found, name) = match (reference.digest, &reference.tag) {
            (Some(digest), _) => (self.ask_manifest(digest).await?, self.repository.at(digest)),
            (None, Some(tag)) => (self.find_tag(tag).await?, self.repository.tagged(tag.clone())),
            (None, None) => return Err(self.absent(reference)),
        };
        found.ok_or_else(|| self.absent(&name))
    }

    /// A small blob in memory, hash-checked; larger than `max` bytes is refused.
    pub async fn blob(&self, digest: Digest, max: u64) -> Result<Vec<u8>, Error> {
        match &self.place {
            Place::Directory(directory) => {
                directory.blocking(move |directory| directory.read_blob(digest, max)).await
            }
            Place::Remote(_) => {
                if let Some(known) = self.known_blob(digest, max).await {
                    return Ok(known);
                }
                let bytes = self.blob_reader(digest, None).await?.whole(max).await?;
                self.know_blob(digest, &bytes).await;
                Ok(bytes)
            }
        }
    }

    /// A blob as a stream, at most [`MAX_BLOB`] bytes. `size` is what its descriptor says; digest
    /// and size are checked at the end.
    pub async fn blob_reader(
        &self,
        digest: Digest,
        size: Option<u64>,
    ) -> Result<BlobReader, Error> {
        let what = format!("blob {}", self.repository.at(digest));
        if size.is_some_and(|size| size > MAX_BLOB) {
            return Err(Error::TooLarge { what, max: MAX_BLOB });
        }
        match &self.place {
            Place::Directory(directory) => {
                BlobReader::file(what, digest, size, directory.blob_path(digest)?).await
            }
            Place::Remote(remote) => {
                let download = remote.download(digest, size).await?;
                Ok(BlobReader::remote(what, digest, size, download))
            }
        }
    }

    /// Whether there is a blob of `digest`.
    pub async fn has_blob(&self, digest: Digest) -> Result<bool, Error> {
        match &self.place {
            Place::Directory(directory) => directory.has(digest),
            Place::Remote(remote) => remote.has_blob(digest, None, false).await,
        }
    }

    /// Sees that a blob of this digest and size is there. Its bytes are not looked at.
    ///
    /// # Errors
    /// [`Error::Absent`], [`Error::SizeMismatch`].
    pub async fn check_blob(&self, descriptor: &Descriptor) -> Result<(), Error> {
        let (digest, expected) = (descriptor.digest, descriptor.size);
        let found = match &self.place {
            Place::Directory(directory) => directory.blob_size(digest)?.map(Some),
            Place::Remote(remote) => remote.blob_size(digest).await?,
        };
        match found {
            None => {
                let (what, place) = (format!("blob {digest}"), self.repository.to_string());
                Err(Error::Absent { what, place })
            }
            Some(Some(actual)) if actual != expected => {
                let what = format!("blob {}", self.repository.at(digest));
                Err(Error::SizeMismatch { what, expected, actual })
            }
            Some(_) => Ok(()),
        }
    }

    /// Writes a blob, unless it is there. What `body` holds is compared with `descriptor` on its way.
    pub async fn put_blob(&self, descriptor: &Descriptor, body: Body) -> Result<Written, Error> {
        match &self.place {
            Place::Remote(remote) => remote.put_blob(descriptor, &body).await,
            Place::Directory(directory) => {
                let descriptor = descriptor.clone();
                let write = move |directory: &Directory| match body {
                    _ if directory.holds(&descriptor)? => Ok(Written::AlreadyThere),
                    Body::Bytes(bytes) => {
                        directory.write(&descriptor, &mut &*bytes).map(|()| Written::New)
                    }
                    Body::Segments(segments) => {
                        directory.write(&descriptor, &mut segments.reader()).map(|()| Written::New)
                    }
                    Body::File(path) => {
                        let open = std::fs::File::open(&path);
                        let mut file = open.map_err(|source| Error::File { path, source })?;
                        directory.write(&descriptor, &mut file).map(|()| Written::New)
                    }
                };
                directory.blocking(write).await
            }
        }
    }

    /// Writes a manifest by its digest, unless it is there.
    pub async fn put_manifest(&self, media_type: &str, bytes: &[u8]) -> Result<Digest, Error> {
        let digest = Digest::of(bytes);
        match &self.place {
            Place::Directory(directory) => {
                let bytes = bytes.to_vec();
                directory.blocking(move |directory| directory.put_manifest(&bytes)).await
            }
            Place::Remote(remote) => {
                if !remote.has_manifest(digest, true).await? {
                    let bytes = Bytes::copy_from_slice(bytes);
                    remote.put_manifest(&digest.to_string(), media_type, &bytes).await?;
                }
                Ok(digest)
            }
        }
    }

    /// Makes `tag` name this manifest, whatever it named before.
    pub async fn put_tag(
        &self,
        tag: &Tag,
        media_type: &str,
        bytes: &[u8],
    ) -> Result<Written, Error> {
        let before = self.resolve(tag).await?;
        self.move_tag(before.map(|d| d.digest), tag, media_type, bytes).await
    }

    /// Makes `tag` name this manifest unless it names something else: [`Error::TagTaken`]. In a
    /// layout no other writer can come in between. A registry has no such request: it is looked at
    /// before and after, so that of two writers at the same moment one hears of the other.
    pub async fn put_immutable_tag(
        &self,
        tag: &Tag,
        media_type: &str,
        bytes: &[u8],
    ) -> Result<Written, Error> {
        let expected = Digest::of(bytes);
        let taken = |actual| {
            let reference = Box::new(self.repository.tagged(tag.clone()));
            Err(Error::TagTaken { reference, expected, actual })
        };
        if let Place::Directory(directory) = &self.place {
            return match directory.put_new_tag(tag, media_type, bytes)? {
                NewTag::Set => Ok(Written::New),
                NewTag::AlreadyThere => Ok(Written::AlreadyThere),
                NewTag::Taken(actual) => taken(actual),
            };
        }
        let before = self.resolve(tag).await?.map(|d| d.digest);
        if let Some(actual) = before.filter(|before| *before != expected) {
            return taken(actual);
        }
        let written = self.move_tag(before, tag, media_type, bytes).await?;
        if written == Written::AlreadyThere {
            return Ok(written);
        }
        // Another writer may have found it free at the same moment: of the two, the one that was
        // faster learns of it here.
        let after = self.resolve(tag).await?.map(|there| there.digest);
        match after.filter(|after| *after != expected) {
            Some(actual) => taken(actual),
            None => Ok(written),
        }
    }

    /// Makes `tag` name this manifest if it names `from`, and gives back what it names then:
    /// something else where another writer was faster. In a layout no other writer can come in
    /// between. A registry has no such request, so there this looks before and after: of two writers
    /// within one round trip the later one wins, and the other one may not hear of it.
    pub async fn put_tag_from(
        &self,
        tag: &Tag,
        from: Option<Digest>,
        media_type: &str,
        bytes: &[u8],
    ) -> Result<Option<Digest>, Error> {
        if let Place::Directory(directory) = &self.place {
            return directory.put_tag_from(tag, from, media_type, bytes);
        }
        let there = self.resolve(tag).await?.map(|there| there.digest);
        if there != from {
            return Ok(there);
        }
        self.move_tag(there, tag, media_type, bytes).await?;
        Ok(self.resolve(tag).await?.map(|there| there.digest))
    }

    async fn move_tag(
        &self,
        before: Option<Digest>,
        tag: &Tag,
        media_type: &str,
        bytes: &[u8],
    ) -> Result<Written, Error> {
        match &self.place {
            Place::Directory(directory) => directory.put_tag(tag, media_type, bytes),
            Place::Remote(_) if before == Some(Digest::of(bytes)) => Ok(Written::AlreadyThere),
            Place::Remote(remote) => {
                let bytes = Bytes::copy_from_slice(bytes);
                remote.put_manifest(tag.as_str(), media_type, &bytes).await?;
                Ok(Written::New)
            }
        }
    }

    /// Fills in the media type where the registry names none that says something.
    fn named(
        found: Option<RawManifest>,
        reference: impl FnOnce() -> Reference,
    ) -> Result<Option<RawManifest>, Error> {
        let Some(mut manifest) = found else { return Ok(None) };
        let vague = ["", "application/json", "application/octet-stream", "text/plain"];
        if vague.contains(&manifest.media_type.as_str()) {
            let parsed = Manifest::parse(None, &manifest.bytes);
            let parsed = parsed.map_err(|e| Error::manifest(reference(), e))?;
            manifest.media_type = parsed.media_type;
        }
        Ok(Some(manifest))
    }

    fn absent(&self, reference: &Reference) -> Error {
        match (&self.place, reference.digest, &reference.tag) {
            (Place::Directory(directory), Some(digest), _) => {
                directory.absent(format!("manifest {digest}"))
            }
            (Place::Directory(directory), None, Some(tag)) => {
                directory.absent(format!("tag `{tag}`"))
            }
            (_, None, None) => Error::Absent {
                what: "a tag or digest".into(),
                place: format!("the reference {reference}"),
            },
            (Place::Remote(_), Some(digest), _) => Error::Absent {
                what: format!("manifest {digest}"),
                place: self.repository.to_string(),
            },
            (Place::Remote(_), None, Some(tag)) => {
                Error::Absent { what: format!("tag `{tag}`"), place: self.repository.to_string() }
            }
        }
    }
}
