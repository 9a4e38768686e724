//! What can go wrong between us and a place that holds images.

use std::fmt;
use std::io;
use std::path::PathBuf;
use std::time::Duration;

use fleetfix_model::{Class, Classify, Digest, Reference};

/// Why something could not be read from or written to a registry or a layout.
///
/// A server's answer that makes no sense ([`Error::Nonsense`]) counts as a fault of the environment:
/// it is a proxy, a portal or a broken server that speaks, and nothing in our input can mend that.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// The registry, or its token service, answered with a status that is not success.
    #[error("{0}")]
    Answer(Box<Answer>),
    /// No answer: connection refused or reset, name not found, an answer cut short.
    #[error("{request}: no usable answer after {tries} tries")]
    Transport {
        /// Method and redacted URL.
        request: String,
        /// How often it was tried.
        tries: u32,
        /// The last failure.
        #[source]
        source: Box<reqwest::Error>,
    },
    /// The TLS handshake failed: an unknown issuer, another name, or no TLS at all. Not retried.
    #[error(
        "{request}: no TLS connection [give the issuer in SSL_CERT_FILE or SSL_CERT_DIR; a registry without TLS needs --plain-http]"
    )]
    Tls {
        /// Method and redacted URL.
        request: String,
        /// Why.
        #[source]
        source: Box<reqwest::Error>,
    },
    /// The other side went silent.
    #[error("{request}: nothing happened for {} s", waited.as_secs_f32())]
    Silent {
        /// Method and redacted URL.
        request: String,
        /// How long was waited.
        waited: Duration,
    },
    /// The other side is alive but slower than the least throughput.
    #[error(
        "{request}: {bytes} bytes in {} s is slower than {least} bytes/s", elapsed.as_secs()
    )]
    Slow {
        /// Method and redacted URL.
        request: String,
        /// Bytes moved.
        bytes: u64,
        /// In this time.
        elapsed: Duration,
        /// The least throughput, in bytes per second.
        least: u64,
    },
    /// An answer that the distribution specification does not allow and that we cannot use.
    #[error("{request}: {problem}")]
    Nonsense {
        /// Method and redacted URL.
        request: String,
        /// What is wrong with the answer.
        problem: String,
    },
    /// A redirect or upload location that could leak what is not meant for it.
    #[error("{request}: the answer leads to {to}: refused, {reason}")]
    Redirect {
        /// Method and redacted URL.
        request: String,
        /// Redacted target.
        to: String,
        /// Why it is not followed.
        reason: &'static str,
    },
    /// A name that makes no URL.
    #[error("`{name}` is not a registry that can be asked")]
    NotAUrl {
        /// Registry and path.
        name: String,
        /// Why.
        #[source]
        source: url::ParseError,
    },
    /// A URL that nothing is read from.
    #[error("{url}: {reason}")]
    DocumentUrl {
        /// The URL, redacted.
        url: String,
        /// Why not.
        reason: &'static str,
    },
    /// Content is not in a layout.
    #[error("{what} is not in {place}")]
    Absent {
        /// What was looked for.
        what: String,
        /// Where.
        place: String,
    },
    /// Content has another digest than it was asked for by.
    #[error("{what}: expected digest {expected}, found {actual}")]
    DigestMismatch {
        /// Whose content, and where it came from.
        what: String,
        /// What was asked for.
        expected: Digest,
        /// What the bytes hash to, or what the registry says they do.
        actual: String,
    },
    /// Content has another size than its descriptor says.
    #[error("{what}: expected {expected} bytes, found {actual}")]
    SizeMismatch {
        /// Whose content, and where it came from.
        what: String,
        /// Size that the descriptor states.
        expected: u64,
        /// Bytes that were there.
        actual: u64,
    },
    /// Content larger than what is read.
    #[error("{what} is larger than {max} bytes")]
    TooLarge {
        /// Whose content, and where it came from.
        what: String,
        /// The cap.
        max: u64,
    },
    /// An immutable tag names other content already.
    #[error(
        "{reference} already names {actual}, not {expected} [raise the revision: a tag never changes its content]"
    )]
    TagTaken {
        /// The tag.
        reference: Box<Reference>,
        /// What it was to name.
        expected: Digest,
        /// What it names.
        actual: Digest,
    },
    /// A manifest that cannot be read.
    #[error("manifest {reference}")]
    Manifest {
        /// Which.
        reference: Box<Reference>,
        /// Why.
        #[source]
        source: fleetfix_oci::Error,
    },
    /// A tree of manifests beyond the limits of a copy.
    #[error("{reference}: {problem}")]
    Tree {
        /// The manifest at which copying stopped.
        reference: Box<Reference>,
        /// The limit.
        problem: String,
    },
    /// What lies under a `.sig` or `.att` tag is not a list of attachments.
    #[error("{reference} does not hold attachments: {problem}")]
    NotAttachments {
        /// The tag.
        reference: Box<Reference>,
        /// Why.
        problem: String,
    },
    /// What lists artifacts about a subject is not such a list, or a manifest is not about anything.
    #[error("{reference} does not list or make referrers: {problem}")]
    NotReferrers {
        /// The list, or the manifest.
        reference: Box<Reference>,
        /// Why.
        problem: String,
    },
    /// A list of artifacts with an entry that cannot be read.
    #[error("a list of referrers")]
    Referrers {
        /// Why.
        #[source]
        source: fleetfix_oci::Error,
    },
    /// A registry with a list of artifacts does not put one onto it.
    #[error("{reference} was written, and the registry does not list it for {subject}")]
    NotListed {
        /// The artifact.
        reference: Box<Reference>,
        /// What it is about.
        subject: Digest,
    },
    /// Other writers replaced what was attached, again and again.
    #[error("{reference}: attached {tries} times, and each time another writer replaced it")]
    AttachmentLost {
        /// The tag.
        reference: Box<Reference>,
        /// How often it was written.
        tries: u32,
    },
    /// A layout on disk.
    #[error("layout {}", dir.display())]
    Layout {
        /// Its directory.
        dir: PathBuf,
        /// What is wrong.
        #[source]
        source: fleetfix_oci::Error,
    },
    /// A file of ours: a body to send, or where one is received.
    #[error("file {}", path.display())]
    File {
        /// Its path.
        path: PathBuf,
        /// Why.
        #[source]
        source: io::Error,
    },
    /// A file of credentials that cannot be read.
    #[error("credentials in {}", path.display())]
    AuthFile {
        /// Its path.
        path: PathBuf,
        /// Why.
        #[source]
        source: io::Error,
    },
    /// A credential helper that failed.
    #[error("credential helper {program}: {problem}")]
    Helper {
        /// Name of the program.
        program: String,
        /// What it said or did.
        problem: String,
    },
    /// A `--mirror` that is none.
    #[error("`{found}` is not a mirror: {reason}")]
    Mirror {
        /// What stood there.
        found: String,
        /// What is expected.
        reason: String,
    },
    /// A `--plain-http` that is no host.
    #[error("`{found}` is not a host; expected `host` or `host:port`")]
    Host {
        /// What stood there.
        found: String,
    },
    /// The HTTP client could not be set up.
    #[error("cannot set up HTTP")]
    Setup(#[source] Box<reqwest::Error>),
    /// A tag of our own making that is none: a defect.
    #[error("a tag made of a digest")]
    Tag(#[source] fleetfix_model::name::BadName),
    /// A worker thread was lost: a defect, or the process is ending.
    #[error("a file operation was abandoned")]
    Abandoned,
}

/// A registry's answer that is not success.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Answer {
    /// HTTP method.
    pub method: &'static str,
    /// URL without user, query and fragment.
    pub url: String,
    /// HTTP status.
    pub status: u16,
    /// The error codes of the answer's envelope (distribution-spec v1.1, "Error Codes"), if it had one.
    pub codes: Vec<String>,
    /// First line of what the registry said, without control characters, at most 300 characters.
    pub text: Option<String>,
    /// Whether the request was made with credentials.
    pub credentials: bool,
}

