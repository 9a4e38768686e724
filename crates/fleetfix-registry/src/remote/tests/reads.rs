use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use fleetfix_model::{Class, Classify, Descriptor, Digest, media};
use fleetfix_testkit::registry::{NOBODY, Registry, Reply, Request, Server};

use super::{counted, first};
use crate::options::Limits;
use crate::testing::{image, options, quick, store, store_with, streamed, tag};
use crate::{Client, Error, Options};

const CONFIG: &[u8] = b"{}";

fn is_get(request: &Request) -> bool {
    request.method == "GET"
}

#[tokio::test]
async fn manifests_are_hashed_here() {
    let registry = Registry::start();
    let bytes = image(&[CONFIG, b"layer"]);
    let digest = registry.put_manifest("a/b", "v1", media::OCI_MANIFEST, &bytes);
    let store = store(registry.host(), "a/b");
    let descriptor = store.resolve(&tag("v1")).await.unwrap().unwrap();
    assert_eq!((descriptor.digest, descriptor.size), (digest, bytes.len() as u64));
    assert_eq!(descriptor.media_type, media::OCI_MANIFEST);
    assert_eq!(store.manifest(digest).await.unwrap().bytes, bytes);
    assert!(store.has_manifest(digest).await.unwrap());

    assert_eq!(store.resolve(&tag("v2")).await.unwrap(), None);
    let absent = Digest::of(b"absent");
    assert_eq!(store.find_manifest(absent).await.unwrap(), None);
    assert!(!store.has_manifest(absent).await.unwrap());
    let error = store.manifest(absent).await.unwrap_err();
    assert!(error.is_absent() && error.class() == Class::Input, "{error}");
}

#[tokio::test]
async fn a_registry_that_lies_about_digests() {
    let right = image(&[CONFIG]);
    let wrong = image(&[CONFIG, b"more"]);
    let (asked, given) = (Digest::of(&right), Digest::of(&wrong));
    let server = Server::answering(move |_| {
        Reply::new(200)
            .with("content-type", media::OCI_MANIFEST)
            .with("docker-content-digest", asked.to_string())
            .body(wrong.clone())
    });
    let store = store(&server.host, "a");
    let error = store.manifest(asked).await.unwrap_err();
    assert!(matches!(error, Error::DigestMismatch { .. }), "{error}");
    assert_eq!(error.class(), Class::Refused);
    // By tag there is nothing to compare with: the bytes decide, not the header.
    assert_eq!(store.resolve(&tag("v1")).await.unwrap().unwrap().digest, given);
    assert_eq!(store.blob(asked, 10_000).await.unwrap_err().class(), Class::Refused);
}

#[tokio::test]
async fn what_passes_is_tried_again() {
    for reply in [
        Reply::new(408),
        Reply::new(429),
        Reply::new(429).with("retry-after", "0"),
        Reply::new(429)
            .with("date", "Sun, 06 Nov 1994 08:49:37 GMT")
            .with("retry-after", "Sun, 06 Nov 1994 08:49:37 GMT"),
        Reply::new(500),
        Reply::new(502),
        Reply::new(503).with("retry-after", "3600"),
        Reply::new(504),
        Reply::Drop,
        Reply::Raw(b"SSH-2.0-x\r\n".to_vec()),
        Reply::new(200).with("content-length", "100").body("short"),
        Reply::new(200).body("{}").with("content-length", "2").cut(1),
    ] {
        let registry = Registry::faulty(first(2, is_get, reply.clone()));
        let bytes = image(&[CONFIG]);
        let digest = registry.put_manifest("a", "v1", media::OCI_MANIFEST, &bytes);
        let store = store(registry.host(), "a");
        let found = store.resolve(&tag("v1")).await;
        assert_eq!(found.unwrap().unwrap().digest, digest, "{reply:?}");
        assert_eq!(registry.server.requests().len(), 3, "{reply:?}");
    }
}

