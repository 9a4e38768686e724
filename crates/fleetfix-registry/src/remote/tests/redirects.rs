use std::sync::Arc;

use fleetfix_model::Digest;
use fleetfix_testkit::registry::{Reply, Server};

use crate::testing::{store, store_with, tag};

#[tokio::test]
async fn redirects_are_followed_without_credentials() {
    let content = b"content of a blob".to_vec();
    let digest = Digest::of(&content);
    let elsewhere = Server::answering(move |_| Reply::new(200).body(content.clone()));
    let target = elsewhere.url("/cdn/x?sig=secret");
    let registry = Server::answering(move |request| match request.header("authorization") {
        None => Reply::new(401).with("www-authenticate", "Basic realm=x"),
        Some(_) => Reply::new(307).with("location", target.clone()),
    });
    let dir = tempfile::tempdir().unwrap();
    let options = crate::testing::login(&dir, &registry.host, r#"{"auth":"dTpw"}"#);
    let store = store_with(options, &registry.host, "a");
    assert_eq!(store.blob(digest, 100).await.unwrap(), b"content of a blob");
    assert_eq!(registry.requests()[1].header("authorization"), Some("Basic dTpw"));
    let seen = elsewhere.requests();
    assert_eq!(seen.len(), 1);
    assert_eq!(seen[0].header("authorization"), None, "another host got the credentials");
}

#[tokio::test]
async fn credentials_do_not_come_back_after_a_detour() {
    let back = Arc::new(std::sync::Mutex::new(String::new()));
    let to = back.clone();
    let elsewhere =
        Server::answering(move |_| Reply::new(302).with("location", to.lock().unwrap().clone()));
    let target = elsewhere.url("/x");
    let registry =
        Server::answering(move |request| match (request.path(), request.header("authorization")) {
            ("/open", None) => Reply::new(200).body("content"),
            ("/open", Some(_)) => Reply::new(500),
            (_, None) => Reply::new(401).with("www-authenticate", "Basic"),
            (_, Some(_)) => Reply::new(302).with("location", target.clone()),
        });
    *back.lock().unwrap() = registry.url("/open");
    let dir = tempfile::tempdir().unwrap();
    let options = crate::testing::login(&dir, &registry.host, r#"{"auth":"dTpw"}"#);
    let store = store_with(options, &registry.host, "a");
    assert_eq!(store.blob(Digest::of(b"content"), 100).await.unwrap(), b"content");
}

#[tokio::test]
async fn redirects_that_lead_astray() {
    for (location, expected) in [
        ("/v2/a/manifests/v1", "Nonsense"),
        ("http://registry.example/x", "Redirect"),
        ("ftp://127.0.0.1/x", "Redirect"),
        ("http://u:p@127.0.0.1/x", "Redirect"),
        ("http://", "Nonsense"),
    ] {
        let server = Server::answering(move |_| Reply::new(302).with("location", location));
        let error = store(&server.host, "a").resolve(&tag("v1")).await.unwrap_err();
        assert!(format!("{error:?}").starts_with(expected), "{location}: {error:?}");
        let endless = location.starts_with('/');
        assert_eq!(server.requests().len(), if endless { 6 } else { 1 }, "{location}");
    }
}
