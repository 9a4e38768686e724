//! Finds and decodes the record that Go's linker leaves in the data of a program
//! (debug/buildinfo/buildinfo.go, cmd/link/internal/ld, `buildinfo`).

use std::io::{Read, Seek};

use crate::Error;
use crate::elf::{Class, File, Layout, Order, Segment};
use crate::source::Source;

/// How the record starts.
pub(super) const MAGIC: &[u8] = b"\xff Go buildinf:";
/// It starts at a multiple of this.
pub(super) const ALIGN: u64 = 16;
/// Size of its header.
pub(super) const HEADER: u64 = 32;
/// The section that it has for itself.
const SECTION: &[u8] = b".go.buildinfo";
/// Flags: pointers are big-endian; the texts follow the header, as since Go 1.18.
const BIG_ENDIAN: u8 = 1;
pub(super) const INLINE: u8 = 2;

/// Bytes of data that are searched where no section is named. The record stands near their start.
pub(super) const MAX_SEARCH: u64 = 64 << 20;
/// How much is searched at a time; a multiple of [`ALIGN`].
const STEP: u64 = 1 << 20;
/// Longest version of Go, in bytes.
pub(super) const MAX_VERSION: u64 = 4 << 10;
/// Longest list of modules and settings, in bytes. Kubernetes' has 40 KB.
pub(super) const MAX_MODULES: u64 = 4 << 20;
/// Marks of 16 bytes around the list (cmd/go/internal/modload, `infoStart` and `infoEnd`).
pub(super) const MARK: usize = 16;
/// Longest variable-length number, in bytes (encoding/binary, `MaxVarintLen64`).
const MAX_VARINT: u64 = 10;

/// Version of Go, and the text about modules and settings. `None`: there is no record.
pub(super) fn read<R: Read + Seek>(
    source: &mut Source<R>,
    file: &File,
) -> Result<Option<(String, String)>, Error> {
    let Some(address) = find(source, file)? else { return Ok(None) };
    let header = at(source, file, address, HEADER)?;
    let Some(header) = header.filter(|header| header.len() as u64 == HEADER) else {
        return Ok(None);
    };
    let byte = |i: usize| header.get(i).copied().unwrap_or_default();
    let (version, modules) = if byte(15) & INLINE == 0 {
        let Some(layout) = layout_of_pointers(byte(14), byte(15)) else {
            return Err(source.go("has pointers of an unknown size"));
        };
        let (first, second) = (layout.address(&header, 16, 16), layout.address(&header, 20, 24));
        let version = pointed(source, file, layout, first, MAX_VERSION)?;
        (version, pointed(source, file, layout, second, MAX_MODULES)?)
    } else {
        let next = address.saturating_add(HEADER);
        let (version, next) = counted(source, file, next, MAX_VERSION)?;
        (version, counted(source, file, next, MAX_MODULES)?.0)
    };
    if version.is_empty() {
        return Ok(None);
    }
    let text =
        |bytes, source: &Source<R>| String::from_utf8(bytes).map_err(|_| source.go("is not UTF-8"));
    Ok(Some((text(version, source)?, text(between_marks(&modules), source)?)))
}

/// The list without its marks; empty where the program was built without modules.
fn between_marks(modules: &[u8]) -> Vec<u8> {
    let Some(end) = modules.len().checked_sub(MARK) else { return Vec::new() };
    if modules.len() < 2 * MARK + 1 || modules.get(end - 1) != Some(&b'\n') {
        return Vec::new();
    }
    modules.get(MARK..end).unwrap_or_default().to_vec()
}

