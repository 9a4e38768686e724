//! What `init`, `bundle` and `refresh` are all given: the fleet, its root, the online key.

use std::path::PathBuf;

use fleetfix_model::{Repository, canonical};
use fleetfix_registry::RegistryArgs;
use fleetfix_task::{Context, Failure, file};
use fleetfix_trust::tuf::edit::Current;

use crate::expiry::ExpiryArgs;
use crate::fleet::Fleet;
use crate::keys::{Keys, PasswordArgs};
use crate::state::{self, Memory, Published};

/// The fleet and what its channel's repository is kept with.
#[derive(Clone, Debug, clap::Args)]
pub struct FleetArgs {
    /// Where the fleet lies: registry and path, or `oci:DIR`
    #[arg(long, env = "FLEETFIX_TO", value_name = "PLACE")]
    pub to: Repository,
    /// The root file; `init` writes it
    #[arg(long, env = "FLEETFIX_ROOT", value_name = "FILE")]
    pub root: PathBuf,
    /// Directory to write the channel's repository to as TUF clients read it over HTTP
    #[arg(long, env = "FLEETFIX_TUF_DIR", value_name = "DIR")]
    pub tuf_dir: Option<PathBuf>,
    /// The key of snapshot and timestamp, kept online
    #[arg(long, env = "FLEETFIX_ONLINE_KEY", value_name = "FILE")]
    pub online_key: PathBuf,
    /// Lifetimes.
    #[command(flatten)]
    pub expiry: ExpiryArgs,
    /// Passwords.
    #[command(flatten)]
    pub password: PasswordArgs,
    /// Registries.
    #[command(flatten)]
    pub registry: RegistryArgs,
}

/// A repository that is there, checked down from the root file.
#[derive(Debug)]
pub struct Opened {
    /// The root file.
    pub root: Vec<u8>,
    /// The newest state.
    pub published: Published,
    /// What it says.
    pub current: Current,
}

impl FleetArgs {
    /// The fleet.
    pub fn fleet(&self) -> Result<Fleet, Failure> {
        Ok(Fleet::new(self.to.clone(), self.registry.client()?))
    }

    /// The online key.
    pub fn online(&self) -> Result<Keys, Failure> {
        self.password.read(std::slice::from_ref(&self.online_key))
    }

    /// The root file.
    pub fn root(&self) -> Result<Vec<u8>, Failure> {
        Ok(file::read_bounded(&self.root, canonical::MAX_SIZE as u64)?)
    }

    /// The state there is. Its roles may have expired: renewing them is a publisher's work.
    pub async fn open(
        &self,
        context: &Context,
        fleet: &Fleet,
        memory: &Memory,
    ) -> Result<Opened, Failure> {
        let place = state::place(fleet)?;
        let published = state::load(fleet).await?.ok_or_else(|| {
            Failure::input(format!("{place}: no channel there"))
                .hint("begin with fleetfix-publish init")
        })?;
        let root = self.root()?;
        let current = memory.open(context, &root, &published.state).await;
        let current = current.map_err(|failure| failure.about(&place))?;
        Ok(Opened { root, published, current })
    }
}
