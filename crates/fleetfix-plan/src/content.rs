//! The files to put in, by digest.

use std::collections::{BTreeMap, BTreeSet};
use std::fs::File;
use std::io::Read;
use std::path::{Path, PathBuf};

use fleetfix_hypershift::finding::{finding, refusal};
use fleetfix_hypershift::labels;
use fleetfix_model::digest::Hasher;
use fleetfix_model::document::finding::{Finding, FindingLevel};
use fleetfix_model::document::plan::{BaseImage, FileContent, PlannedFile, PlannedFix};
use fleetfix_model::document::request::{FileChange, MinorFix};
use fleetfix_model::media::VCS_REF;
use fleetfix_model::name::Commit;
use fleetfix_model::{Digest, Minor, Platform, Reference, Repository};
use fleetfix_registry::Client;
use fleetfix_release::image::ComponentImage;

use crate::Error;
use crate::base::{self, Bases};
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
    /// What finished images are, by release line.
    pub finished: BTreeMap<Minor, Finished>,
    /// What was found.
    pub findings: Vec<Finding>,
}

impl Fixes {
    /// Checks that could not be made, with the reason.
    pub fn not_made(&self) -> Vec<(String, String)> {
        let unlabelled = self.finished.iter().filter(|(_, finished)| finished.commit.is_none());
        let told = |(minor, finished): (&Minor, &Finished)| {
            let reason = format!(
                "{} names no one commit in its label `{VCS_REF}`: nobody checked which commit it was built from, and what is said of its history is about the commit that the request names",
                finished.image
            );
            (format!("image/{minor}/commit"), reason)
        };
        unlabelled.map(told).collect()
    }
}

/// An image that takes the place of what runs as it is.
#[derive(Debug)]
pub struct Finished {
    /// Where it is, by digest.
    image: Reference,
    /// The commit that its label names, the same on all of its platforms.
    pub commit: Option<Commit>,
    /// What it is for.
    pub platforms: BTreeSet<Platform>,
    /// The labels that HyperShift reads and that it has on all of them.
    pub labels: BTreeSet<String>,
}

