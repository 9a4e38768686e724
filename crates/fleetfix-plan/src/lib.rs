//! Resolves a fix request into a plan.
//!
//! The request says what is broken in the words of people; the plan pins what tooling made of it:
//! payloads, what really runs, files, each by digest. It holds no clock and no path of the machine,
//! so the same request over the same inputs is the same plan, byte by byte.
//!
//! | module | what it holds |
//! |---|---|
//! | [`request`] | the request with its digest and its directory |
//! | [`sources`] | what was given beside it: update graph, overrides, clusters, channel |
//! | [`cluster`] | HostedClusters of a dump |
//! | [`payload`] | the release images of the covered versions |
//! | [`running`] | what runs for each of them |
//! | [`base`] | the images to patch |
//! | [`annotated`] | clusters with an image of their own |
//! | [`fixed`] | versions that are called fixed |
//! | [`replaced`] | every image that the fix takes the place of |
//! | [`history`] | what the source's history says of the fix |
//! | [`deliver`] | how the fix gets there, and what that touches |
//! | [`content`] | the files to put in, by digest |
//! | [`parity`] | what new programs say of themselves |
//! | [`judge`] | what these say about each other |
//! | [`document`] | the plan from all of it |
//! | [`finding`] | what was found, and who accepted it |
//! | [`check`] | which checks were made |
//! | [`report`], [`yaml`] | the plan for people |

pub mod annotated;
pub mod base;
pub mod check;
pub mod cluster;
pub mod content;
pub mod deliver;
pub mod document;
mod error;
pub mod finding;
pub mod fixed;
pub mod history;
pub mod judge;
pub mod parity;
pub mod payload;
pub mod replaced;
pub mod report;
pub mod request;
pub mod running;
pub mod sources;
pub mod yaml;

use std::path::PathBuf;

use fleetfix_hypershift::coverage::{self, Known};
use fleetfix_hypershift::platform;
use fleetfix_model::document::FixPlan;
use fleetfix_model::document::finding::Finding;
use fleetfix_model::{Digest, ToCanonical};
use fleetfix_registry::{Client, RegistryArgs};
use fleetfix_task::{Context, Failure, Outcome, ResultPath, Task, file};
use serde::Serialize;

pub use error::Error;

use finding::Findings;
use history::History;
use payload::Payloads;
use sources::Sources;

/// Resolves a fix request into a plan: versions, payloads, what runs, files, delivery, impact.
///
/// A plan with a blocking finding that no waiver names is written all the same, and exits 10. What was
/// not given is not guessed: the plan names each check that was not made.
#[derive(Debug, clap::Parser)]
#[command(name = "fleetfix-plan", version)]
pub struct Args {
    /// The fix request, YAML. Files it names lie below its directory.
    #[arg(long, env = "FLEETFIX_REQUEST", value_name = "FILE", required = true)]
    pub request: Option<PathBuf>,
    /// Where the plan is written, canonical JSON; default: nowhere, it is only printed
    #[arg(long, env = "FLEETFIX_PLAN", value_name = "FILE")]
    pub plan: Option<PathBuf>,
    /// What is printed
    #[arg(long, env = "FLEETFIX_OUTPUT", value_enum, default_value_t = Output::Json)]
    pub output: Output,
    /// File for the digest of the plan.
    #[arg(long, env = "FLEETFIX_RESULT_PLAN_DIGEST", value_name = "FILE")]
    pub result_plan_digest: Option<ResultPath>,
    /// What is known beside the request.
    #[command(flatten)]
    pub sources: Sources,
    /// Mirrors and credentials.
    #[command(flatten)]
    pub registry: RegistryArgs,
}

/// What is printed.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq, clap::ValueEnum)]
pub enum Output {
    /// One JSON object: `plan`, `digest`, `covered`, `blocking`, `document`
    #[default]
    Json,
    /// The same as YAML
    Yaml,
    /// Verdict, coverage, what is replaced, delivery, impact and findings, for a terminal
    Table,
    /// The same for a pull request
    Markdown,
}

/// What is printed for programs.
#[derive(Debug, Serialize)]
struct Written<'a> {
    /// The file, if there is one.
    #[serde(skip_serializing_if = "Option::is_none")]
    plan: Option<String>,
    digest: Digest,
    covered: usize,
    blocking: usize,
    document: &'a FixPlan,
}

