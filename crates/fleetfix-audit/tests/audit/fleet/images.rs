//! The patched image: an index with two platforms.

use fleetfix_model::{Descriptor, Digest, media};
use fleetfix_registry::Store;
use serde_json::json;

use super::{Recipe, documents, put as put_blob};

pub(crate) const PLATFORMS: [&str; 2] = ["amd64", "arm64"];

pub(crate) struct Image {
    pub(crate) index: Descriptor,
    pub(crate) children: Vec<Descriptor>,
    pub(crate) tag: String,
}

pub(crate) async fn put(store: &Store, recipe: &Recipe) -> Image {
    let base = documents::base();
    let mut children = Vec::new();
    let mut entries = Vec::new();
    for architecture in PLATFORMS {
        let layer = format!("layer of {architecture}");
        let layer = put_blob(store, media::OCI_LAYER_GZIP, layer.as_bytes()).await;
        let mut config = json!({
            "architecture": architecture, "os": "linux",
            "config": {"Labels": {
                media::BASE_DIGEST: base, media::VCS_REF: documents::COMMIT,
                "io.openshift.hypershift.control-plane-operator-skips-haproxy": "true",
            }},
            "rootfs": {"type": "layers", "diff_ids": [Digest::of(architecture)]},
        });
        (recipe.config)(&mut config);
        let config = put_blob(store, media::OCI_CONFIG, config.to_string().as_bytes()).await;
        let mut manifest = json!({
            "schemaVersion": 2, "mediaType": media::OCI_MANIFEST,
            "config": config, "layers": [layer],
            "annotations": {media::BASE_DIGEST: documents::base_child(architecture)},
        });
        (recipe.manifest)(&mut manifest);
        let manifest = manifest.to_string();
        store.put_manifest(media::OCI_MANIFEST, manifest.as_bytes()).await.unwrap();
        let descriptor = Descriptor::of(media::OCI_MANIFEST, manifest.as_bytes());
        entries.push(json!({
            "mediaType": descriptor.media_type, "digest": descriptor.digest, "size": descriptor.size,
            "platform": {"os": "linux", "architecture": architecture},
        }));
        children.push(descriptor);
    }
    let mut index = json!({
        "schemaVersion": 2, "mediaType": media::OCI_INDEX, "manifests": entries,
        "annotations": {media::BASE_DIGEST: base},
    });
    (recipe.index)(&mut index);
    let index = index.to_string();
    let tag = format!("fix-1-r1-{}", base.short());
    store.put_tag(&tag.parse().unwrap(), media::OCI_INDEX, index.as_bytes()).await.unwrap();
    Image { index: Descriptor::of(media::OCI_INDEX, index.as_bytes()), children, tag }
}
