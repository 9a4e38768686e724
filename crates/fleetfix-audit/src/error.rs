//! Everything that can keep a verification from being made, or a TUF state from being written.
//!
//! What speaks against the content that is verified is no error here: it is a failed check in the
//! verdict. An error is what the caller gave us, or what stands in the way of reading one part.

use std::io;
use std::path::PathBuf;

use fleetfix_model::name::ChannelName;
use fleetfix_model::{Class, Classify, Reference, canonical, document};
use fleetfix_trust::tuf;

/// Why nothing could be verified, or a part not be read.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// A string that says no place of a channel.
    #[error(
        "`{found}` is not a place of a channel: {reason}; expected `registry/path:tag`, `oci:DIR:TAG` or `tuf:DIR`"
    )]
    NotAPlace {
        /// What stood there.
        found: String,
        /// Why.
        reason: String,
    },
    /// What the caller named is not there.
    #[error("{reference} is not there")]
    Absent {
        /// The reference, or directory.
        reference: String,
    },
    /// A reference without tag and digest.
    #[error("{reference} names no tag and no digest [add :TAG or @sha256:...]")]
    NothingNamed {
        /// The reference.
        reference: Box<Reference>,
    },
    /// A place from which the fleet does not follow.
    #[error("where the fleet is does not follow from {place} [say it with --from]")]
    NoFleet {
        /// The reference, or directory.
        place: String,
    },
    /// The channel has to be named.
    #[error("the TUF repository has channels {}: say which with --channel", names(channels))]
    NameNeeded {
        /// The channels that are there.
        channels: Vec<ChannelName>,
    },
    /// What had to hold does not.
    #[error("{subject}: {why}")]
    DoesNotHold {
        /// The image, bundle or channel.
        subject: String,
        /// The first thing that stands in the way.
        why: String,
        /// The class of that.
        class: Class,
    },
    /// A registry or layout.
    #[error(transparent)]
    Registry(#[from] fleetfix_registry::Error),
    /// The trust root that the caller gave.
    #[error("the given root")]
    Root(#[source] Box<tuf::Error>),
    /// The remembered state that the caller gave.
    #[error("the given state directory")]
    State(#[source] Box<tuf::Error>),
    /// The policy that the caller gave.
    #[error("the given policy")]
    Policy(#[source] Box<document::Error>),
    /// A manifest that cannot be understood.
    #[error("{subject}")]
    Manifest {
        /// Which, and where it came from.
        subject: String,
        /// What is wrong with it.
        #[source]
        source: Box<fleetfix_oci::Error>,
    },
    /// A document of ours in what is verified.
    #[error("{subject}")]
    Document {
        /// Where it lies.
        subject: String,
        /// What is wrong with it.
        #[source]
        source: Box<document::Error>,
    },
    /// Something that is not a state of a TUF repository.
    #[error("{subject} is no state of a TUF repository: {problem}")]
    NotAState {
        /// Where it lies.
        subject: String,
        /// Which rule it breaks.
        problem: String,
    },
    /// A file or directory.
    #[error("cannot {action} {}", path.display())]
    File {
        /// What was tried, as a verb.
        action: &'static str,
        /// The file or directory.
        path: PathBuf,
        /// What the system says.
        #[source]
        source: io::Error,
    },
    /// A value of ours that has no canonical form: a defect.
    #[error("a document of ours")]
    NoForm(#[source] canonical::Error),
    /// A worker thread was lost: a defect, or the process is ending.
    #[error("hashing was abandoned")]
    Abandoned,
}

impl Error {
    /// What stands in the way of `subject`, as [`Judged::ending`](crate::judgement::Judged::ending)
    /// says it. Nothing at all is a defect: whoever asks was told that it does not hold.
    pub(crate) fn ended(subject: String, ending: Option<(Class, String)>) -> Self {
        let (class, why) =
            ending.unwrap_or((Class::Bug, "does not hold, and no check says why".into()));
        Self::DoesNotHold { subject, why, class }
    }

    pub(crate) fn file(
        action: &'static str,
        path: impl Into<PathBuf>,
    ) -> impl FnOnce(io::Error) -> Self {
        let path = path.into();
        move |source| Self::File { action, path, source }
    }
}

fn names(channels: &[ChannelName]) -> String {
    channels.iter().map(|name| format!("`{name}`")).collect::<Vec<_>>().join(", ")
}

/// The class of a registry's error for what is verified: content that something names and that is
/// not there, or not what its name says, is refused, whatever its reader calls it.
fn registry_class(error: &fleetfix_registry::Error) -> Class {
    use fleetfix_registry::Error as E;
    match error {
        E::TooLarge { .. } | E::Tree { .. } | E::NotAttachments { .. } | E::Manifest { .. } => {
            Class::Refused
        }
        E::Layout { source, .. } if source.class() == Class::Input => Class::Refused,
        absent if absent.is_absent() => Class::Refused,
        other => other.class(),
    }
}

impl Classify for Error {
    fn class(&self) -> Class {
        match self {
            Self::NotAPlace { .. }
            | Self::NothingNamed { .. }
            | Self::NoFleet { .. }
            | Self::NameNeeded { .. } => Class::Usage,
            Self::Absent { .. } => Class::Input,
            Self::DoesNotHold { class, .. } => *class,
            Self::Registry(source) => registry_class(source),
            Self::Root(source) | Self::State(source) => source.class(),
            Self::Policy(source) => source.class(),
            // Not the caller's input: it came from the place that is verified.
            Self::Manifest { .. } | Self::Document { .. } | Self::NotAState { .. } => {
                Class::Refused
            }
            Self::File { source, .. } => source.class(),
            Self::NoForm(_) => Class::Bug,
            Self::Abandoned => Class::Environment,
        }
    }
}
