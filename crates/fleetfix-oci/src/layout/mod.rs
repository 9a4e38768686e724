//! An OCI image layout: one directory that is one repository (image-spec v1.1, image-layout.md).
//!
//! Blobs are written to a temporary file and renamed, and so is `index.json`: a reader sees the old
//! state or the new one, and a writer that dies leaves at most a file that nobody looks at.

mod blob;
mod index;
mod listed;

use std::fs::{self, File};
use std::io::{Read, Write};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::sync::MutexGuard;

use fleetfix_model::canonical::from_bounded_json;
use fleetfix_model::name::Tag;
use fleetfix_model::{Descriptor, Digest};

pub use blob::BlobWriter;

use crate::Error;
use crate::checked::CheckedReader;
use crate::left_over;
use crate::manifest::RawDescriptor;

/// The one version of the format (`oci-layout`, `imageLayoutVersion`).
const VERSION: &str = "1.0.0";
/// Largest `oci-layout` and `index.json` that are read, in bytes.
const MAX_INDEX: u64 = fleetfix_model::canonical::MAX_SIZE as u64;

/// Start of the names of files that are being written.
const NEW: &str = ".new-";

/// What became of a tag that must not change.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum NewTag {
    /// It was set.
    Set,
    /// It stood there already.
    AlreadyThere,
    /// It stands at other content, and nothing was written.
    Taken(Digest),
}

/// A layout on disk.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Layout {
    dir: PathBuf,
}

impl Layout {
    /// Opens a layout that exists.
    pub fn open(dir: impl Into<PathBuf>) -> Result<Self, Error> {
        let layout = Self { dir: dir.into() };
        let refuse = |reason| Error::NotALayout { dir: layout.dir.clone(), reason };
        let path = layout.dir.join("oci-layout");
        if !path.exists() {
            return Err(refuse("there is no file `oci-layout`"));
        }
        let marker = read_bounded(&path, MAX_INDEX)?;
        let value = from_bounded_json(&marker)
            .map_err(|source| Error::Json { subject: path.display().to_string(), source })?;
        let version = value.get("imageLayoutVersion").and_then(serde_json::Value::as_str);
        if version != Some(VERSION) {
            return Err(refuse("`imageLayoutVersion` is not 1.0.0"));
        }
        if !layout.index_path().exists() {
            return Err(refuse("there is no file `index.json`"));
        }
        Ok(layout)
    }

