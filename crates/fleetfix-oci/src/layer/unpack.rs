//! The archive inside a layer, whatever the layer is compressed with.

use std::io::{self, BufReader, Chain, Cursor, Read};

use flate2::bufread::MultiGzDecoder;

use super::Algorithm;
use crate::Error;
use crate::checked::from_io;

/// Size of the buffers, in bytes.
const BUFFER: usize = 64 << 10;
/// Largest window of a zstd frame that is read, as a power of two: 128 MiB, what zstd itself reads
/// unless told otherwise (`ZSTD_WINDOWLOG_LIMIT_DEFAULT`). A frame that wants more is a bomb.
const WINDOW_LOG: u32 = 27;

type Whole<R> = BufReader<Chain<Cursor<Vec<u8>>, R>>;

/// Reads the archive inside a layer. Media types lie about compression, so nobody trusts them:
/// containers/image looks at the first bytes too (`pkg/compression`).
pub struct Unpacked<R: Read>(Inner<R>);

enum Inner<R: Read> {
    Gzip(Box<MultiGzDecoder<Whole<R>>>),
    Zstd(zstd::stream::read::Decoder<'static, Whole<R>>),
    Plain(Whole<R>),
}

impl<R: Read> Unpacked<R> {
    /// Looks at the first bytes of `reader`. `subject` names it in messages.
    ///
    /// # Errors
    /// [`Error::UnsupportedCompression`]; [`Error::Read`] if `reader` fails.
    pub fn new(subject: &str, mut reader: R) -> Result<Self, Error> {
        let mut magic = Vec::new();
        reader.by_ref().take(4).read_to_end(&mut magic).map_err(|e| from_io(e, subject))?;
        let unsupported: [(&[u8], &str); 2] = [(b"\xfd7zX", "xz"), (b"BZh", "bzip2")];
        if let Some((_, compression)) =
            unsupported.iter().find(|(start, _)| magic.starts_with(start))
        {
            return Err(Error::UnsupportedCompression { subject: subject.to_owned(), compression });
        }
        let gzip = magic.starts_with(&[0x1f, 0x8b]);
        // A frame, or one to pass over, with which some writers start (RFC 8878, sections 3.1.1 and
        // 3.1.2).
        let zstd = magic == [0x28, 0xb5, 0x2f, 0xfd]
            || matches!(magic[..], [first, 0x2a, 0x4d, 0x18] if first >> 4 == 5);
        let whole = BufReader::with_capacity(BUFFER, Cursor::new(magic).chain(reader));
        Ok(Self(if gzip {
            Inner::Gzip(Box::new(MultiGzDecoder::new(whole)))
        } else if zstd {
            let failed = |e| from_io(e, subject);
            let mut decoder = zstd::stream::read::Decoder::with_buffer(whole).map_err(failed)?;
            decoder.window_log_max(WINDOW_LOG).map_err(failed)?;
            Inner::Zstd(decoder)
        } else {
            Inner::Plain(whole)
        }))
    }

    /// How the layer is compressed.
    pub fn algorithm(&self) -> Algorithm {
        match &self.0 {
            Inner::Gzip(_) => Algorithm::Gzip,
            Inner::Zstd(_) => Algorithm::Zstd,
            Inner::Plain(_) => Algorithm::None,
        }
    }

    /// The reader that was given.
    pub fn into_inner(self) -> R {
        let whole = match self.0 {
            Inner::Gzip(decoder) => (*decoder).into_inner(),
            Inner::Zstd(decoder) => decoder.finish(),
            Inner::Plain(whole) => whole,
        };
        whole.into_inner().into_inner().1
    }
}

impl<R: Read> Read for Unpacked<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        match &mut self.0 {
            Inner::Gzip(decoder) => decoder.read(buffer),
            // It has no kind of its own for data that is wrong.
            Inner::Zstd(decoder) => decoder.read(buffer).map_err(|e| {
                let of_data = e
                    .get_ref()
                    .is_some_and(<dyn std::error::Error + Send + Sync>::is::<zstd::Error>);
                if of_data { io::Error::new(io::ErrorKind::InvalidData, e) } else { e }
            }),
            Inner::Plain(whole) => whole.read(buffer),
        }
    }
}

impl<R: Read> std::fmt::Debug for Unpacked<R> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_tuple("Unpacked").field(&self.algorithm()).finish()
    }
}