impl fmt::Display for Answer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}: {}", self.method, self.url, self.status)?;
        let reason = reqwest::StatusCode::from_u16(self.status).ok();
        if let Some(reason) = reason.and_then(|status| status.canonical_reason()) {
            write!(f, " {reason}")?;
        }
        if let Some(text) = &self.text {
            write!(f, ": {text}")?;
        }
        match (self.status, self.credentials) {
            (401 | 403, false) => {
                f.write_str(" [no credentials for it: `podman login`, or --authfile]")
            }
            (401 | 403, true) => f.write_str(" [its credentials were sent and refused]"),
            _ => Ok(()),
        }
    }
}

impl Answer {
    /// The class of a status: what the server may do otherwise next time is the environment.
    fn class(&self) -> Class {
        match self.status {
            408 | 425 | 429 | 500.. => Class::Environment,
            400..=499 => Class::Input,
            // A success or redirect where none is allowed.
            _ => Class::Environment,
        }
    }
}

impl Error {
    pub(crate) fn manifest(reference: Reference, source: fleetfix_oci::Error) -> Self {
        Self::Manifest { reference: Box::new(reference), source }
    }

    /// Whether the thing asked for is not there, as opposed to any other failure.
    pub fn is_absent(&self) -> bool {
        match self {
            Self::Absent { .. } => true,
            Self::Answer(answer) => answer.status == 404,
            _ => false,
        }
    }
}

impl Classify for Error {
    fn class(&self) -> Class {
        match self {
            Self::Answer(answer) => answer.class(),
            Self::Transport { .. }
            | Self::Silent { .. }
            | Self::Slow { .. }
            | Self::Nonsense { .. }
            | Self::AttachmentLost { .. }
            | Self::NotListed { .. }
            | Self::Setup(_)
            | Self::Abandoned => Class::Environment,
            Self::Redirect { .. }
            | Self::DigestMismatch { .. }
            | Self::SizeMismatch { .. }
            | Self::TagTaken { .. } => Class::Refused,
            Self::Tls { .. }
            | Self::NotAUrl { .. }
            | Self::Absent { .. }
            | Self::TooLarge { .. }
            | Self::Tree { .. }
            | Self::NotAttachments { .. }
            | Self::NotReferrers { .. }
            | Self::Helper { .. } => Class::Input,
            Self::Tag(_) => Class::Bug,
            Self::Mirror { .. } | Self::Host { .. } | Self::DocumentUrl { .. } => Class::Usage,
            Self::Manifest { source, .. }
            | Self::Layout { source, .. }
            | Self::Referrers { source } => source.class(),
            Self::File { source, .. } | Self::AuthFile { source, .. } => source.class(),
        }
    }
}
