//! The dynamic section: which libraries the loader looks for.

use std::io::{Read, Seek};

use super::segments::{Segment, place};
use super::{Layout, cut_at_nul};
use crate::Error;
use crate::source::Source;

/// Largest dynamic section, in bytes.
const MAX_SECTION: u64 = 1 << 20;
/// Most libraries of one program.
const MAX_LIBRARIES: u64 = 1000;
/// Longest name of a library, in bytes.
const MAX_NAME: u64 = 4096;

const DT_NULL: u64 = 0;
const DT_NEEDED: u64 = 1;
const DT_STRTAB: u64 = 5;

/// The names of the libraries, in their order.
pub(super) fn libraries<R: Read + Seek>(
    source: &mut Source<R>,
    layout: Layout,
    dynamic: &Segment,
    segments: &[Segment],
) -> Result<Vec<String>, Error> {
    const WHAT: &str = "the dynamic section";
    let table = source.exactly(WHAT, dynamic.offset, dynamic.size, MAX_SECTION)?;
    let (mut needed, mut names) = (Vec::new(), None);
    for entry in table.chunks_exact(layout.pick(8, 16)) {
        let value = layout.address(entry, 4, 8);
        match layout.address(entry, 0, 0) {
            DT_NULL => break,
            DT_NEEDED => needed.push(value),
            DT_STRTAB => names = Some(value),
            _ => {}
        }
    }
    let count = needed.len() as u64;
    if count > MAX_LIBRARIES {
        return Err(source.limit("libraries", count, MAX_LIBRARIES));
    }
    let place = |name: u64| {
        let address = names?.checked_add(name)?;
        place(segments, address)
    };
    let mut libraries = Vec::with_capacity(needed.len());
    for name in needed {
        let (offset, left) = place(name).ok_or_else(|| {
            source.malformed(WHAT, dynamic.offset, "names a library that is not there")
        })?;
        let bytes = source.up_to(offset, left.min(MAX_NAME))?;
        let name = cut_at_nul(&bytes).and_then(|name| std::str::from_utf8(name).ok());
        let broken = || source.malformed("a library's name", offset, "does not end, or is no text");
        libraries.push(name.ok_or_else(broken)?.to_owned());
    }
    Ok(libraries)
}
