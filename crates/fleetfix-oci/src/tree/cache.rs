//! Indexes of base layers on disk, so that the next patch on a base reads none of its layers.
//!
//! One file for each layer, named for its digest: a head with version and digest, the packed index,
//! and the SHA-256 of both. What is not exactly that, or could have been written by others than the
//! owner of the directory, counts as not there and is written anew.

use std::fs::{self, File};
use std::io::{Read, Write};
use std::os::unix::fs::{DirBuilderExt, MetadataExt, PermissionsExt};
use std::path::{Path, PathBuf};

use fleetfix_model::Digest;
use fleetfix_model::digest::Hasher;

use super::LayerIndex;
use crate::Error;
use crate::left_over;

/// Version of the form of the files; part of the directory's name too.
const HEAD: &[u8; 16] = b"fleetfix layer 1";
/// Largest file that is read, in bytes: several times what the largest layers take.
const MAX_SIZE: u64 = 256 << 20;
/// Most files that are kept; the oldest go first.
const MAX_FILES: usize = 1000;
/// Start of the names of files that are being written.
const NEW: &str = ".new-";
/// A directory of indexes.
#[derive(Clone, Debug)]
pub struct LayerCache {
    dir: PathBuf,
}

impl LayerCache {
    /// A cache below `dir`, which is made when something is kept.
    pub fn new(dir: &Path) -> Self {
        Self { dir: dir.join("layers-1") }
    }

    fn path(&self, layer: Digest) -> PathBuf {
        self.dir.join(layer.hex())
    }

    /// The index of a layer; `None`: it was not kept, or not by us.
    pub fn get(&self, layer: Digest) -> Option<LayerIndex> {
        let path = self.path(layer);
        // Looked at before it is opened: opening a pipe would wait.
        let trusted = |metadata: &fs::Metadata| {
            metadata.is_file() && metadata.mode() & 0o022 == 0 && metadata.len() <= MAX_SIZE
        };
        fs::symlink_metadata(&path).ok().filter(trusted)?;
        let file = File::open(&path).ok()?;
        let metadata = file.metadata().ok().filter(trusted)?;
        if metadata.uid() != fs::metadata(&self.dir).ok()?.uid() {
            return None;
        }
        let mut bytes = Vec::with_capacity(usize::try_from(metadata.len()).ok()?);
        file.take(MAX_SIZE + 1).read_to_end(&mut bytes).ok()?;
        let head = head(layer);
        let (content, sum) = bytes.split_at_checked(bytes.len().checked_sub(32)?)?;
        if !content.starts_with(&head) || Digest::of(content).as_bytes() != sum {
            return None;
        }
        let end = content.len();
        bytes.truncate(end);
        bytes.drain(..head.len());
        LayerIndex::from_bytes(bytes)
    }

    /// Keeps the index of a layer. The file appears whole or not at all.
    ///
    /// # Errors
    /// [`Error::File`]; whoever patches can do without.
    pub fn put(&self, layer: Digest, index: &LayerIndex) -> Result<(), Error> {
        fs::DirBuilder::new()
            .recursive(true)
            .mode(0o700)
            .create(&self.dir)
            .map_err(Error::file("create", &self.dir))?;
        let mut file = tempfile::Builder::new()
            .prefix(NEW)
            .permissions(fs::Permissions::from_mode(0o644))
            .tempfile_in(&self.dir)
            .map_err(Error::file("create a file in", &self.dir))?;
        let head = head(layer);
        let mut hasher = Hasher::new();
        hasher.update(&head);
        hasher.update(index.as_bytes());
        let (sum, _) = hasher.finish();
        for part in [&head[..], index.as_bytes(), sum.as_bytes()] {
            file.write_all(part).map_err(Error::file("write", file.path()))?;
        }
        let path = self.path(layer);
        let file = file.persist(&path).map_err(|e| Error::file("write", path)(e.error))?;
        left_over::remove(&self.dir, NEW, &file);
        self.tidy();
        Ok(())
    }

    /// Removes the oldest where there are too many.
    fn tidy(&self) {
        let Ok(entries) = fs::read_dir(&self.dir) else { return };
        let time = |entry: &fs::DirEntry| entry.metadata().ok()?.modified().ok();
        let mut kept: Vec<_> =
            entries.flatten().filter_map(|entry| Some((time(&entry)?, entry.path()))).collect();
        kept.sort();
        for (_, path) in kept.iter().take(kept.len().saturating_sub(MAX_FILES)) {
            let _ = fs::remove_file(path);
        }
    }
}

