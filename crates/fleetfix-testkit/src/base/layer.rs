//! Layers: an archive and its compression.

use std::io::Write;

use flate2::write::GzEncoder;

use super::{Archive, digest};

/// How a layer is compressed.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Compression {
    /// Not at all.
    None,
    /// gzip.
    Gzip,
    /// zstd, as frames of blocks that hold their bytes as they are (RFC 8878, section 3.1.1.2.2).
    Zstd,
}

/// A layer.
#[derive(Clone, Debug)]
pub struct Layer {
    /// As it is stored.
    pub bytes: Vec<u8>,
    /// Digest of the archive.
    pub diff_id: String,
    /// How it is compressed.
    pub compression: Compression,
}

impl Layer {
    /// Compresses an archive.
    pub fn new(archive: Archive, compression: Compression) -> Self {
        let archive = archive.finish();
        let bytes = match compression {
            Compression::None => archive.clone(),
            Compression::Gzip => gzip(&archive),
            Compression::Zstd => zstd(&archive),
        };
        Self { bytes, diff_id: digest(&archive), compression }
    }

    /// The usual one.
    pub fn gzip(archive: Archive) -> Self {
        Self::new(archive, Compression::Gzip)
    }
}

fn gzip(archive: &[u8]) -> Vec<u8> {
    let mut encoder = GzEncoder::new(Vec::new(), flate2::Compression::fast());
    // Memory does not refuse.
    let _ = encoder.write_all(archive);
    encoder.finish().unwrap_or_default()
}

/// One frame without a checksum whose header says the size in eight bytes.
fn zstd(archive: &[u8]) -> Vec<u8> {
    const LARGEST: usize = 128 << 10;
    let mut out = vec![0x28, 0xb5, 0x2f, 0xfd, 0b1110_0000];
    out.extend((archive.len() as u64).to_le_bytes());
    let mut blocks = archive.chunks(LARGEST).peekable();
    while let Some(block) = blocks.next() {
        let last = u32::from(blocks.peek().is_none());
        let header = last | u32::try_from(block.len() << 3).unwrap_or_default();
        out.extend(header.to_le_bytes().iter().take(3));
        out.extend(block);
    }
    out
}
