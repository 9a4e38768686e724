//! What was done, as JSON.

use fleetfix_model::name::Tag;
use fleetfix_model::{Digest, Platform, Reference};
use serde::Serialize;

use crate::base::Base;
use crate::image::Patched;
use crate::programs::Finding;

/// What the task writes to standard output.
#[derive(Clone, Debug, Eq, PartialEq, Serialize)]
pub struct Report {
    /// The patched images, in the order of the plan's bases.
    pub images: Vec<PatchedImage>,
}

/// One patched image.
#[derive(Clone, Debug, Eq, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct PatchedImage {
    /// Digest of the base.
    pub base: Digest,
    /// Tag of the patched image.
    pub tag: Tag,
    /// Digest of its index, or of its manifest where there is none.
    pub digest: Digest,
    /// Repository and digest.
    pub reference: Reference,
    /// Media type of the index or manifest.
    pub media_type: String,
    /// Its size in bytes.
    pub size: u64,
    /// The patched manifests, in the order of the index.
    pub platforms: Vec<PatchedPlatform>,
    /// Differences between new programs and those that they replace, all accepted.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub findings: Vec<Finding>,
    /// What a person should know: links that were followed, names that keep the old content.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub notes: Vec<String>,
    /// Entries of the base's index that were about its images as they were, and went.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub dropped: Vec<Digest>,
}

/// One patched manifest.
#[derive(Clone, Debug, Eq, PartialEq, Serialize)]
pub struct PatchedPlatform {
    /// Its platform.
    pub platform: Platform,
    /// Its digest.
    pub digest: Digest,
}

impl PatchedImage {
    /// What became of a base.
    pub fn new(base: &Base, patched: &Patched, findings: Vec<Finding>) -> Self {
        let top = &patched.top.descriptor;
        let mut notes: Vec<String> = base
            .images
            .iter()
            .flat_map(|image| image.notes.iter().map(|note| (note, &image.platform)))
            .map(|(note, platform)| format!("{platform}: {note}"))
            .collect();
        notes.dedup();
        let platforms = patched.platforms.iter();
        Self {
            base: patched.base,
            tag: patched.tag.clone(),
            digest: top.digest,
            reference: patched.to.at(top.digest),
            media_type: top.media_type.clone(),
            size: top.size,
            platforms: platforms
                .map(|(platform, digest)| PatchedPlatform {
                    platform: platform.clone(),
                    digest: *digest,
                })
                .collect(),
            findings,
            notes,
            dropped: patched.dropped.iter().map(|child| child.digest).collect(),
        }
    }
}
