//! Everything that can go wrong in this task beyond what its libraries name.

use std::io;
use std::path::PathBuf;

use fleetfix_model::name::FixId;
use fleetfix_model::{Class, Classify, Digest, Minor, Reference, Repository};

/// Why images were not patched.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// A file of the command line.
    #[error(transparent)]
    File(#[from] fleetfix_task::Error),
    /// The plan is not one.
    #[error(transparent)]
    Plan(#[from] fleetfix_model::document::Error),
    /// A registry or layout.
    #[error(transparent)]
    Registry(#[from] fleetfix_registry::Error),
    /// A base image cannot be read, or cannot be patched so.
    #[error("base {base}")]
    Base {
        /// The image, with its platform where only one is meant.
        base: String,
        /// Why.
        #[source]
        source: fleetfix_oci::Error,
    },
    /// The new layer cannot be made.
    #[error("new layer for {base}")]
    Layer {
        /// The first image that gets it.
        base: String,
        /// Why.
        #[source]
        source: fleetfix_oci::Error,
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
    /// The plan says what this version does not do.
    #[error(
        "the fix for {minor} is a finished image, which is not delivered yet [name its files in the request]"
    )]
    FinishedImage {
        /// The release line.
        minor: Minor,
    },
    /// The plan's names make no tag or repository.
    #[error("plan of {id}: {what} cannot be named")]
    NoName {
        /// The fix.
        id: FixId,
        /// What has no name.
        what: String,
    },
    /// A path of the plan leads out of the directory of files.
    #[error("plan: `{from}` is not a path below the request's directory")]
    OutsideFiles {
        /// The path.
        from: String,
    },
    /// A file that is to be put in.
    #[error("new content {}", path.display())]
    Content {
        /// The file.
        path: PathBuf,
        /// Why it cannot be read.
        #[source]
        source: io::Error,
    },
    /// A new program cannot be read, and could not be run.
    #[error("what is to be put in is no whole program")]
    Program {
        /// What is wrong with it.
        #[source]
        source: fleetfix_program::Error,
    },
    /// A new program is not built as the one that it replaces.
    #[error("base {base}: {differences} [{next}]")]
    OtherBuild {
        /// The base.
        base: String,
        /// Platform, path and what differs.
        differences: String,
        /// What to do next.
        next: String,
    },
    /// What lies in the directory of files cannot be put into an image.
    #[error("{} {problem}", path.display())]
    NotContent {
        /// The file or directory.
        path: PathBuf,
        /// What is wrong with it and what is expected.
        problem: &'static str,
    },
    /// The patch would change nothing.
    #[error("{}: no files [lay them out as in the image, or by architecture]", dir.display())]
    NoFiles {
        /// The directory.
        dir: PathBuf,
    },
    /// The base has an architecture that nothing was built for.
    #[error("base {base} has {architecture}, and {what} for it [build it for every architecture]")]
    NoContent {
        /// The base.
        base: String,
        /// Architecture.
        architecture: String,
        /// What is missing.
        what: String,
    },
    /// Something was built for an architecture that the base lacks.
    #[error("base {base} has {found}, not {architecture}")]
    NoArchitecture {
        /// The base.
        base: String,
        /// Architecture that the base was expected to have.
        architecture: String,
        /// Those it has.
        found: String,
    },
    /// The base is not what the plan pinned.
    #[error("base {base} has {what} {actual}, the plan expects {expected}")]
    OtherBase {
        /// The base.
        base: String,
        /// What differs.
        what: &'static str,
        /// What the plan says.
        expected: String,
        /// What is there.
        actual: String,
    },
    /// A base that contradicts itself.
    #[error("base {base}: the index says {index}, the configuration {config}")]
    TwoPlatforms {
        /// The base.
        base: String,
        /// Platform of the index.
        index: String,
        /// Platform of the configuration.
        config: String,
    },
    /// A label that the plan relies on is not there.
    #[error("base {base} lacks the label `{label}`, which the plan says HyperShift reads")]
    LabelGone {
        /// The base.
        base: String,
        /// The label.
        label: String,
    },
    /// A label that steers HyperShift would change.
    #[error("label `{label}` steers HyperShift: a patched image keeps its base's")]
    LabelOfHypershift {
        /// The label.
        label: String,
    },
    /// A label that says what the image is made from.
    #[error(
        "label `{label}` says what the image is made from, and is set by the patch itself [the commit: --commit]"
    )]
    LabelOfOrigin {
        /// The label.
        label: String,
    },
    /// The destination is not a tag.
    #[error(
        "`{image}` does not name a tag: images without one are deleted by registries [give REGISTRY/PATH:TAG]"
    )]
    NoTag {
        /// The destination.
        image: Reference,
    },
    /// Neither a plan with a place for its images, nor an image with a name for the new one.
    #[error("nothing to patch [give --plan and --to, or --base-image and --image]")]
    NothingAsked,
    /// The base image names neither tag nor digest.
    #[error("`{base}` names neither tag nor digest")]
    NoBase {
        /// The base.
        base: Reference,
    },
    /// A layer that must be read and cannot be.
    #[error(
        "base {base}: layer {layer} {why}, and what it holds must be known [patch a base without such layers]"
    )]
    UnreadableLayer {
        /// The base.
        base: String,
        /// The layer.
        layer: Digest,
        /// Why.
        why: &'static str,
    },
    /// A file out of another image.
    #[error("new content out of {image}: `{path}` {problem}")]
    InImage {
        /// The image.
        image: String,
        /// Path in it.
        path: String,
        /// What is wrong with it.
        problem: String,
    },
    /// A level that the compression does not have.
    #[error("--compression-level")]
    Compression {
        /// Which ones it has.
        #[source]
        source: fleetfix_oci::Error,
    },
    /// One of several tags was not written.
    #[error("these tags are written: {written}; another one is not [do it again: they stay]")]
    SomeTags {
        /// The tags that are there.
        written: String,
        /// Why the other one is not.
        #[source]
        source: Box<fleetfix_registry::Error>,
    },
    /// Two different images would get one tag: a defect, or a collision of short digests.
    #[error("{place}: two bases lead to one tag")]
    OneTag {
        /// Repository and tag.
        place: Reference,
    },
    /// A base without anything to patch.
    #[error("base {base} is an index without any image")]
    NoImages {
        /// The index.
        base: String,
    },
    /// The layers of a base ran out before its paths were known: a defect.
    #[error("base {base}: not known after its last layer")]
    NotKnown {
        /// The base.
        base: String,
    },
    /// A thread was lost: a defect, or the process is ending.
    #[error("work on {what} was abandoned")]
    Abandoned {
        /// What was worked on.
        what: &'static str,
    },
}

