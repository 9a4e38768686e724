use std::collections::BTreeMap;

use bytes::Bytes;
use fleetfix_model::{Class, Classify, Descriptor, Digest, media};
use fleetfix_testkit::registry::{Registry, Reply};
use serde_json::{Value, json};

use super::{files, layout_store};
use crate::attach::{Attachment, Kind, MAX_ATTACHMENTS, attach, candidates};
use crate::testing::{store, tag};
use crate::{Body, Error, Store, Written};

const SIGNATURE: &str = "dev.cosignproject.cosign/signature";

fn subject() -> Digest {
    Digest::of(b"subject")
}

fn signature(payload: &str, value: &str) -> Attachment {
    Attachment {
        media_type: media::SIMPLE_SIGNING.into(),
        payload: payload.into(),
        annotations: BTreeMap::from([(SIGNATURE.to_owned(), value.to_owned())]),
    }
}

async fn manifest(store: &Store) -> Value {
    let tag = Kind::Signature.tag(subject()).unwrap();
    serde_json::from_slice(&store.find_tag(&tag).await.unwrap().unwrap().bytes).unwrap()
}

#[test]
fn tags() {
    let hex = subject().hex();
    assert_eq!(Kind::Signature.tag(subject()).unwrap().as_str(), format!("sha256-{hex}.sig"));
    assert_eq!(Kind::Attestation.tag(subject()).unwrap().as_str(), format!("sha256-{hex}.att"));
}

#[tokio::test]
async fn what_is_attached_is_found() {
    let dir = tempfile::tempdir().unwrap();
    let registry = Registry::start();
    for store in [layout_store(dir.path(), "a"), store(registry.host(), "a")] {
        assert_eq!(candidates(&store, subject(), Kind::Signature).await.unwrap(), []);
        let (one, two) = (signature("p", "1"), signature("p", "2"));
        let put = attach(&store, subject(), Kind::Signature, std::slice::from_ref(&one)).await;
        assert_eq!(put.unwrap(), Written::New);
        let both = [one.clone(), two.clone(), two.clone()];
        assert_eq!(attach(&store, subject(), Kind::Signature, &both).await.unwrap(), Written::New);
        assert_eq!(
            candidates(&store, subject(), Kind::Signature).await.unwrap(),
            [one.clone(), two.clone()]
        );
        assert_eq!(candidates(&store, subject(), Kind::Attestation).await.unwrap(), []);

        let (before, writes) = (files(dir.path()), registry.writes().len());
        for known in [&both[..], &[]] {
            let again = attach(&store, subject(), Kind::Signature, known).await.unwrap();
            assert_eq!(again, Written::AlreadyThere);
        }
        assert_eq!(
            (files(dir.path()), registry.writes().len()),
            (before, writes),
            "nothing was written"
        );
    }
}

#[tokio::test]
async fn the_manifest_is_cosigns() {
    let dir = tempfile::tempdir().unwrap();
    let store = layout_store(dir.path(), "a");
    attach(&store, subject(), Kind::Signature, &[signature("p", "1")]).await.unwrap();
    let payload = Digest::of(b"p").to_string();
    let config = format!(
        r#"{{"architecture":"","created":"0001-01-01T00:00:00Z","history":[{{"created":"0001-01-01T00:00:00Z"}}],"os":"","rootfs":{{"type":"layers","diff_ids":["{payload}"]}},"config":{{}}}}"#
    );
    let expected = json!({
        "schemaVersion": 2,
        "mediaType": media::OCI_MANIFEST,
        "config": {
            "mediaType": media::OCI_CONFIG,
            "size": config.len(),
            "digest": Digest::of(&config).to_string(),
        },
        "layers": [{
            "mediaType": media::SIMPLE_SIGNING,
            "size": 1,
            "digest": payload,
            "annotations": { SIGNATURE: "1" },
        }],
    });
    assert_eq!(manifest(&store).await.to_string(), expected.to_string());
    assert_eq!(store.blob(Digest::of(&config), 1000).await.unwrap(), config.as_bytes());
}

