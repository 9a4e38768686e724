//! Reads one layer of a base: every entry's metadata, and which paths of the layers below it hides
//! (image-spec v1.1 layer.md).

use std::collections::{BTreeMap, BTreeSet};
use std::io::{self, BufReader, Read};

use fleetfix_model::{Class, Classify};

use super::archive::{Archive, RawEntry};
use super::{Entry, EntryKind, LayerIndex, Limits};
use crate::Error;
use crate::checked::from_io;
use crate::layer::{MAX_PATH, Unpacked, WHITEOUT};

/// Name that hides everything below its directory.
const OPAQUE: &[u8] = b".wh..wh..opq";
/// Start of the names that AUFS kept for itself; Docker and containers/storage pass over them.
const AUFS: &[u8] = b".wh..wh.";

/// The archive of a layer that is being read.
pub(super) type Layer<'s, 'r, R> = Archive<'s, BufReader<Unpacked<&'r mut R>>>;

/// An index in the making.
#[derive(Debug, Default)]
struct Reading {
    entries: BTreeMap<Vec<u8>, Entry>,
    whiteouts: BTreeSet<Vec<u8>>,
    opaque: BTreeSet<Vec<u8>>,
}

impl LayerIndex {
    /// Reads a layer to its end, plain or compressed with gzip or zstd. `subject` names it in messages. Give
    /// it a reader that checks the digest: it is read to its end too, also where the archive is broken,
    /// and wrong content is named as such rather than by what it broke.
    pub fn read(subject: &str, reader: impl Read, limits: &Limits) -> Result<Self, Error> {
        Self::read_with(subject, reader, limits, |_, _, _| Ok(()))
    }

    /// The same; `visit` is shown each entry under its path without a slash at either end, and may
    /// read its content.
    pub(super) fn read_with<R: Read>(
        subject: &str,
        mut reader: R,
        limits: &Limits,
        visit: impl FnMut(&[u8], &RawEntry, &mut Layer<'_, '_, R>) -> Result<(), Error>,
    ) -> Result<Self, Error> {
        let index = Self::parse(subject, &mut reader, limits, visit);
        let rest = io::copy(&mut reader, &mut io::sink()).map_err(|e| from_io(e, subject));
        match (index, rest) {
            (Ok(index), Ok(_)) => Ok(index),
            (_, Err(wrong)) if wrong.class() == Class::Refused => Err(wrong),
            (Err(e), _) | (Ok(_), Err(e)) => Err(e),
        }
    }

    fn parse<R: Read>(
        subject: &str,
        reader: &mut R,
        limits: &Limits,
        mut visit: impl FnMut(&[u8], &RawEntry, &mut Layer<'_, '_, R>) -> Result<(), Error>,
    ) -> Result<Self, Error> {
        let unpacked = Unpacked::new(subject, reader)?;
        let mut archive =
            Archive::new(subject, BufReader::with_capacity(64 << 10, unpacked), limits);
        let mut index = Reading::default();
        let mut count = 0_u64;
        let limit = |what, limit| Error::LayerLimit { subject: subject.to_owned(), what, limit };
        while let Some(entry) = archive.next()? {
            count += 1;
            if count > limits.entries {
                return Err(limit("entries", limits.entries));
            }
            if entry.path.len() > MAX_PATH || entry.link.len() > MAX_PATH {
                return Err(limit("bytes in a path", MAX_PATH as u64));
            }
            let offset = entry.offset;
            let broken = |reason| Error::Archive { subject: subject.to_owned(), offset, reason };
            let path = normal(&entry.path).map_err(broken)?;
            visit(&path, &entry, &mut archive)?;
            index.add(path, entry).map_err(broken)?;
        }
        Ok(Self::pack(index.entries, index.whiteouts, index.opaque))
    }
}

impl Reading {
    fn add(&mut self, path: Vec<u8>, entry: RawEntry) -> Result<(), String> {
        let split = path.iter().rposition(|b| *b == b'/').map_or(0, |slash| slash + 1);
        let (parent, name) = path.split_at(split);
        let parent = parent.strip_suffix(b"/").unwrap_or(parent);
        if let Some(through) = self.not_a_directory_above(&path) {
            let (path, through) =
                (String::from_utf8_lossy(&path), String::from_utf8_lossy(through));
            return Err(format!("`{path}` lies below `{through}`, which is not a directory there"));
        }
        if name == OPAQUE {
            self.opaque.insert(parent.to_vec());
            return Ok(());
        }
        if name.starts_with(AUFS) {
            return Ok(());
        }
        if let Some(name) = name.strip_prefix(WHITEOUT) {
            if matches!(name, b"" | b"." | b"..") {
                return Err("a whiteout names nothing".into());
            }
            let slash: &[u8] = if parent.is_empty() { b"" } else { b"/" };
            self.whiteouts.insert([parent, slash, name].concat());
            return Ok(());
        }
        if path.is_empty() {
            // The root itself: runtimes take its metadata from the lowest layer.
            return Ok(());
        }
        let kind = match entry.kind {
            b'0' | b'7' | b'S' => EntryKind::File,
            b'1' => EntryKind::HardLink(normal(&entry.link)?),
            b'2' => EntryKind::Symlink(entry.link),
            b'3' => EntryKind::Special("a character device"),
            b'4' => EntryKind::Special("a block device"),
            b'5' => EntryKind::Directory,
            b'6' => EntryKind::Special("a named pipe"),
            _ => EntryKind::Special("of an unknown kind"),
        };
        if kind != EntryKind::Directory {
            // What unpacked first goes when something else takes the place of its directory.
            let below: Vec<_> = self.below(&path).map(|(path, _)| path.clone()).collect();
            for path in below {
                self.entries.remove(&path);
            }
        }
        self.entries.insert(path, Entry { kind, metadata: entry.metadata });
        Ok(())
    }

    fn below<'a>(&'a self, path: &[u8]) -> impl Iterator<Item = (&'a Vec<u8>, &'a Entry)> {
        let start = [path, b"/"].concat();
        let end = start.clone();
        self.entries.range(start..).take_while(move |(path, _)| path.starts_with(&end))
    }

    fn not_a_directory_above<'p>(&self, path: &'p [u8]) -> Option<&'p [u8]> {
        above(path).find(|top| {
            self.entries.get(*top).is_some_and(|entry| entry.kind != EntryKind::Directory)
        })
    }
}

/// The directories that lead to a path, the nearest first, without the root.
pub(super) fn above(path: &[u8]) -> impl Iterator<Item = &[u8]> {
    (0..path.len()).rev().filter(|i| path.get(*i) == Some(&b'/')).filter_map(|i| path.get(..i))
}

/// A name without `.` components and slashes at its ends. Absolute names mean the root of the image.
pub(super) fn normal(name: &[u8]) -> Result<Vec<u8>, String> {
    let refuse = |reason| Err(format!("the name `{}` {reason}", String::from_utf8_lossy(name)));
    if name.contains(&0) {
        return refuse("holds a NUL byte");
    }
    let mut out = Vec::with_capacity(name.len());
    for component in name.split(|b| *b == b'/') {
        match component {
            b"" | b"." => {}
            b".." => return refuse("has a `..` component"),
            _ => {
                if !out.is_empty() {
                    out.push(b'/');
                }
                out.extend_from_slice(component);
            }
        }
    }
    Ok(out)
}
