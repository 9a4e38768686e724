//! Manifests and indexes as they came: parsed enough to walk them, kept raw so that what we do not
//! know survives an edit (image-spec v1.1 manifest.md and image-index.md; Docker's schema 2).

use std::collections::BTreeMap;

use fleetfix_model::canonical::from_bounded_json;
use fleetfix_model::{Descriptor, Digest, Platform, media};
use serde_json::{Map, Value};

use crate::Error;
use crate::layer::Algorithm;

/// Largest manifest or index that is read, in bytes: the least that registries must accept
/// (distribution-spec v1.1, "Pushing Manifests").
pub const MAX_SIZE: usize = 4 << 20;

/// What a manifest is.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Kind {
    /// An image, or an artifact in the form of one: a configuration and layers.
    Image,
    /// A list of manifests.
    Index,
    /// Anything else, such as Docker's schema 1.
    Other,
}

/// Two families with the same structure and different media types. A patched image stays in the
/// family of its base: others refuse a mixture.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Family {
    /// The Open Container Initiative's.
    Oci,
    /// Docker's image manifest version 2, schema 2. It has no annotations.
    Docker,
}

impl Family {
    /// The family that a media type of a manifest, index, configuration or layer belongs to.
    pub fn of(media_type: &str) -> Self {
        if media_type.starts_with("application/vnd.docker.") { Self::Docker } else { Self::Oci }
    }

    /// The media type of a layer; `None`: the family has none.
    pub const fn layer(self, algorithm: Algorithm) -> Option<&'static str> {
        match (self, algorithm) {
            (Self::Oci, Algorithm::Gzip) => Some(media::OCI_LAYER_GZIP),
            (Self::Oci, Algorithm::Zstd) => Some(media::OCI_LAYER_ZSTD),
            (Self::Oci, Algorithm::None) => Some(media::OCI_LAYER),
            (Self::Docker, Algorithm::Gzip) => Some(media::DOCKER_LAYER_GZIP),
            (Self::Docker, Algorithm::Zstd) => None,
            (Self::Docker, Algorithm::None) => Some(media::DOCKER_LAYER),
        }
    }
}

/// A manifest or index.
#[derive(Clone, Debug)]
pub struct Manifest {
    /// Its media type: what it was fetched as, else what it says, else what its fields show.
    pub media_type: String,
    /// What the media type makes of it.
    pub kind: Kind,
    /// The JSON in its order.
    pub raw: Map<String, Value>,
    /// The bytes as they came; the digest is over these.
    pub bytes: Vec<u8>,
}

impl Manifest {
    /// Parses `bytes`. `media_type` is what the registry or a descriptor calls them; a manifest
    /// that calls itself something else is refused, as is one that could be read as two kinds
    /// (CVE-2021-41190).
    pub fn parse(media_type: Option<&str>, bytes: &[u8]) -> Result<Self, Error> {
        let subject = || format!("manifest {}", Digest::of(bytes));
        if bytes.len() > MAX_SIZE {
            return Err(Error::TooLarge { subject: subject(), limit: MAX_SIZE as u64 });
        }
        let value = from_bounded_json(bytes)
            .map_err(|source| Error::Json { subject: subject(), source })?;
        let Value::Object(raw) = value else {
            return Err(Error::field(subject(), ".", "is not an object"));
        };
        let own = match raw.get("mediaType") {
            None => None,
            Some(Value::String(own)) => Some(own.as_str()),
            Some(_) => return Err(Error::field(subject(), "mediaType", "is not a string")),
        };
        let given = media_type.map(|m| m.split(';').next().unwrap_or(m).trim());
        if let (Some(given), Some(own)) = (given, own)
            && given != own
        {
            return Err(Error::WrongMediaType {
                subject: subject(),
                expected: format!("`{given}`"),
                actual: own.to_owned(),
            });
        }
        let image_like = ["config", "layers", "fsLayers"].iter().any(|k| raw.contains_key(*k));
        let index_like = raw.contains_key("manifests");
        if image_like && index_like {
            return Err(Error::field(subject(), "manifests", "stands beside `config` or `layers`"));
        }
        let media_type = match (given.or(own), image_like, index_like) {
            (Some(known), ..) => known,
            (None, true, _) => media::OCI_MANIFEST,
            (None, _, true) => media::OCI_INDEX,
            (None, false, false) => {
                return Err(Error::field(
                    subject(),
                    "mediaType",
                    "is missing, and no field shows it",
                ));
            }
        };
        let kind = match media_type {
            media::OCI_MANIFEST | media::DOCKER_MANIFEST => Kind::Image,
            media::OCI_INDEX | media::DOCKER_INDEX => Kind::Index,
            _ => Kind::Other,
        };
        if (kind == Kind::Image && index_like) || (kind == Kind::Index && image_like) {
            return Err(Error::WrongMediaType {
                subject: subject(),
                expected: "the one that its fields show".into(),
                actual: media_type.to_owned(),
            });
        }
        Ok(Self { media_type: media_type.to_owned(), kind, raw, bytes: bytes.to_vec() })
    }

