//! Whether a bundle is what its plan and its request say: approvers read the plan, clusters follow
//! the bundle, so the two must not differ.
//!
//! Pure: everything here was read and hashed before.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

use fleetfix_model::document::bundle::{PatchedImage, RequiredAttestation};
use fleetfix_model::document::plan::{BaseImage, Status};
use fleetfix_model::document::policy::Role;
use fleetfix_model::document::{FixBundle, FixPlan, FixRequest};
use fleetfix_model::{Digest, HostedPlatform, Timestamp, Version, media};

use crate::judgement::Judged;

mod request;

/// The request, the plan and the bundle of one fix, each read from its canonical bytes.
#[derive(Clone, Copy, Debug)]
pub struct Documents<'a> {
    /// What was asked for.
    pub request: &'a FixRequest,
    /// What was resolved from it.
    pub plan: &'a FixPlan,
    /// What is published.
    pub bundle: &'a FixBundle,
}

/// Compares the documents. `time` is when waivers are judged.
pub fn check(documents: Documents<'_>, time: Timestamp) -> Judged {
    let subject = format!("{} revision {}", documents.bundle.id, documents.bundle.revision);
    Judged::all(
        "agreement",
        subject,
        vec![
            fields(documents),
            request::check(documents.request, documents.plan),
            findings(documents.plan, time),
            coverage(documents),
            images(documents),
            attestations(documents.bundle),
            rollback(documents),
        ],
    )
}

/// Everything that plan and bundle say in the same words.
fn fields(Documents { plan, bundle, .. }: Documents<'_>) -> Judged {
    let same: [(&str, bool); 17] = [
        ("id", plan.id == bundle.id),
        ("revision", plan.revision == bundle.revision),
        ("title", plan.title == bundle.title),
        ("tickets", plan.tickets == bundle.tickets),
        ("severity", plan.severity == bundle.severity),
        ("incident", plan.incident == bundle.incident),
        ("component", plan.component == bundle.component),
        ("request", plan.request == bundle.request),
        ("targets", plan.targets == bundle.targets),
        ("delivery", plan.delivery == bundle.delivery),
        ("impact", plan.impact == bundle.impact),
        ("rollout", plan.rollout == bundle.rollout),
        ("healthGates", plan.health_gates == bundle.health_gates),
        ("supersedes", plan.supersedes == bundle.supersedes),
        ("conflicts", plan.conflicts == bundle.conflicts),
        ("expires", plan.expires == bundle.expires),
        ("retireWhen", plan.retire_when == bundle.retire_when),
    ];
    let different = same.iter().filter(|(_, same)| !same);
    let different: Vec<String> = different.map(|(field, _)| (*field).to_owned()).collect();
    list_empty("fields", &different, "the bundle differs from its plan in")
}

/// A plan that a finding stops is never published; a waiver covers one until it ends.
fn findings(plan: &FixPlan, time: Timestamp) -> Judged {
    let ids: Vec<String> = plan.stopping(time).map(|finding| finding.id.to_string()).collect();
    list_empty("findings", &ids, "blocking, and no waiver covers it:")
}

/// The versions that the plan covers are the versions that the bundle names, each with the image
/// that was made from the base the plan found there.
fn coverage(Documents { request, plan, bundle }: Documents<'_>) -> Judged {
    type Place = (HostedPlatform, Version);
    let planned: BTreeMap<Place, Option<Digest>> = plan
        .rows
        .iter()
        .filter(|row| row.status == Status::Covered)
        .map(|row| ((row.platform, row.version.clone()), row.base))
        .collect();
    let base_of: BTreeMap<Digest, Digest> =
        bundle.images.iter().map(|image| (image.index.digest, image.base.digest)).collect();
    let mut named: BTreeMap<Place, Option<Digest>> = BTreeMap::new();
    let mut wrong = Vec::new();
    for affects in &bundle.affects {
        for entry in &affects.versions {
            if entry.version.minor() != affects.minor {
                wrong.push(format!("{} is no {} version", entry.version, affects.minor));
            }
            named.insert(
                (affects.platform, entry.version.clone()),
                base_of.get(&entry.image).copied(),
            );
        }
        let asked = request
            .affected
            .iter()
            .find(|a| a.platform == affects.platform && a.introduced.minor() == affects.minor);
        let same = asked.is_some_and(|asked| {
            let mut excluded = asked.excluded.clone();
            excluded.sort_by(|a, b| a.version.cmp(&b.version));
            asked.introduced == affects.introduced
                && asked.fixed_in == affects.fixed_in
                && excluded == affects.excluded
        });
        if !same {
            wrong.push(format!(
                "{} {} is not what the request affects",
                affects.platform, affects.minor
            ));
        }
    }
    for (place @ (platform, version), base) in &planned {
        match named.get(place) {
            None => wrong.push(format!("{platform} {version} is planned and not in the bundle")),
            Some(found) if found != base => {
                wrong.push(format!(
                    "{platform} {version} has the image of another base than planned"
                ));
            }
            Some(_) => {}
        }
    }
    for (platform, version) in named.keys().filter(|place| !planned.contains_key(place)) {
        wrong.push(format!("{platform} {version} is in the bundle and not covered by the plan"));
    }
    list_empty("coverage", &wrong, "").detail_if_good(format!("{} versions", named.len()))
}

