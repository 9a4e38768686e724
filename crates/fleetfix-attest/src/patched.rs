//! A patched image beside the plan that called for it: what the statements are about.

use std::path::Path;

use fleetfix_model::document::plan::{
    BaseImage, BasePlatform, FileContent, PlannedFile, PlannedFix,
};
use fleetfix_model::document::{FixPlan, from_canonical};
use fleetfix_model::name::{ImagePath, RepositoryPath, Tag};
use fleetfix_model::{Digest, Platform, Repository, Timestamp, canonical};
use fleetfix_registry::{Image, Store};
use fleetfix_task::{Failure, file};

use crate::Error;

/// A plan that nothing stops.
#[derive(Clone, Debug)]
pub struct Planned {
    /// The plan.
    pub plan: FixPlan,
    /// Digest of its canonical bytes.
    pub digest: Digest,
}

impl Planned {
    /// Reads a plan file. `now` is when waivers are judged.
    pub fn read(path: &Path, now: Timestamp) -> Result<Self, Failure> {
        let bytes = file::read_bounded(path, canonical::MAX_SIZE as u64)?;
        let plan = from_canonical(&path.display().to_string(), &bytes)?;
        // Canonical bytes are the only ones that were read, so theirs is the plan's digest.
        Ok(Self::new(plan, Digest::of(&bytes), now)?)
    }

    /// A plan with the digest of its canonical bytes, unless a finding stops it now.
    pub fn new(plan: FixPlan, digest: Digest, now: Timestamp) -> Result<Self, Error> {
        let findings: Vec<_> = plan.stopping(now).map(|f| f.id.to_string()).collect();
        if findings.is_empty() {
            return Ok(Self { plan, digest });
        }
        Err(Error::Blocked { id: plan.id, findings: findings.join(", ") })
    }

    /// The repository of the component's patched images below `place`.
    pub fn repository(&self, place: &Repository) -> Result<Repository, Error> {
        let component = self.plan.component.as_str();
        let path: RepositoryPath = component
            .parse()
            .map_err(|source| Error::Component { component: component.to_owned(), source })?;
        Ok(place.below(&path))
    }

    /// Finds the image that was made from `base`, by its tag. That it was made so is not known yet:
    /// [`content::check`](crate::content::check) says.
    pub async fn find<'a>(
        &'a self,
        store: &Store,
        base: &'a BaseImage,
    ) -> Result<(Patched<'a>, Image), Failure> {
        let tag = self.tag(base)?;
        let place = store.repository().tagged(tag.clone());
        let image =
            Image::find(store, &tag).await?.ok_or(Error::NotPatched { image: place.clone() })?;
        let index = image.top.digest();
        let children: Vec<(Platform, Digest)> = image
            .manifests
            .iter()
            .map(|m| {
                let manifest = m.manifest.digest();
                // A manifest names no platform itself; the plan does.
                let alone = base.platforms.first().filter(|_| manifest == index);
                let platform = m.platform.clone().or_else(|| alone.map(|p| p.platform.clone()));
                let platform = platform.ok_or(Error::NoPlatform { image: index, manifest })?;
                Ok((platform, manifest))
            })
            .collect::<Result<_, Error>>()?;
        Ok((Patched::new(self, base, index, &children)?, image))
    }

    fn tag(&self, base: &BaseImage) -> Result<Tag, Error> {
        let no_tag = || self.lacks(base, "id that makes an image tag");
        self.plan.image_tag(base.digest).ok_or_else(no_tag)
    }

    fn lacks(&self, base: &BaseImage, what: &'static str) -> Error {
        Error::Plan { id: self.plan.id.clone(), base: base.digest, what }
    }
}

/// A patched index or manifest whose platforms are those of its base.
#[derive(Clone, Debug)]
pub struct Patched<'a> {
    /// The plan.
    pub plan: &'a FixPlan,
    /// Digest of the plan's canonical bytes.
    pub plan_digest: Digest,
    /// The base that was patched.
    pub base: &'a BaseImage,
    /// The fix that went onto it.
    pub fix: &'a PlannedFix,
    /// The image's tag in build and fleet repository.
    pub tag: Tag,
    /// Digest of the patched index, or manifest where the base was one.
    pub index: Digest,
    /// Its manifests, in the order of the index.
    pub platforms: Vec<PatchedPlatform<'a>>,
}

/// One patched manifest.
#[derive(Clone, Debug)]
pub struct PatchedPlatform<'a> {
    /// The platform of the base.
    pub base: &'a BasePlatform,
    /// The patched manifest.
    pub manifest: Digest,
    /// Path and content of each file that was written, sorted by path.
    pub files: Vec<PatchedFile<'a>>,
}

/// A file that was written on one platform.
#[derive(Clone, Copy, Debug)]
pub struct PatchedFile<'a> {
    /// Path in the image.
    pub path: &'a ImagePath,
    /// What the plan says about it.
    pub planned: &'a PlannedFile,
    /// Its content there.
    pub content: &'a FileContent,
}

impl<'a> Patched<'a> {
    /// Puts the image `index` with its manifests `children` beside the plan. Every platform of the
    /// base must be there once, and no other.
    pub fn new(
        planned: &'a Planned,
        base: &'a BaseImage,
        index: Digest,
        children: &[(Platform, Digest)],
    ) -> Result<Self, Error> {
        let Planned { plan, digest } = planned;
        let tag = planned.tag(base)?;
        let no_fix = || planned.lacks(base, "fix for its release line");
        let fix = plan.fix(base.minor).ok_or_else(no_fix)?;
        if fix.image.is_some() {
            return Err(planned.lacks(
                base,
                "list of files: its fix is a finished image, which cannot be attested yet",
            ));
        }
        for platform in &base.platforms {
            let count = children.iter().filter(|(p, _)| *p == platform.platform).count();
            if count != 1 {
                let platform = platform.platform.clone();
                return Err(Error::Platforms { image: index, platform, expected: 1, found: count });
            }
        }
        let platforms = children
            .iter()
            .map(|(platform, manifest)| {
                let base = base.platforms.iter().find(|b| b.platform == *platform);
                let base = base.ok_or_else(|| Error::Platforms {
                    image: index,
                    platform: platform.clone(),
                    expected: 0,
                    found: 1,
                })?;
                Ok(PatchedPlatform { base, manifest: *manifest, files: files(fix, platform)? })
            })
            .collect::<Result<_, Error>>()?;
        Ok(Self { plan, plan_digest: *digest, base, fix, tag, index, platforms })
    }
}

/// The files of `fix` with their content for `platform`.
fn files<'a>(fix: &'a PlannedFix, platform: &Platform) -> Result<Vec<PatchedFile<'a>>, Error> {
    fix.files
        .iter()
        .map(|file| {
            file.content(&platform.architecture)
                .map(|content| PatchedFile { path: &file.path, planned: file, content })
                .ok_or_else(|| Error::NoContent {
                    path: file.path.clone(),
                    architecture: platform.architecture.clone(),
                })
        })
        .collect()
}
