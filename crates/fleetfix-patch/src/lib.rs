//! `fleetfix-patch`: puts a fix into images, every architecture of each.
//!
//! Work is split so that nothing is written before all is known to be good: bases are read and
//! changes placed on them ([`base`]), layers compressed and their contents checked ([`compress`]),
//! documents edited ([`image`](mod@image)), and only then blobs, manifests and tags written
//! ([`write`](mod@write)). Doing it again writes nothing and says the same.
//!
//! | module | what it holds |
//! |---|---|
//! | [`job`] | one base, and what is to be done to it |
//! | [`planned`] | the jobs of a plan |
//! | [`directory`] | changes from a directory that is laid out as the image is |
//! | [`base`], [`compress`], [`image`](mod@image), [`write`](mod@write) | the steps |
//! | [`report`] | what was done, as JSON |
//! | [`error`] | what can go wrong |

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Arc;

use clap::{ArgGroup, Parser};
use fleetfix_model::document::{FixPlan, from_canonical};
use fleetfix_model::name::{Commit, ImagePath};
use fleetfix_model::{Reference, Repository, canonical, media};
use fleetfix_registry::{Client, RegistryArgs};
use fleetfix_task::{Context, Failure, Outcome, ResultPath, Task, file};
use futures_util::stream::{self, StreamExt, TryStreamExt};

pub mod base;
pub mod compress;
pub mod directory;
pub mod error;
pub mod image;
pub mod job;
pub mod planned;
pub mod report;
pub mod write;

pub use error::Error;

use crate::compress::Layers;
use crate::job::{Files, Job};
use crate::report::{PatchedImage, Report};

/// Bases that are read at a time.
const AT_ONCE: usize = 4;

/// Patch every base of a plan, or one image: every architecture of each.
#[derive(Clone, Debug, Parser)]
#[command(name = "fleetfix-patch", version)]
#[command(group(ArgGroup::new("what").required(true).args(["plan", "base_image"])))]
pub struct Args {
    /// Fix plan whose bases are patched
    #[arg(long, value_name = "FILE", env = "FLEETFIX_PLAN", requires = "to")]
    pub plan: Option<PathBuf>,
    /// Image to patch: registry/path:tag, registry/path@digest or oci:DIR:TAG
    #[arg(long, value_name = "REF", env = "FLEETFIX_BASE_IMAGE", requires = "image")]
    pub base_image: Option<Reference>,
    /// New files: with --plan the request's directory; with --base-image laid out as in the image
    /// (DIR/usr/bin/app), or so for each architecture (DIR/arm64/usr/bin/app)
    #[arg(long, value_name = "DIR", env = "FLEETFIX_FILES")]
    pub files: PathBuf,
    /// Where the patched images go, with --plan: PLACE/COMPONENT
    #[arg(long, value_name = "PLACE", env = "FLEETFIX_TO")]
    pub to: Option<Repository>,
    /// Name of the patched image, with --base-image: registry/path:tag or oci:DIR:TAG
    #[arg(long, value_name = "REF", env = "FLEETFIX_IMAGE")]
    pub image: Option<Reference>,
    /// Label to set, NAME=VALUE
    #[arg(long = "label", value_name = "NAME=VALUE", env = "FLEETFIX_LABEL", conflicts_with = "plan", value_parser = label)]
    pub labels: Vec<(String, String)>,
    /// Commit that the files are built from, for the labels
    #[arg(long, value_name = "SHA", env = "FLEETFIX_COMMIT", conflicts_with = "plan")]
    pub commit: Option<Commit>,
    /// Path to remove
    #[arg(long = "remove", value_name = "PATH", env = "FLEETFIX_REMOVE", conflicts_with = "plan")]
    pub remove: Vec<ImagePath>,
    /// Files that the base does not have are new ones, not mistakes
    #[arg(long, env = "FLEETFIX_CREATE", conflicts_with = "plan")]
    pub create: bool,
    /// Write the digest of the patched image to this file
    #[arg(
        long,
        value_name = "FILE",
        env = "FLEETFIX_RESULT_IMAGE_DIGEST",
        conflicts_with = "plan"
    )]
    pub result_image_digest: Option<ResultPath>,
    /// Registries.
    #[command(flatten)]
    pub registry: RegistryArgs,
}