    /// The digest of the bytes.
    pub fn digest(&self) -> Digest {
        Digest::of(&self.bytes)
    }

    /// The descriptor of the bytes.
    pub fn descriptor(&self) -> Descriptor {
        Descriptor::of(&self.media_type, &self.bytes)
    }

    /// The family of the media type.
    pub fn family(&self) -> Family {
        Family::of(&self.media_type)
    }

    /// Names it in messages.
    pub fn subject(&self) -> String {
        let kind = if self.kind == Kind::Index { "index" } else { "manifest" };
        format!("{kind} {}", self.digest())
    }

    /// The configuration of an image.
    pub fn config(&self) -> Result<RawDescriptor, Error> {
        self.descriptor_at("config")?.ok_or_else(|| self.field("config", "is missing"))
    }

    /// The layers of an image, the lowest first.
    pub fn layers(&self) -> Result<Vec<RawDescriptor>, Error> {
        self.list("layers")
    }

    /// The manifests of an index, in order.
    pub fn children(&self) -> Result<Vec<RawDescriptor>, Error> {
        self.list("manifests")
    }

    /// The manifest that this one is about (image-spec v1.1 manifest.md, `subject`).
    pub fn subject_descriptor(&self) -> Result<Option<RawDescriptor>, Error> {
        self.descriptor_at("subject")
    }

    /// `artifactType`, where there is one.
    pub fn artifact_type(&self) -> Option<&str> {
        self.raw.get("artifactType").and_then(Value::as_str)
    }

    /// The annotations; empty where there are none.
    pub fn annotations(&self) -> Result<BTreeMap<String, String>, Error> {
        strings(&self.raw, "annotations").map_err(|reason| self.field("annotations", reason))
    }

    fn descriptor_at(&self, field: &str) -> Result<Option<RawDescriptor>, Error> {
        match self.raw.get(field) {
            None | Some(Value::Null) => Ok(None),
            Some(value) => RawDescriptor::parse(&self.subject(), field, value).map(Some),
        }
    }

    fn list(&self, field: &str) -> Result<Vec<RawDescriptor>, Error> {
        let Some(Value::Array(items)) = self.raw.get(field) else {
            return Err(self.field(field, "is not a list"));
        };
        let subject = self.subject();
        let parse = |(i, item)| RawDescriptor::parse(&subject, &format!("{field}[{i}]"), item);
        items.iter().enumerate().map(parse).collect()
    }

    fn field(&self, field: &str, reason: &str) -> Error {
        Error::field(self.subject(), field, reason)
    }
}

/// A descriptor in somebody else's manifest, with all its fields.
#[derive(Clone, Debug, PartialEq)]
pub struct RawDescriptor {
    /// Media type of the content.
    pub media_type: String,
    /// Digest of the content.
    pub digest: Digest,
    /// Size of the content in bytes.
    pub size: u64,
    /// All of its fields in their order.
    pub raw: Map<String, Value>,
}

