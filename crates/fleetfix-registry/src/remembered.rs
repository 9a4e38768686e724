//! Manifests and configurations that were read before.
//!
//! What a digest names never changes, so a document that was read once need not be asked for again.
//! Whether it is still there is another question: what a reference names ([`Store::get`]), tags, and
//! whether a blob is there are asked for as ever.

use std::path::Path;

use fleetfix_model::Digest;
use fleetfix_oci::kept::Kept;

use crate::layout::blocking;
use crate::{RawManifest, Store};

/// Largest file that is read, in bytes: a manifest has at most 4 MiB, and few configurations more.
const MAX_SIZE: u64 = 8 << 20;

/// A directory of documents of registries by their digests. Cheap to clone.
#[derive(Clone, Debug)]
pub struct Remembered {
    files: Kept,
}

/// What a file is about: a manifest has a media type besides its bytes.
#[derive(Clone, Copy)]
enum About {
    Manifest,
    Blob,
}

impl About {
    const fn name(self) -> &'static [u8] {
        match self {
            Self::Manifest => b"manifest",
            Self::Blob => b"blob",
        }
    }
}

impl Remembered {
    /// Documents below `dir`, which is made when one is kept.
    pub fn new(dir: &Path) -> Self {
        Self { files: Kept::new(dir, "documents", 1, MAX_SIZE) }
    }

    async fn get(&self, digest: Digest, about: About) -> Option<Vec<u8>> {
        let files = self.files.clone();
        blocking(move || Ok(files.get(digest, about.name()))).await.ok().flatten()
    }

    /// A cache that takes nothing costs time next time, and is no reason to fail.
    async fn put(&self, digest: Digest, about: About, content: Vec<u8>) {
        let files = self.files.clone();
        let _ = blocking(move || Ok(files.put(digest, about.name(), &content).is_ok())).await;
    }

    /// The manifest of `digest`: its media type, a line feed, its bytes.
    pub(crate) async fn manifest(&self, digest: Digest) -> Option<RawManifest> {
        let mut content = self.get(digest, About::Manifest).await?;
        let end = content.iter().position(|byte| *byte == b'\n')?;
        let bytes = content.split_off(end + 1);
        content.pop();
        let media_type = String::from_utf8(content).ok()?;
        let is_it = Digest::of(&bytes) == digest;
        is_it.then(|| RawManifest { media_type, bytes: bytes.into(), digest })
    }

    pub(crate) async fn add_manifest(&self, manifest: &RawManifest) {
        let content = [manifest.media_type.as_bytes(), b"\n", &manifest.bytes].concat();
        self.put(manifest.digest, About::Manifest, content).await;
    }

    /// The blob of `digest`, if it is no larger than `max` bytes.
    pub(crate) async fn blob(&self, digest: Digest, max: u64) -> Option<Vec<u8>> {
        let bytes = self.get(digest, About::Blob).await?;
        (bytes.len() as u64 <= max && Digest::of(&bytes) == digest).then_some(bytes)
    }

    pub(crate) async fn add_blob(&self, digest: Digest, bytes: &[u8]) {
        self.put(digest, About::Blob, bytes.to_vec()).await;
    }
}

impl Store {
    /// The same repository for whoever reads it: manifests below another one and small blobs are not
    /// asked for where they are remembered, and are remembered where they were asked for. A layout is
    /// read as ever.
    #[must_use]
    pub fn remembering(mut self, remembered: Option<Remembered>) -> Self {
        self.remembered = remembered;
        self
    }
}
