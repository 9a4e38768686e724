//! An image by its reference.

use fleetfix_model::document::FixBundle;
use fleetfix_model::document::bundle::PatchedImage;
use fleetfix_model::document::channel::BundleState;
use fleetfix_model::{Digest, Reference};
use fleetfix_registry::{Client, Image};

use super::{ACTIVE, no_channel, resolve, resolved, same_place};
use crate::channel::{Anchor, Target, entry_of, follow, on_disk};
use crate::image::signature;
use crate::judgement::{Concluded, Judged, verdict};
use crate::layout::{self, Scope};
use crate::{Error, Rules, bundle};

/// Verifies an image, an index or one of its manifests, that must be in an active bundle of a
/// channel; the bundle is verified with all that it leads to.
pub async fn image_in_channel(
    client: &Client,
    reference: &Reference,
    target: &Target<'_>,
    anchor: &Anchor<'_>,
) -> Result<Concluded, Error> {
    let digest = match resolve(client, reference).await? {
        Ok(manifest) => manifest.digest,
        Err(judged) => return Ok(verdict(reference, vec![judged], false)),
    };
    let subject = format!("image {}", resolved(reference, digest));
    let opened = Box::pin(follow(client, target, anchor)).await?;
    let mut parts = opened.parts;
    let Some(followed) = opened.followed else { return Ok(verdict(subject, parts, false)) };
    if let Some(revoked) = followed.channel().revokes(digest) {
        parts.push(Judged::refused("revoked", digest, &revoked.reason));
    }
    let active = followed.channel().bundles.iter().filter(|b| b.state == BundleState::Active);
    let (mut found, mut unread) = (false, Vec::new());
    for entry in active {
        let store = client.store(&followed.fleet().below(&entry.repository));
        let contents = match bundle::read(&store, &entry.bundle).await {
            Ok(contents) => contents,
            Err(judged) => {
                unread.push(judged);
                continue;
            }
        };
        let image = contents.bundle.images.iter().find(|image| {
            signature::digests(image).contains(&digest)
                && same_place(&followed.fleet().below(&image.repository), &reference.repository)
        });
        if let Some(image) = image {
            found = true;
            parts.push(Judged::holds(ACTIVE, digest, what(&contents.bundle, image, digest)));
            parts.push(entry_of(client, &followed, entry, anchor).await.judged);
        }
    }
    if !found {
        // One of these may be the one.
        parts.extend(unread);
        let detail = format!("no active bundle of channel `{}` names it", followed.channel().name);
        parts.push(Judged::refused(ACTIVE, digest, detail));
    }
    parts.extend(on_disk(target, followed.fleet()).await);
    Ok(verdict(subject, parts, opened.fresh))
}

/// What the image is in its bundle, and for which clusters.
fn what(bundle: &FixBundle, image: &PatchedImage, digest: Digest) -> String {
    let part = match image.platforms.iter().find(|p| p.manifest.digest == digest) {
        Some(platform) if digest != image.index.digest => format!("for {}", platform.platform),
        _ => {
            let platforms: Vec<_> =
                image.platforms.iter().map(|p| p.platform.to_string()).collect();
            format!("for {}", platforms.join(", "))
        }
    };
    let versions: Vec<_> = bundle
        .affects
        .iter()
        .flat_map(|affects| {
            let mine = affects.versions.iter().filter(|v| v.image == image.index.digest);
            mine.map(|v| format!("{} {}", affects.platform, v.version))
        })
        .collect();
    format!(
        "{} revision {}, {} {part}, on {}",
        bundle.id,
        bundle.revision,
        bundle.component,
        versions.join(", ")
    )
}

/// Verifies the release signatures of an image, of its index and of each manifest, by a policy
/// alone. `docker_reference` is what they must call it.
pub async fn image_by_policy(
    client: &Client,
    reference: &Reference,
    docker_reference: &str,
    rules: &Rules<'_>,
) -> Result<Concluded, Error> {
    let manifest = match resolve(client, reference).await? {
        Ok(manifest) => manifest,
        Err(judged) => return Ok(verdict(reference, vec![judged], false)),
    };
    let store = client.store(&reference.repository);
    let keys = rules.policy.release_keys(rules.now);
    let mut parts = vec![no_channel()];
    match Image::of(&store, &manifest).await {
        Ok(image) => {
            let digests = image.digests().into_iter().collect();
            parts.push(signature::check(&store, &digests, docker_reference, &keys).await);
        }
        Err(error) => parts.push(Judged::error("content", manifest.digest, &Error::from(error))),
    }
    if let Some(dir) = reference.repository.layout_dir() {
        parts.push(layout::check_in_thread(Scope::One { dir: dir.to_owned() }).await);
    }
    Ok(verdict(format!("image {}", resolved(reference, manifest.digest)), parts, false))
}
