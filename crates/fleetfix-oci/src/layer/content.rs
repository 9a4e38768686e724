//! Large contents, the archive around them, and both put together.

use std::collections::BTreeMap;
use std::io::{self, Read};
use std::path::Path;

use fleetfix_model::Digest;
use fleetfix_model::digest::Hasher;
use tar::EntryType;

use super::blocks::{Blocks, Run, write_error};
use super::compression::{Algorithm, Options};
use super::pool::{BLOCK, Pool, defect};
use super::{CHUNK, Item, Items, Kind, Layer, header};
use crate::Error;
use crate::checked::{CheckedReader, from_io};
use crate::segments::{Builder, Segments, Spool};

/// The head of a gzip member: no name, no time, unknown system (RFC 1952, section 2.3), nothing of
/// this host.
const GZIP_HEAD: [u8; 10] = [0x1f, 0x8b, 8, 0, 0, 0, 0, 0, 0, 255];
/// The last block of a deflate stream, with nothing in it (RFC 1951, section 3.2.6).
const DEFLATE_END: [u8; 2] = [3, 0];

/// True for the size in bytes of a content that is compressed by itself: from a block on.
pub const fn is_large(size: u64) -> bool {
    size >= BLOCK as u64
}

/// Compresses on threads of its own, which end when it is dropped.
#[derive(Debug)]
pub struct Compressor {
    pool: Pool,
}

/// A large content, compressed. Where its bytes lie is shared by all layers that hold it.
#[derive(Clone, Debug)]
pub struct Content {
    run: Run,
    bytes: Segments,
}

impl Content {
    /// Size of the compressed bytes.
    pub fn compressed_size(&self) -> u64 {
        self.bytes.size()
    }
}

/// An archive that lacks nothing but its large contents.
#[derive(Debug)]
pub struct LaidOut {
    algorithm: Algorithm,
    parts: Vec<Part>,
    /// The compressed bytes of all that is not large.
    spool: Spool,
    diff_id: Digest,
    archive_size: u64,
}

#[derive(Debug)]
enum Part {
    /// Ends at `end` in the spool.
    Small { run: Run, end: u64 },
    /// The content of this digest, which was seen to be it when it was hashed.
    Large { digest: Digest },
}

/// A layer and its bytes.
#[derive(Clone, Debug)]
pub struct Finished {
    /// Digests and sizes.
    pub layer: Layer,
    /// The compressed bytes.
    pub segments: Segments,
}

/// Names the content of an item in messages.
pub(super) fn subject(item: &Item) -> String {
    format!("the new content of `{}`", item.display())
}

impl Compressor {
    /// Starts the threads.
    pub fn new(options: &Options) -> Self {
        Self { pool: Pool::new(options) }
    }

    /// The algorithm of what it makes.
    pub fn algorithm(&self) -> Algorithm {
        self.pool.compression().algorithm()
    }

    /// Whatever is being compressed fails soon, since nobody wants it any more.
    pub fn stop(&self) {
        self.pool.stop();
    }

    /// Compresses a content into a file without a name in `dir`. It must have this size and digest.
    /// `subject` names it in messages.
    ///
    /// # Errors
    /// [`Error::WrongDigest`] or [`Error::WrongSize`] for another content; [`Error::Read`] and
    /// [`Error::Write`].
    pub fn content(
        &self,
        subject: &str,
        source: impl Read,
        size: u64,
        digest: Digest,
        dir: &Path,
    ) -> Result<Content, Error> {
        let mut blocks = Blocks::new(&self.pool, Spool::new(dir).map_err(write_error)?);
        let mut reader = CheckedReader::new(source, subject, digest, Some(size));
        each_chunk(subject, &mut reader, |bytes| blocks.push(bytes))?;
        let (run, spool) = blocks.finish()?;
        Ok(Content { run, bytes: spool.segments() })
    }

    /// Hashes the archive of `items` and compresses all of it but the large contents. `open` opens
    /// the content of a file; it is called once for each, in the order of their paths.
    pub fn lay_out(
        &self,
        items: &Items,
        mut open: impl FnMut(&Item) -> io::Result<Box<dyn Read>>,
        dir: &Path,
    ) -> Result<LaidOut, Error> {
        let mut archive = Archive {
            hasher: Hasher::new(),
            blocks: Blocks::new(&self.pool, Spool::new(dir).map_err(write_error)?),
            parts: Vec::new(),
        };
        for item in items.iter() {
            let (path, kind, size) = match &item.kind {
                Kind::Directory => ([&item.path[..], b"/"].concat(), EntryType::Directory, 0),
                Kind::File { size, .. } => (item.path.clone(), EntryType::Regular, *size),
                Kind::Whiteout => (item.path.clone(), EntryType::Regular, 0),
            };
            archive.push(&header::headers(&path, kind, size, &item.metadata))?;
            if let Kind::File { size, digest } = item.kind {
                let subject = subject(item);
                let source = open(item)
                    .map_err(|source| Error::Read { subject: subject.clone(), source })?;
                if is_large(size) {
                    archive.large(&subject, source, size, digest)?;
                } else {
                    let mut reader = CheckedReader::new(source, &*subject, digest, Some(size));
                    each_chunk(&subject, &mut reader, |bytes| archive.push(bytes))?;
                }
                archive.pad(size)?;
            }
        }
        // The end of an archive: two empty blocks.
        archive.push(&[0; 2 * header::BLOCK])?;
        archive.cut()?;
        let (_, spool) = archive.blocks.finish()?;
        let (diff_id, archive_size) = archive.hasher.finish();
        let (algorithm, parts) = (self.algorithm(), archive.parts);
        Ok(LaidOut { algorithm, parts, spool, diff_id, archive_size })
    }
}

