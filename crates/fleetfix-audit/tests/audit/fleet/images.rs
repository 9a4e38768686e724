//! The patched image: an index with two platforms, Docker's form of it, or one manifest.

use fleetfix_model::{Descriptor, Digest, media};
use fleetfix_registry::Store;
use serde_json::json;

use super::{Recipe, documents, put as put_blob};

/// What the base was, and so what the patched image is.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Shape {
    Index,
    DockerList,
    Manifest,
}

impl Shape {
    pub(crate) fn architectures(self) -> &'static [&'static str] {
        match self {
            Self::Index | Self::DockerList => &["amd64", "arm64"],
            Self::Manifest => &["amd64"],
        }
    }

    /// Media types of the whole, of a manifest, of a configuration and of a layer.
    pub(crate) fn media_types(self) -> [&'static str; 4] {
        use media::{DOCKER_CONFIG, DOCKER_INDEX, DOCKER_LAYER_GZIP, DOCKER_MANIFEST};
        use media::{OCI_CONFIG, OCI_INDEX, OCI_LAYER_GZIP, OCI_MANIFEST};
        match self {
            Self::Index => [OCI_INDEX, OCI_MANIFEST, OCI_CONFIG, OCI_LAYER_GZIP],
            Self::DockerList => [DOCKER_INDEX, DOCKER_MANIFEST, DOCKER_CONFIG, DOCKER_LAYER_GZIP],
            Self::Manifest => [OCI_MANIFEST, OCI_MANIFEST, OCI_CONFIG, OCI_LAYER_GZIP],
        }
    }
}

pub(crate) struct Image {
    pub(crate) index: Descriptor,
    pub(crate) children: Vec<Descriptor>,
    pub(crate) tag: String,
    pub(crate) shape: Shape,
}

pub(crate) async fn put(store: &Store, recipe: &Recipe) -> Image {
    let base = documents::base();
    let shape = recipe.shape;
    let [top_type, manifest_type, config_type, layer_type] = shape.media_types();
    let mut children = Vec::new();
    let mut entries = Vec::new();
    for architecture in shape.architectures() {
        let layer = format!("layer of {architecture}");
        let layer = put_blob(store, layer_type, layer.as_bytes()).await;
        let mut config = json!({
            "architecture": architecture, "os": "linux",
            "config": {"Labels": {
                media::BASE_DIGEST: base, media::VCS_REF: documents::COMMIT,
                "io.openshift.hypershift.control-plane-operator-skips-haproxy": "true",
            }},
            "rootfs": {"type": "layers", "diff_ids": [Digest::of(architecture)]},
        });
        (recipe.config)(&mut config);
        let config = put_blob(store, config_type, config.to_string().as_bytes()).await;
        let mut manifest = json!({
            "schemaVersion": 2, "mediaType": manifest_type,
            "config": config, "layers": [layer],
            "annotations": {media::BASE_DIGEST: documents::base_child(architecture)},
        });
        if shape == Shape::DockerList {
            manifest.as_object_mut().unwrap().remove("annotations");
        }
        (recipe.manifest)(&mut manifest);
        let manifest = manifest.to_string();
        store.put_manifest(manifest_type, manifest.as_bytes()).await.unwrap();
        let descriptor = Descriptor::of(manifest_type, manifest.as_bytes());
        entries.push(json!({
            "mediaType": descriptor.media_type, "digest": descriptor.digest, "size": descriptor.size,
            "platform": {"os": "linux", "architecture": architecture},
        }));
        children.push(descriptor);
    }
    let tag = format!("fix-1-r1-{}", base.short());
    if shape == Shape::Manifest {
        let top = children[0].clone();
        let bytes = store.manifest(top.digest).await.unwrap().bytes;
        store.put_tag(&tag.parse().unwrap(), top_type, &bytes).await.unwrap();
        return Image { index: top, children, tag, shape };
    }
    let mut index = json!({
        "schemaVersion": 2, "mediaType": top_type, "manifests": entries,
        "annotations": {media::BASE_DIGEST: base},
    });
    if shape == Shape::DockerList {
        index.as_object_mut().unwrap().remove("annotations");
    }
    (recipe.index)(&mut index);
    let index = index.to_string();
    store.put_tag(&tag.parse().unwrap(), top_type, index.as_bytes()).await.unwrap();
    Image { index: Descriptor::of(top_type, index.as_bytes()), children, tag, shape }
}
