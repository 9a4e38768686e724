//! The client that stores are made of.

use std::sync::Arc;

use bytes::Bytes;
use fleetfix_model::Repository;

use crate::layout::Directory;
use crate::remote::{Http, Remote};
use crate::store::Place;
use crate::{Error, Options, Store, mirror};

/// Connections, tokens, credentials and mirrors. Cheap to clone; clones share all of it. It
/// belongs to the runtime that it was first used in.
#[derive(Clone, Debug)]
pub struct Client {
    http: Arc<Http>,
}

impl Client {
    /// A client with these options. Nothing is asked, and no certificate is read, before the first
    /// request.
    pub fn new(options: Options) -> Result<Self, Error> {
        Ok(Self { http: Arc::new(Http::new(options)) })
    }

    /// The repository exactly there. Writes go here.
    pub fn store(&self, place: &Repository) -> Store {
        let inner = match place {
            Repository::Registry { registry, path } => {
                Place::Remote(Remote::new(self.http.clone(), registry, path.clone()))
            }
            Repository::Layout(dir) => Place::Directory(Directory::new(dir.clone())),
        };
        Store::new(place.clone(), inner)
    }

    /// Where the repository that a document names is read from, after mirrors.
    pub fn source(&self, name: &Repository) -> Store {
        self.store(&mirror::source(&self.http.options().mirrors, name))
    }
    /// What a web server has at `url`, at most `max` bytes: within the limits, certificates and
    /// proxies of registries, without credentials and mirrors.
    pub async fn document(&self, url: &str, max: u64) -> Result<Bytes, Error> {
        self.http.document(url, max).await
    }
}
