//! The files of layouts: where the layouts are, and whether each blob is what its name says.

use std::collections::BTreeSet;
use std::fmt;
use std::fs::{self, File};
use std::io::{self, ErrorKind};
use std::path::{Path, PathBuf};

use fleetfix_model::Digest;
use fleetfix_model::digest::Hasher;

use super::index;
use crate::Error;
use crate::judgement::Judged;

/// Deepest directory below a fleet's prefix that is looked into; ours are one or two deep.
const MAX_DEPTH: usize = 8;
/// Failed blobs that are listed one by one.
const MAX_LISTED: usize = 20;

/// What lies below a directory.
pub(super) struct Found {
    /// Directories that are layouts, or were.
    pub(super) layouts: BTreeSet<PathBuf>,
    /// Files that belong to none, and directories that were to become one.
    pub(super) strays: Vec<PathBuf>,
    /// Links to directories, which are not followed: one could lead back to where it lies.
    pub(super) linked: Vec<PathBuf>,
}

/// Finds every layout below `dir`.
pub(super) fn find(dir: &Path) -> Result<Found, Error> {
    let mut found = Found { layouts: BTreeSet::new(), strays: Vec::new(), linked: Vec::new() };
    let mut left = vec![(dir.to_owned(), 0)];
    while let Some((dir, depth)) = left.pop() {
        // The parent of a plain name is the empty path, which is no directory to the system.
        let here = if dir.as_os_str().is_empty() { Path::new(".") } else { dir.as_path() };
        for entry in fs::read_dir(here).map_err(Error::file("read", here))? {
            let path = dir.join(entry.map_err(Error::file("read", here))?.file_name());
            // Follows links, as readers of a layout do.
            let metadata = match fs::metadata(&path) {
                Ok(metadata) => metadata,
                Err(e) if e.kind() == ErrorKind::NotFound => continue,
                Err(e) => return Err(Error::file("read", path)(e)),
            };
            let name = path.file_name().and_then(|name| name.to_str()).unwrap_or_default();
            match (name, metadata.is_dir()) {
                ("blobs", true) | ("oci-layout" | "index.json", false) => {
                    found.layouts.insert(dir.clone());
                }
                (_, true) if path.is_symlink() => found.linked.push(path),
                (_, true) if depth < MAX_DEPTH => left.push((path, depth + 1)),
                (_, true | false) => found.strays.push(path),
            }
        }
    }
    let begun: Vec<PathBuf> = found.layouts.iter().filter(|dir| is_begun(dir)).cloned().collect();
    found.layouts.retain(|dir| !begun.contains(dir));
    found.strays.extend(begun);
    found.strays.sort();
    found.linked.sort();
    Ok(found)
}

/// True if a writer died while it made a layout here: no marker yet, so that no reader takes it for
/// one, and nothing in it that could be lost.
fn is_begun(dir: &Path) -> bool {
    let absent = |error: &Error| matches!(error, Error::File { source, .. } if source.kind() == ErrorKind::NotFound);
    let is_empty = |dir: &Path| match entries(dir) {
        Ok(paths) => paths.is_empty(),
        Err(error) => absent(&error),
    };
    let index = dir.join("index.json");
    !dir.join("oci-layout").exists()
        && (!index.exists() || index::check(dir).1.is_some_and(|index| index.entries.is_empty()))
        && is_empty(&dir.join("blobs/sha256"))
}

/// Hashes every file under `blobs/`.
pub(super) fn check_blobs(dir: &Path) -> Judged {
    let blobs = dir.join("blobs");
    let mut parts = Vec::new();
    let (mut count, mut size, mut bad) = (0_u64, 0_u64, 0_usize);
    let algorithms = match entries(&blobs) {
        Ok(algorithms) => algorithms,
        Err(error) => return unreadable("blobs", "", &error),
    };
    for algorithm in algorithms {
        let is_ours = algorithm.file_name().is_some_and(|name| name == "sha256");
        let files = match entries(&algorithm) {
            Ok(files) if is_ours => files,
            Err(error) if is_ours => return unreadable("blobs", "", &error),
            _ => vec![algorithm],
        };
        for file in files {
            match check_blob(&file) {
                Ok(bytes) => {
                    count += 1;
                    size += bytes;
                }
                Err(judged) => {
                    bad += 1;
                    if parts.len() < MAX_LISTED {
                        parts.push(judged);
                    }
                }
            }
        }
    }
    let detail = match bad {
        0 => format!("{count} blobs, {size} bytes, hashed"),
        _ => format!("{bad} of {} blobs are not what their names say", count + bad as u64),
    };
    Judged::all("blobs", "", parts).detail(detail)
}

/// A part of a layout that cannot be read; one that is missing is the layout's fault.
pub(super) fn unreadable(name: &str, subject: impl fmt::Display, error: &Error) -> Judged {
    let judged = Judged::error(name, subject, error);
    match error {
        Error::File { source, .. } if source.kind() == ErrorKind::NotFound => judged.refuse(),
        _ => judged,
    }
}

fn entries(dir: &Path) -> Result<Vec<PathBuf>, Error> {
    let mut paths = Vec::new();
    for entry in fs::read_dir(dir).map_err(Error::file("read", dir))? {
        paths.push(entry.map_err(Error::file("read", dir))?.path());
    }
    paths.sort();
    Ok(paths)
}

/// Opens what readers of a layout would read. Looked at before: opening a pipe waits for a writer, and
/// a device has no end.
pub(super) fn open(path: &Path) -> Result<File, Error> {
    let failed = |source| Error::File { action: "read", path: path.to_owned(), source };
    if !fs::metadata(path).map_err(failed)?.is_file() {
        // As if it were not there: nobody reads it.
        return Err(failed(io::Error::new(ErrorKind::NotFound, "it is no ordinary file")));
    }
    File::open(path).map_err(failed)
}

/// Hashes one blob; its size in bytes if it is what its name says.
fn check_blob(path: &Path) -> Result<u64, Judged> {
    let name = path.file_name().and_then(|name| name.to_str()).unwrap_or_default();
    let digest = format!("sha256:{name}")
        .parse::<Digest>()
        .map_err(|_| Judged::refused("blob", path.display(), "its name is no digest"))?;
    let hash = || -> Result<(Digest, u64), Error> {
        let mut hasher = Hasher::new();
        io::copy(&mut open(path)?, &mut hasher).map_err(Error::file("read", path))?;
        Ok(hasher.finish())
    };
    let (found, size) = hash().map_err(|error| unreadable("blob", digest, &error))?;
    if found == digest {
        Ok(size)
    } else {
        let detail = format!("{} holds {found}, {size} bytes", path.display());
        Err(Judged::refused("blob", digest, detail))
    }
}
