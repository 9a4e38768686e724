//! One repository in a layout directory. All of this blocks: what reads or writes content is called
//! through [`Directory::blocking`]. What asks for no more than whether a file is there is not worth a
//! thread, and tags are set on the caller's own, so that `index.json` has them in the callers' order.

use std::collections::BTreeSet;
use std::path::PathBuf;

use bytes::Bytes;
use fleetfix_model::name::Tag;
use fleetfix_model::{Descriptor, Digest, Repository};
use fleetfix_oci::layout::{Layout, NewTag};
use fleetfix_oci::manifest::{MAX_SIZE, Manifest};

use crate::Error;
use crate::store::{RawManifest, Written};

/// A layout directory, there or not yet. Reading from one that is not there finds nothing, as in a
/// registry; writing makes it.
#[derive(Clone, Debug)]
pub(crate) struct Directory {
    dir: PathBuf,
}

impl Directory {
    pub(crate) fn new(dir: PathBuf) -> Self {
        Self { dir }
    }

    /// Runs what reads or writes content where it may block.
    pub(crate) async fn blocking<T: Send + 'static>(
        &self,
        work: impl FnOnce(&Self) -> Result<T, Error> + Send + 'static,
    ) -> Result<T, Error> {
        let directory = self.clone();
        blocking(move || work(&directory)).await
    }

    /// An error about this layout.
    pub(crate) fn fail(&self, source: fleetfix_oci::Error) -> Error {
        Error::Layout { dir: self.dir.clone(), source }
    }

    /// The layout, if there is one.
    pub(crate) fn open(&self) -> Result<Option<Layout>, Error> {
        if self.dir.join("oci-layout").exists() {
            return Layout::open(&self.dir).map(Some).map_err(|e| self.fail(e));
        }
        Ok(None)
    }

    pub(crate) fn create(&self) -> Result<Layout, Error> {
        Layout::create(&self.dir).map_err(|e| self.fail(e))
    }

    /// Says that something is not here, and whether there is a layout at all.
    pub(crate) fn absent(&self, what: impl Into<String>) -> Error {
        let place = Repository::Layout(self.dir.clone());
        let place = if self.dir.join("oci-layout").exists() {
            place.to_string()
        } else {
            format!("{place}, where there is no OCI layout")
        };
        Error::Absent { what: what.into(), place }
    }

    pub(crate) fn manifest(&self, digest: Digest) -> Result<Option<RawManifest>, Error> {
        let Some(layout) = self.open()? else { return Ok(None) };
        if !layout.has_blob(digest).map_err(|e| self.fail(e))? {
            return Ok(None);
        }
        let entry = layout.descriptor(digest).map_err(|e| self.fail(e))?;
        self.read(&layout, digest, entry.map(|entry| entry.media_type)).map(Some)
    }

    pub(crate) fn tagged(&self, tag: &Tag) -> Result<Option<RawManifest>, Error> {
        let Some(layout) = self.open()? else { return Ok(None) };
        let Some(entry) = layout.resolve(tag).map_err(|e| self.fail(e))? else { return Ok(None) };
        let manifest = self.read(&layout, entry.digest, Some(entry.media_type))?;
        let actual = manifest.bytes.len() as u64;
        if actual != entry.size {
            let what = format!("manifest {} in oci:{}", entry.digest, self.dir.display());
            return Err(Error::SizeMismatch { what, expected: entry.size, actual });
        }
        Ok(Some(manifest))
    }

    fn read(
        &self,
        layout: &Layout,
        digest: Digest,
        media_type: Option<String>,
    ) -> Result<RawManifest, Error> {
        let bytes = layout.read_blob(digest, MAX_SIZE as u64).map_err(|e| self.fail(e))?;
        let media_type = match media_type {
            Some(known) => known,
            None => Manifest::parse(None, &bytes).map_err(|e| self.fail(e))?.media_type,
        };
        Ok(RawManifest { media_type, bytes: Bytes::from(bytes), digest })
    }

    /// The manifests that `index.json` lists and that are about `subject`, each once, and no more than
    /// `most`. What is listed and not there, damaged or no manifest is passed over: it may be of any
    /// other image.
    pub(crate) fn about(&self, subject: Digest, most: usize) -> Result<Vec<Manifest>, Error> {
        let Some(layout) = self.open()? else { return Ok(Vec::new()) };
        let (mut found, mut seen) = (Vec::new(), BTreeSet::new());
        for entry in layout.entries().map_err(|e| self.fail(e))? {
            if !seen.insert(entry.digest) || entry.size > MAX_SIZE as u64 {
                continue;
            }
            if !layout.has_blob(entry.digest).map_err(|e| self.fail(e))? {
                continue;
            }
            let bytes = match layout.read_blob(entry.digest, MAX_SIZE as u64) {
                Ok(bytes) => bytes,
                Err(
                    fleetfix_oci::Error::WrongDigest { .. } | fleetfix_oci::Error::TooLarge { .. },
                ) => {
                    continue;
                }
                Err(e) => return Err(self.fail(e)),
            };
            let Ok(manifest) = Manifest::parse(Some(&entry.media_type), &bytes) else { continue };
            let about = manifest.subject_descriptor().ok().flatten();
            if about.is_some_and(|about| about.digest == subject) {
                found.push(manifest);
            }
            if found.len() == most {
                break;
            }
        }
        Ok(found)
    }

    /// Whether there is a blob; its content is not looked at.
    pub(crate) fn has(&self, digest: Digest) -> Result<bool, Error> {
        match self.open()? {
            Some(layout) => layout.has_blob(digest).map_err(|e| self.fail(e)),
            None => Ok(false),
        }
    }

    /// Size of a blob in bytes; `None` if it is not there.
    pub(crate) fn blob_size(&self, digest: Digest) -> Result<Option<u64>, Error> {
        match self.open()? {
            Some(layout) => layout.blob_size(digest).map_err(|e| self.fail(e)),
            None => Ok(None),
        }
    }

    /// Whether there is this very blob, hashed: a damaged one is to be written again.
    pub(crate) fn holds(&self, descriptor: &Descriptor) -> Result<bool, Error> {
        let Some(layout) = self.open()? else { return Ok(false) };
        let size = layout.blob_size(descriptor.digest).map_err(|e| self.fail(e))?;
        Ok(size == Some(descriptor.size) && layout.check_blob(descriptor.digest).is_ok())
    }

    /// Where a blob lies.
    pub(crate) fn blob_path(&self, digest: Digest) -> Result<PathBuf, Error> {
        match self.open()? {
            Some(layout) if layout.has_blob(digest).map_err(|e| self.fail(e))? => {
                Ok(layout.blob_path(digest))
            }
            _ => Err(self.absent(format!("blob {digest}"))),
        }
    }

    pub(crate) fn read_blob(&self, digest: Digest, max: u64) -> Result<Vec<u8>, Error> {
        match self.open()? {
            Some(layout) if layout.has_blob(digest).map_err(|e| self.fail(e))? => {
                layout.read_blob(digest, max).map_err(|e| self.fail(e))
            }
            _ => Err(self.absent(format!("blob {digest}"))),
        }
    }

    /// Writes all of `source` as the blob `descriptor`.
    pub(crate) fn write(
        &self,
        descriptor: &Descriptor,
        source: &mut dyn std::io::Read,
    ) -> Result<(), Error> {
        let layout = self.create()?;
        let mut writer = layout.writer().map_err(|e| self.fail(e))?;
        std::io::copy(source, &mut writer).map_err(|e| crate::reader::from_io(e, &self.dir))?;
        writer.commit(Some(descriptor)).map_err(|e| self.fail(e))?;
        Ok(())
    }

    pub(crate) fn put_manifest(&self, bytes: &[u8]) -> Result<Digest, Error> {
        self.create()?.put_bytes(bytes).map_err(|e| self.fail(e))
    }

    pub(crate) fn put_tag(
        &self,
        tag: &Tag,
        media_type: &str,
        bytes: &[u8],
    ) -> Result<Written, Error> {
        let layout = self.create()?;
        let manifest = layout.put(media_type, bytes).map_err(|e| self.fail(e))?;
        let moved = layout.set_tag(tag, &manifest).map_err(|e| self.fail(e))?;
        Ok(if moved { Written::New } else { Written::AlreadyThere })
    }

    /// Moves a tag that stands at `from`; says what it stands at then.
    pub(crate) fn put_tag_from(
        &self,
        tag: &Tag,
        from: Option<Digest>,
        media_type: &str,
        bytes: &[u8],
    ) -> Result<Option<Digest>, Error> {
        let layout = self.create()?;
        let to = layout.put(media_type, bytes).map_err(|e| self.fail(e))?;
        layout.set_tag_from(tag, from, &to).map_err(|e| self.fail(e))
    }

    /// Sets a tag that must not move; says what it stands at otherwise, and has written nothing then.
    pub(crate) fn put_new_tag(
        &self,
        tag: &Tag,
        media_type: &str,
        bytes: &[u8],
    ) -> Result<NewTag, Error> {
        let manifest = Descriptor::of(media_type, bytes);
        if let Some(other) = self.tagged(tag)?.filter(|there| there.digest != manifest.digest) {
            return Ok(NewTag::Taken(other.digest));
        }
        let layout = self.create()?;
        layout.put_bytes(bytes).map_err(|e| self.fail(e))?;
        // Another writer may have been faster since.
        layout.set_new_tag(tag, &manifest).map_err(|e| self.fail(e))
    }
}

/// Runs what blocks where it may.
pub(crate) async fn blocking<T: Send + 'static>(
    work: impl FnOnce() -> Result<T, Error> + Send + 'static,
) -> Result<T, Error> {
    tokio::task::spawn_blocking(work).await.map_err(|_| Error::Abandoned)?
}
