//! Answers: each piece within a time, all of them within a size.

use std::time::Duration;

use bytes::{Bytes, BytesMut};
use reqwest::Response;
use reqwest::header::{HeaderMap, HeaderName};
use tokio::time::{Instant, timeout};

use super::outgoing::on_pace;
use super::report;
use super::tries::{Again, Fault, retry_after};
use crate::Error;
use crate::error::Answer;
use crate::options::Limits;

/// Most of an error's body that is read, in bytes.
const MAX_ERROR: u64 = 64 << 10;

/// An answer whose head has come.
#[derive(Debug)]
pub(super) struct Incoming {
    response: Response,
    request: String,
    limits: Limits,
    credentials: bool,
    method: &'static str,
    spent: Duration,
    bytes: u64,
}

impl Incoming {
    pub(super) fn new(
        response: Response,
        method: &'static str,
        credentials: bool,
        limits: &Limits,
    ) -> Self {
        let request = format!("{method} {}", report::redacted(response.url()));
        let limits = limits.clone();
        Self { response, request, limits, credentials, method, spent: Duration::ZERO, bytes: 0 }
    }

    pub(super) fn status(&self) -> u16 {
        self.response.status().as_u16()
    }

    pub(super) fn headers(&self) -> &HeaderMap {
        self.response.headers()
    }

    /// A header's value, if it is text.
    pub(super) fn header(&self, name: &HeaderName) -> Option<&str> {
        self.response.headers().get(name)?.to_str().ok()
    }

    pub(super) fn url(&self) -> &url::Url {
        self.response.url()
    }

    /// Method and redacted URL.
    pub(super) fn request(&self) -> &str {
        &self.request
    }

    /// An error about this answer.
    pub(super) fn nonsense(&self, problem: impl Into<String>) -> Error {
        Error::Nonsense { request: self.request.clone(), problem: problem.into() }
    }

    /// The next piece of the body; `None` at its end.
    pub(super) async fn chunk(&mut self) -> Result<Option<Bytes>, Fault> {
        let began = Instant::now();
        let chunk = timeout(self.limits.idle, self.response.chunk()).await;
        self.spent += began.elapsed();
        match chunk {
            Ok(Ok(Some(chunk))) => {
                self.bytes += chunk.len() as u64;
                let (bytes, elapsed, least) = (self.bytes, self.spent, self.limits.least_rate);
                if elapsed > self.limits.pace_after && !on_pace(bytes, elapsed, least) {
                    let request = self.request.clone();
                    return Err(Fault::soon(Error::Slow { request, bytes, elapsed, least }));
                }
                Ok(Some(chunk))
            }
            Ok(Ok(None)) => Ok(None),
            Ok(Err(e)) => Err(transport(self.request.clone(), e)),
            Err(_) => {
                let waited = self.limits.idle;
                Err(Fault::soon(Error::Silent { request: self.request.clone(), waited }))
            }
        }
    }

    /// The whole body, at most `max` bytes.
    pub(super) async fn whole(&mut self, max: u64) -> Result<Bytes, Fault> {
        let too_large =
            |request: &str| Fault::last(Error::TooLarge { what: request.to_owned(), max });
        if self.response.content_length().is_some_and(|length| length > max) {
            return Err(too_large(&self.request));
        }
        let mut body = BytesMut::new();
        while let Some(chunk) = self.chunk().await? {
            if (body.len() + chunk.len()) as u64 > max {
                return Err(too_large(&self.request));
            }
            body.extend_from_slice(&chunk);
        }
        Ok(body.freeze())
    }

    /// Takes an answer with one of the statuses in `good`; any other becomes an error that says
    /// what the registry said.
    pub(super) async fn only(mut self, good: &[u16]) -> Result<Self, Fault> {
        if good.contains(&self.status()) {
            return Ok(self);
        }
        let status = self.status();
        let header = |name| self.header(&name);
        let asked =
            retry_after(header(reqwest::header::RETRY_AFTER), header(reqwest::header::DATE));
        let again = match (status, asked) {
            // What a registry, or a proxy before it, may do otherwise in a moment.
            (408 | 429 | 500 | 502 | 503 | 504, Some(wait)) => Again::After(wait),
            (408 | 429 | 500 | 502 | 503 | 504, None) => Again::Soon,
            _ => Again::Never,
        };
        let content_type = header(reqwest::header::CONTENT_TYPE).map(str::to_owned);
        // As much as comes: an error about the error would hide it.
        let mut body = Vec::new();
        while let Ok(Some(chunk)) = self.chunk().await {
            body.extend_from_slice(&chunk);
            if body.len() as u64 > MAX_ERROR {
                break;
            }
        }
        let (codes, text) = report::explain(content_type.as_deref(), &body);
        let answer = Answer {
            method: self.method,
            url: report::redacted(self.response.url()),
            status,
            codes,
            text,
            credentials: self.credentials,
        };
        Err(Fault { error: Error::Answer(Box::new(answer)), again })
    }
}

/// A failure below HTTP.
pub(super) fn transport(request: String, e: reqwest::Error) -> Fault {
    let source = Box::new(e.without_url());
    if is_tls(source.as_ref()) {
        return Fault::last(Error::Tls { request, source });
    }
    Fault::soon(Error::Transport { request, tries: 1, source })
}

/// A handshake that failed would fail again. `tokio-rustls` reports it as invalid data, and
/// `hyper-rustls` wraps that once more.
fn is_tls(e: &reqwest::Error) -> bool {
    let mut next: Option<&(dyn std::error::Error + 'static)> = Some(e);
    while let Some(error) = next {
        let mut io = error.downcast_ref::<std::io::Error>();
        while let Some(inner) = io {
            if inner.kind() == std::io::ErrorKind::InvalidData {
                return e.is_connect();
            }
            io = inner.get_ref().and_then(|inner| inner.downcast_ref());
        }
        next = error.source();
    }
    false
}
