//! The distribution protocol over HTTP (distribution-spec v1.1).
//!
//! | module | what it holds |
//! |---|---|
//! | [`ask`] | one request: sent, redirected, authenticated |
//! | [`tries`] | when it is made again |
//! | [`outgoing`], [`incoming`] | bodies and answers, watched |
//! | [`keyring`], [`token`], [`challenge`], [`scope`] | how to be let in |
//! | [`lead`], [`loopback`] | where an answer may lead; registries on this machine |
//! | [`upload`], [`download`] | blobs |
//! | [`document`] | what is not in a registry |
//! | [`referrers`] | what is about an image |
//! | [`report`] | a registry's own words |
//! | [`connection`], [`trust`] | clients and certificates |

mod ask;
mod challenge;
mod connection;
mod document;
mod download;
mod incoming;
mod keyring;
mod lead;
mod loopback;
mod outgoing;
mod referrers;
mod report;
mod scope;
mod token;
mod tries;
mod trust;
mod upload;

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};

use bytes::Bytes;
use fleetfix_model::name::RepositoryPath;
use fleetfix_model::{Descriptor, Digest, media};
use reqwest::Method;
use reqwest::header::{ACCEPT, CONTENT_LENGTH, CONTENT_TYPE, HeaderName, HeaderValue};
use url::Url;

use ask::{Ask, Registry};
use connection::Connections;
pub(crate) use download::Download;
use keyring::Keyring;
use loopback::TlsAfterAll;
pub(crate) use outgoing::Content;
use outgoing::Payload;
use scope::{Scope, Scopes};
use tries::{Fault, Tries};
use upload::{Mount, agrees};

use crate::Error;
use crate::credential::Credentials;
use crate::options::{Limits, Options};
use crate::store::{Body, RawManifest, Written};

/// Header in which a registry repeats a digest (distribution-spec v1.1, "Pulling manifests").
const DIGEST: &str = "docker-content-digest";
/// Header that says that a subject was understood (distribution-spec v1.1, "Pushing Manifests with Subject").
const SUBJECT: HeaderName = HeaderName::from_static("oci-subject");
/// Largest manifest, in bytes (distribution-spec v1.1, "Pushing manifests").
const MAX_MANIFEST: u64 = fleetfix_oci::manifest::MAX_SIZE as u64;
/// Docker Hub's name in references and the host that serves it (distribution/reference, `docker.io`).
const HUB: (&str, &str) = ("docker.io", "registry-1.docker.io");

/// What all registries of one client share.
#[derive(Debug)]
pub(crate) struct Http {
    options: Options,
    connections: Connections,
    credentials: Credentials,
    keyrings: Mutex<BTreeMap<String, Arc<Keyring>>>,
    tls_after_all: TlsAfterAll,
}

impl Http {
    pub(crate) fn new(options: Options) -> Self {
        let credentials = Credentials::new(options.auth_files.clone());
        Self {
            options,
            connections: Connections::default(),
            credentials,
            keyrings: Mutex::default(),
            tls_after_all: TlsAfterAll::default(),
        }
    }

    pub(crate) fn options(&self) -> &Options {
        &self.options
    }

    fn connections(&self) -> &Connections {
        &self.connections
    }

    fn credentials(&self) -> &Credentials {
        &self.credentials
    }

    fn keyring(&self, registry: &str) -> Arc<Keyring> {
        let mut keyrings = self.keyrings.lock().unwrap_or_else(PoisonError::into_inner);
        keyrings
            .entry(registry.to_owned())
            .or_insert_with(|| Arc::new(Keyring::new(registry)))
            .clone()
    }

    fn tls_after_all(&self) -> &TlsAfterAll {
        &self.tls_after_all
    }

    /// Whether `url`'s host is spoken to without TLS.
    fn is_plain(&self, url: &Url) -> bool {
        lead::is_loopback(url) || self.asked_for_plain(url)
    }

    /// Whether that was asked for by name.
    fn asked_for_plain(&self, url: &Url) -> bool {
        let Some(host) = url.host_str() else { return false };
        let plain = &self.options.plain_http;
        let port = url.port_or_known_default();
        plain.contains(host) || port.is_some_and(|p| plain.contains(&format!("{host}:{p}")))
    }
}

