//! What was seen last: one file in a directory of the caller's, one directory per channel.
//!
//! `tough` has a data store of its own, which cannot be used as it is: it keeps the system's time
//! there and refuses when that goes back, while time is a parameter here; it writes each role as soon
//! as that role is verified; and it forgets the root it had. So `tough` gets a scratch directory with
//! the remembered timestamp and snapshot in it and makes its rollback checks against those (TUF
//! specification 1.0.33, sections 5.4.3 and 5.5.5), and what it verified is kept here, in one file
//! that is replaced as a whole once everything holds.

use std::fs::{File, TryLockError};
use std::io::Write as _;
use std::path::{Path, PathBuf};

use fleetfix_model::{ToCanonical, canonical};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use tough::schema::{Role, Signed, Snapshot, Timestamp};

use super::error::{Cause, Error};
use super::exact;
use super::root::RootFile;

/// The file in the directory.
const FILE: &str = "tuf-seen.json";
/// The file that keeps two processes from overwriting each other's memory.
const LOCK: &str = "tuf-seen.lock";

/// The role files seen last, as they were.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
struct Seen {
    kind: Kind,
    root: String,
    timestamp: String,
    snapshot: String,
}

#[derive(Clone, Copy, Debug, Deserialize, Eq, PartialEq, Serialize)]
enum Kind {
    #[serde(rename = "fleetfix.openshift.io/tuf-seen/v1")]
    V1,
}

/// A remembered state, locked for as long as this value lives.
#[derive(Debug)]
pub(crate) struct Remembered {
    dir: PathBuf,
    seen: Option<Seen>,
    /// Held, never read: closing it unlocks.
    _lock: File,
}

impl Remembered {
    /// Opens the memory in `dir`, which is made if it is not there, and keeps others out.
    pub(crate) fn open(dir: &Path) -> Result<Self, Error> {
        let failed = |path: &Path, source| Error::Memory { path: path.to_owned(), source };
        std::fs::create_dir_all(dir).map_err(|e| failed(dir, e))?;
        let lock_path = dir.join(LOCK);
        let lock = File::options()
            .create(true)
            .truncate(false)
            .write(true)
            .open(&lock_path)
            .map_err(|e| failed(&lock_path, e))?;
        match lock.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => lock.lock().map_err(|e| failed(&lock_path, e))?,
            // A file system without locks: two processes at once may then remember the older state.
            Err(TryLockError::Error(e)) if e.kind() == std::io::ErrorKind::Unsupported => {}
            Err(TryLockError::Error(e)) => return Err(failed(&lock_path, e)),
        }
        let path = dir.join(FILE);
        let seen = match read(&path) {
            Ok(bytes) => Some(canonical::from_canonical(&bytes).map_err(|source| {
                Error::MemoryDamaged { path: path.clone(), source: Box::new(source) }
            })?),
            Err(e) if e.kind() == std::io::ErrorKind::NotFound => None,
            Err(e) => return Err(failed(&path, e)),
        };
        Ok(Self { dir: dir.to_owned(), seen, _lock: lock })
    }

    /// The remembered root, with the file it comes from.
    pub(crate) fn root(&self) -> Result<Option<(&Path, RootFile)>, Error> {
        let Some(seen) = &self.seen else { return Ok(None) };
        let root = RootFile::parse(seen.root.as_bytes()).map_err(|source| self.damaged(source))?;
        Ok(Some((&self.dir, root)))
    }

    /// The remembered timestamp and snapshot as the files that `tough` looks for.
    pub(crate) fn files(&self) -> [(&'static str, Option<&str>); 2] {
        let seen = self.seen.as_ref();
        [
            ("timestamp.json", seen.map(|seen| seen.timestamp.as_str())),
            ("snapshot.json", seen.map(|seen| seen.snapshot.as_str())),
        ]
    }

    /// The remembered timestamp.
    pub(crate) fn timestamp(&self) -> Result<Option<Signed<Timestamp>>, Error> {
        self.parse(|seen| &seen.timestamp)
    }

    /// The remembered snapshot.
    pub(crate) fn snapshot(&self) -> Result<Option<Signed<Snapshot>>, Error> {
        self.parse(|seen| &seen.snapshot)
    }

    fn parse<T: Role + DeserializeOwned>(
        &self,
        pick: fn(&Seen) -> &str,
    ) -> Result<Option<Signed<T>>, Error> {
        let Some(seen) = &self.seen else { return Ok(None) };
        let read = exact::parse(pick(seen).as_bytes());
        read.map(|(signed, _)| Some(signed)).map_err(|source| self.damaged(source))
    }

    /// Remembers these role files instead; writes nothing if they are the same.
    pub(crate) fn replace(
        &self,
        root: &[u8],
        timestamp: &[u8],
        snapshot: &[u8],
    ) -> Result<(), Error> {
        let path = self.dir.join(FILE);
        let failed = |source| Error::Memory { path: path.clone(), source };
        let text = |bytes: &[u8]| {
            String::from_utf8(bytes.to_vec())
                .map_err(|e| failed(std::io::Error::new(std::io::ErrorKind::InvalidData, e)))
        };
        let seen = Seen {
            kind: Kind::V1,
            root: text(root)?,
            timestamp: text(timestamp)?,
            snapshot: text(snapshot)?,
        };
        if self.seen.as_ref() == Some(&seen) {
            return Ok(());
        }
        let bytes = seen
            .to_canonical()
            .map_err(|e| failed(std::io::Error::new(std::io::ErrorKind::InvalidData, e)))?;
        let mut file = tempfile::NamedTempFile::new_in(&self.dir).map_err(failed)?;
        file.write_all(&bytes).map_err(failed)?;
        file.as_file().sync_all().map_err(failed)?;
        file.persist(&path).map_err(|e| failed(e.error))?;
        Ok(())
    }

    fn damaged(&self, source: Cause) -> Error {
        Error::MemoryDamaged { path: self.dir.join(FILE), source }
    }
}

fn read(path: &Path) -> std::io::Result<Vec<u8>> {
    use std::io::Read as _;
    let mut bytes = Vec::new();
    File::open(path)?.take(canonical::MAX_SIZE as u64 + 1).read_to_end(&mut bytes)?;
    Ok(bytes)
}
