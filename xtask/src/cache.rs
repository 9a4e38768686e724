//! What is fetched or built once: a directory per entry, named by the hash of all that it is made
//! from, outside of the clone. An entry is there whole or not at all.

use std::fs::{self, File};
use std::path::{Path, PathBuf};

use sha2::{Digest, Sha256};

use crate::failure::Failure;

/// The cache, locked against a second run while it is held.
#[derive(Debug)]
pub(crate) struct Cache {
    dir: PathBuf,
    _lock: File,
}

impl Cache {
    /// `FLEETFIX_CACHE`, or `fleetfix` in the user's cache directory.
    pub(crate) fn open() -> Result<Self, Failure> {
        let set = |name: &str| std::env::var_os(name).filter(|value| !value.is_empty());
        let dir = set("FLEETFIX_CACHE")
            .map(PathBuf::from)
            .or_else(|| Some(PathBuf::from(set("XDG_CACHE_HOME")?).join("fleetfix")))
            .or_else(|| Some(PathBuf::from(set("HOME")?).join(".cache/fleetfix")))
            .ok_or_else(|| Failure::new("no cache: set FLEETFIX_CACHE or HOME"))?;
        fs::create_dir_all(&dir).map_err(Failure::at(&dir))?;
        let dir = dir.canonicalize().map_err(Failure::at(&dir))?;
        let lock = dir.join("lock");
        let file = File::create(&lock).map_err(Failure::at(&lock))?;
        file.lock().map_err(Failure::at(&lock))?;
        Ok(Self { dir, _lock: file })
    }

    /// The directory of the entry `name` made from `inputs`; `make` fills it when it is not there.
    pub(crate) fn entry(
        &self,
        name: &str,
        inputs: &Inputs,
        make: impl FnOnce(&Path) -> Result<(), Failure>,
    ) -> Result<PathBuf, Failure> {
        let dir = self.dir.join(format!("{name}-{}", inputs.key()));
        if dir.is_dir() {
            return Ok(dir);
        }
        // A killed run leaves a partial directory; the lock says that nobody works on it.
        let partial = self.dir.join(format!("{name}.partial"));
        if partial.exists() {
            fs::remove_dir_all(&partial).map_err(Failure::at(&partial))?;
        }
        fs::create_dir(&partial).map_err(Failure::at(&partial))?;
        make(&partial)?;
        fs::rename(&partial, &dir).map_err(Failure::at(&dir))?;
        Ok(dir)
    }
}

/// What an entry is made from.
pub(crate) struct Inputs(Sha256);

impl Inputs {
    /// A recipe: its words and the machine's architecture.
    pub(crate) fn recipe(words: &[&str]) -> Self {
        let mut inputs = Self(Sha256::new());
        inputs.add(std::env::consts::ARCH.as_bytes());
        for word in words {
            inputs.add(word.as_bytes());
        }
        inputs
    }

    /// Every file directly in a directory of the repository, names and content.
    pub(crate) fn directory(mut self, dir: &Path) -> Result<Self, Failure> {
        let entries = fs::read_dir(dir).map_err(Failure::at(dir))?;
        let mut files: Vec<PathBuf> = entries
            .filter_map(|entry| Some(entry.ok()?.path()))
            .filter(|path| path.is_file())
            .collect();
        files.sort();
        for file in files {
            self.add(file.file_name().unwrap_or_default().as_encoded_bytes());
            self.add(&fs::read(&file).map_err(Failure::at(&file))?);
        }
        Ok(self)
    }

    fn add(&mut self, bytes: &[u8]) {
        self.0.update(bytes.len().to_le_bytes());
        self.0.update(bytes);
    }

    /// 16 hexadecimal digits.
    fn key(&self) -> String {
        let digits = hex(&self.0.clone().finalize());
        digits.get(..16).unwrap_or(&digits).to_owned()
    }
}

/// Lower-case hexadecimal digits.
pub(crate) fn hex(bytes: &[u8]) -> String {
    use std::fmt::Write as _;
    bytes.iter().fold(String::new(), |mut text, byte| {
        let _ = write!(text, "{byte:02x}");
        text
    })
}