/// One repository of a registry.
#[derive(Clone, Debug)]
pub(crate) struct Remote {
    http: Arc<Http>,
    registry: String,
    path: RepositoryPath,
}

impl Remote {
    pub(crate) fn new(http: Arc<Http>, registry: &str, path: RepositoryPath) -> Self {
        Self { http, registry: registry.to_owned(), path }
    }

    fn limits(&self) -> &Limits {
        &self.http.options.limits
    }

    fn registry(&self) -> Result<Registry, Error> {
        let host = if self.registry == HUB.0 { HUB.1 } else { &self.registry };
        let parse = |scheme: &str| {
            Url::parse(&format!("{scheme}://{host}/"))
                .map_err(|source| Error::NotAUrl { name: self.registry.clone(), source })
        };
        let plain = parse("http")?;
        let is_plain = self.http.is_plain(&plain) && !self.http.tls_after_all.has(&plain);
        let base = if is_plain { plain } else { parse("https")? };
        let keyring = self.http.keyring(&self.registry);
        Ok(Registry { http: self.http.clone(), keyring, base })
    }

    fn url(&self, tail: &str) -> Result<Url, Error> {
        let mut url = self.registry()?.base;
        // Path and tail have no character that would need an escape.
        url.set_path(&format!("/v2/{}/{tail}", self.path));
        Ok(url)
    }

    fn scopes(&self, push: bool) -> Scopes {
        Scopes(vec![Scope { repository: self.path.to_string(), push }])
    }

    fn scopes_with(&self, from: &RepositoryPath) -> Scopes {
        let mut scopes = self.scopes(true);
        scopes.0.push(Scope { repository: from.to_string(), push: false });
        scopes
    }

    /// The manifest under a tag or digest; `None` if there is none. Nothing is compared yet, and
    /// what the registry's headers say about the digest is not looked at: the bytes decide.
    pub(crate) async fn manifest(&self, reference: &str) -> Result<Option<RawManifest>, Error> {
        let registry = self.registry()?;
        let ask = Ask::new(Method::GET, self.url(&format!("manifests/{reference}"))?)
            .with(ACCEPT, accept());
        let scopes = self.scopes(false);
        let mut tries = Tries::new(self.limits());
        let once = async || -> Result<Option<(Option<String>, Bytes)>, Fault> {
            let mut answer = registry.once(&ask, &scopes).await?.only(&[200, 404]).await?;
            if answer.status() == 404 {
                return Ok(None);
            }
            let media_type = answer.header(&CONTENT_TYPE).map(essence);
            Ok(Some((media_type, answer.whole(MAX_MANIFEST).await?)))
        };
        loop {
            match once().await {
                Ok(None) => return Ok(None),
                Ok(Some((media_type, bytes))) => {
                    let digest = Digest::of(&bytes);
                    let media_type = media_type.unwrap_or_default();
                    return Ok(Some(RawManifest { media_type, bytes, digest }));
                }
                Err(fault) => tries.after(fault).await?,
            }
        }
    }

    /// Whether there is a manifest of `digest`.
    pub(crate) async fn has_manifest(&self, digest: Digest, push: bool) -> Result<bool, Error> {
        let ask = Ask::new(Method::HEAD, self.url(&format!("manifests/{digest}"))?)
            .with(ACCEPT, accept());
        Ok(self.head(&ask, digest, push).await?.is_some())
    }

    /// Whether there is a blob of `digest`, and of `size` bytes if the registry says so.
    pub(crate) async fn has_blob(
        &self,
        digest: Digest,
        size: Option<u64>,
        push: bool,
    ) -> Result<bool, Error> {
        let ask = Ask::new(Method::HEAD, self.url(&format!("blobs/{digest}"))?);
        let found = self.head(&ask, digest, push).await?;
        Ok(found.is_some_and(|length| length.is_none() || size.is_none() || length == size))
    }

    /// Size of a blob, which registries need not name; `None` if it is not there.
    pub(crate) async fn blob_size(&self, digest: Digest) -> Result<Option<Option<u64>>, Error> {
        let ask = Ask::new(Method::HEAD, self.url(&format!("blobs/{digest}"))?);
        self.head(&ask, digest, false).await
    }

