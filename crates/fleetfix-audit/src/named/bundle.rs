//! A bundle by its reference.

use fleetfix_model::document::channel::BundleState;
use fleetfix_model::name::RepositoryPath;
use fleetfix_model::{Reference, Repository};
use fleetfix_registry::{Client, RawManifest};

use super::{ACTIVE, no_channel, resolve, resolved, same_place};
use crate::bundle::{BundleAudit, VerifiedBundle};
use crate::channel::{Anchor, Target, entry_of, follow, on_disk};
use crate::judgement::{Concluded, Judged, verdict};
use crate::layout::{self, Scope};
use crate::{Error, Rules, bundle};

/// Verifies a bundle that must be active in a channel.
pub async fn bundle_in_channel(
    client: &Client,
    reference: &Reference,
    target: &Target<'_>,
    anchor: &Anchor<'_>,
) -> Result<Concluded, Error> {
    let manifest = match resolve(client, reference).await? {
        Ok(manifest) => manifest,
        Err(judged) => return Ok(verdict(reference, vec![judged], false)),
    };
    let subject = format!("bundle {}", resolved(reference, manifest.digest));
    let opened = Box::pin(follow(client, target, anchor)).await?;
    let mut parts = opened.parts;
    let Some(followed) = opened.followed else { return Ok(verdict(subject, parts, false)) };
    let entry = followed.channel().bundles.iter().find(|entry| {
        entry.bundle.digest == manifest.digest
            && same_place(&followed.fleet().below(&entry.repository), &reference.repository)
    });
    match entry {
        None => {
            let detail = format!("channel `{}` does not name it", followed.channel().name);
            parts.push(Judged::refused(ACTIVE, manifest.digest, detail));
        }
        Some(entry) if entry.state == BundleState::Withdrawn => {
            let reason = entry.reason.as_deref().unwrap_or("no reason given");
            parts.push(Judged::refused(ACTIVE, manifest.digest, format!("withdrawn: {reason}")));
        }
        Some(entry) => {
            let detail = format!("of channel `{}`", followed.channel().name);
            parts.push(Judged::holds(ACTIVE, manifest.digest, detail));
            parts.push(entry_of(client, &followed, entry, anchor).await.judged);
        }
    }
    parts.extend(on_disk(target, followed.fleet()).await);
    Ok(verdict(subject, parts, opened.fresh))
}

/// Verifies a bundle at a fleet by a policy alone, with approvals for the channel that `rules` name.
pub async fn bundle_by_policy(
    client: &Client,
    reference: &Reference,
    rules: &Rules<'_>,
) -> Result<Concluded, Error> {
    let manifest = match resolve(client, reference).await? {
        Ok(manifest) => manifest,
        Err(judged) => return Ok(verdict(reference, vec![judged], false)),
    };
    let audit = by_policy(client, reference, &manifest, rules).await?;
    let mut parts = vec![no_channel(), audit.judged];
    let fleet = reference.repository.parent();
    if let Some(dir) = fleet.as_ref().and_then(Repository::layout_dir) {
        parts.push(layout::check_in_thread(Scope::Fleet { dir: dir.to_owned() }).await);
    }
    Ok(verdict(format!("bundle {}", resolved(reference, manifest.digest)), parts, false))
}

/// The same for whoever works with what the bundle says, and cannot go on where it does not hold.
///
/// # Errors
/// [`Error::DoesNotHold`], and those of reading it.
pub async fn held_by_policy(
    client: &Client,
    reference: &Reference,
    rules: &Rules<'_>,
) -> Result<VerifiedBundle, Error> {
    let manifest =
        resolve(client, reference).await?.map_err(|judged| judged.error_about(reference))?;
    by_policy(client, reference, &manifest, rules).await?.holding(reference)
}

async fn by_policy(
    client: &Client,
    reference: &Reference,
    manifest: &RawManifest,
    rules: &Rules<'_>,
) -> Result<BundleAudit, Error> {
    let no_fleet = || Error::NoFleet { place: reference.repository.to_string() };
    let fleet = reference.repository.parent().ok_or_else(no_fleet)?;
    let repository = last(&reference.repository).ok_or_else(no_fleet)?;
    let descriptor = manifest.descriptor();
    let subject = bundle::Subject {
        client,
        fleet: &fleet,
        repository: &repository,
        manifest: &descriptor,
        listed: None,
    };
    Ok(Box::pin(bundle::verify(&subject, rules)).await)
}

/// The last component of a repository's name.
fn last(repository: &Repository) -> Option<RepositoryPath> {
    match repository {
        Repository::Registry { path, .. } => path.as_str().rsplit('/').next()?.parse().ok(),
        Repository::Layout(dir) => dir.file_name()?.to_str()?.parse().ok(),
    }
}
