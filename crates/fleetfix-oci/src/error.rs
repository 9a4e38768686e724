//! Everything that can go wrong in this crate.

use std::io;
use std::path::PathBuf;

use fleetfix_model::canonical;
use fleetfix_model::name::Tag;
use fleetfix_model::{Class, Classify, Digest};

/// Why an image could not be read, edited or written. Paths inside an image are shown lossily:
/// they are bytes, not text.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// A file or directory could not be read or written.
    #[error("cannot {action} {}", path.display())]
    File {
        /// What was tried, as a verb: `read`, `write`, `rename`.
        action: &'static str,
        /// The file or directory.
        path: PathBuf,
        /// What the system says.
        #[source]
        source: io::Error,
    },
    /// A stream given by the caller failed.
    #[error("cannot read {subject}")]
    Read {
        /// What was read.
        subject: String,
        /// What the stream says.
        #[source]
        source: io::Error,
    },
    /// A stream given by the caller could not be written to.
    #[error("cannot write {subject}")]
    Write {
        /// What was written.
        subject: String,
        /// What the stream says.
        #[source]
        source: io::Error,
    },
    /// A layer is not the one that a patch makes.
    #[error("{subject} is not the layer of this patch: {path}: expected {expected}, found {found}")]
    OtherLayer {
        /// The layer.
        subject: String,
        /// The first entry that differs.
        path: String,
        /// What should be there.
        expected: String,
        /// What is there.
        found: String,
    },
    /// Bytes do not have the digest that they were asked for by.
    #[error("{subject} has digest {actual}, expected {expected}")]
    WrongDigest {
        /// What was read.
        subject: String,
        /// The digest that was named.
        expected: Digest,
        /// The digest of the bytes.
        actual: Digest,
    },
    /// Content does not have the size that its descriptor says.
    #[error("{subject} has {actual} bytes, expected {expected}")]
    WrongSize {
        /// What was read.
        subject: String,
        /// The size that was named, in bytes.
        expected: u64,
        /// The size found, in bytes; where reading stopped early, a size beyond the expected one.
        actual: u64,
    },
    /// More bytes than are ever read of such content.
    #[error("{subject} has more than {limit} bytes")]
    TooLarge {
        /// What was read.
        subject: String,
        /// The cap, in bytes.
        limit: u64,
    },
    /// A directory is not an OCI image layout.
    #[error("{} is not an OCI image layout: {reason}", dir.display())]
    NotALayout {
        /// The directory.
        dir: PathBuf,
        /// Which rule of the layout it breaks.
        reason: &'static str,
    },
    /// A layout has no blob of this digest.
    #[error("{} has no blob {digest}", dir.display())]
    NoBlob {
        /// The layout.
        dir: PathBuf,
        /// The digest.
        digest: Digest,
    },
    /// Several entries of a layout's `index.json` have one tag.
    #[error("tag `{tag}` stands at several images in {}", dir.display())]
    AmbiguousTag {
        /// The layout.
        dir: PathBuf,
        /// The tag.
        tag: Tag,
    },
    /// Bytes are not the JSON that was expected.
    #[error("{subject} is not a usable JSON document")]
    Json {
        /// What was read.
        subject: String,
        /// What is wrong with it.
        #[source]
        source: canonical::Error,
    },
    /// A field of a manifest, index or configuration is missing or not what the specification says.
    #[error("{subject}: field `{field}` {reason}")]
    Field {
        /// The document, with its digest where known.
        subject: String,
        /// Path of the field.
        field: String,
        /// What is wrong and what is expected.
        reason: String,
    },
    /// Another media type than what it was fetched as or has to be.
    #[error("{subject} has media type `{actual}`, expected {expected}")]
    WrongMediaType {
        /// The content.
        subject: String,
        /// What was expected, in words or as a media type.
        expected: String,
        /// What it is.
        actual: String,
    },
    /// A layer's compression that no runtime reads.
    #[error(
        "{subject}: layer compression `{compression}`, which is not one of images [expected gzip, zstd or none]"
    )]
    UnsupportedCompression {
        /// The layer.
        subject: String,
        /// The compression.
        compression: &'static str,
    },
    /// A layer is not a tar archive that can be understood.
    #[error("{subject}: tar archive broken at byte {offset}: {reason}")]
    Archive {
        /// The layer.
        subject: String,
        /// Offset in the uncompressed archive of the header that is wrong.
        offset: u64,
        /// What is wrong.
        reason: String,
    },
    /// A layer is larger than is ever read: a bomb, or nothing for us.
    #[error("{subject}: more than {limit} {what}")]
    LayerLimit {
        /// The layer.
        subject: String,
        /// What was counted.
        what: &'static str,
        /// The cap.
        limit: u64,
    },
    /// The base has no such path.
    #[error("the base image has no `{path}` [say `create` if it is a new file]")]
    NotInBase {
        /// The path that was asked for.
        path: String,
    },
    /// There is nothing to remove.
    #[error("the base image has no `{path}` to remove")]
    NothingToRemove {
        /// The path that was asked for.
        path: String,
    },
    /// A path leads through something that is not a directory.
    #[error("`{path}` leads through `{through}`, which is not a directory in the base image")]
    ThroughFile {
        /// The path that was asked for.
        path: String,
        /// The part of it that is no directory.
        through: String,
    },
    /// A path of the base is a directory, a device or the like where a file is to be replaced.
    #[error("`{path}` is {kind} in the base image, expected a regular file")]
    NotAFile {
        /// The path, with symbolic links resolved.
        path: String,
        /// What it is.
        kind: &'static str,
    },
    /// A chain of symbolic or hard links does not end.
    #[error("`{path}` leads through more than {limit} links of the base image")]
    LinkLoop {
        /// The path that was asked for.
        path: String,
        /// How many links are followed.
        limit: usize,
    },
    /// A path that a layer cannot hold.
    #[error("`{path}` cannot stand in a layer: {reason}")]
    BadPath {
        /// The path.
        path: String,
        /// Why.
        reason: &'static str,
    },
    /// Two changes of one patch meet in one path.
    #[error("`{path}` is changed twice: {reason}")]
    Conflict {
        /// The path, with symbolic links resolved.
        path: String,
        /// How.
        reason: &'static str,
    },
    /// A base's configuration and manifest contradict each other.
    #[error(
        "{subject}: {layers} layers in the manifest, {diff_ids} `rootfs.diff_ids` in the configuration"
    )]
    LayerCount {
        /// The manifest.
        subject: String,
        /// Layers of the manifest.
        layers: usize,
        /// Entries of the configuration.
        diff_ids: usize,
    },
    /// An index inside an index: its images would stay unpatched.
    #[error("{subject} holds another index, {child} [patch that index by itself]")]
    NestedIndex {
        /// The outer index.
        subject: String,
        /// The inner one.
        child: Digest,
    },
    /// An entry of an index that is no image, where there must be none.
    #[error(
        "{subject} holds {child}, which is no image [say whether such entries are kept or dropped]"
    )]
    OtherManifest {
        /// The index.
        subject: String,
        /// The entry.
        child: Digest,
    },
    /// An image of an index was not patched with the others: a defect of the caller.
    #[error("{subject}: image {child} was left unpatched")]
    Unpatched {
        /// The index.
        subject: String,
        /// The image.
        child: Digest,
    },
    /// A level that a compression does not have.
    #[error("{algorithm} has no level {level} [{least} to {most}]")]
    Level {
        /// The algorithm.
        algorithm: &'static str,
        /// What was asked for.
        level: u32,
        /// Lowest level.
        least: u32,
        /// Highest level.
        most: u32,
    },
    /// A compression that a media type family has no name for.
    #[error(
        "{subject}: Docker's media types have none for layers in {algorithm} [use gzip, or an OCI base]"
    )]
    NoMediaType {
        /// The manifest that would get the layer.
        subject: String,
        /// The algorithm.
        algorithm: &'static str,
    },
    /// Work that nobody waits for any more.
    #[error("{what} was given up")]
    Stopped {
        /// The work.
        what: &'static str,
    },
    /// The compressor failed: a defect.
    #[error("cannot compress {subject}: {reason}")]
    Compressor {
        /// What was compressed.
        subject: String,
        /// What it says.
        reason: &'static str,
    },
}

