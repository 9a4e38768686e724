//! References to content: in a registry, or in an OCI image layout on disk.
//!
//! A registry reference is spelled as everywhere (`registry.example/org/app:tag@sha256:...`) and
//! always names its registry: a short name would let a search list decide where content comes
//! from. A layout is spelled as skopeo and podman do, `oci:DIR[:TAG|@DIGEST]`; one directory is
//! one repository.

use std::fmt;
use std::path::{Path, PathBuf};
use std::str::FromStr;

use crate::Digest;
use crate::name::{RepositoryPath, Tag};

/// Where content with one name space of tags and digests lies.
#[derive(Clone, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub enum Repository {
    /// A repository of a registry.
    Registry {
        /// Host and optional port.
        registry: String,
        /// Path of the repository in the registry.
        path: RepositoryPath,
    },
    /// An OCI image layout directory (image-spec v1.1, image-layout.md).
    Layout(PathBuf),
}

/// A repository and what is meant in it.
#[derive(Clone, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub struct Reference {
    /// Where it lies.
    pub repository: Repository,
    /// The tag, if one is named.
    pub tag: Option<Tag>,
    /// The digest, if one is named. With both, the digest decides.
    pub digest: Option<Digest>,
}

/// A string that is not a reference.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
#[error("`{found}` is not a reference: {reason}")]
pub struct NotAReference {
    /// What stood there, at most 300 characters of it.
    pub found: String,
    /// Why, and what is expected.
    pub reason: String,
}

impl Repository {
    /// This repository with a tag.
    pub fn tagged(&self, tag: Tag) -> Reference {
        Reference { repository: self.clone(), tag: Some(tag), digest: None }
    }

    /// This repository with a digest.
    pub fn at(&self, digest: Digest) -> Reference {
        Reference { repository: self.clone(), tag: None, digest: Some(digest) }
    }

    /// The repository `path` below this one: a longer name in a registry, a subdirectory on disk.
    ///
    /// Both may be so long that nothing reads the name of what they make any more; documents are held
    /// to that ([`Repository::has_room_for`]).
    #[must_use]
    pub fn below(&self, path: &RepositoryPath) -> Self {
        match self {
            Self::Registry { registry, path: base } => {
                Self::Registry { registry: registry.clone(), path: base.joined(path) }
            }
            Self::Layout(dir) => Self::Layout(dir.join(path.as_str())),
        }
    }

    /// True if the name of the repository `path` below this one can be read again.
    pub fn has_room_for(&self, path: &RepositoryPath) -> bool {
        self.below(path).to_string().parse::<Self>().is_ok()
    }

    /// The repository that this one lies below of: its name without the last component. `None`
    /// where there is only one component.
    pub fn parent(&self) -> Option<Self> {
        match self {
            Self::Registry { registry, path } => {
                let (parent, _) = path.as_str().rsplit_once('/')?;
                Some(Self::Registry { registry: registry.clone(), path: parent.parse().ok()? })
            }
            Self::Layout(dir) => dir.parent().map(|parent| Self::Layout(parent.to_owned())),
        }
    }

    /// The directory of a layout.
    pub fn layout_dir(&self) -> Option<&Path> {
        match self {
            Self::Layout(dir) => Some(dir),
            Self::Registry { .. } => None,
        }
    }
}

impl fmt::Display for Repository {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Registry { registry, path } => write!(f, "{registry}/{path}"),
            Self::Layout(dir) => write!(f, "oci:{}", dir.display()),
        }
    }
}

impl fmt::Display for Reference {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(&self.repository, f)?;
        if let Some(tag) = &self.tag {
            write!(f, ":{tag}")?;
        }
        if let Some(digest) = &self.digest {
            write!(f, "@{digest}")?;
        }
        Ok(())
    }
}

impl FromStr for Repository {
    type Err = NotAReference;

    fn from_str(s: &str) -> Result<Self, NotAReference> {
        let reference: Reference = s.parse()?;
        if reference.tag.is_some() || reference.digest.is_some() {
            return Err(refuse(s, "a repository is expected, without tag and digest"));
        }
        Ok(reference.repository)
    }
}

impl FromStr for Reference {
    type Err = NotAReference;

    fn from_str(s: &str) -> Result<Self, NotAReference> {
        match s.strip_prefix("oci:") {
            Some(rest) => layout(s, rest),
            None => registry(s),
        }
    }
}

fn refuse(found: &str, reason: impl Into<String>) -> NotAReference {
    NotAReference { found: found.chars().take(300).collect(), reason: reason.into() }
}