impl Error {
    /// Names the base that an error is about.
    pub(crate) fn base(base: impl Into<String>) -> impl FnOnce(fleetfix_oci::Error) -> Self {
        let base = base.into();
        move |source| Self::Base { base, source }
    }
}

/// Names a base in messages.
pub(crate) fn name(repository: &Repository, digest: Digest) -> String {
    repository.at(digest).to_string()
}

impl Classify for Error {
    fn class(&self) -> Class {
        match self {
            Self::File(e) => e.class(),
            Self::Plan(e) => e.class(),
            Self::Registry(e) => e.class(),
            Self::SomeTags { source, .. } => source.class(),
            Self::Base { source, .. }
            | Self::Layer { source, .. }
            | Self::Compression { source } => source.class(),
            Self::Content { source, .. } => source.class(),
            Self::Program { source } => source.class(),
            Self::Blocked { .. }
            | Self::OtherBuild { .. }
            | Self::NoContent { .. }
            | Self::NoArchitecture { .. }
            | Self::OtherBase { .. }
            | Self::LabelGone { .. }
            | Self::LabelOfHypershift { .. }
            | Self::LabelOfOrigin { .. } => Class::Refused,
            Self::FinishedImage { .. }
            | Self::NoName { .. }
            | Self::OutsideFiles { .. }
            | Self::NotContent { .. }
            | Self::NoFiles { .. }
            | Self::NoImages { .. }
            | Self::UnreadableLayer { .. }
            | Self::InImage { .. }
            | Self::TwoPlatforms { .. } => Class::Input,
            Self::NoTag { .. } | Self::NothingAsked | Self::NoBase { .. } => Class::Usage,
            Self::OneTag { .. } | Self::NotKnown { .. } => Class::Bug,
            Self::Abandoned { .. } => Class::Environment,
        }
    }
}
