//! `fleetfix lint`: what is wrong with a file that somebody else reads.

use std::collections::BTreeMap;

use clap::{Subcommand, ValueEnum};
use fleetfix_hypershift::Graph;
use fleetfix_hypershift::overrides::{self, Overrides};
use fleetfix_model::document::finding::{Finding, FindingLevel};
use fleetfix_model::{Class, Classify as _, Reference};
use fleetfix_registry::{Image, RegistryArgs};
use fleetfix_release::graph::Source;
use fleetfix_task::{Context, Failure, Outcome};
use serde_json::json;

use crate::overrides_file::OverridesFile;

/// Check a file that others read.
#[derive(Debug, clap::Args)]
pub struct Args {
    #[command(subcommand)]
    what: What,
}

#[derive(Debug, Subcommand)]
enum What {
    /// The HyperShift operator's overrides.yaml; exits 10 if there is anything to mend
    Overrides(OverridesArgs),
}

#[derive(Debug, clap::Args)]
struct OverridesArgs {
    #[command(flatten)]
    file: OverridesFile,
    /// Update graph of a channel, Cincinnati JSON, a file or a URL; repeatable
    #[arg(long = "graph", value_name = "FILE|URL", env = "FLEETFIX_GRAPH", value_delimiter = ',')]
    graphs: Vec<Source>,
    /// Read every image as well: it must be there, and run on amd64 and arm64
    #[arg(long, env = "FLEETFIX_IMAGES")]
    images: bool,
    /// Form of the findings
    #[arg(long, value_enum, default_value_t, env = "FLEETFIX_OUTPUT")]
    output: Output,
    #[command(flatten)]
    registry: RegistryArgs,
}

/// Form of the findings.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq, ValueEnum)]
enum Output {
    /// One JSON object on one line
    #[default]
    Json,
    /// One finding a line
    Table,
}

/// What customers' nodes are: the image runs there as well
/// (`globalps.go`, the pull-secret syncer).
const ARCHITECTURES: [&str; 2] = ["amd64", "arm64"];

impl Args {
    /// Checks.
    pub async fn run(self, context: &Context) -> Result<Outcome, Failure> {
        match self.what {
            What::Overrides(args) => args.run(context).await,
        }
    }
}

impl OverridesArgs {
    async fn run(self, context: &Context) -> Result<Outcome, Failure> {
        let overrides = self.file.read()?;
        let name = self.file.name();
        let client = self.registry.client()?;
        let mut documents = Vec::new();
        for source in &self.graphs {
            context.step(format_args!("reading the update graph {source}"));
            documents.push((source.to_string(), source.read(&client).await?));
        }
        let graph = if documents.is_empty() {
            None
        } else {
            Some(Graph::read(
                documents.iter().map(|(name, json)| (name.as_str(), json.as_slice())),
            )?)
        };
        let mut findings = overrides::lint(&overrides, graph.as_ref())?;
        if self.images {
            findings.extend(self.images(&overrides, context).await?);
            findings.sort_by(|a, b| a.id.cmp(&b.id));
        }
        let to_mend = findings.iter().filter(|f| f.level != FindingLevel::Info).count();
        let outcome = match self.output {
            Output::Json => Outcome::json(&json!({
                "file": name,
                "entries": overrides.entries().len(),
                "graph": graph.is_some(),
                "findings": findings,
            }))?,
            Output::Table => Outcome::text(table(&findings)),
        };
        if to_mend == 0 {
            return Ok(outcome);
        }
        Ok(outcome.refused(format!("{name}: {to_mend} findings to mend")))
    }

    /// Reads every image once. One that cannot be read is a finding; a registry that does not answer is
    /// an error.
    async fn images(
        &self,
        overrides: &Overrides,
        context: &Context,
    ) -> Result<Vec<Finding>, Failure> {
        let client = self.registry.client()?;
        let mut lines: BTreeMap<&str, Vec<usize>> = BTreeMap::new();
        for entry in overrides.entries() {
            lines.entry(&entry.image).or_default().push(entry.line);
        }
        let mut findings = Vec::new();
        for (image, lines) in lines {
            let Ok(reference) = image.parse::<Reference>() else { continue };
            context.step(format_args!("reading {image}"));
            let store = client.source(&reference.repository);
            let read = match Image::get(&store, &reference).await {
                Ok(read) => read,
                Err(error) if error.class() == Class::Environment => {
                    return Err(error.into());
                }
                Err(error) => {
                    let failure = Failure::from(error);
                    findings.push(self.about(&lines, "unreadable", &failure.line())?);
                    continue;
                }
            };
            let platforms = read.manifests.iter().filter_map(|m| m.platform.as_ref());
            let there: Vec<&str> = platforms.map(|p| p.architecture.as_str()).collect();
            let missing: Vec<&str> =
                ARCHITECTURES.into_iter().filter(|known| !there.contains(known)).collect();
            if !missing.is_empty() {
                let found = match there.as_slice() {
                    [] => "is of one architecture".to_owned(),
                    _ => format!("has no {}", missing.join(" and no ")),
                };
                let what = format!(
                    "{image} {found}: nodes of customers that are of another cannot run it"
                );
                findings.push(self.about(&lines, "architectures", &what)?);
            }
        }
        Ok(findings)
    }

    fn about(&self, lines: &[usize], name: &str, what: &str) -> Result<Finding, Failure> {
        let first = lines.first().copied().unwrap_or_default();
        let message = format!(
            "{}: line {first} and {} others: {what}",
            self.file.name(),
            lines.len().saturating_sub(1)
        );
        let path = format!("overrides/{name}/line-{first}");
        Ok(fleetfix_hypershift::finding::finding(FindingLevel::Blocking, &path, message)?)
    }
}

fn table(findings: &[Finding]) -> String {
    let width = findings.iter().map(|f| f.id.as_str().len()).max().unwrap_or_default();
    let lines = findings
        .iter()
        .map(|f| format!("{:<8}  {:<width$}  {}\n", f.level.to_string(), f.id.as_str(), f.message));
    lines.collect()
}
