//! What one layer of a base says about paths, in one run of bytes: small in memory, and the form in
//! which it is kept on disk. A function of the layer's digest alone.
//!
//! The bytes are the entries in the order of their paths, then the paths that are removed, then the
//! directories that are opaque, then what was remarked of contents: each a count and its items. Numbers are little-endian base 128,
//! strings have their length before them.

use std::collections::{BTreeMap, BTreeSet};

use super::index::above;
use super::remarks::Remarks;
use crate::layer::MAX_PATH;
use crate::metadata::{Metadata, Mtime};

/// One entry.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Entry {
    /// What it is.
    pub kind: EntryKind,
    /// Its metadata. Of a hard link to a lower layer it is its target's, not this.
    pub metadata: Metadata,
}

/// What an entry of a base is.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum EntryKind {
    /// A regular file.
    File(Content),
    /// A directory.
    Directory,
    /// A symbolic link and its text.
    Symlink(Vec<u8>),
    /// A hard link to what its layer did not have when it was read: the path of its target in a
    /// layer below.
    HardLink(Vec<u8>),
    /// A device, a pipe or what else there is.
    Special(&'static str),
}

/// Which content of a layer a file has. All names of one file have the same: a hard link names the
/// file that was there when the link was read, whatever takes its place in the layer later.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Content {
    /// Where the header before it starts in the unpacked archive, in bytes.
    pub offset: u64,
    /// True if it is not the file's as it is, but a map and what is mapped.
    pub sparse: bool,
    /// True if the file had another name in the layer at some time.
    pub linked: bool,
}

/// Kinds that are not told apart further, by their number in the bytes less [`SPECIAL`].
const SPECIALS: [&str; 5] = [
    "a character device",
    "a block device",
    "a named pipe",
    "a hard link to a directory",
    "of an unknown kind",
];
const SPECIAL: u64 = 4;

/// All entries of one layer.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct LayerIndex {
    bytes: Vec<u8>,
    /// Where each entry starts.
    pub(super) entries: Vec<u32>,
    whiteouts: BTreeSet<Vec<u8>>,
    opaque: BTreeSet<Vec<u8>>,
    pub(super) remarks: Remarks,
}

impl LayerIndex {
    pub(super) fn pack(
        entries: BTreeMap<Vec<u8>, Entry>,
        whiteouts: BTreeSet<Vec<u8>>,
        opaque: BTreeSet<Vec<u8>>,
        remarks: Remarks,
    ) -> Self {
        let mut bytes = Vec::new();
        let mut starts = Vec::with_capacity(entries.len());
        put(&mut bytes, entries.len() as u64);
        for (path, entry) in entries {
            // The caps on what is read of a layer keep this far below 4 GiB.
            starts.push(u32::try_from(bytes.len()).unwrap_or(u32::MAX));
            put_bytes(&mut bytes, &path);
            put_entry(&mut bytes, &entry);
        }
        for set in [&whiteouts, &opaque] {
            put(&mut bytes, set.len() as u64);
            for path in set {
                put_bytes(&mut bytes, path);
            }
        }
        put(&mut bytes, remarks.len() as u64);
        for (offset, remark) in remarks.iter() {
            put(&mut bytes, offset);
            put_bytes(&mut bytes, remark.as_bytes());
        }
        bytes.shrink_to_fit();
        Self { bytes, entries: starts, whiteouts, opaque, remarks }
    }

    /// The index as bytes.
    pub fn as_bytes(&self) -> &[u8] {
        &self.bytes
    }

