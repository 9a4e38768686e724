//! Every image that the fix takes the place of. Not only the one that is patched: clusters on a
//! payload for one architecture, and clusters with an annotation, run others.

use std::collections::{BTreeMap, BTreeSet};

use fleetfix_hypershift::downgrade::Replaced;
use fleetfix_hypershift::effective::Effective;
use fleetfix_model::document::plan::Origin;
use fleetfix_model::name::{Commit, ComponentTag};
use fleetfix_model::{Digest, Minor};
use fleetfix_release::Index;

use crate::annotated::Own;
use crate::base::{self, Bases};
use crate::running::{Place, of_payload};

/// Lists what is replaced, by release line.
pub fn all(
    tag: &ComponentTag,
    payloads: &Index,
    bases: &Bases,
    annotated: &[Own],
) -> BTreeMap<Minor, Vec<Replaced>> {
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
    for own in annotated {
        let place = (own.platform, own.version.clone());
        add(&place, own.image.digest, Origin::Annotation, base::label(&own.image));
    }
    let mut all: BTreeMap<Minor, Vec<Replaced>> = BTreeMap::new();
    for ((minor, _), replaced) in images {
        all.entry(minor).or_default().push(replaced);
    }
    all
}
