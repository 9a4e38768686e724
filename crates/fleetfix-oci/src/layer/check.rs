//! Holds a layer that somebody wrote against the entries that it must have, byte for byte.
//!
//! [`write`](super::write) is a function of its items and their contents, so the archive is known in
//! advance but for the contents, whose digests are known. Nothing is parsed: an archive that two
//! readers would read in two ways is not the expected one.

use std::io::{self, Read};

use fleetfix_model::Digest;
use fleetfix_model::digest::Hasher;
use tar::{EntryType, Header};

use super::{CHUNK, Kind, Layer, Unpacked, header};
use crate::Error;
use crate::checked::from_io;

/// Reads a layer of any compression to its end, which must be the layer of `items`. `subject` names
/// it in messages. No more is unpacked than the items call for. Returned are the digests of what was
/// read.
///
/// # Errors
/// [`Error::OtherLayer`] if it is another layer; [`Error::Read`] if `reader` fails.
pub fn check(subject: &str, items: &super::Items, reader: impl Read) -> Result<Layer, Error> {
    let compressed = Counted { inner: reader, hasher: Hasher::new() };
    let mut decoder = Unpacked::new(subject, compressed)?;
    let algorithm = decoder.algorithm();
    let mut archive = Archive { subject, inner: &mut decoder, hasher: Hasher::new() };
    for item in items.iter() {
        let (path, kind, size) = match &item.kind {
            Kind::Directory => ([&item.path[..], b"/"].concat(), EntryType::Directory, 0),
            Kind::File { size, .. } => (item.path.clone(), EntryType::Regular, *size),
            Kind::Whiteout => (item.path.clone(), EntryType::Regular, 0),
        };
        let what = item.display();
        archive.header(&what, &header::headers(&path, kind, size, &item.metadata))?;
        if let Kind::File { size, digest } = item.kind {
            archive.content(&what, size, digest)?;
            let block = header::BLOCK as u64;
            let missing = usize::try_from((block - size % block) % block).unwrap_or_default();
            archive.same(&what, "padding", &vec![0; missing])?;
        }
    }
    archive.header("the end", &[0; 2 * header::BLOCK])?;
    archive.end()?;
    let (diff_id, archive_size) = archive.hasher.finish();
    let mut rest = decoder.into_inner();
    io::copy(&mut rest, &mut io::sink()).map_err(|e| from_io(e, subject))?;
    let (digest, size) = rest.hasher.finish();
    Ok(Layer { algorithm, digest, size, diff_id, archive_size })
}

/// The archive on its way in.
struct Archive<'a, R> {
    subject: &'a str,
    inner: R,
    hasher: Hasher,
}

impl<R: Read> Archive<'_, R> {
    /// Reads as many bytes as `buffer` holds, or fewer at the end; how many.
    fn fill(&mut self, path: &str, buffer: &mut [u8]) -> Result<usize, Error> {
        let mut n = 0;
        while n < buffer.len() {
            match self.inner.read(buffer.get_mut(n..).unwrap_or_default()) {
                Ok(0) => break,
                Ok(read) => n += read,
                Err(e) if e.kind() == io::ErrorKind::Interrupted => {}
                Err(e) => return Err(self.failed(path, e)),
            }
        }
        self.hasher.update(buffer.get(..n).unwrap_or_default());
        Ok(n)
    }

    /// What the decoder says about its input is about the layer; all else is the reader's.
    fn failed(&self, path: &str, e: io::Error) -> Error {
        let of_data = e.get_ref().is_none_or(|inner| !inner.is::<Error>());
        match e.kind() {
            io::ErrorKind::InvalidInput
            | io::ErrorKind::InvalidData
            | io::ErrorKind::UnexpectedEof
                if of_data =>
            {
                self.other(path, "compressed data", e.to_string())
            }
            _ => from_io(e, self.subject),
        }
    }

    fn header(&mut self, path: &str, expected: &[u8]) -> Result<(), Error> {
        let mut found = vec![0; expected.len()];
        let n = self.fill(path, &mut found)?;
        if found.get(..n) == Some(expected) {
            return Ok(());
        }
        let mut header = Header::new_old();
        let found = match found.get(..header::BLOCK).filter(|_| n >= header::BLOCK) {
            Some(block) if block.iter().any(|b| *b != 0) => {
                header.as_mut_bytes().copy_from_slice(block);
                let name = super::display(&header.path_bytes()).escape_debug().to_string();
                format!("one that starts as `{name}`, of other headers")
            }
            _ => "the end".to_owned(),
        };
        Err(self.other(path, "its entry, as the patch writes it", found))
    }

    fn content(&mut self, path: &str, size: u64, expected: Digest) -> Result<(), Error> {
        let mut hasher = Hasher::new();
        let mut left = size;
        let mut buffer = vec![0; CHUNK];
        while left > 0 {
            let step = usize::try_from(left).unwrap_or(CHUNK).min(CHUNK);
            let piece = buffer.get_mut(..step).unwrap_or_default();
            let n = self.fill(path, piece)?;
            if n < step {
                return Err(self.other(path, format!("{size} bytes"), "fewer"));
            }
            hasher.update(piece);
            left -= step as u64;
        }
        let (found, _) = hasher.finish();
        if found == expected {
            return Ok(());
        }
        Err(self.other(path, expected.to_string(), found.to_string()))
    }

    fn same(&mut self, path: &str, what: &str, expected: &[u8]) -> Result<(), Error> {
        let mut found = vec![0; expected.len()];
        let n = self.fill(path, &mut found)?;
        if found.get(..n) == Some(expected) {
            return Ok(());
        }
        Err(self.other(path, what, "other bytes"))
    }

    fn end(&mut self) -> Result<(), Error> {
        if self.fill("the end", &mut [0])? == 0 {
            return Ok(());
        }
        Err(self.other("the end", "nothing more", "more bytes"))
    }

    fn other(&self, path: &str, expected: impl Into<String>, found: impl Into<String>) -> Error {
        Error::OtherLayer {
            subject: self.subject.to_owned(),
            path: path.to_owned(),
            expected: expected.into(),
            found: found.into(),
        }
    }
}

/// Hashes what passes.
struct Counted<R> {
    inner: R,
    hasher: Hasher,
}

impl<R: Read> Read for Counted<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let n = self.inner.read(buffer)?;
        self.hasher.update(buffer.get(..n).unwrap_or_default());
        Ok(n)
    }
}
