//! One request: sent, redirected, authenticated.

use std::sync::Arc;

use reqwest::Method;
use reqwest::header::{
    AUTHORIZATION, CONTENT_LENGTH, HeaderMap, HeaderValue, LOCATION, WWW_AUTHENTICATE,
};
use url::Url;

use super::incoming::{Incoming, transport};
use super::keyring::{Keyring, Shown};
use super::outgoing::{Payload, Watch, pieces};
use super::scope::Scopes;
use super::tries::Fault;
use super::{Http, challenge, lead, report};
use crate::Error;

/// Redirects that are followed for one request.
const MAX_REDIRECTS: usize = 5;
/// How often a request is made with new credentials: the first may have been used up by other requests
/// before this one came to show it.
const MAX_RENEWALS: usize = 2;

/// A request as the registry is to get it, without credentials.
#[derive(Clone, Debug)]
pub(super) struct Ask {
    pub(super) method: Method,
    pub(super) url: Url,
    pub(super) headers: HeaderMap,
    pub(super) payload: Payload,
}

impl Ask {
    pub(super) fn new(method: Method, url: Url) -> Self {
        Self { method, url, headers: HeaderMap::new(), payload: Payload::Empty }
    }

    pub(super) fn with(mut self, name: reqwest::header::HeaderName, value: HeaderValue) -> Self {
        self.headers.insert(name, value);
        self
    }

    fn name(&self) -> &'static str {
        [Method::GET, Method::HEAD, Method::POST, Method::PUT, Method::DELETE]
            .iter()
            .zip(["GET", "HEAD", "POST", "PUT", "DELETE"])
            .find_map(|(method, name)| (*method == self.method).then_some(name))
            .unwrap_or("request")
    }
}

impl Http {
    /// Sends `ask` once, to `url`. Nothing is followed and no status is looked at.
    pub(super) async fn send(
        &self,
        ask: &Ask,
        url: Url,
        authorization: Option<&HeaderValue>,
        credentials: bool,
    ) -> Result<Incoming, Fault> {
        let client = self.connections().to(&url, self.options()).map_err(Fault::last)?;
        let request = format!("{} {}", ask.name(), report::redacted(&url));
        let limits = &self.options().limits;
        let watch = Watch::new(limits, request.clone(), &ask.payload);
        let mut builder = client.request(ask.method.clone(), url).headers(ask.headers.clone());
        if let Some(value) = authorization {
            builder = builder.header(AUTHORIZATION, value);
        }
        builder = match &ask.payload {
            Payload::Empty if matches!(ask.method, Method::POST | Method::PUT) => {
                builder.header(CONTENT_LENGTH, 0)
            }
            Payload::Empty => builder,
            Payload::Small(bytes) => builder.body(bytes.clone()),
            // With its length: chunked transfer is not understood everywhere.
            Payload::Blob(body, descriptor) => {
                builder.header(CONTENT_LENGTH, descriptor.size).body(reqwest::Body::wrap_stream(
                    pieces(body.clone(), descriptor.clone(), watch.clone()),
                ))
            }
        };
        let sent = async {
            let response = builder.send().await.map_err(|e| transport(request.clone(), e))?;
            Ok(Incoming::new(response, ask.name(), credentials, limits))
        };
        watch.over(sent).await
    }
}

/// A registry and how to be let in.
#[derive(Clone, Debug)]
pub(super) struct Registry {
    pub(super) http: Arc<Http>,
    pub(super) keyring: Arc<Keyring>,
    /// `scheme://host/`.
    pub(super) base: Url,
}

impl Registry {
    /// One try: with what the registry is known to want, redirects followed for GET and HEAD, and
    /// after a 401 again with new credentials. Any status but the passing ones comes back, a 401 when
    /// nothing new can be shown.
    pub(super) async fn once(&self, ask: &Ask, scopes: &Scopes) -> Result<Incoming, Fault> {
        // Failures in here were tried enough by the one that asked for the token.
        let mut shown = self.keyring.show(&self.http, scopes).await.map_err(Fault::last)?;
        let mut renewals = 0;
        loop {
            let answer = self.follow(ask, &shown).await?;
            if let Some(tls) = self.with_tls(&answer).await? {
                let mut ask = ask.clone();
                if lead::same_origin(&ask.url, &self.base) {
                    // Never fails from `http` to `https`.
                    let _ = ask.url.set_scheme("https");
                }
                return Box::pin(tls.once(&ask, scopes)).await;
            }
            let ours = lead::same_origin(answer.url(), &self.base);
            if answer.status() != 401 || !ours || renewals == MAX_RENEWALS {
                return Ok(answer);
            }
            renewals += 1;
            let headers = answer.headers().get_all(WWW_AUTHENTICATE);
            let Some(challenge) = challenge::best(headers.iter().filter_map(|v| v.to_str().ok()))
            else {
                return Ok(answer);
            };
            let fresh = self.keyring.renew(&self.http, &self.base, challenge, scopes, &shown).await;
            match fresh.map_err(Fault::last)? {
                Some(fresh) => shown = fresh,
                None => return Ok(answer),
            }
        }
    }

    /// The same without another try after a 401.
    pub(super) async fn follow(&self, ask: &Ask, shown: &Shown) -> Result<Incoming, Fault> {
        let mut url = ask.url.clone();
        let mut ours = lead::same_origin(&url, &self.base);
        for _ in 0..=MAX_REDIRECTS {
            let header = shown.header.as_ref().filter(|_| ours);
            let credentials = shown.credentials && ours;
            let answer = self.http.send(ask, url.clone(), header, credentials).await?;
            let followed = matches!(ask.method, Method::GET | Method::HEAD);
            if !followed || !matches!(answer.status(), 301 | 302 | 303 | 307 | 308) {
                return Ok(answer);
            }
            url = self.location(&answer).map_err(Fault::last)?;
            // Once elsewhere, credentials stay away even if the way leads back.
            ours = ours && lead::same_origin(&url, &self.base);
        }
        let problem = format!("more than {MAX_REDIRECTS} redirects");
        let request = format!("{} {}", ask.name(), report::redacted(&ask.url));
        Err(Fault::last(Error::Nonsense { request, problem }))
    }

    /// Where an answer leads: a URL of any form, relative to the one that was asked.
    pub(super) fn location(&self, answer: &Incoming) -> Result<Url, Error> {
        let value = answer
            .header(&LOCATION)
            .ok_or_else(|| answer.nonsense("no usable `Location` in the answer"))?;
        self.target(answer, value)
    }

    /// The same for a URL that stands elsewhere in the answer.
    pub(super) fn target(&self, answer: &Incoming, value: &str) -> Result<Url, Error> {
        let to = answer
            .url()
            .join(value)
            .map_err(|_| answer.nonsense("it leads to what is not a URL"))?;
        lead::check(&self.base, answer.url(), &to, |to| self.http.is_plain(to)).map_err(
            |reason| {
                let request = answer.request().to_owned();
                Error::Redirect { request, to: report::redacted(&to), reason }
            },
        )?;
        Ok(to)
    }
}