fn label(text: &str) -> Result<(String, String), &'static str> {
    match text.split_once('=') {
        Some((name, value)) if !name.is_empty() => Ok((name.to_owned(), value.to_owned())),
        _ => Err("expected NAME=VALUE"),
    }
}

impl Task for Args {
    async fn run(self, context: &Context) -> Result<Outcome, Failure> {
        let (jobs, files) = self.jobs()?;
        let client = self.registry.client()?;
        let report = patch(&client, jobs, files, context).await?;
        let digest = report.images.first().map(|image| image.digest);
        let outcome = Outcome::json(&report)?;
        Ok(match digest {
            Some(digest) => outcome.result(self.result_image_digest.as_ref(), digest),
            None => outcome,
        })
    }
}

impl Args {
    /// What is to be done, checked as far as it can be without a registry.
    pub fn jobs(&self) -> Result<(Vec<Job>, Files), Error> {
        let (base, image) = match (&self.plan, &self.to, &self.base_image, &self.image) {
            (Some(path), Some(to), None, _) => {
                let bytes = file::read_bounded(path, canonical::MAX_SIZE as u64)?;
                let plan: FixPlan = from_canonical(&path.display().to_string(), &bytes)?;
                return planned::jobs(&plan, &self.files, to);
            }
            (None, _, Some(base), Some(image)) => (base.clone(), image),
            _ => return Err(Error::NothingAsked),
        };
        let tag = image.tag.clone().filter(|_| image.digest.is_none());
        let tag = tag.ok_or_else(|| Error::NoTag { image: image.clone() })?;
        let labels: BTreeMap<String, String> = self.labels.iter().cloned().collect();
        if let Some(label) = labels.keys().find(|l| l.starts_with(media::HYPERSHIFT_LABELS)) {
            return Err(Error::LabelOfHypershift { label: label.clone() });
        }
        let origin = [media::VCS_REF, media::REVISION, media::BASE_NAME, media::BASE_DIGEST];
        if let Some(label) = labels.keys().find(|l| origin.contains(&l.as_str())) {
            return Err(Error::LabelOfOrigin { label: label.clone() });
        }
        let (changes, files) = directory::read(&self.files, self.create, &self.remove)?;
        let job = Job {
            base,
            pinned: None,
            changes,
            commit: self.commit.clone(),
            labels,
            to: image.repository.clone(),
            tag,
        };
        Ok((vec![job], files))
    }
}

/// Does the jobs: reads, compresses, edits, writes.
pub async fn patch(
    client: &Client,
    jobs: Vec<Job>,
    files: Files,
    context: &Context,
) -> Result<Report, Error> {
    context.step(format_args!("reading {} base images", jobs.len()));
    let bases: Vec<_> = stream::iter(jobs)
        .map(|job| base::read(client, job))
        .buffered(AT_ONCE)
        .try_collect()
        .await?;

    let files = Arc::new(files);
    let mut layers = Layers::default();
    for base in &bases {
        for image in &base.images {
            let name = format!("{} ({})", base.name(), image.platform);
            if layers.get(&image.placed.items).is_none() {
                context.step(format_args!("compressing the new layer for {name}"));
            }
            layers.finish(&name, &image.placed.items, &files).await?;
        }
    }

    let patched: Vec<_> =
        bases.iter().map(|base| image::assemble(base, &layers)).collect::<Result<_, _>>()?;
    let images: Vec<_> =
        bases.iter().zip(&patched).map(|(base, patched)| write::Image { base, patched }).collect();
    context.step(format_args!("writing {} images with {} new layers", images.len(), layers.len()));
    write::all(client, &images, &layers).await?;

    let images: Vec<_> = bases.iter().zip(&patched).map(|(b, p)| PatchedImage::new(b, p)).collect();
    for image in &images {
        for note in &image.notes {
            context.step(format_args!("note: {}: {note}", image.reference));
        }
        for dropped in &image.dropped {
            context.step(format_args!(
                "note: {}: {dropped} was about an image as it was, and is left out",
                image.reference
            ));
        }
        context.step(format_args!("patched {} as {}", image.reference, image.tag));
    }
    Ok(Report { images })
}