impl RawDescriptor {
    /// Parses the descriptor at `field` of `subject`, both for messages.
    pub fn parse(subject: &str, field: &str, value: &Value) -> Result<Self, Error> {
        let at = |name: &str, reason: &str| {
            Error::field(subject, format!("{field}.{name}"), reason.to_owned())
        };
        let raw = value
            .as_object()
            .ok_or_else(|| Error::field(subject, field, "is not a descriptor"))?
            .clone();
        let text = |name: &str| {
            raw.get(name).and_then(Value::as_str).ok_or_else(|| at(name, "is not a string"))
        };
        let media_type = text("mediaType")?.to_owned();
        let digest = text("digest")?
            .parse()
            .map_err(|e: fleetfix_model::digest::NotADigest| at("digest", &e.to_string()))?;
        let size = raw
            .get("size")
            .and_then(Value::as_u64)
            .ok_or_else(|| at("size", "is not a number of bytes"))?;
        strings(&raw, "annotations").map_err(|reason| at("annotations", reason))?;
        Ok(Self { media_type, digest, size, raw })
    }

    /// The three fields that name the content.
    pub fn descriptor(&self) -> Descriptor {
        Descriptor { media_type: self.media_type.clone(), digest: self.digest, size: self.size }
    }

    /// The annotations; empty where there are none.
    pub fn annotations(&self) -> BTreeMap<String, String> {
        strings(&self.raw, "annotations").unwrap_or_default()
    }

    /// One annotation.
    pub fn annotation(&self, name: &str) -> Option<&str> {
        self.raw.get("annotations")?.get(name)?.as_str()
    }

    /// The platform of an entry of an index. `None`: it names none, or none that can be written
    /// as `os/architecture[/variant]`.
    pub fn platform(&self) -> Option<Platform> {
        platform(self.raw.get("platform")?.as_object()?)
    }

    /// True if the content lies elsewhere (`urls`): such layers are kept in the manifest and
    /// never moved (image-spec v1.1 descriptor.md).
    pub fn is_foreign(&self) -> bool {
        self.raw.get("urls").and_then(Value::as_array).is_some_and(|urls| !urls.is_empty())
    }

    /// True for an entry of an index that is an image manifest to run. Build attestations are
    /// image manifests too, under the platform `unknown/unknown` or with a reference type
    /// (`BuildKit`, docs/attestations/attestation-storage.md).
    pub fn is_image(&self) -> bool {
        matches!(self.media_type.as_str(), media::OCI_MANIFEST | media::DOCKER_MANIFEST)
            && self.annotation("vnd.docker.reference.type").is_none()
            && !self.is_artifact()
            && self
                .platform()
                .is_none_or(|p| (p.os.as_str(), p.architecture.as_str()) != ("unknown", "unknown"))
    }

    /// True for an artifact beside the images. An image may state its configuration's type as its
    /// artifact type (image-spec v1.1 descriptor.md), and runtimes choose by the platform alone: what
    /// names one is an image to them.
    fn is_artifact(&self) -> bool {
        let of_images = [media::OCI_CONFIG, media::DOCKER_CONFIG];
        let kind = self.raw.get("artifactType").filter(|kind| !kind.is_null());
        let platform = self.raw.get("platform").filter(|platform| !platform.is_null());
        kind.is_some_and(|kind| kind.as_str().is_none_or(|kind| !of_images.contains(&kind)))
            && platform.is_none()
    }

    /// The image in the same index that an entry is about, by `BuildKit`'s annotation.
    pub fn refers_to(&self) -> Option<Digest> {
        self.annotation("vnd.docker.reference.digest")?.parse().ok()
    }
}

/// Reads `os`, `architecture` and `variant` of a platform or a configuration.
pub(crate) fn platform(fields: &Map<String, Value>) -> Option<Platform> {
    let text = |name: &str| fields.get(name).and_then(Value::as_str).filter(|s| !s.is_empty());
    let (os, architecture) = (text("os")?, text("architecture")?);
    match text("variant") {
        Some(variant) => format!("{os}/{architecture}/{variant}").parse().ok(),
        None => format!("{os}/{architecture}").parse().ok(),
    }
}

/// A map of strings; `null` and absence are both an empty one.
pub(crate) fn strings(
    fields: &Map<String, Value>,
    name: &str,
) -> Result<BTreeMap<String, String>, &'static str> {
    match fields.get(name) {
        None | Some(Value::Null) => Ok(BTreeMap::new()),
        Some(Value::Object(map)) => map
            .iter()
            .map(|(key, value)| match value {
                Value::String(text) => Ok((key.clone(), text.clone())),
                _ => Err("has a value that is not a string"),
            })
            .collect(),
        Some(_) => Err("is not an object"),
    }
}

#[cfg(test)]
mod tests;
