//! Contents of files out of a layer.

use std::io::{self, BufReader, Read};

use fleetfix_model::{Class, Classify};

use super::Limits;
use super::archive::{Archive, RawEntry};
use super::index::normal;
use crate::Error;
use crate::checked::from_io;
use crate::layer::Unpacked;

/// A regular file of a layer, with its content to be read.
pub struct LayerFile<'a> {
    /// Its path, without a slash at either end. Another one may take its place later in the layer.
    pub path: &'a [u8],
    /// Where its header starts in the unpacked archive, in bytes: a [`Place`](super::Place) has the
    /// same for the content that counts.
    pub offset: u64,
    /// Size of its content in bytes.
    pub size: u64,
    /// Permission bits with setuid, setgid and sticky.
    pub mode: u32,
    pub(super) content: &'a mut dyn Read,
}

impl Read for LayerFile<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        self.content.read(buffer)
    }
}

impl std::fmt::Debug for LayerFile<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("LayerFile").field("size", &self.size).finish_non_exhaustive()
    }
}

/// Shows every regular file of a layer to `visit`, in the layer's order. What is not read of a content
/// is passed over. Sparse files are not shown; a tree says of its files whether they are.
///
/// The layer is read to its end, also where `visit` or the archive fails. Give it a reader that
/// checks the digest: wrong content is then named as such rather than by what it broke. `subject`
/// names it in messages.
pub fn files(
    subject: &str,
    reader: impl Read,
    limits: &Limits,
    mut visit: impl FnMut(LayerFile<'_>) -> io::Result<()>,
) -> Result<(), Error> {
    to_the_end(subject, reader, |reader| {
        walk(subject, reader, limits, |entry, content| {
            if !entry.has_content() {
                return Ok(());
            }
            let offset = entry.offset;
            let broken = |reason| Error::Archive { subject: subject.to_owned(), offset, reason };
            let path = normal(&entry.path).map_err(broken)?;
            let (size, mode) = (entry.size, entry.metadata.mode);
            let file = LayerFile { path: &path, offset, size, mode, content };
            visit(file).map_err(|e| from_io(e, subject))
        })
    })
}

/// Reads with `read`, and then what it left: a digest that is not what it should be is the error that
/// counts, since it explains all others.
pub(super) fn to_the_end<R: Read>(
    subject: &str,
    mut reader: R,
    read: impl FnOnce(&mut R) -> Result<(), Error>,
) -> Result<(), Error> {
    let done = read(&mut reader);
    let rest = io::copy(&mut reader, &mut io::sink()).map_err(|e| from_io(e, subject));
    match (done, rest) {
        (Ok(()), Ok(_)) => Ok(()),
        (_, Err(wrong)) if wrong.class() == Class::Refused => Err(wrong),
        (Err(e), _) | (Ok(()), Err(e)) => Err(e),
    }
}

/// Shows every entry of a layer, with its content to be read.
pub(super) fn walk(
    subject: &str,
    reader: &mut impl Read,
    limits: &Limits,
    mut each: impl FnMut(RawEntry, &mut dyn Read) -> Result<(), Error>,
) -> Result<(), Error> {
    let unpacked = BufReader::with_capacity(64 << 10, Unpacked::new(subject, reader)?);
    let mut archive = Archive::new(subject, unpacked, limits);
    let mut count = 0_u64;
    while let Some(entry) = archive.next()? {
        count += 1;
        if count > limits.entries {
            let (what, limit) = ("entries", limits.entries);
            return Err(Error::LayerLimit { subject: subject.to_owned(), what, limit });
        }
        each(entry, &mut Content { archive: &mut archive })?;
    }
    archive.rest()
}

/// The content of an archive's last entry.
pub(super) struct Content<'b, 'a, R> {
    pub(super) archive: &'b mut Archive<'a, R>,
}

impl<R: Read> Read for Content<'_, '_, R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        self.archive.read_content(buffer).map_err(io::Error::other)
    }
}
