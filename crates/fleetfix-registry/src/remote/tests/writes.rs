use std::path::PathBuf;
use std::time::Duration;

use bytes::Bytes;
use fleetfix_model::{Class, Classify, Descriptor, Digest, media};
use fleetfix_testkit::registry::{Fault, Mounts, Registry, Reply, Request, Server};

use super::first;
use crate::copy::copy_blob;
use crate::options::Limits;
use crate::store::Body;
use crate::testing::{image, options, quick, store, store_with, tag};
use crate::{Error, Options, Written};

fn content(size: usize) -> Vec<u8> {
    (0..size).map(|i| u8::try_from(i * 7 % 251).unwrap()).collect()
}

fn file(dir: &tempfile::TempDir, bytes: &[u8]) -> PathBuf {
    let path = dir.path().join("body");
    std::fs::write(&path, bytes).unwrap();
    path
}

fn is(method: &'static str, part: &'static str) -> impl Fn(&Request) -> bool + Send {
    move |request| request.method == method && request.target.contains(part)
}

#[tokio::test]
async fn a_blob_goes_up_in_one_body_with_its_length() {
    let registry = Registry::start();
    let store = store(registry.host(), "a/b");
    let dir = tempfile::tempdir().unwrap();
    for size in [0, 1, 700_000] {
        let bytes = content(size);
        let descriptor = Descriptor::of("a/b", &bytes);
        let path = file(&dir, &bytes);
        registry.server.forget();
        assert_eq!(
            store.put_blob(&descriptor, Body::File(path.clone())).await.unwrap(),
            Written::New
        );
        assert_eq!(registry.blob("a/b", descriptor.digest).unwrap(), bytes);
        let requests = registry.server.requests();
        let methods: Vec<&str> = requests.iter().map(|r| r.method.as_str()).collect();
        assert_eq!(methods, ["HEAD", "POST", "PUT"]);
        assert_eq!(requests[1].header("content-length"), Some("0"));
        assert_eq!(requests[2].header("content-length"), Some(size.to_string().as_str()));
        assert_eq!(requests[2].header("transfer-encoding"), None);
        assert_eq!(
            store.put_blob(&descriptor, Body::File(path)).await.unwrap(),
            Written::AlreadyThere
        );
        assert_eq!(registry.writes().len(), 2, "the second time nothing is written");
    }
    let bytes = Bytes::from(content(300_000));
    let descriptor = Descriptor::of("a/b", &bytes);
    store.put_blob(&descriptor, Body::Bytes(bytes.clone())).await.unwrap();
    assert_eq!(registry.blob("a/b", descriptor.digest).unwrap(), bytes);
}