/// The address of the record: in a section of its own, else somewhere in the first segment of data.
fn find<R: Read + Seek>(source: &mut Source<R>, file: &File) -> Result<Option<u64>, Error> {
    let section = file.sections.iter().find(|section| section.name == SECTION);
    let place = match section {
        Some(section) => Some((section.address, section.size)),
        None => file.segments.iter().find(|s| s.is_data()).map(|s: &Segment| (s.address, s.size)),
    };
    let Some((start, size)) = place else { return Ok(None) };
    let Some(first) = start.checked_next_multiple_of(ALIGN) else { return Ok(None) };
    let end = start.saturating_add(size.min(MAX_SEARCH));
    let mut address = first;
    while address < end {
        let step = STEP.min(end - address);
        let Some(bytes) = at(source, file, address, step)? else { return Ok(None) };
        let records = bytes.chunks(usize::try_from(ALIGN).unwrap_or(1));
        if let Some(i) = records.zip(0_u64..).find(|(r, _)| r.starts_with(MAGIC)).map(|(_, i)| i) {
            return Ok(Some(address + i * ALIGN));
        }
        address += step;
    }
    Ok(None)
}

/// At most `size` bytes at an address. `None`: no segment has it.
fn at<R: Read + Seek>(
    source: &mut Source<R>,
    file: &File,
    address: u64,
    size: u64,
) -> Result<Option<Vec<u8>>, Error> {
    let Some((offset, left)) = file.place(address) else { return Ok(None) };
    source.up_to(offset, left.min(size)).map(Some)
}

/// A text after its length, and the address after it.
fn counted<R: Read + Seek>(
    source: &mut Source<R>,
    file: &File,
    address: u64,
    limit: u64,
) -> Result<(Vec<u8>, u64), Error> {
    let number = at(source, file, address, MAX_VARINT)?.unwrap_or_default();
    let (length, used) =
        varint(&number).ok_or_else(|| source.go("has a length that is no number"))?;
    let text = address.saturating_add(used);
    Ok((exactly(source, file, text, length, limit)?, text.saturating_add(length)))
}

/// The text that a Go string at `address` points to: a pointer and a length.
fn pointed<R: Read + Seek>(
    source: &mut Source<R>,
    file: &File,
    layout: Layout,
    address: u64,
    limit: u64,
) -> Result<Vec<u8>, Error> {
    let size = layout.pick(8, 16);
    let header = at(source, file, address, size)?.unwrap_or_default();
    if header.len() as u64 != size {
        return Ok(Vec::new());
    }
    let (text, length) = (layout.address(&header, 0, 0), layout.address(&header, 4, 8));
    if length == 0 {
        return Ok(Vec::new());
    }
    exactly(source, file, text, length, limit)
}

fn exactly<R: Read + Seek>(
    source: &mut Source<R>,
    file: &File,
    address: u64,
    length: u64,
    limit: u64,
) -> Result<Vec<u8>, Error> {
    if length > limit {
        return Err(source.limit("Go's build information", length, limit));
    }
    if length == 0 {
        return Ok(Vec::new());
    }
    let bytes = at(source, file, address, length)?.unwrap_or_default();
    if bytes.len() as u64 == length { Ok(bytes) } else { Err(source.go("is cut short")) }
}

fn layout_of_pointers(size: u8, flags: u8) -> Option<Layout> {
    let class = match size {
        4 => Class::Bits32,
        8 => Class::Bits64,
        _ => return None,
    };
    let order = if flags & BIG_ENDIAN == 0 { Order::Little } else { Order::Big };
    Some(Layout { class, order })
}

/// A number of seven bits a byte, the lowest first, and how many bytes it takes.
pub(super) fn varint(bytes: &[u8]) -> Option<(u64, u64)> {
    let mut value = 0_u64;
    for (i, byte) in (0_u32..10).zip(bytes) {
        let bits = u64::from(byte & 0x7f);
        // The tenth byte holds the last bit.
        if i == 9 && *byte > 1 {
            return None;
        }
        value |= bits << (7 * i);
        if byte & 0x80 == 0 {
            return Some((value, u64::from(i) + 1));
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::varint;

    #[test]
    fn numbers() {
        assert_eq!(varint(&[0]), Some((0, 1)));
        assert_eq!(varint(&[0xac, 0x02, 0xff]), Some((300, 2)));
        let largest = [0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x01];
        assert_eq!(varint(&largest), Some((u64::MAX, 10)));
        let too_large = [0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x02];
        for bytes in [&too_large[..], &[0x80; 12], &[], &[0x80]] {
            assert_eq!(varint(bytes), None);
        }
    }
}
