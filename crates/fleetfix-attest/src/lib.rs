//! `fleetfix-attest`: says in signed statements what a patched image holds and how it was made.
//!
//! The image is read first: it must be its base with the patch of the plan, byte for byte. For that
//! the base is read too, so `--mirror` is for this task as for patching.
//!
//! About each patched index of a plan there are three statements: the fix, the bill of materials
//! and the provenance. What they say follows from the plan and from the digests of the patched
//! image alone. Attesting again with the same key writes nothing.
//!
//! | module | what it holds |
//! |---|---|
//! | [`patched`] | a patched image beside the plan that called for it |
//! | [`content`] | whether the image holds what the plan calls for, and nothing else |
//! | [`statements`] | the statements about it |
//! | [`fix`](mod@fix), [`sbom`](mod@sbom), [`provenance`](mod@provenance) | the predicate of each |
//! | [`locate`] | how images and commits are named there |
//! | [`predicate`] | a predicate that somebody else wrote |
//! | [`attestation`] | signed statements beside an image |
//! | [`error`] | what can go wrong |

use std::path::PathBuf;

use clap::{ArgGroup, Parser};
use fleetfix_model::{Reference, Repository};
use fleetfix_registry::{Client, RegistryArgs};
use fleetfix_signer::{KeyArgs, SigningKey};
use fleetfix_task::{Context, Failure, Outcome, Task};
use serde_json::json;

use crate::attestation::Attested;
use crate::patched::Planned;

pub mod attestation;
pub mod content;
pub mod error;
pub mod fix;
pub mod locate;
pub mod patched;
pub mod predicate;
pub mod provenance;
pub mod sbom;
pub mod statements;

pub use error::Error;

/// Attest every patched image of a plan (fix, SBOM, provenance), or one image with a given predicate.
#[derive(Clone, Debug, Parser)]
#[command(name = "fleetfix-attest", version)]
#[command(group(ArgGroup::new("what").required(true).args(["plan", "image"])))]
pub struct Args {
    /// Fix plan whose patched images are attested
    #[arg(long, value_name = "FILE", env = "FLEETFIX_PLAN", requires = "from")]
    pub plan: Option<PathBuf>,
    /// Where the patched images are: PLACE/COMPONENT
    #[arg(long, value_name = "PLACE", env = "FLEETFIX_FROM")]
    pub from: Option<Repository>,
    /// Builder that the provenance names
    #[arg(long, value_name = "URI", env = "FLEETFIX_BUILDER_ID", default_value = provenance::LOCAL_BUILDER)]
    pub builder_id: String,
    /// Image to attest: registry/path:tag, registry/path@digest or oci:DIR:TAG
    #[arg(long, value_name = "REF", env = "FLEETFIX_IMAGE", requires_all = ["predicate", "predicate_type"])]
    pub image: Option<Reference>,
    /// Predicate about the image, a JSON object
    #[arg(long, value_name = "FILE", env = "FLEETFIX_PREDICATE")]
    pub predicate: Option<PathBuf>,
    /// Type of the predicate, such as `https://cyclonedx.org/bom`; none of fleetfix's own
    #[arg(long, value_name = "URI", env = "FLEETFIX_PREDICATE_TYPE")]
    pub predicate_type: Option<String>,
    /// The key.
    #[command(flatten)]
    pub key: KeyArgs,
    /// Registries.
    #[command(flatten)]
    pub registry: RegistryArgs,
}

impl Task for Args {
    async fn run(self, context: &Context) -> Result<Outcome, Failure> {
        let attested = match (&self.plan, &self.from, &self.image) {
            (Some(plan), Some(from), None) => {
                let planned = Planned::read(plan, context.now)?;
                predicate::check_uri("--builder-id", &self.builder_id)?;
                let (key, client) = (self.key.signing_key()?, self.registry.client()?);
                self.planned(context, &planned, &client, from, &key).await?
            }
            (None, _, Some(image)) => self.image(context, image).await?,
            _ => return Err(Failure::usage("give --plan and --from, or --image")),
        };
        Ok(Outcome::json(&json!({ "attested": attested }))?)
    }
}

impl Args {
    /// Attests all images of a plan. All of them are looked for, and read, before anything is written.
    async fn planned(
        &self,
        context: &Context,
        planned: &Planned,
        client: &Client,
        from: &Repository,
        key: &SigningKey,
    ) -> Result<Vec<Attested>, Failure> {
        let store = client.store(&planned.repository(from)?);
        let mut images = Vec::new();
        for base in &planned.plan.bases {
            let (patched, image) = planned.find(&store, base).await?;
            context.step(format_args!(
                "reading {}: it must be its base with the patch of this plan",
                store.repository().at(patched.index)
            ));
            content::check(client, &store, &image, &patched).await?;
            images.push(patched);
        }
        let mut attested = Vec::new();
        for image in images {
            context.step(format_args!(
                "attesting {}: fix, SBOM, provenance",
                store.repository().tagged(image.tag.clone())
            ));
            let statements = statements::statements(&image, &self.builder_id)?;
            attested.extend(attestation::attest(&store, image.index, &statements, key).await?);
        }
        Ok(attested)
    }

    /// Attests one image, as its tag was resolved once, with a predicate that somebody else wrote.
    async fn image(&self, context: &Context, image: &Reference) -> Result<Vec<Attested>, Failure> {
        let (Some(file), Some(predicate_type)) = (&self.predicate, &self.predicate_type) else {
            return Err(Failure::usage("--image needs --predicate and --predicate-type"));
        };
        predicate::check_type(predicate_type)?;
        let predicate = predicate::read(file)?;
        let (key, client) = (self.key.signing_key()?, self.registry.client()?);
        let store = client.store(&image.repository);
        let subject = store.get(image).await?.digest;
        context.step(format_args!("attesting {image}: {predicate_type}"));
        let statement = statements::Statement::new(subject, predicate_type, predicate)?;
        attestation::attest(&store, subject, &[statement], &key).await
    }
}
