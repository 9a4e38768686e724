//! The tables of segments (program headers) and sections.

use std::io::{Read, Seek};

use super::{Layout, cut_at_nul};
use crate::Error;
use crate::source::Source;

/// `PT_LOAD`.
pub(crate) const LOAD: u32 = 1;
/// `PT_DYNAMIC`.
pub(super) const DYNAMIC: u32 = 2;
/// `PT_INTERP`.
pub(super) const INTERPRETER: u32 = 3;
/// `PT_NOTE`.
pub(super) const NOTE: u32 = 4;
/// `SHT_NOTE`.
pub(super) const NOTE_SECTION: u32 = 7;
/// `SHT_NOBITS`: a section without bytes in the file.
const NO_BITS: u32 = 8;
/// `PF_X | PF_W` and `PF_W`.
const CODE_OR_DATA: u32 = 3;
const DATA: u32 = 2;

/// Largest table of segments, in bytes: Linux runs none larger (`fs/binfmt_elf.c`, `load_elf_phdrs`).
const MAX_SEGMENTS: u64 = 64 << 10;
/// Most sections. Large programs of Go have some thirty.
const MAX_SECTIONS: u64 = 10_000;
/// Largest table of sections' names, in bytes.
const MAX_NAMES: u64 = 1 << 20;
/// As much of a section's name as is kept, in bytes: none that is looked for is longer.
const MAX_NAME: usize = 64;

/// One segment: what the kernel or the loader sees.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Segment {
    pub kind: u32,
    flags: u32,
    /// In the file.
    pub offset: u64,
    /// In memory.
    pub address: u64,
    /// Bytes in the file.
    pub size: u64,
}

impl Segment {
    /// True for what is loaded to be written to, and not run.
    pub(crate) fn is_data(&self) -> bool {
        self.kind == LOAD && self.flags & CODE_OR_DATA == DATA
    }
}

/// One section: what tools see.
#[derive(Clone, Debug)]
pub(crate) struct Section {
    pub kind: u32,
    pub name: Vec<u8>,
    /// In memory.
    pub address: u64,
    /// In the file.
    pub offset: u64,
    /// Bytes in the file.
    pub size: u64,
}

/// Reads the table of segments that `header` names.
pub(super) fn segments<R: Read + Seek>(
    source: &mut Source<R>,
    layout: Layout,
    header: &[u8],
) -> Result<Vec<Segment>, Error> {
    const WHAT: &str = "the table of segments";
    let offset = layout.address(header, 28, 32);
    let (size, count) = (layout.half(header, 42, 54), layout.half(header, 44, 56));
    if count == 0 {
        return Ok(Vec::new());
    }
    if u64::from(size) != layout.pick(32, 56) {
        return Err(source.malformed(WHAT, offset, "has entries of another size"));
    }
    let total = u64::from(size) * u64::from(count);
    let table = source.exactly(WHAT, offset, total, MAX_SEGMENTS)?;
    let segment = |entry: &[u8]| Segment {
        kind: layout.word(entry, 0, 0),
        flags: layout.word(entry, 24, 4),
        offset: layout.address(entry, 4, 8),
        address: layout.address(entry, 8, 16),
        size: layout.address(entry, 16, 32),
    };
    let segments: Vec<_> = table.chunks_exact(usize::from(size)).map(segment).collect();
    for segment in segments.iter().filter(|segment| segment.kind == LOAD) {
        let end = segment.offset.checked_add(segment.size);
        if end.is_none_or(|end| end > source.length()) {
            return Err(source.malformed("a segment", segment.offset, "ends after the file"));
        }
    }
    Ok(segments)
}

/// Reads the table of sections that `header` names, where there is one: a program runs without.
pub(super) fn sections<R: Read + Seek>(
    source: &mut Source<R>,
    layout: Layout,
    header: &[u8],
) -> Result<Vec<Section>, Error> {
    const WHAT: &str = "the table of sections";
    let offset = layout.address(header, 32, 40);
    let (size, count) = (layout.half(header, 46, 58), layout.half(header, 48, 60));
    if offset == 0 || count == 0 {
        return Ok(Vec::new());
    }
    if u64::from(size) != layout.pick(40, 64) {
        return Err(source.malformed(WHAT, offset, "has entries of another size"));
    }
    let (size, count) = (u64::from(size), u64::from(count));
    if count > MAX_SECTIONS {
        return Err(source.limit(WHAT, count, MAX_SECTIONS));
    }
    let table = source.exactly(WHAT, offset, size * count, size * MAX_SECTIONS)?;
    let entries = || table.chunks_exact(usize::try_from(size).unwrap_or(usize::MAX));
    let section = |entry: &[u8]| {
        let kind = layout.word(entry, 4, 4);
        let size = layout.address(entry, 20, 32);
        Section {
            kind,
            name: Vec::new(),
            address: layout.address(entry, 12, 16),
            offset: layout.address(entry, 16, 24),
            size: if kind == NO_BITS { 0 } else { size },
        }
    };
    let mut sections: Vec<_> = entries().map(section).collect();
    let Some(names) = sections.get(usize::from(layout.half(header, 50, 62))) else {
        return Ok(sections);
    };
    let names = source.exactly("the sections' names", names.offset, names.size, MAX_NAMES)?;
    for (section, entry) in sections.iter_mut().zip(entries()) {
        let start = usize::try_from(layout.word(entry, 0, 0)).unwrap_or(usize::MAX);
        let name = names.get(start..).and_then(cut_at_nul).unwrap_or_default();
        section.name = name.iter().copied().take(MAX_NAME).collect();
    }
    Ok(sections)
}

/// Where the bytes at `address` are in the file, and how many follow in the same segment.
pub(super) fn place(segments: &[Segment], address: u64) -> Option<(u64, u64)> {
    segments.iter().filter(|segment| segment.kind == LOAD).find_map(|segment| {
        let into = address.checked_sub(segment.address)?;
        let left = segment.size.checked_sub(into).filter(|left| *left > 0)?;
        Some((segment.offset.checked_add(into)?, left))
    })
}
