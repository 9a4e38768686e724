//! Changes from a directory that is laid out as the image is, or has one such tree for each
//! architecture.

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::io::{self, Read};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use fleetfix_model::digest::Hasher;
use fleetfix_model::name::ImagePath;
use fleetfix_oci::change::{Action, Change};
use fleetfix_oci::metadata::Mtime;

use crate::Error;
use crate::job::{Changes, Files};

/// Go's names of architectures that Linux runs on (`go tool dist list`). A directory that holds
/// nothing else at its top is laid out by architecture.
const ARCHITECTURES: [&str; 13] = [
    "386", "amd64", "arm", "arm64", "loong64", "mips", "mips64", "mips64le", "mipsle", "ppc64",
    "ppc64le", "riscv64", "s390x",
];
/// Most files of one patch.
const MAX_FILES: usize = 10_000;
/// Deepest directory that is looked into.
const MAX_DEPTH: usize = 64;
/// Largest file, in bytes.
const MAX_SIZE: u64 = 4 << 30;

/// Reads all files below `dir`; with `create`, those that the base does not have are new ones.
/// Blocks, and hashes every file.
pub fn read(dir: &Path, create: bool, remove: &[ImagePath]) -> Result<(Changes, Files), Error> {
    let mut files = Files::new();
    let top = list(dir)?;
    let name = |path: &PathBuf| path.file_name()?.to_str().map(str::to_owned);
    let is_architecture =
        |path: &&PathBuf| name(path).is_some_and(|name| ARCHITECTURES.contains(&name.as_str()));
    let removed = remove.iter().map(|path| Change { path: path.clone(), action: Action::Remove });
    let removed: Vec<Change> = removed.collect();
    let changes = match top.iter().filter(is_architecture).count() {
        0 => {
            let mut tree = Tree { create, files: &mut files, changes: removed };
            tree.walk(dir, "", 0)?;
            Changes::Same(tree.changes)
        }
        n if n == top.len() => {
            let mut by_architecture = BTreeMap::new();
            for dir in top {
                let mut tree = Tree { create, files: &mut files, changes: removed.clone() };
                tree.walk(&dir, "", 0)?;
                by_architecture.insert(name(&dir).unwrap_or_default(), tree.changes);
            }
            Changes::Each(by_architecture)
        }
        _ => {
            let problem = "mixes directories named for architectures with others";
            return Err(Error::NotContent { path: dir.to_owned(), problem });
        }
    };
    let nothing = match &changes {
        Changes::Same(changes) => changes.is_empty(),
        Changes::Each(each) => each.values().any(Vec::is_empty),
    };
    if nothing { Err(Error::NoFiles { dir: dir.to_owned() }) } else { Ok((changes, files)) }
}

struct Tree<'a> {
    create: bool,
    files: &'a mut Files,
    changes: Vec<Change>,
}

impl Tree<'_> {
    fn walk(&mut self, dir: &Path, inside: &str, depth: usize) -> Result<(), Error> {
        let refuse = |path: &Path, problem| Error::NotContent { path: path.to_owned(), problem };
        if depth > MAX_DEPTH {
            return Err(refuse(dir, "is too deep"));
        }
        for path in list(dir)? {
            let name = path.file_name().and_then(|name| name.to_str());
            let name = name.ok_or_else(|| refuse(&path, "has a name that is not UTF-8"))?;
            let inside = format!("{inside}/{name}");
            let metadata = fs::symlink_metadata(&path).map_err(failed(&path))?;
            if metadata.is_dir() {
                self.walk(&path, &inside, depth + 1)?;
                continue;
            }
            if !metadata.is_file() {
                return Err(refuse(&path, "is neither a file nor a directory"));
            }
            if self.changes.len() >= MAX_FILES {
                return Err(refuse(&path, "is one file too many"));
            }
            let inside =
                inside.parse().map_err(|_| refuse(&path, "cannot be a path in an image"))?;
            // For a new file only. The one thing that is read of its own metadata: a program stays
            // one, whatever the umask was.
            let executable = metadata.permissions().mode() & 0o100 != 0;
            let mode = if executable { 0o755 } else { 0o644 };
            self.add(path, inside, mode)?;
        }
        Ok(())
    }

    fn add(&mut self, path: PathBuf, inside: ImagePath, mode: u32) -> Result<(), Error> {
        let mut hasher = Hasher::new();
        let file = File::open(&path).map_err(failed(&path))?;
        io::copy(&mut file.take(MAX_SIZE + 1), &mut hasher).map_err(failed(&path))?;
        let (digest, size) = hasher.finish();
        if size > MAX_SIZE {
            return Err(Error::NotContent { path, problem: "has more than 4 GiB" });
        }
        self.files.entry(digest).or_insert(path);
        let action = Action::Write {
            size,
            digest,
            create: self.create.then_some(mode),
            mode: None,
            uid: None,
            gid: None,
            mtime: Mtime::default(),
        };
        self.changes.push(Change { path: inside, action });
        Ok(())
    }
}

/// What is in a directory, sorted: its own order is the file system's.
fn list(dir: &Path) -> Result<Vec<PathBuf>, Error> {
    let entries = fs::read_dir(dir).map_err(failed(dir))?;
    let mut paths: Vec<PathBuf> = entries
        .map(|entry| entry.map(|entry| entry.path()))
        .collect::<io::Result<_>>()
        .map_err(failed(dir))?;
    paths.sort();
    Ok(paths)
}

fn failed(path: &Path) -> impl FnOnce(io::Error) -> Error {
    let path = path.to_owned();
    move |source| Error::Content { path, source }
}
