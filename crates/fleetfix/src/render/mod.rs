//! `fleetfix render`: what a fix is in the words of those who deliver it.
//!
//! | command | what it writes |
//! |---|---|
//! | [`overrides`] | entries of the HyperShift operator's `overrides.yaml` |
//! | [`annotations`] | a JSON Patch for one HostedCluster, and its inverse |
//! | [`release`] | the recipe for `spec.controlPlaneRelease`, and its patch |
//!
//! A bundle or channel is read by [`source`] only, down from a trust root or a policy.

use clap::Subcommand;
use fleetfix_task::{Context, Failure, Outcome};

pub mod annotations;
pub mod cluster;
pub mod fix;
pub mod overrides;
pub mod release;
pub mod source;
mod targets;

/// Write a fix in the form of those who deliver it.
#[derive(Debug, clap::Args)]
pub struct Args {
    #[command(subcommand)]
    what: What,
}

#[derive(Debug, Subcommand)]
enum What {
    /// Entries of the HyperShift operator's overrides.yaml, merged into a file that is there
    Overrides(Box<overrides::Args>),
    /// The JSON Patch that annotates one `HostedCluster`, and its inverse
    Annotations(Box<annotations::Args>),
    /// The recipe for spec.controlPlaneRelease of one `HostedCluster`, with its warnings
    Release(Box<release::Args>),
}

impl Args {
    /// Renders.
    pub async fn run(self, context: &Context) -> Result<Outcome, Failure> {
        match self.what {
            What::Overrides(args) => Box::pin(args.run(context)).await,
            What::Annotations(args) => Box::pin(args.run(context)).await,
            What::Release(args) => Box::pin(args.run(context)).await,
        }
    }
}
