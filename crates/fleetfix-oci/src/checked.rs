//! A reader that proves what it read.

use std::io::{self, Read};

use fleetfix_model::Digest;
use fleetfix_model::digest::Hasher;

use crate::Error;

/// Passes bytes on and compares their digest, and their size where it is known, when the end is
/// reached. What was read before the end is not proven: whoever stops early must [`drain`] it.
///
/// [`drain`]: CheckedReader::drain
#[derive(Debug)]
pub struct CheckedReader<R> {
    inner: R,
    subject: String,
    expected: Digest,
    size: Option<u64>,
    hasher: Option<Hasher>,
    seen: u64,
}

impl<R: Read> CheckedReader<R> {
    /// Reads `inner`, which must have digest `expected` and, where given, `size` bytes. `subject`
    /// names it in messages.
    pub fn new(inner: R, subject: impl Into<String>, expected: Digest, size: Option<u64>) -> Self {
        let subject = subject.into();
        Self { inner, subject, expected, size, hasher: Some(Hasher::new()), seen: 0 }
    }

    /// Reads to the end, so that what was read before is proven.
    pub fn drain(&mut self) -> Result<(), Error> {
        io::copy(self, &mut io::sink()).map_err(|e| from_io(e, &self.subject))?;
        Ok(())
    }

    fn wrong_size(&self, expected: u64) -> io::Error {
        io::Error::other(Error::WrongSize {
            subject: self.subject.clone(),
            expected,
            actual: self.seen,
        })
    }

    fn at_end(&mut self) -> io::Result<()> {
        let Some(hasher) = self.hasher.take() else { return Ok(()) };
        if let Some(expected) = self.size
            && expected != self.seen
        {
            return Err(self.wrong_size(expected));
        }
        let (actual, _) = hasher.finish();
        if actual != self.expected {
            return Err(io::Error::other(Error::WrongDigest {
                subject: self.subject.clone(),
                expected: self.expected,
                actual,
            }));
        }
        Ok(())
    }
}

impl<R: Read> Read for CheckedReader<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        if buffer.is_empty() {
            return Ok(0);
        }
        let n = self.inner.read(buffer)?;
        if n == 0 {
            self.at_end()?;
            return Ok(0);
        }
        self.seen = self.seen.saturating_add(n as u64);
        if let Some(expected) = self.size
            && self.seen > expected
        {
            return Err(self.wrong_size(expected));
        }
        if let Some(hasher) = &mut self.hasher {
            hasher.update(buffer.get(..n).unwrap_or_default());
        }
        Ok(n)
    }
}

/// Takes our own error out of an [`io::Error`] again, or wraps a foreign one with its subject.
pub(crate) fn from_io(error: io::Error, subject: &str) -> Error {
    match error.downcast::<Error>() {
        Ok(ours) => ours,
        Err(source) => Error::Read { subject: subject.to_owned(), source },
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(bytes: &[u8], expected: &[u8], size: Option<u64>) -> Result<Vec<u8>, Error> {
        let mut reader = CheckedReader::new(bytes, "it", Digest::of(expected), size);
        let mut out = Vec::new();
        reader.read_to_end(&mut out).map_err(|e| from_io(e, "it"))?;
        Ok(out)
    }

    #[test]
    fn only_the_expected_bytes_pass() {
        assert_eq!(read(b"abc", b"abc", Some(3)).unwrap(), b"abc");
        assert_eq!(read(b"", b"", None).unwrap(), b"");
        assert!(matches!(read(b"abd", b"abc", Some(3)), Err(Error::WrongDigest { .. })));
        assert!(matches!(read(b"abc", b"abc", Some(2)), Err(Error::WrongSize { actual: 3, .. })));
        assert!(matches!(read(b"abc", b"abc", Some(4)), Err(Error::WrongSize { actual: 3, .. })));
    }

    #[test]
    fn draining_proves_what_was_read_before() {
        let mut reader = CheckedReader::new(&b"abd"[..], "it", Digest::of(b"abc"), None);
        let mut first = [0];
        reader.read_exact(&mut first).unwrap();
        assert!(matches!(reader.drain(), Err(Error::WrongDigest { .. })));
    }
}