impl Error {
    pub(crate) fn file(
        action: &'static str,
        path: impl Into<PathBuf>,
    ) -> impl FnOnce(io::Error) -> Self {
        let path = path.into();
        move |source| Self::File { action, path, source }
    }

    pub(crate) fn field(
        subject: impl Into<String>,
        field: impl Into<String>,
        reason: impl Into<String>,
    ) -> Self {
        Self::Field { subject: subject.into(), field: field.into(), reason: reason.into() }
    }
}

/// An error of ours may travel inside an [`io::Error`] through a reader that verifies.
fn class_of(source: &io::Error) -> Class {
    match source.get_ref().and_then(|inner| inner.downcast_ref::<Error>()) {
        Some(inner) => inner.class(),
        None => source.class(),
    }
}

impl Classify for Error {
    fn class(&self) -> Class {
        match self {
            Self::File { source, .. } | Self::Read { source, .. } | Self::Write { source, .. } => {
                class_of(source)
            }
            Self::WrongDigest { .. }
            | Self::WrongSize { .. }
            | Self::OtherLayer { .. }
            | Self::OtherManifest { .. } => Class::Refused,
            Self::Level { .. } => Class::Usage,
            Self::Stopped { .. } => Class::Environment,
            Self::TooLarge { .. }
            | Self::NotALayout { .. }
            | Self::NoBlob { .. }
            | Self::AmbiguousTag { .. }
            | Self::Json { .. }
            | Self::Field { .. }
            | Self::WrongMediaType { .. }
            | Self::UnsupportedCompression { .. }
            | Self::NoMediaType { .. }
            | Self::Archive { .. }
            | Self::LayerLimit { .. }
            | Self::NotInBase { .. }
            | Self::NothingToRemove { .. }
            | Self::ThroughFile { .. }
            | Self::NotAFile { .. }
            | Self::LinkLoop { .. }
            | Self::BadPath { .. }
            | Self::Conflict { .. }
            | Self::LayerCount { .. }
            | Self::NestedIndex { .. } => Class::Input,
            Self::Unpatched { .. } | Self::Compressor { .. } => Class::Bug,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_wrong_digest_stays_refused_inside_an_io_error() {
        let digest = Digest::of(b"");
        let inner = Error::WrongDigest { subject: "x".into(), expected: digest, actual: digest };
        let outer = Error::Read { subject: "layer".into(), source: io::Error::other(inner) };
        assert_eq!(outer.class(), Class::Refused);
        let reset = io::Error::from(io::ErrorKind::ConnectionReset);
        assert_eq!(
            Error::Read { subject: "layer".into(), source: reset }.class(),
            Class::Environment
        );
    }
}
