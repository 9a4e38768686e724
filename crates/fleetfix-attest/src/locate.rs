//! How images and source commits are named in documents of other formats.

use fleetfix_model::name::Commit;
use fleetfix_model::{Digest, Repository};

/// The package URL of an image (package-url `types-doc/oci-definition.md`): the name is the last
/// component of its repository, the version its digest with `:` percent-encoded. A layout on disk
/// is no place that others can read, so only registries are named.
pub fn image(name: &str, digest: Digest, repository: Option<&Repository>) -> String {
    let mut purl = format!("pkg:oci/{name}@sha256%3A{}", digest.hex());
    if let Some(Repository::Registry { registry, path }) = repository {
        let registry = registry.replace(':', "%3A");
        purl.push_str("?repository_url=");
        purl.push_str(&registry);
        purl.push('/');
        purl.push_str(path.as_str());
    }
    purl
}

/// The last component of a repository's name.
pub fn last_component(repository: &Repository) -> String {
    let whole = repository.to_string();
    whole.rsplit(['/', ':']).next().unwrap_or_default().to_owned()
}

/// A source repository as a URL, if it is spelled as one: `git@host:path` is not.
pub fn source_url(source: &str) -> Option<&str> {
    let (scheme, rest) = source.split_once("://")?;
    let plain =
        |text: &str| text.bytes().all(|b| b.is_ascii_graphic() && !b"\"<>\\^`{|}".contains(&b));
    (matches!(scheme, "https" | "http" | "ssh" | "git") && plain(rest)).then_some(source)
}

/// A commit as SPDX and SLSA name it: `git+<url>@<commit>` (slsa.dev/spec/v1.0/provenance,
/// "`ResourceDescriptor`").
pub fn commit(source: &str, commit: &Commit) -> Option<String> {
    source_url(source).map(|url| format!("git+{url}@{commit}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn package_urls() {
        let digest = Digest::of("x");
        let hex = digest.hex();
        let table = [
            (
                Some("quay.io/org/app"),
                format!("pkg:oci/app@sha256%3A{hex}?repository_url=quay.io/org/app"),
            ),
            (
                Some("127.0.0.1:5000/a"),
                format!("pkg:oci/app@sha256%3A{hex}?repository_url=127.0.0.1%3A5000/a"),
            ),
            (Some("oci:some/dir"), format!("pkg:oci/app@sha256%3A{hex}")),
            (None, format!("pkg:oci/app@sha256%3A{hex}")),
        ];
        for (repository, expected) in table {
            let repository = repository.map(|r| r.parse().unwrap());
            assert_eq!(image("app", digest, repository.as_ref()), expected);
        }
    }

    #[test]
    fn last_components() {
        for (repository, expected) in
            [("quay.io/a/b-c", "b-c"), ("oci:dir/app", "app"), ("oci:app", "app")]
        {
            assert_eq!(last_component(&repository.parse().unwrap()), expected);
        }
    }

    #[test]
    fn only_urls_are_urls() {
        assert!(source_url("https://github.com/openshift/hypershift").is_some());
        for bad in [
            "git@github.com:openshift/hypershift",
            "github.com/a",
            "https://a b",
            "javascript://x",
            "",
        ] {
            assert!(source_url(bad).is_none(), "{bad:?}");
        }
    }
}
