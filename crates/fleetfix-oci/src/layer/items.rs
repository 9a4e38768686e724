//! What goes into a layer. The same items make the same bytes, so items are a key under which a
//! finished layer can be used again.

use std::collections::BTreeMap;

use fleetfix_model::Digest;

use crate::Error;
use crate::metadata::Metadata;

/// Longest path, in bytes: Linux' `PATH_MAX`.
pub(crate) const MAX_PATH: usize = 4096;
/// Prefix of the names that remove a path of the layers below (image-spec v1.1 layer.md,
/// "Whiteouts").
pub(crate) const WHITEOUT: &[u8] = b".wh.";

/// One entry of a layer.
#[derive(Clone, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub struct Item {
    /// Path without a slash at either end.
    pub path: Vec<u8>,
    /// What it is.
    pub kind: Kind,
    /// Its metadata.
    pub metadata: Metadata,
}

impl Item {
    /// The path for messages.
    pub fn display(&self) -> String {
        display(&self.path)
    }
}

/// What an entry is.
#[derive(Clone, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub enum Kind {
    /// A directory.
    Directory,
    /// A regular file.
    File {
        /// Size in bytes.
        size: u64,
        /// Digest of the content.
        digest: Digest,
    },
    /// An empty file whose name removes a path below.
    Whiteout,
}

/// The entries of a layer: one for each path, in the order of their bytes, so that a directory
/// stands before what is in it.
#[derive(Clone, Debug, Default, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub struct Items(BTreeMap<Vec<u8>, Item>);

impl Items {
    /// The entries in their order.
    pub fn iter(&self) -> impl Iterator<Item = &Item> {
        self.0.values()
    }

    /// True if nothing can be seen any more of a file that layers below have at `path`.
    pub fn hides(&self, path: &[u8]) -> bool {
        self.iter().any(|item| match item.kind {
            Kind::Directory => false,
            Kind::File { .. } => item.path == path,
            Kind::Whiteout => is_at_or_below(path, &target(&item.path)),
        })
    }

    /// Adds a directory; again with the same metadata changes nothing.
    pub fn directory(&mut self, path: &[u8], metadata: Metadata) -> Result<(), Error> {
        if let Some(there) = self.0.get(path)
            && (&there.kind, &there.metadata) == (&Kind::Directory, &metadata)
        {
            return Ok(());
        }
        self.add(path, Kind::Directory, metadata)
    }

    /// Adds a regular file.
    pub fn file(
        &mut self,
        path: &[u8],
        metadata: Metadata,
        size: u64,
        digest: Digest,
    ) -> Result<(), Error> {
        self.add(path, Kind::File { size, digest }, metadata)
    }

    /// Removes a path of the layers below.
    pub fn remove(&mut self, path: &[u8]) -> Result<(), Error> {
        check(path)?;
        if self.0.keys().any(|other| is_at_or_below(other, path)) {
            return Err(conflict(path, "it is removed, and something at or below it is written"));
        }
        let split = path.iter().rposition(|b| *b == b'/').map_or(0, |slash| slash + 1);
        let (parent, name) = path.split_at(split);
        let path = [parent, WHITEOUT, name].concat();
        let metadata = Metadata { mode: 0o644, ..Metadata::default() };
        self.insert(path, Kind::Whiteout, metadata)
    }

    fn add(&mut self, path: &[u8], kind: Kind, metadata: Metadata) -> Result<(), Error> {
        check(path)?;
        let removed = self.0.values().filter(|item| item.kind == Kind::Whiteout);
        for whiteout in removed {
            if is_at_or_below(path, &target(&whiteout.path)) {
                return Err(conflict(path, "it is written, and it or a parent is removed"));
            }
        }
        self.insert(path.to_vec(), kind, metadata)
    }

    fn insert(&mut self, path: Vec<u8>, kind: Kind, metadata: Metadata) -> Result<(), Error> {
        if self.0.contains_key(&path) {
            return Err(conflict(&path, "two changes lead to it"));
        }
        self.0.insert(path.clone(), Item { path, kind, metadata });
        Ok(())
    }
}

/// Shows a path as an absolute one.
pub fn display(path: &[u8]) -> String {
    format!("/{}", String::from_utf8_lossy(path))
}

fn is_at_or_below(path: &[u8], top: &[u8]) -> bool {
    path.strip_prefix(top).is_some_and(|rest| rest.is_empty() || rest.starts_with(b"/"))
}

/// The path that a whiteout removes.
fn target(whiteout: &[u8]) -> Vec<u8> {
    let split = whiteout.iter().rposition(|b| *b == b'/').map_or(0, |slash| slash + 1);
    let (parent, name) = whiteout.split_at(split);
    [parent, name.strip_prefix(WHITEOUT).unwrap_or(name)].concat()
}

fn conflict(path: &[u8], reason: &'static str) -> Error {
    Error::Conflict { path: display(path), reason }
}

/// A path that a layer can hold and every runtime reads the same way.
fn check(path: &[u8]) -> Result<(), Error> {
    let refuse = |reason| Err(Error::BadPath { path: display(path), reason });
    if path.len() > MAX_PATH {
        return refuse("it is longer than 4096 bytes");
    }
    if path.contains(&0) {
        return refuse("it holds a NUL byte");
    }
    for component in path.split(|b| *b == b'/') {
        if matches!(component, b"" | b"." | b"..") {
            return refuse("it has an empty, `.` or `..` component");
        }
        if component.starts_with(WHITEOUT) {
            return refuse("`.wh.` at the start of a name means that a file is removed");
        }
    }
    Ok(())
}
