//! Images and indexes over layers.

use std::collections::BTreeMap;

use serde_json::{Value, json};

use super::{Compression, Layer, digest};

/// Media types of the OCI's image format, or of Docker's.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Family {
    /// `application/vnd.oci.image.*`
    Oci,
    /// `application/vnd.docker.*`
    Docker,
}

impl Family {
    /// Media type of an image's manifest.
    pub const fn manifest(self) -> &'static str {
        match self {
            Self::Oci => "application/vnd.oci.image.manifest.v1+json",
            Self::Docker => "application/vnd.docker.distribution.manifest.v2+json",
        }
    }

    /// Media type of an index.
    pub const fn index(self) -> &'static str {
        match self {
            Self::Oci => "application/vnd.oci.image.index.v1+json",
            Self::Docker => "application/vnd.docker.distribution.manifest.list.v2+json",
        }
    }

    /// Media type of a configuration.
    pub const fn config(self) -> &'static str {
        match self {
            Self::Oci => "application/vnd.oci.image.config.v1+json",
            Self::Docker => "application/vnd.docker.container.image.v1+json",
        }
    }

    /// Media type of a layer. Docker has none for zstd; tools write one all the same.
    pub const fn layer(self, compression: Compression) -> &'static str {
        match (self, compression) {
            (Self::Oci, Compression::None) => "application/vnd.oci.image.layer.v1.tar",
            (Self::Oci, Compression::Gzip) => "application/vnd.oci.image.layer.v1.tar+gzip",
            (Self::Oci, Compression::Zstd) => "application/vnd.oci.image.layer.v1.tar+zstd",
            (Self::Docker, Compression::None) => "application/vnd.docker.image.rootfs.diff.tar",
            (Self::Docker, Compression::Gzip) => {
                "application/vnd.docker.image.rootfs.diff.tar.gzip"
            }
            (Self::Docker, Compression::Zstd) => {
                "application/vnd.docker.image.rootfs.diff.tar.zstd"
            }
        }
    }
}

/// One image in the making.
#[derive(Clone, Debug)]
pub struct ImageRecipe {
    /// Media types.
    pub family: Family,
    /// Architecture; the system is Linux.
    pub architecture: &'static str,
    /// From the lowest up.
    pub layers: Vec<Layer>,
    /// Fields of the configuration beside platform and layers.
    pub config: Value,
}

impl ImageRecipe {
    /// An image with a label and a history.
    pub fn new(family: Family, architecture: &'static str, layers: Vec<Layer>) -> Self {
        let step = json!({"created": "2025-06-01T12:00:00Z", "created_by": "COPY"});
        let config = json!({
            "created": "2025-06-01T12:00:00Z",
            "config": {"Labels": {"example": "kept"}, "Env": ["PATH=/usr/bin:/bin"]},
            "history": vec![step; layers.len()],
        });
        Self { family, architecture, layers, config }
    }
}

/// Blobs and manifests by digest, and the descriptor of the topmost.
#[derive(Clone, Debug, Default)]
pub struct Blobs {
    /// Configurations and layers.
    pub blobs: BTreeMap<String, Vec<u8>>,
    /// Manifests and indexes in the order in which they can be written, with their media types.
    pub manifests: Vec<(String, Vec<u8>)>,
}

impl Blobs {
    /// Adds an image. Returns its descriptor with its platform.
    pub fn image(&mut self, recipe: &ImageRecipe) -> Value {
        let ImageRecipe { family, architecture, layers, config } = recipe;
        let mut config = config.clone();
        let diff_ids: Vec<&str> = layers.iter().map(|layer| layer.diff_id.as_str()).collect();
        let platform = json!({"architecture": architecture, "os": "linux"});
        if let Some(fields) = config.as_object_mut() {
            fields.insert("architecture".into(), json!(architecture));
            fields.insert("os".into(), json!("linux"));
            fields.insert("rootfs".into(), json!({"type": "layers", "diff_ids": diff_ids}));
        }
        let config = self.blob(family.config(), config.to_string().into_bytes());
        let layers: Vec<Value> = layers
            .iter()
            .map(|layer| self.blob(family.layer(layer.compression), layer.bytes.clone()))
            .collect();
        let manifest = json!({
            "schemaVersion": 2,
            "mediaType": family.manifest(),
            "config": config,
            "layers": layers,
        });
        let mut descriptor = self.manifest(family.manifest(), &manifest);
        if let Some(fields) = descriptor.as_object_mut() {
            fields.insert("platform".into(), platform);
        }
        descriptor
    }

    /// Adds an attestation about `image` as build tools write them: an image of platform
    /// `unknown/unknown` (`BuildKit`, docs/attestations/attestation-storage.md).
    pub fn attestation(&mut self, family: Family, image: &Value) -> Value {
        let statement = self.blob("application/vnd.in-toto+json", b"{\"about\": \"it\"}".to_vec());
        let config = json!({
            "architecture": "unknown",
            "os": "unknown",
            "rootfs": {"type": "layers", "diff_ids": [statement.get("digest")]},
        });
        let config = self.blob(family.config(), config.to_string().into_bytes());
        let manifest = json!({
            "schemaVersion": 2,
            "mediaType": family.manifest(),
            "config": config,
            "layers": [statement],
        });
        let mut descriptor = self.manifest(family.manifest(), &manifest);
        if let Some(fields) = descriptor.as_object_mut() {
            fields.insert("platform".into(), json!({"architecture": "unknown", "os": "unknown"}));
            let annotations = json!({
                "vnd.docker.reference.digest": image.get("digest"),
                "vnd.docker.reference.type": "attestation-manifest",
            });
            fields.insert("annotations".into(), annotations);
        }
        descriptor
    }

    /// Adds an index over descriptors. Returns its descriptor.
    pub fn index(&mut self, family: Family, children: &[Value]) -> Value {
        let index = json!({
            "schemaVersion": 2,
            "mediaType": family.index(),
            "manifests": children,
        });
        self.manifest(family.index(), &index)
    }

    /// Adds a blob. Returns its descriptor.
    pub fn blob(&mut self, media_type: &str, bytes: Vec<u8>) -> Value {
        let descriptor = descriptor(media_type, &bytes);
        self.blobs.insert(digest(&bytes), bytes);
        descriptor
    }

    fn manifest(&mut self, media_type: &str, manifest: &Value) -> Value {
        let bytes = manifest.to_string().into_bytes();
        let descriptor = descriptor(media_type, &bytes);
        self.manifests.push((media_type.to_owned(), bytes));
        descriptor
    }
}

fn descriptor(media_type: &str, bytes: &[u8]) -> Value {
    json!({"mediaType": media_type, "digest": digest(bytes), "size": bytes.len()})
}
