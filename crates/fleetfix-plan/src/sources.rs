//! What a plan is made from beside its request, as it was given and as it was read. What was not
//! given is missing here, and the plan says so.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use fleetfix_audit::ChannelPlace;
use fleetfix_audit::channel::{self, Anchor, Target, VerifiedChannel};
use fleetfix_hypershift::overrides::Overrides;
use fleetfix_hypershift::{Catalogue, Graph};
use fleetfix_model::document::plan::PlanInput;
use fleetfix_model::name::ChannelName;
use fleetfix_model::{
    Digest, Reference, Repository, Timestamp, ToCanonical, Version, canonical, yaml,
};
use fleetfix_registry::Client;
use fleetfix_release::graph::Source;
use fleetfix_task::{Context, Failure, file};
use serde::Deserialize;

use crate::Error;
use crate::cluster::{self, Cluster};

/// Files and services besides the request.
#[derive(Clone, Debug, Default, clap::Args)]
#[command(next_help_heading = "What is known")]
pub struct Sources {
    /// Update graph of a channel, Cincinnati JSON, a file or a URL; repeatable
    #[arg(long = "graph", value_name = "FILE|URL", env = "FLEETFIX_GRAPH", value_delimiter = ',')]
    pub graphs: Vec<Source>,
    /// When development of z-streams ends, YAML: `4.20.33: 2026-09-01T00:00:00Z`
    #[arg(long, value_name = "FILE", env = "FLEETFIX_CUTOFFS")]
    pub cutoffs: Option<PathBuf>,
    /// Release images by version, YAML: one reference or a list for each
    #[arg(long, value_name = "FILE", env = "FLEETFIX_PAYLOADS")]
    pub payloads: Option<PathBuf>,
    /// The overrides.yaml of the HyperShift operator that is deployed
    #[arg(long, value_name = "FILE", env = "FLEETFIX_OVERRIDES")]
    pub overrides: Option<PathBuf>,
    /// `HostedClusters` as `kubectl get -o json` or `-o yaml` writes them; repeatable
    #[arg(long, value_name = "FILE", env = "FLEETFIX_CLUSTERS", value_delimiter = ',')]
    pub clusters: Vec<PathBuf>,
    /// Git repository of the component's source, with the commits of the fix; bare is enough
    #[arg(long, value_name = "DIR", env = "FLEETFIX_GIT")]
    pub git: Option<PathBuf>,
    /// Branch that release branches are made from; default: main, else master
    #[arg(long, env = "FLEETFIX_MAIN", value_name = "BRANCH", requires = "git")]
    pub main: Option<String>,
    /// Components and workloads beside the known ones, JSON as in the built-in catalogue
    #[arg(long, value_name = "FILE", env = "FLEETFIX_CATALOGUE")]
    pub catalogue: Option<PathBuf>,
    /// The active channel.
    #[command(flatten)]
    pub channel: ChannelArgs,
}

/// The active channel, with what it is trusted by.
#[derive(Clone, Debug, Default, clap::Args)]
#[command(next_help_heading = "Active channel")]
pub struct ChannelArgs {
    /// Where the TUF repository of the fleet's channels is
    #[arg(long, value_name = "REF", env = "FLEETFIX_CHANNELS", requires = "root")]
    pub channels: Option<ChannelPlace>,
    /// Name of the channel; default: the only one there is
    #[arg(long, value_name = "NAME", env = "FLEETFIX_CHANNEL", requires = "channels")]
    pub channel: Option<ChannelName>,
    /// Where the fleet's images and bundles are; default: what the TUF repository lies in
    #[arg(long, value_name = "PLACE", env = "FLEETFIX_FROM", requires = "channels")]
    pub from: Option<Repository>,
    /// TUF root file of the fleet's channel: the only trust anchor
    #[arg(long, value_name = "FILE", env = "FLEETFIX_ROOT", requires = "channels")]
    pub root: Option<PathBuf>,
    /// Directory that remembers the last state seen, one per channel; without it rollback is not checked
    #[arg(long, value_name = "DIR", env = "FLEETFIX_STATE", requires = "channels")]
    pub state: Option<PathBuf>,
}

/// What was read.
#[derive(Debug)]
pub struct Given {
    /// What is known of components.
    pub catalogue: Catalogue,
    /// The update graph, with the digest of its canonical form.
    pub graph: Option<(Graph, Digest)>,
    /// When development of z-streams ends.
    pub cutoffs: BTreeMap<Version, Timestamp>,
    /// Release images by version.
    pub payloads: BTreeMap<Version, Vec<Reference>>,
    /// The deployed `overrides.yaml`.
    pub overrides: Option<Overrides>,
    /// `HostedClusters`.
    pub clusters: Option<Vec<Cluster>>,
    /// The active channel, verified with all that it leads to.
    pub channel: Option<VerifiedChannel>,
    /// Whether there is a repository of the source.
    pub git: bool,
    /// What of it a plan pins beside the graph, sorted by name.
    pub inputs: Vec<PlanInput>,
}

