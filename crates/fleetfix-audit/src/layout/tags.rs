//! Which tags a fleet on disk may have: each follows from something that was hashed.
//!
//! | tag | accounted for by |
//! |---|---|
//! | `sha256-<hex>.sig`, `sha256-<hex>.att` | a manifest of that digest in the same layout |
//! | `state-<n>-<hex>` | a TUF state whose timestamp role has version n, in a manifest whose digest begins so |
//! | `current` | a TUF state that has its own tag as well |
//! | tag of a bundle | the document in it: id and revision |
//! | tag of an image | a bundle of the fleet, active or not: repository, tag and digest |
//! | `<name>-r<n>-<hex>` | an image made from a base whose digest begins so, that no bundle names, under a tag that none names: left by a publication that did not end. It is named, and nobody reads it |

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use fleetfix_model::document::plan::base_of_image_tag;
use fleetfix_model::fleet::CURRENT;
use fleetfix_model::name::Tag;
use fleetfix_model::{Digest, document, media};
use fleetfix_oci::layout::Layout;
use fleetfix_oci::manifest::Manifest;

use super::index::{Entry, Index};
use crate::judgement::Judged;
use crate::state;

/// Largest manifest that is read, in bytes (distribution-spec v1.1, "Pushing Manifests").
const MAX_MANIFEST: u64 = 4 << 20;

/// What accounts for tags.
pub(super) struct Known {
    /// Images that bundles of the fleet name.
    images: BTreeSet<(PathBuf, Tag, Digest)>,
}

impl Known {
    /// Reads every bundle of the fleet below `fleet`.
    pub(super) fn collect(fleet: &Path, indexes: &[(&Path, Index)]) -> Self {
        let mut images = BTreeSet::new();
        for (dir, index) in indexes {
            for entry in &index.entries {
                let Ok(bundle) = open(dir, entry).and_then(|(l, m)| bundle(&l, &m)) else {
                    continue;
                };
                images.extend(bundle.images.into_iter().map(|image| {
                    (fleet.join(image.repository.as_str()), image.tag, image.index.digest)
                }));
            }
        }
        Self { images }
    }

    /// Checks every entry of a layout.
    pub(super) fn check(&self, dir: &Path, index: &Index) -> Judged {
        let (mut wrong, mut left) = (Vec::new(), Vec::new());
        for entry in &index.entries {
            match self.entry(dir, index, entry) {
                Ok(Accounted::For) => {}
                Ok(Accounted::Left) => left.push(entry.tag.to_string()),
                Err(problem) => wrong.push(Judged::refused("tag", &entry.tag, problem)),
            }
        }
        let detail = match wrong.len() {
            0 if left.is_empty() => format!("{} tags accounted for", index.entries.len()),
            0 => format!("left by a publication that did not end: {}", left.join(", ")),
            bad => format!("{bad} of {} tags are not accounted for", index.entries.len()),
        };
        Judged::all("tags", format!("oci:{}", dir.display()), wrong).detail(detail)
    }

    fn entry(&self, dir: &Path, index: &Index, entry: &Entry) -> Result<Accounted, String> {
        let (layout, manifest) = open(dir, entry)?;
        if let Some(subject) = attached_to(&entry.tag) {
            let there = layout.has_blob(subject).map_err(|e| e.to_string())?;
            return if there { Ok(Accounted::For) } else { Err(format!("{subject} is not here")) };
        }
        match manifest.artifact_type() {
            Some(media::TUF_REPOSITORY) => {
                tuf_state(&layout, &manifest, index, entry).map(|()| Accounted::For)
            }
            Some(media::FIX_BUNDLE) => {
                let tag = bundle(&layout, &manifest)?.tag();
                if tag.as_ref() == Some(&entry.tag) {
                    Ok(Accounted::For)
                } else {
                    Err("not the tag of the bundle that is there".into())
                }
            }
            _ => {
                let image = (dir.to_owned(), entry.tag.clone(), entry.descriptor.digest);
                if self.images.contains(&image) {
                    Ok(Accounted::For)
                } else if self.is_left(dir, entry, &manifest) {
                    Ok(Accounted::Left)
                } else {
                    Err(format!("no bundle of the fleet names {} here", entry.descriptor.digest))
                }
            }
        }
    }
}

