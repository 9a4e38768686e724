//! Manifest and configuration of one image.

use std::collections::BTreeMap;

use fleetfix_model::name::Commit;
use fleetfix_model::{Descriptor, Digest, media};
use serde_json::{Map, Value, json};

use super::{Base, annotate, lineage};
use crate::Error;
use crate::config::Config;
use crate::layer::Layer;
use crate::manifest::{Family, Kind, Manifest};

/// What the new entry of the history says. Fixed: it stands in the image's digest.
const CREATED_BY: &str = "fleetfix-patch";
/// The time of the new entry where the base says none.
const NO_TIME: &str = "1970-01-01T00:00:00Z";

/// What a patch makes of an image.
#[derive(Clone, Copy, Debug)]
pub struct ImagePatch<'a> {
    /// The layer on top.
    pub layer: &'a Layer,
    /// The image that is patched.
    pub base: Base<'a>,
    /// The commit that the files are built from, where it is known: HyperShift's own gate reads it
    /// (`vcs-ref`).
    pub commit: Option<&'a Commit>,
    /// Labels to set.
    pub labels: &'a BTreeMap<String, String>,
}

/// The new manifest and configuration.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct PatchedImage {
    /// Describes the layer.
    pub layer: Descriptor,
    /// Describes the configuration.
    pub config: Descriptor,
    /// Bytes of the configuration.
    pub config_bytes: Vec<u8>,
    /// Describes the manifest.
    pub manifest: Descriptor,
    /// Bytes of the manifest.
    pub manifest_bytes: Vec<u8>,
}

/// Patches one image. `config` are the bytes of the configuration that `manifest` names.
pub fn image(
    manifest: &Manifest,
    config: &[u8],
    patch: ImagePatch<'_>,
) -> Result<PatchedImage, Error> {
    if manifest.kind != Kind::Image {
        return Err(Error::WrongMediaType {
            subject: manifest.subject(),
            expected: "that of an image manifest".into(),
            actual: manifest.media_type.clone(),
        });
    }
    let base = manifest.config()?;
    if !matches!(base.media_type.as_str(), media::OCI_CONFIG | media::DOCKER_CONFIG) {
        return Err(Error::WrongMediaType {
            subject: format!("the configuration of {}", manifest.subject()),
            expected: "that of an image configuration [an artifact cannot be patched]".into(),
            actual: base.media_type,
        });
    }
    let actual = Digest::of(config);
    if actual != base.digest {
        let subject = format!("the configuration of {}", manifest.subject());
        return Err(Error::WrongDigest { subject, expected: base.digest, actual });
    }

    let family = manifest.family();
    let algorithm = patch.layer.algorithm;
    let media_type = family.layer(algorithm).ok_or_else(|| Error::NoMediaType {
        subject: manifest.subject(),
        algorithm: algorithm.name(),
    })?;
    let layer = Descriptor {
        media_type: media_type.to_owned(),
        digest: patch.layer.digest,
        size: patch.layer.size,
    };
    let config_bytes = config_bytes(manifest, Config::parse(config)?, patch)?;
    let config = Descriptor::of(&base.media_type, &config_bytes);
    let manifest_bytes = manifest_bytes(manifest, &config, &layer, patch);
    let manifest = Descriptor::of(&manifest.media_type, &manifest_bytes);
    Ok(PatchedImage { layer, config, config_bytes, manifest, manifest_bytes })
}

fn config_bytes(
    manifest: &Manifest,
    mut config: Config,
    patch: ImagePatch<'_>,
) -> Result<Vec<u8>, Error> {
    let (layers, diff_ids) = (manifest.layers()?.len(), config.diff_ids()?.len());
    if layers != diff_ids {
        return Err(Error::LayerCount { subject: manifest.subject(), layers, diff_ids });
    }
    if let Some(Value::Array(list)) =
        config.raw.get_mut("rootfs").and_then(|r| r.get_mut("diff_ids"))
    {
        list.push(patch.layer.diff_id.to_string().into());
    }

    let created = config.created().unwrap_or(NO_TIME).to_owned();
    // Only where there is a history: a lone entry beside older layers is refused by Quay ("found
    // less history than layer blobs", image/oci/manifest.py).
    if let Some(Value::Array(history)) = config.raw.get_mut("history")
        && !history.is_empty()
    {
        history.push(json!({ "created": created, "created_by": CREATED_BY }));
    }

    // Checks that there are labels or none, before they are written to.
    config.labels()?;
    let mut settings = object(&config.raw, "config");
    let mut labels = object(&settings, "Labels");
    lineage(&mut labels, patch.base);
    if let Some(commit) = patch.commit {
        labels.insert(media::VCS_REF.into(), commit.as_str().into());
        labels.insert(media::REVISION.into(), commit.as_str().into());
    }
    for (name, value) in patch.labels {
        labels.insert(name.clone(), value.as_str().into());
    }
    // What is there already keeps its place.
    settings.insert("Labels".into(), Value::Object(labels));
    config.raw.insert("config".into(), Value::Object(settings));
    Ok(config.to_bytes())
}

fn manifest_bytes(
    manifest: &Manifest,
    config: &Descriptor,
    layer: &Descriptor,
    patch: ImagePatch<'_>,
) -> Vec<u8> {
    let mut raw = manifest.raw.clone();
    if let Some(Value::Object(entry)) = raw.get_mut("config") {
        redirect(entry, config);
    }
    if let Some(Value::Array(layers)) = raw.get_mut("layers") {
        layers.push(json!({
            "mediaType": layer.media_type,
            "digest": layer.digest,
            "size": layer.size,
        }));
    }
    if manifest.family() == Family::Oci {
        annotate(&mut raw, patch.base, patch.commit);
    }
    Value::Object(raw).to_string().into_bytes()
}

/// Points a descriptor to new content, keeping what is not about the content.
pub(super) fn redirect(entry: &mut Map<String, Value>, to: &Descriptor) {
    entry.insert("digest".into(), to.digest.to_string().into());
    entry.insert("size".into(), to.size.into());
    // The old content, embedded (image-spec v1.1 descriptor.md, "Embedded Content").
    entry.shift_remove("data");
}

/// The object at `name`, or an empty one.
fn object(fields: &Map<String, Value>, name: &str) -> Map<String, Value> {
    fields.get(name).and_then(Value::as_object).cloned().unwrap_or_default()
}
