//! Changes from a directory that is laid out as the image is, or has one such tree for each
//! architecture.

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::io::{self, Read};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicUsize, Ordering};

use fleetfix_model::Digest;
use fleetfix_model::digest::Hasher;
use fleetfix_model::name::ImagePath;
use fleetfix_oci::change::{Action, Change};
use fleetfix_oci::metadata::Mtime;

use crate::Error;
use crate::job::{Changes, Files};

/// Files that are hashed at a time.
const AT_ONCE: usize = 4;

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
    let mut found = Found::default();
    let changes = match top.iter().filter(is_architecture).count() {
        0 => {
            found.walk(dir, "", 0)?;
            let mut changes = removed;
            changes.extend(found.changes(create, &mut files)?);
            Changes::Same(changes)
        }
        n if n == top.len() => {
            let mut of_each = Vec::new();
            for dir in top {
                let start = found.files.len();
                found.walk(&dir, "", 0)?;
                of_each.push((name(&dir).unwrap_or_default(), start..found.files.len()));
            }
            let all = found.changes(create, &mut files)?;
            let mut by_architecture = BTreeMap::new();
            for (architecture, range) in of_each {
                let mut changes = removed.clone();
                changes.extend_from_slice(all.get(range).unwrap_or_default());
                by_architecture.insert(architecture, changes);
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

/// A file on disk, where it goes, and the mode that a new one gets.
struct New {
    path: PathBuf,
    inside: ImagePath,
    mode: u32,
}

#[derive(Default)]
struct Found {
    files: Vec<New>,
}

impl Found {
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
            if self.files.len() >= MAX_FILES {
                return Err(refuse(&path, "is one file too many"));
            }
            let inside =
                inside.parse().map_err(|_| refuse(&path, "cannot be a path in an image"))?;
            // For a new file only. The one thing that is read of its own metadata: a program stays
            // one, whatever the umask was.
            let executable = metadata.permissions().mode() & 0o100 != 0;
            let mode = if executable { 0o755 } else { 0o644 };
            self.files.push(New { path, inside, mode });
        }
        Ok(())
    }

    /// One change for each file, hashed on several threads.
    fn changes(&self, create: bool, files: &mut Files) -> Result<Vec<Change>, Error> {
        let next = AtomicUsize::new(0);
        let hash = || {
            let mut hashed = Vec::new();
            loop {
                let at = next.fetch_add(1, Ordering::Relaxed);
                let Some(new) = self.files.get(at) else { return hashed };
                hashed.push((at, hash(&new.path)));
            }
        };
        let hashed = std::thread::scope(|scope| {
            // A host that grants no threads does it here.
            let spawn = |_| std::thread::Builder::new().spawn_scoped(scope, hash).ok();
            let others: Vec<_> = (1..AT_ONCE.min(self.files.len())).filter_map(spawn).collect();
            let mut hashed = hash();
            for other in others {
                hashed.extend(other.join().map_err(|_| Error::Abandoned { what: "a new file" })?);
            }
            Ok::<_, Error>(hashed)
        })?;
        let hashed: BTreeMap<usize, Result<(Digest, u64), Error>> = hashed.into_iter().collect();
        let mut changes = Vec::with_capacity(self.files.len());
        for (new, (_, hashed)) in self.files.iter().zip(hashed) {
            let (digest, size) = hashed?;
            files.entry(digest).or_insert_with(|| new.path.clone());
            let action = Action::Write {
                size,
                digest,
                create: create.then_some(new.mode),
                mode: None,
                uid: None,
                gid: None,
                mtime: Mtime::default(),
            };
            changes.push(Change { path: new.inside.clone(), action });
        }
        Ok(changes)
    }
}

fn hash(path: &Path) -> Result<(Digest, u64), Error> {
    let mut hasher = Hasher::new();
    let mut file = File::open(path).map_err(failed(path))?.take(MAX_SIZE + 1);
    let mut buffer = vec![0; 128 << 10];
    loop {
        match file.read(&mut buffer) {
            Ok(0) => break,
            Ok(n) => hasher.update(buffer.get(..n).unwrap_or_default()),
            Err(e) if e.kind() == io::ErrorKind::Interrupted => {}
            Err(e) => return Err(failed(path)(e)),
        }
    }
    let (digest, size) = hasher.finish();
    if size > MAX_SIZE {
        return Err(Error::NotContent { path: path.to_owned(), problem: "has more than 4 GiB" });
    }
    Ok((digest, size))
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
