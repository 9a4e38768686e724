//! A token service (distribution's `docs/spec/auth/token.md` and `oauth.md`), and the registry's side of it.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};

use super::{Fault, Reply, Request, Server};

/// A running token service; ends when dropped. Its tokens are `t1`, `t2`, ...
#[derive(Debug)]
pub struct TokenService {
    /// What listens, and what it was asked.
    pub server: Server,
    issued: Arc<Mutex<Issued>>,
}

#[derive(Debug, Default)]
struct Issued {
    count: usize,
    /// Those that are good, and the scopes of each.
    tokens: BTreeMap<String, Vec<String>>,
    served: usize,
    every: Option<usize>,
    basic: Option<String>,
    refresh: Option<String>,
}

/// The registry's side.
#[derive(Clone, Debug)]
pub(super) struct Guard {
    realm: String,
    issued: Arc<Mutex<Issued>>,
}

impl TokenService {
    /// A service that gives everybody a token.
    pub fn start() -> Self {
        let issued = Arc::new(Mutex::new(Issued::default()));
        let shared = Arc::clone(&issued);
        let server = Server::answering(move |request| shared.lock().unwrap().issue(request));
        Self { server, issued }
    }

    /// From now on all tokens run out each time that so many requests were let in.
    pub fn expire_every(&self, requests: usize) {
        self.issued.lock().unwrap().every = Some(requests);
    }

    /// From now on a token costs this value of `Authorization`.
    pub fn insist_on(&self, authorization: &str) {
        self.issued.lock().unwrap().basic = Some(authorization.to_owned());
    }

    /// From now on a token costs this refresh token, in a form.
    pub fn insist_on_refresh(&self, token: &str) {
        let mut issued = self.issued.lock().unwrap();
        (issued.basic, issued.refresh) = (None, Some(token.to_owned()));
    }

    /// Lets something go wrong from now on.
    pub fn fault(&self, fault: Fault) {
        self.server.fault(fault);
    }

    pub(super) fn guard(&self) -> Guard {
        Guard { realm: self.server.url("/token"), issued: Arc::clone(&self.issued) }
    }
}

impl Issued {
    fn issue(&mut self, request: &Request) -> Reply {
        if self.basic.as_deref().is_some_and(|basic| request.header("authorization") != Some(basic))
        {
            return Reply::json(401, r#"{"details":"incorrect username or password"}"#);
        }
        let mut scopes = request.query("scope");
        if let Some(refresh) = &self.refresh {
            let is = |name: &str, value: &str| request.form(name) == [value];
            if request.method != "POST"
                || !is("grant_type", "refresh_token")
                || !is("refresh_token", refresh)
            {
                return Reply::json(401, r#"{"details":"no such refresh token"}"#);
            }
            // One field holds all of them.
            let fields = request.form("scope");
            scopes = fields.iter().flat_map(|f| f.split(' ')).map(str::to_owned).collect();
        }
        self.count += 1;
        let name = format!("t{}", self.count);
        self.tokens.insert(name.clone(), scopes);
        Reply::json(200, &format!(r#"{{"token":"{name}","expires_in":300}}"#))
    }
}

impl Guard {
    /// What is answered instead, if the request does not show a token for all that it wants.
    pub(super) fn refusal(&self, request: &Request) -> Option<Reply> {
        let needed = needed(request);
        let mut issued = self.issued.lock().unwrap();
        let shown = request.header("authorization").and_then(|a| a.strip_prefix("Bearer "));
        let scopes = shown.and_then(|name| issued.tokens.get(name));
        if scopes.is_some_and(|scopes| needed.iter().all(|need| grants(scopes, need))) {
            issued.served += 1;
            if issued.every.is_some_and(|every| issued.served.is_multiple_of(every)) {
                issued.tokens.clear();
            }
            return None;
        }
        let scopes: Vec<String> =
            needed.iter().map(|(name, actions)| format!("repository:{name}:{actions}")).collect();
        let challenge =
            format!(r#"Bearer realm="{}",service="test",scope="{}""#, self.realm, scopes.join(" "));
        Some(Reply::error(401, "UNAUTHORIZED").with("www-authenticate", challenge))
    }
}

fn grants(scopes: &[String], (name, actions): &(String, &str)) -> bool {
    scopes.iter().any(|scope| {
        scope.strip_prefix(&format!("repository:{name}:")).is_some_and(|given| {
            actions.split(',').all(|action| given.split(',').any(|g| g == action))
        })
    })
}

/// Repositories and actions that a request needs.
fn needed(request: &Request) -> Vec<(String, &'static str)> {
    let rest = request.path().strip_prefix("/v2/").unwrap_or_default();
    let ends = ["/blobs/", "/manifests/", "/referrers/", "/tags/"];
    let Some(end) = ends.iter().find_map(|part| rest.find(part)) else { return Vec::new() };
    let actions = if request.is_write() { "pull,push" } else { "pull" };
    let own = (rest[..end].to_owned(), actions);
    [own].into_iter().chain(request.parameter("from").map(|from| (from, "pull"))).collect()
}
