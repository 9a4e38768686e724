//! The files of one state of a TUF repository.

use std::collections::BTreeMap;

use fleetfix_model::canonical;

use super::error::Error;

/// Most files of a kind that are read: root versions pile up, the rest is a handful.
pub const MAX_FILES: usize = 2048;
/// Largest file that is read, in bytes.
pub const MAX_FILE_SIZE: usize = canonical::MAX_SIZE;
/// Most bytes of a state that are read.
pub const MAX_STATE_SIZE: usize = 64 << 20;

/// One state of a TUF repository: its files by name, as they lie in `metadata/` and `targets/` of a
/// repository on disk with consistent snapshots (TUF specification 1.0.33, section 6.2):
/// `1.root.json`, `timestamp.json`, `3.snapshot.json`, `<sha256>.channel.stable.json`.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct TufState {
    /// Role files.
    pub metadata: BTreeMap<String, Vec<u8>>,
    /// Target files.
    pub targets: BTreeMap<String, Vec<u8>>,
}

impl TufState {
    /// Refuses a state with more or larger files than anybody needs.
    pub(crate) fn check_size(&self) -> Result<(), Error> {
        let mut total = 0_usize;
        for (kind, files) in [("role files", &self.metadata), ("target files", &self.targets)] {
            if files.len() > MAX_FILES {
                let what = kind.to_owned();
                return Err(Error::TooLarge { what, found: files.len(), max: MAX_FILES });
            }
            for (name, bytes) in files {
                if bytes.len() > MAX_FILE_SIZE {
                    let what = format!("bytes of {name}");
                    return Err(Error::TooLarge { what, found: bytes.len(), max: MAX_FILE_SIZE });
                }
                total += bytes.len();
            }
        }
        if total > MAX_STATE_SIZE {
            let what = "bytes of the TUF state".to_owned();
            return Err(Error::TooLarge { what, found: total, max: MAX_STATE_SIZE });
        }
        Ok(())
    }
}

/// Name of the root file of `version`.
pub(crate) fn root_file(version: u64) -> String {
    format!("{version}.root.json")
}
