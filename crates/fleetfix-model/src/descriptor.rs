//! Content descriptors in our own documents.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::Digest;

/// Names content by media type, digest and size (image-spec v1.1 descriptor.md). In our documents
/// a descriptor has these three fields only; descriptors of images are kept as raw JSON elsewhere.
#[derive(
    Clone, Debug, Deserialize, Eq, Hash, JsonSchema, Ord, PartialEq, PartialOrd, Serialize,
)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Descriptor {
    /// IANA media type of the content.
    pub media_type: String,
    /// Digest of the content.
    pub digest: Digest,
    /// Size of the content in bytes.
    pub size: u64,
}

impl Descriptor {
    /// Describes `bytes`.
    pub fn of(media_type: impl Into<String>, bytes: &[u8]) -> Self {
        Self { media_type: media_type.into(), digest: Digest::of(bytes), size: bytes.len() as u64 }
    }
}