/// The archive on its way out.
struct Archive<'a> {
    hasher: Hasher,
    blocks: Blocks<'a, Spool>,
    parts: Vec<Part>,
}

impl Archive<'_> {
    fn push(&mut self, bytes: &[u8]) -> Result<(), Error> {
        self.hasher.update(bytes);
        self.blocks.push(bytes)
    }

    /// Fills the last block of content of `size` bytes.
    fn pad(&mut self, size: u64) -> Result<(), Error> {
        let block = header::BLOCK as u64;
        let zeros = [0; header::BLOCK];
        let missing = usize::try_from((block - size % block) % block).unwrap_or_default();
        self.push(zeros.get(..missing).unwrap_or_default())
    }

    fn cut(&mut self) -> Result<(), Error> {
        let run = self.blocks.cut()?;
        if run.length > 0 {
            self.parts.push(Part::Small { run, end: self.blocks.out().size() });
        }
        Ok(())
    }

    /// Hashes a content as a part of the archive. Its own digest is seen to here as well as in
    /// [`Compressor::content`]: a file that changes between the two would make a layer whose bytes
    /// are not what its `diff_id` says.
    fn large(
        &mut self,
        subject: &str,
        source: Box<dyn Read>,
        size: u64,
        digest: Digest,
    ) -> Result<(), Error> {
        self.cut()?;
        let mut reader = CheckedReader::new(source, subject, digest, Some(size));
        each_chunk(subject, &mut reader, |bytes| {
            self.hasher.update(bytes);
            Ok(())
        })?;
        self.parts.push(Part::Large { digest });
        Ok(())
    }
}

impl LaidOut {
    /// Digests of the large contents that it lacks, in their order.
    pub fn lacks(&self) -> impl Iterator<Item = Digest> {
        self.parts.iter().filter_map(|part| match part {
            Part::Large { digest } => Some(*digest),
            Part::Small { .. } => None,
        })
    }

    /// Puts the layer together out of all that it [lacks](Self::lacks). Hashes it, but copies nothing.
    pub fn finish(self, contents: &BTreeMap<Digest, Content>) -> Result<Finished, Error> {
        let (mut builder, mut whole) = (Builder::default(), Run::default());
        if self.algorithm == Algorithm::Gzip {
            builder.bytes(GZIP_HEAD.to_vec());
        }
        let mut start = 0;
        for part in self.parts {
            match part {
                Part::Small { run, end } => {
                    builder.file(self.spool.file(), start, end - start);
                    (whole, start) = (whole.then(run), end);
                }
                Part::Large { digest } => {
                    let content = contents.get(&digest);
                    let content = content.ok_or_else(|| defect("a large content is missing"))?;
                    builder.segments(&content.bytes);
                    whole = whole.then(content.run);
                }
            }
        }
        if self.algorithm == Algorithm::Gzip {
            // The length is taken modulo 2^32 (RFC 1952, ISIZE).
            let modulo = (whole.length & u64::from(u32::MAX)).to_le_bytes();
            let (crc, length) = (whole.crc.to_le_bytes(), modulo.get(..4).unwrap_or_default());
            builder.bytes([&DEFLATE_END[..], &crc, length].concat());
        }
        let segments = builder.build();
        let mut hasher = Hasher::new();
        each_chunk("the new layer", &mut segments.reader(), |bytes| {
            hasher.update(bytes);
            Ok(())
        })?;
        let (digest, size) = hasher.finish();
        let (algorithm, diff_id, archive_size) = (self.algorithm, self.diff_id, self.archive_size);
        let layer = Layer { algorithm, digest, size, diff_id, archive_size };
        Ok(Finished { layer, segments })
    }
}

/// Reads to the end.
fn each_chunk(
    subject: &str,
    reader: &mut impl Read,
    mut take: impl FnMut(&[u8]) -> Result<(), Error>,
) -> Result<(), Error> {
    let mut buffer = vec![0; CHUNK];
    loop {
        match reader.read(&mut buffer) {
            Ok(0) => return Ok(()),
            Ok(n) => take(buffer.get(..n).unwrap_or_default())?,
            Err(e) if e.kind() == io::ErrorKind::Interrupted => {}
            Err(e) => return Err(from_io(e, subject)),
        }
    }
}
