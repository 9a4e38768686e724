//! Contents of files out of a layer.

use std::io::{self, BufReader, Read};

use fleetfix_model::{Class, Classify};

use super::Limits;
use super::archive::Archive;
use super::index::normal;
use crate::Error;
use crate::checked::from_io;
use crate::layer::Unpacked;

/// A regular file of a layer, with its content to be read.
pub struct LayerFile<'a> {
    /// Its path, without a slash at either end.
    pub path: &'a [u8],
    /// Size of its content in bytes.
    pub size: u64,
    content: &'a mut dyn Read,
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

/// Shows every regular file of a layer to `visit`, in the layer's order; of several of one path the
/// last one counts. What is not read of a content is passed over. Sparse files are not shown: where
/// the content must be known, a layer that has the path and does not show it is a reason to stop.
///
/// The layer is read to its end, also where `visit` or the archive fails. Give it a reader that
/// checks the digest: wrong content is then named as such rather than by what it broke. `subject`
/// names it in messages.
pub fn files(
    subject: &str,
    mut reader: impl Read,
    limits: &Limits,
    visit: impl FnMut(LayerFile<'_>) -> io::Result<()>,
) -> Result<(), Error> {
    let shown = walk(subject, &mut reader, limits, visit);
    let rest = io::copy(&mut reader, &mut io::sink()).map_err(|e| from_io(e, subject));
    match (shown, rest) {
        (Ok(()), Ok(_)) => Ok(()),
        (_, Err(wrong)) if wrong.class() == Class::Refused => Err(wrong),
        (Err(e), _) | (Ok(()), Err(e)) => Err(e),
    }
}

fn walk(
    subject: &str,
    reader: &mut impl Read,
    limits: &Limits,
    mut visit: impl FnMut(LayerFile<'_>) -> io::Result<()>,
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
        if !matches!(entry.kind, b'0' | b'7') || entry.sparse {
            continue;
        }
        let broken = |reason| {
            let (subject, offset) = (subject.to_owned(), entry.offset);
            Error::Archive { subject, offset, reason }
        };
        let path = normal(&entry.path).map_err(broken)?;
        let mut content = Content { archive: &mut archive };
        let file = LayerFile { path: &path, size: entry.size, content: &mut content };
        visit(file).map_err(|e| from_io(e, subject))?;
    }
    Ok(())
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
