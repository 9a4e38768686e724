//! One base to patch, and what is to be done to it: the same from a plan and from a command line.

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;

use fleetfix_model::document::plan::BasePlatform;
use fleetfix_model::name::{Commit, FindingId, Tag};
use fleetfix_model::{Digest, Reference, Repository};
use fleetfix_oci::change::Change;

/// One base to patch.
#[derive(Clone, Debug)]
pub struct Job {
    /// The base, under its logical name.
    pub base: Reference,
    /// What a plan pinned of it.
    pub pinned: Option<Pinned>,
    /// What is done to it.
    pub changes: Changes,
    /// The commit that the files are built from.
    pub commit: Option<Commit>,
    /// Differences between programs that somebody accepted.
    pub accepted: BTreeSet<FindingId>,
    /// Labels to set.
    pub labels: BTreeMap<String, String>,
    /// Repository that the patched image is written to.
    pub to: Repository,
    /// Its tag there, which never changes its content.
    pub tag: Tag,
}

/// What a plan says about a base: it must be so.
#[derive(Clone, Debug)]
pub struct Pinned {
    /// Media type of the index or manifest.
    pub media_type: String,
    /// The images, in the order of the index.
    pub platforms: Vec<BasePlatform>,
    /// Labels that HyperShift reads.
    pub labels: Vec<String>,
}

/// Changes by architecture.
#[derive(Clone, Debug)]
pub enum Changes {
    /// The same for every architecture.
    Same(Vec<Change>),
    /// One list per architecture.
    Each(BTreeMap<String, Vec<Change>>),
}

impl Changes {
    /// The changes of one architecture; `None`: there are none for it.
    pub fn of(&self, architecture: &str) -> Option<&[Change]> {
        match self {
            Self::Same(changes) => Some(changes),
            Self::Each(by_architecture) => by_architecture.get(architecture).map(Vec::as_slice),
        }
    }

    /// All changes, of all architectures.
    pub fn all(&self) -> impl Iterator<Item = &Change> {
        let lists: Vec<&Vec<Change>> = match self {
            Self::Same(changes) => vec![changes],
            Self::Each(by_architecture) => by_architecture.values().collect(),
        };
        lists.into_iter().flatten()
    }

    /// Architectures that changes are named for.
    pub fn architectures(&self) -> BTreeSet<&str> {
        match self {
            Self::Same(_) => BTreeSet::new(),
            Self::Each(by_architecture) => by_architecture.keys().map(String::as_str).collect(),
        }
    }
}

/// Where content lies on disk, by digest: files of one digest are one content.
pub type Files = BTreeMap<Digest, PathBuf>;
