use std::sync::{Arc, Mutex};

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use fleetfix_model::{Class, Classify, Descriptor, Digest};
use fleetfix_testkit::registry::{Registry, Reply, Request, Server};

use crate::copy::copy_blob;
use crate::store::Body;
use crate::testing::{login, options, repository, store, store_with, tag};
use crate::{Client, Error, Written};

const BLOB: &[u8] = b"some content";

/// A token service that counts its tokens: `t1`, `t2`, ...
fn token_service(lifetime: Option<u64>) -> Server {
    let mut issued = 0;
    Server::answering(move |_| {
        issued += 1;
        let lifetime = lifetime.map_or(String::new(), |l| format!(r#","expires_in":{l}"#));
        Reply::json(200, &format!(r#"{{"token":"t{issued}"{lifetime}}}"#))
    })
}

fn challenge(realm: &str) -> Reply {
    let value =
        format!(r#"Bearer realm="{realm}",service="the service",scope="repository:a/b:pull""#);
    Reply::json(401, r#"{"errors":[{"code":"UNAUTHORIZED","message":"who are you"}]}"#)
        .with("www-authenticate", value)
}

/// A registry that wants a token that `good` likes.
fn guarded(realm: String, good: impl Fn(&str) -> bool + Send + 'static) -> Registry {
    Registry::faulty(move |request| {
        let shown = request.header("authorization").and_then(|a| a.strip_prefix("Bearer "));
        (!shown.is_some_and(&good)).then(|| challenge(&realm))
    })
}

fn tokens(registry: &Registry) -> Vec<Option<String>> {
    registry
        .server
        .requests()
        .iter()
        .map(|r| r.header("authorization").map(str::to_owned))
        .collect()
}

#[tokio::test]
async fn a_token_is_asked_for_once_and_shown_from_then_on() {
    let service = token_service(Some(300));
    let registry = guarded(service.url("/token?x=y"), |t| t == "t1");
    let digest = registry.put_blob("a/b", BLOB);
    let dir = tempfile::tempdir().unwrap();
    let entry = format!(r#"{{"auth":"{}"}}"#, STANDARD.encode("robot:secret"));
    let store =
        store_with(login(&dir, &format!("{}/a", registry.host()), &entry), registry.host(), "a/b");
    for _ in 0..3 {
        assert_eq!(store.blob(digest, 100).await.unwrap(), BLOB);
    }
    let asked = service.requests();
    assert_eq!(asked.len(), 1);
    assert_eq!(asked[0].query("scope"), ["repository:a/b:pull"]);
    assert_eq!(asked[0].query("service"), ["the service"]);
    assert_eq!(asked[0].query("x"), ["y"]);
    let basic = format!("Basic {}", STANDARD.encode("robot:secret"));
    assert_eq!(asked[0].header("authorization"), Some(basic.as_str()));
    let shown = Some("Bearer t1".to_owned());
    assert_eq!(tokens(&registry), [None, shown.clone(), shown.clone(), shown]);
}

#[tokio::test]
async fn anonymous_tokens_are_asked_for_too() {
    let service = token_service(None);
    let registry = guarded(service.url("/token"), |t| t == "t1");
    let digest = registry.put_blob("a/b", BLOB);
    assert_eq!(store(registry.host(), "a/b").blob(digest, 100).await.unwrap(), BLOB);
    assert_eq!(service.requests()[0].header("authorization"), None);
}

#[tokio::test]
async fn a_push_token_is_got_before_the_body_and_does_for_reading() {
    let service = token_service(Some(300));
    let registry = guarded(service.url("/token"), |t| t == "t1");
    let store = store(registry.host(), "a/b");
    let descriptor = Descriptor::of("a/b", BLOB);
    let body = Body::Bytes(bytes::Bytes::from_static(BLOB));
    assert_eq!(store.put_blob(&descriptor, body).await.unwrap(), Written::New);
    assert_eq!(store.blob(descriptor.digest, 100).await.unwrap(), BLOB);
    assert_eq!(service.requests()[0].query("scope"), ["repository:a/b:pull,push"]);
    assert_eq!(service.requests().len(), 1);
    let put: Vec<Request> =
        registry.server.requests().into_iter().filter(|r| r.method == "PUT").collect();
    assert_eq!(put.len(), 1, "the body went up once");
}

#[tokio::test]
async fn a_token_that_is_refused_in_mid_run_is_renewed() {
    let service = token_service(Some(300));
    let good = Arc::new(Mutex::new("t1"));
    let now = good.clone();
    let registry = guarded(service.url("/token"), move |t| t == *now.lock().unwrap());
    let store = store(registry.host(), "a/b");
    let digest = registry.put_blob("a/b", BLOB);
    store.blob(digest, 100).await.unwrap();
    *good.lock().unwrap() = "t2";
    store.blob(digest, 100).await.unwrap();
    let shown = |t: &str| Some(format!("Bearer {t}"));
    assert_eq!(tokens(&registry), [None, shown("t1"), shown("t1"), shown("t2")]);
    *good.lock().unwrap() = "none any more";
    let error = store.blob(digest, 100).await.unwrap_err();
    assert_eq!(error.class(), Class::Input, "{error}");
    assert_eq!(tokens(&registry).len(), 7, "two renewals, then the refusal stands");
    assert_eq!(service.requests().len(), 4);
}

/// A token that others used up before this request came to show it was a good one: the next may do.
#[tokio::test]
async fn a_token_that_runs_out_before_it_is_shown_is_renewed_again() {
    let service = token_service(Some(300));
    let realm = service.url("/token");
    let mut uses = std::collections::BTreeMap::<String, u32>::new();
    // Each lets in two requests, of the four that are made at once.
    let registry = Registry::faulty(move |request| {
        let Some(shown) = request.header("authorization") else { return Some(challenge(&realm)) };
        let uses = uses.entry(shown.to_owned()).or_default();
        *uses += 1;
        (*uses > 2).then(|| challenge(&realm))
    });
    let digest = registry.put_blob("a/b", BLOB);
    let store = store(registry.host(), "a/b");
    let reads = (0..4).map(|_| store.blob(digest, 100));
    for read in futures_util::future::join_all(reads).await {
        assert_eq!(read.unwrap(), BLOB);
    }
    assert_eq!(service.requests().len(), 2);
}

#[tokio::test]
async fn a_token_refused_at_the_body_is_renewed_and_the_body_sent_again() {
    let service = token_service(Some(300));
    let realm = service.url("/token");
    let registry = Registry::faulty(move |request| {
        let needed = if request.method == "PUT" { "Bearer t2" } else { "Bearer t" };
        let shown = request.header("authorization").unwrap_or_default();
        (!shown.starts_with(needed)).then(|| challenge(&realm))
    });
    let dir = tempfile::tempdir().unwrap();
    let content: Vec<u8> = (0..200_000_u32).flat_map(u32::to_le_bytes).collect();
    let path = dir.path().join("layer");
    std::fs::write(&path, &content).unwrap();
    let descriptor = Descriptor::of("a/b", &content);
    store(registry.host(), "a/b").put_blob(&descriptor, Body::File(path)).await.unwrap();
    assert_eq!(registry.blob("a/b", descriptor.digest).unwrap(), content);
    assert_eq!(service.requests().len(), 2);
}

#[tokio::test]
async fn an_expired_token_is_not_shown() {
    let service = token_service(Some(1));
    let registry = guarded(service.url("/token"), |t| t.starts_with('t'));
    let digest = registry.put_blob("a/b", BLOB);
    let store = store(registry.host(), "a/b");
    store.blob(digest, 100).await.unwrap();
    store.blob(digest, 100).await.unwrap();
    assert_eq!(service.requests().len(), 2);
    assert_eq!(registry.server.requests().len(), 3, "and no 401 was needed to notice");
}

#[tokio::test]
async fn mounts_ask_for_both_repositories_the_target_first() {
    let service = token_service(Some(300));
    let registry = guarded(service.url("/token"), |t| t.starts_with('t'));
    let digest = registry.put_blob("base/app", BLOB);
    let (from, to) = (store(registry.host(), "base/app"), store(registry.host(), "a/b"));
    copy_blob(&from, &to, &Descriptor::of("a/b", BLOB)).await.unwrap();
    assert_eq!(registry.blob("a/b", digest).unwrap(), BLOB);
    // The first is for a look at whether it is there already.
    let scopes = service.requests()[1].query("scope");
    assert_eq!(scopes, ["repository:a/b:pull,push", "repository:base/app:pull"]);
    // The last one is for a look at what is there now.
    let requests = registry.server.requests();
    let post = requests.iter().rfind(|request| request.method == "POST").unwrap();
    assert_eq!(post.query("from"), ["base/app"]);
    assert_eq!(post.header("content-length"), Some("0"));
}

#[tokio::test]
async fn a_mount_without_permission_is_no_error() {
    let service = Server::answering(|request| {
        if request.query("scope").len() > 1 {
            Reply::new(403)
        } else {
            Reply::json(200, r#"{"access_token":"t"}"#)
        }
    });
    let registry = guarded(service.url("/token"), |t| t == "t");
    let digest = registry.put_blob("secret/app", BLOB);
    let client = Client::new(options()).unwrap();
    let [from, to] =
        ["secret/app", "a/b"].map(|path| client.store(&repository(registry.host(), path)));
    copy_blob(&from, &to, &Descriptor::of("a/b", BLOB)).await.unwrap();
    assert_eq!(registry.blob("a/b", digest).unwrap(), BLOB, "it was sent instead");
    assert_eq!(registry.writes().iter().filter(|line| line.starts_with("PUT")).count(), 1);
}

#[tokio::test]
async fn identity_tokens_use_the_oauth_form() {
    let service = token_service(None);
    let registry = guarded(service.url("/token"), |t| t == "t1");
    let digest = registry.put_blob("a/b", BLOB);
    let dir = tempfile::tempdir().unwrap();
    let options = login(&dir, registry.host(), r#"{"identitytoken":"refresh me"}"#);
    store_with(options, registry.host(), "a/b").blob(digest, 100).await.unwrap();
    let asked = &service.requests()[0];
    assert_eq!((asked.method.as_str(), asked.header("authorization")), ("POST", None));
    let form = String::from_utf8(asked.body.clone()).unwrap();
    for part in [
        "grant_type=refresh_token",
        "refresh_token=refresh+me",
        "scope=repository%3Aa%2Fb%3Apull",
        "service=the+service",
    ] {
        assert!(form.contains(part), "{part} in {form}");
    }
    assert!(!asked.target.contains("refresh"));
}

#[tokio::test]
async fn basic_is_sent_once_and_not_repeated_in_vain() {
    let registry = Registry::faulty(|request| {
        (request.header("authorization") != Some("Basic dTpw"))
            .then(|| Reply::new(401).with("www-authenticate", "Basic realm=\"x\""))
    });
    let digest = registry.put_blob("a/b", BLOB);
    let dir = tempfile::tempdir().unwrap();
    let good =
        store_with(login(&dir, registry.host(), r#"{"auth":"dTpw"}"#), registry.host(), "a/b");
    good.blob(digest, 100).await.unwrap();
    good.blob(digest, 100).await.unwrap();
    assert_eq!(tokens(&registry).len(), 3);

    registry.server.forget();
    let dir = tempfile::tempdir().unwrap();
    let bad =
        store_with(login(&dir, registry.host(), r#"{"auth":"dTpx"}"#), registry.host(), "a/b");
    let error = bad.blob(digest, 100).await.unwrap_err();
    assert!(error.to_string().contains("refused"), "{error}");
    assert_eq!(tokens(&registry).len(), 2);

    let error = store(registry.host(), "a/b").blob(digest, 100).await.unwrap_err();
    assert!(error.to_string().contains("no credentials"), "{error}");
}

#[tokio::test]
async fn a_token_service_that_fails() {
    for (reply, class, requests) in [
        (Reply::json(401, r#"{"details":"wrong password"}"#), Class::Input, 1),
        (Reply::new(503), Class::Environment, 5),
        (Reply::Drop, Class::Environment, 5),
        (Reply::json(200, "{}"), Class::Environment, 1),
        (Reply::json(200, r#"{"token":""}"#), Class::Environment, 1),
        (Reply::json(200, r#"{"token":"a\nb"}"#), Class::Environment, 1),
        (Reply::json(200, "no json"), Class::Environment, 1),
        (Reply::new(302).with("location", "/elsewhere"), Class::Environment, 1),
        (Reply::new(200).with("content-length", "2000000"), Class::Input, 1),
    ] {
        let answer = reply.clone();
        let service = Server::answering(move |_| answer.clone());
        let registry = guarded(service.url("/token"), |_| false);
        let error = store(registry.host(), "a/b").resolve(&tag("v1")).await.unwrap_err();
        assert_eq!(error.class(), class, "{reply:?}: {error}");
        assert_eq!(service.requests().len(), requests, "{reply:?}");
        assert_eq!(registry.server.requests().len(), 1, "{reply:?}");
    }
}

#[tokio::test]
async fn a_realm_that_must_not_see_a_password() {
    for realm in
        ["http://evil.example/token", "ftp://127.0.0.1/", "not a url", "http://u:p@127.0.0.1/"]
    {
        let registry = guarded(realm.to_owned(), |_| false);
        let error = store(registry.host(), "a/b").resolve(&tag("v1")).await.unwrap_err();
        assert!(
            matches!(error, Error::Redirect { .. } | Error::Nonsense { .. }),
            "{realm}: {error:?}"
        );
    }
}

#[tokio::test]
async fn one_token_for_many_requests_at_once() {
    let service = token_service(Some(300));
    let registry = guarded(service.url("/token"), |t| t == "t1");
    let digest = registry.put_blob("a/b", BLOB);
    let store = store(registry.host(), "a/b");
    let reads = (0..8).map(|_| store.blob(digest, 100));
    for read in futures_util::future::join_all(reads).await {
        assert_eq!(read.unwrap(), BLOB);
    }
    assert_eq!(service.requests().len(), 1);
}

#[tokio::test]
async fn no_login_is_looked_up_for_nothing() {
    let registry = Registry::start();
    let mut options = options();
    options.auth_files =
        vec![crate::options::AuthFile { path: "/nonexistent/auth.json".into(), required: true }];
    let store = store_with(options, registry.host(), "a/b");
    assert!(!store.has_blob(Digest::of(BLOB)).await.unwrap());
}