/// Each image is made from one base of the plan, and each base gave one image.
fn images(Documents { plan, bundle, .. }: Documents<'_>) -> Judged {
    let mut wrong = Vec::new();
    let mut used = BTreeSet::new();
    for image in &bundle.images {
        let name = image.index.digest.short();
        if !used.insert(image.base.digest) {
            wrong.push(format!("image {name}: a second one of base {}", image.base.digest));
        }
        match plan.bases.iter().find(|base| base.digest == image.base.digest) {
            None => wrong.push(format!("image {name}: base {} is not planned", image.base.digest)),
            Some(base) => wrong.extend(
                image_differences(plan, bundle, image, base)
                    .map(|field| format!("image {name}: {field}")),
            ),
        }
    }
    for base in plan.bases.iter().filter(|base| !used.contains(&base.digest)) {
        wrong.push(format!("base {}: no image", base.digest));
    }
    list_empty("images", &wrong, "").detail_if_good(format!("{} images", bundle.images.len()))
}

/// The fields of an image that are not what the plan says.
fn image_differences(
    plan: &FixPlan,
    bundle: &FixBundle,
    image: &PatchedImage,
    base: &BaseImage,
) -> impl Iterator<Item = &'static str> {
    let planned: Vec<_> = base.platforms.iter().map(|p| &p.platform).collect();
    let patched: Vec<_> = image.platforms.iter().map(|p| &p.platform).collect();
    let known: BTreeSet<Digest> =
        image.platforms.iter().map(|p| p.manifest.digest).chain([image.index.digest]).collect();
    let fix_commit = plan.fix(image.minor).and_then(|fix| fix.commit.clone());
    [
        ("minor", base.minor == image.minor),
        ("base.repository", base.repository == image.base.repository),
        ("base.commit", base.commit == image.base.commit),
        ("commit", fix_commit == image.commit),
        ("repository", image.repository.as_str() == bundle.component.as_str()),
        ("tag", plan.image_tag(base.digest).as_ref() == Some(&image.tag)),
        ("index.mediaType", base.media_type == image.index.media_type),
        ("platforms", planned == patched),
        ("attestations", image.attestations.iter().all(|a| known.contains(&a.subject))),
    ]
    .into_iter()
    .filter(|(_, same)| !same)
    .map(|(field, _)| field)
}

/// What a bundle must demand, or it would say itself that nobody has to vouch for its images: of each
/// index the fix and the bill of materials, by the digests of their statements, and the provenance.
fn attestations(bundle: &FixBundle) -> Judged {
    const NEEDED: [(&str, bool); 3] = [
        (media::FIX_PREDICATE, true),
        (media::SBOM_PREDICATE, true),
        (media::PROVENANCE_PREDICATE, false),
    ];
    let mut missing = Vec::new();
    for image in &bundle.images {
        for (predicate_type, pinned) in NEEDED {
            let demands = |one: &RequiredAttestation| {
                one.subject == image.index.digest
                    && one.predicate_type == predicate_type
                    && one.role == Role::Builder
                    && one.count >= 1
                    && (one.statement.is_some() || !pinned)
            };
            if !image.attestations.iter().any(demands) {
                missing.push(format!("{predicate_type} of image {}", image.index.digest.short()));
            }
        }
    }
    list_empty("demands", &missing, "the bundle does not demand from a builder")
}

/// Going back leads from each image to the base that it was made from, and is possible unless the plan
/// says why not.
fn rollback(Documents { plan, bundle, .. }: Documents<'_>) -> Judged {
    let rollback = &bundle.rollback;
    let possible = match &plan.irreversible {
        None => rollback.possible,
        Some(reason) => !rollback.possible && rollback.reason == *reason,
    };
    if !possible {
        return Judged::refused("rollback", "", "whether it is possible is not what the plan says");
    }
    let back: BTreeMap<Digest, Digest> =
        rollback.previous.iter().map(|previous| (previous.image, previous.base)).collect();
    let there = |image: &PatchedImage| back.get(&image.index.digest) == Some(&image.base.digest);
    let mut wrong: Vec<String> = bundle
        .images
        .iter()
        .filter(|image| !there(image))
        .map(|image| image.index.digest.to_string())
        .collect();
    if rollback.previous.len() != bundle.images.len() {
        let (found, images) = (rollback.previous.len(), bundle.images.len());
        wrong.push(format!("{images} images with {found} entries"));
    }
    list_empty("rollback", &wrong, "does not lead back to the base of")
}

/// A check that holds if `wrong` is empty.
fn list_empty(name: &str, wrong: &[String], what: &str) -> Judged {
    /// As many as a person reads.
    const SHOWN: usize = 10;
    if wrong.is_empty() {
        return Judged::holds(name, "", "");
    }
    let mut detail = wrong.iter().take(SHOWN).cloned().collect::<Vec<_>>().join(", ");
    if wrong.len() > SHOWN {
        detail = format!("{detail} and {} more", wrong.len() - SHOWN);
    }
    if !what.is_empty() {
        detail = format!("{what} {detail}");
    }
    Judged::refused(name, "", detail)
}

impl Judged {
    /// Says what was found where all is well.
    fn detail_if_good(self, detail: impl fmt::Display) -> Self {
        if self.is_good() { self.detail(detail) } else { self }
    }
}

#[cfg(test)]
mod tests;
