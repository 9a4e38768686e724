//! Why there is no plan.

use std::path::PathBuf;

use fleetfix_model::document::Rule;
use fleetfix_model::reference::NotAReference;
use fleetfix_model::{Class, Classify, Digest, HostedPlatform, Reference, Version};

use crate::request::Request;

/// Why there is no plan. None is left behind.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// A file cannot be read.
    #[error(transparent)]
    File(#[from] fleetfix_task::Error),
    /// The request is not one.
    #[error(transparent)]
    Request(#[from] fleetfix_model::document::Error),
    /// A value of the request has no canonical form.
    #[error("{file}")]
    Canonical {
        /// The request's file.
        file: String,
        /// Why.
        #[source]
        source: fleetfix_model::canonical::Error,
    },
    /// The request contradicts a rule of HyperShift, or names what is not there.
    #[error("{file}")]
    Rules {
        /// The request's file.
        file: String,
        /// Which.
        #[source]
        source: Box<fleetfix_hypershift::Error>,
    },
    /// The request breaks a rule.
    #[error("{file}")]
    Rule {
        /// The request's file.
        file: String,
        /// Which.
        #[source]
        source: Rule,
    },
    /// The history of the source cannot be read.
    #[error(transparent)]
    History(#[from] fleetfix_source::Error),
    /// A file that was given is not what it should be.
    #[error(transparent)]
    Yaml(fleetfix_model::yaml::Error),
    /// A dump of `HostedClusters` is none.
    #[error("{}: {problem}", path.display())]
    Dump {
        /// The file.
        path: PathBuf,
        /// What is wrong.
        problem: String,
    },
    /// The image of an entry of `overrides.yaml` is no reference.
    #[error("{file}: the image of {platform} {version}")]
    OverrideImage {
        /// The file.
        file: String,
        /// The platform.
        platform: HostedPlatform,
        /// The version.
        version: Version,
        /// Why.
        #[source]
        source: NotAReference,
    },
    /// The name of a finding cannot be made.
    #[error("a finding")]
    Finding(#[source] Box<fleetfix_hypershift::Error>),
    /// A template makes no reference.
    #[error("{file}: field `payloadTemplates[{index}]`")]
    Template {
        /// The request's file.
        file: String,
        /// Which template, from 0.
        index: usize,
        /// Why.
        #[source]
        source: NotAReference,
    },
    /// No payload is known for a version.
    #[error(
        "{file}: version {version} has no payload{} [name one in `payloads`, or a template that finds it, or exclude the version with a reason]", looked_for(.tried)
    )]
    NoPayload {
        /// The request's file.
        file: String,
        /// The version.
        version: Version,
        /// What the templates made of it.
        tried: Vec<Reference>,
    },
    /// Payloads cannot be read.
    #[error("the payloads")]
    Payloads(#[source] Box<fleetfix_release::Error>),
    /// An image cannot be read.
    #[error("the image to patch")]
    Image(#[source] Box<fleetfix_release::Error>),
    /// One image is in two release lines, and would take two fixes.
    #[error(
        "image {digest} is in {one} and in {other}: one image cannot take the fixes of two release lines"
    )]
    TwoLines {
        /// The image.
        digest: Digest,
        /// A version.
        one: Version,
        /// A version of another line.
        other: Version,
    },
    /// A file that the request names cannot be read.
    #[error("{field}: cannot read {}", path.display())]
    Content {
        /// The field of the request.
        field: String,
        /// The file.
        path: PathBuf,
        /// Why.
        #[source]
        source: std::io::Error,
    },
    /// What the request names is not a file, or too large.
    #[error("{field}: {} {problem}", path.display())]
    NotAFile {
        /// The field of the request.
        field: String,
        /// The path.
        path: PathBuf,
        /// What is wrong.
        problem: String,
    },
    /// The plan breaks a rule of its own format: a defect.
    #[error("the plan breaks its own rules")]
    Plan(#[source] Rule),
    /// A reader died.
    #[error("reading failed")]
    Thread(#[from] tokio::task::JoinError),
}

impl Error {
    pub(crate) fn of_request(request: &Request, source: fleetfix_hypershift::Error) -> Self {
        Self::Rules { file: request.file.clone(), source: Box::new(source) }
    }

    pub(crate) fn finding(source: fleetfix_hypershift::Error) -> Self {
        Self::Finding(Box::new(source))
    }

    pub(crate) fn payloads(source: fleetfix_release::Error) -> Self {
        Self::Payloads(Box::new(source))
    }

    pub(crate) fn image(source: fleetfix_release::Error) -> Self {
        Self::Image(Box::new(source))
    }
}

fn looked_for(references: &[Reference]) -> String {
    if references.is_empty() {
        return String::new();
    }
    let listed: Vec<String> = references.iter().map(ToString::to_string).collect();
    format!(": not found {}", listed.join(", "))
}

impl Classify for Error {
    fn class(&self) -> Class {
        match self {
            Self::File(e) => e.class(),
            Self::Request(e) => e.class(),
            Self::Canonical { source, .. } => source.class(),
            Self::Yaml(source) => source.class(),
            Self::History(source) => source.class(),
            Self::Rules { source, .. } | Self::Finding(source) => source.class(),
            Self::Payloads(source) | Self::Image(source) => source.class(),
            Self::Content { source, .. } => source.class(),
            Self::Rule { .. }
            | Self::Template { .. }
            | Self::NoPayload { .. }
            | Self::Dump { .. }
            | Self::OverrideImage { .. }
            | Self::TwoLines { .. }
            | Self::NotAFile { .. } => Class::Input,
            Self::Plan(_) | Self::Thread(_) => Class::Bug,
        }
    }
}
