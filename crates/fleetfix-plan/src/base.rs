//! The images to patch.

use std::collections::{BTreeMap, BTreeSet};

use fleetfix_hypershift::effective::Effective;
use fleetfix_hypershift::labels;
use fleetfix_model::document::plan::{BaseImage, BasePlatform};
use fleetfix_model::media::VCS_REF;
use fleetfix_model::name::Commit;
use fleetfix_model::{Digest, Minor, Reference, Version};
use fleetfix_registry::Client;
use fleetfix_release::image::{self, ComponentImage};
use tokio::task::JoinSet;

use crate::Error;
use crate::running::Place;

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

/// The images to patch.
#[derive(Clone, Debug, Default)]
pub struct Bases {
    /// By digest.
    pub images: BTreeMap<Digest, Base>,
    /// Which of them runs where.
    pub places: BTreeMap<Place, Digest>,
}

impl Bases {
    /// The base of a place.
    pub fn at(&self, place: &Place) -> Option<&Base> {
        self.images.get(self.places.get(place)?)
    }
}

/// Reads what runs in each place, each image once.
pub async fn read(client: &Client, effective: &BTreeMap<Place, Effective>) -> Result<Bases, Error> {
    let names: BTreeSet<&Reference> =
        effective.values().map(|effective| &effective.image).collect();
    let read = images(client, names.into_iter().cloned()).await?;
    let mut bases = Bases::default();
    let mut first: BTreeMap<Digest, &Version> = BTreeMap::new();
    for (place, effective) in effective {
        let Some(image) = read.get(&effective.image) else { continue };
        let (digest, version) = (image.digest, &place.1);
        bases.places.insert(place.clone(), digest);
        match first.get(&digest) {
            None => {
                first.insert(digest, version);
                bases.images.insert(digest, base(version.minor(), effective, image));
            }
            Some(known) if known.minor() != version.minor() => {
                let (one, other) = ((*known).clone(), version.clone());
                return Err(Error::TwoLines { digest, one, other });
            }
            Some(_) => {}
        }
    }
    Ok(bases)
}

/// Reads images, several at a time. Of several errors that of the first name is given.
async fn images(
    client: &Client,
    names: impl Iterator<Item = Reference>,
) -> Result<BTreeMap<Reference, ComponentImage>, Error> {
    let mut waiting = names;
    let mut reading = JoinSet::new();
    let mut read = BTreeMap::new();
    loop {
        while reading.len() < AT_ONCE
            && let Some(name) = waiting.next()
        {
            let client = client.clone();
            reading.spawn(async move {
                let found = image::read(&client, &name).await;
                (name, found)
            });
        }
        let Some(done) = reading.join_next().await else { break };
        let (name, found) = done?;
        read.insert(name, found);
    }
    read.into_iter().map(|(name, found)| Ok((name, found.map_err(Error::image)?))).collect()
}

/// The commit that the labels of an image name: what all its architectures agree on.
pub fn label(image: &ComponentImage) -> Option<Commit> {
    let mut commits: BTreeSet<Option<&String>> =
        image.images.iter().map(|image| image.labels.get(VCS_REF)).collect();
    let label = if commits.len() == 1 { commits.pop_first().flatten() } else { None };
    label.and_then(|commit| commit.parse().ok())
}

fn base(minor: Minor, effective: &Effective, read: &ComponentImage) -> Base {
    let each: Vec<BTreeSet<String>> =
        read.images.iter().map(|i| labels::of_hypershift(i.labels.keys())).collect();
    let all: BTreeSet<String> = each.iter().flatten().cloned().collect();
    let uneven =
        all.iter().filter(|name| !each.iter().all(|some| some.contains(*name))).cloned().collect();
    let label = label(read);
    let platforms = read
        .images
        .iter()
        .map(|image| BasePlatform { platform: image.platform.clone(), digest: image.manifest });
    let image = BaseImage {
        digest: read.digest,
        repository: effective.image.repository.clone(),
        media_type: read.media_type.clone(),
        minor,
        origin: effective.origin,
        commit: effective.commit.clone().or_else(|| label.clone()),
        platforms: platforms.collect(),
        hypershift_labels: all.into_iter().collect(),
    };
    Base { image, label, uneven }
}
