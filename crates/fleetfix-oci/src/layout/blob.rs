//! Writing a blob whose digest is known when its last byte is.

use std::io::{self, Write};

use fleetfix_model::digest::Hasher;
use fleetfix_model::{Descriptor, Digest};

use super::{Layout, temporary};
use crate::Error;

/// A blob in the making: a temporary file in the layout. Dropped without [`commit`], it is gone.
///
/// [`commit`]: BlobWriter::commit
#[derive(Debug)]
pub struct BlobWriter {
    layout: Layout,
    file: tempfile::NamedTempFile,
    hasher: Hasher,
}

impl BlobWriter {
    pub(super) fn new(layout: Layout) -> Result<Self, Error> {
        let file = temporary(layout.dir(), b"")?;
        Ok(Self { layout, file, hasher: Hasher::new() })
    }

    /// The file that is written to.
    pub(super) fn file(&self) -> &std::fs::File {
        self.file.as_file()
    }

    /// Makes the blob visible under its digest, which together with the size in bytes is returned.
    /// Bytes that are not `expected` are thrown away.
    pub fn commit(self, expected: Option<&Descriptor>) -> Result<(Digest, u64), Error> {
        let (digest, size) = self.hasher.finish();
        if let Some(expected) = expected {
            let subject = || format!("new blob in {}", self.layout.dir().display());
            if size != expected.size {
                let (expected, actual) = (expected.size, size);
                return Err(Error::WrongSize { subject: subject(), expected, actual });
            }
            if digest != expected.digest {
                let (expected, actual) = (expected.digest, digest);
                return Err(Error::WrongDigest { subject: subject(), expected, actual });
            }
        }
        // Renamed even over a blob of that name: that heals one that is damaged.
        let path = self.layout.blob_path(digest);
        self.file.persist(&path).map_err(|e| Error::file("write", path)(e.error))?;
        Ok((digest, size))
    }
}

impl Write for BlobWriter {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let n = self.file.write(bytes)?;
        self.hasher.update(bytes.get(..n).unwrap_or_default());
        Ok(n)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.file.flush()
    }
}
