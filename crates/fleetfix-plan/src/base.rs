//! The images to patch.

use std::collections::{BTreeMap, BTreeSet};

use fleetfix_model::document::plan::{BaseImage, BasePlatform, Origin};
use fleetfix_model::media::{HYPERSHIFT_LABELS, VCS_REF};
use fleetfix_model::name::{Commit, ComponentTag};
use fleetfix_model::{Digest, Minor, Reference, Version};
use fleetfix_registry::Client;
use fleetfix_release::image::{self, ComponentImage};
use tokio::task::JoinSet;

use crate::Error;
use crate::payload::{Component, Payloads};

/// How many images are read at a time.
const AT_ONCE: usize = 8;

/// An image to patch, and what its labels say.
#[derive(Clone, Debug)]
pub struct Base {
    /// As it stands in the plan.
    pub image: BaseImage,
    /// The commit that its label names.
    pub label: Option<Commit>,
    /// Names of labels that HyperShift reads and that some of its architectures lack.
    pub uneven: BTreeSet<String>,
}

/// The images to patch, by digest.
pub type Bases = BTreeMap<Digest, Base>;

/// Where an image stands, in the first version that has it.
struct Named {
    version: Version,
    pullspec: Reference,
    commit: Option<Commit>,
}

/// Reads the image of the component in each payload, each once.
pub async fn read(
    client: &Client,
    component: &Component,
    payloads: &Payloads,
) -> Result<Bases, Error> {
    let mut waiting = named(&component.tag, payloads)?.into_iter();
    let mut reading = JoinSet::new();
    let mut read = BTreeMap::new();
    loop {
        while reading.len() < AT_ONCE
            && let Some((digest, named)) = waiting.next()
        {
            let client = client.clone();
            reading.spawn(async move {
                let read = image::read(&client, &named.pullspec).await;
                (digest, read.map(|image| base(named, image)))
            });
        }
        let Some(done) = reading.join_next().await else { break };
        let (digest, base) = done?;
        read.insert(digest, base);
    }
    let base =
        |(digest, base): (Digest, Result<Base, _>)| Ok((digest, base.map_err(Error::image)?));
    read.into_iter().map(base).collect()
}

/// The digest of a component's image in the payload that stands for a version.
pub fn digest_in(tag: &ComponentTag, payloads: &Payloads, version: &Version) -> Option<Digest> {
    payloads.get(version)?.first()?.components.get(tag)?.pullspec.digest
}

fn named(tag: &ComponentTag, payloads: &Payloads) -> Result<BTreeMap<Digest, Named>, Error> {
    let mut images: BTreeMap<Digest, Named> = BTreeMap::new();
    for (version, payloads) in payloads {
        let Some(found) = payloads.first().and_then(|p| p.components.get(tag)) else { continue };
        let Some(digest) = found.pullspec.digest else { continue };
        if let Some(known) = images.get(&digest) {
            if known.version.minor() != version.minor() {
                let (one, other) = (known.version.clone(), version.clone());
                return Err(Error::TwoLines { digest, one, other });
            }
            continue;
        }
        let named = Named {
            version: version.clone(),
            pullspec: found.pullspec.clone(),
            commit: found.commit.clone(),
        };
        images.insert(digest, named);
    }
    Ok(images)
}

fn base(named: Named, read: ComponentImage) -> Base {
    let minor: Minor = named.version.minor();
    let of_hypershift = |labels: &BTreeMap<String, String>| -> BTreeSet<String> {
        labels.keys().filter(|name| name.starts_with(HYPERSHIFT_LABELS)).cloned().collect()
    };
    let each: Vec<BTreeSet<String>> =
        read.images.iter().map(|i| of_hypershift(&i.labels)).collect();
    let all: BTreeSet<String> = each.iter().flatten().cloned().collect();
    let uneven =
        all.iter().filter(|name| !each.iter().all(|some| some.contains(*name))).cloned().collect();
    let mut commits: BTreeSet<Option<&String>> =
        read.images.iter().map(|image| image.labels.get(VCS_REF)).collect();
    // Only what all architectures agree on names the source of the image.
    let label = if commits.len() == 1 { commits.pop_first().flatten() } else { None };
    let label: Option<Commit> = label.and_then(|commit| commit.parse().ok());
    let platforms = read
        .images
        .into_iter()
        .map(|image| BasePlatform { platform: image.platform, digest: image.manifest })
        .collect();
    let image = BaseImage {
        digest: read.digest,
        repository: named.pullspec.repository,
        media_type: read.media_type,
        minor,
        origin: Origin::Payload,
        commit: named.commit.or_else(|| label.clone()),
        platforms,
        hypershift_labels: all.into_iter().collect(),
    };
    Base { image, label, uneven }
}
