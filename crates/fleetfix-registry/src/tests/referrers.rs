use std::collections::{BTreeMap, BTreeSet};
use std::sync::Barrier;

use fleetfix_model::{Class, Classify, Descriptor, Digest, media};
use fleetfix_testkit::registry::{Behaviour, Fault, Referrers, Registry, Reply};
use serde_json::{Value, json};

use super::layout_store;
use crate::referrers::{
    Artifact, Layer, MAX_REFERRERS, attach_artifact, put_referrer, referrers, tag,
};
use crate::testing::{image, store};
use crate::{Error, Store, Written};

const SBOM: &str = "application/vnd.example.sbom+json";
const SIGNATURE: &str = "application/vnd.example.signature";

fn subject() -> Descriptor {
    Descriptor::of(media::OCI_MANIFEST, &image(&[b"{}", b"subject"]))
}

fn artifact(artifact_type: &str, content: &str) -> Artifact {
    Artifact {
        artifact_type: artifact_type.to_owned(),
        layers: vec![Layer {
            media_type: "text/plain".into(),
            content: content.into(),
            annotations: BTreeMap::new(),
        }],
        annotations: BTreeMap::from([("example".to_owned(), content.to_owned())]),
    }
}

fn registry(referrers: Referrers) -> Registry {
    Registry::like(Behaviour { referrers, ..Behaviour::default() })
}

fn listed(page: usize, filters: bool, announced: bool) -> Referrers {
    Referrers::Listed { page, filters, announced }
}

async fn found(store: &Store, artifact_type: Option<&str>) -> Vec<Digest> {
    let all = referrers(store, subject().digest, artifact_type).await.unwrap();
    all.iter().map(|referrer| referrer.descriptor.digest).collect()
}

fn index(entries: &[Value]) -> Vec<u8> {
    json!({ "schemaVersion": 2, "mediaType": media::OCI_INDEX, "manifests": entries })
        .to_string()
        .into_bytes()
}

#[tokio::test]
async fn what_is_written_is_listed_everywhere() {
    let dir = tempfile::tempdir().unwrap();
    let kinds = [
        Some(Referrers::Missing),
        Some(Referrers::FULL),
        Some(listed(1, true, true)),
        // A registry that filters nothing, and one that lists and does not say so.
        Some(listed(2, false, true)),
        Some(listed(1, false, false)),
        None,
    ];
    for kind in kinds {
        let server = kind.map(registry);
        let store = match &server {
            Some(server) => store(server.host(), "a"),
            None => layout_store(dir.path(), "a"),
        };
        assert_eq!(found(&store, None).await, []);
        let mut expected = BTreeMap::new();
        for (artifact_type, content) in [(SBOM, "1"), (SIGNATURE, "2"), (SIGNATURE, "3")] {
            let artifact = artifact(artifact_type, content);
            let (digest, written) = attach_artifact(&store, &subject(), &artifact).await.unwrap();
            assert_eq!(written, Written::New, "{kind:?}");
            expected.insert(digest, artifact);
        }
        let all = referrers(&store, subject().digest, None).await.unwrap();
        assert_eq!(all.len(), 3, "{kind:?}");
        for referrer in &all {
            let artifact = &expected[&referrer.descriptor.digest];
            assert_eq!(referrer.artifact_type.as_ref(), Some(&artifact.artifact_type), "{kind:?}");
            assert_eq!(referrer.annotations, artifact.annotations, "{kind:?}");
            let raw = store.manifest(referrer.descriptor.digest).await.unwrap();
            assert_eq!(raw.bytes, artifact.manifest(&subject()));
            assert_eq!(raw.descriptor(), referrer.descriptor);
        }
        assert_eq!(found(&store, Some(SBOM)).await.len(), 1, "{kind:?}");
        assert_eq!(found(&store, Some(SIGNATURE)).await.len(), 2, "{kind:?}");
        assert_eq!(found(&store, Some("text/plain")).await, [], "{kind:?}");

        let by_tag = store.resolve(&tag(subject().digest).unwrap()).await.unwrap().is_some();
        assert_eq!(by_tag, matches!(kind, None | Some(Referrers::Missing)), "{kind:?}");

        // Once more: nothing is written.
        let writes = |server: &Option<Registry>| server.as_ref().map(Registry::writes);
        let (before, files) = (writes(&server), super::files(dir.path()));
        for artifact in expected.values() {
            let (_, written) = attach_artifact(&store, &subject(), artifact).await.unwrap();
            assert_eq!(written, Written::AlreadyThere, "{kind:?}");
        }
        assert_eq!((writes(&server), super::files(dir.path())), (before, files), "{kind:?}");
    }
}

