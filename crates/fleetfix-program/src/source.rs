//! Bounded reads at an offset.

use std::io::{self, Read, Seek, SeekFrom};

use crate::Error;

/// A program that is read in pieces. Every piece is asked for with its size, and is checked against
/// the file's before memory is taken for it.
#[derive(Debug)]
pub struct Source<R> {
    subject: String,
    reader: R,
    length: u64,
}

impl<R: Read + Seek> Source<R> {
    /// Takes the reader from its start, wherever it stands. `subject` names it in messages.
    pub fn new(subject: &str, mut reader: R) -> Result<Self, Error> {
        let length = reader
            .seek(SeekFrom::End(0))
            .map_err(|source| Error::Read { subject: subject.to_owned(), source })?;
        Ok(Self { subject: subject.to_owned(), reader, length })
    }

    /// Takes the start of a file of `length` bytes: what lies after it cannot be read.
    pub(crate) fn of_start(reader: R, length: u64) -> Self {
        Self { subject: String::new(), reader, length }
    }

    /// Size of the file in bytes.
    pub fn length(&self) -> u64 {
        self.length
    }

    /// Exactly `size` bytes at `offset`; fewer are an error about `what`.
    pub(crate) fn exactly(
        &mut self,
        what: &'static str,
        offset: u64,
        size: u64,
        limit: u64,
    ) -> Result<Vec<u8>, Error> {
        if size > limit {
            return Err(self.limit(what, size, limit));
        }
        let end = offset.checked_add(size).filter(|end| *end <= self.length);
        if end.is_none() {
            return Err(self.malformed(what, offset, "ends after the file"));
        }
        self.up_to(offset, size)
    }

    /// The bytes at `offset`, fewer than `size` where the file ends first.
    pub(crate) fn up_to(&mut self, offset: u64, size: u64) -> Result<Vec<u8>, Error> {
        let size = size.min(self.length.saturating_sub(offset));
        let mut bytes = Vec::with_capacity(usize::try_from(size).unwrap_or_default());
        let read = self
            .reader
            .seek(SeekFrom::Start(offset))
            .and_then(|_| self.reader.by_ref().take(size).read_to_end(&mut bytes));
        let failed = |source| Error::Read { subject: self.subject.clone(), source };
        match read {
            Ok(n) if n as u64 == size => Ok(bytes),
            // The file became shorter since its length was taken.
            Ok(_) => Err(failed(io::ErrorKind::UnexpectedEof.into())),
            Err(source) => Err(failed(source)),
        }
    }

    pub(crate) fn malformed(&self, what: &'static str, offset: u64, reason: &'static str) -> Error {
        Error::Malformed { subject: self.subject.clone(), what, offset, reason }
    }

    pub(crate) fn limit(&self, what: &'static str, actual: u64, limit: u64) -> Error {
        Error::Limit { subject: self.subject.clone(), what, actual, limit }
    }

    pub(crate) fn go(&self, reason: &'static str) -> Error {
        Error::GoBuild { subject: self.subject.clone(), reason }
    }
}
