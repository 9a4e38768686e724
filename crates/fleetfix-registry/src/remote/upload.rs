//! Uploads of blobs: a session, one body, one digest.
//!
//! One PUT with the whole body: chunks are dropped by ECR, capped at 4 MiB by GHCR and joined at
//! great cost by Quay on S3. A dropped upload starts again with a new session: distribution 2.8
//! cancels the old one as soon as it sees a stale state.

use reqwest::Method;
use reqwest::header::{CONTENT_TYPE, HeaderName, HeaderValue};
use url::Url;

use fleetfix_model::name::RepositoryPath;
use fleetfix_model::{Descriptor, Digest};

use super::ask::Ask;
use super::incoming::Incoming;
use super::outgoing::{Content, Payload};
use super::tries::{Again, Fault, Tries};
use super::{DIGEST, Remote};
use crate::Error;

/// What came of asking for a blob of another repository.
#[derive(Debug)]
pub(super) enum Mount {
    /// It is there now.
    Done,
    /// The registry would rather have it sent, and opened an upload for it.
    Session(Url),
    /// Neither.
    No,
}

impl Remote {
    /// Sends `body`, into `session` if one is open.
    pub(super) async fn upload(
        &self,
        descriptor: &Descriptor,
        body: &Content,
        mut session: Option<Url>,
    ) -> Result<(), Error> {
        // The other sizes are checked with the last piece of the body; nothing has none.
        let nothing = Digest::of(b"");
        if descriptor.size == 0 && descriptor.digest != nothing {
            let what = format!("blob to send, {}", descriptor.media_type);
            let (expected, actual) = (descriptor.digest, nothing.to_string());
            return Err(Error::DigestMismatch { what, expected, actual });
        }
        let mut tries = Tries::new(self.limits());
        loop {
            match self.upload_once(descriptor, body, session.take()).await {
                Ok(()) => return Ok(()),
                Err((fault, spent)) => {
                    tries.extend(spent);
                    tries.after(fault).await?;
                }
            }
        }
    }

    async fn upload_once(
        &self,
        descriptor: &Descriptor,
        body: &Content,
        session: Option<Url>,
    ) -> Result<(), (Fault, std::time::Duration)> {
        let began = tokio::time::Instant::now();
        let sent = async {
            let session = match session {
                Some(open) => open,
                None => self.open().await?,
            };
            self.put_whole(descriptor, body, session).await
        };
        sent.await.map_err(|fault| (fault, began.elapsed()))
    }

    async fn open(&self) -> Result<Url, Fault> {
        let ask = Ask::new(Method::POST, self.url("blobs/uploads/").map_err(Fault::last)?);
        let registry = self.registry().map_err(Fault::last)?;
        let answer = registry.once(&ask, &self.scopes(true)).await?.only(&[202]).await?;
        registry.location(&answer).map_err(Fault::last)
    }

    async fn put_whole(
        &self,
        descriptor: &Descriptor,
        body: &Content,
        session: Url,
    ) -> Result<(), Fault> {
        let mut url = session;
        // Appended, never rebuilt: the rest is the registry's own state.
        url.query_pairs_mut().append_pair("digest", &descriptor.digest.to_string());
        let mut ask = Ask::new(Method::PUT, url)
            .with(CONTENT_TYPE, HeaderValue::from_static("application/octet-stream"));
        ask.payload = Payload::Blob(body.clone(), descriptor.clone());
        let registry = self.registry().map_err(Fault::last)?;
        let answer = registry.once(&ask, &self.scopes(true)).await?;
        let answer = answer.only(&[201, 200, 204]).await.map_err(session_lost)?;
        agrees(&answer, descriptor.digest).map_err(Fault::last)
    }

    /// Asks for a blob of `from`, a repository of the same registry.
    pub(super) async fn mount(
        &self,
        from: &RepositoryPath,
        digest: Digest,
        size: Option<u64>,
    ) -> Result<Mount, Error> {
        let mut url = self.url("blobs/uploads/")?;
        url.query_pairs_mut()
            .append_pair("mount", &digest.to_string())
            .append_pair("from", from.as_str());
        let ask = Ask::new(Method::POST, url);
        let scopes = self.scopes_with(from);
        let registry = self.registry()?;
        let mut tries = Tries::new(self.limits());
        loop {
            let result = match registry.once(&ask, &scopes).await {
                Ok(answer) => answer.only(&[201, 202]).await,
                Err(fault) => Err(fault),
            };
            let fault = match result {
                Ok(answer) if answer.status() == 201 => {
                    // Looked at: some say so and have nothing, and whoever named the blob may have
                    // lied about its size.
                    let there = self.has_blob(digest, size, true).await?;
                    return Ok(if there { Mount::Done } else { Mount::No });
                }
                Ok(answer) => {
                    return Ok(registry.location(&answer).map_or(Mount::No, Mount::Session));
                }
                Err(fault) => fault,
            };
            match tries.after(fault).await {
                Ok(()) => {}
                // Harbor answers 401 or 404 where 202 is meant, and a token for two repositories
                // may be refused where one for the first is not: sending the blob shows.
                Err(Error::Answer(_)) => return Ok(Mount::No),
                Err(other) => return Err(other),
            }
        }
    }
}

/// A session that the registry knows nothing of any more is one to open again.
///
/// A 404 without a word counts: a registry that answers while the body is still going up closes
/// the connection, and its words may be lost with it.
fn session_lost(fault: Fault) -> Fault {
    let lost = match &fault.error {
        Error::Answer(answer) => {
            let known = ["BLOB_UPLOAD_UNKNOWN", "BLOB_UPLOAD_INVALID"];
            let silent = answer.status == 404 && answer.codes.is_empty();
            silent || answer.codes.iter().any(|code| known.contains(&code.as_str()))
        }
        _ => false,
    };
    if lost && fault.again == Again::Never { Fault { again: Again::Soon, ..fault } } else { fault }
}

/// What a registry says it stored must be what was sent. Not saying it is allowed.
pub(super) fn agrees(answer: &Incoming, digest: Digest) -> Result<(), Error> {
    match answer.header(&HeaderName::from_static(DIGEST)) {
        Some(said) if said != digest.to_string() => Err(Error::DigestMismatch {
            what: format!("{}: what the registry says it stored", answer.request()),
            expected: digest,
            actual: said.chars().filter(|c| !c.is_control()).take(100).collect(),
        }),
        _ => Ok(()),
    }
}
