//! What can go wrong in this crate.

use fleetfix_model::canonical;
use fleetfix_model::name::{BadName, ComponentTag};
use fleetfix_model::{Class, Classify, HostedPlatform, Minor};

/// What can go wrong while rules are applied.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// A catalogue of components is malformed.
    #[error("component catalogue")]
    Catalogue(#[source] canonical::Error),
    /// A catalogue names a component that it does not have.
    #[error("component catalogue: workload `{workload}` runs `{tag}`, which is not a component")]
    Dangling {
        /// The workload.
        workload: String,
        /// The component.
        tag: ComponentTag,
    },
    /// A name is neither a payload tag nor a workload.
    #[error(
        "no payload has a component `{name}`, and no workload of that name is known [{}]", offer(.nearest)
    )]
    UnknownComponent {
        /// The name.
        name: ComponentTag,
        /// Names that are there and look like it, the nearest first.
        nearest: Vec<String>,
    },
    /// A payload lacks a tag that others have.
    #[error("{subject} has no component `{tag}` [{}]", offer(.nearest))]
    MissingComponent {
        /// The payload.
        subject: String,
        /// The tag.
        tag: ComponentTag,
        /// Tags that are there and look like it, the nearest first.
        nearest: Vec<String>,
    },
    /// An affected release line has no fix.
    #[error(
        "{platform} {minor} is affected and `fixes` has no entry for {minor} [add one, or take it out of `affected`]"
    )]
    NoFix {
        /// The platform.
        platform: HostedPlatform,
        /// The release line.
        minor: Minor,
    },
    /// The name of a finding does not fit its alphabet.
    #[error("the name of a finding")]
    FindingName(#[source] BadName),
}

fn offer(names: &[String]) -> String {
    if names.is_empty() {
        "give a payload tag or the name of a control-plane workload".to_owned()
    } else {
        format!("did you mean {}?", names.join(", "))
    }
}

impl Classify for Error {
    fn class(&self) -> Class {
        match self {
            Self::Catalogue(_)
            | Self::Dangling { .. }
            | Self::UnknownComponent { .. }
            | Self::MissingComponent { .. }
            | Self::NoFix { .. } => Class::Input,
            Self::FindingName(_) => Class::Bug,
        }
    }
}
