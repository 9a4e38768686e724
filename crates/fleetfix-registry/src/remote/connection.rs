//! HTTP clients, made when the first request needs one.

use std::collections::BTreeMap;
use std::sync::{Mutex, PoisonError};

use url::Url;

use super::{lead, trust};
use crate::Error;
use crate::options::Options;

/// What makes one client unlike another.
#[derive(Clone, Copy, Debug, Eq, Ord, PartialEq, PartialOrd)]
struct Way {
    /// Certificates are only loaded where there is TLS.
    tls: bool,
    /// Proxies are never used for loopback, whatever `NO_PROXY` says.
    loopback: bool,
}

/// All clients of one [`crate::Client`].
#[derive(Debug, Default)]
pub(super) struct Connections {
    clients: Mutex<BTreeMap<Way, reqwest::Client>>,
}

impl Connections {
    /// The client for `url`.
    pub(super) fn to(&self, url: &Url, options: &Options) -> Result<reqwest::Client, Error> {
        let way = Way { tls: url.scheme() == "https", loopback: lead::is_loopback(url) };
        let mut clients = self.clients.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(client) = clients.get(&way) {
            return Ok(client.clone());
        }
        let client = build(way, options).map_err(|e| Error::Setup(Box::new(e)))?;
        clients.insert(way, client.clone());
        Ok(client)
    }
}

fn build(way: Way, options: &Options) -> Result<reqwest::Client, reqwest::Error> {
    let builder = || {
        let builder = reqwest::Client::builder()
            .user_agent(concat!("fleetfix/", env!("CARGO_PKG_VERSION")))
            // One stream of HTTP/2 has a small window at quay.io and behind nginx; uploads crawl
            // (google/go-containerregistry#799, moby/buildkit#1420).
            .http1_only()
            // Followed by us, who know what may see credentials.
            .redirect(reqwest::redirect::Policy::none())
            .referer(false)
            // Tried again by us, who know what has been sent.
            .retry(reqwest::retry::never())
            .connect_timeout(options.limits.connect);
        if way.loopback { builder.no_proxy() } else { builder }
    };
    let roots = if way.tls { trust::roots(&options.certificates) } else { Vec::new() };
    trust::trusting(builder, &roots)
}
