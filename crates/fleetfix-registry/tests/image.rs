//! Images read from a layout: what belongs to one, and what is refused.

#![expect(clippy::unwrap_used, clippy::indexing_slicing, reason = "a test fails by panicking")]

use fleetfix_model::{Digest, Repository, media};
use fleetfix_registry::image::{MAX_DEPTH, MAX_MANIFESTS};
use fleetfix_registry::{Error, Image, RegistryArgs, Store};
use serde_json::{Value, json};

/// A layout in a directory of its own.
struct Place {
    _dir: tempfile::TempDir,
    store: Store,
}

impl Place {
    fn new() -> Self {
        let dir = tempfile::tempdir().unwrap();
        let repository = Repository::Layout(dir.path().join("app"));
        let store = RegistryArgs::default().client().unwrap().store(&repository);
        Self { _dir: dir, store }
    }

    /// Writes a manifest and returns the entry that an index has for it.
    fn put(&self, manifest: &Value) -> Value {
        let media_type = manifest["mediaType"].as_str().unwrap();
        let bytes = manifest.to_string();
        let digest = block(self.store.put_manifest(media_type, bytes.as_bytes())).unwrap();
        json!({"mediaType": media_type, "digest": digest, "size": bytes.len()})
    }

    fn put_image(&self, name: &str, os: &str, architecture: &str) -> Value {
        let mut entry = self.put(&image(name));
        entry["platform"] = json!({"os": os, "architecture": architecture});
        entry
    }

    fn read(&self, top: &Value) -> Result<Image, Error> {
        let reference = self.store.repository().at(digest(top));
        block(Image::get(&self.store, &reference))
    }
}

fn block<T>(future: impl Future<Output = T>) -> T {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(future)
}

fn image(name: &str) -> Value {
    let config = json!({"mediaType": media::OCI_CONFIG, "digest": Digest::of("{}"), "size": 2});
    json!({
        "schemaVersion": 2, "mediaType": media::OCI_MANIFEST, "config": config, "layers": [],
        "annotations": {"name": name}
    })
}

fn index(entries: &[Value]) -> Value {
    json!({"schemaVersion": 2, "mediaType": media::OCI_INDEX, "manifests": entries})
}

fn digest(entry: &Value) -> Digest {
    entry["digest"].as_str().unwrap().parse().unwrap()
}

#[test]
fn images_in_the_order_of_the_index() {
    let place = Place::new();
    let entries = [
        place.put_image("one", "linux", "arm64"),
        place.put_image("attestation", "unknown", "unknown"),
        place.put_image("two", "linux", "amd64"),
    ];
    let top = place.put(&index(&entries));
    let image = place.read(&top).unwrap();
    let platforms: Vec<_> =
        image.manifests.iter().map(|m| m.platform.as_ref().unwrap().to_string()).collect();
    assert_eq!(platforms, ["linux/arm64", "linux/amd64"]);
    assert_eq!(image.digests(), [digest(&top), digest(&entries[0]), digest(&entries[2])]);
}

#[test]
fn a_manifest_is_an_image_by_itself() {
    let place = Place::new();
    let top = place.put(&image("one"));
    let image = place.read(&top).unwrap();
    assert_eq!(image.digests(), [digest(&top)]);
    assert_eq!(image.manifests.len(), 1);
    assert_eq!(image.manifests[0].platform, None);
}

#[test]
fn one_manifest_for_two_platforms_is_named_once() {
    let place = Place::new();
    let mut second = place.put_image("one", "linux", "arm64");
    second["platform"]["variant"] = json!("v8");
    let top = place.put(&index(&[place.put_image("one", "linux", "arm64"), second]));
    let image = place.read(&top).unwrap();
    assert_eq!((image.manifests.len(), image.digests().len()), (2, 2));
}

#[test]
fn indexes_inside_of_indexes() {
    let place = Place::new();
    let mut top = place.put_image("one", "linux", "amd64");
    for depth in 1..=MAX_DEPTH {
        top = place.put(&index(&[top]));
        let image = place.read(&top).unwrap();
        assert_eq!((image.inner.len(), image.manifests.len()), (depth - 1, 1));
        assert_eq!(image.digests().len(), depth + 1);
    }
    top = place.put(&index(&[top]));
    assert!(matches!(place.read(&top), Err(Error::Tree { .. })));
}

#[test]
fn what_is_too_much() {
    let place = Place::new();
    let entries = |n: usize| -> Vec<Value> {
        (0..n).map(|i| place.put_image(&i.to_string(), "linux", "amd64")).collect()
    };
    let top = place.put(&index(&entries(MAX_MANIFESTS)));
    assert_eq!(place.read(&top).unwrap().manifests.len(), MAX_MANIFESTS);
    let top = place.put(&index(&entries(MAX_MANIFESTS + 1)));
    assert!(matches!(place.read(&top), Err(Error::Tree { .. })));
}

#[test]
fn children_are_what_the_index_says() {
    let place = Place::new();
    let entry = place.put_image("one", "linux", "amd64");
    let changed = |field: &str, value: Value| {
        let mut entry = entry.clone();
        entry[field] = value;
        place.read(&place.put(&index(&[entry])))
    };
    let size = entry["size"].as_u64().unwrap();
    assert!(matches!(
        changed("size", json!(size + 1)),
        Err(Error::SizeMismatch { expected, actual, .. }) if expected == size + 1 && actual == size
    ));
    let absent = changed("digest", json!(Digest::of("absent"))).unwrap_err();
    assert!(absent.is_absent(), "{absent}");
}

#[test]
fn a_tag_that_is_not_there_is_no_image() {
    let place = Place::new();
    let tag = "v1".parse().unwrap();
    assert!(block(Image::find(&place.store, &tag)).unwrap().is_none());
    let bytes = image("one").to_string();
    block(place.store.put_tag(&tag, media::OCI_MANIFEST, bytes.as_bytes())).unwrap();
    let found = block(Image::find(&place.store, &tag)).unwrap().unwrap();
    assert_eq!(found.top.digest(), Digest::of(bytes));
}
