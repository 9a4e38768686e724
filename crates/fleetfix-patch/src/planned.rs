//! The jobs of a plan.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Component, Path, PathBuf};

use fleetfix_model::document::FixPlan;
use fleetfix_model::document::plan::{BaseImage, PlannedFile, PlannedFix};
use fleetfix_model::document::request::FileMode;
use fleetfix_model::{Reference, Repository, Timestamp};
use fleetfix_oci::change::{Action, Change};
use fleetfix_oci::metadata::Mtime;

use crate::Error;
use crate::error::name;
use crate::job::{Changes, Files, Job, Pinned};

/// Reads the jobs of `plan`, whose files lie below `files`. Images go to `to/<component>`. `now` is when
/// waivers are judged.
pub fn jobs(
    plan: &FixPlan,
    files: &Path,
    to: &Repository,
    now: Timestamp,
) -> Result<(Vec<Job>, Files), Error> {
    let findings: Vec<_> = plan.stopping(now).map(|finding| finding.id.to_string()).collect();
    if !findings.is_empty() {
        return Err(Error::Blocked { id: plan.id.clone(), findings: findings.join(", ") });
    }
    let no_name = |what: String| Error::NoName { id: plan.id.clone(), what };
    let component = plan.component.as_str();
    let component = component.parse().map_err(|_| no_name(format!("component `{component}`")))?;
    if !to.has_room_for(&component) {
        return Err(no_name(format!("repository `{to}/{component}`, which is too long,")));
    }
    let to = to.below(&component);
    let mut contents = Files::new();
    let waived = plan.findings.iter().filter(|finding| finding.waiver.is_some());
    let accepted: BTreeSet<_> = waived.map(|finding| finding.id.clone()).collect();
    let mut jobs = Vec::with_capacity(plan.bases.len());
    for base in &plan.bases {
        let fix =
            plan.fix(base.minor).ok_or_else(|| no_name(format!("the fix for {}", base.minor)))?;
        let tag = plan
            .image_tag(base.digest)
            .ok_or_else(|| no_name(format!("the image patched from {}", base.digest)))?;
        jobs.push(Job {
            base: Reference {
                repository: base.repository.clone(),
                tag: None,
                digest: Some(base.digest),
            },
            pinned: Some(Pinned {
                media_type: base.media_type.clone(),
                platforms: base.platforms.clone(),
                labels: base.hypershift_labels.clone(),
            }),
            changes: changes(base, fix, files, &mut contents)?,
            commit: fix.commit.clone(),
            accepted: accepted.clone(),
            labels: BTreeMap::new(),
            to: to.clone(),
            tag,
        });
    }
    Ok((jobs, contents))
}

/// The changes that a fix makes to a base. A release line's fix may have more architectures than one
/// of its bases: only a base's own are looked at.
fn changes(
    base: &BaseImage,
    fix: &PlannedFix,
    dir: &Path,
    contents: &mut Files,
) -> Result<Changes, Error> {
    if fix.image.is_some() {
        return Err(Error::FinishedImage { minor: fix.minor });
    }
    let architectures: BTreeSet<&str> =
        base.platforms.iter().map(|p| p.platform.architecture.as_str()).collect();
    let mut by_architecture = BTreeMap::new();
    for architecture in architectures {
        let mut changes = Vec::new();
        for file in &fix.files {
            changes.push(write(base, file, architecture, dir, contents)?);
        }
        let remove = |path: &_| Change { path: Clone::clone(path), action: Action::Remove };
        changes.extend(fix.remove.iter().map(remove));
        by_architecture.insert(architecture.to_owned(), changes);
    }
    Ok(Changes::Each(by_architecture))
}

fn write(
    base: &BaseImage,
    file: &PlannedFile,
    architecture: &str,
    dir: &Path,
    contents: &mut Files,
) -> Result<Change, Error> {
    let content = file.content(architecture).ok_or_else(|| Error::NoContent {
        base: name(&base.repository, base.digest),
        architecture: architecture.to_owned(),
        what: format!("the plan has no content of {}", file.path),
    })?;
    contents.entry(content.digest).or_insert(below(dir, &content.from)?);
    let mode = file.mode.map(FileMode::bits);
    let action = Action::Write {
        size: content.size,
        digest: content.digest,
        create: file.create.then_some(mode.unwrap_or(0o644)),
        mode,
        uid: file.uid,
        gid: file.gid,
        mtime: Mtime::default(),
    };
    Ok(Change { path: file.path.clone(), action })
}

fn below(dir: &Path, from: &str) -> Result<PathBuf, Error> {
    let path = Path::new(from);
    let plain = path.components().all(|c| matches!(c, Component::Normal(_) | Component::CurDir));
    if from.is_empty() || from.contains('\0') || !plain {
        return Err(Error::OutsideFiles { from: from.chars().take(300).collect() });
    }
    Ok(dir.join(path))
}