    /// The index that these bytes are; `None`: they are none. All of them are looked at.
    pub fn from_bytes(bytes: Vec<u8>) -> Option<Self> {
        u32::try_from(bytes.len()).ok()?;
        let mut input = Input { bytes: &bytes, at: 0 };
        let count = input.count()?;
        let mut entries = Vec::with_capacity(count);
        let mut last: Option<&[u8]> = None;
        for _ in 0..count {
            entries.push(u32::try_from(input.at).ok()?);
            let path = input.path()?;
            input.entry()?;
            if path.is_empty() || last.is_some_and(|last| last >= path) {
                return None;
            }
            last = Some(path);
        }
        let mut sets = [BTreeSet::new(), BTreeSet::new()];
        for set in &mut sets {
            for _ in 0..input.count()? {
                if !set.insert(input.path()?.to_vec()) {
                    return None;
                }
            }
        }
        let [whiteouts, opaque] = sets;
        let mut remarks = Remarks::default();
        for _ in 0..input.count()? {
            let (offset, remark) = (input.number()?, input.string()?);
            if !remarks.add(offset, String::from_utf8(remark.to_vec()).ok()?) {
                return None;
            }
        }
        (input.at == bytes.len()).then_some(Self { bytes, entries, whiteouts, opaque, remarks })
    }

    /// How many entries there are.
    pub fn len(&self) -> usize {
        self.entries.len()
    }

    /// True if there are none.
    pub fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }

    /// About how much memory it takes, in bytes.
    pub fn memory(&self) -> u64 {
        let sets = self.whiteouts.iter().chain(&self.opaque).map(|path| path.len() as u64 + 48);
        let lists = 4 * self.entries.len() as u64 + self.remarks.memory();
        self.bytes.len() as u64 + lists + sets.sum::<u64>()
    }

    /// The entry at a path.
    pub fn get(&self, path: &[u8]) -> Option<Entry> {
        let at = self.from(path);
        let (found, entry) = self.at(at)?;
        (found == path).then_some(entry)
    }

    /// True if the layer must have a directory at `path` although no entry describes it.
    pub(super) fn implies(&self, path: &[u8]) -> bool {
        let below = [path, b"/"].concat();
        self.opaque.contains(path)
            || self.path(self.from(&below)).is_some_and(|next| next.starts_with(&below))
    }

    /// True if whatever the layers below have at `path` cannot be seen.
    pub(super) fn hides(&self, path: &[u8]) -> bool {
        let hidden_by = |top: &[u8]| {
            self.whiteouts.contains(top)
                || self.opaque.contains(top)
                || self.get(top).is_some_and(|entry| entry.kind != EntryKind::Directory)
        };
        self.whiteouts.contains(path)
            || self.opaque.contains(&b""[..])
            || above(path).any(hidden_by)
    }

    /// Other names of the file at `path`, sorted; of one that links to a lower layer, its target too.
    pub(super) fn hard_links(&self, path: &[u8]) -> Vec<Vec<u8>> {
        let own = match self.get(path).map(|entry| entry.kind) {
            Some(EntryKind::File(Content { linked: false, .. })) | None => return Vec::new(),
            Some(own) => own,
        };
        let target = match &own {
            EntryKind::HardLink(target) => Some(target.clone()),
            _ => None,
        };
        let entries = (0..self.len()).filter_map(|at| self.at(at));
        let linked = entries.filter(|(_, entry)| entry.kind == own);
        let mut names: Vec<_> = linked.map(|(name, _)| name.to_vec()).chain(target).collect();
        names.retain(|name| name != path);
        names.sort();
        names.dedup();
        names
    }

    /// Number of the first entry at or after `path`.
    fn from(&self, path: &[u8]) -> usize {
        let before = |start: &u32| self.input(*start).path().is_some_and(|found| found < path);
        self.entries.partition_point(before)
    }

    /// The path of an entry by its number.
    pub(super) fn path(&self, at: usize) -> Option<&[u8]> {
        self.input(*self.entries.get(at)?).path()
    }

    /// An entry by its number.
    pub(super) fn at(&self, at: usize) -> Option<(&[u8], Entry)> {
        let mut input = self.input(*self.entries.get(at)?);
        Some((input.path()?, input.entry()?))
    }

    fn input(&self, start: u32) -> Input<'_> {
        Input { bytes: &self.bytes, at: usize::try_from(start).unwrap_or(usize::MAX) }
    }
}

