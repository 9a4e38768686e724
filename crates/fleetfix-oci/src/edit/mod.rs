//! A patched image as edits of its base's JSON: what is not declared here stays as it was, fields
//! that we do not know included, in the base's order. The same inputs give the same bytes.

mod image;
mod index;

use fleetfix_model::name::Commit;
use fleetfix_model::{Digest, media};
use serde_json::{Map, Value};

pub use image::{ImagePatch, PatchedImage, image};
pub use index::{OtherManifests, PatchedIndex, index, index_with};

/// What an image was made from.
#[derive(Clone, Copy, Debug)]
pub struct Base<'a> {
    /// Its repository, fully qualified (image-spec v1.1 annotations.md). `None`: it has no name that
    /// means anything elsewhere, such as a directory.
    pub name: Option<&'a str>,
    /// Digest of the manifest or index.
    pub digest: Digest,
}

/// Name and digest of the base, as annotations or labels.
fn lineage(fields: &mut Map<String, Value>, base: Base<'_>) {
    if let Some(name) = base.name {
        fields.insert(media::BASE_NAME.into(), name.into());
    } else {
        // The base's own base would be mistaken for ours.
        fields.shift_remove(media::BASE_NAME);
    }
    fields.insert(media::BASE_DIGEST.into(), base.digest.to_string().into());
}

/// Annotations of a manifest or index. Only the OCI family has them.
fn annotate(raw: &mut Map<String, Value>, base: Base<'_>, commit: Option<&Commit>) {
    let mut annotations = match raw.get("annotations") {
        Some(Value::Object(there)) => there.clone(),
        _ => Map::new(),
    };
    lineage(&mut annotations, base);
    // A revision that stayed would advertise the unpatched source.
    if let (Some(commit), Some(revision)) = (commit, annotations.get_mut(media::REVISION)) {
        *revision = commit.as_str().into();
    }
    raw.insert("annotations".into(), Value::Object(annotations));
}

#[cfg(test)]
mod tests;
