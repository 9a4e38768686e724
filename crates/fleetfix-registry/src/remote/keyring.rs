//! Credentials and tokens of one registry.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use reqwest::header::HeaderValue;
use tokio::sync::Mutex;
use tokio::time::Instant;
use url::Url;

use super::challenge::Challenge;
use super::scope::Scopes;
use super::token::{self, Service};
use super::{Http, lead};
use crate::Error;
use crate::credential::Credential;

/// What one registry wants to see, and what we have to show.
#[derive(Debug)]
pub(super) struct Keyring {
    registry: String,
    /// One request for a token at a time: those that wait find it in the cache.
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    wants: Option<Wants>,
    tokens: Vec<Held>,
    credentials: BTreeMap<String, Option<Credential>>,
}

#[derive(Clone, Debug)]
enum Wants {
    Basic,
    Token(Service),
}

#[derive(Debug)]
struct Held {
    scopes: Scopes,
    header: HeaderValue,
    until: Instant,
}

impl Held {
    fn shown(&self, credentials: bool) -> Shown {
        Shown { header: Some(self.header.clone()), credentials }
    }
}

/// What goes into a request, and whether a login is behind it.
#[derive(Clone, Debug, Default)]
pub(super) struct Shown {
    pub(super) header: Option<HeaderValue>,
    pub(super) credentials: bool,
}

impl Keyring {
    pub(super) fn new(registry: &str) -> Self {
        Self { registry: registry.to_owned(), state: Mutex::default() }
    }

    /// What to show from the start: nothing before the registry has asked for something.
    pub(super) async fn show(&self, http: &Arc<Http>, scopes: &Scopes) -> Result<Shown, Error> {
        let mut state = self.state.lock().await;
        match state.wants.clone() {
            None => Ok(Shown::default()),
            Some(Wants::Basic) => self.basic(&mut state, http, scopes).await,
            Some(Wants::Token(service)) => {
                let now = Instant::now();
                state.tokens.retain(|held| held.until > now);
                if let Some(held) = state.tokens.iter().find(|held| held.scopes.cover(scopes)) {
                    let shown = held.shown(false);
                    let credentials = self.credential(&mut state, http, scopes).await?.is_some();
                    return Ok(Shown { credentials, ..shown });
                }
                self.fetch(&mut state, http, &service, scopes, &[]).await
            }
        }
    }

    /// After `shown` was answered with 401: what to show instead, if there is anything.
    pub(super) async fn renew(
        &self,
        http: &Arc<Http>,
        base: &Url,
        challenge: Challenge,
        scopes: &Scopes,
        shown: &Shown,
    ) -> Result<Option<Shown>, Error> {
        let mut state = self.state.lock().await;
        let (service, asked) = match challenge {
            Challenge::Basic => {
                state.wants = Some(Wants::Basic);
                let fresh = self.basic(&mut state, http, scopes).await?;
                let new = fresh.header.is_some() && fresh.header != shown.header;
                return Ok(new.then_some(fresh));
            }
            Challenge::Bearer { realm, service, scopes: asked } => {
                let service = Service { realm: self.realm(http, base, &realm)?, name: service };
                state.wants = Some(Wants::Token(service.clone()));
                state.tokens.retain(|held| Some(&held.header) != shown.header.as_ref());
                // Another request may have fetched it while this one was under way.
                let now = Instant::now();
                let newer = state.tokens.iter().find(|h| h.until > now && h.scopes.cover(scopes));
                if let Some(held) = newer {
                    let shown = held.shown(false);
                    let credentials = self.credential(&mut state, http, scopes).await?.is_some();
                    return Ok(Some(Shown { credentials, ..shown }));
                }
                (service, asked)
            }
        };
        self.fetch(&mut state, http, &service, scopes, &asked).await.map(Some)
    }

    /// A token service stands where the registry says; it is sent the password.
    fn realm(&self, http: &Http, base: &Url, realm: &str) -> Result<Url, Error> {
        let request = format!("login at {}", self.registry);
        let url = Url::parse(realm).map_err(|_| Error::Nonsense {
            request: request.clone(),
            problem: "the token service's realm is not a URL".into(),
        })?;
        lead::check(base, base, &url, |to| http.is_plain(to)).map_err(|reason| {
            Error::Redirect { request, to: super::report::redacted(&url), reason }
        })?;
        Ok(url)
    }

    async fn basic(
        &self,
        state: &mut State,
        http: &Arc<Http>,
        scopes: &Scopes,
    ) -> Result<Shown, Error> {
        let Some(Credential::Password { user, password }) =
            self.credential(state, http, scopes).await?
        else {
            return Ok(Shown::default());
        };
        let header = Some(basic_header(&user, password.reveal()));
        Ok(Shown { header, credentials: true })
    }

    async fn fetch(
        &self,
        state: &mut State,
        http: &Arc<Http>,
        service: &Service,
        scopes: &Scopes,
        asked: &[String],
    ) -> Result<Shown, Error> {
        let credential = self.credential(state, http, scopes).await?;
        let credentials = credential.is_some();
        let mut wanted: Vec<String> = scopes.0.iter().map(ToString::to_string).collect();
        wanted.extend(asked.iter().filter(|a| !covered(a, scopes)).cloned());
        let token = token::fetch(http, service, &wanted, credential.as_ref()).await?;
        let held = Held {
            scopes: scopes.clone(),
            header: token.header,
            // A token that ends on its way is worth nothing.
            until: Instant::now() + token.lifetime.saturating_sub(Duration::from_secs(5)),
        };
        let shown = held.shown(credentials);
        state.tokens.retain(|old| !scopes.cover(&old.scopes));
        state.tokens.push(held);
        Ok(shown)
    }

    async fn credential(
        &self,
        state: &mut State,
        http: &Http,
        scopes: &Scopes,
    ) -> Result<Option<Credential>, Error> {
        let path = scopes.path();
        if let Some(known) = state.credentials.get(path) {
            return Ok(known.clone());
        }
        let found = http.credentials().find(&self.registry, path).await?;
        state.credentials.insert(path.to_owned(), found.clone());
        Ok(found)
    }
}

/// Whether a scope that the registry asked for is one of ours, with fewer or the same actions.
fn covered(asked: &str, scopes: &Scopes) -> bool {
    scopes.0.iter().any(|ours| {
        asked.strip_prefix(&format!("repository:{}:", ours.repository)).is_some_and(|actions| {
            actions.split(',').all(|action| action == "pull" || (action == "push" && ours.push))
        })
    })
}

/// `Authorization` of RFC 7617.
pub(super) fn basic_header(user: &str, password: &str) -> HeaderValue {
    let encoded = format!("Basic {}", STANDARD.encode(format!("{user}:{password}")));
    sensitive(&encoded).unwrap_or(HeaderValue::from_static(""))
}

/// A header value that no log of a library shows.
pub(super) fn sensitive(text: &str) -> Option<HeaderValue> {
    let mut value = HeaderValue::from_str(text).ok()?;
    value.set_sensitive(true);
    Some(value)
}