#[tokio::test]
async fn a_filter_is_asked_for_and_looked_after() {
    let server = registry(Referrers::FULL);
    let store = store(server.host(), "a");
    attach_artifact(&store, &subject(), &artifact(SBOM, "1")).await.unwrap();
    server.server.forget();
    assert_eq!(found(&store, Some(SBOM)).await.len(), 1);
    let asked = &server.server.requests()[0];
    assert_eq!(asked.query("artifactType"), [SBOM]);
    assert_eq!(asked.header("accept"), Some(media::OCI_INDEX));
    // It says that it filtered, and did not.
    server.fault(Fault::change("GET", "/referrers/", |_, reply| {
        reply.body(index(&[
            json!({"mediaType": media::OCI_MANIFEST, "digest": Digest::of(b"1"), "size": 1,
                "artifactType": SIGNATURE}),
            json!({"mediaType": media::OCI_MANIFEST, "digest": Digest::of(b"2"), "size": 1}),
        ]))
    }));
    assert_eq!(found(&store, Some(SBOM)).await, [Digest::of(b"2")], "that of no type is believed");
}

#[tokio::test]
async fn an_entry_without_a_type_is_looked_up() {
    let server = registry(Referrers::Missing);
    let store = store(server.host(), "a");
    let sbom = artifact(SBOM, "1").manifest(&subject());
    let untyped = json!({
        "schemaVersion": 2, "mediaType": media::OCI_MANIFEST, "layers": [], "subject": {},
        "config": {"mediaType": SIGNATURE, "digest": Digest::of(b"{}"), "size": 2},
    });
    let untyped = untyped.to_string().into_bytes();
    let entry = |bytes: &[u8]| {
        let digest = server.put_manifest("a", "x", media::OCI_MANIFEST, bytes);
        json!({"mediaType": media::OCI_MANIFEST, "digest": digest, "size": bytes.len()})
    };
    let gone = json!({"mediaType": media::OCI_MANIFEST, "digest": Digest::of(b"gone"), "size": 4});
    let foreign = json!({"mediaType": media::OCI_MANIFEST, "digest": "sha512:ab", "size": 4});
    let entries = [entry(&sbom), entry(&untyped), entry(&sbom), gone, foreign];
    let name = tag(subject().digest).unwrap();
    server.put_manifest("a", name.as_str(), media::OCI_INDEX, &index(&entries));
    assert_eq!(found(&store, Some(SBOM)).await, [Digest::of(&sbom)]);
    assert_eq!(found(&store, Some(SIGNATURE)).await, [Digest::of(&untyped)]);
    assert_eq!(found(&store, None).await.len(), 3, "each once, and what is gone is listed still");
}

