//! Registries on this machine: plain HTTP, unless they turn out to want TLS.
//!
//! Other clients try TLS first and fall back. A plain server may wait for the rest of what it takes
//! for a request then; a TLS server answers plain HTTP at once, with 400 (Go, nginx, Apache).

use std::collections::BTreeSet;
use std::error::Error as _;
use std::sync::{Mutex, PoisonError};

use reqwest::Method;
use reqwest::header::CONTENT_TYPE;
use tokio::time::timeout;
use url::Url;

use super::ask::{Ask, Registry};
use super::incoming::Incoming;
use super::tries::Fault;
use super::{Http, lead};
use crate::Error;

/// Loopback registries that want TLS, as `host:port`.
#[derive(Debug, Default)]
pub(super) struct TlsAfterAll(Mutex<BTreeSet<String>>);

impl TlsAfterAll {
    /// Whether `url`'s registry was found to want TLS.
    pub(super) fn has(&self, url: &Url) -> bool {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).contains(url.authority())
    }

    fn add(&self, url: &Url) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).insert(url.authority().to_owned());
    }
}

impl Registry {
    /// After `answer`: the same registry with TLS, if that is what it wants. A certificate that
    /// is not trusted is an error; only a TLS server has one.
    pub(super) async fn with_tls(&self, answer: &Incoming) -> Result<Option<Self>, Fault> {
        let json = answer.header(&CONTENT_TYPE).is_some_and(|t| t.contains("json"));
        let candidate = answer.status() == 400
            && !json
            && self.base.scheme() == "http"
            && lead::is_loopback(&self.base)
            && lead::same_origin(answer.url(), &self.base)
            && !self.http.asked_for_plain(&self.base);
        if !candidate {
            return Ok(None);
        }
        let mut base = self.base.clone();
        // Never fails from `http` to `https`.
        if base.set_scheme("https").is_err() {
            return Ok(None);
        }
        let tls = Self { base, ..self.clone() };
        if self.http.tls_after_all().has(&self.base) || speaks_tls(&self.http, &tls.base).await? {
            self.http.tls_after_all().add(&self.base);
            return Ok(Some(tls));
        }
        Ok(None)
    }
}

async fn speaks_tls(http: &Http, base: &Url) -> Result<bool, Fault> {
    let mut url = base.clone();
    url.set_path("/v2/");
    let ask = Ask::new(Method::GET, url.clone());
    let tried = http.send(&ask, url, None, false);
    match timeout(http.options().limits.connect, tried).await {
        Ok(Ok(_)) => Ok(true),
        Ok(Err(fault)) if is_certificate(&fault.error) => Err(fault),
        Ok(Err(_)) | Err(_) => Ok(false),
    }
}

/// Whether the handshake got as far as a certificate (`rustls::Error::InvalidCertificate`).
fn is_certificate(error: &Error) -> bool {
    let Error::Tls { source, .. } = error else { return false };
    let mut next = source.source();
    while let Some(error) = next {
        if error.to_string().contains("invalid peer certificate") {
            return true;
        }
        next = error.source();
    }
    false
}
