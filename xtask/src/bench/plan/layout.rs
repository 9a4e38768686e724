//! Image layouts with nothing but what a plan reads of them.

use std::fmt::Write as _;
use std::fs;
use std::path::{Path, PathBuf};

use serde_json::{Value, json};
use sha2::{Digest, Sha256};

use crate::failure::Failure;

/// A layout that is being written.
pub(super) struct Layout {
    dir: PathBuf,
    tags: Vec<Value>,
}

impl Layout {
    pub(super) fn create(dir: &Path) -> Result<Self, Failure> {
        let blobs = dir.join("blobs/sha256");
        fs::create_dir_all(&blobs).map_err(Failure::at(&blobs))?;
        let file = dir.join("oci-layout");
        fs::write(&file, r#"{"imageLayoutVersion":"1.0.0"}"#).map_err(Failure::at(&file))?;
        Ok(Self { dir: dir.to_path_buf(), tags: Vec::new() })
    }

    /// Writes a blob; its descriptor.
    pub(super) fn put(&self, media_type: &str, bytes: &[u8]) -> Result<Value, Failure> {
        let mut hex = String::new();
        for byte in Sha256::digest(bytes) {
            // Writing to a string does not fail.
            let _ = write!(hex, "{byte:02x}");
        }
        let file = self.dir.join("blobs/sha256").join(&hex);
        fs::write(&file, bytes).map_err(Failure::at(&file))?;
        Ok(json!({"mediaType": media_type, "digest": format!("sha256:{hex}"), "size": bytes.len()}))
    }

    /// An index over one image for each architecture, all with the same layers; its descriptor.
    pub(super) fn image(
        &self,
        architectures: &[&str],
        labels: &Value,
        layers: &[Value],
    ) -> Result<Value, Failure> {
        let mut children = Vec::new();
        for architecture in architectures {
            let config =
                json!({"architecture": architecture, "os": "linux", "config": {"Labels": labels}});
            let config = self
                .put("application/vnd.oci.image.config.v1+json", config.to_string().as_bytes())?;
            let media_type = "application/vnd.oci.image.manifest.v1+json";
            let manifest = json!({
                "schemaVersion": 2, "mediaType": media_type, "config": config, "layers": layers,
            });
            let mut child = self.put(media_type, manifest.to_string().as_bytes())?;
            if let Some(child) = child.as_object_mut() {
                let platform = json!({"architecture": architecture, "os": "linux"});
                child.insert("platform".to_owned(), platform);
            }
            children.push(child);
        }
        let media_type = "application/vnd.oci.image.index.v1+json";
        let index = json!({"schemaVersion": 2, "mediaType": media_type, "manifests": children});
        self.put(media_type, index.to_string().as_bytes())
    }

    /// A layer of small files, not compressed; its descriptor.
    pub(super) fn layer(&self, files: &[(&str, &str)]) -> Result<Value, Failure> {
        let mut tar = Vec::new();
        for (path, text) in files {
            tar.extend(header(path, text.len()));
            tar.extend(text.as_bytes());
            tar.resize(tar.len().next_multiple_of(512), 0);
        }
        tar.resize(tar.len() + 1024, 0);
        self.put("application/vnd.oci.image.layer.v1.tar", &tar)
    }

    pub(super) fn tag(&mut self, tag: &str, mut descriptor: Value) {
        if let Some(descriptor) = descriptor.as_object_mut() {
            let name = json!({"org.opencontainers.image.ref.name": tag});
            descriptor.insert("annotations".to_owned(), name);
        }
        self.tags.push(descriptor);
    }

    /// Writes the index of all tags.
    pub(super) fn finish(self) -> Result<(), Failure> {
        let file = self.dir.join("index.json");
        let index = json!({"schemaVersion": 2, "manifests": self.tags});
        fs::write(&file, index.to_string()).map_err(Failure::at(&file))
    }
}

/// The header of a regular file (POSIX.1-1988 ustar).
fn header(path: &str, size: usize) -> Vec<u8> {
    let field = |text: String, width: usize| {
        let mut field = text.into_bytes();
        field.resize(width, 0);
        field
    };
    let number = |value: usize, width: usize| field(format!("{value:0w$o}", w = width - 1), width);
    let mut header = [
        field(path.to_owned(), 100),
        number(0o644, 8),
        number(0, 8),
        number(0, 8),
        number(size, 12),
        number(0, 12),
        b"        ".to_vec(),
        b"0".to_vec(),
        field(String::new(), 100),
        b"ustar\x0000".to_vec(),
    ]
    .concat();
    header.resize(512, 0);
    let sum: usize = header.iter().map(|byte| usize::from(*byte)).sum();
    let spelled = format!("{sum:06o}\0 ");
    for (place, byte) in header.iter_mut().skip(148).zip(spelled.bytes()) {
        *place = byte;
    }
    header
}