#[tokio::test]
async fn entries_of_others_stay_in_the_index() {
    let server = registry(Referrers::Missing);
    let store = store(server.host(), "a");
    let theirs = json!({"x-unknown": [1], "mediaType": media::OCI_MANIFEST,
        "digest": format!("sha256:{}", "f".repeat(64)), "size": 4});
    let odd = json!({"digest": "sha512:ab"});
    let name = tag(subject().digest).unwrap();
    let own = json!({ "annotations": {"k": "v"}, "schemaVersion": 2,
        "manifests": [theirs.clone(), odd.clone(), theirs.clone()] });
    server.put_manifest("a", name.as_str(), media::OCI_INDEX, own.to_string().as_bytes());
    let (digest, _) = attach_artifact(&store, &subject(), &artifact(SBOM, "1")).await.unwrap();
    let after: Value =
        serde_json::from_slice(&server.manifest("a", name.as_str()).unwrap()).unwrap();
    let entries = after["manifests"].as_array().unwrap();
    assert_eq!(entries.len(), 3, "{entries:?}");
    assert!(entries.contains(&theirs) && entries.contains(&odd), "{entries:?}");
    assert!(entries.iter().any(|entry| entry["digest"] == digest.to_string()));
    assert_eq!(after["annotations"]["k"], "v");
}

#[tokio::test]
async fn another_writer_in_between() {
    // The first writes of the tag are answered with success and thrown away.
    let name = tag(subject().digest).unwrap();
    for (lost, good) in [(2, true), (9, false)] {
        let server = registry(Referrers::Missing);
        let part = format!("/manifests/{name}");
        server.fault(Fault::answer("PUT", &part, Reply::new(201)).times(lost));
        let store = store(server.host(), "a");
        match attach_artifact(&store, &subject(), &artifact(SBOM, "1")).await {
            Ok((digest, _)) => assert!(good && found(&store, None).await == [digest]),
            Err(error) => {
                assert!(!good && matches!(error, Error::AttachmentLost { tries: 5, .. }));
                assert_eq!(error.class(), Class::Environment);
            }
        }
    }
}

/// Both have read the list before either writes it, and neither learns that it wrote before both did:
/// whoever came first finds its entry gone.
#[tokio::test]
async fn writers_at_the_same_moment_are_both_listed() {
    let server = registry(Referrers::Missing);
    let name = tag(subject().digest).unwrap();
    let both = Barrier::new(2);
    let in_step = move |_: &_, honest: &dyn Fn() -> Reply| {
        both.wait();
        let reply = honest();
        both.wait();
        reply
    };
    server.fault(Fault::around("PUT", &format!("/manifests/{name}"), in_step).times(2));
    let store = store(server.host(), "a");
    let (subject, one, other) = (subject(), artifact(SBOM, "1"), artifact(SBOM, "2"));
    let attached = futures_util::future::try_join(
        attach_artifact(&store, &subject, &one),
        attach_artifact(&store, &subject, &other),
    );
    let ((one, _), (other, _)) = attached.await.unwrap();
    let listed: BTreeSet<Digest> = found(&store, None).await.into_iter().collect();
    assert_eq!(listed, BTreeSet::from([one, other]));
}

#[tokio::test]
async fn a_registry_that_lists_and_forgets() {
    let server = registry(listed(0, true, false));
    server.fault(Fault::change("GET", "/referrers/", |_, reply| reply.body(index(&[]))));
    let store = store(server.host(), "a");
    let error = attach_artifact(&store, &subject(), &artifact(SBOM, "1")).await.unwrap_err();
    assert!(matches!(error, Error::NotListed { .. }), "{error:?}");
    assert_eq!(error.class(), Class::Environment);
    let name = tag(subject().digest).unwrap();
    assert_eq!(server.manifest("a", name.as_str()), None, "nobody would look there");
}

