//! The image of a component: what it is for, and what its labels say.

use std::collections::BTreeMap;

use fleetfix_model::canonical::{from_bounded_json, typed};
use fleetfix_model::{Digest, Platform, Reference};
use fleetfix_oci::manifest::{Kind, Manifest};
use fleetfix_registry::{Client, Image, Store};
use serde::Deserialize;

use crate::Error;

/// Largest configuration that is read, in bytes.
const MAX_CONFIG: u64 = 4 << 20;

/// The image of a component.
#[derive(Clone, Debug)]
pub struct ComponentImage {
    /// Digest of the index, or of the manifest where there is none.
    pub digest: Digest,
    /// Media type of that.
    pub media_type: String,
    /// Its images, in the order of the index; one at least, each for another platform.
    pub images: Vec<PlatformImage>,
}

/// The image for one platform.
#[derive(Clone, Debug)]
pub struct PlatformImage {
    /// The platform, as the index says, else the configuration.
    pub platform: Platform,
    /// Digest of the manifest.
    pub manifest: Digest,
    /// The labels.
    pub labels: BTreeMap<String, String>,
}

/// Reads an image, after mirrors: manifests and configurations, no layers.
pub async fn read(client: &Client, reference: &Reference) -> Result<ComponentImage, Error> {
    let boxed = || Box::new(reference.clone());
    let store = client.source(&reference.repository);
    let image = Image::get(&store, reference)
        .await
        .map_err(|source| Error::Store { reference: boxed(), source: Box::new(source) })?;
    let mut images: Vec<PlatformImage> = Vec::new();
    for child in image.manifests.iter().filter(|child| child.manifest.kind == Kind::Image) {
        let config = Config::read(&store, reference, &child.manifest).await?;
        let platform = child.platform.clone().unwrap_or_else(|| config.platform());
        if images.iter().any(|known| known.platform == platform) {
            return Err(Error::SamePlatform { reference: boxed(), platform: Box::new(platform) });
        }
        let labels = config.labels();
        images.push(PlatformImage { platform, manifest: child.manifest.digest(), labels });
    }
    if images.is_empty() {
        let found = format!("`{}`", image.top.media_type);
        return Err(Error::NoImage { reference: boxed(), found });
    }
    let (digest, media_type) = (image.top.digest(), image.top.media_type);
    Ok(ComponentImage { digest, media_type, images })
}

/// What is read of a configuration (image-spec v1.1 config.md).
#[derive(Debug, Deserialize)]
pub(crate) struct Config {
    os: String,
    architecture: String,
    #[serde(default)]
    variant: Option<String>,
    #[serde(default, rename = "config")]
    execution: Option<Execution>,
}

#[derive(Debug, Deserialize)]
struct Execution {
    #[serde(default, rename = "Labels")]
    labels: Option<BTreeMap<String, String>>,
}

impl Config {
    pub(crate) async fn read(
        store: &Store,
        reference: &Reference,
        manifest: &Manifest,
    ) -> Result<Self, Error> {
        let boxed = || Box::new(reference.clone());
        let descriptor = manifest.config().map_err(|source| Error::Manifest {
            reference: boxed(),
            manifest: manifest.digest(),
            source: Box::new(source),
        })?;
        let bytes = store
            .blob(descriptor.digest, MAX_CONFIG)
            .await
            .map_err(|source| Error::Store { reference: boxed(), source: Box::new(source) })?;
        from_bounded_json(&bytes).and_then(typed).map_err(|source| Error::Config {
            reference: boxed(),
            config: descriptor.digest,
            source,
        })
    }

    pub(crate) fn platform(&self) -> Platform {
        Platform {
            os: self.os.clone(),
            architecture: self.architecture.clone(),
            variant: self.variant.clone().filter(|variant| !variant.is_empty()),
        }
    }

    fn labels(self) -> BTreeMap<String, String> {
        self.execution.and_then(|execution| execution.labels).unwrap_or_default()
    }
}