/// `DIR`, `DIR:TAG`, `DIR@DIGEST` or `DIR:TAG@DIGEST`.
fn layout(whole: &str, rest: &str) -> Result<Reference, NotAReference> {
    let (rest, digest) = match rest.rsplit_once("@sha256:") {
        Some((before, hex)) => {
            let digest =
                format!("sha256:{hex}").parse().map_err(|e| refuse(whole, format!("{e}")))?;
            (before, Some(digest))
        }
        None => (rest, None),
    };
    let (dir, tag) = match rest.rsplit_once(':') {
        Some((dir, tag)) if !tag.contains('/') => {
            (dir, Some(tag.parse().map_err(|e| refuse(whole, format!("{e}")))?))
        }
        _ => (rest, None),
    };
    if dir.is_empty() {
        return Err(refuse(whole, "expected a directory after `oci:`"));
    }
    Ok(Reference { repository: Repository::Layout(PathBuf::from(dir)), tag, digest })
}

/// The grammar is distribution's (`reference/regexp.go`), less its defaults: no implied registry and
/// no implied `latest`. By hand: the one regular expression that says it takes 18 MB of memory.
fn registry(s: &str) -> Result<Reference, NotAReference> {
    let names_registry = s
        .split_once('/')
        .is_some_and(|(host, _)| host.contains('.') || host.contains(':') || host == "localhost");
    if !names_registry {
        return Err(refuse(
            s,
            "expected `registry.example/path[:tag][@sha256:...]` with the registry named, or `oci:DIR[:TAG|@DIGEST]`",
        ));
    }
    let (rest, digest) = match s.split_once('@') {
        Some((rest, digest)) => {
            (rest, Some(digest.parse().map_err(|e| refuse(s, format!("{e}")))?))
        }
        None => (s, None),
    };
    let (host, path) = rest.split_once('/').unwrap_or((rest, ""));
    let (path, tag) = match path.split_once(':') {
        Some((path, tag)) => (path, Some(tag.parse().map_err(|e| refuse(s, format!("{e}")))?)),
        None => (path, None),
    };
    if !is_host(host) {
        return Err(refuse(s, format!("`{host}` is not a host with an optional port")));
    }
    if !path.split('/').all(is_component) {
        return Err(refuse(
            s,
            format!(
                "`{path}` is not a repository: expected lower-case letters and digits, joined by `.`, `_`, `__` or `-`"
            ),
        ));
    }
    // Docker Hub has an older name, and images of its own without a namespace.
    let host = if host == "index.docker.io" { "docker.io" } else { host };
    let path = match path {
        path if host == "docker.io" && !path.contains('/') => format!("library/{path}"),
        path => path.to_owned(),
    };
    let path = path.parse().map_err(|e| refuse(s, format!("{e}")))?;
    Ok(Reference {
        repository: Repository::Registry { registry: host.to_owned(), path },
        tag,
        digest,
    })
}

/// Labels of letters, digits and inner hyphens, joined by dots, and a port.
fn is_host(host: &str) -> bool {
    let (name, port) = host.split_once(':').unwrap_or((host, "0"));
    let is_label = |label: &str| {
        let inner = label.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-');
        inner && !label.is_empty() && !label.starts_with('-') && !label.ends_with('-')
    };
    name.split('.').all(is_label) && !port.is_empty() && port.bytes().all(|b| b.is_ascii_digit())
}

/// Runs of lower-case letters and digits, joined by a dot, one or two underscores, or hyphens.
fn is_component(component: &str) -> bool {
    let is_word = |b: char| b.is_ascii_lowercase() || b.is_ascii_digit();
    let separators = component.split(is_word).filter(|separator| !separator.is_empty());
    let joined = |s: &str| matches!(s, "." | "_" | "__") || s.bytes().all(|b| b == b'-');
    component.starts_with(is_word) && component.ends_with(is_word) && { separators }.all(joined)
}

crate::name::string_form!(
    Reference,
    "Reference",
    "^.+$",
    "registry/path[:tag][@digest] or oci:DIR[:TAG|@DIGEST]."
);
crate::name::string_form!(Repository, "Repository", "^.+$", "registry/path or oci:DIR.");

#[cfg(test)]
mod tests {
    use super::*;

    const D: &str = "sha256:e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";

