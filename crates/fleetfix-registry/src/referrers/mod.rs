//! Artifacts about an image: manifests with a `subject` (image-spec v1.1 manifest.md).
//!
//! A registry lists them by its referrers API; where it has none, an index under the tag
//! `sha256-<hex>` does, which whoever writes an artifact keeps (distribution-spec v1.1, "Listing
//! Referrers" and "Unavailable Referrers API"). A layout has no API: the tag it is, and what others
//! list in `index.json` is found too.
//!
//! That index can lose an entry to another writer at the same moment, as [`crate::attach`] says of
//! its tags. It is merged and read back here, so that two writers both find their own in the end.

mod artifact;
mod list;
mod write;

use std::collections::BTreeMap;

use fleetfix_model::name::Tag;
use fleetfix_model::{Descriptor, Digest};
use fleetfix_oci::manifest::{Manifest, RawDescriptor};
use serde_json::Value;

pub use artifact::{Artifact, Layer};
pub use list::referrers;
pub use write::{attach_artifact, put_referrer};

use crate::Error;

/// Most artifacts about one subject that are read.
pub const MAX_REFERRERS: usize = 1000;
/// Most pages of an answer: as many as there may be artifacts would be one for each.
pub const MAX_PAGES: usize = 100;
/// Most bytes of all pages.
pub const MAX_BYTES: usize = 16 << 20;

/// One artifact, as a registry or an index lists it. Nothing of it is proven before the manifest
/// was read by its digest.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Referrer {
    /// Its manifest.
    pub descriptor: Descriptor,
    /// `artifactType`; where an image is the artifact, the media type of its configuration.
    pub artifact_type: Option<String>,
    /// The annotations of its manifest.
    pub annotations: BTreeMap<String, String>,
}

impl Referrer {
    fn of(entry: &RawDescriptor) -> Self {
        let artifact_type = entry.raw.get("artifactType").and_then(Value::as_str);
        Self {
            descriptor: entry.descriptor(),
            artifact_type: artifact_type.map(str::to_owned).filter(|t| !t.is_empty()),
            annotations: entry.annotations(),
        }
    }
}

impl From<&Manifest> for Referrer {
    /// As a registry would list it.
    fn from(manifest: &Manifest) -> Self {
        Self {
            descriptor: manifest.descriptor(),
            artifact_type: artifact_type(manifest),
            annotations: manifest.annotations().unwrap_or_default(),
        }
    }
}

/// The tag of the index of what is about `subject`. It has a tag's alphabet and 71 characters: that
/// this fails would be a defect.
pub fn tag(subject: Digest) -> Result<Tag, Error> {
    format!("sha256-{}", subject.hex()).parse().map_err(Error::Tag)
}

/// The artifact type of a manifest (distribution-spec v1.1, "Listing Referrers").
fn artifact_type(manifest: &Manifest) -> Option<String> {
    let own = manifest.artifact_type().filter(|own| !own.is_empty());
    let config = || manifest.raw.get("config")?.get("mediaType")?.as_str();
    own.or_else(config).map(str::to_owned)
}