#[tokio::test]
async fn layers_of_others_stay_as_they_are() {
    let dir = tempfile::tempdir().unwrap();
    let store = layout_store(dir.path(), "a");
    let raw = |text: &[u8]| Body::Bytes(Bytes::copy_from_slice(text));
    store.put_blob(&Descriptor::of("x/y", b"theirs"), raw(b"theirs")).await.unwrap();
    store.put_blob(&Descriptor::of("x/y", b"{}"), raw(b"{}")).await.unwrap();
    let theirs = format!(
        r#"{{"layers":[{{"annotations":{{"z":"1","a":"2"}},"x-unknown":[1],"digest":"{}","size":6,"mediaType":"x/y"}}],"annotations":{{"k":"v"}},"schemaVersion":2,"config":{{"mediaType":"application/vnd.x","digest":"{}","size":2}}}}"#,
        Digest::of(b"theirs"),
        Digest::of(b"{}"),
    );
    let tag = Kind::Signature.tag(subject()).unwrap();
    store.put_tag(&tag, media::OCI_MANIFEST, theirs.as_bytes()).await.unwrap();
    attach(&store, subject(), Kind::Signature, &[signature("p", "1")]).await.unwrap();
    let after = manifest(&store).await;
    let before: Value = serde_json::from_str(&theirs).unwrap();
    assert_eq!(after["layers"][0].to_string(), before["layers"][0].to_string());
    assert_eq!(after["annotations"], before["annotations"]);
    assert_eq!(after["config"]["mediaType"], "application/vnd.x");
    let found = candidates(&store, subject(), Kind::Signature).await.unwrap();
    assert_eq!(
        (found[0].payload.as_slice(), found[1].payload.as_slice()),
        (&b"theirs"[..], &b"p"[..])
    );
    assert_eq!(found[0].annotations["a"], "2");
}

#[tokio::test]
async fn another_writer_in_between() {
    // The first writes of the tag are answered with success and thrown away.
    for (lost, expected) in [(2, Ok(Written::New)), (9, Err(()))] {
        let mut left = lost;
        let registry = Registry::faulty(move |request| {
            if request.method != "PUT" || !request.path().contains("/sha256-") || left == 0 {
                return None;
            }
            left -= 1;
            Some(Reply::new(201))
        });
        let store = store(registry.host(), "a");
        let result = attach(&store, subject(), Kind::Signature, &[signature("p", "1")]).await;
        match (result, expected) {
            (Ok(written), Ok(expected)) => assert_eq!(written, expected),
            (Err(error), Err(())) => {
                assert!(matches!(error, Error::AttachmentLost { tries: 5, .. }), "{error:?}");
                assert_eq!(error.class(), Class::Environment);
            }
            other => panic!("{lost}: {other:?}"),
        }
    }
}

#[tokio::test]
async fn a_registry_that_cannot_be_asked_is_not_one_without_signatures() {
    for (status, class) in [(500, Class::Environment), (403, Class::Input)] {
        let registry = Registry::faulty(move |_| Some(Reply::new(status)));
        let store = store(registry.host(), "a");
        let error = candidates(&store, subject(), Kind::Signature).await.unwrap_err();
        assert_eq!(error.class(), class);
        let error = attach(&store, subject(), Kind::Signature, &[signature("p", "1")]).await;
        assert_eq!(error.unwrap_err().class(), class);
        assert_eq!(registry.writes(), <[String; 0]>::default());
    }
}

