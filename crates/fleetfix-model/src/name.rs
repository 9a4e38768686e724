//! Identifiers with a fixed alphabet. Each is a string on the wire; parsing checks the alphabet,
//! so that a name can go into a tag, a file name or a TUF target name as it is.

use std::fmt;
use std::str::FromStr;

/// Serde and JSON Schema for a type that is a string on the wire: `Display` out, `FromStr` in.
macro_rules! string_form {
    ($type:ty, $name:expr, $pattern:literal, $doc:literal) => {
        impl serde::Serialize for $type {
            fn serialize<S: serde::Serializer>(&self, s: S) -> Result<S::Ok, S::Error> {
                s.collect_str(self)
            }
        }

        impl<'de> serde::Deserialize<'de> for $type {
            fn deserialize<D: serde::Deserializer<'de>>(d: D) -> Result<Self, D::Error> {
                let text = <std::borrow::Cow<'de, str>>::deserialize(d)?;
                text.parse().map_err(serde::de::Error::custom)
            }
        }

        impl schemars::JsonSchema for $type {
            fn schema_name() -> std::borrow::Cow<'static, str> {
                $name.into()
            }

            fn json_schema(_: &mut schemars::SchemaGenerator) -> schemars::Schema {
                schemars::json_schema!({ "type": "string", "pattern": $pattern, "description": $doc })
            }
        }
    };
}
pub(crate) use string_form;

/// A string that is not the name it should be.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
#[error("`{found}` is not {what}; expected {expected}")]
pub struct BadName {
    /// What kind of name was expected, with its article.
    pub what: &'static str,
    /// Its alphabet, in words.
    pub expected: &'static str,
    /// What stood there, at most 100 characters of it.
    pub found: String,
}

macro_rules! name {
    ($(#[$meta:meta])* $type:ident, $what:literal, $expected:literal, $pattern:literal, $doc:literal, $check:expr) => {
        $(#[$meta])*
        #[derive(Clone, Eq, Hash, Ord, PartialEq, PartialOrd)]
        pub struct $type(String);

        impl $type {
            /// The name as text.
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        impl FromStr for $type {
            type Err = BadName;

            fn from_str(s: &str) -> Result<Self, BadName> {
                let check: fn(&str) -> bool = $check;
                if check(s) {
                    Ok(Self(s.to_owned()))
                } else {
                    Err(BadName { what: $what, expected: $expected, found: s.chars().take(100).collect() })
                }
            }
        }

        impl fmt::Display for $type {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&self.0)
            }
        }

        impl fmt::Debug for $type {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                fmt::Debug::fmt(&self.0, f)
            }
        }

        string_form!($type, stringify!($type), $pattern, $doc);
    };
}

/// `first` for the first byte, `rest` for the others, at most `max` bytes, no separator at the end.
fn spelled(s: &str, max: usize, first: fn(u8) -> bool, rest: fn(u8) -> bool) -> bool {
    let mut bytes = s.bytes();
    s.len() <= max
        && bytes.next().is_some_and(first)
        && bytes.all(rest)
        && s.bytes().next_back().is_some_and(|b| b.is_ascii_alphanumeric())
}

const fn lower_or_digit(b: u8) -> bool {
    b.is_ascii_lowercase() || b.is_ascii_digit()
}

name! {
    /// The identity of a fix across its revisions, such as `FIX-2026-0007` or a ticket's number.
    FixId, "a fix id", "capital letters, digits and `-`, starting with a letter, at most 40",
    "^[A-Z]([A-Z0-9-]{0,38}[A-Z0-9])?$", "Identity of a fix across its revisions.",
    |s| spelled(s, 40, |b| b.is_ascii_uppercase(), |b| b.is_ascii_uppercase() || b.is_ascii_digit() || b == b'-')
}

name! {
    /// A ticket, such as `OCPBUGS-61296`.
    Ticket, "a ticket", "a project in capital letters, `-` and a number, such as `OCPBUGS-61296`",
    "^[A-Z][A-Z0-9]*-[0-9]+$", "A ticket, such as OCPBUGS-61296.",
    |s| s.split_once('-').is_some_and(|(project, number)| {
        spelled(project, 32, |b| b.is_ascii_uppercase(), |b| b.is_ascii_uppercase() || b.is_ascii_digit())
            && !number.is_empty() && number.len() <= 12 && number.bytes().all(|b| b.is_ascii_digit())
    })
}

name! {
    /// A payload tag, such as `hyperkube`: the name of a component in a release image's
    /// `image-references`.
    ComponentTag, "a payload tag", "lower-case letters, digits and `-`, at most 80",
    "^[a-z0-9]([a-z0-9-]{0,78}[a-z0-9])?$", "A tag of a release payload, such as hyperkube.",
    |s| spelled(s, 80, lower_or_digit, |b| lower_or_digit(b) || b == b'-')
}

name! {
    /// The name of a channel. It stands in a TUF target name and in an OCI tag, so it has neither
    /// `.` nor `/`.
    ChannelName, "a channel name", "lower-case letters, digits and `-`, at most 40",
    "^[a-z0-9]([a-z0-9-]{0,38}[a-z0-9])?$", "Name of a channel.",
    |s| spelled(s, 40, lower_or_digit, |b| lower_or_digit(b) || b == b'-')
}

