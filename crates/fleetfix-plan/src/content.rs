//! The files to put in, by digest.

use std::collections::BTreeSet;
use std::fs::File;
use std::io::Read;
use std::path::{Path, PathBuf};

use fleetfix_hypershift::finding::finding;
use fleetfix_hypershift::labels;
use fleetfix_model::digest::Hasher;
use fleetfix_model::document::finding::{Finding, FindingLevel};
use fleetfix_model::document::plan::{BaseImage, FileContent, PlannedFile, PlannedFix};
use fleetfix_model::document::request::{FileChange, MinorFix};
use fleetfix_model::{Digest, Minor, Platform, Reference, Repository};
use fleetfix_registry::Client;

use crate::Error;
use crate::base::Bases;
use crate::request::Request;

/// Largest file that is put into an image, in bytes. The control plane operator has 200 MB.
const MAX_FILE: u64 = 4 << 30;
/// What stands for the architecture in `from`.
const ARCH: &str = "{arch}";

/// The fixes of all release lines with what they hold pinned, and what was found.
#[derive(Debug)]
pub struct Fixes {
    /// One per release line, sorted.
    pub planned: Vec<PlannedFix>,
    /// What was found.
    pub findings: Vec<Finding>,
}

/// Pins the files and images of every fix that a base takes.
pub async fn pin(client: &Client, request: &Request, bases: &Bases) -> Result<Fixes, Error> {
    let mut fixes = Fixes { planned: Vec::new(), findings: Vec::new() };
    for (i, fix) in request.document.fixes.iter().enumerate() {
        let platforms = platforms(bases, fix.minor);
        if platforms.is_empty() {
            continue;
        }
        let image = match &fix.image {
            Some(image) => {
                let (pinned, findings) = finished(client, request, fix.minor, image, bases).await?;
                fixes.findings.extend(findings);
                Some(pinned)
            }
            None => None,
        };
        fixes.planned.push(planned(request, i, fix, image, &platforms)?);
    }
    fixes.planned.sort_by_key(|fix| fix.minor);
    Ok(fixes)
}

/// The platforms of all bases of a release line.
fn platforms(bases: &Bases, minor: Minor) -> BTreeSet<Platform> {
    of_minor(bases, minor).flat_map(|base| &base.platforms).map(|p| p.platform.clone()).collect()
}

fn of_minor(bases: &Bases, minor: Minor) -> impl Iterator<Item = &BaseImage> {
    bases.images.values().map(|base| &base.image).filter(move |image| image.minor == minor)
}

fn planned(
    request: &Request,
    index: usize,
    fix: &MinorFix,
    image: Option<Reference>,
    platforms: &BTreeSet<Platform>,
) -> Result<PlannedFix, Error> {
    let architectures: BTreeSet<&str> = platforms.iter().map(|p| p.architecture.as_str()).collect();
    let mut files = Vec::new();
    for (j, file) in fix.files.iter().enumerate() {
        let field = format!("{}: field `fixes[{index}].files[{j}].from`", request.file);
        files.push(planned_file(request, &field, file, &architectures)?);
    }
    files.sort_by(|a, b| a.path.cmp(&b.path));
    let mut remove = fix.remove.clone();
    remove.sort();
    Ok(PlannedFix {
        minor: fix.minor,
        source: fix.source.clone(),
        commit: fix.commit.clone(),
        pull_requests: fix.pull_requests.clone(),
        authors: fix.authors.clone(),
        along: Vec::new(),
        along_more: 0,
        files,
        remove,
        image,
    })
}

fn planned_file(
    request: &Request,
    field: &str,
    file: &FileChange,
    architectures: &BTreeSet<&str>,
) -> Result<PlannedFile, Error> {
    let mut contents: Vec<FileContent> = Vec::new();
    for architecture in architectures {
        let from = file.from.replace(ARCH, architecture);
        // Without `{arch}` all architectures have the same file: it is read once.
        let (digest, size) = match contents.iter().find(|known| known.from == from) {
            Some(known) => (known.digest, known.size),
            None => hash(field, &request.path(&from))?,
        };
        contents.push(FileContent { architecture: (*architecture).to_owned(), from, digest, size });
    }
    Ok(PlannedFile {
        path: file.path.clone(),
        contents,
        create: file.create,
        mode: file.mode,
        uid: file.uid,
        gid: file.gid,
    })
}

fn hash(field: &str, path: &Path) -> Result<(Digest, u64), Error> {
    let failed = |source| Error::Content { field: field.to_owned(), path: path.to_owned(), source };
    let not_a_file = |problem: String| Error::NotAFile {
        field: field.to_owned(),
        path: PathBuf::from(path),
        problem,
    };
    // Looked at before it is opened: opening a pipe would wait for a writer.
    if !std::fs::metadata(path).map_err(failed)?.is_file() {
        return Err(not_a_file("is not a file".into()));
    }
    let mut hasher = Hasher::new();
    let mut stream = File::open(path).map_err(failed)?.take(MAX_FILE + 1);
    std::io::copy(&mut stream, &mut hasher).map_err(failed)?;
    let (digest, size) = hasher.finish();
    if size > MAX_FILE {
        return Err(not_a_file(format!("has more than {MAX_FILE} bytes")));
    }
    Ok((digest, size))
}

/// Pins a finished image, and sees that it can take the place of each base: it is for all of their
/// platforms, and has their labels.
async fn finished(
    client: &Client,
    request: &Request,
    minor: Minor,
    image: &Reference,
    bases: &Bases,
) -> Result<(Reference, Vec<Finding>), Error> {
    let named = |e| Error::of_request(request, e);
    if matches!(image.repository, Repository::Layout(_)) {
        let source = fleetfix_model::document::Rule::new(
            format!("fixes[{minor}].image"),
            "must be in a registry: a layout on disk means nothing to others",
        );
        return Err(Error::Rule { file: request.file.clone(), source });
    }
    let read = fleetfix_release::image::read(client, image).await.map_err(Error::image)?;
    let mut findings = Vec::new();
    if image.digest.is_none() {
        let message = format!(
            "{image} is a tag that may move: the plan pins {}; name the digest in the request",
            read.digest
        );
        let path = format!("image/{minor}/mutable");
        findings.push(finding(FindingLevel::Blocking, &path, message).map_err(named)?);
    }
    let has = |platform: &Platform| read.images.iter().any(|p| p.platform == *platform);
    let missing: Vec<String> = platforms(bases, minor)
        .iter()
        .filter(|platform| !has(platform))
        .map(ToString::to_string)
        .collect();
    if !missing.is_empty() {
        let message = format!(
            "{image} lacks {}, which the images it replaces have: build it for all of them",
            missing.join(", ")
        );
        let path = format!("image/{minor}/platforms");
        findings.push(finding(FindingLevel::Blocking, &path, message).map_err(named)?);
    }
    // A label counts that all architectures have.
    let each = read.images.iter().map(|image| labels::of_hypershift(image.labels.keys()));
    let ours = each.reduce(|all, some| &all & &some).unwrap_or_default();
    for base in of_minor(bases, minor) {
        let lost = labels::lost(base.digest, &base.hypershift_labels, &ours);
        findings.extend(lost.map_err(named)?);
    }
    Ok((image.repository.at(read.digest), findings))
}
