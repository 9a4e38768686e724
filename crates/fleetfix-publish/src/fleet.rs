//! The fleet's place: where images, bundles and channels lie below one prefix.

use fleetfix_model::fleet::{BUNDLES, CHANNELS, CURRENT};
use fleetfix_model::name::{RepositoryPath, Tag};
use fleetfix_model::{Class, Repository};
use fleetfix_registry::{Client, Store};
use fleetfix_task::Failure;

/// A prefix in a registry, or a directory of layouts.
#[derive(Clone, Debug)]
pub struct Fleet {
    prefix: Repository,
    client: Client,
}

impl Fleet {
    /// The fleet below `prefix`.
    pub fn new(prefix: Repository, client: Client) -> Self {
        Self { prefix, client }
    }

    /// The prefix.
    pub fn prefix(&self) -> &Repository {
        &self.prefix
    }

    /// The client that reaches it.
    pub fn client(&self) -> &Client {
        &self.client
    }

    /// The repository `path` of the fleet.
    pub fn store(&self, path: &RepositoryPath) -> Store {
        self.client.store(&self.prefix.below(path))
    }

    /// The repository of bundles.
    pub fn bundles(&self) -> Result<Store, Failure> {
        Ok(self.store(&fixed(BUNDLES)?))
    }

    /// The repository of TUF states.
    pub fn channels(&self) -> Result<Store, Failure> {
        Ok(self.store(&fixed(CHANNELS)?))
    }

    /// The name that goes into signatures: in a registry the prefix itself, for a layout what is
    /// given. Signatures with another name than the one that clusters pull by are worth nothing.
    pub fn logical(&self, given: Option<&Repository>) -> Result<Repository, Failure> {
        match (&self.prefix, given) {
            (Repository::Registry { .. }, None) => Ok(self.prefix.clone()),
            (Repository::Registry { .. }, Some(given)) if *given == self.prefix => Ok(given.clone()),
            (Repository::Registry { .. }, Some(given)) => Err(Failure::refused(format!(
                "the fleet is {given}, and would be written to {}: signatures name the repository that clusters pull from",
                self.prefix
            ))
            .hint("make the bundle with --fleet set to where it is published")),
            (Repository::Layout(_), Some(given @ Repository::Registry { .. })) => Ok(given.clone()),
            (Repository::Layout(_), _) => {
                Err(Failure::usage("--fleet is needed for a layout: registry and path that the fleet will pull from"))
            }
        }
    }
}

/// A name of ours.
pub(crate) fn fixed(path: &str) -> Result<RepositoryPath, Failure> {
    path.parse().map_err(|e| Failure::new(Class::Bug, e))
}

/// The tag of the newest state.
pub(crate) fn current() -> Result<Tag, Failure> {
    CURRENT.parse().map_err(|e| Failure::new(Class::Bug, e))
}