#[tokio::test]
async fn what_is_no_list_of_attachments() {
    let registry = Registry::start();
    let store = store(registry.host(), "a");
    let tag = Kind::Signature.tag(subject()).unwrap();
    let layer = json!({ "mediaType": "x/y", "digest": Digest::of(b"x"), "size": 1 });
    let many = vec![layer.clone(); MAX_ATTACHMENTS + 1];
    for (media_type, bytes) in [
        (media::OCI_INDEX, json!({ "manifests": [] })),
        (media::OCI_MANIFEST, json!({ "layers": {} })),
        (media::OCI_MANIFEST, json!([])),
        (
            media::OCI_MANIFEST,
            json!({ "layers": [{ "mediaType": "x/y", "digest": "sha256:0", "size": 1 }] }),
        ),
        (media::OCI_MANIFEST, json!({ "layers": many })),
        ("application/vnd.x", json!({ "layers": [] })),
    ] {
        registry.put_manifest("a", tag.as_str(), media_type, bytes.to_string().as_bytes());
        for error in [
            candidates(&store, subject(), Kind::Signature).await.unwrap_err(),
            attach(&store, subject(), Kind::Signature, &[signature("p", "1")]).await.unwrap_err(),
        ] {
            assert_eq!(error.class(), Class::Input, "{bytes:.100}: {error:?}");
        }
    }
    assert_eq!(registry.writes(), <[String; 0]>::default(), "nothing was written over it");
}

#[tokio::test]
async fn all_attachments_together_have_a_limit_and_a_shared_payload_is_fetched_once() {
    let registry = Registry::start();
    let store = store(registry.host(), "a");
    let tag = Kind::Signature.tag(subject()).unwrap();
    let digest = registry.put_blob("a", b"payload");
    let put = |size: u64, count: usize| {
        let layer = json!({ "mediaType": "x/y", "digest": digest, "size": size });
        let bytes = json!({ "config": layer, "layers": vec![layer; count] }).to_string();
        registry.put_manifest("a", tag.as_str(), media::OCI_MANIFEST, bytes.as_bytes());
    };
    put(8 << 20, 9);
    let error = candidates(&store, subject(), Kind::Signature).await.unwrap_err();
    assert!(matches!(error, Error::NotAttachments { .. }), "{error:?}");

    put(7, 5);
    registry.server.forget();
    assert_eq!(candidates(&store, subject(), Kind::Signature).await.unwrap().len(), 5);
    let requests = registry.server.requests();
    let fetched = requests.iter().filter(|r| r.method == "GET" && r.path().contains("/blobs/"));
    assert_eq!(fetched.count(), 1);
}

#[tokio::test]
async fn the_manifests_of_an_image_together_have_a_limit() {
    let registry = Registry::start();
    let store = store(registry.host(), "a");
    let child = json!({ "mediaType": media::OCI_MANIFEST, "digest": subject(), "size": 4 << 20 });
    let index = json!({ "schemaVersion": 2, "manifests": vec![child; 4] }).to_string();
    registry.put_manifest("a", "v1", media::OCI_INDEX, index.as_bytes());
    let error = crate::Image::find(&store, &self::tag("v1")).await.unwrap_err();
    assert!(matches!(error, Error::Tree { .. }), "{error:?}");
}

#[tokio::test]
async fn attachments_have_limits() {
    let registry = Registry::start();
    let store = store(registry.host(), "a");
    let tag = Kind::Signature.tag(subject()).unwrap();
    let put = |size: u64, digest: Digest| {
        let layer = json!({ "mediaType": "x/y", "digest": digest, "size": size });
        let bytes = json!({ "config": layer, "layers": [layer] }).to_string();
        registry.put_manifest("a", tag.as_str(), media::OCI_MANIFEST, bytes.as_bytes());
    };
    let digest = registry.put_blob("a", b"payload");
    for (size, class) in [
        (7, None),
        (6, Some(Class::Input)),
        (8, Some(Class::Refused)),
        ((8 << 20) + 1, Some(Class::Input)),
    ] {
        put(size, digest);
        let found = candidates(&store, subject(), Kind::Signature).await;
        assert_eq!(found.err().map(|e| e.class()), class, "{size}");
    }
    let large = Attachment { payload: vec![0; (8 << 20) + 1], ..signature("", "1") };
    put(7, digest);
    let error = attach(&store, subject(), Kind::Signature, &[large]).await.unwrap_err();
    assert!(matches!(error, Error::TooLarge { .. }), "{error:?}");
    assert_eq!(registry.writes(), <[String; 0]>::default());
    assert_eq!(store.resolve(&self::tag("x")).await.unwrap(), None);
}
