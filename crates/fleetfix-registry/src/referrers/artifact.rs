//! An artifact in the making.

use std::collections::BTreeMap;

use fleetfix_model::{Descriptor, Digest, media};
use serde_json::{Map, Value, json};

/// The content of the empty configuration (image-spec v1.1 manifest.md, "Guidance for an Empty
/// Descriptor").
pub(super) const EMPTY: &[u8] = b"{}";

/// What is said about an image, in the form of a manifest.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Artifact {
    /// What it is, as a media type.
    pub artifact_type: String,
    /// Its content.
    pub layers: Vec<Layer>,
    /// Annotations of the manifest.
    pub annotations: BTreeMap<String, String>,
}

/// One piece of content.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Layer {
    /// Media type.
    pub media_type: String,
    /// The content.
    pub content: Vec<u8>,
    /// Annotations of the layer.
    pub annotations: BTreeMap<String, String>,
}

impl Artifact {
    /// The manifest about `subject`: the same bytes for the same artifact.
    pub fn manifest(&self, subject: &Descriptor) -> Vec<u8> {
        let layer = |layer: &Layer| {
            let content = Descriptor::of(&layer.media_type, &layer.content);
            let mut json = descriptor(&content);
            if !layer.annotations.is_empty() {
                json.insert("annotations".into(), json!(layer.annotations));
            }
            Value::Object(json)
        };
        // An artifact without content has the empty one (image-spec v1.1 manifest.md).
        let layers = match &self.layers[..] {
            [] => vec![Value::Object(descriptor(&empty()))],
            layers => layers.iter().map(layer).collect(),
        };
        let mut manifest = Map::new();
        manifest.insert("schemaVersion".into(), 2.into());
        manifest.insert("mediaType".into(), media::OCI_MANIFEST.into());
        manifest.insert("artifactType".into(), self.artifact_type.as_str().into());
        manifest.insert("config".into(), Value::Object(descriptor(&empty())));
        manifest.insert("layers".into(), Value::Array(layers));
        manifest.insert("subject".into(), Value::Object(descriptor(subject)));
        if !self.annotations.is_empty() {
            manifest.insert("annotations".into(), json!(self.annotations));
        }
        Value::Object(manifest).to_string().into_bytes()
    }
}

/// The empty configuration.
pub(super) fn empty() -> Descriptor {
    Descriptor {
        media_type: media::OCI_EMPTY.to_owned(),
        digest: Digest::of(EMPTY),
        size: EMPTY.len() as u64,
    }
}

pub(super) fn descriptor(of: &Descriptor) -> Map<String, Value> {
    let mut json = Map::new();
    json.insert("mediaType".into(), of.media_type.as_str().into());
    json.insert("digest".into(), of.digest.to_string().into());
    json.insert("size".into(), of.size.into());
    json
}