impl Task for Args {
    async fn run(self, context: &Context) -> Result<Outcome, Failure> {
        let Some(path) = &self.request else {
            return Err(Failure::usage("no request is given"));
        };
        let client = self.registry.client()?;
        let request = request::read(path)?;
        let plan = plan(&client, &request, &self.sources, context).await?;
        let bytes = plan.to_canonical()?;
        if let Some(path) = &self.plan {
            file::write_atomic(path, &bytes)?;
        }
        let stopping: Vec<_> = plan.stopping(context.now).collect();
        let digest = Digest::of(&bytes);
        let file = self.plan.as_ref().map(|path| path.display().to_string());
        let written = Written {
            plan: file.clone(),
            digest,
            covered: check::covered(&plan),
            blocking: stopping.len(),
            document: &plan,
        };
        let report = || report::report(&plan, digest, context.now);
        let outcome = match self.output {
            Output::Json => Outcome::json(&written)?,
            Output::Yaml => {
                let value = serde_json::to_value(&written).map_err(fleetfix_task::Error::NoJson)?;
                Outcome::text(yaml::render(&value))
            }
            Output::Table => Outcome::text(report::text::render(&report())),
            Output::Markdown => Outcome::text(report::markdown::render(&report())),
        };
        let outcome = outcome.result(self.result_plan_digest.as_ref(), digest);
        Ok(if stopping.is_empty() {
            outcome
        } else {
            let name = file.unwrap_or_else(|| request.file.clone());
            outcome.refused(finding::refusal(&name, &stopping))
        })
    }
}

/// Makes the plan of a request.
pub async fn plan(
    client: &Client,
    request: &request::Request,
    sources: &Sources,
    context: &Context,
) -> Result<FixPlan, Failure> {
    let given = sources::read(sources, client, context).await?;
    let mut history = match &sources.git {
        Some(dir) => {
            context.step(format_args!("reading the history in {}", dir.display()));
            Some(History::read(dir, sources.main.as_deref(), &request.document)?)
        }
        None => None,
    };
    let mut findings = Findings::default();
    findings.extend(about_platform(request, history.as_ref())?);
    let known = Known {
        graph: given.graph.as_ref().map(|(graph, _)| graph),
        cutoffs: given.cutoffs.clone(),
        merged: history.as_ref().map(History::merged).unwrap_or_default(),
    };
    let mut expanded =
        coverage::expand(&request.document, &known).map_err(|e| Error::of_request(request, e))?;
    let names = payload::names(request, &given)?;
    let versions = payload::covered(request, &expanded.coverage)?;
    context.step(format_args!("reading the payloads of {} versions", versions.len()));
    let (index, found) = payload::read(client, request, &names, &mut expanded.coverage).await?;
    findings.extend(found);
    let component = payload::component(request, &index, &given.catalogue)?;
    let mut payloads = Payloads { covered: index, ..Payloads::default() };
    // What they hold, and which cluster is on them: nothing else asks.
    if history.is_some() || given.clusters.is_some() {
        context.step("reading the payloads that are called fixed");
        fixed::read(client, &names, &expanded.coverage, &mut payloads).await?;
    }
    let (tag, coverage) = (&component.tag, &expanded.coverage);
    let delivered = deliver::decide(&request.document, tag, coverage, &given.catalogue)
        .map_err(|e| Error::of_request(request, e))?;
    let running = running::running(&given, tag, coverage, &payloads, &delivered)?;
    context.step(format_args!("reading the images of {tag} that run"));
    let bases = base::read(client, &running.effective).await?;
    context.step("hashing files");
    let mut fixes = content::pin(client, request, &bases).await?;
    let annotated = annotated::read(client, &running, coverage, &delivered, &bases, &fixes).await?;
    findings.extend(annotated.findings);
    let released =
        fixed::judge(client, tag, coverage, &payloads, (&given, &running), history.as_mut())
            .await?;
    findings.extend(released.findings);
    if let Some(history) = &mut history {
        let replaced = replaced::all(tag, &payloads.covered, &bases, &annotated.images);
        findings.extend(history.judge(&mut fixes.planned, &replaced)?);
    }
    let programs = parity::judge(request, &fixes.planned)?;
    let mut not_made = fixes.not_made();
    not_made.push((parity::CHECK.to_owned(), programs.not_made(&fixes.planned)));
    findings.extend(programs.findings);
    let unread = history.as_ref().and_then(History::not_read);
    not_made.extend(unread.map(|reason| (check::PLATFORM.to_owned(), reason)));
    not_made.extend(released.not_made.map(|reason| (fixed::CHECK.to_owned(), reason)));
    let plan = document::assemble(document::Parts {
        request,
        given: &given,
        expanded,
        payloads: &payloads,
        component,
        running,
        delivered,
        bases,
        fixes,
        findings,
        not_made,
    })?;
    Ok(plan)
}

/// Holds the titles of the request and of its pull requests, and the files that those change, against
/// its platforms.
fn about_platform(
    request: &request::Request,
    history: Option<&History>,
) -> Result<Vec<Finding>, Error> {
    let platforms = request.document.affected.iter().map(|affected| affected.platform).collect();
    let own = request.document.title.iter().map(|title| ("the request", title.as_str()));
    let titles = own.chain(history.into_iter().flat_map(History::titles));
    let named = |e| Error::of_request(request, e);
    let mut findings = platform::judge(&platforms, titles).map_err(named)?;
    let files = history.into_iter().flat_map(History::files);
    findings.extend(platform::judge_files(&platforms, files).map_err(named)?);
    Ok(findings)
}
