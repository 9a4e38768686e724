//! Image layouts written by hand: layers with any metadata, manifests of both families.

use std::fs;
use std::io::Write;
use std::path::{Path, PathBuf};

use flate2::Compression;
use flate2::write::GzEncoder;
use serde_json::{Value, json};
use sha2::{Digest, Sha256};
use tar::{EntryType, Header};

/// Media types of the OCI's image format, or of Docker's.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Family {
    /// `application/vnd.oci.image.*`
    Oci,
    /// `application/vnd.docker.*`: what OpenShift's payloads hold.
    Docker,
}

impl Family {
    /// Media type of an image's manifest.
    pub fn manifest(self) -> &'static str {
        match self {
            Self::Oci => "application/vnd.oci.image.manifest.v1+json",
            Self::Docker => "application/vnd.docker.distribution.manifest.v2+json",
        }
    }

    /// Media type of an index.
    pub fn index(self) -> &'static str {
        match self {
            Self::Oci => "application/vnd.oci.image.index.v1+json",
            Self::Docker => "application/vnd.docker.distribution.manifest.list.v2+json",
        }
    }

    /// Media type of a config.
    pub fn config(self) -> &'static str {
        match self {
            Self::Oci => "application/vnd.oci.image.config.v1+json",
            Self::Docker => "application/vnd.docker.container.image.v1+json",
        }
    }

    /// Media type of a layer.
    pub fn layer(self) -> &'static str {
        match self {
            Self::Oci => "application/vnd.oci.image.layer.v1.tar+gzip",
            Self::Docker => "application/vnd.docker.image.rootfs.diff.tar.gzip",
        }
    }
}

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

/// `sha256:` and 64 digits.
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
pub type Owned = (u32, u64, u64);

/// A layer in the making.
pub struct LayerWriter {
    tar: tar::Builder<Vec<u8>>,
}

/// The time of all entries that are written here: 2023-11-14.
pub const MTIME: u64 = 1_700_000_000;

impl std::fmt::Debug for LayerWriter {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("LayerWriter").finish_non_exhaustive()
    }
}

impl Default for LayerWriter {
    fn default() -> Self {
        Self { tar: tar::Builder::new(Vec::new()) }
    }
}

impl LayerWriter {
    /// A directory.
    #[must_use]
    pub fn dir(self, path: &str, owned: Owned) -> Self {
        self.entry(&format!("{path}/"), EntryType::Directory, owned, &[])
    }

    /// A file.
    #[must_use]
    pub fn file(self, path: &str, owned: Owned, content: &[u8]) -> Self {
        self.entry(path, EntryType::Regular, owned, content)
    }

    /// A file with an extended attribute.
    #[must_use]
    pub fn file_with(
        mut self,
        path: &str,
        owned: Owned,
        content: &[u8],
        xattr: (&str, &[u8]),
    ) -> Self {
        let key = format!("SCHILY.xattr.{}", xattr.0);
        self.tar.append_pax_extensions([(key.as_str(), xattr.1)]).expect("an extended header");
        self.file(path, owned, content)
    }

    /// A symbolic link.
    #[must_use]
    pub fn symlink(self, path: &str, target: &str) -> Self {
        self.link(path, target, EntryType::Symlink)
    }

    /// A further name of an earlier file.
    #[must_use]
    pub fn hard_link(self, path: &str, target: &str) -> Self {
        self.link(path, target, EntryType::Link)
    }

    /// Compresses and stores it.
    pub fn finish(self, layout: &Layout) -> Layer {
        let tar = self.tar.into_inner().expect("a tar in memory");
        let mut gzip = GzEncoder::new(Vec::new(), Compression::fast());
        gzip.write_all(&tar).expect("memory");
        let gzip = gzip.finish().expect("memory");
        let descriptor = layout.put("", &gzip);
        let text = |field: &str| descriptor[field].as_str().expect("a digest").to_owned();
        Layer { digest: text("digest"), size: gzip.len() as u64, diff_id: digest(&tar) }
    }

    fn entry(mut self, path: &str, kind: EntryType, owned: Owned, content: &[u8]) -> Self {
        let mut header = header(kind, owned);
        header.set_size(content.len() as u64);
        self.tar.append_data(&mut header, path, content).expect("an entry");
        self
    }

    fn link(mut self, path: &str, target: &str, kind: EntryType) -> Self {
        let mut header = header(kind, (0o777, 0, 0));
        header.set_size(0);
        self.tar.append_link(&mut header, path, target).expect("a link");
        self
    }
}

fn header(kind: EntryType, (mode, uid, gid): Owned) -> Header {
    let mut header = Header::new_gnu();
    header.set_entry_type(kind);
    header.set_mode(mode);
    header.set_uid(uid);
    header.set_gid(gid);
    header.set_mtime(MTIME);
    header
}

/// Stores config and manifest of one platform. Returns the manifest's descriptor.
pub fn put_image(layout: &Layout, family: Family, mut config: Value, layers: &[Layer]) -> Value {
    let diff_ids: Vec<&str> = layers.iter().map(|layer| layer.diff_id.as_str()).collect();
    config["rootfs"] = json!({"type": "layers", "diff_ids": diff_ids});
    let config = layout.put(family.config(), config.to_string().as_bytes());
    let descriptor = |layer: &Layer| json!({"mediaType": family.layer(), "digest": layer.digest, "size": layer.size});
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
