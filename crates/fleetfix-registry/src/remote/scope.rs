//! What a request needs permission for (distribution's `docs/spec/auth/scope.md`).

use std::fmt;

/// Permission in one repository. Pushing includes pulling.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(super) struct Scope {
    pub(super) repository: String,
    pub(super) push: bool,
}

impl fmt::Display for Scope {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let actions = if self.push { "pull,push" } else { "pull" };
        write!(f, "repository:{}:{actions}", self.repository)
    }
}

/// The permissions of one request. The first is that of the repository that is asked, and decides
/// the credential; of a mount's two it is the one to push, as some registries look at the first only
/// (google/go-containerregistry `pkg/v1/remote/write.go`, `scopesForUploadingImage`).
#[derive(Clone, Debug, Eq, PartialEq)]
pub(super) struct Scopes(pub(super) Vec<Scope>);

impl Scopes {
    /// Whether a token for `self` does for `needed`.
    pub(super) fn cover(&self, needed: &Self) -> bool {
        let covers = |need: &Scope| {
            self.0
                .iter()
                .any(|have| have.repository == need.repository && (have.push || !need.push))
        };
        // The same first repository, so that a token never stands in for another credential's.
        self.0.first().map(|s| &s.repository) == needed.0.first().map(|s| &s.repository)
            && needed.0.iter().all(covers)
    }

    /// The path that decides the credential.
    pub(super) fn path(&self) -> &str {
        self.0.first().map_or("", |scope| scope.repository.as_str())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn scopes(list: &[(&str, bool)]) -> Scopes {
        Scopes(
            list.iter().map(|(r, push)| Scope { repository: (*r).into(), push: *push }).collect(),
        )
    }

    #[test]
    fn what_covers_what() {
        for (have, needed, covers) in [
            (scopes(&[("a", true)]), scopes(&[("a", false)]), true),
            (scopes(&[("a", false)]), scopes(&[("a", true)]), false),
            (scopes(&[("a", true), ("b", false)]), scopes(&[("a", true)]), true),
            (scopes(&[("a", true), ("b", false)]), scopes(&[("b", false)]), false),
            (scopes(&[("a", true)]), scopes(&[("a", true), ("b", false)]), false),
            (scopes(&[("a", true)]), scopes(&[("b", false)]), false),
        ] {
            assert_eq!(have.cover(&needed), covers, "{have:?} {needed:?}");
        }
        assert_eq!(scopes(&[("a/b", true)]).0[0].to_string(), "repository:a/b:pull,push");
    }
}