name! {
    /// A person or a build system, as the trust policy names it.
    PrincipalName, "a principal's name", "lower-case letters, digits, `.`, `_`, `@` and `-`, at most 80",
    "^[a-z0-9]([a-z0-9._@-]{0,78}[a-z0-9])?$", "A person or build system of the trust policy.",
    |s| spelled(s, 80, lower_or_digit, |b| lower_or_digit(b) || matches!(b, b'.' | b'_' | b'@' | b'-'))
}

name! {
    /// The identity of a finding: the check's name and what it is about, such as
    /// `coverage/4.20.7`. A waiver names it.
    FindingId, "a finding id", "lower-case letters, digits, `.`, `_`, `-` and `/`, at most 200",
    "^[a-z0-9]([a-z0-9._/-]{0,198}[a-z0-9])?$", "Identity of a finding, which a waiver names.",
    |s| spelled(s, 200, lower_or_digit, |b| lower_or_digit(b) || matches!(b, b'.' | b'_' | b'-' | b'/'))
}

name! {
    /// A full Git commit id (SHA-1): 40 lower-case hex digits. Short ids are refused; they do not
    /// name one commit for ever.
    Commit, "a commit", "40 lower-case hex digits",
    "^[0-9a-f]{40}$", "A full Git commit id.",
    |s| s.len() == 40 && s.bytes().all(|b| b.is_ascii_digit() || (b'a'..=b'f').contains(&b))
}

name! {
    /// A tag of an OCI repository (distribution-spec v1.1, "Pulling manifests").
    Tag, "a tag", "a letter, digit or `_`, then those, `.` and `-`, at most 128",
    "^[a-zA-Z0-9_][a-zA-Z0-9._-]{0,127}$", "A tag of an OCI repository.",
    |s| s.len() <= 128
        && s.bytes().next().is_some_and(|b| b.is_ascii_alphanumeric() || b == b'_')
        && s.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'_' | b'.' | b'-'))
}

name! {
    /// A path of repository components without a registry, such as `fixes/hyperkube`
    /// (distribution-spec v1.1, "Pulling manifests"). No component is `.` or `..`, so it can be
    /// joined to a directory.
    RepositoryPath, "a repository path", "lower-case path components of letters, digits, `.`, `_` and `-`",
    "^[a-z0-9]+([._-]+[a-z0-9]+)*(/[a-z0-9]+([._-]+[a-z0-9]+)*)*$", "Repository path without a registry.",
    |s| s.len() <= 200 && s.split('/').all(|part| {
        spelled(part, 200, lower_or_digit, |b| lower_or_digit(b) || matches!(b, b'.' | b'_' | b'-'))
    })
}

impl RepositoryPath {
    /// The path `below` below this one. It may be longer than one that is read: cut, it would name
    /// another repository.
    pub(crate) fn joined(&self, below: &Self) -> Self {
        Self(format!("{self}/{below}"))
    }
}

name! {
    /// An absolute path inside an image, such as `/usr/bin/hyperkube`: no empty, `.` or `..`
    /// component, no NUL, no trailing slash.
    ImagePath, "a path in an image", "an absolute path without empty, `.` and `..` components",
    "^(/[^/\\u0000]+)+$", "Absolute path inside an image.",
    |s| s.len() <= 4096 && s.strip_prefix('/').is_some_and(|rest| {
        rest.split('/').all(|part| !matches!(part, "" | "." | "..") && !part.contains('\0'))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ok<T: FromStr<Err = BadName>>(good: &[&str], bad: &[&str]) {
        for s in good {
            assert!(s.parse::<T>().is_ok(), "{s:?} refused");
        }
        for s in bad {
            assert!(s.parse::<T>().is_err(), "{s:?} accepted");
        }
    }

    #[test]
    fn alphabets() {
        ok::<FixId>(
            &["F", "FIX-2026-0007", "OCPBUGS-1"],
            &["", "fix-1", "FIX-", "-F", "FIX_1", "1F", "FIX/1"],
        );
        ok::<Ticket>(
            &["OCPBUGS-61296", "A1-0"],
            &["", "OCPBUGS", "OCPBUGS-", "ocpbugs-1", "OCPBUGS-1a"],
        );
        ok::<ComponentTag>(
            &["etcd", "aws-kms-encryption-provider"],
            &["", "Etcd", "etcd-", "a/b", "a.b"],
        );
        ok::<ChannelName>(&["stable", "canary-2"], &["", "a.b", "a/b", "A", "..", "a-"]);
        ok::<PrincipalName>(
            &["alice", "alice@example.com", "ci.builder"],
            &["", "Alice", "a b", "@a"],
        );
        ok::<FindingId>(&["coverage/4.20.7", "parity"], &["", "/a", "A", "a b"]);
        ok::<Commit>(&[&"0a".repeat(20)], &["", "0a0a", &"0A".repeat(20), &"0g".repeat(20)]);
        ok::<Tag>(
            &["v1", "_x", "4.20.1-x86_64"],
            &["", ".a", "-a", "a/b", "a:b", &"a".repeat(129)],
        );
        ok::<RepositoryPath>(
            &["app", "a/b-c/d.e"],
            &["", "/a", "a/", "a//b", "../a", "A", "a/../b", "a."],
        );
        ok::<ImagePath>(
            &["/a", "/usr/bin/app"],
            &["", "/", "a", "/a/", "/a//b", "/a/../b", "/./a", "/a\0b"],
        );
    }
}
