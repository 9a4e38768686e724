//! Files of a cache that can be believed, or count as not there.
//!
//! One file for each name: a head with the form and what the file is about, the content, and the
//! SHA-256 of both. A changed byte, a file under another name or of another form, and whatever
//! another user made or could have written counts as not there and is written anew.

use std::fs::{self, File};
use std::io::{self, Read, Write};
use std::os::unix::fs::{DirBuilderExt, MetadataExt, PermissionsExt};
use std::path::{Path, PathBuf};

use fleetfix_model::Digest;
use fleetfix_model::digest::Hasher;

use crate::Error;
use crate::left_over;

/// Most files that are kept, unless said otherwise.
const MAX_FILES: usize = 1000;
/// Start of the names of files that are being written.
pub(crate) const NEW: &str = ".new-";

/// A directory of files of one form.
#[derive(Clone, Debug)]
pub struct Kept {
    dir: PathBuf,
    form: String,
    max: u64,
    most: usize,
}

impl Kept {
    /// Files in `NAME-VERSION` below `dir`, which is made when something is kept. Whoever changes what
    /// the files hold, or how, counts `version` up: each file says its own too. `max` is the most bytes
    /// that one may have.
    pub fn new(dir: &Path, name: &str, version: u32, max: u64) -> Self {
        let form = format!("{name}-{version}");
        Self { dir: dir.join(&form), form, max, most: MAX_FILES }
    }

    /// The same for so many files, and not for a thousand. The oldest go first.
    #[must_use]
    pub fn at_most(self, most: usize) -> Self {
        Self { most, ..self }
    }

    /// Where they lie.
    pub fn dir(&self) -> &Path {
        &self.dir
    }

    /// Where a file lies.
    pub fn path(&self, name: Digest) -> PathBuf {
        self.dir.join(name.hex())
    }

    /// The content of a file that is about `about`; `None`: it was not kept, or not by us.
    pub fn get(&self, name: Digest, about: &[u8]) -> Option<Vec<u8>> {
        self.is_ours().then_some(())?;
        let path = self.path(name);
        let trusted = |metadata: &fs::Metadata| {
            metadata.is_file() && is_ours(metadata) && metadata.len() <= self.max
        };
        // Looked at before it is opened: opening a pipe would wait.
        fs::symlink_metadata(&path).ok().filter(trusted)?;
        let file = File::open(&path).ok()?;
        let metadata = file.metadata().ok().filter(trusted)?;
        let mut bytes = Vec::with_capacity(usize::try_from(metadata.len()).ok()?);
        file.take(self.max + 1).read_to_end(&mut bytes).ok()?;
        let head = self.head(name, about);
        let (content, sum) = bytes.split_at_checked(bytes.len().checked_sub(32)?)?;
        if !content.starts_with(&head) || Digest::of(content).as_bytes() != sum {
            return None;
        }
        let end = content.len();
        bytes.truncate(end);
        bytes.drain(..head.len());
        Some(bytes)
    }

    /// Whether what lies in the directory can be believed.
    fn is_ours(&self) -> bool {
        fs::symlink_metadata(&self.dir).is_ok_and(|found| found.is_dir() && is_ours(&found))
    }

    /// Keeps a content. The file appears whole or not at all.
    ///
    /// # Errors
    /// [`Error::File`], also for a directory of which [`Kept::get`] would believe nothing; whoever
    /// patches can do without.
    pub fn put(&self, name: Digest, about: &[u8], content: &[u8]) -> Result<(), Error> {
        fs::DirBuilder::new()
            .recursive(true)
            .mode(0o700)
            .create(&self.dir)
            .map_err(Error::file("create", &self.dir))?;
        if !self.is_ours() {
            let source = io::Error::from(io::ErrorKind::PermissionDenied);
            return Err(Error::file("believe what lies in", &self.dir)(source));
        }
        let mut file = tempfile::Builder::new()
            .prefix(NEW)
            .permissions(fs::Permissions::from_mode(0o644))
            .tempfile_in(&self.dir)
            .map_err(Error::file("create a file in", &self.dir))?;
        let head = self.head(name, about);
        let mut hasher = Hasher::new();
        hasher.update(&head);
        hasher.update(content);
        let (sum, _) = hasher.finish();
        for part in [&head[..], content, sum.as_bytes()] {
            file.write_all(part).map_err(Error::file("write", file.path()))?;
        }
        let path = self.path(name);
        let file = file.persist(&path).map_err(|e| Error::file("write", path)(e.error))?;
        left_over::remove(&self.dir, NEW, &file);
        self.tidy();
        Ok(())
    }