/// What a tag is doing there.
enum Accounted {
    /// It follows from something that was hashed.
    For,
    /// A publication that did not end left it.
    Left,
}

impl Known {
    /// True if an image has the tag that publications give it, and no bundle speaks of either.
    fn is_left(&self, dir: &Path, entry: &Entry, manifest: &Manifest) -> bool {
        let digest = entry.descriptor.digest;
        let named = |(path, tag, image): &(PathBuf, Tag, Digest)| {
            path == dir && (*tag == entry.tag || *image == digest)
        };
        if self.images.iter().any(named) {
            return false;
        }
        let Some(short) = base_of_image_tag(&entry.tag) else { return false };
        // Images of Docker's family have no annotations that could say it.
        let base = manifest.annotations().ok().and_then(|all| all.get(media::BASE_DIGEST).cloned());
        match base.map(|base| base.parse::<Digest>()) {
            Some(base) => base.is_ok_and(|base| base.short() == short),
            None => !manifest.media_type.starts_with(OCI),
        }
    }
}

/// Start of the media types of images that have annotations.
const OCI: &str = "application/vnd.oci.";

/// Which of two states is the newer one, the remembered state knows; here each has its own tag.
fn tuf_state(
    layout: &Layout,
    manifest: &Manifest,
    index: &Index,
    entry: &Entry,
) -> Result<(), String> {
    let version = state_version(layout, manifest).ok_or("no version of a TUF state is there")?;
    let digest = entry.descriptor.digest;
    let own = state::tag(version, digest).ok_or("no tag can be made of its version")?;
    let same = |other: &Entry| other.tag == own && other.descriptor == entry.descriptor;
    if entry.tag == own || (entry.tag.as_str() == CURRENT && index.entries.iter().any(same)) {
        Ok(())
    } else {
        Err(format!("expected `{own}`, or `{CURRENT}` beside it"))
    }
}

/// The manifest that an entry names, if media type and size are as the entry says.
fn open(dir: &Path, entry: &Entry) -> Result<(Layout, Manifest), String> {
    let layout = Layout::open(dir).map_err(|e| e.to_string())?;
    let bytes =
        layout.read_blob(entry.descriptor.digest, MAX_MANIFEST).map_err(|e| e.to_string())?;
    let own = Manifest::parse(None, &bytes).map_err(|e| e.to_string())?;
    // A manifest that does not name its media type has none that could be compared.
    let manifest =
        Manifest::parse(Some(&entry.descriptor.media_type), &bytes).map_err(|e| e.to_string())?;
    if own.descriptor() != entry.descriptor {
        return Err(format!(
            "expected {} of {} bytes, found {} of {}",
            entry.descriptor.media_type,
            entry.descriptor.size,
            own.media_type,
            bytes.len()
        ));
    }
    Ok((layout, manifest))
}

/// The digest that a tag of cosign's is made of (cosign `specs/SIGNATURE_SPEC.md`).
fn attached_to(tag: &Tag) -> Option<Digest> {
    let hex = tag.as_str().strip_prefix("sha256-")?;
    let hex = hex.strip_suffix(".sig").or_else(|| hex.strip_suffix(".att"))?;
    format!("sha256:{hex}").parse().ok()
}

fn bundle(layout: &Layout, manifest: &Manifest) -> Result<document::FixBundle, String> {
    let layers = manifest.layers().map_err(|e| e.to_string())?;
    let layer = layers
        .first()
        .filter(|_| manifest.artifact_type() == Some(media::FIX_BUNDLE))
        .ok_or("no bundle")?;
    let bytes = layout
        .read_blob(layer.digest, fleetfix_model::canonical::MAX_SIZE as u64)
        .map_err(|e| e.to_string())?;
    document::from_canonical("bundle", &bytes).map_err(|e| crate::judgement::chain(&e))
}

fn state_version(layout: &Layout, manifest: &Manifest) -> Option<u64> {
    let layers = manifest.layers().ok()?;
    let timestamp =
        layers.iter().find(|l| l.annotation(media::TUF_FILENAME) == Some(state::TIMESTAMP))?;
    let bytes = layout.read_blob(timestamp.digest, state::MAX_FILE).ok()?;
    state::version_of(&bytes)
}
