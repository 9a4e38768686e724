//! Manifests and configurations that were read before.
//!
//! What a digest names never changes, so a document that was read once need not be asked for again.
//! Whether it is still there is another question: what a reference names ([`Store::get`]), tags, and
//! whether a blob is there are asked for as ever.

use std::path::Path;

use fleetfix_model::{Digest, Repository};
use fleetfix_oci::kept::Kept;
use fleetfix_oci::manifest::Manifest;

use crate::layout::blocking;
use crate::store::Place;
use crate::{RawManifest, Store};

/// Largest file that is read, in bytes: a manifest has at most 4 MiB, and few configurations more.
const MAX_SIZE: u64 = 8 << 20;
/// Most documents that are kept: a base of four architectures has eight, a plan some hundred bases.
const MAX_FILES: usize = 10_000;

/// A directory of documents of registries. Each belongs to the repository that it was read from: who
/// may read one repository may not read another. Cheap to clone.
#[derive(Clone, Debug)]
pub struct Documents {
    files: Kept,
}

impl Documents {
    /// Documents below `dir`, which is made when one is kept.
    pub fn new(dir: &Path) -> Self {
        Self { files: Kept::new(dir, "documents", 1, MAX_SIZE).at_most(MAX_FILES) }
    }

    async fn get(&self, from: &Repository, digest: Digest) -> Option<Vec<u8>> {
        let (files, (name, about)) = (self.files.clone(), name(from, digest));
        let bytes = blocking(move || Ok(files.get(name, &about))).await.ok().flatten()?;
        (Digest::of(&bytes) == digest).then_some(bytes)
    }

    /// A cache that takes nothing costs time next time, and is no reason to fail.
    async fn put(&self, from: &Repository, digest: Digest, bytes: Vec<u8>) {
        let (files, (name, about)) = (self.files.clone(), name(from, digest));
        let _ = blocking(move || Ok(files.put(name, &about, &bytes).is_ok())).await;
    }
}

fn name(from: &Repository, digest: Digest) -> (Digest, Vec<u8>) {
    let about = format!("{digest} {from}").into_bytes();
    (Digest::of(&about), about)
}

/// What a manifest calls itself. A registry that calls it something else may be wrong, so what it
/// says is not remembered.
fn own_media_type(bytes: &[u8]) -> Option<String> {
    Manifest::parse(None, bytes).ok().map(|manifest| manifest.media_type)
}

impl Store {
    /// The same repository for whoever reads it: manifests below another one and small blobs are not
    /// asked for where they are remembered, and are remembered where they were asked for. A layout is
    /// read as ever.
    #[must_use]
    pub fn remembering(mut self, documents: Option<Documents>) -> Self {
        self.documents = documents.filter(|_| matches!(self.place, Place::Remote(_)));
        self
    }

    pub(crate) async fn known_manifest(&self, digest: Digest) -> Option<RawManifest> {
        let bytes = self.documents.as_ref()?.get(self.repository(), digest).await?;
        let media_type = own_media_type(&bytes)?;
        Some(RawManifest { media_type, bytes: bytes.into(), digest })
    }

    pub(crate) async fn know_manifest(&self, manifest: &RawManifest) {
        if let Some(documents) = &self.documents
            && own_media_type(&manifest.bytes).as_ref() == Some(&manifest.media_type)
        {
            documents.put(self.repository(), manifest.digest, manifest.bytes.to_vec()).await;
        }
    }

    pub(crate) async fn known_blob(&self, digest: Digest, max: u64) -> Option<Vec<u8>> {
        let bytes = self.documents.as_ref()?.get(self.repository(), digest).await?;
        (bytes.len() as u64 <= max).then_some(bytes)
    }

    pub(crate) async fn know_blob(&self, digest: Digest, bytes: &[u8]) {
        if let Some(documents) = &self.documents {
            documents.put(self.repository(), digest, bytes.to_vec()).await;
        }
    }
}
