//! The client that stores are made of.

use std::sync::Arc;

use fleetfix_model::Repository;

use crate::{Error, Options, Store};

/// Connections, tokens, credentials and mirrors. Cheap to clone; clones share all of it. It
/// belongs to the runtime that it was first used in.
#[derive(Clone, Debug)]
pub struct Client {
    options: Arc<Options>,
}

impl Client {
    /// A client with these options. Nothing is read or asked yet.
    pub fn new(options: Options) -> Result<Self, Error> {
        Ok(Self { options: Arc::new(options) })
    }

    /// The repository exactly there. Writes go here.
    pub fn store(&self, place: &Repository) -> Store {
        todo!("{place} {:?}", self.options)
    }

    /// Where the repository that a document names is read from, after mirrors.
    pub fn source(&self, name: &Repository) -> Store {
        todo!("{name}")
    }
}
