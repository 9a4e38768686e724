//! Resolves a fix request into a plan.
//!
//! The request says what is broken in the words of people; the plan pins what tooling made of it:
//! payloads, base images, files, each by digest. It holds no clock and no path of the machine, so
//! the same request over the same payloads is the same plan, byte by byte.
//!
//! | module | what it holds |
//! |---|---|
//! | [`request`] | the request with its digest and its directory |
//! | [`payload`] | the release image of each version |
//! | [`base`] | the images to patch |
//! | [`content`] | the files to put in, by digest |
//! | [`document`] | the plan from all of it |
//! | [`finding`] | what was found, and who accepted it |
//! | [`check`] | which checks were made |
//! | [`table`] | the plan for people |

pub mod base;
pub mod check;
pub mod content;
pub mod document;
mod error;
pub mod finding;
pub mod payload;
pub mod request;
pub mod table;

use std::path::PathBuf;

use fleetfix_hypershift::Catalogue;
use fleetfix_model::{Digest, ToCanonical};
use fleetfix_registry::RegistryArgs;
use fleetfix_task::{Context, Failure, Outcome, ResultPath, Task, file};
use serde::Serialize;

pub use error::Error;

/// Resolves a fix request into a plan: versions, payloads, base images, files, delivery, impact.
///
/// A plan with a blocking finding that no waiver names is written all the same, and exits 10.
#[derive(Debug, clap::Parser)]
#[command(name = "fleetfix-plan", version)]
pub struct Args {
    /// The fix request, YAML. Files it names lie below its directory.
    #[arg(long, env = "FLEETFIX_REQUEST", value_name = "FILE")]
    pub request: PathBuf,
    /// Where the plan is written, canonical JSON.
    #[arg(long, env = "FLEETFIX_PLAN", value_name = "FILE")]
    pub plan: PathBuf,
    /// What is printed: one JSON object, or the plan for people.
    #[arg(long, env = "FLEETFIX_OUTPUT", value_enum, default_value_t = Output::Json)]
    pub output: Output,
    /// File for the digest of the plan.
    #[arg(long, env = "FLEETFIX_RESULT_PLAN_DIGEST", value_name = "FILE")]
    pub result_plan_digest: Option<ResultPath>,
    /// Mirrors and credentials.
    #[command(flatten)]
    pub registry: RegistryArgs,
}

/// What is printed.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq, clap::ValueEnum)]
pub enum Output {
    /// One JSON object: `plan`, `digest`, `covered`, `blocking`.
    #[default]
    Json,
    /// Coverage, base images, delivery, impact and findings.
    Table,
}

/// What is printed for programs.
#[derive(Debug, Serialize)]
struct Written<'a> {
    plan: &'a str,
    digest: Digest,
    covered: usize,
    blocking: usize,
}

impl Task for Args {
    async fn run(self, context: &Context) -> Result<Outcome, Failure> {
        let client = self.registry.client()?;
        let catalogue = Catalogue::built_in()?;
        let request = request::read(&self.request)?;
        let (coverage, found) = fleetfix_hypershift::coverage::without_graph(&request.document)
            .map_err(|e| Error::of_request(&request, e))?;
        let versions = payload::needed(&request, &coverage)?;
        context.step(format_args!("reading {} payloads", versions.len()));
        let payloads = payload::read(&client, &request, versions).await?;
        let component = payload::component(&request, &payloads, &catalogue)?;
        context.step(format_args!("reading the images of {}", component.tag));
        let bases = base::read(&client, &component, &payloads).await?;
        context.step("hashing files");
        let fixes = content::pin(&client, &request, &bases).await?;
        let plan = document::assemble(document::Parts {
            request: &request,
            catalogue: &catalogue,
            coverage,
            found,
            payloads: &payloads,
            component,
            bases,
            fixes,
        })?;
        let bytes = plan.to_canonical()?;
        file::write_atomic(&self.plan, &bytes)?;

        let stopping = finding::stopping(&plan, context.now);
        let digest = Digest::of(&bytes);
        let outcome = match self.output {
            Output::Json => Outcome::json(&Written {
                plan: &self.plan.display().to_string(),
                digest,
                covered: check::covered(&plan),
                blocking: stopping.len(),
            })?,
            Output::Table => Outcome::text(table::render(&plan, digest)),
        };
        let outcome = outcome.result(self.result_plan_digest.as_ref(), digest);
        Ok(if stopping.is_empty() {
            outcome
        } else {
            outcome.refused(finding::refusal(&self.plan, &stopping))
        })
    }
}