fn put(out: &mut Vec<u8>, mut number: u64) {
    loop {
        let [low, ..] = (number & 0x7f).to_le_bytes();
        number >>= 7;
        out.push(if number == 0 { low } else { low | 0x80 });
        if number == 0 {
            return;
        }
    }
}

fn put_bytes(out: &mut Vec<u8>, bytes: &[u8]) {
    put(out, bytes.len() as u64);
    out.extend_from_slice(bytes);
}

fn put_entry(out: &mut Vec<u8>, entry: &Entry) {
    match &entry.kind {
        EntryKind::File(Content { offset, sparse, linked }) => {
            put(out, 0);
            put(out, *offset);
            put(out, u64::from(*sparse) << 1 | u64::from(*linked));
        }
        EntryKind::Directory => put(out, 1),
        EntryKind::Symlink(text) => {
            put(out, 2);
            put_bytes(out, text);
        }
        EntryKind::HardLink(target) => {
            put(out, 3);
            put_bytes(out, target);
        }
        EntryKind::Special(kind) => {
            let number = SPECIALS.iter().position(|known| known == kind);
            put(out, SPECIAL + number.unwrap_or(SPECIALS.len() - 1) as u64);
        }
    }
    let Metadata { mode, uid, gid, mtime, xattrs } = &entry.metadata;
    put(out, u64::from(*mode));
    put(out, *uid);
    put(out, *gid);
    put(out, mtime.seconds.cast_unsigned());
    put(out, u64::from(mtime.nanos));
    put(out, xattrs.len() as u64);
    for (name, value) in xattrs {
        put_bytes(out, name);
        put_bytes(out, value);
    }
}

/// Bytes that are read from the front; `None` wherever they are not what was written.
struct Input<'a> {
    bytes: &'a [u8],
    at: usize,
}

impl<'a> Input<'a> {
    fn number(&mut self) -> Option<u64> {
        let mut number = 0_u64;
        for shift in (0..64).step_by(7) {
            let byte = *self.bytes.get(self.at)?;
            self.at += 1;
            let low = u64::from(byte & 0x7f);
            let shifted = low << shift;
            if shifted >> shift != low {
                return None;
            }
            number |= shifted;
            if byte & 0x80 == 0 {
                return Some(number);
            }
        }
        None
    }

    /// How many items follow. None is smaller than a byte.
    fn count(&mut self) -> Option<usize> {
        let count = usize::try_from(self.number()?).ok()?;
        (count <= self.bytes.len() - self.at).then_some(count)
    }