    /// The length that a HEAD names, if the thing is there.
    async fn head(
        &self,
        ask: &Ask,
        digest: Digest,
        push: bool,
    ) -> Result<Option<Option<u64>>, Error> {
        let registry = self.registry()?;
        let scopes = self.scopes(push);
        let mut tries = Tries::new(self.limits());
        loop {
            let result = match registry.once(ask, &scopes).await {
                Ok(answer) => answer.only(&[200, 404]).await,
                Err(fault) => Err(fault),
            };
            match result {
                Ok(answer) if answer.status() == 404 => return Ok(None),
                Ok(answer) => {
                    agrees(&answer, digest)?;
                    return Ok(Some(answer.header(&CONTENT_LENGTH).and_then(|l| l.parse().ok())));
                }
                Err(fault) => tries.after(fault).await?,
            }
        }
    }

    pub(crate) async fn download(
        &self,
        digest: Digest,
        size: Option<u64>,
    ) -> Result<Download, Error> {
        Download::start(self.clone(), digest, size).await
    }

    /// Writes a blob, unless it is there.
    pub(crate) async fn put_blob(
        &self,
        descriptor: &Descriptor,
        body: &Body,
    ) -> Result<Written, Error> {
        if self.has_blob(descriptor.digest, Some(descriptor.size), true).await? {
            return Ok(Written::AlreadyThere);
        }
        self.upload(descriptor, &Content::from(body), None).await?;
        Ok(Written::New)
    }

    /// Mounts a blob of `source`, or says into which session it may be sent instead, if one is open.
    pub(crate) async fn mount_or_open(
        &self,
        source: &Self,
        blob: &Descriptor,
    ) -> Result<Result<(), Option<Url>>, Error> {
        if self.registry != source.registry || self.path == source.path {
            return Ok(Err(None));
        }
        Ok(match self.mount(&source.path, blob.digest, Some(blob.size)).await? {
            Mount::Done => Ok(()),
            Mount::Session(session) => Err(Some(session)),
            Mount::No => Err(None),
        })
    }

    /// Sends a blob without asking whether it is there, into `session` if one is open.
    pub(crate) async fn send_blob(
        &self,
        descriptor: &Descriptor,
        body: &Content,
        session: Option<Url>,
    ) -> Result<(), Error> {
        self.upload(descriptor, body, session).await
    }

    /// Writes a manifest under a tag or its digest. Returns what the registry calls its subject,
    /// if it says that it lists it there (`OCI-Subject`).
    pub(crate) async fn put_manifest(
        &self,
        reference: &str,
        media_type: &str,
        bytes: &Bytes,
    ) -> Result<Option<String>, Error> {
        let registry = self.registry()?;
        let url = self.url(&format!("manifests/{reference}"))?;
        let content_type = HeaderValue::from_str(media_type).map_err(|_| Error::Nonsense {
            request: format!("PUT {}", report::redacted(&url)),
            problem: "the media type cannot stand in a header".into(),
        })?;
        let mut ask = Ask::new(Method::PUT, url).with(CONTENT_TYPE, content_type);
        ask.payload = Payload::Small(bytes.clone());
        let scopes = self.scopes(true);
        let mut tries = Tries::new(self.limits());
        loop {
            let result = match registry.once(&ask, &scopes).await {
                Ok(answer) => answer.only(&[201, 200, 202]).await,
                Err(fault) => Err(fault),
            };
            match result {
                Ok(answer) => {
                    agrees(&answer, Digest::of(bytes))?;
                    return Ok(answer.header(&SUBJECT).map(str::to_owned));
                }
                Err(fault) => tries.after(fault).await?,
            }
        }
    }
}

fn accept() -> HeaderValue {
    let all = [media::OCI_INDEX, media::OCI_MANIFEST, media::DOCKER_INDEX, media::DOCKER_MANIFEST];
    HeaderValue::from_str(&all.join(", ")).unwrap_or(HeaderValue::from_static("*/*"))
}

/// A media type without its parameters.
fn essence(value: &str) -> String {
    value.split(';').next().unwrap_or_default().trim().to_ascii_lowercase()
}

#[cfg(test)]
mod tests;
