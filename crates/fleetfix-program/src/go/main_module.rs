//! The main module of a program that goes by once, as in the pass of a layer: what is needed stands
//! near the start of its data, so nothing is kept and nothing after that is read.

use std::io::{self, BufRead, BufReader, Cursor, Read};

use super::blob::{ALIGN, HEADER, INLINE, MAGIC, MAX_MODULES, MAX_SEARCH, MAX_VERSION, varint};
use super::{blob, text};
use crate::elf::Start;
use crate::source::Source;

/// What is read of a program to find its data, in bytes: linkers write the table of segments after
/// the header.
const START: u64 = 4 << 10;
/// What is read of the list of modules, in bytes: the main package and module stand first.
const FIRST: u64 = 8 << 10;
/// Longest path of a module that counts, in bytes. Paths on disk end at 4096; real ones stay below 200.
const MAX_PATH: usize = 512;
/// The list's mark, in bytes.
const MARK: u64 = blob::MARK as u64;

/// Path of the main module of a program of `size` bytes, by the rules of
/// [`GoBuild::main_module`](super::GoBuild::main_module). `None`: it is no program, or Go's linker left
/// nothing that can be read, such as versions of Go before 1.18.
///
/// # Errors
/// Only those of `reader`.
pub fn main_module(mut reader: impl Read, size: u64) -> io::Result<Option<String>> {
    let mut start = Vec::new();
    reader.by_ref().take(START).read_to_end(&mut start)?;
    let found = Start::read(&mut Source::of_start(Cursor::new(&start), size));
    let Ok(Some(Start { segments, .. })) = found else { return Ok(None) };
    let Some(data) = segments.iter().find(|segment| segment.is_data()) else { return Ok(None) };
    let Some(first) = data.address.checked_next_multiple_of(ALIGN) else { return Ok(None) };
    let skip = first - data.address;
    let mut whole = Cursor::new(&start).chain(reader);
    let before = data.offset.saturating_add(skip);
    if io::copy(&mut whole.by_ref().take(before), &mut io::sink())? < before {
        return Ok(None);
    }
    let data = whole.take(data.size.saturating_sub(skip));
    let mut data = BufReader::with_capacity(64 << 10, data);
    let Some(flags) = find(&mut data)? else { return Ok(None) };
    if flags & INLINE == 0 {
        return Ok(None);
    }
    pass(&mut data, HEADER - ALIGN)?;
    let Some(version) = length(&mut data, MAX_VERSION)? else { return Ok(None) };
    pass(&mut data, version)?;
    let Some(modules) = length(&mut data, MAX_MODULES)? else { return Ok(None) };
    let Some(modules) = modules.checked_sub(2 * MARK) else { return Ok(None) };
    pass(&mut data, MARK)?;
    let mut lines = Vec::new();
    data.take(modules.min(FIRST)).read_to_end(&mut lines)?;
    // The last line may be cut.
    let end = lines.iter().rposition(|byte| *byte == b'\n').unwrap_or_default();
    lines.truncate(end);
    let Ok(lines) = String::from_utf8(lines) else { return Ok(None) };
    let Ok(build) = text::parse(&lines) else { return Ok(None) };
    let is_path = |path: &&str| path.len() <= MAX_PATH && !path.contains(char::is_control);
    Ok(build.main_module().filter(is_path).map(str::to_owned))
}

/// Goes behind the start of the record: its flags.
fn find(data: &mut impl Read) -> io::Result<Option<u8>> {
    // Of ALIGN bytes.
    let mut block = [0; 16];
    for _ in 0..MAX_SEARCH / ALIGN {
        match data.read_exact(&mut block) {
            Ok(()) => {}
            Err(e) if e.kind() == io::ErrorKind::UnexpectedEof => return Ok(None),
            Err(e) => return Err(e),
        }
        if block.starts_with(MAGIC) {
            return Ok(block.last().copied());
        }
    }
    Ok(None)
}

fn pass(data: &mut impl Read, length: u64) -> io::Result<()> {
    io::copy(&mut data.by_ref().take(length), &mut io::sink()).map(drop)
}

/// The length of the text that follows. `None`: it is no length, or of more than `limit` bytes.
fn length(data: &mut impl BufRead, limit: u64) -> io::Result<Option<u64>> {
    let mut number = Vec::new();
    let mut byte = [0x80];
    while byte[0] & 0x80 != 0 && number.len() < 10 {
        if data.read(&mut byte)? == 0 {
            return Ok(None);
        }
        number.extend(byte);
    }
    Ok(varint(&number).map(|(length, _)| length).filter(|length| *length <= limit))
}