#[tokio::test]
async fn answers_that_are_no_list() {
    let page = |text: &str| {
        Reply::new(200).with("content-type", media::OCI_INDEX).body(text.as_bytes().to_vec())
    };
    let endless = page(r#"{"schemaVersion":2,"manifests":[]}"#).with("link", "<?n=1>; rel=next");
    let entry = r#"{"mediaType":"a/b","digest":"sha256:0","size":1}"#;
    let many = json!({"mediaType": "a/b", "digest": Digest::of(b"x"), "size": 1});
    let many = String::from_utf8(index(&vec![many; MAX_REFERRERS + 1])).unwrap();
    let table = [
        (Reply::new(500), Class::Environment),
        (Reply::new(403), Class::Input),
        (Reply::new(401), Class::Input),
        (page("no json"), Class::Input),
        (page("[]"), Class::Input),
        (page(r#"{"layers":[]}"#), Class::Input),
        (page(&format!(r#"{{"manifests":[{entry}]}}"#)), Class::Input),
        (page(&many), Class::Input),
        (endless, Class::Input),
        (page("{}").instead("content-length", "5000000"), Class::Input),
        (page(r#"{"manifests":[]}"#).with("link", "<ftp://x/>; rel=next"), Class::Refused),
        (
            page(r#"{"manifests":[]}"#).with("link", "<http://other.example/>; rel=next"),
            Class::Refused,
        ),
        (page(r#"{"manifests":[]}"#).cut(3), Class::Environment),
    ];
    for (reply, class) in table {
        let server = registry(Referrers::FULL);
        server.fault(Fault::answer("GET", "/referrers/", reply.clone()));
        let store = store(server.host(), "a");
        let error = referrers(&store, subject().digest, None).await.unwrap_err();
        assert_eq!(error.class(), class, "{:.200}: {error:?}", format!("{reply:?}"));
        let put = attach_artifact(&store, &subject(), &artifact(SBOM, "1")).await;
        assert_eq!(put.unwrap_err().class(), class);
        let manifests = server.writes().into_iter().filter(|line| line.contains("/manifests/"));
        assert_eq!(manifests.count(), 0, "nothing is written where nothing could be read");
    }
    // No API under another name: a front page for everything, and Quay's answer for what it does
    // not know.
    for reply in
        [Reply::new(200).with("content-type", "text/html"), Reply::error(400, "MANIFEST_INVALID")]
    {
        let server = registry(Referrers::Missing);
        server.fault(Fault::answer("GET", "/referrers/", reply));
        assert_eq!(found(&store(server.host(), "a"), None).await, []);
    }
}

#[tokio::test]
async fn a_tag_that_is_no_list() {
    let server = registry(Referrers::Missing);
    let store = store(server.host(), "a");
    let name = tag(subject().digest).unwrap();
    let entry = json!({"mediaType": "a/b", "digest": Digest::of(b"x"), "size": 1});
    for (media_type, bytes) in [
        (media::OCI_MANIFEST, image(&[b"{}"])),
        (media::OCI_INDEX, index(&vec![entry; MAX_REFERRERS + 1])),
        (media::OCI_INDEX, index(&[json!("x")])),
        (media::OCI_INDEX, b"[]".to_vec()),
    ] {
        server.put_manifest("a", name.as_str(), media_type, &bytes);
        let error = referrers(&store, subject().digest, None).await.unwrap_err();
        assert_eq!(error.class(), Class::Input, "{error:?}");
    }
    let full = (0..MAX_REFERRERS)
        .map(|n| json!({"mediaType": "a/b", "digest": Digest::of(n.to_string()), "size": 1}));
    let full = index(&full.collect::<Vec<_>>());
    server.put_manifest("a", name.as_str(), media::OCI_INDEX, &full);
    let error = attach_artifact(&store, &subject(), &artifact(SBOM, "1")).await.unwrap_err();
    assert!(matches!(error, Error::NotReferrers { .. }), "{error:?}");
    assert_eq!(server.manifest("a", name.as_str()).unwrap(), full);
}

#[tokio::test]
async fn what_is_about_nothing_is_no_referrer() {
    let server = registry(Referrers::FULL);
    let store = store(server.host(), "a");
    let error = put_referrer(&store, media::OCI_MANIFEST, &image(&[b"{}"])).await.unwrap_err();
    assert!(matches!(error, Error::NotReferrers { .. }) && error.class() == Class::Input);
    assert!(server.writes().is_empty());
}
