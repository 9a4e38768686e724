//! The tool for people: the whole chain on one machine, and a person's part in it.
//!
//! | command | what it does |
//! |---|---|
//! | [`build`] | a request through the whole chain, into layouts below one directory |
//! | [`approve`] | a person's signed word about one bundle |
//! | [`request`] | a request from a git repository and a few flags |
//! | [`plan`] | a request resolved, for people to read |
//! | [`render`] | a fix as overrides.yaml, as annotations, as a release |
//! | [`import`] | overrides.yaml as requests |
//! | [`lint`] | what is wrong with an overrides.yaml |
//! | [`demo`] | the chain over a small synthetic payload set |
//!
//! The task binaries are here as well (`fleetfix plan` is `fleetfix-plan`): the commands that
//! [`chain`] runs are the very commands that a pipeline would.

use clap::{Parser, Subcommand};
use fleetfix_task::{Context, Failure, Outcome, Task};

pub mod approve;
pub mod build;
pub mod chain;
pub mod demo;
pub mod import;
pub mod keys;
pub mod lint;
mod overrides_file;
pub mod plan;
pub mod render;
pub mod request;
pub mod shown;

/// Quick, safe, fleet-wide delivery of control-plane fixes for hosted OpenShift.
#[derive(Debug, Parser)]
#[command(name = "fleetfix", version, propagate_version = true)]
pub struct Args {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Run a request through the whole chain, into layouts below one directory.
    Build(build::Args),
    /// Approve a bundle: look at it, and sign its digest.
    Approve(approve::Args),
    /// Write a fix request.
    Request(request::Args),
    /// Write a fix in the form of those who deliver it.
    Render(Box<render::Args>),
    /// Turn a file of others into requests.
    Import(import::Args),
    /// Check a file that others read.
    Lint(Box<lint::Args>),
    /// Run the chain over a small synthetic payload set, and leave all of it to look at.
    Demo(demo::Args),
    /// Resolve a request into a plan.
    Plan(Box<plan::Args>),
    /// Patch images.
    Patch(Box<fleetfix_patch::Args>),
    /// Sign images.
    Sign(Box<fleetfix_sign::Args>),
    /// Attest what images hold.
    Attest(Box<fleetfix_attest::Args>),
    /// Write the bundle.
    Bundle(Box<fleetfix_bundle::Args>),
    /// Publish a bundle and move the channel.
    Publish(Box<fleetfix_publish::Args>),
    /// Verify an image, a bundle or a channel.
    Verify(Box<fleetfix_verify::Args>),
}

impl Task for Args {
    async fn run(self, context: &Context) -> Result<Outcome, Failure> {
        match self.command {
            Command::Build(args) => Box::pin(args.run(context)).await,
            Command::Approve(args) => args.run(context).await,
            Command::Request(args) => args.run(context),
            Command::Render(args) => Box::pin(args.run(context)).await,
            Command::Import(args) => args.run(context),
            Command::Lint(args) => Box::pin(args.run(context)).await,
            Command::Demo(args) => Box::pin(args.run(context)).await,
            Command::Plan(args) => args.run(context).await,
            Command::Patch(args) => Box::pin(args.run(context)).await,
            Command::Sign(args) => args.run(context).await,
            Command::Attest(args) => args.run(context).await,
            Command::Bundle(args) => args.run(context).await,
            Command::Publish(args) => Box::pin(args.run(context)).await,
            Command::Verify(args) => args.run(context).await,
        }
    }
}