    /// Opens a layout, making an empty one where there is none.
    pub fn create(dir: impl Into<PathBuf>) -> Result<Self, Error> {
        let dir = dir.into();
        let blobs = dir.join("blobs").join("sha256");
        fs::create_dir_all(&blobs).map_err(Error::file("create", &blobs))?;
        // `oci-layout` last: without it this is no layout yet.
        for (name, content) in [
            ("index.json", index::EMPTY.to_owned()),
            ("oci-layout", format!(r#"{{"imageLayoutVersion":"{VERSION}"}}"#)),
        ] {
            let path = dir.join(name);
            if path.exists() {
                continue;
            }
            let file = temporary(&dir, content.as_bytes())?;
            match file.persist_noclobber(&path) {
                Ok(_) => {}
                // Another writer was first with the same bytes.
                Err(e) if e.error.kind() == std::io::ErrorKind::AlreadyExists => {}
                Err(e) => return Err(Error::file("create", path)(e.error)),
            }
        }
        Self::open(dir)
    }

    /// The directory.
    pub fn dir(&self) -> &Path {
        &self.dir
    }

    /// Where the blob lies, or would lie.
    pub fn blob_path(&self, digest: Digest) -> PathBuf {
        self.dir.join("blobs").join("sha256").join(digest.hex())
    }

    /// Opens a blob; the reader fails where it has another size than when it was opened, and at its
    /// end where the bytes are not the digest's.
    pub fn open_blob(&self, digest: Digest) -> Result<CheckedReader<File>, Error> {
        let path = self.blob_path(digest);
        // Looked at before it is opened: opening a pipe would wait for a writer.
        let Some(size) = self.blob_size(digest)? else {
            return Err(Error::NoBlob { dir: self.dir.clone(), digest });
        };
        let file = File::open(&path).map_err(|source| match source.kind() {
            std::io::ErrorKind::NotFound => Error::NoBlob { dir: self.dir.clone(), digest },
            _ => Error::File { action: "read", path: path.clone(), source },
        })?;
        Ok(CheckedReader::new(file, self.blob_subject(digest), digest, Some(size)))
    }

    /// Reads a small blob, checking its digest. More than `max` bytes are refused.
    pub fn read_blob(&self, digest: Digest, max: u64) -> Result<Vec<u8>, Error> {
        let subject = self.blob_subject(digest);
        let mut reader = self.open_blob(digest)?;
        let mut bytes = Vec::new();
        reader
            .by_ref()
            .take(max.saturating_add(1))
            .read_to_end(&mut bytes)
            .map_err(|e| crate::checked::from_io(e, &subject))?;
        if bytes.len() as u64 > max {
            return Err(Error::TooLarge { subject, limit: max });
        }
        reader.drain()?;
        Ok(bytes)
    }

    /// The size of a blob in bytes; `None`: it is not there. Its content is not looked at.
    pub fn blob_size(&self, digest: Digest) -> Result<Option<u64>, Error> {
        let path = self.blob_path(digest);
        match fs::metadata(&path) {
            Ok(metadata) => Ok(metadata.is_file().then_some(metadata.len())),
            Err(e) if e.kind() == std::io::ErrorKind::NotFound => Ok(None),
            Err(source) => Err(Error::File { action: "read", path, source }),
        }
    }

    /// True if the blob is there. Its content is not looked at, see [`Self::check_blob`].
    pub fn has_blob(&self, digest: Digest) -> Result<bool, Error> {
        self.blob_size(digest).map(|size| size.is_some())
    }

    /// Hashes a blob and returns its size in bytes.
    pub fn check_blob(&self, digest: Digest) -> Result<u64, Error> {
        self.open_blob(digest)?.drain()?;
        self.blob_size(digest)?.ok_or_else(|| Error::NoBlob { dir: self.dir.clone(), digest })
    }

    /// Stores `bytes`. Nothing is written where the same bytes are there already; a damaged blob
    /// is replaced.
    pub fn put_bytes(&self, bytes: &[u8]) -> Result<Digest, Error> {
        let digest = Digest::of(bytes);
        let same_size = self.blob_size(digest)? == Some(bytes.len() as u64);
        if same_size && self.check_blob(digest).is_ok() {
            return Ok(digest);
        }
        let mut writer = self.writer()?;
        writer.write_all(bytes).map_err(Error::file("write", self.blob_path(digest)))?;
        writer.commit(None)?;
        Ok(digest)
    }

    /// Stores `bytes` as [`Self::put_bytes`] does, and names them.
    pub fn put(&self, media_type: &str, bytes: &[u8]) -> Result<Descriptor, Error> {
        let digest = self.put_bytes(bytes)?;
        Ok(Descriptor { media_type: media_type.to_owned(), digest, size: bytes.len() as u64 })
    }

    /// Starts a blob of unknown digest.
    pub fn writer(&self) -> Result<BlobWriter, Error> {
        let writer = BlobWriter::new(self.clone())?;
        left_over::remove(&self.dir, NEW, writer.file());
        Ok(writer)
    }

    /// The digests of all blobs, sorted. Files that are not named as blobs are passed over.
    pub fn blobs(&self) -> Result<Vec<Digest>, Error> {
        let path = self.dir.join("blobs").join("sha256");
        let mut digests = Vec::new();
        for entry in fs::read_dir(&path).map_err(Error::file("read", &path))? {
            let name = entry.map_err(Error::file("read", &path))?.file_name();
            digests.extend(
                name.to_str().and_then(|hex| format!("sha256:{hex}").parse::<Digest>().ok()),
            );
        }
        digests.sort_unstable();
        Ok(digests)
    }

    /// What `tag` stands at; `None`: nothing.
    pub fn resolve(&self, tag: &Tag) -> Result<Option<RawDescriptor>, Error> {
        index::resolve(&self.read_index()?, &self.dir, tag)
    }

    /// All tags, sorted. Reference names that are no tags are passed over.
    pub fn tags(&self) -> Result<Vec<Tag>, Error> {
        index::tags(&self.read_index()?, &self.dir)
    }

    /// The entry of `index.json` for `digest`, tagged or not.
    pub fn descriptor(&self, digest: Digest) -> Result<Option<RawDescriptor>, Error> {
        Ok(self.entries()?.into_iter().find(|entry| entry.digest == digest))
    }

    /// Moves `tag` to `descriptor`, whose blob must be there. Returns false if it stood there
    /// already and nothing was written. Writers wait for each other, in other processes too where
    /// the file system has locks.
    pub fn set_tag(&self, tag: &Tag, descriptor: &Descriptor) -> Result<bool, Error> {
        let _turn = self.turn_for(descriptor)?;
        self.move_tag(tag, descriptor)
    }

    /// Sets `tag` to `descriptor`, whose blob must be there, unless it stands at other content. No
    /// other writer can set it in between.
    pub fn set_new_tag(&self, tag: &Tag, descriptor: &Descriptor) -> Result<NewTag, Error> {
        let _turn = self.turn_for(descriptor)?;
        match self.resolve(tag)? {
            Some(other) if other.digest != descriptor.digest => Ok(NewTag::Taken(other.digest)),
            _ if self.move_tag(tag, descriptor)? => Ok(NewTag::Set),
            _ => Ok(NewTag::AlreadyThere),
        }
    }

    /// Moves `tag` to `descriptor`, whose blob must be there, if it stands at `from`. Returns what it
    /// stands at then: something else where another writer was faster. No other writer can move it
    /// in between.
    pub fn set_tag_from(
        &self,
        tag: &Tag,
        from: Option<Digest>,
        descriptor: &Descriptor,
    ) -> Result<Option<Digest>, Error> {
        let _turn = self.turn_for(descriptor)?;
        let there = self.resolve(tag)?.map(|there| there.digest);
        if there != from {
            return Ok(there);
        }
        self.move_tag(tag, descriptor)?;
        Ok(Some(descriptor.digest))
    }

    /// The right to change the index, for a tag at a blob that is there. The lock is on a file that
    /// each layout has: one more would be none of the format's.
    fn turn_for(&self, descriptor: &Descriptor) -> Result<(MutexGuard<'static, ()>, File), Error> {
        if !self.has_blob(descriptor.digest)? {
            return Err(Error::NoBlob { dir: self.dir.clone(), digest: descriptor.digest });
        }
        let turn = index::turn();
        let path = self.dir.join("oci-layout");
        // NFS locks only what is open for writing.
        let file = File::options().read(true).write(true).open(&path);
        let file = file.or_else(|_| File::open(&path)).map_err(Error::file("read", &path))?;
        match file.lock() {
            Err(e) if e.kind() != std::io::ErrorKind::Unsupported => {
                Err(Error::file("lock", path)(e))
            }
            _ => Ok((turn, file)),
        }
    }

    fn move_tag(&self, tag: &Tag, descriptor: &Descriptor) -> Result<bool, Error> {
        let Some(changed) = index::with_tag(self.read_index()?, &self.dir, tag, descriptor)? else {
            return Ok(false);
        };
        let file = temporary(&self.dir, changed.to_string().as_bytes())?;
        let path = self.index_path();
        file.persist(&path).map_err(|e| Error::file("write", path)(e.error))?;
        Ok(true)
    }

    fn index_path(&self) -> PathBuf {
        self.dir.join("index.json")
    }

    fn read_index(&self) -> Result<serde_json::Value, Error> {
        let path = self.index_path();
        let bytes = read_bounded(&path, MAX_INDEX)?;
        from_bounded_json(&bytes)
            .map_err(|source| Error::Json { subject: path.display().to_string(), source })
    }

    fn blob_subject(&self, digest: Digest) -> String {
        format!("blob {digest} in {}", self.dir.display())
    }
}

/// A file in `dir` that nobody looks at until it is renamed, readable as the umask allows.
fn temporary(dir: &Path, content: &[u8]) -> Result<tempfile::NamedTempFile, Error> {
    let mut file = tempfile::Builder::new()
        .prefix(NEW)
        .permissions(fs::Permissions::from_mode(0o644))
        .tempfile_in(dir)
        .map_err(Error::file("create a file in", dir))?;
    file.write_all(content).map_err(Error::file("write", file.path()))?;
    // Renamed before its bytes are on disk, a power cut would leave an empty index and no layout.
    file.as_file().sync_all().map_err(Error::file("write", file.path()))?;
    Ok(file)
}

fn read_bounded(path: &Path, limit: u64) -> Result<Vec<u8>, Error> {
    let file = File::open(path).map_err(Error::file("read", path))?;
    let mut bytes = Vec::new();
    file.take(limit + 1).read_to_end(&mut bytes).map_err(Error::file("read", path))?;
    if bytes.len() as u64 > limit {
        return Err(Error::TooLarge { subject: path.display().to_string(), limit });
    }
    Ok(bytes)
}

#[cfg(test)]
mod tests;
