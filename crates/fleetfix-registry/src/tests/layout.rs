use std::io::Read;

use bytes::Bytes;
use fleetfix_model::{Class, Classify, Descriptor, Digest, Reference, media};

use super::{files, layout_store};
use crate::store::Body;
use crate::testing::{image, streamed, tag};
use crate::{Error, Written};

#[tokio::test]
async fn what_is_not_there_is_not_there() {
    let dir = tempfile::tempdir().unwrap();
    std::fs::create_dir(dir.path().join("empty")).unwrap();
    for name in ["absent", "empty"] {
        let store = layout_store(dir.path(), name);
        let digest = Digest::of(b"x");
        assert_eq!(store.resolve(&tag("v1")).await.unwrap(), None);
        assert_eq!(store.find_manifest(digest).await.unwrap(), None);
        assert!(
            !store.has_blob(digest).await.unwrap() && !store.has_manifest(digest).await.unwrap()
        );
        for error in [
            store.manifest(digest).await.unwrap_err(),
            store.blob(digest, 10).await.unwrap_err(),
            store.blob_reader(digest, None).await.unwrap_err(),
        ] {
            assert!(error.is_absent() && error.class() == Class::Input, "{error}");
            assert!(error.to_string().ends_with("where there is no OCI layout"), "{error}");
        }
    }
    assert!(!dir.path().join("absent").exists(), "reading makes nothing");
}

#[tokio::test]
async fn round_trip() {
    let dir = tempfile::tempdir().unwrap();
    let store = layout_store(dir.path(), "a/b");
    let config = Descriptor::of(media::OCI_CONFIG, b"{}");
    let put = store.put_blob(&config, Body::Bytes(Bytes::from_static(b"{}"))).await.unwrap();
    assert_eq!(put, Written::New);
    let source = dir.path().join("layer");
    std::fs::write(&source, b"layer").unwrap();
    let layer = Descriptor::of(media::OCI_LAYER, b"layer");
    assert_eq!(store.put_blob(&layer, Body::File(source.clone())).await.unwrap(), Written::New);
    let bytes = image(&[b"{}", b"layer"]);
    let v1 = tag("v1");
    let put = |bytes: Vec<u8>| {
        let (store, v1) = (store.clone(), v1.clone());
        async move { store.put_immutable_tag(&v1, media::OCI_MANIFEST, &bytes).await }
    };
    assert_eq!(put(bytes.clone()).await.unwrap(), Written::New);

    // Once more, and nothing on disk changes.
    let before = files(dir.path());
    assert_eq!(put(bytes.clone()).await.unwrap(), Written::AlreadyThere);
    assert_eq!(store.put_blob(&layer, Body::File(source)).await.unwrap(), Written::AlreadyThere);
    assert_eq!(store.put_manifest(media::OCI_MANIFEST, &bytes).await.unwrap(), Digest::of(&bytes));
    assert_eq!(
        store.put_tag(&v1, media::OCI_MANIFEST, &bytes).await.unwrap(),
        Written::AlreadyThere
    );
    assert_eq!(files(dir.path()), before);

    let error = put(image(&[b"{}"])).await.unwrap_err();
    assert!(matches!(error, Error::TagTaken { .. }) && error.class() == Class::Refused);
    let unchanged: Vec<_> = files(dir.path()).into_iter().filter(|f| !before.contains(f)).collect();
    assert_eq!(unchanged, [], "a refusal writes nothing");

    let found = store.resolve(&v1).await.unwrap().unwrap();
    assert_eq!(found, Descriptor::of(media::OCI_MANIFEST, &bytes));
    let reference: Reference = format!("oci:x:v1@{}", found.digest).parse().unwrap();
    assert_eq!(store.get(&reference).await.unwrap().bytes, bytes);
    assert_eq!(store.blob(layer.digest, 5).await.unwrap(), b"layer");
    assert_eq!(store.blob(layer.digest, 4).await.unwrap_err().class(), Class::Input);
    assert_eq!(streamed(&store, layer.digest, Some(5)).await.unwrap(), b"layer");
    let mut reader = store.blob_reader(layer.digest, Some(5)).await.unwrap().into_read();
    let read = tokio::task::spawn_blocking(move || {
        let mut text = String::new();
        reader.read_to_string(&mut text).map(|_| text)
    });
    assert_eq!(read.await.unwrap().unwrap(), "layer");
}

#[tokio::test]
async fn damage_is_seen_and_written_over() {
    let dir = tempfile::tempdir().unwrap();
    let store = layout_store(dir.path(), "a");
    let layer = Descriptor::of(media::OCI_LAYER, b"layer");
    let body = || Body::Bytes(Bytes::from_static(b"layer"));
    store.put_blob(&layer, body()).await.unwrap();
    let path = dir.path().join("a/blobs/sha256").join(layer.digest.hex());
    std::fs::write(&path, b"lager").unwrap();
    assert_eq!(store.blob(layer.digest, 10).await.unwrap_err().class(), Class::Refused);
    let error = streamed(&store, layer.digest, Some(5)).await.unwrap_err();
    assert_eq!(error.class(), Class::Refused, "{error:?}");
    let mut reader = store.blob_reader(layer.digest, None).await.unwrap().into_read();
    let read = tokio::task::spawn_blocking(move || reader.read_to_end(&mut Vec::new()));
    let inner = read.await.unwrap().unwrap_err().downcast::<fleetfix_oci::Error>().unwrap();
    assert_eq!(inner.class(), Class::Refused, "the class survives a reader that blocks");
    assert_eq!(store.put_blob(&layer, body()).await.unwrap(), Written::New);
    assert_eq!(store.blob(layer.digest, 10).await.unwrap(), b"layer");

    let wrong = Body::Bytes(Bytes::from_static(b"wrong"));
    let other = Descriptor::of(media::OCI_LAYER, b"other");
    assert_eq!(store.put_blob(&other, wrong).await.unwrap_err().class(), Class::Refused);
    assert!(!store.has_blob(other.digest).await.unwrap());
}

#[tokio::test]
async fn a_reference_without_tag_and_digest_names_nothing() {
    let dir = tempfile::tempdir().unwrap();
    let store = layout_store(dir.path(), "a");
    let error = store.get(&"oci:a".parse().unwrap()).await.unwrap_err();
    assert!(error.is_absent() && error.to_string().contains("oci:a"), "{error}");
    let error = store.get(&"oci:a:v1".parse().unwrap()).await.unwrap_err();
    assert!(error.is_absent() && error.to_string().contains("`v1`"), "{error}");
}
