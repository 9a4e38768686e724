//! What can go wrong in this crate.

use fleetfix_model::name::{BadName, ComponentTag};
use fleetfix_model::{Class, Classify, HostedPlatform, Minor, Reference, Version};
use fleetfix_model::{canonical, yaml};

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
    /// A release line would have more z-streams than any has.
    #[error(
        "{platform} {minor}: {count} z-streams from the first affected to the first fixed, at most {} are taken [check `introduced` and `fixedIn`]",
        crate::coverage::MAX_Z_STREAMS
    )]
    TooWide {
        /// The platform.
        platform: HostedPlatform,
        /// The release line.
        minor: Minor,
        /// How many.
        count: u64,
    },
    /// A document is not an update graph.
    #[error("update graph {name}")]
    Graph {
        /// The document.
        name: String,
        /// Why.
        #[source]
        source: canonical::Error,
    },
    /// A graph has a version twice.
    #[error("update graph {name}: version {version} is there twice")]
    GraphTwice {
        /// The document.
        name: String,
        /// The version.
        version: Version,
    },
    /// Two graphs have different payloads for one version.
    #[error(
        "update graph {name}: version {version} is {other}, and {one} in another graph [give graphs of one architecture]"
    )]
    GraphPayloads {
        /// The document.
        name: String,
        /// The version.
        version: Version,
        /// What the graphs before say.
        one: Box<Reference>,
        /// What this one says.
        other: Box<Reference>,
    },
    /// An edge leads from or to nothing.
    #[error("update graph {name}: {subject}: there is no {missing}")]
    GraphEdge {
        /// The document.
        name: String,
        /// The edge.
        subject: String,
        /// What is not there.
        missing: String,
    },
    /// Graphs are larger than any should be.
    #[error("update graph {name}: {count} {what}, at most {max} are read")]
    GraphSize {
        /// The document with which it became too much.
        name: String,
        /// Of what there are too many.
        what: &'static str,
        /// How many there are.
        count: usize,
        /// How many are read.
        max: usize,
    },
    /// A file is not an `overrides.yaml`.
    #[error(transparent)]
    Overrides(#[from] yaml::Error),
    /// A platform has no key in `overrides.yaml`.
    #[error(
        "overrides.yaml knows aws and azure; the operator ignores a key for {platform} without a word [deliver by controlPlaneOperatorImage]"
    )]
    NoOverrides {
        /// The platform.
        platform: HostedPlatform,
    },
    /// An entry that is to change stands there several times.
    #[error(
        "{file}: {platform} {version} stands in lines {lines}, and the operator takes the last [remove all but one]"
    )]
    DoubledEntry {
        /// The file.
        file: String,
        /// The platform.
        platform: HostedPlatform,
        /// The version.
        version: Version,
        /// Lines, from 1.
        lines: String,
    },
    /// Test releases for a platform that has no entries.
    #[error("{file}: {platform} has no entries that its tests could try")]
    NoTestReleases {
        /// The file.
        file: String,
        /// The platform.
        platform: HostedPlatform,
    },
    /// An edited file does not say what it was edited to say.
    #[error("{file}: the edited file does not say what it should")]
    EditLost {
        /// The file.
        file: String,
    },
    /// An object is not the HostedCluster that it should be.
    #[error("{subject}: field `{field}`: {what}")]
    NotAHostedCluster {
        /// The object, as the user named it.
        subject: String,
        /// Path of the field.
        field: String,
        /// What is wrong, and what is expected.
        what: String,
    },
    /// A write to a HostedCluster that must not be made.
    #[error("{cluster}: {why}")]
    NotToBeWritten {
        /// Namespace and name.
        cluster: String,
        /// Why not, and what to do.
        why: String,
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
            | Self::NoFix { .. }
            | Self::TooWide { .. }
            | Self::Graph { .. }
            | Self::GraphTwice { .. }
            | Self::GraphPayloads { .. }
            | Self::GraphEdge { .. }
            | Self::GraphSize { .. }
            | Self::DoubledEntry { .. }
            | Self::NoTestReleases { .. }
            | Self::NotAHostedCluster { .. } => Class::Input,
            Self::Overrides(error) => error.class(),
            Self::NoOverrides { .. } | Self::NotToBeWritten { .. } => Class::Refused,
            Self::FindingName(_) | Self::EditLost { .. } => Class::Bug,
        }
    }
}
