//! `fleetfix-patch`: puts a fix into images, every architecture of each.
//!
//! Large files are compressed while bases are read and changes placed on them ([`base`],
//! [`indexes`]); layers are put together as soon as both are done ([`compress`]), documents edited
//! ([`image`](mod@image)), and manifests and tags written when all of that is known to be good
//! ([`write`](mod@write)). To a registry blobs go before that, once no base is refused any more: it
//! throws away those that no manifest names. Doing it again writes nothing and says the same.
//!
//! | module | what it holds |
//! |---|---|
//! | [`job`] | one base, and what is to be done to it |
//! | [`planned`] | the jobs of a plan |
//! | [`directory`] | changes from a directory that is laid out as the image is |
//! | [`from_image`] | a file out of another image |
//! | [`settings`] | how to patch, and the flags for it |
//! | [`run`] | the steps in their order |
//! | [`base`], [`compress`], [`image`](mod@image), [`write`](mod@write) | the steps |
//! | [`indexes`] | what base layers hold, read once |
//! | [`programs`] | whether new programs are built as those that they replace |
//! | [`replaced`] | what is known of the programs of bases |
//! | `one_module` | programs of the Go module of a replaced one, which stay |
//! | [`report`] | what was done, as JSON |
//! | [`error`] | what can go wrong |

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Arc;

use clap::{ArgGroup, Parser};
use fleetfix_model::document::{FixPlan, from_canonical};
use fleetfix_model::name::{Commit, FindingId, ImagePath};
use fleetfix_model::{Reference, Repository, Timestamp, canonical, media};
use fleetfix_registry::RegistryArgs;
use fleetfix_task::{Context, Failure, Outcome, ResultPath, Task, file};

pub mod base;
pub mod compress;
pub mod directory;
pub mod error;
pub mod from_image;
pub mod image;
pub mod indexes;
pub mod job;
mod one_module;
pub mod planned;
pub mod programs;
pub mod replaced;
pub mod report;
pub mod run;
pub mod settings;
pub mod write;

pub use error::Error;
pub use run::patch;

use crate::from_image::Held;
use crate::indexes::Indexes;
use crate::job::{Changes, Files, Job};
use crate::replaced::Replaced;
use crate::settings::SettingsArgs;

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
    /// (DIR/usr/bin/app), or so for each architecture (DIR/arm64/usr/bin/app), or one file out of
    /// another image (registry/path:tag:/usr/bin/app)
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
    /// Difference between a new program and the base's that is meant, such as parity/go-version
    #[arg(long, value_name = "FINDING", env = "FLEETFIX_ACCEPT", conflicts_with = "plan")]
    pub accept: Vec<FindingId>,
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
    /// How to patch.
    #[command(flatten)]
    pub settings: SettingsArgs,
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
        let settings = self.settings.settings()?;
        let client = self.registry.client()?;
        let other = from_image::split(&self.files).filter(|_| self.plan.is_none());
        // Whatever files lie in is held until they are written.
        let (jobs, files, _held) = if let Some((image, path)) = other {
            let job = self.job(Changes::Same(Vec::new()))?;
            let none = Arc::new(Replaced::new(&[], None));
            let indexes = Indexes::new(settings.cache.clone(), none);
            let (create, remove) = (self.create, &self.remove[..]);
            let read = from_image::read(&client, &image, &path, create, remove, &indexes);
            let (changes, files, held) = Box::pin(read).await?;
            (vec![Job { changes, ..job }], files, held)
        } else {
            let (jobs, files) = self.jobs(context.now)?;
            (jobs, files, Held::default())
        };
        let report = Box::pin(patch(&client, jobs, files, &settings, context)).await?;
        let digest = report.images.first().map(|image| image.digest);
        let outcome = Outcome::json(&report)?;
        Ok(match digest {
            Some(digest) => outcome.result(self.result_image_digest.as_ref(), digest),
            None => outcome,
        })
    }
}

impl Args {
    /// What is to be done, checked as far as it can be without a registry. `now` is when the plan's
    /// waivers are judged.
    pub fn jobs(&self, now: Timestamp) -> Result<(Vec<Job>, Files), Error> {
        if let (Some(path), Some(to)) = (&self.plan, &self.to) {
            let bytes = file::read_bounded(path, canonical::MAX_SIZE as u64)?;
            let plan: FixPlan = from_canonical(&path.display().to_string(), &bytes)?;
            return planned::jobs(&plan, &self.files, to, now);
        }
        let job = self.job(Changes::Same(Vec::new()))?;
        let (changes, files) = directory::read(&self.files, self.create, &self.remove)?;
        Ok((vec![Job { changes, ..job }], files))
    }

    /// The one job of a command line without a plan.
    fn job(&self, changes: Changes) -> Result<Job, Error> {
        let (Some(base), Some(image)) = (self.base_image.clone(), &self.image) else {
            return Err(Error::NothingAsked);
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
        Ok(Job {
            base,
            pinned: None,
            changes,
            commit: self.commit.clone(),
            accepted: self.accept.iter().cloned().collect(),
            labels,
            to: image.repository.clone(),
            tag,
        })
    }
}
