//! The bundle document, from request, plan and what was found at the build place.

use fleetfix_model::document::bundle::{
    Affects, FixBundleKind, PatchedBase, PatchedImage, VersionImage,
};
use fleetfix_model::document::plan::{BaseImage, Status};
use fleetfix_model::document::request::Affected;
use fleetfix_model::document::rollout::{Previous, Rollback};
use fleetfix_model::document::{
    Annotations, ApiVersion, Document as _, FixBundle, FixPlan, FixRequest,
};
use fleetfix_model::name::RepositoryPath;
use fleetfix_model::{Digest, Repository};

use crate::Error;
use crate::evidence::Evidence;
use crate::image::Image;
use crate::input::Input;

/// One patched image, with what was found beside it.
#[derive(Clone, Debug)]
pub struct Part<'a> {
    /// The base of the plan.
    pub base: &'a BaseImage,
    /// The image that was made from it.
    pub image: Image,
    /// What is attested about it.
    pub evidence: Evidence,
}

/// Writes the bundle. `parts` has one entry for each base of the plan.
pub fn bundle(input: &Input, fleet: &Repository, parts: Vec<Part<'_>>) -> Result<FixBundle, Error> {
    let plan = &input.plan;
    let repository = input.component()?;
    let affects = affects(&input.request, plan, &parts)?;
    let rollback = rollback(plan, &parts);
    let mut images: Vec<PatchedImage> =
        parts.into_iter().map(|part| image(plan, &repository, part)).collect();
    images.sort_by_key(|image| image.index.digest);
    let bundle = FixBundle {
        api_version: ApiVersion::V1alpha1,
        kind: FixBundleKind::FixBundle,
        annotations: Annotations::new(),
        requires: Vec::new(),
        id: plan.id.clone(),
        revision: plan.revision,
        title: plan.title.clone(),
        tickets: plan.tickets.clone(),
        severity: plan.severity,
        incident: plan.incident.clone(),
        component: plan.component.clone(),
        request: plan.request,
        plan: input.plan_digest,
        fleet: fleet.clone(),
        images,
        affects,
        targets: plan.targets.clone(),
        delivery: plan.delivery.clone(),
        impact: plan.impact.clone(),
        rollout: plan.rollout.clone(),
        health_gates: plan.health_gates.clone(),
        rollback,
        supersedes: plan.supersedes.clone(),
        conflicts: plan.conflicts.clone(),
        expires: plan.expires,
        retire_when: plan.retire_when.clone(),
    };
    bundle.check().map_err(Error::Rule)?;
    Ok(bundle)
}

fn image(plan: &FixPlan, repository: &RepositoryPath, part: Part<'_>) -> PatchedImage {
    PatchedImage {
        minor: part.base.minor,
        repository: repository.clone(),
        tag: part.image.tag,
        attestations: part.evidence.required(part.image.index.digest),
        index: part.image.index,
        platforms: part.image.platforms,
        base: PatchedBase {
            repository: part.base.repository.clone(),
            digest: part.base.digest,
            commit: part.base.commit.clone(),
        },
        commit: plan.fix(part.base.minor).and_then(|fix| fix.commit.clone()),
    }
}

/// What the request says is affected, with the image of every version that the plan covers.
fn affects(
    request: &FixRequest,
    plan: &FixPlan,
    parts: &[Part<'_>],
) -> Result<Vec<Affects>, Error> {
    let mut all: Vec<Affects> = request.affected.iter().map(without_versions).collect();
    all.sort_by_key(|a| (a.platform, a.minor));
    for row in plan.rows.iter().filter(|row| row.status == Status::Covered) {
        let minor = row.version.minor();
        let entry = all.iter_mut().find(|a| a.platform == row.platform && a.minor == minor);
        let part = parts.iter().find(|part| Some(part.base.digest) == row.base);
        match (entry, part) {
            (Some(entry), Some(part)) => entry.versions.push(VersionImage {
                version: row.version.clone(),
                image: part.image.index.digest,
            }),
            (None, _) => {
                let (platform, version) = (row.platform, row.version.clone());
                return Err(Error::NotAffected { platform, version });
            }
            (_, None) => return Err(Error::NoImage { version: row.version.clone() }),
        }
    }
    for entry in &mut all {
        entry.versions.sort_by(|a, b| a.version.cmp(&b.version));
    }
    Ok(all)
}

fn without_versions(affected: &Affected) -> Affects {
    let mut excluded = affected.excluded.clone();
    excluded.sort_by(|a, b| a.version.cmp(&b.version));
    Affects {
        platform: affected.platform,
        minor: affected.introduced.minor(),
        introduced: affected.introduced.clone(),
        fixed_in: affected.fixed_in.clone(),
        versions: Vec::new(),
        excluded,
    }
}

/// Going back means the base image again, unless the request says that it cannot be done.
fn rollback(plan: &FixPlan, parts: &[Part<'_>]) -> Rollback {
    let mut previous: Vec<Previous> = parts
        .iter()
        .map(|part| Previous { image: part.image.index.digest, base: part.base.digest })
        .collect();
    previous.sort_by_key(|p: &Previous| -> Digest { p.image });
    match &plan.irreversible {
        Some(reason) => Rollback { possible: false, reason: reason.clone(), previous },
        None => Rollback {
            possible: true,
            reason: "no change is declared that the base could not go on from".into(),
            previous,
        },
    }
}
