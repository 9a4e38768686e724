//! Files: read with a cap, written whole or not at all.

use std::fs::{File, Permissions};
use std::io::{Read, Write};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use tempfile::NamedTempFile;

use crate::Error;

/// Mode of what others may read.
pub(crate) const SHARED: u32 = 0o644;
/// Mode of keys and other secrets.
const PRIVATE: u32 = 0o600;

/// All bytes of a file that has at most `max`.
pub fn read_bounded(path: &Path, max: u64) -> Result<Vec<u8>, Error> {
    let failed = |source| Error::Read { path: path.to_owned(), source };
    let mut bytes = Vec::new();
    // One byte more than the cap tells "full" from "too large", whatever the metadata claims.
    let read = File::open(path)
        .and_then(|file| file.take(max.saturating_add(1)).read_to_end(&mut bytes))
        .map_err(failed)?;
    if read as u64 > max {
        return Err(Error::TooLarge { path: path.to_owned(), max });
    }
    Ok(bytes)
}

/// Writes a file that others may read (mode 0644 whatever the umask): the old content or the new
/// one is there at any time, also after a crash.
pub fn write_atomic(path: &Path, bytes: &[u8]) -> Result<(), Error> {
    prepare(path, bytes, SHARED)?.commit()
}

/// As [`write_atomic`], readable by its owner only (mode 0600): for keys.
pub fn write_atomic_private(path: &Path, bytes: &[u8]) -> Result<(), Error> {
    prepare(path, bytes, PRIVATE)?.commit()
}

/// A file that is complete on disk and has not taken its name. Dropped, it is gone.
pub(crate) struct Prepared {
    file: NamedTempFile,
    path: PathBuf,
}

pub(crate) fn prepare(path: &Path, bytes: &[u8], mode: u32) -> Result<Prepared, Error> {
    let failed = |source| Error::Write { path: path.to_owned(), source };
    // In the same directory, because a rename is atomic inside one file system only. The error's
    // text would name the random path.
    let mut file = tempfile::Builder::new()
        .prefix(".fleetfix-")
        .tempfile_in(directory(path))
        .map_err(|e| failed(e.kind().into()))?;
    let write = |file: &mut NamedTempFile| {
        file.write_all(bytes)?;
        file.as_file().set_permissions(Permissions::from_mode(mode))?;
        file.as_file().sync_all()
    };
    write(&mut file).map_err(failed)?;
    Ok(Prepared { file, path: path.to_owned() })
}

impl Prepared {
    pub(crate) fn commit(self) -> Result<(), Error> {
        let Self { file, path } = self;
        let directory = directory(&path).to_owned();
        let done = file.persist(&path).map_err(|e| e.error);
        // The name is only safe once the directory is on disk too.
        done.and_then(|_| File::open(directory)?.sync_all())
            .map_err(|source| Error::Write { path, source })
    }
}

/// The directory that holds `path`.
fn directory(path: &Path) -> &Path {
    match path.parent() {
        Some(parent) if !parent.as_os_str().is_empty() => parent,
        _ => Path::new("."),
    }
}

#[cfg(test)]
mod tests {
    use fleetfix_model::{Class, Classify};

    use super::*;

    #[test]
    fn the_cap_is_exact() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("f");
        std::fs::write(&path, b"12345").unwrap();
        assert_eq!(read_bounded(&path, 5).unwrap(), b"12345");
        assert!(matches!(read_bounded(&path, 4), Err(Error::TooLarge { max: 4, .. })));
        assert_eq!(read_bounded(&dir.path().join("missing"), 4).unwrap_err().class(), Class::Input);
        assert_eq!(read_bounded(dir.path(), 4).unwrap_err().class(), Class::Input);
    }

    #[test]
    fn modes_and_replacement() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("f");
        let mode = || std::fs::metadata(&path).unwrap().permissions().mode() & 0o7777;
        write_atomic_private(&path, b"1").unwrap();
        assert_eq!(mode(), 0o600);
        write_atomic(&path, b"2").unwrap();
        assert_eq!(mode(), 0o644);
        assert_eq!(std::fs::read(&path).unwrap(), b"2");
    }

    #[test]
    fn a_failure_leaves_nothing_and_names_the_file() {
        let dir = tempfile::tempdir().unwrap();
        std::fs::create_dir(dir.path().join("taken")).unwrap();
        for (path, text) in [("missing/f", "not found"), ("taken", "directory")] {
            let error = write_atomic(&dir.path().join(path), b"1").unwrap_err();
            let line = crate::Failure::from(error).line();
            assert!(
                line.contains(path) && line.contains(text) && !line.contains(".fleetfix-"),
                "{line}"
            );
        }
        assert_eq!(std::fs::read_dir(dir.path()).unwrap().count(), 1);
    }
}