    fn string(&mut self) -> Option<&'a [u8]> {
        let length = self.count()?;
        let string = self.bytes.get(self.at..self.at + length)?;
        self.at += length;
        Some(string)
    }

    fn path(&mut self) -> Option<&'a [u8]> {
        self.string().filter(|path| path.len() <= MAX_PATH)
    }

    fn entry(&mut self) -> Option<Entry> {
        let kind = match self.number()? {
            0 => {
                let (offset, flags) = (self.number()?, self.number()?);
                let content = Content { offset, sparse: flags & 2 != 0, linked: flags & 1 != 0 };
                EntryKind::File(Some(content).filter(|_| flags < 4)?)
            }
            1 => EntryKind::Directory,
            2 => EntryKind::Symlink(self.path()?.to_vec()),
            3 => EntryKind::HardLink(self.path()?.to_vec()),
            special => {
                let number = usize::try_from(special - SPECIAL).ok()?;
                EntryKind::Special(SPECIALS.get(number)?)
            }
        };
        let mode = u32::try_from(self.number()?).ok().filter(|mode| *mode <= 0o7777)?;
        let (uid, gid) = (self.number()?, self.number()?);
        let seconds = self.number()?.cast_signed();
        let nanos = u32::try_from(self.number()?).ok().filter(|nanos| *nanos < 1_000_000_000)?;
        let mut xattrs = BTreeMap::new();
        for _ in 0..self.count()? {
            xattrs.insert(self.string()?.to_vec(), self.string()?.to_vec());
        }
        let metadata = Metadata { mode, uid, gid, mtime: Mtime { seconds, nanos }, xattrs };
        Some(Entry { kind, metadata })
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn kind() -> impl Strategy<Value = EntryKind> {
        let text = || prop::collection::vec(any::<u8>(), 0..9);
        prop_oneof![
            (any::<u64>(), any::<bool>(), any::<bool>()).prop_map(|(offset, sparse, linked)| {
                EntryKind::File(Content { offset, sparse, linked })
            }),
            Just(EntryKind::Directory),
            text().prop_map(EntryKind::Symlink),
            text().prop_map(EntryKind::HardLink),
            (0..5_usize).prop_map(|i| EntryKind::Special(SPECIALS[i])),
        ]
    }

    fn entry() -> impl Strategy<Value = Entry> {
        let text = || prop::collection::vec(any::<u8>(), 0..5);
        let xattrs = prop::collection::btree_map(text(), text(), 0..3);
        let time = (any::<i64>(), 0..1_000_000_000_u32);
        (kind(), 0..0o10_000_u32, any::<u64>(), any::<u64>(), time, xattrs).prop_map(
            |(kind, mode, uid, gid, (seconds, nanos), xattrs)| {
                let mtime = Mtime { seconds, nanos };
                Entry { kind, metadata: Metadata { mode, uid, gid, mtime, xattrs } }
            },
        )
    }

    type Parts = (BTreeMap<Vec<u8>, Entry>, BTreeSet<Vec<u8>>, BTreeSet<Vec<u8>>, Remarks);

    fn parts() -> impl Strategy<Value = Parts> {
        let path = || "[a-c]{1,2}(/[a-c]{1,2}){0,2}".prop_map(String::into_bytes);
        let set = || prop::collection::btree_set(path(), 0..4);
        let remarks = prop::collection::btree_map(any::<u64>(), ".{0,5}", 0..3);
        let remarks = remarks.prop_map(|remarks| {
            let mut all = Remarks::default();
            all.extend(remarks);
            all
        });
        (prop::collection::btree_map(path(), entry(), 0..9), set(), set(), remarks)
    }

    proptest! {
        #[test]
        fn what_is_packed_is_found((entries, whiteouts, opaque, remarks) in parts(), other in "[a-c]{1,2}(/[a-c]){0,2}") {
            let index = LayerIndex::pack(entries.clone(), whiteouts, opaque, remarks);
            prop_assert_eq!(index.len(), entries.len());
            for (path, entry) in &entries {
                prop_assert_eq!(index.get(path), Some(entry.clone()));
            }
            let other = other.as_bytes();
            prop_assert_eq!(index.get(other), entries.get(other).cloned());
            let implied = entries.keys().any(|path| path.starts_with(&[other, b"/"].concat()));
            prop_assert!(index.implies(other) == (implied || index.opaque.contains(other)));
            let again = LayerIndex::from_bytes(index.as_bytes().to_vec());
            prop_assert_eq!(again, Some(index));
        }

        #[test]
        fn other_bytes_are_refused_or_another_index((entries, whiteouts, opaque, remarks) in parts(), at in any::<prop::sample::Index>(), bit in 0..8_u8, cut in any::<bool>()) {
            let index = LayerIndex::pack(entries, whiteouts, opaque, remarks);
            let mut bytes = index.as_bytes().to_vec();
            let at = at.index(bytes.len());
            if cut { bytes.truncate(at) } else { bytes[at] ^= 1 << bit }
            if let Some(other) = LayerIndex::from_bytes(bytes) {
                prop_assert!(other.len() <= other.as_bytes().len());
                for at in 0..other.len() {
                    prop_assert!(other.at(at).is_some());
                }
            }
        }

        #[test]
        fn any_bytes(bytes in prop::collection::vec(any::<u8>(), 0..64)) {
            let _ = LayerIndex::from_bytes(bytes);
        }
    }
}
