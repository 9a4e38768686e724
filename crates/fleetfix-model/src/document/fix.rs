//! The fix predicate: what a patched image holds, attested by its builder.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::plan::{FileContent, PlannedFile};
use super::request::FileMode;
use super::{document, sorted_unique};
use crate::name::{Commit, ComponentTag, FixId, ImagePath, Ticket};
use crate::{Digest, Minor, Platform, Repository};

document! {
    /// Predicate `https://fleetfix.openshift.io/fix/v1` of an in-toto statement whose subject is a
    /// patched index or one of its manifests. It has no time in it: the same patch gives the same
    /// statement.
    Fix, FixKind {
        /// Identity of the fix.
        id: FixId,
        /// Revision of the fix.
        revision: u32,
        /// Tickets.
        tickets: Vec<Ticket>,
        /// The payload tag.
        component: ComponentTag,
        /// Release line.
        minor: Minor,
        /// Digest of the plan.
        plan: Digest,
        /// Repository of the base image.
        base_repository: Repository,
        /// Digest of the base index or manifest.
        base: Digest,
        /// The commit that the files are built from.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        commit: Option<Commit>,
        /// Each patched manifest with what was replaced in it, in the order of the index.
        platforms: Vec<FixedPlatform>,
    }
    check(this) {
        for (i, platform) in this.platforms.iter().enumerate() {
            sorted_unique(&format!("platforms[{i}].files"), &platform.files, |f| f.path.clone())?;
            sorted_unique(&format!("platforms[{i}].removed"), &platform.removed, Clone::clone)?;
        }
        Ok(())
    }
}

/// What was patched on one platform.
#[derive(Clone, Debug, Deserialize, Eq, JsonSchema, PartialEq, Serialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct FixedPlatform {
    /// Platform.
    pub platform: Platform,
    /// The patched manifest.
    pub manifest: Digest,
    /// The manifest it was made from.
    pub base: Digest,
    /// Files that were written, sorted by path.
    pub files: Vec<FixedFile>,
    /// Paths that were removed, sorted.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub removed: Vec<ImagePath>,
}

/// A file that was written.
#[derive(Clone, Debug, Deserialize, Eq, JsonSchema, PartialEq, Serialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct FixedFile {
    /// Path in the image.
    pub path: ImagePath,
    /// Digest of its content.
    pub digest: Digest,
    /// Size of its content in bytes.
    pub size: u64,
    /// True if the base need not have the file.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub create: bool,
    /// Its mode, where the plan sets one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub mode: Option<FileMode>,
    /// Its owner, where the plan sets one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub uid: Option<u32>,
    /// Its group, where the plan sets one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub gid: Option<u32>,
}

impl FixedFile {
    /// What a plan says of a file, with its content for one architecture.
    pub fn of(planned: &PlannedFile, content: &FileContent) -> Self {
        Self {
            path: planned.path.clone(),
            digest: content.digest,
            size: content.size,
            create: planned.create,
            mode: planned.mode,
            uid: planned.uid,
            gid: planned.gid,
        }
    }
}
