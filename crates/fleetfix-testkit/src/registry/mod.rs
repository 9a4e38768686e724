//! A registry in this process, on a free loopback port, that lies and fails as it is told.
//!
//! It runs on threads of its own, so that tests with and without a runtime use it alike. What came
//! and what was answered is in its log; what it holds can be read and written directly.
//!
//! | module | what it holds |
//! |---|---|
//! | [`request`], [`reply`] | what comes and what is answered, wrong answers included |
//! | [`server`], [`access`] | HTTP/1.1, with and without TLS; the log |
//! | [`fault`] | what goes wrong, where and how often |
//! | [`content`], [`behaviour`] | the distribution protocol over memory, and what differs between registries |
//! | [`token`] | a token service, and a registry that insists on its tokens |
//! | [`proxy`], [`tls`] | a forward proxy that knows every name; an issuer of certificates |
#![expect(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    reason = "a panic is how a test says that it failed"
)]

pub mod access;
pub mod behaviour;
pub mod content;
pub mod fault;
pub mod proxy;
mod referrers;
pub mod reply;
pub mod request;
pub mod server;
pub mod tls;
pub mod token;
mod upload;

use std::path::Path;
use std::sync::{Arc, Mutex, MutexGuard};

use fleetfix_model::Digest;

pub use access::Access;
pub use behaviour::{Behaviour, Location, Mounts, Referrers};
pub use content::Content;
pub use fault::Fault;
pub use proxy::Proxy;
pub use reply::Reply;
pub use request::Request;
pub use server::{NOBODY, Server};
pub use tls::Issuer;
pub use token::TokenService;

/// A running registry; ends when dropped.
#[derive(Debug)]
pub struct Registry {
    /// What listens, and what it was asked.
    pub server: Server,
    content: Arc<Mutex<Content>>,
}

impl Registry {
    /// A registry that does everything right.
    pub fn start() -> Self {
        Self::like(Behaviour::default())
    }

    /// A registry with the habits of another.
    pub fn like(behaviour: Behaviour) -> Self {
        Self::over(behaviour, None, |_| None)
    }

    /// The same behind TLS, with a certificate for `names`.
    pub fn with_tls(behaviour: Behaviour, issuer: &Issuer, names: &[&str]) -> Self {
        Self::over(behaviour, Some(issuer.server(names)), |_| None)
    }

    /// A registry that does what `fault` says where it says something.
    pub fn faulty(fault: impl FnMut(&Request) -> Option<Reply> + Send + 'static) -> Self {
        Self::over(Behaviour::default(), None, fault)
    }

    /// The same, deciding before a body was read.
    pub fn abrupt(fault: impl FnMut(&Request) -> Option<Reply> + Send + 'static) -> Self {
        let content = Arc::new(Mutex::new(Content::default()));
        let shared = Arc::clone(&content);
        let server = Server::start(fault, move |request| shared.lock().unwrap().answer(request));
        Self { server, content }
    }

    fn over(
        behaviour: Behaviour,
        tls: Option<tls::Config>,
        mut fault: impl FnMut(&Request) -> Option<Reply> + Send + 'static,
    ) -> Self {
        let content = Arc::new(Mutex::new(Content::like(behaviour)));
        let shared = Arc::clone(&content);
        let whole = move |request: &Request| {
            fault(request).unwrap_or_else(|| shared.lock().unwrap().answer(request))
        };
        let server = Server::behind(tls, |_| None, whole);
        Self { server, content }
    }

    /// Another host that serves and takes the same content, as a store behind a registry does.
    /// It knows nothing of tokens: whoever shows it one gave a secret away.
    pub fn second_host(&self) -> Server {
        let shared = Arc::clone(&self.content);
        Server::answering(move |request| shared.lock().unwrap().serve(request))
    }

    /// `127.0.0.1:PORT`.
    pub fn host(&self) -> &str {
        &self.server.host
    }

    /// A repository in it: `127.0.0.1:PORT/path`.
    pub fn repository(&self, path: &str) -> String {
        format!("{}/{path}", self.host())
    }

    /// Lets something go wrong from now on.
    pub fn fault(&self, fault: Fault) {
        self.server.fault(fault);
    }

    /// Insists on tokens of `service` from now on.
    pub fn guard(&self, service: &TokenService) {
        self.content().guard = Some(service.guard());
    }

    /// Changes its habits.
    pub fn behave(&self, change: impl FnOnce(&mut Behaviour)) {
        change(&mut self.content().behaviour);
    }

    /// What it holds.
    pub fn content(&self) -> MutexGuard<'_, Content> {
        self.content.lock().unwrap()
    }

    /// Holds a blob. Returns its digest.
    pub fn put_blob(&self, repository: &str, bytes: &[u8]) -> Digest {
        self.content().put_blob(repository, bytes)
    }

    /// Holds a manifest under its digest and a tag. Returns its digest.
    pub fn put_manifest(
        &self,
        repository: &str,
        tag: &str,
        media_type: &str,
        bytes: &[u8],
    ) -> Digest {
        self.content().put_manifest(repository, Some(tag), media_type, bytes)
    }

    /// Holds everything of a layout: all blobs, and the manifests that its index names with all
    /// below them.
    pub fn load(&self, repository: &str, layout: &Path) {
        self.content().load(repository, layout);
    }

    /// A blob, if it is there.
    pub fn blob(&self, repository: &str, digest: Digest) -> Option<Vec<u8>> {
        self.content().blobs.get(&(repository.to_owned(), digest.to_string())).cloned()
    }

    /// The bytes of a manifest, by tag or digest.
    pub fn manifest(&self, repository: &str, reference: &str) -> Option<Vec<u8>> {
        let key = (repository.to_owned(), reference.to_owned());
        self.content().manifests.get(&key).map(|(_, bytes)| bytes.clone())
    }

    /// Method and path of each request that changed or tried to change something.
    pub fn writes(&self) -> Vec<String> {
        self.server.log().iter().filter(|access| access.is_write()).map(Access::line).collect()
    }
}
