//! Everything that can go wrong in this task beyond what its libraries name.

use fleetfix_model::name::FixId;
use fleetfix_model::{Class, Classify, Digest, Reference, Repository};

use crate::identity::NotAnIdentity;

/// Why nothing was signed.
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
    /// The plan's id makes no tag.
    #[error("plan of {id}, base {base}: no image tag can be made of it")]
    NoTag {
        /// The fix.
        id: FixId,
        /// The base.
        base: Digest,
    },
    /// The component's tag cannot be a repository.
    #[error("component `{component}` cannot be a repository")]
    Component {
        /// The component.
        component: String,
        /// Why.
        #[source]
        source: fleetfix_model::name::BadName,
    },
    /// The patched image is not there.
    #[error("{image} is not there [run fleetfix-patch with this plan first]")]
    NotPatched {
        /// The image.
        image: Reference,
    },
    /// The fleet's prefix is a directory.
    #[error("fleet `{fleet}` is a directory [give the registry and path that clusters pull from]")]
    Fleet {
        /// What was given.
        fleet: Repository,
    },
    /// No name that a signature could give the image.
    #[error("no name for the signature")]
    Identity(#[source] NotAnIdentity),
}

impl Classify for Error {
    fn class(&self) -> Class {
        match self {
            Self::Blocked { .. } => Class::Refused,
            Self::NoTag { .. } | Self::Component { .. } | Self::NotPatched { .. } => Class::Input,
            Self::Fleet { .. } | Self::Identity(_) => Class::Usage,
        }
    }
}
