//! A document by its URL, from a server that is not a registry: an update graph.
//!
//! The same connections, certificates, proxies, tries and limits as with registries, and no
//! credentials: none of them was given for this server.

use std::sync::Arc;

use bytes::Bytes;
use reqwest::Method;
use reqwest::header::{ACCEPT, HeaderValue};
use url::Url;

use super::ask::{Ask, Registry};
use super::keyring::{Keyring, Shown};
use super::tries::Tries;
use super::{Http, report};
use crate::Error;

impl Http {
    /// What `url` serves, at most `max` bytes. Without TLS only where that is allowed for registries.
    pub(crate) async fn document(self: &Arc<Self>, url: &str, max: u64) -> Result<Bytes, Error> {
        let name = || url.chars().take(300).collect::<String>();
        let url: Url = url.parse().map_err(|source| Error::NotAUrl { name: name(), source })?;
        let refuse = |reason| Error::DocumentUrl { url: report::redacted(&url), reason };
        match url.scheme() {
            "https" => {}
            "http" if self.is_plain(&url) => {}
            "http" => return Err(refuse("it has no TLS [--plain-http allows that for a host]")),
            _ => return Err(refuse("it is not HTTP")),
        }
        if !url.username().is_empty() || url.password().is_some() {
            return Err(refuse("it names a user, and would end up in logs"));
        }
        let mut base = url.clone();
        base.set_path("/");
        base.set_query(None);
        let server = Registry { http: self.clone(), keyring: Arc::new(Keyring::new("")), base };
        let ask =
            Ask::new(Method::GET, url).with(ACCEPT, HeaderValue::from_static("application/json"));
        let mut tries = Tries::new(&self.options().limits);
        loop {
            let once = async {
                let mut answer = server.follow(&ask, &Shown::default()).await?.only(&[200]).await?;
                answer.whole(max).await
            };
            match once.await {
                Ok(bytes) => return Ok(bytes),
                Err(fault) => tries.after(fault).await?,
            }
        }
    }
}
