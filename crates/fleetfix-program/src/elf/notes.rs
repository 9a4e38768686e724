//! Notes: small records that linkers leave.

use std::fmt::Write;
use std::io::{Read, Seek};

use super::segments::{NOTE, NOTE_SECTION, Section, Segment};
use super::{Elf, Layout};
use crate::Error;
use crate::source::Source;

/// Largest segment of notes that is read, in bytes.
const MAX_NOTES: u64 = 64 << 10;
/// Most segments and sections of notes that are read.
const MAX_PLACES: usize = 64;
/// Longest id of a build, in bytes.
const MAX_ID: usize = 256;

/// The linker's id of the build (`NT_GNU_BUILD_ID`, owner `GNU`).
const GNU: (&[u8], u32) = (b"GNU\0", 3);
/// Go's id of the build (cmd/internal/buildid, `elfGoNote` and `ELF_NOTE_GOBUILDID_TAG`).
const GO: (&[u8], u32) = (b"Go\0\0", 4);

/// Puts the ids into `facts`. Go's own linker names its note in the sections only, for some machines.
pub(super) fn read<R: Read + Seek>(
    source: &mut Source<R>,
    layout: Layout,
    segments: &[Segment],
    sections: &[Section],
    facts: &mut Elf,
) -> Result<(), Error> {
    let segments = segments.iter().filter(|s| s.kind == NOTE).map(|s| (s.offset, s.size));
    let sections = sections.iter().filter(|s| s.kind == NOTE_SECTION).map(|s| (s.offset, s.size));
    for (offset, size) in segments.chain(sections).take(MAX_PLACES) {
        let notes = source.exactly("the notes", offset, size, MAX_NOTES)?;
        let mut rest = &notes[..];
        while let Some((note, after)) = split(layout, rest) {
            let id = note.description;
            match (note.owner, note.kind) {
                GNU if id.len() <= MAX_ID => {
                    facts.gnu_build_id.get_or_insert_with(|| hex(id));
                }
                GO if id.len() <= MAX_ID => {
                    let text = || String::from_utf8_lossy(id).into_owned();
                    facts.go_build_id.get_or_insert_with(text);
                }
                _ => {}
            }
            rest = after;
        }
    }
    Ok(())
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().fold(String::new(), |mut text, byte| {
        // Writing to a string does not fail.
        let _ = write!(text, "{byte:02x}");
        text
    })
}

/// One note.
struct Note<'a> {
    /// Who defines the type.
    owner: &'a [u8],
    kind: u32,
    description: &'a [u8],
}

/// The first note and what follows it. `None`: no whole note is left. Both parts are padded to four
/// bytes, in files of 64 bits too, whatever the gABI says (binutils, `elf/common.h`); notes of
/// `NT_GNU_PROPERTY_TYPE_0` are padded to eight and come last or alone.
fn split(layout: Layout, bytes: &[u8]) -> Option<(Note<'_>, &[u8])> {
    let (header, rest) = bytes.split_at_checked(12)?;
    let size = |at| usize::try_from(layout.word(header, at, at)).ok();
    let (owner, rest) = padded(rest, size(0)?)?;
    let (description, rest) = padded(rest, size(4)?)?;
    Some((Note { owner, kind: layout.word(header, 8, 8), description }, rest))
}

/// The first `size` bytes, and what follows their padding, which may be missing at the end.
fn padded(bytes: &[u8], size: usize) -> Option<(&[u8], &[u8])> {
    let part = bytes.get(..size)?;
    let end = size.checked_next_multiple_of(4)?;
    Some((part, bytes.get(end..).unwrap_or_default()))
}
