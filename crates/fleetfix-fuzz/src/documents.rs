//! Manifests, indexes and configurations.

use std::collections::{BTreeMap, BTreeSet};

use fleetfix_model::{Descriptor, Digest, media};
use fleetfix_oci::config::Config;
use fleetfix_oci::edit::{self, Base, ImagePatch, PatchedImage};
use fleetfix_oci::layer::{Algorithm, Layer};
use fleetfix_oci::manifest::{Kind, Manifest};
use serde_json::{Map, Value, json};

/// What documents may be fetched as.
const MEDIA_TYPES: [Option<&str>; 4] =
    [None, Some(media::OCI_MANIFEST), Some(media::DOCKER_MANIFEST), Some(media::OCI_INDEX)];

fn base() -> Base<'static> {
    Base { name: Some("registry.test/base"), digest: Digest::of(b"base") }
}

/// Reads an image manifest and patches it.
pub fn manifest(bytes: &[u8]) {
    for media_type in MEDIA_TYPES {
        let Ok(found) = Manifest::parse(media_type, bytes) else { continue };
        let _ = (found.config(), found.children(), found.subject_descriptor(), found.annotations());
        let _ = (found.artifact_type(), found.family().layer(Algorithm::Gzip), found.subject());
        assert_eq!(found.descriptor().size, bytes.len() as u64);
        if let (Kind::Image, Ok(layers)) = (found.kind, found.layers()) {
            patch_manifest(found, layers.len());
        }
    }
}

/// Gives the manifest a configuration that fits it, and patches both.
fn patch_manifest(mut found: Manifest, layers: usize) {
    let id = Digest::of(b"layer").to_string();
    let config = json!({"os": "linux", "rootfs": {"diff_ids": vec![id; layers]}}).to_string();
    let Some(Value::Object(entry)) = found.raw.get_mut("config") else { return };
    entry.insert("digest".into(), Digest::of(config.as_bytes()).to_string().into());
    let Some(patched) = patch(&found, config.as_bytes()) else { return };
    let again = Manifest::parse(Some(&found.media_type), &patched.manifest_bytes);
    let Ok(again) = again else { panic!("a patched manifest is one: {again:?}") };
    only(&["annotations", "config", "layers"], &found.raw, &again.raw);
    let list = |manifest: &Manifest| manifest.raw.get("layers").cloned();
    let (Some(Value::Array(old)), Some(Value::Array(mut new))) = (list(&found), list(&again))
    else {
        panic!("layers are a list")
    };
    new.pop();
    let plain = |layers: Vec<Value>| layers.iter().map(plain).collect::<Vec<_>>();
    assert_eq!(plain(old), plain(new), "the base's layers stay");
}

/// Reads a configuration and patches it.
pub fn config(bytes: &[u8]) {
    let Ok(found) = Config::parse(bytes) else { return };
    let _ = (found.platform(), found.created());
    let (Ok(labels), Ok(diff_ids)) = (found.labels(), found.diff_ids()) else { return };
    let layer = json!({"mediaType": media::OCI_LAYER_GZIP, "digest": Digest::of(b""), "size": 0});
    let descriptor = Descriptor::of(media::OCI_CONFIG, bytes);
    let manifest = json!({"schemaVersion": 2, "mediaType": media::OCI_MANIFEST,
        "config": descriptor, "layers": vec![layer; diff_ids.len()]});
    let Ok(manifest) = Manifest::parse(None, manifest.to_string().as_bytes()) else { return };
    let Some(patched) = patch(&manifest, bytes) else { return };
    let again = Config::parse(&patched.config_bytes);
    let Ok(again) = again else { panic!("a patched configuration is one: {again:?}") };
    only(&["config", "history", "rootfs"], &found.raw, &again.raw);
    let (new_labels, new_ids) = (again.labels().unwrap_or_default(), again.diff_ids());
    let changed = |name: &String| [media::BASE_NAME, media::BASE_DIGEST].contains(&name.as_str());
    let kept = labels.iter().all(|(name, old)| changed(name) || new_labels.get(name) == Some(old));
    assert!(kept, "labels stay");
    assert!(new_ids.is_ok_and(|ids| ids.starts_with(&diff_ids) && ids.len() == diff_ids.len() + 1));
}

fn patch(manifest: &Manifest, config: &[u8]) -> Option<PatchedImage> {
    let layer = Layer {
        algorithm: Algorithm::Gzip,
        digest: Digest::of(b"gzip"),
        size: 1,
        diff_id: Digest::of(b"tar"),
        archive_size: 1,
    };
    let labels = BTreeMap::new();
    let patch = ImagePatch { layer: &layer, base: base(), commit: None, labels: &labels };
    edit::image(manifest, config, patch).ok()
}

/// Reads an index and patches every image in it.
pub fn index(bytes: &[u8]) {
    for media_type in [None, Some(media::OCI_INDEX), Some(media::DOCKER_INDEX)] {
        let Ok(found) = Manifest::parse(media_type, bytes) else { continue };
        let Ok(children) = found.children() else { continue };
        for child in &children {
            let _ = (child.platform(), child.annotations(), child.is_foreign(), child.refers_to());
        }
        let new = |digest: Digest| Digest::of(digest.to_string().as_bytes());
        let images = children.iter().filter(|child| child.is_image());
        let replaced: BTreeMap<Digest, Descriptor> = images
            .map(|child| {
                let media_type = child.media_type.clone();
                (child.digest, Descriptor { media_type, digest: new(child.digest), size: 7 })
            })
            .collect();
        let Ok(patched) = edit::index(&found, &replaced, base(), None) else { continue };
        let again = Manifest::parse(Some(&found.media_type), &patched.bytes);
        let Ok(again) = again else { panic!("a patched index is one: {again:?}") };
        only(&["annotations", "manifests"], &found.raw, &again.raw);
        let now = again.children().unwrap_or_default();
        assert_eq!(now.len() + patched.dropped.len(), children.len());
        let behind = now.iter().filter(|child| child.is_image());
        let new: BTreeSet<Digest> = replaced.values().map(|to| to.digest).collect();
        assert!(
            behind.into_iter().all(|child| new.contains(&child.digest)),
            "an image stays behind"
        );
    }
}

/// Fields other than `declared` are the same.
fn only(declared: &[&str], old: &Map<String, Value>, new: &Map<String, Value>) {
    for name in old.keys().chain(new.keys()).filter(|name| !declared.contains(&name.as_str())) {
        assert_eq!(old.get(name).map(plain), new.get(name).map(plain), "field `{name}`");
    }
}

/// The value with numbers as they are written. Those that would be rounded are kept as texts, under a
/// mark that each document has for itself.
fn plain(value: &Value) -> Value {
    match value {
        Value::String(text) => {
            let marked = text.strip_prefix("number ").and_then(|rest| rest.split_at_checked(64));
            marked.map_or_else(|| value.clone(), |(_, number)| number.into())
        }
        Value::Array(items) => items.iter().map(plain).collect(),
        Value::Object(fields) => {
            fields.iter().map(|(name, value)| (name.clone(), plain(value))).collect()
        }
        other => other.clone(),
    }
}
