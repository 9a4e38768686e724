//! Where a channel lies, and where its fleet is.

use std::fmt;
use std::path::{Path, PathBuf};
use std::str::FromStr;

use fleetfix_model::{Reference, Repository, fleet};

use crate::Error;

/// Where the TUF repository of a channel is read from.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum ChannelPlace {
    /// An OCI artifact that holds one state, such as `registry.example/fleet/channels:current`.
    Artifact(Reference),
    /// A TUF repository on disk, `tuf:DIR` with `DIR/metadata` and `DIR/targets`.
    Directory(PathBuf),
}

impl ChannelPlace {
    /// The prefix below which the fleet's images and bundles lie: what the channel's repository
    /// lies in. A directory does not say it.
    pub fn fleet(&self) -> Option<Repository> {
        match self {
            Self::Artifact(reference) => reference.repository.parent(),
            Self::Directory(_) => None,
        }
    }

    /// The channel of the fleet that `repository` is part of, by convention.
    pub fn beside(repository: &Repository) -> Option<Self> {
        let channels = repository.parent()?.below(&fleet::CHANNELS.parse().ok()?);
        Some(Self::Artifact(channels.tagged(fleet::CURRENT.parse().ok()?)))
    }

    /// The layout that holds the artifact, where it is one.
    pub(crate) fn layout_dir(&self) -> Option<&Path> {
        match self {
            Self::Artifact(reference) => reference.repository.layout_dir(),
            Self::Directory(_) => None,
        }
    }

    /// Why whoever holds the place is not asked for its newest state, where that is so. A directory
    /// can be as old as the day it was copied, and only one tag is moved to each new state.
    pub fn not_the_newest(&self) -> Option<&'static str> {
        const COPIED: &str = "a directory can be as old as the day it was copied; a registry is asked for its newest state";
        match self {
            Self::Artifact(reference) => {
                let tag = reference.tag.as_ref().map(fleetfix_model::name::Tag::as_str);
                if reference.repository.layout_dir().is_some() {
                    Some(COPIED)
                } else if reference.digest.is_some() || tag != Some(fleet::CURRENT) {
                    Some("one state is named, and there may be newer ones [name the tag `current`]")
                } else {
                    None
                }
            }
            Self::Directory(_) => Some(COPIED),
        }
    }
}

impl fmt::Display for ChannelPlace {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Artifact(reference) => fmt::Display::fmt(reference, f),
            Self::Directory(dir) => write!(f, "tuf:{}", dir.display()),
        }
    }
}

impl FromStr for ChannelPlace {
    type Err = Error;

    fn from_str(s: &str) -> Result<Self, Error> {
        let refuse =
            |reason: String| Error::NotAPlace { found: s.chars().take(300).collect(), reason };
        if let Some(dir) = s.strip_prefix("tuf:") {
            if dir.is_empty() {
                return Err(refuse("no directory after `tuf:`".into()));
            }
            return Ok(Self::Directory(PathBuf::from(dir)));
        }
        let reference: Reference =
            s.parse().map_err(|e: fleetfix_model::reference::NotAReference| refuse(e.reason))?;
        if reference.tag.is_none() && reference.digest.is_none() {
            return Err(refuse("it names no tag and no digest".into()));
        }
        Ok(Self::Artifact(reference))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The newest state of some day.
    const PINNED: &str = "quay.io/org/fleet/channels:current@sha256:e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";

    #[test]
    fn places_and_their_fleets() {
        let table = [
            ("quay.io/org/fleet/channels:current", Some("quay.io/org/fleet"), None),
            ("quay.io/org/fleet/channels:state-3-ab", Some("quay.io/org/fleet"), Some("one state")),
            (PINNED, Some("quay.io/org/fleet"), Some("one state")),
            ("oci:dir/fleet/channels:current", Some("oci:dir/fleet"), Some("a directory")),
            ("tuf:dir", None, Some("a directory")),
        ];
        for (text, fleet, why) in table {
            let place: ChannelPlace = text.parse().unwrap();
            assert_eq!(place.to_string(), text);
            assert_eq!(place.fleet().map(|f| f.to_string()).as_deref(), fleet);
            let found = place.not_the_newest();
            assert_eq!(found.is_some(), why.is_some(), "{text}: {found:?}");
            assert!(found.unwrap_or_default().starts_with(why.unwrap_or_default()), "{found:?}");
        }
        for bad in ["", "tuf:", "channels", "quay.io/org/fleet/channels", "oci:dir"] {
            assert!(bad.parse::<ChannelPlace>().is_err(), "{bad:?}");
        }
    }

    #[test]
    fn the_channel_lies_beside_bundles_and_images() {
        for (repository, place) in [
            ("quay.io/fleet/bundles", "quay.io/fleet/channels:current"),
            ("oci:d/fleet/app", "oci:d/fleet/channels:current"),
        ] {
            let beside = ChannelPlace::beside(&repository.parse().unwrap()).unwrap();
            assert_eq!(beside.to_string(), place);
        }
    }
}
