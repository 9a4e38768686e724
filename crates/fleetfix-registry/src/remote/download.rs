//! A blob from a registry: goes on where it stopped when the connection breaks.

use bytes::{Buf, Bytes};
use fleetfix_model::Digest;
use reqwest::Method;
use reqwest::header::{CONTENT_RANGE, HeaderValue, RANGE};

use tokio::time::Instant;

use super::Remote;
use super::ask::Ask;
use super::incoming::Incoming;
use super::tries::{Fault, Tries};
use crate::Error;
use crate::store::MAX_BLOB;

/// The bytes of a blob, not yet checked.
#[derive(Debug)]
pub(crate) struct Download {
    remote: Remote,
    digest: Digest,
    size: Option<u64>,
    /// Bytes given out so far.
    at: u64,
    /// Bytes of the present answer that were given out before.
    skip: u64,
    answer: Option<Incoming>,
    tries: Tries,
}

impl Download {
    /// Asks for the blob. Its absence is an error here, not at the first piece.
    pub(super) async fn start(
        remote: Remote,
        digest: Digest,
        size: Option<u64>,
    ) -> Result<Self, Error> {
        let tries = Tries::new(remote.limits());
        let mut download = Self { remote, digest, size, at: 0, skip: 0, answer: None, tries };
        download.open().await?;
        Ok(download)
    }

    /// The next piece; `None` at the end.
    pub(crate) async fn chunk(&mut self) -> Result<Option<Bytes>, Error> {
        let began = Instant::now();
        loop {
            let trying = Instant::now();
            let fault = match self.piece().await {
                Ok(piece) => {
                    self.tries.extend(trying.elapsed());
                    let bytes = piece.as_ref().map_or(0, Bytes::len);
                    self.tries.gain(bytes as u64, began.elapsed());
                    return Ok(piece);
                }
                // All of it is here: what it is is told by its digest, not by how the answer ended.
                Err(_) if self.size == Some(self.at) => return Ok(None),
                Err(fault) => fault,
            };
            self.answer = None;
            self.tries.after(fault).await?;
            self.open().await?;
        }
    }

    async fn piece(&mut self) -> Result<Option<Bytes>, Fault> {
        let Some(answer) = &mut self.answer else { return Ok(None) };
        loop {
            let Some(mut piece) = answer.chunk().await? else {
                if self.size.is_some_and(|size| self.at < size) {
                    return Err(Fault::soon(answer.nonsense("the blob ends too early")));
                }
                return Ok(None);
            };
            let known = usize::try_from(self.skip).unwrap_or(usize::MAX).min(piece.len());
            self.skip -= known as u64;
            piece.advance(known);
            if !piece.is_empty() {
                self.at += piece.len() as u64;
                if self.at > MAX_BLOB {
                    let what = answer.request().to_owned();
                    return Err(Fault::last(Error::TooLarge { what, max: MAX_BLOB }));
                }
                return Ok(Some(piece));
            }
        }
    }

    async fn open(&mut self) -> Result<(), Error> {
        loop {
            match self.open_once().await {
                Ok(answer) => {
                    // Beyond the last byte: the rest is none.
                    self.answer = Some(answer).filter(|answer| answer.status() != 416);
                    return Ok(());
                }
                Err(fault) => self.tries.after(fault).await?,
            }
        }
    }

    async fn open_once(&mut self) -> Result<Incoming, Fault> {
        let registry = self.remote.registry().map_err(Fault::last)?;
        let url = self.remote.url(&format!("blobs/{}", self.digest)).map_err(Fault::last)?;
        let mut ask = Ask::new(Method::GET, url);
        if self.at > 0
            && let Ok(range) = HeaderValue::from_str(&format!("bytes={}-", self.at))
        {
            ask = ask.with(RANGE, range);
        }
        let good: &[u16] = if self.at > 0 { &[200, 206, 416] } else { &[200] };
        let answer = registry.once(&ask, &self.remote.scopes(false)).await?.only(good).await?;
        self.skip = self.at;
        if answer.status() == 206 {
            let from = answer.header(&CONTENT_RANGE).and_then(range_start);
            if from != Some(self.at) {
                return Err(Fault::last(answer.nonsense("another range than the one asked for")));
            }
            self.skip = 0;
        }
        Ok(answer)
    }
}

/// The first byte of `bytes 5-9/10` (RFC 9110, section 14.4).
fn range_start(value: &str) -> Option<u64> {
    value.trim().strip_prefix("bytes")?.trim_start().split_once('-')?.0.parse().ok()
}

#[cfg(test)]
mod tests {
    #[test]
    fn where_a_range_starts() {
        for (value, expected) in [
            ("bytes 5-9/10", Some(5)),
            ("bytes 0-0/*", Some(0)),
            ("bytes */10", None),
            ("5-9/10", None),
            ("", None),
        ] {
            assert_eq!(super::range_start(value), expected, "{value}");
        }
    }
}
