//! A blob as a stream that checks what flows through it.

use std::io::{self, Read};
use std::path::{Path, PathBuf};

use bytes::{Buf, Bytes, BytesMut};
use fleetfix_model::digest::Hasher;
use fleetfix_model::{Class, Classify, Digest};
use tokio::fs::File;
use tokio::io::AsyncReadExt;
use tokio::sync::mpsc;

use crate::Error;
use crate::remote::Download;

/// Bytes that are read from a file in one go.
const PIECE: usize = 128 << 10;
/// Pieces that wait between the network and a thread that blocks.
const AHEAD: usize = 4;

/// The bytes of one blob, in pieces. The end is only told once digest and size are right; what came
/// before it is not proven until then.
#[derive(Debug)]
pub struct BlobReader {
    what: String,
    expected: Digest,
    size: Option<u64>,
    seen: u64,
    hasher: Hasher,
    source: Source,
}

#[derive(Debug)]
enum Source {
    Remote(Box<Download>),
    File(PathBuf, File),
    Ended,
}

impl BlobReader {
    pub(crate) fn remote(
        what: String,
        expected: Digest,
        size: Option<u64>,
        download: Download,
    ) -> Self {
        let source = Source::Remote(Box::new(download));
        Self { what, expected, size, seen: 0, hasher: Hasher::new(), source }
    }

    pub(crate) async fn file(
        what: String,
        expected: Digest,
        size: Option<u64>,
        path: PathBuf,
    ) -> Result<Self, Error> {
        let fail = |source| Error::File { path: path.clone(), source };
        let file = File::open(&path).await.map_err(fail)?;
        let source = Source::File(path, file);
        Ok(Self { what, expected, size, seen: 0, hasher: Hasher::new(), source })
    }

    /// The next bytes; `None` at the end.
    pub async fn chunk(&mut self) -> Result<Option<Bytes>, Error> {
        let piece = match &mut self.source {
            Source::Ended => return Ok(None),
            Source::Remote(download) => download.chunk().await?,
            Source::File(path, file) => {
                let mut piece = BytesMut::with_capacity(PIECE);
                let read = file.read_buf(&mut piece).await;
                read.map_err(|source| Error::File { path: path.clone(), source })?;
                (!piece.is_empty()).then(|| piece.freeze())
            }
        };
        let Some(piece) = piece else {
            self.source = Source::Ended;
            return self.proven().map(|()| None);
        };
        self.seen += piece.len() as u64;
        if let Some(expected) = self.size
            && self.seen > expected
        {
            return Err(self.wrong_size(expected));
        }
        self.hasher.update(&piece);
        Ok(Some(piece))
    }

    fn proven(&mut self) -> Result<(), Error> {
        if let Some(expected) = self.size
            && self.seen != expected
        {
            return Err(self.wrong_size(expected));
        }
        let (actual, _) = std::mem::take(&mut self.hasher).finish();
        if actual == self.expected {
            return Ok(());
        }
        let (what, actual) = (self.what.clone(), actual.to_string());
        Err(Error::DigestMismatch { what, expected: self.expected, actual })
    }

    /// All of it, at most `max` bytes.
    pub(crate) async fn whole(mut self, max: u64) -> Result<Vec<u8>, Error> {
        let mut bytes = Vec::new();
        while let Some(piece) = self.chunk().await? {
            if (bytes.len() + piece.len()) as u64 > max {
                return Err(Error::TooLarge { what: self.what, max });
            }
            bytes.extend_from_slice(&piece);
        }
        Ok(bytes)
    }

    /// The same for code that blocks, in `spawn_blocking`, while this runtime runs on. Reading may
    /// stop anywhere; only an end that was seen is proven. A wrong digest or size arrives as an
    /// [`fleetfix_oci::Error`] inside the [`io::Error`], so that it keeps its class there; any other
    /// failure as an [`Error`].
    pub fn into_read(mut self) -> impl Read + Send + 'static {
        let (pieces, receiver) = mpsc::channel(AHEAD);
        let subject = self.what.clone();
        tokio::spawn(async move {
            loop {
                // The end is an empty piece: a channel that closes without one was abandoned.
                let piece = self.chunk().await.map(Option::unwrap_or_default);
                let last = piece.as_ref().map_or(true, Bytes::is_empty);
                if pieces.send(piece).await.is_err() || last {
                    return;
                }
            }
        });
        Piped { receiver, piece: Bytes::new(), ended: false, subject }
    }

    fn wrong_size(&self, expected: u64) -> Error {
        Error::SizeMismatch { what: self.what.clone(), expected, actual: self.seen }
    }
}

struct Piped {
    receiver: mpsc::Receiver<Result<Bytes, Error>>,
    piece: Bytes,
    ended: bool,
    subject: String,
}

impl Read for Piped {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        if self.piece.is_empty() && !self.ended {
            self.piece = match self.receiver.blocking_recv() {
                Some(Ok(piece)) => piece,
                Some(Err(error)) => return Err(to_io(error, &self.subject)),
                None => return Err(io::Error::other(Error::Abandoned)),
            };
            self.ended = self.piece.is_empty();
        }
        let n = self.piece.len().min(buffer.len());
        if let (Some(from), Some(to)) = (self.piece.get(..n), buffer.get_mut(..n)) {
            to.copy_from_slice(from);
        }
        self.piece.advance(n);
        Ok(n)
    }
}

fn to_io(error: Error, subject: &str) -> io::Error {
    let subject = subject.to_owned();
    match error {
        Error::DigestMismatch { expected, actual, what } => match actual.parse() {
            Ok(actual) => {
                io::Error::other(fleetfix_oci::Error::WrongDigest { subject, expected, actual })
            }
            Err(_) => io::Error::other(Error::DigestMismatch { what, expected, actual }),
        },
        Error::SizeMismatch { expected, actual, .. } => {
            io::Error::other(fleetfix_oci::Error::WrongSize { subject, expected, actual })
        }
        other if other.class() == Class::Environment => io::Error::other(other),
        other => io::Error::new(io::ErrorKind::InvalidData, other),
    }
}

/// Takes the error back out that [`BlobReader::into_read`] put in; any other is about a file in `dir`.
pub(crate) fn from_io(error: io::Error, dir: &Path) -> Error {
    let error = match error.downcast::<Error>() {
        Ok(ours) => return ours,
        Err(error) => error,
    };
    match error.downcast::<fleetfix_oci::Error>() {
        Ok(source) => Error::Layout { dir: dir.to_owned(), source },
        Err(source) => Error::File { path: dir.to_owned(), source },
    }
}
