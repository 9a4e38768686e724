//! Token services (distribution's `docs/spec/auth/token.md` and `oauth.md`).

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use reqwest::Method;
use reqwest::header::{AUTHORIZATION, CONTENT_TYPE, HeaderMap, HeaderValue};
use serde::Deserialize;
use url::Url;
use url::form_urlencoded::Serializer;

use super::Http;
use super::ask::Ask;
use super::keyring::{basic_header, sensitive};
use super::outgoing::Payload;
use super::tries::{Fault, Tries};
use crate::Error;
use crate::credential::Credential;

/// Largest answer of a token service, in bytes.
const MAX_TOKEN: u64 = 1 << 20;
/// Lifetime of a token that names none (token.md, `expires_in`).
const DEFAULT_LIFETIME: u64 = 60;
/// Longest lifetime that is believed.
const MAX_LIFETIME: u64 = 24 * 3600;

/// A token service.
#[derive(Clone, Debug)]
pub(super) struct Service {
    pub(super) realm: Url,
    pub(super) name: Option<String>,
}

/// A token, ready to be sent.
#[derive(Debug)]
pub(super) struct Token {
    pub(super) header: HeaderValue,
    pub(super) lifetime: Duration,
}

#[derive(Deserialize)]
struct Content {
    token: Option<String>,
    access_token: Option<String>,
    expires_in: Option<u64>,
}

/// Asks `service` for a token with `scopes`, each as a parameter of its own.
pub(super) async fn fetch(
    http: &Arc<Http>,
    service: &Service,
    scopes: &[String],
    credential: Option<&Credential>,
) -> Result<Token, Error> {
    let ask = request(service, scopes, credential);
    let mut tries = Tries::new(&http.options().limits);
    loop {
        match once(http, &ask, credential.is_some()).await {
            Ok(token) => return Ok(token),
            Err(fault) => tries.after(fault).await?,
        }
    }
}

fn request(service: &Service, scopes: &[String], credential: Option<&Credential>) -> Ask {
    let mut headers = HeaderMap::new();
    let mut url = service.realm.clone();
    if let Some(Credential::IdentityToken(token)) = credential {
        // oauth.md: parameters in a form, the scopes in one of them.
        let mut form = Serializer::new(String::new());
        form.append_pair("grant_type", "refresh_token").append_pair("client_id", "fleetfix");
        if let Some(name) = &service.name {
            form.append_pair("service", name);
        }
        form.append_pair("scope", &scopes.join(" ")).append_pair("refresh_token", token.reveal());
        headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/x-www-form-urlencoded"));
        let payload = Payload::Small(Bytes::from(form.finish()));
        return Ask { method: Method::POST, url, headers, payload };
    }
    {
        let mut query = url.query_pairs_mut();
        if let Some(name) = &service.name {
            query.append_pair("service", name);
        }
        for scope in scopes {
            query.append_pair("scope", scope);
        }
    }
    if let Some(Credential::Password { user, password }) = credential {
        headers.insert(AUTHORIZATION, basic_header(user, password.reveal()));
    }
    Ask { method: Method::GET, url, headers, payload: Payload::Empty }
}

/// Redirects are not followed: a token service is where the registry says, and nowhere else.
async fn once(http: &Arc<Http>, ask: &Ask, credentials: bool) -> Result<Token, Fault> {
    let answer = http.send(ask, ask.url.clone(), None, credentials).await?;
    let mut answer = answer.only(&[200]).await?;
    let body = answer.whole(MAX_TOKEN).await?;
    let bad = |problem: &str| Fault::last(answer.nonsense(problem));
    let content: Content = serde_json::from_slice(&body)
        .map_err(|_| bad("the token service's answer holds no token"))?;
    // Some send both, and some the one they do not mean empty.
    let given = [content.token, content.access_token].into_iter().flatten().find(|t| !t.is_empty());
    let header = given.and_then(|token| sensitive(&format!("Bearer {token}")));
    let header = header.ok_or_else(|| bad("the token service's answer holds no token"))?;
    let lifetime = content.expires_in.unwrap_or(DEFAULT_LIFETIME).min(MAX_LIFETIME);
    Ok(Token { header, lifetime: Duration::from_secs(lifetime) })
}