/// One reference or several.
#[derive(Deserialize)]
#[serde(untagged)]
enum Names {
    One(Reference),
    Several(Vec<Reference>),
}

/// Reads what was given.
pub async fn read(sources: &Sources, client: &Client, context: &Context) -> Result<Given, Failure> {
    let mut inputs = Inputs::default();
    let catalogue = match &sources.catalogue {
        Some(path) => {
            let json = inputs.read("catalogue", path, canonical::MAX_SIZE as u64)?;
            Catalogue::built_in()?.extended(&json).map_err(|e| about(path, e))?
        }
        None => Catalogue::built_in()?,
    };
    let graph = graph(&sources.graphs, client, context).await?;
    let cutoffs = match &sources.cutoffs {
        Some(path) => inputs.yaml::<BTreeMap<Version, Timestamp>>("cutoffs", path)?,
        None => BTreeMap::new(),
    };
    let payloads = match &sources.payloads {
        Some(path) => inputs.yaml::<BTreeMap<Version, Names>>("payloads", path)?,
        None => BTreeMap::new(),
    };
    let overrides = match &sources.overrides {
        Some(path) => {
            let text = inputs.read("overrides", path, yaml::MAX_SIZE as u64)?;
            Some(Overrides::read(&path.display().to_string(), &text)?)
        }
        None => None,
    };
    let clusters = clusters(&sources.clusters, &mut inputs)?;
    let channel = active(&sources.channel, client, context).await?;
    if let Some(channel) = &channel {
        let digest = channel.document().canonical_digest()?;
        inputs.add(format!("channel {}", channel.document().name), digest);
    }
    let payloads = payloads
        .into_iter()
        .map(|(version, names)| match names {
            Names::One(name) => (version, vec![name]),
            Names::Several(names) => (version, names),
        })
        .collect();
    let inputs = inputs.sorted();
    let git = sources.git.is_some();
    Ok(Given { catalogue, graph, cutoffs, payloads, overrides, clusters, channel, git, inputs })
}

fn about(path: &Path, error: fleetfix_hypershift::Error) -> Failure {
    Failure::from(error).about(path.display())
}

async fn graph(
    sources: &[Source],
    client: &Client,
    context: &Context,
) -> Result<Option<(Graph, Digest)>, Failure> {
    let mut documents = Vec::new();
    for source in sources {
        context.step(format_args!("reading the update graph {source}"));
        documents.push((source.to_string(), source.read(client).await?));
    }
    if documents.is_empty() {
        return Ok(None);
    }
    let graph = Graph::read(documents.iter().map(|(name, json)| (name.as_str(), json.as_slice())))?;
    let digest = graph.canonical_digest()?;
    Ok(Some((graph, digest)))
}

fn clusters(paths: &[PathBuf], inputs: &mut Inputs) -> Result<Option<Vec<Cluster>>, Failure> {
    if paths.is_empty() {
        return Ok(None);
    }
    let mut clusters = Vec::new();
    for (i, path) in paths.iter().enumerate() {
        let name = if i == 0 { "clusters".to_owned() } else { format!("clusters {}", i + 1) };
        let dump = inputs.read(&name, path, cluster::MAX_SIZE)?;
        clusters.extend(cluster::read(path, &dump)?);
    }
    Ok(Some(clusters))
}

/// Verifies the channel that is given, down to every image of its active bundles.
async fn active(
    args: &ChannelArgs,
    client: &Client,
    context: &Context,
) -> Result<Option<VerifiedChannel>, Failure> {
    let (Some(place), Some(root)) = (&args.channels, &args.root) else { return Ok(None) };
    context.step(format_args!("verifying {place}"));
    let bytes = file::read_bounded(root, fleetfix_audit::state::MAX_FILE)?;
    let target = Target { place, fleet: args.from.as_ref(), name: args.channel.as_ref() };
    let anchor = Anchor { root: &bytes, state: args.state.as_deref(), now: context.now };
    let audit = Box::pin(channel::verify(client, &target, &anchor)).await?;
    Ok(Some(audit.holding(place)?))
}

/// What was read, by name.
#[derive(Debug, Default)]
struct Inputs(BTreeMap<String, Digest>);

impl Inputs {
    fn add(&mut self, name: String, digest: Digest) {
        self.0.insert(name, digest);
    }

    fn read(&mut self, name: &str, path: &Path, max: u64) -> Result<Vec<u8>, Failure> {
        let bytes = file::read_bounded(path, max)?;
        self.add(name.to_owned(), Digest::of(&bytes));
        Ok(bytes)
    }

    fn yaml<T: serde::de::DeserializeOwned>(
        &mut self,
        name: &str,
        path: &Path,
    ) -> Result<T, Failure> {
        let text = self.read(name, path, yaml::MAX_SIZE as u64)?;
        let read = yaml::from_yaml(&path.display().to_string(), &text);
        read.map_err(|source| Error::Yaml(source).into())
    }

    fn sorted(self) -> Vec<PlanInput> {
        self.0.into_iter().map(|(name, digest)| PlanInput { name, digest }).collect()
    }
}
