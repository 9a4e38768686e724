//! The index over patched images.

use std::collections::BTreeMap;

use fleetfix_model::name::Commit;
use fleetfix_model::{Descriptor, Digest, media};
use serde_json::Value;

use super::image::redirect;
use super::{Base, annotate};
use crate::Error;
use crate::manifest::{Family, Kind, Manifest, RawDescriptor};

/// The new index.
#[derive(Clone, Debug, PartialEq)]
pub struct PatchedIndex {
    /// Describes the index.
    pub index: Descriptor,
    /// Bytes of the index.
    pub bytes: Vec<u8>,
    /// Entries that are no images and stay: their content must be copied along.
    pub kept: Vec<RawDescriptor>,
    /// Entries that were about an image as it was before, such as its build attestation, and that
    /// would be about nothing now.
    pub dropped: Vec<RawDescriptor>,
}

/// What becomes of entries of an index that are no images.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub enum OtherManifests {
    /// They stay, but for those about an image as it was.
    #[default]
    Keep,
    /// They go.
    Drop,
    /// An index that has any is not patched.
    Refuse,
}

/// Patches an index. `patched` has the new manifest of each of its images by the digest of the old
/// one; an image that is not in it is an error, for no architecture may stay behind.
pub fn index(
    index: &Manifest,
    patched: &BTreeMap<Digest, Descriptor>,
    base: Base<'_>,
    commit: Option<&Commit>,
) -> Result<PatchedIndex, Error> {
    index_with(index, patched, base, commit, OtherManifests::Keep)
}

/// As [`index`], which keeps what are no images.
pub fn index_with(
    index: &Manifest,
    patched: &BTreeMap<Digest, Descriptor>,
    base: Base<'_>,
    commit: Option<&Commit>,
    others: OtherManifests,
) -> Result<PatchedIndex, Error> {
    if index.kind != Kind::Index {
        return Err(Error::WrongMediaType {
            subject: index.subject(),
            expected: "that of an index".into(),
            actual: index.media_type.clone(),
        });
    }
    let (mut kept, mut dropped, mut entries) = (Vec::new(), Vec::new(), Vec::new());
    for child in index.children()? {
        if let Some(to) = patched.get(&child.digest) {
            let mut entry = child.raw;
            redirect(&mut entry, to);
            entries.push(Value::Object(entry));
        } else if matches!(child.media_type.as_str(), media::OCI_INDEX | media::DOCKER_INDEX) {
            return Err(Error::NestedIndex { subject: index.subject(), child: child.digest });
        } else if child.is_image() {
            return Err(Error::Unpatched { subject: index.subject(), child: child.digest });
        } else if others == OtherManifests::Refuse {
            let (subject, child) = (index.subject(), child.digest);
            return Err(Error::OtherManifest { subject, child });
        } else if others == OtherManifests::Drop
            || child.refers_to().is_some_and(|digest| patched.contains_key(&digest))
        {
            dropped.push(child);
        } else {
            entries.push(Value::Object(child.raw.clone()));
            kept.push(child);
        }
    }
    let mut raw = index.raw.clone();
    raw.insert("manifests".into(), Value::Array(entries));
    if index.family() == Family::Oci {
        annotate(&mut raw, base, commit);
    }
    let bytes = Value::Object(raw).to_string().into_bytes();
    Ok(PatchedIndex { index: Descriptor::of(&index.media_type, &bytes), bytes, kept, dropped })
}