#[tokio::test]
async fn tries_end() {
    for (reply, class, tries) in [
        (
            Reply::json(503, r#"{"errors":[{"code":"UNAVAILABLE","message":"later"}]}"#),
            Class::Environment,
            5,
        ),
        (Reply::new(429).with("retry-after", "0"), Class::Environment, 5),
        (Reply::Drop, Class::Environment, 5),
        (Reply::new(400), Class::Input, 1),
        (Reply::new(401), Class::Input, 1),
        (Reply::new(403), Class::Input, 1),
        (Reply::new(501), Class::Environment, 1),
        (Reply::new(204), Class::Environment, 1),
        (Reply::new(302), Class::Environment, 1),
    ] {
        let answer = reply.clone();
        let server = Server::answering(move |_| answer.clone());
        let error = store(&server.host, "a").resolve(&tag("v1")).await.unwrap_err();
        assert_eq!(error.class(), class, "{reply:?}: {error}");
        assert_eq!(server.requests().len(), tries, "{reply:?}: {error}");
    }
}

#[tokio::test]
async fn errors_say_who_said_what() {
    let server = Server::answering(|_| {
        Reply::json(
            403,
            r#"{"errors":[{"code":"DENIED","message":"pull\u001b[31m access\nsecond line"}]}"#,
        )
    });
    let error = store(&server.host, "a/b").resolve(&tag("v1")).await.unwrap_err();
    let expected = format!(
        "GET http://{}/v2/a/b/manifests/v1: 403 Forbidden: DENIED: pull[31m access \
         [no credentials for it: `podman login`, or --authfile]",
        server.host
    );
    assert_eq!(error.to_string(), expected);
    let Error::Answer(answer) = error else { panic!("{error}") };
    assert_eq!((answer.status, answer.codes), (403, vec!["DENIED".to_owned()]));
}

#[tokio::test]
async fn nobody_listens() {
    let error = store(&NOBODY.to_string(), "a").resolve(&tag("v1")).await.unwrap_err();
    assert!(matches!(error, Error::Transport { tries: 5, .. }), "{error:?}");
    assert_eq!(error.class(), Class::Environment);
}

#[tokio::test]
async fn silence_is_not_waited_out() {
    let limits = Limits {
        answer: Duration::from_millis(50),
        idle: Duration::from_millis(50),
        tries: 2,
        ..quick()
    };
    let options = Options { limits, ..options() };
    let server = Server::answering(|_| Reply::Silent);
    let store = store_with(options, &server.host, "a");
    let error = store.resolve(&tag("v1")).await.unwrap_err();
    assert!(matches!(error, Error::Silent { .. }), "{error}");
    assert_eq!(error.class(), Class::Environment);
}

#[test]
fn plain_http_is_for_loopback() {
    let http = super::super::Http::new(
        options().with_plain_http(["plain.example:5000", "bare.example"]).unwrap(),
    );
    for (url, plain) in [
        ("http://127.0.0.1:1/", true),
        ("http://localhost:1/", true),
        ("http://[::1]:1/", true),
        ("http://plain.example:5000/", true),
        ("http://plain.example/", false),
        ("http://bare.example/", true),
        ("http://bare.example:99/", true),
        ("http://quay.io/", false),
        ("http://10.0.0.1/", false),
    ] {
        assert_eq!(http.is_plain(&url.parse().unwrap()), plain, "{url}");
    }
}

#[tokio::test]
async fn a_changed_byte_is_never_accepted() {
    let bytes = image(&[CONFIG, b"layer"]);
    let digest = Digest::of(&bytes);
    let (mut at, base) = (0, bytes.clone());
    let server = Server::answering(move |_| {
        let mut changed = base.clone();
        changed[at] ^= 1;
        at += 1;
        Reply::new(200).with("content-type", media::OCI_MANIFEST).body(changed)
    });
    let store = store(&server.host, "a");
    for at in 0..bytes.len() {
        let error = store.manifest(digest).await.unwrap_err();
        assert_eq!(error.class(), Class::Refused, "byte {at}: {error}");
    }
}

#[tokio::test]
async fn slowness_has_a_limit() {
    let limits = Limits { pace_after: Duration::ZERO, least_rate: 1 << 40, tries: 1, ..quick() };
    let registry = Registry::start();
    let digest = registry.put_blob("a", b"blob");
    let store = store_with(Options { limits, ..options() }, registry.host(), "a");
    let error = store.blob(digest, 100).await.unwrap_err();
    assert!(matches!(error, Error::Slow { .. }) && error.class() == Class::Environment, "{error}");
    let blob = Descriptor::of("a/b", b"other");
    let body = crate::Body::Bytes(bytes::Bytes::from_static(b"other"));
    let error = store.put_blob(&blob, body).await.unwrap_err();
    assert!(matches!(error, Error::Slow { .. }), "{error:?}");
}

#[tokio::test]
async fn too_much_is_not_read() {
    let endless = Server::answering(|request| {
        // More than it may be, said in advance and without a word.
        if request.path() == "/v2/a/manifests/said" {
            Reply::new(200).with("content-length", "5000000").body("x")
        } else {
            let mut raw = b"HTTP/1.1 200 OK\r\nconnection: close\r\n\r\n".to_vec();
            raw.extend(vec![b' '; 5_000_000]);
            Reply::Raw(raw)
        }
    });
    let store = store(&endless.host, "a");
    for name in ["said", "unsaid"] {
        let error = store.resolve(&tag(name)).await.unwrap_err();
        assert!(matches!(error, Error::TooLarge { max: 4_194_304, .. }), "{name}: {error}");
    }
    let error = store.blob(Digest::of(b"x"), 1000).await.unwrap_err();
    assert!(matches!(error, Error::TooLarge { max: 1000, .. }), "{error}");
    let error = store
        .blob_reader(Digest::of(b"x"), Some(10))
        .await
        .unwrap()
        .whole(1 << 30)
        .await
        .unwrap_err();
    assert!(matches!(error, Error::SizeMismatch { expected: 10, .. }), "{error}");
}

#[tokio::test]
async fn a_broken_download_goes_on_where_it_stopped() {
    let content: Vec<u8> = (0..100_000_u32).flat_map(u32::to_le_bytes).collect();
    let digest = Digest::of(&content);
    for ranges in [true, false] {
        let (given, tries) = (content.clone(), Arc::new(AtomicU32::new(0)));
        let count = tries.clone();
        let server = Server::answering(move |request| {
            let n = count.fetch_add(1, Ordering::Relaxed);
            let from = request.header("range").map(|r| r[6..r.len() - 1].parse::<usize>().unwrap());
            let reply = match from {
                Some(from) if ranges => Reply::new(206)
                    .with(
                        "content-range",
                        format!("bytes {from}-{}/{}", given.len() - 1, given.len()),
                    )
                    .body(&given[from..]),
                _ => Reply::new(200).body(given.clone()),
            };
            match n {
                0 => reply.cut(150_000),
                1 => Reply::new(503),
                2 => reply.cut(if ranges { 100_000 } else { 200_000 }),
                _ => reply,
            }
        });
        let store = store(&server.host, "a");
        let read = streamed(&store, digest, Some(content.len() as u64)).await;
        assert_eq!(read.unwrap(), content, "ranges: {ranges}");
        assert_eq!(tries.load(Ordering::Relaxed), 4);
        assert!(server.requests()[1..].iter().all(|r| r.header("range").is_some()));
        assert_eq!(store.blob(digest, 1 << 20).await.unwrap(), content);
    }
}

#[tokio::test]
async fn a_bad_download_is_refused() {
    let digest = Digest::of(b"right");
    for (body, size) in
        [("wrong", None), ("wrong", Some(5)), ("right and more", Some(5)), ("", None)]
    {
        let server = Server::answering(move |_| Reply::new(200).body(body));
        let error = streamed(&store(&server.host, "a"), digest, size).await.unwrap_err();
        assert_eq!(error.class(), Class::Refused, "{body} {error}");
    }
    // A range that is not the one asked for would put the pieces together wrongly.
    let server = Server::answering(|request| match request.header("range") {
        None => Reply::new(200).body("right").cut(2),
        Some(_) => Reply::new(206).with("content-range", "bytes 0-4/5").body("right"),
    });
    let error = streamed(&store(&server.host, "a"), digest, Some(5)).await.unwrap_err();
    assert!(matches!(error, Error::Nonsense { .. }), "{error}");
}

#[tokio::test]
async fn vague_media_types_are_filled_in() {
    let bytes = image(&[CONFIG]);
    for (header, ok) in [
        (Some("application/json; charset=utf-8"), true),
        (None, true),
        (Some("application/vnd.oci.image.manifest.v1+json;x=y"), true),
    ] {
        let given = bytes.clone();
        let server = Server::answering(move |_| {
            let reply = Reply::new(200).body(given.clone());
            match header {
                Some(header) => reply.with("content-type", header),
                None => reply,
            }
        });
        let found = store(&server.host, "a").resolve(&tag("v1")).await.unwrap();
        assert_eq!(found.is_some_and(|d| d.media_type == media::OCI_MANIFEST), ok, "{header:?}");
    }
}

#[tokio::test]
async fn heads_are_heads() {
    let registry = Registry::start();
    let digest = registry.put_blob("a", b"blob");
    let store = store(registry.host(), "a");
    assert!(store.has_blob(digest).await.unwrap());
    assert!(!store.has_blob(Digest::of(b"other")).await.unwrap());
    let lines = registry.server.lines();
    assert_eq!(counted(&lines).values().sum::<usize>(), 2);
    assert!(lines.iter().all(|line| line.starts_with("HEAD")), "{lines:?}");
    assert!(Client::new(Options::default()).is_ok());
}

#[test]
fn futures_can_move_between_threads() {
    fn is_send<T: Send>(_: T) {}
    let store = store("quay.io", "a");
    let digest = Digest::of(b"");
    is_send(store.resolve(&tag("v1")));
    is_send(store.blob_reader(digest, None));
    is_send(store.put_immutable_tag(&tag("v1"), "a/b", b""));
    is_send(crate::copy(&store, &store, digest));
    is_send(crate::attach::attach(&store, digest, crate::attach::Kind::Signature, &[]));
    is_send(crate::attach::candidates(&store, digest, crate::attach::Kind::Signature));
}

#[tokio::test]
async fn a_document_that_is_not_in_a_registry() {
    let client = crate::Client::new(crate::testing::options()).unwrap();
    let server = Server::answering(|request| match request.path() {
        "/graph" if request.header("authorization").is_some() => Reply::new(500),
        "/graph" => Reply::new(200).body("{}"),
        "/moved" => Reply::new(302).with("location", "/graph"),
        "/closed" => Reply::new(401).with("www-authenticate", "Basic realm=x"),
        _ => Reply::new(404),
    });
    for (path, expected) in [
        ("/graph?channel=stable-4.20", Ok("{}")),
        ("/moved", Ok("{}")),
        ("/closed", Err(Class::Input)),
        ("/none", Err(Class::Input)),
    ] {
        let found = client.document(&server.url(path), 100).await;
        match expected {
            Ok(text) => assert_eq!(found.unwrap(), text.as_bytes(), "{path}"),
            Err(class) => assert_eq!(found.unwrap_err().class(), class, "{path}"),
        }
    }
    let error = client.document(&server.url("/graph"), 1).await.unwrap_err();
    assert!(matches!(error, Error::TooLarge { .. }), "{error:?}");
    for url in ["http://registry.example/graph", "file:///etc/passwd", "https://u:p@a.example/"] {
        let error = client.document(url, 100).await.unwrap_err();
        assert!(matches!(error, Error::DocumentUrl { .. }), "{error:?}");
    }
    assert!(matches!(client.document("graph.json", 1).await, Err(Error::NotAUrl { .. })));
}
