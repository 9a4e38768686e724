//! The two files of a release.

use std::collections::BTreeMap;

use fleetfix_model::canonical::{self, from_bounded_json, typed};
use fleetfix_model::name::{Commit, ComponentTag};
use fleetfix_model::{Reference, Version};
use serde::Deserialize;

/// The image stream of a release.
pub const IMAGE_REFERENCES: &str = "release-manifests/image-references";
/// Version and neighbours of a release.
pub const RELEASE_METADATA: &str = "release-manifests/release-metadata";

/// Annotation of a tag: the commit that its image was built from
/// (openshift/oc `pkg/cli/admin/release/annotations.go`).
const COMMIT: &str = "io.openshift.build.commit.id";
/// Annotation of a tag: the URL of its source repository.
const SOURCE: &str = "io.openshift.build.source-location";

/// The image of one component.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Component {
    /// The image, by digest.
    pub pullspec: Reference,
    /// The commit that it was built from, where the release says one in full.
    pub commit: Option<Commit>,
    /// URL of its source repository.
    pub source: Option<String>,
}

/// What stands in `image-references`.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct ImageReferences {
    /// The name of the image stream: HyperShift takes it for the version
    /// (`support/releaseinfo/releaseinfo.go`).
    pub name: String,
    /// The components.
    pub components: BTreeMap<ComponentTag, Component>,
}

/// What is wrong with a file.
#[derive(Debug)]
pub(crate) enum Problem {
    /// It is not the JSON that it should be.
    Json(canonical::Error),
    /// A field breaks a rule.
    Field(String, String),
}

impl From<canonical::Error> for Problem {
    fn from(error: canonical::Error) -> Self {
        Self::Json(error)
    }
}

#[derive(Deserialize)]
struct ImageStream {
    kind: String,
    metadata: Named,
    spec: Spec,
}

#[derive(Deserialize)]
struct Named {
    name: String,
}

#[derive(Deserialize)]
struct Spec {
    tags: Vec<Tag>,
}

#[derive(Deserialize)]
struct Tag {
    name: String,
    #[serde(default)]
    annotations: Option<BTreeMap<String, String>>,
    from: From_,
}

#[derive(Deserialize)]
struct From_ {
    kind: String,
    name: String,
}

#[derive(Deserialize)]
struct Metadata {
    version: Version,
}

/// Reads `image-references`. Tags that cannot be a component's name are passed over: nothing can
/// ask for them.
pub(crate) fn image_references(bytes: &[u8]) -> Result<ImageReferences, Problem> {
    let stream: ImageStream = from_bounded_json(bytes).and_then(typed)?;
    if stream.kind != "ImageStream" {
        let problem = format!("is `{}`, expected `ImageStream`", stream.kind);
        return Err(Problem::Field("kind".into(), problem));
    }
    let mut components = BTreeMap::new();
    for (i, tag) in stream.spec.tags.into_iter().enumerate() {
        let field =
            |name: &str, problem: String| Problem::Field(format!("spec.tags[{i}].{name}"), problem);
        let Ok(name) = tag.name.parse::<ComponentTag>() else { continue };
        if tag.from.kind != "DockerImage" {
            let problem = format!("is `{}`, expected `DockerImage`", tag.from.kind);
            return Err(field("from.kind", problem));
        }
        let pullspec: Reference =
            tag.from.name.parse().map_err(|e| field("from.name", format!("{e}")))?;
        // A reference to a layout on disk means nothing to others.
        if pullspec.digest.is_none() || pullspec.repository.layout_dir().is_some() {
            let problem = format!("`{pullspec}` does not name an image of a registry by digest");
            return Err(field("from.name", problem));
        }
        let annotation = |key: &str| {
            tag.annotations.as_ref().and_then(|a| a.get(key)).filter(|value| !value.is_empty())
        };
        let component = Component {
            commit: annotation(COMMIT).and_then(|commit| commit.parse().ok()),
            source: annotation(SOURCE).cloned(),
            pullspec,
        };
        if components.insert(name, component).is_some() {
            return Err(field("name", format!("`{}` stands there twice", tag.name)));
        }
    }
    Ok(ImageReferences { name: stream.metadata.name, components })
}

