//! Everything that can go wrong in this task beyond what its libraries name.

use std::path::PathBuf;

use fleetfix_model::name::{BadName, FixId, ImagePath};
use fleetfix_model::{Class, Classify, Digest, Platform, Reference, canonical};

/// Why nothing was attested.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// The plan has a finding that nobody waived, or whose waiver is over.
    #[error(
        "plan of {id} is blocked by {findings} [mend the request, or have each waived in it for as long as it takes, and plan again]"
    )]
    Blocked {
        /// The fix.
        id: FixId,
        /// Ids of the findings.
        findings: String,
    },
    /// The plan lacks something about one of its bases.
    #[error("plan of {id}, base {base}: no {what}")]
    Plan {
        /// The fix.
        id: FixId,
        /// The base.
        base: Digest,
        /// What is missing.
        what: &'static str,
    },
    /// The plan has no content of a file for an architecture of the base.
    #[error("plan: {path} has no content for `{architecture}`, an architecture of the base")]
    NoContent {
        /// The file.
        path: ImagePath,
        /// The architecture.
        architecture: String,
    },
    /// The component's tag cannot be a repository.
    #[error("component `{component}` cannot be a repository")]
    Component {
        /// The component.
        component: String,
        /// Why.
        #[source]
        source: BadName,
    },
    /// The patched image is not there.
    #[error("{image} is not there [run fleetfix-patch with this plan first]")]
    NotPatched {
        /// The image.
        image: Reference,
    },
    /// The platforms of the patched image are not those of its base.
    #[error(
        "image {image} has {found} manifests for {platform}, expected {expected} as in its base"
    )]
    Platforms {
        /// The patched index.
        image: Digest,
        /// The platform.
        platform: Platform,
        /// Manifests of the base.
        expected: usize,
        /// Manifests of the image.
        found: usize,
    },
    /// A manifest of the patched image names no platform.
    #[error("image {image}: manifest {manifest} names no platform")]
    NoPlatform {
        /// The patched index.
        image: Digest,
        /// The manifest.
        manifest: Digest,
    },
    /// The image is not what patching the base with the plan makes.
    #[error(
        "image {image} is not its base with the patch of this plan: {what}: expected {expected}, found {found} [somebody else wrote it, or another version of fleetfix-patch]"
    )]
    NotThePatch {
        /// The index or manifest.
        image: Digest,
        /// What differs.
        what: String,
        /// What should be there.
        expected: String,
        /// What is there.
        found: String,
    },
    /// The image, or its base, could not be read as one.
    #[error("image {image}, held against its base and the plan")]
    Content {
        /// The index or manifest.
        image: Digest,
        /// Why.
        #[source]
        source: Box<fleetfix_oci::Error>,
    },
    /// A thread was stopped in its work.
    #[error("reading a layer was given up")]
    Abandoned,
    /// A predicate file is not what can be signed.
    #[error("{} is not a predicate", path.display())]
    Predicate {
        /// The file.
        path: PathBuf,
        /// Why.
        #[source]
        source: canonical::Error,
    },
    /// A predicate file holds JSON that is no object.
    #[error("{} is not a predicate: expected a JSON object", path.display())]
    NotAnObject {
        /// The file.
        path: PathBuf,
    },
}

impl Classify for Error {
    fn class(&self) -> Class {
        match self {
            Self::Blocked { .. } | Self::NotThePatch { .. } => Class::Refused,
            Self::Content { source, .. } => source.class(),
            Self::Abandoned => Class::Bug,
            Self::Plan { .. }
            | Self::NoContent { .. }
            | Self::NotPatched { .. }
            | Self::Platforms { .. }
            | Self::NoPlatform { .. }
            | Self::Component { .. }
            | Self::NotAnObject { .. } => Class::Input,
            Self::Predicate { source, .. } => source.class(),
        }
    }
}
