//! Artifacts about an image, in real registries and as another client sees them.

#![expect(clippy::unwrap_used, clippy::indexing_slicing, reason = "a test fails by panicking")]

use std::collections::BTreeMap;

use bytes::Bytes;
use fleetfix_model::{Descriptor, Digest, Repository, media};
use fleetfix_registry::referrers::{
    Artifact, Layer, attach_artifact, put_referrer, referrers, tag,
};
use fleetfix_registry::{Body, Client, Options, Store, Written};
use fleetfix_tests::client::Clients;
use fleetfix_tests::registry::{KINDS, Kind, Registry};
use serde_json::{Value, json};

const SBOM: &str = "application/vnd.example.sbom+json";
const SIGNATURE: &str = "application/vnd.example.signature";

fn store(place: &str) -> Store {
    let place: Repository = place.parse().unwrap();
    Client::new(Options::default()).unwrap().store(&place)
}

/// Writes an image to be about.
async fn subject(store: &Store) -> Descriptor {
    let config = Bytes::from_static(br#"{"os":"linux","architecture":"amd64"}"#);
    let blob = Descriptor::of(media::OCI_CONFIG, &config);
    store.put_blob(&blob, Body::Bytes(config)).await.unwrap();
    let config = json!({"mediaType": blob.media_type, "digest": blob.digest, "size": blob.size});
    let manifest = json!({
        "schemaVersion": 2, "mediaType": media::OCI_MANIFEST, "config": config, "layers": [],
    });
    let bytes = manifest.to_string().into_bytes();
    store.put_tag(&"v1".parse().unwrap(), media::OCI_MANIFEST, &bytes).await.unwrap();
    Descriptor::of(media::OCI_MANIFEST, &bytes)
}

fn artifact(artifact_type: &str, content: &str) -> Artifact {
    let layer = Layer {
        media_type: "text/plain".into(),
        content: content.into(),
        annotations: BTreeMap::new(),
    };
    Artifact {
        artifact_type: artifact_type.into(),
        layers: vec![layer],
        annotations: BTreeMap::from([("example".into(), content.into())]),
    }
}

async fn found(store: &Store, subject: &Descriptor, artifact_type: Option<&str>) -> Vec<String> {
    let all = referrers(store, subject.digest, artifact_type).await.unwrap();
    let mut all: Vec<_> = all.iter().map(|one| one.descriptor.digest.to_string()).collect();
    all.sort();
    all
}

/// What oras finds.
fn discovered(clients: &Clients, reference: &str, flags: &[&str]) -> Vec<String> {
    let args = [&["discover", "--format", "json"], flags, &[reference]].concat();
    let json: Value = clients.oras(&args).success().json();
    let list = [&json["referrers"], &json["manifests"]].into_iter().find_map(Value::as_array);
    let digest = |one: &Value| one["digest"].as_str().unwrap().to_owned();
    let mut all: Vec<_> = list.into_iter().flatten().map(digest).collect();
    all.sort();
    all
}

async fn in_a_registry(kind: Kind) {
    let (registry, clients) = (Registry::start(kind), Clients::new());
    let place = registry.repository("app/one");
    let store = store(&place);
    let subject = subject(&store).await;
    let reference = format!("{place}@{}", subject.digest);
    assert!(found(&store, &subject, None).await.is_empty(), "{kind:?}");

    let mut ours = Vec::new();
    for (artifact_type, content) in [(SBOM, "1"), (SIGNATURE, "2"), (SIGNATURE, "3")] {
        let artifact = artifact(artifact_type, content);
        let (digest, written) = attach_artifact(&store, &subject, &artifact).await.unwrap();
        assert_eq!(written, Written::New, "{kind:?}");
        let (_, again) = attach_artifact(&store, &subject, &artifact).await.unwrap();
        assert_eq!(again, Written::AlreadyThere, "{kind:?}");
        ours.push(digest.to_string());
    }
    ours.sort();
    assert_eq!(found(&store, &subject, None).await, ours, "{kind:?}");
    assert_eq!(discovered(&clients, &reference, &["--plain-http"]), ours, "{kind:?}");
    let of_type = ["--plain-http", "--artifact-type", SIGNATURE];
    let signatures = found(&store, &subject, Some(SIGNATURE)).await;
    assert_eq!(signatures.len(), 2, "{kind:?}");
    assert_eq!(discovered(&clients, &reference, &of_type), signatures, "{kind:?}");
    let by_tag = store.resolve(&tag(subject.digest).unwrap()).await.unwrap();
    assert_eq!(by_tag.is_some(), kind != Kind::Olareg, "{kind:?}");

    // What another client attaches is listed beside ours, and ours beside it.
    std::fs::write(clients.path("note.txt"), "a note").unwrap();
    let attach = ["attach", "--plain-http", "--artifact-type", SBOM, &reference];
    clients.oras(&[&attach[..], &["note.txt:text/plain"]].concat()).success();
    attach_artifact(&store, &subject, &artifact(SBOM, "4")).await.unwrap();
    let all = found(&store, &subject, None).await;
    assert_eq!(all.len(), 5, "{kind:?}");
    assert_eq!(discovered(&clients, &reference, &["--plain-http"]), all, "{kind:?}");
    assert_eq!(found(&store, &subject, Some(SBOM)).await.len(), 3, "{kind:?}");
}

#[tokio::test]
async fn in_docker_registry() {
    in_a_registry(Kind::Docker).await;
}

#[tokio::test]
async fn in_distribution() {
    in_a_registry(Kind::Distribution).await;
}

#[tokio::test]
async fn in_olareg() {
    in_a_registry(Kind::Olareg).await;
    assert_eq!(KINDS.len(), 3, "every kind has its test");
}

#[tokio::test]
async fn in_a_layout() {
    let clients = Clients::new();
    let dir = clients.path("layout").display().to_string();
    let store = store(&format!("oci:{dir}"));
    let subject = subject(&store).await;
    let mut ours: Vec<String> = Vec::new();
    for content in ["1", "2"] {
        let put = attach_artifact(&store, &subject, &artifact(SBOM, content)).await.unwrap();
        ours.push(Digest::to_string(&put.0));
    }
    ours.sort();
    assert_eq!(found(&store, &subject, None).await, ours);
    let reference = format!("{dir}@{}", subject.digest);
    assert_eq!(discovered(&clients, &reference, &["--oci-layout"]), ours);

    // What another client attaches: it lists it in `index.json`, and nowhere else.
    std::fs::write(clients.path("note.txt"), "a note").unwrap();
    let attach = ["attach", "--oci-layout", "--artifact-type", SIGNATURE, &reference];
    clients.oras(&[&attach[..], &["note.txt:text/plain"]].concat()).success();
    let all = found(&store, &subject, None).await;
    assert_eq!(all.len(), 3);
    assert_eq!(discovered(&clients, &reference, &["--oci-layout"]), all);
    assert_eq!(found(&store, &subject, Some(SIGNATURE)).await.len(), 1);
    assert_eq!(found(&store, &subject, Some(SBOM)).await, ours);
    // Who reads the tag alone sees it as well, once it was put here again.
    let theirs: Digest = all.iter().find(|one| !ours.contains(one)).unwrap().parse().unwrap();
    let manifest = store.manifest(theirs).await.unwrap();
    for expected in [Written::New, Written::AlreadyThere] {
        let put = put_referrer(&store, media::OCI_MANIFEST, &manifest.bytes).await.unwrap();
        assert_eq!(put, expected);
    }
    let index = store.find_tag(&tag(subject.digest).unwrap()).await.unwrap().unwrap();
    assert!(String::from_utf8_lossy(&index.bytes).contains(&theirs.to_string()));
    // A damaged image beside it is none of its business.
    let beside = json!({"schemaVersion": 2, "mediaType": media::OCI_MANIFEST, "layers": [],
        "config": {"mediaType": media::OCI_CONFIG, "digest": Digest::of(b"{}"), "size": 2}});
    let beside = beside.to_string().into_bytes();
    store
        .put_blob(&Descriptor::of(media::OCI_CONFIG, b"{}"), Body::Bytes(Bytes::from_static(b"{}")))
        .await
        .unwrap();
    store.put_tag(&"v2".parse().unwrap(), media::OCI_MANIFEST, &beside).await.unwrap();
    let blob = format!("blobs/sha256/{}", Digest::of(&beside).hex());
    let path = std::path::Path::new(dir.trim_start_matches("oci:")).join(blob);
    let mut damaged = std::fs::read(&path).unwrap();
    damaged[0] ^= 1;
    std::fs::write(&path, damaged).unwrap();
    assert_eq!(found(&store, &subject, None).await, all);
    // It is about this image and about no other.
    let other = Descriptor::of(media::OCI_MANIFEST, b"another image");
    assert!(found(&store, &other, None).await.is_empty());
}
