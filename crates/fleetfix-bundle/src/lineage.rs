//! What a patched image says that it was made from.
//!
//! It is no proof: whoever made the image wrote it. It catches an image under the wrong tag, and it
//! is what others will go by when they look for the base.

use fleetfix_model::document::plan::BaseImage;
use fleetfix_model::{Digest, canonical, media};
use fleetfix_registry::image::ImageManifest;
use fleetfix_registry::{Image, Store};
use fleetfix_task::Failure;
use serde_json::Value;

use crate::Error;

/// Largest image configuration that is read, in bytes: as manifests, which registries must accept
/// up to that size (distribution-spec v1.1, "Pushing Manifests").
const MAX_CONFIG: u64 = 4 << 20;

/// Checks the annotation of the index or manifest, and each manifest's label. A manifest may name
/// the base as the plan does, or the manifest of its platform in it.
pub async fn check(store: &Store, base: &BaseImage, image: &Image) -> Result<(), Failure> {
    let top = image.top.digest();
    let broken = |source| fleetfix_registry::Error::Manifest {
        reference: Box::new(store.repository().at(top)),
        source,
    };
    // Docker's have no annotations; the labels say it all the same.
    if !matches!(image.top.media_type.as_str(), media::DOCKER_INDEX | media::DOCKER_MANIFEST) {
        let annotations = image.top.annotations().map_err(broken)?;
        let found = annotations.get(media::BASE_DIGEST).map(String::as_str);
        expect(top, base.digest, base.digest, found)?;
    }
    for m in &image.manifests {
        let platform = base.platforms.iter().find(|p| Some(&p.platform) == m.platform.as_ref());
        let of_platform = platform.map_or(base.digest, |p| p.digest);
        let found = label(store, m).await?;
        expect(m.manifest.digest(), base.digest, of_platform, found.as_deref())?;
    }
    Ok(())
}

/// `found` must be the digest `base`, or the digest `or`.
fn expect(image: Digest, base: Digest, or: Digest, found: Option<&str>) -> Result<(), Error> {
    if [base, or].iter().any(|digest| found == Some(digest.to_string().as_str())) {
        return Ok(());
    }
    let found = found.map(|text| text.chars().take(100).collect());
    Err(Error::Lineage { image, expected: base, found })
}

/// The base that the manifest's configuration names.
async fn label(store: &Store, m: &ImageManifest) -> Result<Option<String>, Failure> {
    let reference = || Box::new(store.repository().at(m.manifest.digest()));
    let config = m
        .manifest
        .config()
        .map_err(|source| fleetfix_registry::Error::Manifest { reference: reference(), source })?;
    let bytes = store.blob(config.digest, MAX_CONFIG).await?;
    let config = canonical::from_bounded_json(&bytes)
        .map_err(|source| Error::Config { image: m.manifest.digest(), source })?;
    let labels = config.pointer("/config/Labels");
    let label = labels.and_then(|l| l.get(media::BASE_DIGEST)).and_then(Value::as_str);
    Ok(label.map(ToOwned::to_owned))
}
