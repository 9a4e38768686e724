//! `fleetfix-verify`: is this image, bundle or channel what people of the policy released?
//!
//! Nothing is verified without an anchor: a root file, from which the channel and its policy are
//! reached, or a policy. There is no default for either. The verdict goes to standard output, as one
//! JSON object or as a tree of checks; what stands in the way goes to standard error, once.
//!
//! | module | what it holds |
//! |---|---|
//! | [`given`] | root file and policy as they were given |
//! | [`subject`] | what is verified, and by what |

use clap::{Parser, Subcommand, ValueEnum};
use fleetfix_audit::judgement::Concluded;
use fleetfix_audit::{ChannelPlace, channel};
use fleetfix_model::name::ChannelName;
use fleetfix_model::{Reference, Repository};
use fleetfix_registry::RegistryArgs;
use fleetfix_task::{Context, Failure, Outcome, Task};
use fleetfix_trust::TrustArgs;

pub mod given;
pub mod subject;

/// Verify an image, a bundle or a channel, and name every check.
#[derive(Clone, Debug, Parser)]
#[command(name = "fleetfix-verify", version)]
pub struct Args {
    /// What is verified.
    #[command(subcommand)]
    pub what: What,
}

/// What is verified.
#[derive(Clone, Debug, Subcommand)]
pub enum What {
    /// Verify an image: with --root, that an active bundle of the channel names it, and the bundle with
    /// it; with --policy, that a release key signed it
    Image(ImageArgs),
    /// Verify a bundle with its images and approvals: with --root, that it is active in the channel
    Bundle(BundleArgs),
    /// Verify a channel from the root file down to every image of its active bundles
    Channel(ChannelArgs),
}

/// Flags of an image.
#[derive(Clone, Debug, clap::Args)]
pub struct ImageArgs {
    /// Image: registry/path:tag, registry/path@digest, oci:DIR:TAG or oci:DIR@DIGEST
    #[arg(value_name = "REF")]
    pub image: Reference,
    /// Name that the signatures must give the image; only with --policy; default: its own name and tag
    #[arg(long, value_name = "REPO:TAG", env = "FLEETFIX_DOCKER_REFERENCE")]
    pub docker_reference: Option<Reference>,
    /// The channel.
    #[command(flatten)]
    pub beside: BesideArgs,
    /// What all have.
    #[command(flatten)]
    pub common: CommonArgs,
}

/// Flags of a bundle.
#[derive(Clone, Debug, clap::Args)]
pub struct BundleArgs {
    /// Bundle: registry/path:tag, registry/path@digest, oci:DIR:TAG or oci:DIR@DIGEST
    #[arg(value_name = "REF")]
    pub bundle: Reference,
    /// The channel.
    #[command(flatten)]
    pub beside: BesideArgs,
    /// What all have.
    #[command(flatten)]
    pub common: CommonArgs,
}

/// Flags of a channel.
#[derive(Clone, Debug, clap::Args)]
pub struct ChannelArgs {
    /// Where the TUF repository is: registry/path:tag, oci:DIR:TAG, or tuf:DIR with metadata/ and
    /// targets/
    #[arg(value_name = "REF")]
    pub channels: ChannelPlace,
    /// What all have.
    #[command(flatten)]
    pub common: CommonArgs,
}

/// Where the channel of an image or a bundle is.
#[derive(Clone, Debug, clap::Args)]
pub struct BesideArgs {
    /// Where the TUF repository of the fleet's channels is; default: channels:current beside the
    /// repository of REF
    #[arg(long, value_name = "REF", env = "FLEETFIX_CHANNELS")]
    pub channels: Option<ChannelPlace>,
}

/// Flags that all have.
#[derive(Clone, Debug, clap::Args)]
pub struct CommonArgs {
    /// Root file or policy.
    #[command(flatten)]
    pub trust: TrustArgs,
    /// Name of the channel; default: the only one there is
    #[arg(long, value_name = "NAME", env = "FLEETFIX_CHANNEL")]
    pub channel: Option<ChannelName>,
    /// Where the fleet's images and bundles are; default: what the TUF repository lies in
    #[arg(long, value_name = "PLACE", env = "FLEETFIX_FROM")]
    pub from: Option<Repository>,
    /// Form of the verdict
    #[arg(long, value_enum, default_value_t, env = "FLEETFIX_OUTPUT")]
    pub output: Output,
    /// Registries.
    #[command(flatten)]
    pub registry: RegistryArgs,
}

/// Form of the verdict.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq, ValueEnum)]
pub enum Output {
    /// One JSON object on one line
    #[default]
    Json,
    /// A tree of checks, one a line
    Table,
}

impl Task for Args {
    async fn run(self, context: &Context) -> Result<Outcome, Failure> {
        let output = match &self.what {
            What::Image(args) => args.common.output,
            What::Bundle(args) => args.common.output,
            What::Channel(args) => args.common.output,
        };
        let concluded = Box::pin(self.verify(context)).await?;
        let outcome = match output {
            Output::Json => Outcome::json(&concluded.verdict)?,
            Output::Table => Outcome::text(concluded.verdict.to_string()),
        };
        Ok(match concluded.ending() {
            Some((class, why)) => outcome.ending(class, why),
            None => outcome,
        })
    }
}

impl Args {
    /// Makes the verdict. An error is what was given, or what stands in the way of any verdict.
    pub async fn verify(self, context: &Context) -> Result<Concluded, Failure> {
        match self.what {
            What::Image(args) => subject::image(args, context).await,
            What::Bundle(args) => subject::bundle(args, context).await,
            What::Channel(args) => {
                let root = given::root_only(&args.common.trust)?;
                let client = args.common.registry.client()?;
                context.step(format_args!("verifying {}", args.channels));
                let target = args.common.target(&args.channels);
                let anchor = root.anchor(&args.common.trust, context.now);
                let audit = channel::verify(&client, &target, &anchor).await;
                Ok(audit.map_err(|error| root.blame(error))?.concluded)
            }
        }
    }
}

impl CommonArgs {
    /// The channel that is meant, at `place`.
    fn target<'a>(&'a self, place: &'a ChannelPlace) -> channel::Target<'a> {
        channel::Target { place, fleet: self.from.as_ref(), name: self.channel.as_ref() }
    }
}
