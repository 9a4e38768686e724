//! The layer of a patch: a deterministic tar archive, compressed on all cores. Memory holds a few
//! blocks, never a file.
//!
//! What takes long is the content of large files, and its compressed form depends on nothing else:
//! it starts at a block of its own. So it is made before the base is known ([`Compressor::content`]),
//! once for all layers that hold it; the archive around it is hashed beside that
//! ([`Compressor::lay_out`]) and both are put together without being copied ([`LaidOut::finish`]).
//! [`write()`] does all of that in one call.

mod blocks;
mod check;
mod compression;
mod content;
mod header;
mod items;
mod pool;
mod unpack;

use std::collections::BTreeMap;
use std::io::{self, Read, Write};

use fleetfix_model::Digest;

pub use self::check::check;
pub use self::compression::{Algorithm, Compression, Options};
pub use self::content::{Compressor, Content, Finished, LaidOut, is_large};
pub(crate) use self::header::XATTR;
pub use self::items::{Item, Items, Kind, display};
pub(crate) use self::items::{MAX_PATH, WHITEOUT};
pub use self::unpack::Unpacked;
use crate::Error;

/// How much of a file is read at a time, in bytes.
const CHUNK: usize = 128 << 10;

/// A layer that was written.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Layer {
    /// How it is compressed.
    pub algorithm: Algorithm,
    /// Digest of the compressed bytes: what the manifest names.
    pub digest: Digest,
    /// Size of the compressed bytes.
    pub size: u64,
    /// Digest of the archive: what the configuration names.
    pub diff_id: Digest,
    /// Size of the archive in bytes.
    pub archive_size: u64,
}

/// Writes the layer of `items` to `out`. `open` opens the content of a file, that of a large one
/// twice; what it gives must have the item's size and digest. Large contents lie in the directory
/// for temporary files meanwhile.
pub fn write<W: Write>(
    items: &Items,
    mut open: impl FnMut(&Item) -> io::Result<Box<dyn Read>>,
    mut out: W,
    options: &Options,
) -> Result<Layer, Error> {
    let (compressor, dir) = (Compressor::new(options), std::env::temp_dir());
    let mut contents = BTreeMap::new();
    for item in items.iter() {
        if let Kind::File { size, digest } = item.kind
            && is_large(size)
            && !contents.contains_key(&digest)
        {
            let subject = content::subject(item);
            let source =
                open(item).map_err(|source| Error::Read { subject: subject.clone(), source })?;
            contents.insert(digest, compressor.content(&subject, source, size, digest, &dir)?);
        }
    }
    let finished = compressor.lay_out(items, open, &dir)?.finish(&contents)?;
    io::copy(&mut finished.segments.reader(), &mut out)
        .and_then(|_| out.flush())
        .map_err(blocks::write_error)?;
    Ok(finished.layer)
}

#[cfg(test)]
mod tests;