/// Reads the version out of `release-metadata`.
pub(crate) fn version(bytes: &[u8]) -> Result<Version, Problem> {
    let metadata: Metadata = from_bounded_json(bytes).and_then(typed)?;
    Ok(metadata.version)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn stream(tags: &str) -> String {
        format!(
            r#"{{"kind":"ImageStream","apiVersion":"image.openshift.io/v1","metadata":{{"name":"4.20.1","creationTimestamp":null}},"spec":{{"lookupPolicy":{{"local":false}},"tags":[{tags}]}},"status":{{}}}}"#
        )
    }

    fn tag(name: &str, image: &str, annotations: &str) -> String {
        format!(
            r#"{{"name":"{name}","annotations":{annotations},"from":{{"kind":"DockerImage","name":"{image}"}},"generation":2}}"#
        )
    }

    fn image() -> String {
        format!("quay.io/openshift-release-dev/ocp-v4.0-art-dev@sha256:{}", "a".repeat(64))
    }

    #[test]
    fn components() {
        let commit = "0".repeat(40);
        let annotations = format!(
            r#"{{"{COMMIT}":"{commit}","{SOURCE}":"https://github.com/openshift/hypershift"}}"#
        );
        let tags = [
            tag("hypershift", &image(), &annotations),
            tag("etcd", &image(), r#"{"io.openshift.build.commit.id":"","x":"y"}"#),
            tag("cli", &image(), "null"),
            tag("Not.A.Tag", &image(), "{}"),
        ];
        let found = image_references(stream(&tags.join(",")).as_bytes()).unwrap();
        assert_eq!(found.name, "4.20.1");
        let names: Vec<&str> = found.components.keys().map(ComponentTag::as_str).collect();
        assert_eq!(names, ["cli", "etcd", "hypershift"]);
        let component = &found.components[&"hypershift".parse().unwrap()];
        assert_eq!(component.commit.as_ref().unwrap().as_str(), commit);
        assert_eq!(component.source.as_deref(), Some("https://github.com/openshift/hypershift"));
        assert_eq!(found.components[&"etcd".parse().unwrap()].commit, None);
    }

    #[test]
    fn malformed() {
        let twice = [tag("etcd", &image(), "{}"), tag("etcd", &image(), "{}")].join(",");
        for (text, field) in [
            (stream("{}"), "tags"),
            (stream(&tag("etcd", "quay.io/a/b:v1", "{}")), "from.name"),
            (stream(&tag("etcd", "etcd", "{}")), "from.name"),
            (stream(&tag("etcd", &image().replace("quay.io/", "oci:"), "{}")), "from.name"),
            (stream(&twice), "spec.tags[1].name"),
            (stream("").replace("ImageStream", "List"), "kind"),
            (
                stream(&tag("etcd", &image(), "{}")).replace("DockerImage", "ImageStreamTag"),
                "from.kind",
            ),
            ("{".into(), "Syntax"),
            (r#"{"kind":"ImageStream"}"#.into(), "metadata"),
        ] {
            let problem = format!("{:?}", image_references(text.as_bytes()).unwrap_err());
            assert!(problem.contains(field), "{text}: {problem}");
        }
    }

    #[test]
    fn versions() {
        let text = br#"{"kind":"cincinnati-metadata-v0","version":"4.20.1","previous":["4.20.0"],"metadata":{"url":"https://x"}}"#;
        assert_eq!(version(text).unwrap().to_string(), "4.20.1");
        for bad in [&b""[..], b"{}", br#"{"version":"4.20"}"#, br#"{"version":1}"#] {
            assert!(version(bad).is_err());
        }
    }
}
