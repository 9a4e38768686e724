//! What differs between registries that all follow the specification.

/// The habits of a registry.
#[derive(Clone, Debug, Default)]
pub struct Behaviour {
    /// Where an upload goes on.
    pub location: Location,
    /// What comes of asking for another repository's blob.
    pub mounts: Mounts,
    /// The referrers API.
    pub referrers: Referrers,
    /// `host:port` that blobs are fetched from, by a redirect.
    pub blobs_at: Option<String>,
    /// Whether a manifest is refused while something that it names is not there.
    pub strict: bool,
    /// Whether content that is there is refused when it is sent again, as Nexus Repository does where
    /// "disable redeploy" is chosen.
    pub no_redeploy: bool,
}

/// The form of an upload's `Location`.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub enum Location {
    /// A path, with a state that must come back.
    #[default]
    Relative,
    /// A whole URL.
    Absolute,
    /// A whole URL on `host:port`.
    Elsewhere(String),
}

/// What comes of asking for another repository's blob.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub enum Mounts {
    /// It is there at once.
    #[default]
    Done,
    /// An upload is opened instead, with 202.
    Upload,
    /// This status.
    Denied(u16),
    /// 201, and nothing is there.
    Claimed,
}

/// The referrers API (distribution-spec v1.1, "Listing Referrers").
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub enum Referrers {
    /// There is none: 404.
    #[default]
    Missing,
    /// There is one.
    Listed {
        /// Entries of a page; 0: all.
        page: usize,
        /// Whether `artifactType` is looked at.
        filters: bool,
        /// Whether an answer to a manifest with a subject says so (`OCI-Subject`).
        announced: bool,
    },
}

impl Referrers {
    /// As the specification wants it.
    pub const FULL: Self = Self::Listed { page: 0, filters: true, announced: true };
}
