//! Bytes that lie in pieces, some in memory and some in files without a name, and are read as one.
//!
//! A new layer is put together from pieces that other layers may share: nothing is copied for it,
//! and any number of readers read it at once, each from where it likes.

use std::fs::File;
use std::io::{self, Read, Write};
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// Bytes in pieces. Cheap to clone.
#[derive(Clone, Debug, Default)]
pub struct Segments {
    pieces: Arc<[Piece]>,
}

/// One piece, and where it ends in the whole.
#[derive(Debug)]
struct Piece {
    end: u64,
    bytes: Bytes,
}

#[derive(Debug)]
enum Bytes {
    Memory(Vec<u8>),
    /// From `start` on.
    File {
        file: Arc<File>,
        start: u64,
    },
}

impl Segments {
    /// How many bytes there are.
    pub fn size(&self) -> u64 {
        self.pieces.last().map_or(0, |piece| piece.end)
    }

    /// Reads at most as many bytes as `buffer` holds from `offset` on; 0: there are none. Blocks.
    pub fn read_at(&self, buffer: &mut [u8], offset: u64) -> io::Result<usize> {
        let at = self.pieces.partition_point(|piece| piece.end <= offset);
        let Some(piece) = self.pieces.get(at) else { return Ok(0) };
        let begin = at.checked_sub(1).and_then(|i| self.pieces.get(i)).map_or(0, |p| p.end);
        let left = usize::try_from(piece.end - offset).unwrap_or(usize::MAX).min(buffer.len());
        let buffer = buffer.get_mut(..left).unwrap_or_default();
        let inside = offset - begin;
        match &piece.bytes {
            Bytes::Memory(bytes) => {
                let from = usize::try_from(inside).unwrap_or(usize::MAX);
                let bytes = bytes.get(from..).and_then(|bytes| bytes.get(..left));
                buffer.copy_from_slice(bytes.ok_or(io::ErrorKind::UnexpectedEof)?);
                Ok(left)
            }
            Bytes::File { file, start } => match file.read_at(buffer, start + inside)? {
                0 if left > 0 => Err(io::ErrorKind::UnexpectedEof.into()),
                n => Ok(n),
            },
        }
    }

    /// Reads from the start.
    pub fn reader(&self) -> Reader {
        Reader { segments: self.clone(), offset: 0 }
    }
}

/// Reads [`Segments`] from the start to the end.
#[derive(Clone, Debug)]
pub struct Reader {
    segments: Segments,
    offset: u64,
}

impl Read for Reader {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let n = self.segments.read_at(buffer, self.offset)?;
        self.offset += n as u64;
        Ok(n)
    }
}

/// Puts [`Segments`] together.
#[derive(Debug, Default)]
pub struct Builder {
    pieces: Vec<Piece>,
}

impl Builder {
    fn push(&mut self, size: u64, bytes: Bytes) {
        if size > 0 {
            let end = self.pieces.last().map_or(0, |piece| piece.end).saturating_add(size);
            self.pieces.push(Piece { end, bytes });
        }
    }

    /// Adds bytes.
    pub fn bytes(&mut self, bytes: Vec<u8>) {
        self.push(bytes.len() as u64, Bytes::Memory(bytes));
    }

    /// Adds `size` bytes of a file, from `start` on.
    pub fn file(&mut self, file: &Arc<File>, start: u64, size: u64) {
        self.push(size, Bytes::File { file: Arc::clone(file), start });
    }

    /// Adds what was put together before; files are shared, not copied.
    pub fn segments(&mut self, segments: &Segments) {
        let mut begin = 0;
        for piece in segments.pieces.iter() {
            let bytes = match &piece.bytes {
                Bytes::Memory(bytes) => Bytes::Memory(bytes.clone()),
                Bytes::File { file, start } => {
                    Bytes::File { file: Arc::clone(file), start: *start }
                }
            };
            self.push(piece.end - begin, bytes);
            begin = piece.end;
        }
    }

    /// What was put together.
    pub fn build(self) -> Segments {
        Segments { pieces: self.pieces.into() }
    }
}

/// A file without a name that is written once: it goes when nobody holds it any more, also when
/// the process is killed.
#[derive(Debug)]
pub struct Spool {
    file: Arc<File>,
    size: u64,
    dir: PathBuf,
}

impl Spool {
    /// An empty one in `dir`.
    pub fn new(dir: &Path) -> io::Result<Self> {
        let file = tempfile::tempfile_in(dir).map_err(|e| in_dir(dir, &e))?;
        Ok(Self { file: Arc::new(file), size: 0, dir: dir.to_owned() })
    }

    /// What was written so far, in bytes.
    pub fn size(&self) -> u64 {
        self.size
    }

    /// The file.
    pub fn file(&self) -> &Arc<File> {
        &self.file
    }

    /// All that was written.
    pub fn segments(&self) -> Segments {
        let mut builder = Builder::default();
        builder.file(&self.file, 0, self.size);
        builder.build()
    }
}

/// A file without a name is told by where it lies: that is what is full, or not to be written.
fn in_dir(dir: &Path, error: &io::Error) -> io::Error {
    let said = format!("a temporary file in {}: {error} [TMPDIR says where]", dir.display());
    io::Error::new(error.kind(), said)
}

impl Write for Spool {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let n = self.file.write_at(bytes, self.size).map_err(|e| in_dir(&self.dir, &e))?;
        self.size += n as u64;
        Ok(n)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pieces_are_one() {
        let mut spool = Spool::new(&std::env::temp_dir()).unwrap();
        spool.write_all(b"0123456789").unwrap();
        let mut builder = Builder::default();
        builder.bytes(b"ab".to_vec());
        builder.bytes(Vec::new());
        builder.file(spool.file(), 3, 4);
        builder.bytes(b"c".to_vec());
        builder.file(spool.file(), 0, 1);
        let segments = builder.build();
        let whole = b"ab3456c0";
        assert_eq!(segments.size(), 8);
        let mut out = Vec::new();
        segments.reader().read_to_end(&mut out).unwrap();
        assert_eq!(out, whole);
        for offset in 0..10 {
            for length in 0..10 {
                let mut buffer = vec![0; length];
                let n = segments.read_at(&mut buffer, offset as u64).unwrap();
                assert!(n > 0 || length == 0 || offset >= 8);
                assert_eq!(buffer[..n], whole[offset.min(8)..][..n]);
            }
        }
        assert_eq!(Segments::default().size(), 0);
        let mut all = Vec::new();
        spool.segments().reader().read_to_end(&mut all).unwrap();
        assert_eq!(all, b"0123456789");
    }

    #[test]
    fn a_file_cut_short_is_an_error() {
        let mut spool = Spool::new(&std::env::temp_dir()).unwrap();
        spool.write_all(b"0123").unwrap();
        let segments = spool.segments();
        spool.file().set_len(2).unwrap();
        let error = segments.reader().read_to_end(&mut Vec::new()).unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::UnexpectedEof);
    }
}