/// Pins the files and images of every fix that a base takes.
pub async fn pin(client: &Client, request: &Request, bases: &Bases) -> Result<Fixes, Error> {
    let mut fixes = Fixes { planned: Vec::new(), finished: BTreeMap::new(), findings: Vec::new() };
    for (i, fix) in request.document.fixes.iter().enumerate() {
        let platforms = platforms(bases, fix.minor);
        if platforms.is_empty() {
            continue;
        }
        let mut planned = planned(request, i, fix, &platforms)?;
        if let Some(image) = &fix.image {
            let (finished, findings) = finished(client, request, fix, image, bases).await?;
            fixes.findings.extend(findings);
            // What it says of itself counts for more than what the request says of it.
            planned.commit = finished.commit.clone().or(planned.commit);
            planned.image = Some(finished.image.clone());
            fixes.finished.insert(fix.minor, finished);
        }
        fixes.planned.push(planned);
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
        image: None,
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
    fix: &MinorFix,
    image: &Reference,
    bases: &Bases,
) -> Result<(Finished, Vec<Finding>), Error> {
    let minor = fix.minor;
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
    let (commit, said) = built_from(fix, image, &read).map_err(named)?;
    findings.extend(said);
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
    let finished = Finished {
        image: image.repository.at(read.digest),
        commit,
        platforms: read.images.into_iter().map(|image| image.platform).collect(),
        labels: ours,
    };
    Ok((finished, findings))
}

/// The commit that a finished image says it was built from, in the label that HyperShift's own gate
/// reads (`verify-pr-in-image.sh`). What the request says must be the same: ancestry is judged on it, and
/// a plan of another commit than its request's is approved by nobody, so that no waiver helps.
fn built_from(
    fix: &MinorFix,
    image: &Reference,
    read: &ComponentImage,
) -> Result<(Option<Commit>, Option<Finding>), fleetfix_hypershift::Error> {
    let named: BTreeSet<Option<&str>> =
        read.images.iter().map(|image| image.labels.get(VCS_REF).map(String::as_str)).collect();
    let commit = base::label(read);
    let path = format!("image/{}/commit", fix.minor);
    let problem = match (&commit, &fix.commit) {
        (Some(label), Some(said)) if label != said => {
            let message = format!(
                "{image} says in its label `{VCS_REF}` that it was built from {label}, and the request says {said}: name the commit that it was built from"
            );
            return Ok((commit, Some(refusal(&path, message)?)));
        }
        (Some(_), _) => return Ok((commit, None)),
        // Nothing is said: the plan lists the check as not made.
        (None, _) if named.iter().all(Option::is_none) => return Ok((None, None)),
        (None, _) => {
            let named: Vec<String> = named
                .iter()
                .map(|text| text.unwrap_or("nothing").chars().take(100).collect())
                .collect();
            format!(
                "names no one commit in its label `{VCS_REF}`, but {}: build it from one commit for all platforms",
                named.join(" and ")
            )
        }
    };
    let said = finding(FindingLevel::Blocking, &path, format!("{image} {problem}"))?;
    Ok((commit, Some(said)))
}

#[cfg(test)]
mod tests {
    use fleetfix_release::image::PlatformImage;
    use serde_json::json;

    use super::*;

    /// What labels of two platforms say, and the request; the commit that is taken, and what is said.
    type Case<'a> = ([Option<&'a str>; 2], Option<&'a str>, Option<&'a str>, Option<&'a str>);

    #[test]
    fn what_a_finished_image_was_built_from() {
        let (a, b) = ("a".repeat(40), "b".repeat(40));
        let (a, b) = (a.as_str(), b.as_str());
        let none = "names no one commit";
        let table: [Case<'_>; 8] = [
            ([Some(a), Some(a)], Some(a), Some(a), None),
            ([Some(a), Some(a)], None, Some(a), None),
            ([Some(a), Some(a)], Some(b), Some(a), Some("and the request says")),
            ([None, None], Some(a), None, None),
            ([Some(a), None], Some(a), None, Some(none)),
            ([Some(a), Some(b)], Some(a), None, Some(none)),
            ([Some("main"), Some("main")], Some(a), None, Some(none)),
            ([Some(""), Some("")], None, None, Some(none)),
        ];
        for (labels, said, expected, problem) in table {
            let mut fix = json!({"minor": "4.20", "image": "quay.io/a/b:x"});
            if let Some(commit) = said {
                fix["commit"] = commit.into();
            }
            let fix: MinorFix = serde_json::from_value(fix).unwrap();
            let platform = |architecture: &str, label: Option<&str>| PlatformImage {
                platform: format!("linux/{architecture}").parse().unwrap(),
                manifest: Digest::of(architecture.as_bytes()),
                labels: label.iter().map(|l| (VCS_REF.to_owned(), (*l).to_owned())).collect(),
            };
            let image = ComponentImage {
                digest: Digest::of(b""),
                media_type: String::new(),
                images: vec![platform("amd64", labels[0]), platform("arm64", labels[1])],
            };
            let name = fix.image.clone().unwrap();
            let (commit, found) = built_from(&fix, &name, &image).unwrap();
            assert_eq!(commit.as_ref().map(Commit::as_str), expected, "{labels:?} {said:?}");
            assert_eq!(found.is_some(), problem.is_some(), "{labels:?} {said:?}");
            if let Some(found) = found {
                assert!(found.message.contains(problem.unwrap()), "{}", found.message);
                assert_eq!(found.id.as_str(), "image/4.20/commit");
                assert_eq!(found.level, FindingLevel::Blocking, "{found:?}");
                // Another commit than the request's: the plan would never be approved.
                assert_eq!(found.waivable, problem == Some(none), "{found:?}");
            }
        }
    }
}
