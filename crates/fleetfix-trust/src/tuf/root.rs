//! The chain of roots, from the one that a person trusts to the newest of the repository (TUF
//! specification 1.0.33, sections 5.2 and 5.3).
//!
//! `tough` walks the same chain again when it loads the repository. It is walked here first, because
//! `tough` takes a next root that cannot be read for none at all, and because the remembered root has
//! to lie on the same chain.

use std::collections::BTreeMap;
use std::path::Path;

use serde_json::Value;
use tough::schema::{self, Role as _, Root, Signed};

use super::error::{Cause, Error, signatures};
use super::exact;
use super::state::{TufState, root_file};

/// A root file that was read.
#[derive(Clone, Debug)]
pub(crate) struct RootFile {
    pub(crate) bytes: Vec<u8>,
    pub(crate) signed: Signed<Root>,
    says: Value,
}

impl RootFile {
    pub(crate) fn parse(bytes: &[u8]) -> Result<Self, Cause> {
        let (signed, says) = exact::parse(bytes)?;
        Ok(Self { bytes: bytes.to_vec(), signed, says })
    }

    pub(crate) fn version(&self) -> u64 {
        self.signed.signed.version().get()
    }
}

/// Reads the root that a person gave, which must carry its own signatures.
pub(crate) fn given(bytes: &[u8]) -> Result<RootFile, Error> {
    let root = RootFile::parse(bytes).map_err(Error::NotARoot)?;
    match root.signed.signed.verify_role(&root.signed) {
        Ok(()) => Ok(root),
        Err(schema::Error::SignatureThreshold { threshold, valid, .. }) => {
            Err(Error::RootNotSigned { valid, threshold })
        }
        Err(other) => Err(Error::NotARoot(other.to_string().into())),
    }
}

fn from_state(state: &TufState, version: u64) -> Result<Option<RootFile>, Error> {
    let file = root_file(version);
    let Some(bytes) = state.metadata.get(&file) else { return Ok(None) };
    RootFile::parse(bytes).map(Some).map_err(|source| Error::Malformed { file, source })
}

/// The repository's own copy of the given root, if it has one, says the same.
fn check_copy(given: &RootFile, state: &TufState) -> Result<(), Error> {
    let file = root_file(given.version());
    match state.metadata.get(&file) {
        Some(bytes) if *bytes != given.bytes => match exact::signed_part(bytes) {
            Ok(says) if says == given.says => Ok(()),
            Ok(_) => Err(Error::OtherRoot { file }),
            Err(source) => Err(Error::Malformed { file, source }),
        },
        _ => Ok(()),
    }
}

/// Walks from `start` to the newest root of `state`: each root by its version.
fn walk(start: RootFile, state: &TufState) -> Result<BTreeMap<u64, RootFile>, Error> {
    let mut trusted = start;
    let mut chain = BTreeMap::new();
    // Bounded by the number of files of a state.
    while let Some(next) = from_state(state, trusted.version() + 1)? {
        let file = root_file(trusted.version() + 1);
        for by in [&trusted.signed.signed, &next.signed.signed] {
            by.verify_role(&next.signed).map_err(|e| signatures(file.clone(), &e))?;
        }
        if next.version() != trusted.version() + 1 {
            let expected = trusted.version() + 1;
            return Err(Error::Version { file, found: next.version(), expected });
        }
        let done = std::mem::replace(&mut trusted, next);
        chain.insert(done.version(), done);
    }
    chain.insert(trusted.version(), trusted);
    Ok(chain)
}

/// The root to hand to `tough`: the remembered one, if there is one, else the given one. Both lie on
/// one chain that ends with the newest root of `state`.
///
/// Starting at the remembered root matters: keys that were rotated since then make `tough` forget the
/// remembered timestamp and snapshot (section 5.3.11). Starting at an old given root would make it
/// forget them each time.
pub(crate) fn trusted(
    given: &RootFile,
    remembered: Option<(&Path, RootFile)>,
    state: &TufState,
) -> Result<RootFile, Error> {
    check_copy(given, state)?;
    let Some((path, remembered)) = remembered else {
        walk(given.clone(), state)?;
        return Ok(given.clone());
    };
    let version = remembered.version();
    let other = || Error::OtherRepository { path: path.to_owned(), version };
    let (older, newer) =
        if version < given.version() { (&remembered, given) } else { (given, &remembered) };
    let chain = walk(older.clone(), state)?;
    let newest = chain.keys().next_back().copied().unwrap_or_default();
    match chain.get(&newer.version()) {
        Some(same) if same.says == newer.says => Ok(remembered),
        None if newer.version() == version => {
            Err(Error::Rollback { role: "root".to_owned(), seen: version, found: newest })
        }
        _ => Err(other()),
    }
}
