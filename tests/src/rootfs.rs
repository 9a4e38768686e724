//! Unpacked images: what is in them, and where two differ.

use std::collections::BTreeMap;
use std::fs;
use std::os::unix::fs::{FileTypeExt, MetadataExt};
use std::path::{Path, PathBuf};

use rustix::fs::{XattrFlags, lgetxattr, llistxattr};
use sha2::{Digest, Sha256};

/// Every path below a root with all that a layer can say of it.
pub type Tree = BTreeMap<PathBuf, Entry>;

/// One file, directory, link or device.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Entry {
    /// `file`, `dir`, `link`, or the kind of device.
    pub kind: &'static str,
    /// Digest of the bytes of a file, or the target of a link.
    pub content: String,
    /// Permission bits with set-id and sticky bits.
    pub mode: u32,
    /// Owner and group.
    pub owner: (u32, u32),
    /// Seconds and nanoseconds of the last change.
    pub mtime: (i64, i64),
    /// Extended attributes.
    pub xattrs: BTreeMap<String, Vec<u8>>,
    /// Number of names of a file in the tree.
    pub links: u64,
}

/// Reads a tree.
///
/// # Panics
/// If it cannot be read.
pub fn read(root: &Path) -> Tree {
    let mut tree = Tree::new();
    let mut todo = vec![root.to_path_buf()];
    while let Some(path) = todo.pop() {
        let entry = entry(&path);
        if entry.kind == "dir" {
            let children =
                fs::read_dir(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
            todo.extend(children.map(|child| child.expect("a directory entry").path()));
        }
        let relative = path.strip_prefix(root).expect("is below the root").to_path_buf();
        tree.insert(Path::new("/").join(relative), entry);
    }
    tree
}

/// The paths at which two trees differ, each with what differs: `/usr/bin/app: content, mtime`.
pub fn differences(before: &Tree, after: &Tree) -> Vec<String> {
    let mut found = Vec::new();
    for (path, old) in before {
        match after.get(path) {
            None => found.push(format!("{}: gone", path.display())),
            Some(new) if new != old => {
                found.push(format!("{}: {}", path.display(), fields(old, new)));
            }
            Some(_) => {}
        }
    }
    let new = after.keys().filter(|path| !before.contains_key(*path));
    found.extend(new.map(|path| format!("{}: new", path.display())));
    found.sort();
    found
}

fn fields(old: &Entry, new: &Entry) -> String {
    let fields = [
        ("kind", old.kind != new.kind),
        ("content", old.content != new.content),
        ("mode", old.mode != new.mode),
        ("owner", old.owner != new.owner),
        ("mtime", old.mtime != new.mtime),
        ("xattrs", old.xattrs != new.xattrs),
        ("links", old.links != new.links),
    ];
    fields
        .iter()
        .filter(|(_, differs)| *differs)
        .map(|(name, _)| *name)
        .collect::<Vec<_>>()
        .join(", ")
}

fn entry(path: &Path) -> Entry {
    let metadata =
        fs::symlink_metadata(path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
    let kind = metadata.file_type();
    let link = || fs::read_link(path).expect("a link's target").to_string_lossy().into_owned();
    let (name, content) = match () {
        () if kind.is_file() => ("file", digest(path)),
        () if kind.is_dir() => ("dir", String::new()),
        () if kind.is_symlink() => ("link", link()),
        () if kind.is_char_device() => ("character device", metadata.rdev().to_string()),
        () if kind.is_block_device() => ("block device", metadata.rdev().to_string()),
        () => ("pipe or socket", String::new()),
    };
    Entry {
        kind: name,
        content,
        mode: metadata.mode() & 0o7777,
        owner: (metadata.uid(), metadata.gid()),
        mtime: (metadata.mtime(), metadata.mtime_nsec()),
        xattrs: xattrs(path),
        // A directory's count is its number of children.
        links: if kind.is_dir() { 0 } else { metadata.nlink() },
    }
}

fn digest(path: &Path) -> String {
    let bytes = fs::read(path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
    hex::encode(Sha256::digest(bytes))
}

fn xattrs(path: &Path) -> BTreeMap<String, Vec<u8>> {
    let mut names = vec![0; 1 << 16];
    let length = llistxattr(path, &mut names[..]).expect("the names of attributes");
    let names = names[..length].split(|byte| *byte == 0).filter(|name| !name.is_empty());
    let value = |name: &str| {
        let mut value = vec![0; 1 << 16];
        let length = lgetxattr(path, name, &mut value[..]).expect("an attribute's value");
        value[..length].to_vec()
    };
    names
        .map(|name| String::from_utf8_lossy(name).into_owned())
        .map(|name| (name.clone(), value(&name)))
        .collect()
}

/// Sets an extended attribute; for tests of this module.
///
/// # Panics
/// If the file system refuses.
pub fn set_xattr(path: &Path, name: &str, value: &[u8]) {
    rustix::fs::lsetxattr(path, name, value, XattrFlags::empty()).expect("an attribute is set");
}
