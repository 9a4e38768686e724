//! OpenShift versions.

use std::fmt;
use std::str::FromStr;

/// An OpenShift version, kept as the exact string that the payload has: HyperShift looks it up by
/// string, so `4.20.0` and `4.20.0+build` are two versions (research: overrides are keyed by
/// `semver.Version.String()`). Ordered as `SemVer` 2.0.0 orders, then by string.
#[derive(Clone, Eq, Hash, PartialEq)]
pub struct Version(semver::Version);

/// A string that is not a semantic version.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
#[error("`{found}` is not a version; expected SemVer 2.0.0 such as `4.20.7` or `4.21.0-rc.1`")]
pub struct NotAVersion {
    /// What stood there.
    pub found: String,
}

impl Version {
    /// The release line of this version.
    pub fn minor(&self) -> Minor {
        Minor { major: self.0.major, minor: self.0.minor }
    }

    /// The z-stream number.
    pub fn patch(&self) -> u64 {
        self.0.patch
    }

    /// True for `-rc.1`, `-ec.2`, nightlies and the like.
    pub fn is_prerelease(&self) -> bool {
        !self.0.pre.is_empty()
    }
}

impl Ord for Version {
    fn cmp(&self, other: &Self) -> std::cmp::Ordering {
        self.0.cmp_precedence(&other.0).then_with(|| self.0.cmp(&other.0))
    }
}

impl PartialOrd for Version {
    fn partial_cmp(&self, other: &Self) -> Option<std::cmp::Ordering> {
        Some(self.cmp(other))
    }
}

impl fmt::Display for Version {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(&self.0, f)
    }
}

impl fmt::Debug for Version {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl FromStr for Version {
    type Err = NotAVersion;

    fn from_str(s: &str) -> Result<Self, NotAVersion> {
        semver::Version::parse(s)
            .map(Self)
            .map_err(|_| NotAVersion { found: s.chars().take(100).collect() })
    }
}

crate::name::string_form!(
    Version,
    "Version",
    "^[0-9]+\\.[0-9]+\\.[0-9]+(-[0-9A-Za-z.-]+)?(\\+[0-9A-Za-z.-]+)?$",
    "An OpenShift version, SemVer 2.0.0."
);

/// A release line such as `4.20`.
#[derive(Clone, Copy, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub struct Minor {
    /// First number.
    pub major: u64,
    /// Second number.
    pub minor: u64,
}

/// A string that is not a release line.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
#[error(
    "`{found}` is not a minor version; expected two numbers such as \"4.20\" (quoted: YAML reads 4.20 as 4.2)"
)]
pub struct NotAMinor {
    /// What stood there.
    pub found: String,
}

impl fmt::Display for Minor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{}", self.major, self.minor)
    }
}

impl fmt::Debug for Minor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl FromStr for Minor {
    type Err = NotAMinor;

    fn from_str(s: &str) -> Result<Self, NotAMinor> {
        let refuse = || NotAMinor { found: s.chars().take(100).collect() };
        let number = |part: &str| part.parse::<u32>().map(u64::from).map_err(|_| refuse());
        let (major, minor) = s.split_once('.').ok_or_else(refuse)?;
        let parsed = Self { major: number(major)?, minor: number(minor)? };
        // No `+4`, no `04`.
        if parsed.to_string() == s { Ok(parsed) } else { Err(refuse()) }
    }
}

crate::name::string_form!(Minor, "Minor", "^[0-9]+\\.[0-9]+$", "A release line such as 4.20.");

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn z_streams_sort_as_numbers_and_prereleases_first() {
        let mut versions: Vec<Version> = ["4.20.10", "4.20.2", "4.20.0-rc.1", "4.20.0"]
            .iter()
            .map(|s| s.parse().unwrap())
            .collect();
        versions.sort();
        let sorted: Vec<String> = versions.iter().map(ToString::to_string).collect();
        assert_eq!(sorted, ["4.20.0-rc.1", "4.20.0", "4.20.2", "4.20.10"]);
    }

    #[test]
    fn a_minor_is_two_numbers() {
        assert_eq!("4.20".parse::<Minor>().unwrap().to_string(), "4.20");
        for bad in ["4", "4.", "4.20.1", "4.x", "+4.20", "04.2", ""] {
            assert!(bad.parse::<Minor>().is_err(), "{bad:?}");
        }
    }
}