fn head(layer: Digest) -> Vec<u8> {
    [&HEAD[..], layer.as_bytes()].concat()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tree::Limits;

    fn index() -> LayerIndex {
        let mut archive = tar::Builder::new(Vec::new());
        for path in ["usr", "usr/bin"] {
            let mut header = tar::Header::new_ustar();
            header.set_entry_type(tar::EntryType::Directory);
            header.set_mode(0o2775);
            header.set_size(0);
            archive.append_data(&mut header, path, &b""[..]).unwrap();
        }
        let bytes = archive.into_inner().unwrap();
        LayerIndex::read("layer", &bytes[..], &Limits::default()).unwrap()
    }

    struct Kept {
        dir: tempfile::TempDir,
        cache: LayerCache,
        layer: Digest,
    }

    fn kept() -> Kept {
        let dir = tempfile::tempdir().unwrap();
        let cache = LayerCache::new(&dir.path().join("deep/below"));
        let layer = Digest::of(b"layer");
        assert!(cache.get(layer).is_none());
        cache.put(layer, &index()).unwrap();
        assert_eq!(cache.get(layer), Some(index()));
        Kept { dir, cache, layer }
    }

    #[test]
    fn another_layer_is_another_file() {
        let Kept { dir: _dir, cache, layer } = kept();
        let other = Digest::of(b"other");
        assert!(cache.get(other).is_none());
        // Renamed by hand: the digest inside says what it is about.
        fs::copy(cache.path(layer), cache.path(other)).unwrap();
        assert!(cache.get(other).is_none());
    }

    #[test]
    fn a_changed_byte_is_seen_and_mended() {
        let Kept { dir: _dir, cache, layer } = kept();
        let path = cache.path(layer);
        let good = fs::read(&path).unwrap();
        for at in 0..good.len() {
            let mut bad = good.clone();
            bad[at] ^= 0x10;
            fs::write(&path, &bad).unwrap();
            assert!(cache.get(layer).is_none(), "{at}");
            fs::write(&path, &good[..at]).unwrap();
            assert!(cache.get(layer).is_none(), "cut at {at}");
        }
        cache.put(layer, &index()).unwrap();
        assert_eq!(cache.get(layer), Some(index()));
    }

    #[test]
    fn what_others_could_have_written_does_not_count() {
        let Kept { dir: _dir, cache, layer } = kept();
        let path = cache.path(layer);
        fs::set_permissions(&path, fs::Permissions::from_mode(0o666)).unwrap();
        assert!(cache.get(layer).is_none());
        let real = path.with_extension("real");
        fs::set_permissions(&path, fs::Permissions::from_mode(0o644)).unwrap();
        fs::rename(&path, &real).unwrap();
        std::os::unix::fs::symlink(&real, &path).unwrap();
        assert!(cache.get(layer).is_none(), "a link");
        fs::remove_file(&path).unwrap();
        fs::create_dir(&path).unwrap();
        assert!(cache.get(layer).is_none(), "a directory");
        assert!(cache.put(layer, &index()).is_err());
    }

    #[test]
    fn a_place_that_cannot_be_written_is_an_error() {
        let Kept { dir, .. } = kept();
        let file = dir.path().join("file");
        fs::write(&file, "").unwrap();
        let cache = LayerCache::new(&file);
        assert!(cache.put(Digest::of(b""), &index()).is_err());
        assert!(cache.get(Digest::of(b"")).is_none());
    }

    #[test]
    fn what_a_killed_writer_left_goes() {
        let Kept { dir: _dir, cache, layer } = kept();
        let (old, new) = (cache.dir.join(".new-old"), cache.dir.join(".new-now"));
        for path in [&old, &new] {
            fs::write(path, "half").unwrap();
        }
        let before = fs::metadata(&new).unwrap().modified().unwrap() - 2 * left_over::LEFT_OVER;
        File::options().write(true).open(&old).unwrap().set_modified(before).unwrap();
        cache.put(layer, &index()).unwrap();
        assert_eq!((old.exists(), new.exists()), (false, true));
    }
}
