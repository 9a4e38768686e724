//! What can go wrong when a payload is read.

use std::path::PathBuf;

use fleetfix_model::reference::NotAReference;
use fleetfix_model::{Class, Classify, Digest, Platform, Reference, Version, canonical};

use crate::index::Key;

/// Why a payload cannot be read.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// The store does not have it, or could not be asked.
    #[error("image {reference}")]
    Store {
        /// The image as it was named.
        reference: Box<Reference>,
        /// Why.
        #[source]
        source: Box<fleetfix_registry::Error>,
    },
    /// A manifest that is not an image.
    #[error("image {reference}: manifest {manifest}")]
    Manifest {
        /// The image as it was named.
        reference: Box<Reference>,
        /// The manifest.
        manifest: Digest,
        /// Why.
        #[source]
        source: Box<fleetfix_oci::Error>,
    },
    /// Neither an image nor an index with images for Linux.
    #[error("image {reference} holds no image to run, found {found}")]
    NoImage {
        /// The image as it was named.
        reference: Box<Reference>,
        /// What it holds.
        found: String,
    },
    /// Content is not what its digest or size says.
    #[error("image {reference}")]
    Content {
        /// The image as it was named.
        reference: Box<Reference>,
        /// Which, and what it is instead.
        #[source]
        source: Box<fleetfix_oci::Error>,
    },
    /// The configuration of an image is malformed.
    #[error("image {reference}: configuration {config}")]
    Config {
        /// The image as it was named.
        reference: Box<Reference>,
        /// The configuration.
        config: Digest,
        /// Why.
        #[source]
        source: canonical::Error,
    },
    /// Two images of one index are for one platform.
    #[error("image {reference} has two images for {platform}")]
    SamePlatform {
        /// The image as it was named.
        reference: Box<Reference>,
        /// The platform.
        platform: Box<Platform>,
    },
    /// A layer that is none.
    #[error("payload {reference}")]
    Layer {
        /// The payload as it was named.
        reference: Box<Reference>,
        /// Which layer, and what is wrong with it.
        #[source]
        source: Box<fleetfix_oci::Error>,
    },
    /// A file of the release is something else.
    #[error("payload {reference}: `{path}` in layer {layer} is not a regular file")]
    NotAFile {
        /// The payload as it was named.
        reference: Box<Reference>,
        /// The layer.
        layer: Digest,
        /// The file.
        path: &'static str,
    },
    /// An image without the files of a release.
    #[error("{reference} is not a release payload: no layer has `{path}`")]
    NotARelease {
        /// The payload as it was named.
        reference: Box<Reference>,
        /// The file.
        path: &'static str,
    },
    /// A file of the release is malformed.
    #[error("payload {reference}: {path}")]
    Document {
        /// The payload as it was named.
        reference: Box<Reference>,
        /// The file.
        path: &'static str,
        /// What is wrong.
        #[source]
        source: canonical::Error,
    },
    /// A file of the release breaks a rule.
    #[error("payload {reference}: {path}: field `{field}`: {problem}")]
    Field {
        /// The payload as it was named.
        reference: Box<Reference>,
        /// The file.
        path: &'static str,
        /// The field.
        field: String,
        /// What is wrong.
        problem: String,
    },
    /// The two files name different versions.
    #[error(
        "payload {reference}: image-references says version `{image_references}`, release-metadata `{release_metadata}`"
    )]
    TwoVersions {
        /// The payload as it was named.
        reference: Box<Reference>,
        /// One version.
        image_references: String,
        /// The other.
        release_metadata: Version,
    },
    /// Two architectures of one payload are different releases.
    #[error("payload {reference}: {first} is version {expected}, {other} is {actual}")]
    Mixed {
        /// The payload as it was named.
        reference: Box<Reference>,
        /// The platform that was read first.
        first: Box<Platform>,
        /// Its version.
        expected: Version,
        /// Another platform.
        other: Box<Platform>,
        /// The version of that.
        actual: Version,
    },
    /// A payload is of another version than its name says.
    #[error("payload {reference} is version {actual}, expected {expected}")]
    WrongVersion {
        /// The payload.
        reference: Box<Reference>,
        /// The version that it was looked up for.
        expected: Version,
        /// The version that it says.
        actual: Version,
    },
    /// Two different payloads of one version and architecture.
    #[error("{first} and {other} are different payloads of {key} [name one of them]")]
    TwoPayloads {
        /// What both claim to be.
        key: Key,
        /// The one that was read first.
        first: Box<Reference>,
        /// The other.
        other: Box<Reference>,
    },
    /// A template makes no reference.
    #[error("a name for the payload of {version}")]
    Name {
        /// The version put into it.
        version: Version,
        /// Why.
        #[source]
        source: NotAReference,
    },
    /// The file of an update graph cannot be read.
    #[error("cannot read {}", path.display())]
    GraphFile {
        /// The file.
        path: PathBuf,
        /// Why.
        #[source]
        source: std::io::Error,
    },
    /// The file of an update graph is too large.
    #[error("{} has more than {max} bytes", path.display())]
    GraphTooLarge {
        /// The file.
        path: PathBuf,
        /// Most bytes that are read.
        max: u64,
    },
    /// The server of an update graph does not give it.
    #[error("the update graph")]
    GraphUrl(#[source] Box<fleetfix_registry::Error>),
    /// The thread that read a layer died.
    #[error("payload {reference}: reading a layer failed")]
    Thread {
        /// The payload as it was named.
        reference: Box<Reference>,
        /// Why.
        #[source]
        source: tokio::task::JoinError,
    },
    /// A reader died.
    #[error("reading failed")]
    Reader(#[source] tokio::task::JoinError),
}

impl Error {
    /// True if there is no such payload, as opposed to one that could not be asked for or read.
    pub fn is_absent(&self) -> bool {
        matches!(self, Self::Store { source, .. } if source.is_absent())
    }
}

impl Classify for Error {
    fn class(&self) -> Class {
        match self {
            Self::Store { source, .. } | Self::GraphUrl(source) => source.class(),
            Self::GraphFile { source, .. } => source.class(),
            Self::Manifest { source, .. }
            | Self::Content { source, .. }
            | Self::Layer { source, .. } => source.class(),
            Self::Document { source, .. } | Self::Config { source, .. } => source.class(),
            Self::NoImage { .. }
            | Self::SamePlatform { .. }
            | Self::NotAFile { .. }
            | Self::NotARelease { .. }
            | Self::Field { .. }
            | Self::TwoVersions { .. }
            | Self::Mixed { .. }
            | Self::WrongVersion { .. }
            | Self::TwoPayloads { .. }
            | Self::Name { .. }
            | Self::GraphTooLarge { .. } => Class::Input,
            Self::Thread { .. } | Self::Reader(_) => Class::Bug,
        }
    }
}