    /// Removes the oldest where there are too many, and some more: looking at all of them is not to
    /// be done again for the next file.
    fn tidy(&self) {
        let Ok(entries) = fs::read_dir(&self.dir) else { return };
        let entries: Vec<fs::DirEntry> = entries.flatten().collect();
        if entries.len() <= self.most {
            return;
        }
        let time = |entry: &fs::DirEntry| entry.metadata().ok()?.modified().ok();
        let mut kept: Vec<_> =
            entries.iter().filter_map(|entry| Some((time(entry)?, entry.path()))).collect();
        kept.sort();
        let stay = self.most - self.most / 10;
        for (_, path) in kept.iter().take(kept.len().saturating_sub(stay)) {
            let _ = fs::remove_file(path);
        }
    }

    /// A line with the form, and the length of `about` before it: no head is the start of another one.
    fn head(&self, name: Digest, about: &[u8]) -> Vec<u8> {
        let length = u64::try_from(about.len()).unwrap_or(u64::MAX).to_be_bytes();
        let form = format!("fleetfix {}\n", self.form);
        [form.as_bytes(), name.as_bytes(), &length, about].concat()
    }
}

/// Whether this user made it, and no other one can write it.
fn is_ours(metadata: &fs::Metadata) -> bool {
    user().is_some_and(|us| metadata.uid() == us) && metadata.mode() & 0o022 == 0
}

/// The user that this process writes files as. `None` where the system does not say: nothing is
/// believed there.
pub fn user() -> Option<u32> {
    fs::metadata("/proc/self").ok().map(|metadata| metadata.uid())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_of_another_form_is_not_there() {
        let dir = tempfile::tempdir().unwrap();
        let kept = |name, version| Kept::new(dir.path(), name, version, 1000);
        let (name, old) = (Digest::of(b"name"), kept("things", 1));
        old.put(name, b"about", b"content").unwrap();
        assert_eq!(old.get(name, b"about").as_deref(), Some(&b"content"[..]));
        for (new, says) in [(kept("things", 2), "things-2"), (kept("others", 1), "others-1")] {
            assert_eq!(new.dir(), dir.path().join(says));
            assert_eq!(new.get(name, b"about"), None);
            // Copied by hand: the form inside says what it is.
            new.put(name, b"about", b"other").unwrap();
            fs::copy(old.path(name), new.path(name)).unwrap();
            assert_eq!(new.get(name, b"about"), None);
        }
    }
    #[test]
    fn the_oldest_go_before_there_are_too_many() {
        let dir = tempfile::tempdir().unwrap();
        let kept = Kept::new(dir.path(), "things", 1, 1000).at_most(20);
        let name = |n: u32| Digest::of(n.to_be_bytes());
        let old = std::time::SystemTime::UNIX_EPOCH;
        for n in 0..21 {
            kept.put(name(n), b"", b"content").unwrap();
            let file = File::options().write(true).open(kept.path(name(n))).unwrap();
            file.set_modified(old + std::time::Duration::from_secs(n.into())).unwrap();
        }
        // Two more than need be, and never the one that is new.
        let there: Vec<u32> = (0..21).filter(|n| kept.get(name(*n), b"").is_some()).collect();
        assert_eq!(there, (3..21).collect::<Vec<_>>());
    }
}
