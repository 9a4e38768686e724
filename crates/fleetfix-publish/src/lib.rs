//! Publishes a bundle to a fleet and moves its channel.
//!
//! The order is the guarantee: approvals are counted before anything is copied, everything is
//! copied and signed before it is checked at the destination, and the channel moves last, in one
//! step. Whatever stops it in between leaves the old channel, and a second run goes on from there.
//!
//! | module | what it does |
//! |---|---|
//! | [`init`] | a fleet's TUF repository, policy and empty channels |
//! | [`bundle`] | counts approvals, copies, signs, checks, moves the channel |
//! | [`refresh`] | a new timestamp |
//! | [`channel`] | what a new bundle changes in the list of active ones |
//! | [`fleet`], [`transfer`], [`release`], [`state`] | the steps |
//! | [`args`], [`expiry`], [`keys`] | what all of them are given |

use clap::{Parser, Subcommand};
use fleetfix_task::{Context, Failure, Outcome, Task};

pub mod args;
pub mod bundle;
pub mod channel;
pub mod expiry;
pub mod fleet;
pub mod init;
pub mod keys;
pub mod refresh;
pub mod release;
pub mod state;
pub mod transfer;

/// Publish a bundle to a fleet and move its channel.
#[derive(Debug, Parser)]
#[command(name = "fleetfix-publish", version)]
pub struct Args {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Make a fleet's TUF repository, with its policy and empty channels.
    Init(Box<init::Args>),
    /// Count approvals, copy, sign, check, and move the channel.
    Bundle(Box<bundle::Args>),
    /// Renew the timestamp.
    Refresh(Box<refresh::Args>),
}

impl Task for Args {
    async fn run(self, context: &Context) -> Result<Outcome, Failure> {
        match self.command {
            Command::Init(args) => args.run(context).await,
            Command::Bundle(args) => Box::pin(args.run(context)).await,
            Command::Refresh(args) => args.run(context).await,
        }
    }
}
