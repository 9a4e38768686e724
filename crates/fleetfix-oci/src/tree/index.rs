//! Reads one layer of a base: every entry's metadata, and which paths of the layers below it hides
//! (image-spec v1.1 layer.md).

use std::collections::{BTreeMap, BTreeSet};
use std::io::{self, Read};

use super::archive::RawEntry;
use super::content::{LayerFile, to_the_end, walk};
use super::packed::Content;
use super::remarks::Remarks;
use super::{Entry, EntryKind, LayerIndex, Limits};
use crate::Error;
use crate::checked::from_io;
use crate::layer::{MAX_PATH, WHITEOUT};

/// Name that hides everything below its directory.
const OPAQUE: &[u8] = b".wh..wh..opq";
/// Start of the names that AUFS kept for itself; Docker and containers/storage pass over them.
const AUFS: &[u8] = b".wh..wh.";

/// An index in the making.
#[derive(Debug, Default)]
struct Reading {
    entries: BTreeMap<Vec<u8>, Entry>,
    whiteouts: BTreeSet<Vec<u8>>,
    opaque: BTreeSet<Vec<u8>>,
    remarks: Remarks,
}

impl LayerIndex {
    /// Reads a layer to its end, plain or compressed with gzip or zstd. `subject` names it in messages. Give
    /// it a reader that checks the digest: it is read to its end too, also where the archive is broken,
    /// and wrong content is named as such rather than by what it broke.
    pub fn read(subject: &str, reader: impl Read, limits: &Limits) -> Result<Self, Error> {
        Self::read_showing(subject, reader, limits, |_| Ok(None))
    }

    /// [`Self::read`] that shows the content of every regular file to `visit`, as
    /// [`files`](super::files) does. What `visit` remarks of one is kept with the index, and must
    /// depend on nothing but the file.
    pub fn read_showing(
        subject: &str,
        reader: impl Read,
        limits: &Limits,
        mut visit: impl FnMut(LayerFile<'_>) -> io::Result<Option<String>>,
    ) -> Result<Self, Error> {
        let mut index = Reading::default();
        to_the_end(subject, reader, |reader| {
            walk(subject, reader, limits, |entry, content| {
                if entry.path.len() > MAX_PATH || entry.link.len() > MAX_PATH {
                    let (what, limit) = ("bytes in a path", MAX_PATH as u64);
                    return Err(Error::LayerLimit { subject: subject.to_owned(), what, limit });
                }
                let offset = entry.offset;
                let broken =
                    |reason| Error::Archive { subject: subject.to_owned(), offset, reason };
                let path = normal(&entry.path).map_err(broken)?;
                if entry.has_content() {
                    let (size, mode) = (entry.size, entry.metadata.mode);
                    let file = LayerFile { path: &path, offset, size, mode, content };
                    let remark = visit(file).map_err(|e| from_io(e, subject))?;
                    index.remarks.extend(remark.map(|remark| (offset, remark)));
                    if index.remarks.memory() > limits.memory {
                        let (what, limit) = ("bytes of remarks on its files", limits.memory);
                        return Err(Error::LayerLimit { subject: subject.to_owned(), what, limit });
                    }
                }
                index.add(path, entry).map_err(broken)
            })
        })?;
        Ok(Self::pack(index.entries, index.whiteouts, index.opaque, index.remarks))
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
        let metadata = entry.metadata;
        let kind = match entry.kind {
            b'0' | b'7' | b'S' => EntryKind::File(Content {
                offset: entry.offset,
                sparse: entry.sparse,
                linked: false,
            }),
            b'1' => {
                let target = normal(&entry.link)?;
                let linked = self.linked(&target);
                let missing = || Entry { kind: EntryKind::HardLink(target), metadata };
                self.insert(path, linked.unwrap_or_else(missing));
                return Ok(());
            }
            b'2' => EntryKind::Symlink(entry.link),
            b'3' => EntryKind::Special("a character device"),
            b'4' => EntryKind::Special("a block device"),
            b'5' => EntryKind::Directory,
            b'6' => EntryKind::Special("a named pipe"),
            _ => EntryKind::Special("of an unknown kind"),
        };
        self.insert(path, Entry { kind, metadata });
        Ok(())
    }

    /// What a hard link to `target` names: the file that is there now, which keeps its content and
    /// metadata when another one takes its name. `None`: nothing is there, so it lies in a lower layer.
    fn linked(&mut self, target: &[u8]) -> Option<Entry> {
        let there = self.entries.get_mut(target)?;
        match &mut there.kind {
            EntryKind::File(content) => content.linked = true,
            EntryKind::Directory => {
                let kind = EntryKind::Special("a hard link to a directory");
                return Some(Entry { kind, metadata: there.metadata.clone() });
            }
            EntryKind::Symlink(_) | EntryKind::HardLink(_) | EntryKind::Special(_) => {}
        }
        Some(there.clone())
    }

    fn insert(&mut self, path: Vec<u8>, entry: Entry) {
        if entry.kind != EntryKind::Directory {
            // What unpacked first goes when something else takes the place of its directory.
            let below: Vec<_> = self.below(&path).map(|(path, _)| path.clone()).collect();
            for path in below {
                self.entries.remove(&path);
            }
        }
        self.entries.insert(path, entry);
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
