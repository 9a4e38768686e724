//! The arguments that say what is trusted.

use std::path::PathBuf;

/// Where trust starts: a TUF root file, or a policy for what stands outside of a channel.
#[derive(Clone, Debug, Default, clap::Args)]
pub struct TrustArgs {
    /// TUF root file of the fleet's channel: the only trust anchor
    #[arg(long, value_name = "FILE", env = "FLEETFIX_ROOT")]
    pub root: Option<PathBuf>,
    /// Trust policy, for what is verified without a channel
    #[arg(long, value_name = "FILE", env = "FLEETFIX_POLICY")]
    pub policy: Option<PathBuf>,
    /// Directory that remembers the last state seen, one per channel; without it rollback is not checked
    #[arg(long, value_name = "DIR", env = "FLEETFIX_STATE")]
    pub state: Option<PathBuf>,
}
