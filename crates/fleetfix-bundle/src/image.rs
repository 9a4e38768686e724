//! The patched image of a base, as it lies at the build place, held against the plan.

use fleetfix_model::document::FixPlan;
use fleetfix_model::document::bundle::PatchedPlatform;
use fleetfix_model::document::plan::BaseImage;
use fleetfix_model::name::Tag;
use fleetfix_model::{Descriptor, Digest};
use fleetfix_registry::image::ImageManifest;
use fleetfix_registry::{Image as Stored, Store};
use fleetfix_task::Failure;

use crate::Error;

/// A patched image whose platforms are those of its base. That it was made from it is what its builder
/// saw and attests, and what publish and verify look at again.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Image {
    /// Its tag in build and fleet repository.
    pub tag: Tag,
    /// The index, or the manifest where the base was one.
    pub index: Descriptor,
    /// Its manifests, in the order of the index.
    pub platforms: Vec<PatchedPlatform>,
    /// Everything that has to be signed: the index and all manifests.
    pub digests: Vec<Digest>,
}

impl Image {
    /// Finds the image made from `base` by its tag, resolved once.
    pub async fn find(store: &Store, plan: &FixPlan, base: &BaseImage) -> Result<Self, Failure> {
        let tag = plan.image_tag(base.digest).ok_or(Error::NoTag { id: plan.id.clone() })?;
        let place = store.repository().tagged(tag.clone());
        let stored = Stored::find(store, &tag).await?.ok_or(Error::NotPatched { image: place })?;
        Ok(Self::new(tag, base, &stored)?)
    }

    /// Every platform of the base must be there once, and no other.
    fn new(tag: Tag, base: &BaseImage, stored: &Stored) -> Result<Self, Error> {
        let index = stored.top.descriptor();
        let platforms = stored
            .manifests
            .iter()
            .map(|m| platform(base, index.digest, m))
            .collect::<Result<Vec<_>, _>>()?;
        let wanted = base.platforms.iter().map(|p| (&p.platform, 1));
        let found = platforms.iter().map(|p| &p.platform);
        let unknown = found.filter(|p| base.platforms.iter().all(|b| b.platform != **p));
        for (platform, expected) in wanted.chain(unknown.map(|p| (p, 0))) {
            let found = platforms.iter().filter(|p| p.platform == *platform).count();
            if found != expected {
                let (image, platform) = (index.digest, platform.clone());
                return Err(Error::Platforms { image, platform, expected, found });
            }
        }
        Ok(Self { tag, index, platforms, digests: stored.digests() })
    }
}

fn platform(base: &BaseImage, index: Digest, m: &ImageManifest) -> Result<PatchedPlatform, Error> {
    let manifest = m.manifest.descriptor();
    // A manifest names no platform itself; the plan does.
    let alone = base.platforms.first().filter(|_| manifest.digest == index);
    let platform = m.platform.clone().or_else(|| alone.map(|p| p.platform.clone()));
    let no_platform = Error::NoPlatform { image: index, manifest: manifest.digest };
    Ok(PatchedPlatform { platform: platform.ok_or(no_platform)?, manifest })
}
