//! Indexes of base layers on disk, so that the next patch on a base reads none of its layers.
//!
//! One file for each layer, named for its digest, with the packed index of a layer of that digest
//! and size.

use std::path::Path;

use fleetfix_model::Digest;

use super::LayerIndex;
use crate::Error;
use crate::kept::Kept;

/// Largest file that is read, in bytes: several times what the largest layers take.
const MAX_SIZE: u64 = 256 << 20;

/// A directory of indexes.
#[derive(Clone, Debug)]
pub struct LayerCache {
    files: Kept,
}

impl LayerCache {
    /// A cache below `dir`, which is made when something is kept.
    pub fn new(dir: &Path) -> Self {
        Self { files: Kept::new(dir, "layers", 4, MAX_SIZE) }
    }

    /// The index of a layer of `size` compressed bytes; `None`: it was not kept, or not by us. A
    /// manifest that gives the layer another size finds nothing, and is found out when it is read.
    pub fn get(&self, layer: Digest, size: u64) -> Option<LayerIndex> {
        LayerIndex::from_bytes(self.files.get(layer, &size.to_be_bytes())?)
    }

    /// Keeps the index of a layer of `size` compressed bytes. The file appears whole or not at all.
    ///
    /// # Errors
    /// [`Error::File`]; whoever patches can do without.
    pub fn put(&self, layer: Digest, size: u64, index: &LayerIndex) -> Result<(), Error> {
        self.files.put(layer, &size.to_be_bytes(), index.as_bytes())
    }
}

#[cfg(test)]
mod tests {
    use std::fs::{self, File};
    use std::os::unix::fs::PermissionsExt;

    use super::*;
    use crate::left_over;
    use crate::tree::Limits;

    const SIZE: u64 = 7;

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

    struct Ready {
        dir: tempfile::TempDir,
        cache: LayerCache,
        layer: Digest,
    }

    fn kept() -> Ready {
        let dir = tempfile::tempdir().unwrap();
        let cache = LayerCache::new(&dir.path().join("deep/below"));
        let layer = Digest::of(b"layer");
        assert!(cache.get(layer, SIZE).is_none());
        cache.put(layer, SIZE, &index()).unwrap();
        assert_eq!(cache.get(layer, SIZE), Some(index()));
        Ready { dir, cache, layer }
    }

    #[test]
    fn another_layer_is_another_file() {
        let Ready { dir: _dir, cache, layer } = kept();
        let other = Digest::of(b"other");
        assert!(cache.get(other, SIZE).is_none());
        // Renamed by hand: the digest inside says what it is about.
        fs::copy(cache.files.path(layer), cache.files.path(other)).unwrap();
        assert!(cache.get(other, SIZE).is_none());
    }

    #[test]
    fn a_changed_byte_is_seen_and_mended() {
        let Ready { dir: _dir, cache, layer } = kept();
        let path = cache.files.path(layer);
        let good = fs::read(&path).unwrap();
        for at in 0..good.len() {
            let mut bad = good.clone();
            bad[at] ^= 0x10;
            fs::write(&path, &bad).unwrap();
            assert!(cache.get(layer, SIZE).is_none(), "{at}");
            fs::write(&path, &good[..at]).unwrap();
            assert!(cache.get(layer, SIZE).is_none(), "cut at {at}");
        }
        cache.put(layer, SIZE, &index()).unwrap();
        assert_eq!(cache.get(layer, SIZE), Some(index()));
    }

    #[test]
    fn a_layer_of_another_size_is_another_layer() {
        let Ready { dir: _dir, cache, layer } = kept();
        assert!(cache.get(layer, SIZE + 1).is_none());
    }

    #[test]
    fn what_others_could_have_written_does_not_count() {
        let Ready { dir: _dir, cache, layer } = kept();
        let path = cache.files.path(layer);
        fs::set_permissions(&path, fs::Permissions::from_mode(0o666)).unwrap();
        assert!(cache.get(layer, SIZE).is_none());
        fs::set_permissions(&path, fs::Permissions::from_mode(0o644)).unwrap();
        fs::set_permissions(cache.files.dir(), fs::Permissions::from_mode(0o777)).unwrap();
        assert!(cache.get(layer, SIZE).is_none(), "a directory for everybody");
        fs::set_permissions(cache.files.dir(), fs::Permissions::from_mode(0o700)).unwrap();
        assert!(cache.get(layer, SIZE).is_some());
        let real = path.with_extension("real");
        fs::set_permissions(&path, fs::Permissions::from_mode(0o644)).unwrap();
        fs::rename(&path, &real).unwrap();
        std::os::unix::fs::symlink(&real, &path).unwrap();
        assert!(cache.get(layer, SIZE).is_none(), "a link");
        fs::remove_file(&path).unwrap();
        fs::create_dir(&path).unwrap();
        assert!(cache.get(layer, SIZE).is_none(), "a directory");
        assert!(cache.put(layer, SIZE, &index()).is_err());
    }

    #[test]
    fn a_place_that_cannot_be_written_is_an_error() {
        let Ready { dir, .. } = kept();
        let file = dir.path().join("file");
        fs::write(&file, "").unwrap();
        let cache = LayerCache::new(&file);
        assert!(cache.put(Digest::of(b""), SIZE, &index()).is_err());
        assert!(cache.get(Digest::of(b""), SIZE).is_none());
    }

    #[test]
    fn what_a_killed_writer_left_goes() {
        let Ready { dir: _dir, cache, layer } = kept();
        let (old, new) = (cache.files.dir().join(".new-old"), cache.files.dir().join(".new-now"));
        for path in [&old, &new] {
            fs::write(path, "half").unwrap();
        }
        let before = fs::metadata(&new).unwrap().modified().unwrap() - 2 * left_over::LEFT_OVER;
        File::options().write(true).open(&old).unwrap().set_modified(before).unwrap();
        cache.put(layer, SIZE, &index()).unwrap();
        assert_eq!((old.exists(), new.exists()), (false, true));
    }
}
