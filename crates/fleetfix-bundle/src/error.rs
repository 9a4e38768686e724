//! Everything that can go wrong in this task beyond what its libraries name.

use std::path::PathBuf;

use fleetfix_model::document::Rule;
use fleetfix_model::name::{BadName, ComponentTag, FixId};
use fleetfix_model::{
    Class, Classify, Digest, HostedPlatform, Platform, Reference, Repository, Version, canonical,
};

/// Why no bundle was written.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// The plan was made from another request.
    #[error(
        "plan of {id} follows from request {planned}, not from the given one, {given} [plan again, or give the request that was planned]"
    )]
    OtherRequest {
        /// The fix.
        id: FixId,
        /// Digest of the request in the plan.
        planned: Digest,
        /// Digest of the given request.
        given: Digest,
    },
    /// The plan names another fix or revision than its request.
    #[error("plan of {id}, revision {revision}: its request is of another fix or revision")]
    OtherFix {
        /// The fix of the plan.
        id: FixId,
        /// The revision of the plan.
        revision: u32,
    },
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
    /// The fleet's prefix is a directory.
    #[error(
        "fleet `{fleet}` is a directory: expected the registry and path that clusters pull from"
    )]
    Fleet {
        /// What was given.
        fleet: Repository,
    },
    /// The component's tag cannot be a repository.
    #[error("component `{component}` cannot be a repository")]
    Component {
        /// The component.
        component: ComponentTag,
        /// Why.
        #[source]
        source: BadName,
    },
    /// A tag that follows from the plan cannot be a tag.
    #[error("plan of {id}: no tag can be made of it")]
    NoTag {
        /// The fix.
        id: FixId,
    },
    /// The plan covers a version that the request does not call affected.
    #[error("plan covers {version} on {platform}, which the request does not name as affected")]
    NotAffected {
        /// The platform.
        platform: HostedPlatform,
        /// The version.
        version: Version,
    },
    /// The plan covers a version without an image.
    #[error("plan covers {version} and has no base for it")]
    NoImage {
        /// The version.
        version: Version,
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
    /// No signature beside the image names it as the fleet will.
    #[error(
        "image {image} has no signature as `{identity}` [run fleetfix-sign with this plan and --fleet first]"
    )]
    NotSigned {
        /// The index or manifest.
        image: Digest,
        /// The `docker-reference` that it needs.
        identity: String,
    },
    /// An attestation is missing.
    #[error(
        "image {image} has no attestation of type {predicate_type} for this plan [run fleetfix-attest with this plan first]"
    )]
    NotAttested {
        /// The index.
        image: Digest,
        /// The predicate type.
        predicate_type: &'static str,
    },
    /// A file does not hold a public key.
    #[error("builder key {}", path.display())]
    BuilderKey {
        /// The file.
        path: PathBuf,
        /// Why.
        #[source]
        source: fleetfix_trust::key::Error,
    },
    /// Two different statements say what there can only be one of.
    #[error(
        "image {image} has {count} different statements of type {predicate_type} for this plan [give --builder-key with the public key of the builder: what others attached does not count then]"
    )]
    Ambiguous {
        /// The index.
        image: Digest,
        /// The predicate type.
        predicate_type: &'static str,
        /// How many.
        count: usize,
    },
    /// The bundle breaks a rule of its own format.
    #[error("bundle cannot be written")]
    Rule(#[source] Rule),
    /// A document has no canonical form.
    #[error("bundle cannot be written")]
    Canonical(#[source] canonical::Error),
}

impl Classify for Error {
    fn class(&self) -> Class {
        match self {
            Self::OtherRequest { .. }
            | Self::OtherFix { .. }
            | Self::Blocked { .. }
            | Self::NotSigned { .. }
            | Self::NotAttested { .. }
            | Self::Ambiguous { .. } => Class::Refused,
            Self::BuilderKey { source, .. } => source.class(),
            Self::Fleet { .. } => Class::Usage,
            Self::Component { .. }
            | Self::NoTag { .. }
            | Self::NotAffected { .. }
            | Self::NoImage { .. }
            | Self::NotPatched { .. }
            | Self::Platforms { .. }
            | Self::NoPlatform { .. }
            | Self::Rule(_) => Class::Input,
            Self::Canonical(source) => source.class(),
        }
    }
}