    #[test]
    fn round_trip() {
        for s in [
            "quay.io/org/app",
            "quay.io/org/app:v1",
            "quay.io/org/app:latest",
            "localhost/app:v1",
            "127.0.0.1:5000/a/b/c:v1",
            &format!("quay.io/org/app@{D}"),
            &format!("quay.io/org/app:v1@{D}"),
            "oci:dir",
            "oci:/a/b:v1",
            &format!("oci:./dir@{D}"),
            &format!("oci:dir:v1@{D}"),
        ] {
            let parsed: Reference = s.parse().unwrap();
            assert_eq!(parsed.to_string(), s);
        }
    }

    #[test]
    fn no_default_registry_and_no_default_tag() {
        for s in [
            "",
            "app",
            "app:v1",
            "org/app:v1",
            "oci:",
            "oci::v1",
            "quay.io/",
            "quay.io/A:v1",
            "quay.io/app:",
            "quay.io/app@sha256:12",
            "oci:dir@sha256:12",
            "quay.io/../x:v1",
            "https://quay.io/app",
        ] {
            assert!(s.parse::<Reference>().is_err(), "{s:?}");
        }
        assert_eq!("quay.io/app".parse::<Reference>().unwrap().tag, None);
    }

    /// What oci-spec's regular expression makes of it, less its defaults.
    fn by_expression(s: &str) -> Option<(String, String, Option<String>, Option<String>)> {
        let host = s.split_once('/')?.0;
        if !(host.contains('.') || host.contains(':') || host == "localhost") {
            return None;
        }
        let parsed: oci_spec::distribution::Reference = s.parse().ok()?;
        let tag = parsed.tag().filter(|tag| s.contains(&format!(":{tag}"))).map(str::to_owned);
        parsed.repository().parse::<RepositoryPath>().ok()?;
        let digest = parsed.digest().map(str::to_owned);
        digest.as_ref().map_or(Ok(()), |d| d.parse::<Digest>().map(drop)).ok()?;
        Some((parsed.registry().to_owned(), parsed.repository().to_owned(), tag, digest))
    }

    fn by_hand(s: &str) -> Option<(String, String, Option<String>, Option<String>)> {
        let parsed: Reference = s.parse().ok()?;
        let Repository::Registry { registry, path } = parsed.repository else { return None };
        let (tag, digest) = (parsed.tag, parsed.digest);
        Some((
            registry,
            path.to_string(),
            tag.map(|t| t.to_string()),
            digest.map(|d| d.to_string()),
        ))
    }

    #[test]
    fn registries_of_every_spelling() {
        for s in [
            "docker.io/ubuntu:22",
            "docker.io/a/b",
            "index.docker.io/ubuntu",
            "localhost/a",
            "localhost:1/a",
            "a-b.C:5000/a__b/c--d/e.f",
            "q.io/a._b",
            "q.io/a___b",
            "q.io/a-_b",
            "q.io/-a",
            "q.io:/a",
            "q..io/a",
            "-q.io/a",
            "q.io/a//b",
            "q.io/a:b:c",
            "q.io/a@b@c",
            "q.io/a:v@x",
            "[::1]:5000/a",
            "u@q.io/a",
            "q.io/ä",
        ] {
            assert_eq!(by_hand(s), by_expression(s), "{s}");
        }
    }

    proptest::proptest! {
        #[test]
        fn the_grammar_is_distributions(host in "[a-zA-Z0-9.:-]{1,10}", rest in "[a-zA-Z0-9._:/@-]{0,16}") {
            let s = format!("{host}/{rest}");
            proptest::prop_assert_eq!(by_hand(&s), by_expression(&s));
        }

        #[test]
        fn good_ones_are_the_same(path in "[a-z0-9]{1,4}([._-]{0,2}[a-z0-9/]{1,4}){0,3}", tag in "(:[a-z0-9_.-]{1,4})?") {
            let s = format!("quay.io/{path}{tag}");
            proptest::prop_assert_eq!(by_hand(&s), by_expression(&s));
        }
    }

    #[test]
    fn below_and_parent_are_inverse() {
        for s in ["quay.io/fleet", "oci:dir/fleet"] {
            let base: Repository = s.parse().unwrap();
            let below = base.below(&"app".parse().unwrap());
            assert_eq!(below.to_string(), format!("{s}/app"));
            assert_eq!(below.parent(), Some(base));
        }
    }

    #[test]
    fn a_name_below_is_never_cut() {
        let long = format!("quay.io/{}", "a".repeat(190));
        let base: Repository = long.parse().unwrap();
        for (path, room) in [("a23456789", true), ("a2345678901", false)] {
            let path: RepositoryPath = path.parse().unwrap();
            assert_eq!(base.below(&path).to_string(), format!("{long}/{path}"));
            assert_eq!(base.has_room_for(&path), room, "{path}");
        }
    }
}
