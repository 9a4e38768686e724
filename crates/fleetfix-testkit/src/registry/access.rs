//! The log of a server.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use super::Request;

/// One request and what became of it.
#[derive(Clone, Debug)]
pub struct Access {
    /// The request; its body as far as it was read.
    pub request: Request,
    /// Status of the answer; 0: none was given.
    pub status: u16,
    down: Arc<AtomicU64>,
}

impl Access {
    pub(super) fn new(request: &Request, status: u16) -> (Self, Arc<AtomicU64>) {
        let down = Arc::new(AtomicU64::new(0));
        (Self { request: request.clone(), status, down: Arc::clone(&down) }, down)
    }

    /// Bytes of the request's body.
    pub fn up(&self) -> u64 {
        self.request.body.len() as u64
    }

    /// Bytes of the answer's body that were sent.
    pub fn down(&self) -> u64 {
        self.down.load(Ordering::Relaxed)
    }

    /// Method and path.
    pub fn line(&self) -> String {
        self.request.line()
    }

    /// True if it may change what a registry holds.
    pub fn is_write(&self) -> bool {
        self.request.is_write()
    }

    /// True if it carried something that is nobody else's business.
    pub fn has_secret(&self) -> bool {
        ["authorization", "cookie", "proxy-authorization"]
            .iter()
            .any(|name| self.request.header(name).is_some())
    }
}

impl std::fmt::Display for Access {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Request { method, target, .. } = &self.request;
        write!(f, "{method} {target} {} up {} down {}", self.status, self.up(), self.down())
    }
}
