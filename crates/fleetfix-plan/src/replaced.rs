//! Every image that the fix takes the place of. Not only the one that is patched: clusters on a
//! payload for one architecture, and clusters with an annotation, run others.

use std::collections::{BTreeMap, BTreeSet};

use fleetfix_hypershift::downgrade::Replaced;
use fleetfix_hypershift::effective::{Annotated, Effective};
use fleetfix_hypershift::finding::finding;
use fleetfix_model::document::finding::{Finding, FindingLevel};
use fleetfix_model::document::plan::Origin;
use fleetfix_model::name::{Commit, ComponentTag};
use fleetfix_model::{Digest, Minor};
use fleetfix_registry::Client;
use fleetfix_release::{Index, image};

use crate::Error;
use crate::base::{self, Bases};
use crate::running::{Place, of_payload};

/// What is replaced, by release line, and what was found.
#[derive(Debug, Default)]
pub struct All {
    /// The images.
    pub by_minor: BTreeMap<Minor, Vec<Replaced>>,
    /// What was found.
    pub findings: Vec<Finding>,
}

/// Lists what is replaced. `annotated` are the clusters whose annotation the fix takes the place of.
pub async fn all<'a>(
    client: &Client,
    tag: &ComponentTag,
    payloads: &Index,
    bases: &Bases,
    annotated: impl Iterator<Item = &'a Annotated>,
) -> Result<All, Error> {
    let mut images: BTreeMap<(Minor, Digest), Replaced> = BTreeMap::new();
    let mut add = |place: &Place, digest, origin, commit: Option<Commit>| {
        let replaced = images.entry((place.1.minor(), digest)).or_insert_with(|| Replaced {
            digest,
            origin,
            commit,
            places: BTreeSet::new(),
        });
        replaced.places.insert(place.clone());
    };
    for (place, digest) in &bases.places {
        let Some(base) = bases.images.get(digest) else { continue };
        add(place, *digest, base.image.origin, base.image.commit.clone());
        if base.image.origin == Origin::Payload {
            for other in payloads.of(&place.1).filter_map(|payload| of_payload(payload, tag)) {
                let Effective { image, origin, commit } = other;
                // Its commit stands in the payload; the base's may come from its label.
                if let Some(digest) = image.digest {
                    add(place, digest, origin, commit);
                }
            }
        }
    }
    let mut findings = Vec::new();
    let mut read = BTreeMap::new();
    for cluster in annotated {
        let place = (cluster.platform, cluster.version.clone());
        if !read.contains_key(&cluster.image) {
            let found = image::read(client, &cluster.image).await;
            read.insert(cluster.image.clone(), found);
        }
        match read.get(&cluster.image) {
            Some(Ok(image)) => {
                add(&place, image.digest, Origin::Annotation, base::label(image));
            }
            Some(Err(_)) | None => findings.push(unreadable(cluster)?),
        }
    }
    let mut all = All { by_minor: BTreeMap::new(), findings };
    for ((minor, _), replaced) in images {
        all.by_minor.entry(minor).or_default().push(replaced);
    }
    Ok(all)
}

fn unreadable(cluster: &Annotated) -> Result<Finding, Error> {
    let message = format!(
        "{} names {} in its annotation, which cannot be read: whether the fix holds older code cannot be told; give credentials or a mirror for it, or leave {} out",
        cluster.cluster, cluster.image, cluster.version
    );
    let path = format!("effective-image/unreadable/{}", cluster.cluster);
    finding(FindingLevel::Blocking, &path, message).map_err(Error::finding)
}
