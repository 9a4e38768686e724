//! Approvals as they were handed in: files, which are envelopes at least.

use std::path::PathBuf;

use fleetfix_model::Digest;
use fleetfix_task::{Failure, file};
use fleetfix_trust::dsse;

/// Largest approval that is read, in bytes.
const MAX_APPROVAL: u64 = dsse::MAX_SIZE as u64;

/// An envelope, not judged yet.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct ApprovalFile {
    /// The file's name, for people.
    pub path: String,
    /// The envelope.
    pub bytes: Vec<u8>,
    /// Digest of the envelope: the name that it is judged by.
    pub digest: Digest,
}

impl ApprovalFile {
    /// Reads each file.
    pub fn read_all(paths: &[PathBuf]) -> Result<Vec<Self>, Failure> {
        let read = |path: &PathBuf| {
            let bytes = file::read_bounded(path, MAX_APPROVAL)?;
            let path = path.display().to_string();
            dsse::Envelope::parse(&bytes).map_err(|e| Failure::from(e).about(&path))?;
            let digest = Digest::of(&bytes);
            Ok(Self { path, bytes, digest })
        };
        paths.iter().map(read).collect()
    }
}
