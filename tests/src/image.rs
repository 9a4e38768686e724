//! Image layouts on disk, filled with images that [`fleetfix_testkit::base`] makes.

use std::fs;
use std::path::{Path, PathBuf};

pub use fleetfix_testkit::base::Family;
use fleetfix_testkit::base::{self, Archive, Compression, Entry};
use serde_json::{Value, json};
use sha2::{Digest, Sha256};

/// The time of all entries that are written here: 2023-11-14.
pub const MTIME: u64 = base::archive::MTIME.cast_unsigned();

/// A layout directory.
#[derive(Clone, Debug)]
pub struct Layout {
    dir: PathBuf,
}

impl Layout {
    /// An empty layout in a new directory.
    ///
    /// # Panics
    /// If the directory cannot be written.
    pub fn create(dir: &Path) -> Self {
        fs::create_dir_all(dir.join("blobs/sha256")).expect("a layout directory");
        fs::write(dir.join("oci-layout"), r#"{"imageLayoutVersion":"1.0.0"}"#).expect("oci-layout");
        let layout = Self { dir: dir.to_path_buf() };
        layout.write_index(&json!({"schemaVersion": 2, "manifests": []}));
        layout
    }

    /// Its directory.
    pub fn dir(&self) -> &Path {
        &self.dir
    }

    /// The file of a blob.
    pub fn blob(&self, digest: &str) -> PathBuf {
        self.dir.join("blobs").join(digest.replace(':', "/"))
    }

    /// Stores a blob. Returns its descriptor.
    pub fn put(&self, media_type: &str, bytes: &[u8]) -> Value {
        let digest = digest(bytes);
        fs::write(self.blob(&digest), bytes).expect("a blob");
        json!({"mediaType": media_type, "digest": digest, "size": bytes.len()})
    }

    /// Stores a file that is a blob already.
    pub fn adopt(&self, file: &Path, digest: &str) {
        let blob = self.blob(digest);
        if !blob.exists() && fs::hard_link(file, &blob).is_err() {
            fs::copy(file, &blob).expect("a blob is copied");
        }
    }

    /// Points a tag at a descriptor.
    pub fn tag(&self, tag: &str, mut descriptor: Value) {
        let path = self.dir.join("index.json");
        let mut index: Value =
            serde_json::from_slice(&fs::read(path).expect("index.json")).expect("JSON");
        descriptor["annotations"] = json!({"org.opencontainers.image.ref.name": tag});
        index["manifests"].as_array_mut().expect("a list").push(descriptor);
        self.write_index(&index);
    }

    fn write_index(&self, index: &Value) {
        fs::write(self.dir.join("index.json"), index.to_string()).expect("index.json");
    }
}

/// `sha256:` and 64 digits, by other code than the product's.
pub fn digest(bytes: &[u8]) -> String {
    format!("sha256:{}", hex::encode(Sha256::digest(bytes)))
}

/// A finished layer in a layout.
#[derive(Clone, Debug)]
pub struct Layer {
    /// `sha256:...` of the compressed layer.
    pub digest: String,
    /// Size of the compressed layer, bytes.
    pub size: u64,
    /// `sha256:...` of the uncompressed layer.
    pub diff_id: String,
}

/// Mode, owner, group.
pub type Owned = (u32, u32, u32);

/// A layer in the making.
#[derive(Clone, Debug, Default)]
pub struct LayerWriter(Archive);

impl LayerWriter {
    /// A directory.
    #[must_use]
    pub fn dir(self, path: &str, (mode, uid, gid): Owned) -> Self {
        self.entry(Entry::dir(path, mode).owner(uid, gid))
    }

    /// A file.
    #[must_use]
    pub fn file(self, path: &str, (mode, uid, gid): Owned, content: &[u8]) -> Self {
        self.entry(Entry::file(path, mode, content).owner(uid, gid))
    }

    /// Any other entry.
    #[must_use]
    pub fn entry(self, entry: Entry) -> Self {
        Self(self.0.entry(entry))
    }

    /// Compresses and stores it.
    pub fn finish(self, layout: &Layout) -> Layer {
        let base::Layer { bytes, diff_id, .. } = base::Layer::gzip(self.0);
        let descriptor = layout.put("", &bytes);
        let digest = descriptor["digest"].as_str().expect("a digest").to_owned();
        Layer { digest, size: bytes.len() as u64, diff_id }
    }
}

/// Stores config and manifest of one platform. Returns the manifest's descriptor.
pub fn put_image(layout: &Layout, family: Family, mut config: Value, layers: &[Layer]) -> Value {
    let diff_ids: Vec<&str> = layers.iter().map(|layer| layer.diff_id.as_str()).collect();
    config["rootfs"] = json!({"type": "layers", "diff_ids": diff_ids});
    let config = layout.put(family.config(), config.to_string().as_bytes());
    let descriptor = |layer: &Layer| json!({"mediaType": family.layer(Compression::Gzip), "digest": layer.digest, "size": layer.size});
    let manifest = json!({
        "schemaVersion": 2,
        "mediaType": family.manifest(),
        "config": config,
        "layers": layers.iter().map(descriptor).collect::<Vec<_>>(),
    });
    layout.put(family.manifest(), manifest.to_string().as_bytes())
}

/// Stores an index over manifests with their platforms. Returns its descriptor.
pub fn put_index(layout: &Layout, family: Family, children: &[(Value, Value)]) -> Value {
    let child = |(descriptor, platform): &(Value, Value)| {
        let mut child = descriptor.clone();
        child["platform"] = platform.clone();
        child
    };
    let index = json!({
        "schemaVersion": 2,
        "mediaType": family.index(),
        "manifests": children.iter().map(child).collect::<Vec<_>>(),
    });
    layout.put(family.index(), index.to_string().as_bytes())
}
