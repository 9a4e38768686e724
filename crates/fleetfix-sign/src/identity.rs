//! What a signature says the image is called: `docker-reference`.
//!
//! The rule is the consumer's. containers/image compares `docker-reference` with the name that was
//! pulled (`matchRepoDigestOrExact`, containers-policy.json.5), and refuses a bare repository
//! even for a pull by digest; with `repository:tag` both the digest and that tag pass (measured
//! with skopeo 1.13.3). So the identity is always `repository:tag`, of the place that the image is
//! pulled from, which need not be the place that it lies at now.

use std::fmt;
use std::str::FromStr;

use fleetfix_model::name::Tag;
use fleetfix_model::reference::NotAReference;
use fleetfix_model::{Reference, Repository};

/// A `docker-reference`: a registry's repository with a tag.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Identity {
    repository: Repository,
    tag: Tag,
}

/// A reference that cannot be an identity.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum NotAnIdentity {
    /// Not a reference at all.
    #[error(transparent)]
    Reference(#[from] NotAReference),
    /// A directory.
    #[error(
        "`{found}` is a directory, which no signature can name [give --docker-reference REGISTRY/PATH:TAG]"
    )]
    Layout {
        /// What was given.
        found: Reference,
    },
    /// No tag.
    #[error(
        "`{found}` has no tag: clusters refuse a signature that names a bare repository, even when they pull by digest [give --docker-reference REGISTRY/PATH:TAG]"
    )]
    NoTag {
        /// What was given.
        found: Reference,
    },
    /// A digest, in an option that is to hold a name.
    #[error(
        "`{found}` has a digest; a signature names repository and tag, and holds the digest in a field of its own"
    )]
    Digest {
        /// What was given.
        found: Reference,
    },
}

impl Identity {
    /// `tag` of a repository of a registry.
    pub fn new(repository: &Repository, tag: Tag) -> Result<Self, NotAnIdentity> {
        Self::of_image(&repository.tagged(tag))
    }

    /// The identity of the image at `reference`, where nobody says another: its own name and tag.
    /// A digest beside the tag says which image it is, not what it is called.
    pub fn of_image(reference: &Reference) -> Result<Self, NotAnIdentity> {
        if reference.repository.layout_dir().is_some() {
            return Err(NotAnIdentity::Layout { found: reference.clone() });
        }
        match &reference.tag {
            Some(tag) => Ok(Self { repository: reference.repository.clone(), tag: tag.clone() }),
            None => Err(NotAnIdentity::NoTag { found: reference.clone() }),
        }
    }
}

impl fmt::Display for Identity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", self.repository, self.tag)
    }
}

impl FromStr for Identity {
    type Err = NotAnIdentity;

    fn from_str(s: &str) -> Result<Self, NotAnIdentity> {
        let reference: Reference = s.parse()?;
        if reference.digest.is_some() {
            return Err(NotAnIdentity::Digest { found: reference });
        }
        Self::of_image(&reference)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const D: &str = "sha256:e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";

    #[test]
    fn always_a_repository_and_a_tag() {
        let good = "quay.io/fleet/hypershift:fix-1-r1-0123456789ab";
        assert_eq!(good.parse::<Identity>().unwrap().to_string(), good);
        for (bad, expected) in [
            ("quay.io/fleet/hypershift", "bare repository"),
            (&*format!("quay.io/fleet/hypershift@{D}"), "digest"),
            (&*format!("{good}@{D}"), "digest"),
            ("oci:dir:v1", "directory"),
            ("hypershift:v1", "registry"),
        ] {
            let error = bad.parse::<Identity>().unwrap_err().to_string();
            assert!(error.contains(expected), "{bad}: {error}");
        }
    }

    #[test]
    fn an_image_by_digest_keeps_its_tag() {
        let by = |s: &str| Identity::of_image(&s.parse().unwrap()).map(|i| i.to_string());
        assert_eq!(by(&format!("quay.io/a/b:v1@{D}")).unwrap(), "quay.io/a/b:v1");
        assert!(matches!(by(&format!("quay.io/a/b@{D}")), Err(NotAnIdentity::NoTag { .. })));
        assert!(matches!(by("oci:dir:v1"), Err(NotAnIdentity::Layout { .. })));
    }
}
