//! What a patched image says it was made from.
//!
//! Whoever made the image wrote it, so it proves nothing by itself; what the bundle says is signed.
//! The two must agree, because people and scanners go by what stands on the image.

use fleetfix_model::document::bundle::{PatchedImage, PatchedPlatform};
use fleetfix_model::document::plan::BaseImage;
use fleetfix_model::{Digest, media};
use fleetfix_oci::manifest::Manifest;
use serde_json::Value;

use crate::judgement::Judged;

/// The annotation of an index. Docker's manifest lists have none.
pub(super) fn index(index: &Manifest, image: &PatchedImage) -> Judged {
    if index.media_type == media::DOCKER_INDEX {
        return Judged::not_made("lineage", "", "a manifest list of Docker has no annotations");
    }
    match index.annotations() {
        Ok(annotations) => {
            let found = annotations.get(media::BASE_DIGEST).map(String::as_str);
            base("baseAnnotation", found, true, &[image.base.digest])
        }
        Err(error) => Judged::refused("lineage", "", error),
    }
}

/// Annotations of a manifest and labels of its configuration.
pub(super) fn image(
    manifest: &Manifest,
    config: &Value,
    image: &PatchedImage,
    platform: &PatchedPlatform,
    plan: Option<&BaseImage>,
) -> Judged {
    let labels = config.pointer("/config/Labels");
    let label = |name: &str| labels.and_then(|l| l.get(name)).and_then(Value::as_str);
    let annotations = match manifest.annotations() {
        Ok(annotations) => annotations,
        Err(error) => return Judged::refused("lineage", "", error),
    };
    let mut bases = vec![image.base.digest];
    let planned = plan.and_then(|b| b.platforms.iter().find(|p| p.platform == platform.platform));
    bases.extend(planned.map(|p| p.digest));
    let annotation = annotations.get(media::BASE_DIGEST).map(String::as_str);
    // Without a plan nobody says which manifest of the base it was.
    let annotation = annotation.filter(|_| plan.is_some());
    let mut parts = vec![
        base("baseLabel", label(media::BASE_DIGEST), true, &bases),
        base("baseAnnotation", annotation, false, &bases),
    ];
    if let Some(commit) = &image.commit {
        for name in [media::VCS_REF, media::REVISION] {
            if let Some(found) = label(name) {
                parts.push(Judged::equal("commitLabel", name, &commit.as_str(), &found));
            }
        }
    }
    // A control plane operator without these behaves like another version of itself.
    let lost = plan.into_iter().flat_map(|base| &base.hypershift_labels);
    let lost: Vec<_> = lost.filter(|name| label(name).is_none()).map(String::as_str).collect();
    parts.push(if lost.is_empty() {
        Judged::holds("hypershiftLabels", "", "")
    } else {
        Judged::refused("hypershiftLabels", "", format!("lost {}", lost.join(", ")))
    });
    Judged::all("lineage", "", parts)
}

fn base(name: &str, found: Option<&str>, required: bool, bases: &[Digest]) -> Judged {
    let expected = || bases.iter().map(Digest::to_string).collect::<Vec<_>>().join(" or ");
    match found {
        None if required => {
            Judged::refused(name, "", format!("is missing, expected {}", expected()))
        }
        None => Judged::not_made(name, "", "there is none"),
        Some(text) if bases.iter().any(|base| base.to_string() == text) => {
            Judged::holds(name, "", text)
        }
        Some(text) => Judged::refused(name, "", format!("expected {}, found {text}", expected())),
    }
}
