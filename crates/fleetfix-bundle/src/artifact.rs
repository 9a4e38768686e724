//! The OCI form of a bundle: an artifact manifest whose layers are the documents.

use fleetfix_model::canonical::Error;
use fleetfix_model::document::FixBundle;
use fleetfix_model::{Descriptor, Digest, ToCanonical, media};
use serde::Serialize;

use crate::input::Input;

/// The bytes that an artifact without a config has as config (image-spec v1.1, manifest.md,
/// "Guidance for an Empty Descriptor").
const EMPTY: &[u8] = b"{}";
/// Annotation of a layer: the file name it gets when the artifact is pulled to a directory, as by
/// `oras pull` (image-spec v1.1, annotations.md).
const TITLE: &str = "org.opencontainers.image.title";

/// A bundle as it goes to a registry. The same documents give the same bytes: nothing in it has a
/// time, and all JSON is canonical.
#[derive(Clone, Debug)]
pub struct Artifact {
    /// The config and the layers, in the order of the manifest.
    pub blobs: Vec<(Descriptor, Vec<u8>)>,
    /// The manifest.
    pub manifest: Vec<u8>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Manifest {
    schema_version: u8,
    media_type: &'static str,
    artifact_type: &'static str,
    config: Descriptor,
    layers: Vec<Layer>,
}

#[derive(Serialize)]
struct Layer {
    #[serde(flatten)]
    descriptor: Descriptor,
    annotations: std::collections::BTreeMap<&'static str, &'static str>,
}

impl Artifact {
    /// Puts the documents into an artifact.
    pub fn new(bundle: &FixBundle, input: &Input) -> Result<Self, Error> {
        let documents = [
            (media::FIX_BUNDLE, "bundle.json", bundle.to_canonical()?),
            (media::FIX_REQUEST, "request.json", input.request.to_canonical()?),
            (media::FIX_PLAN, "plan.json", input.plan.to_canonical()?),
        ];
        let config = Descriptor::of(media::OCI_EMPTY, EMPTY);
        let mut blobs = vec![(config.clone(), EMPTY.to_vec())];
        let mut layers = Vec::new();
        for (media_type, title, bytes) in documents {
            let descriptor = Descriptor::of(media_type, &bytes);
            layers.push(Layer {
                descriptor: descriptor.clone(),
                annotations: [(TITLE, title)].into(),
            });
            blobs.push((descriptor, bytes));
        }
        let manifest = Manifest {
            schema_version: 2,
            media_type: media::OCI_MANIFEST,
            artifact_type: media::FIX_BUNDLE,
            config,
            layers,
        };
        Ok(Self { blobs, manifest: manifest.to_canonical()? })
    }

    /// The digest of the manifest: the identity that people approve.
    pub fn digest(&self) -> Digest {
        Digest::of(&self.manifest)
    }
}