#[tokio::test]
async fn a_dropped_upload_starts_again() {
    let bytes = content(3_000_000);
    let descriptor = Descriptor::of("a/b", &bytes);
    let dir = tempfile::tempdir().unwrap();
    let path = file(&dir, &bytes);
    let lost = |code: &str| Reply::json(404, &format!(r#"{{"errors":[{{"code":"{code}"}}]}}"#));
    for reply in [
        Reply::Drop,
        Reply::new(500),
        Reply::new(503),
        lost("BLOB_UPLOAD_UNKNOWN"),
        lost("BLOB_UPLOAD_INVALID"),
        // What is left of the two above when the connection goes before the words.
        Reply::new(404),
    ] {
        // Half-way through the body, and after all of it.
        for abrupt in [true, false] {
            let fault = first(2, is("PUT", "/blobs/uploads/"), reply.clone());
            let registry = if abrupt { Registry::abrupt(fault) } else { Registry::faulty(fault) };
            let store = store(registry.host(), "a/b");
            let result = store.put_blob(&descriptor, Body::File(path.clone())).await;
            // A refusal that comes while the body is still going up may be lost with the connection.
            assert_eq!(result.unwrap(), Written::New, "{reply:?} {abrupt}");
            assert_eq!(registry.blob("a/b", descriptor.digest).unwrap(), bytes);
            let posts = registry.writes().iter().filter(|l| l.starts_with("POST")).count();
            assert_eq!(posts, 3, "{reply:?}: a new session for each body");
        }
    }
}

#[tokio::test]
async fn an_upload_that_cannot_work_is_not_repeated() {
    let bytes = content(1000);
    let descriptor = Descriptor::of("a/b", &bytes);
    for (reply, class) in [
        (Reply::json(400, r#"{"errors":[{"code":"DIGEST_INVALID"}]}"#), Class::Input),
        (Reply::new(403), Class::Input),
        (Reply::new(413), Class::Input),
        (Reply::new(202), Class::Environment),
        (Reply::new(307).with("location", "/x"), Class::Environment),
    ] {
        let registry = Registry::faulty(first(9, is("PUT", "/"), reply.clone()));
        let body = Body::Bytes(Bytes::from(bytes.clone()));
        let error = store(registry.host(), "a/b").put_blob(&descriptor, body).await.unwrap_err();
        assert_eq!(error.class(), class, "{reply:?}: {error}");
        assert_eq!(registry.writes().len(), 2, "{reply:?}");
    }
}

#[tokio::test]
async fn a_body_that_is_not_its_descriptor_never_arrives_whole() {
    let registry = Registry::start();
    let store = store(registry.host(), "a/b");
    let dir = tempfile::tempdir().unwrap();
    let expected = content(600_000);
    let descriptor = Descriptor::of("a/b", &expected);
    let mut wrong = expected.clone();
    wrong[17] ^= 1;
    let short = &expected[..expected.len() - 1];
    for (bytes, kind) in
        [(&wrong[..], "DigestMismatch"), (short, "SizeMismatch"), (b"", "SizeMismatch")]
    {
        let error = store.put_blob(&descriptor, Body::File(file(&dir, bytes))).await.unwrap_err();
        assert!(format!("{error:?}").starts_with(kind), "{error:?}");
        assert_eq!(error.class(), Class::Refused);
        assert_eq!(registry.blob("a/b", descriptor.digest), None);
    }
    // What is behind the stated size is no part of the blob.
    let long = [&expected[..], b"more"].concat();
    store.put_blob(&descriptor, Body::File(file(&dir, &long))).await.unwrap();
    let empty = Descriptor { size: 0, ..descriptor.clone() };
    let error = store
        .put_blob(&Descriptor { digest: Digest::of(b"x"), ..empty }, Body::Bytes(Bytes::new()))
        .await;
    assert_eq!(error.unwrap_err().class(), Class::Refused);
    let absent = Body::File(dir.path().join("absent"));
    let other = Descriptor::of("a/b", b"other");
    let error = store.put_blob(&other, absent).await.unwrap_err();
    assert!(matches!(error, Error::File { .. }) && error.class() == Class::Input, "{error:?}");
}

#[tokio::test]
async fn a_registry_that_stored_something_else() {
    let lie = Reply::new(201).with("docker-content-digest", Digest::of(b"else").to_string());
    let registry = Registry::faulty(first(9, is("PUT", "/"), lie));
    let store = store(registry.host(), "a/b");
    let blob = Descriptor::of("a/b", b"x");
    let error = store.put_blob(&blob, Body::Bytes(Bytes::from_static(b"x"))).await.unwrap_err();
    assert!(matches!(error, Error::DigestMismatch { .. }), "{error}");
    let error = store.put_manifest(media::OCI_MANIFEST, &image(&[b"{}"])).await.unwrap_err();
    assert_eq!(error.class(), Class::Refused, "{error}");
    let error = store.put_tag(&tag("v1"), media::OCI_MANIFEST, &image(&[b"{}"])).await.unwrap_err();
    assert_eq!(error.class(), Class::Refused, "{error}");
}

#[tokio::test]
async fn locations_of_all_forms() {
    let store_elsewhere = Server::answering(|_| Reply::new(201));
    let cross = store_elsewhere.url("/upload?_state=s%3Dx&sig=secret");
    let bytes = content(10);
    let descriptor = Descriptor::of("a/b", &bytes);
    for (location, expected) in [
        ("/v2/a/b/blobs/uploads/7".to_owned(), Some("/v2/a/b/blobs/uploads/7?")),
        ("7?_state=s%3Dx".to_owned(), Some("/v2/a/b/blobs/uploads/7?_state=s%3Dx&")),
        ("?_state=1".to_owned(), Some("/v2/a/b/blobs/uploads/?_state=1&")),
        (cross, None),
    ] {
        let to = location.clone();
        let registry = Server::answering(move |request| {
            match (request.method.as_str(), request.header("authorization")) {
                (_, None) => Reply::new(401).with("www-authenticate", "Basic"),
                ("HEAD", _) => Reply::new(404),
                ("POST", _) => Reply::new(202).with("location", to.clone()),
                _ => Reply::new(201),
            }
        });
        let dir = tempfile::tempdir().unwrap();
        let options = crate::testing::login(&dir, &registry.host, r#"{"auth":"dTpw"}"#);
        let store = store_with(options, &registry.host, "a/b");
        store.put_blob(&descriptor, Body::Bytes(Bytes::from(bytes.clone()))).await.unwrap();
        let digest = format!("digest=sha256%3A{}", descriptor.digest.hex());
        let (at, secret) =
            if expected.is_some() { (&registry, true) } else { (&store_elsewhere, false) };
        let put = at.requests().pop().unwrap();
        let expected = expected.unwrap_or("/upload?_state=s%3Dx&sig=secret&");
        assert_eq!(put.line().split(' ').next(), Some("PUT"));
        assert_eq!(put.target, format!("{expected}{digest}"), "{location}");
        assert_eq!(put.body, bytes);
        assert_eq!(
            put.header("authorization").is_some(),
            secret,
            "another host got the credentials"
        );
    }
}

#[tokio::test]
async fn locations_that_are_none() {
    for location in
        [None, Some("http://"), Some("http://registry.example/x"), Some("file:///etc/passwd")]
    {
        let registry = Registry::faulty(move |request| {
            (request.method == "POST").then(|| match location {
                Some(location) => Reply::new(202).with("location", location),
                None => Reply::new(202),
            })
        });
        let blob = Descriptor::of("a/b", b"x");
        let body = Body::Bytes(Bytes::from_static(b"x"));
        let error = store(registry.host(), "a/b").put_blob(&blob, body).await.unwrap_err();
        assert!(
            matches!(error, Error::Nonsense { .. } | Error::Redirect { .. }),
            "{location:?}: {error:?}"
        );
        assert_eq!(registry.writes().len(), 1);
    }
}

#[tokio::test]
async fn an_upload_that_nobody_reads() {
    let limits = Limits { idle: Duration::from_millis(100), tries: 1, ..quick() };
    let registry = Registry::abrupt(|r| (r.method == "PUT").then_some(Reply::Silent));
    let store = store_with(Options { limits, ..options() }, registry.host(), "a/b");
    // More than the buffers of both sides take.
    let bytes = content(30_000_000);
    let blob = Descriptor::of("a/b", &bytes);
    let error = store.put_blob(&blob, Body::Bytes(Bytes::from(bytes))).await.unwrap_err();
    assert!(matches!(error, Error::Silent { .. }), "{error:?}");
    assert_eq!(error.class(), Class::Environment);
}

#[tokio::test]
async fn mounts_and_what_comes_instead() {
    let blob = Descriptor::of("a/b", b"blob");
    let check = async |registry: &Registry, mounted: bool, what: &str| {
        registry.put_blob("base", b"blob");
        let (from, to) = (store(registry.host(), "base"), store(registry.host(), "a/b"));
        assert_eq!(copy_blob(&from, &to, &blob).await.unwrap(), Written::New, "{what}");
        assert_eq!(registry.blob("a/b", blob.digest).unwrap(), b"blob", "{what}");
        let sent = registry.writes().iter().any(|line| line.starts_with("PUT"));
        assert_eq!(sent, !mounted, "{what}");
    };
    for (reply, mounted) in [
        (None, true),
        (Some(Reply::new(202).with("location", "/v2/a/b/blobs/uploads/9?_state=a%2Bb")), false),
        (Some(Reply::new(401)), false),
        (Some(Reply::new(404)), false),
        (Some(Reply::new(405)), false),
        (Some(Reply::new(202)), false),
    ] {
        let what = format!("{reply:?}");
        let registry =
            Registry::faulty(move |r| reply.clone().filter(|_| r.target.contains("mount=")));
        check(&registry, mounted, &what).await;
    }
    // 201 without a word about what is there now: looked at.
    for (claim, mounted) in [(false, true), (true, false)] {
        let registry = Registry::start();
        registry.behave(|b| b.mounts = if claim { Mounts::Claimed } else { Mounts::Done });
        registry.fault(Fault::change("POST", "mount=", |_, reply| {
            reply.instead("docker-content-digest", "sha256:else")
        }));
        check(&registry, mounted, if claim { "claimed" } else { "done" }).await;
    }
}

#[tokio::test]
async fn manifests_and_tags() {
    let registry = Registry::start();
    let store = store(registry.host(), "a/b");
    let (one, two) = (image(&[b"{}", b"1"]), image(&[b"{}", b"2"]));
    let digest = store.put_manifest(media::OCI_MANIFEST, &one).await.unwrap();
    assert_eq!(digest, Digest::of(&one));
    assert_eq!(registry.writes(), [format!("PUT /v2/a/b/manifests/{digest}")]);
    store.put_manifest(media::OCI_MANIFEST, &one).await.unwrap();
    assert_eq!(registry.writes().len(), 1, "it was there");

    registry.server.forget();
    let v1 = tag("v1");
    let put = |bytes: Vec<u8>| {
        let (store, v1) = (store.clone(), v1.clone());
        async move { store.put_immutable_tag(&v1, media::OCI_MANIFEST, &bytes).await }
    };
    assert_eq!(put(one.clone()).await.unwrap(), Written::New);
    assert_eq!(put(one.clone()).await.unwrap(), Written::AlreadyThere);
    let error = put(two.clone()).await.unwrap_err();
    let Error::TagTaken { reference, expected, actual } = &error else { panic!("{error:?}") };
    assert_eq!((expected, actual), (&Digest::of(&two), &Digest::of(&one)));
    assert_eq!(reference.to_string(), format!("{}/a/b:v1", registry.host()));
    assert_eq!(error.class(), Class::Refused);
    assert_eq!(registry.writes(), ["PUT /v2/a/b/manifests/v1"]);
    assert_eq!(registry.manifest("a/b", "v1").unwrap(), one);

    assert_eq!(store.put_tag(&v1, media::OCI_MANIFEST, &two).await.unwrap(), Written::New);
    assert_eq!(store.put_tag(&v1, media::OCI_MANIFEST, &two).await.unwrap(), Written::AlreadyThere);
    assert_eq!(registry.manifest("a/b", "v1").unwrap(), two);
}

#[tokio::test]
async fn a_manifest_put_is_repeated_when_it_may_help() {
    for reply in [Reply::new(500), Reply::Drop, Reply::new(429)] {
        let registry = Registry::faulty(first(2, is("PUT", "/manifests/"), reply));
        let store = store(registry.host(), "a/b");
        store.put_tag(&tag("v1"), media::OCI_MANIFEST, &image(&[b"{}"])).await.unwrap();
        assert_eq!(registry.writes().len(), 3);
    }
    let refusal = Reply::json(
        400,
        r#"{"errors":[{"code":"MANIFEST_BLOB_UNKNOWN","message":"blob unknown"}]}"#,
    );
    let registry = Registry::faulty(first(9, is("PUT", "/manifests/"), refusal));
    let put = store(registry.host(), "a/b").put_tag(&tag("v1"), media::OCI_MANIFEST, b"{}").await;
    assert!(put.unwrap_err().to_string().contains("MANIFEST_BLOB_UNKNOWN: blob unknown"));
    assert_eq!(registry.writes().len(), 1);
}
