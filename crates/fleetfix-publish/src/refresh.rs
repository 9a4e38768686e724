//! `fleetfix-publish refresh`: a new timestamp, so that clients know the channel is fresh.

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;

use fleetfix_model::Repository;
use fleetfix_registry::RegistryArgs;
use fleetfix_task::{Context, Failure, Outcome, file};
use fleetfix_trust::tuf::edit::{Changes, Current, Draft, Role};
use serde_json::json;

use crate::expiry::ExpiryArgs;
use crate::fleet::Fleet;
use crate::keys::PasswordArgs;
use crate::state;

/// Renew the timestamp, and the snapshot when its end is near. Needs the online key only.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// Where the fleet lies: registry and path, or `oci:DIR`.
    #[arg(long, env = "FLEETFIX_TO", value_name = "FLEET")]
    to: Repository,
    /// The root file.
    #[arg(long, env = "FLEETFIX_ROOT", value_name = "FILE")]
    root: PathBuf,
    /// Directory to write the repository to as TUF clients read it over HTTP.
    #[arg(long, env = "FLEETFIX_TUF_DIR", value_name = "DIR")]
    tuf_dir: Option<PathBuf>,
    /// The key of snapshot and timestamp.
    #[arg(long, env = "FLEETFIX_ONLINE_KEY", value_name = "FILE")]
    online_key: PathBuf,
    #[command(flatten)]
    expiry: ExpiryArgs,
    #[command(flatten)]
    password: PasswordArgs,
    #[command(flatten)]
    registry: RegistryArgs,
}

impl Args {
    /// Renews what the online key signs.
    pub async fn run(self, context: &Context) -> Result<Outcome, Failure> {
        let fleet = Fleet::new(self.to.clone(), self.registry.client()?);
        let place = state::place(&fleet)?;
        let there = state::load(&fleet).await?.ok_or_else(|| {
            Failure::input(format!("{place}: no channel there"))
                .hint("begin with fleetfix-publish init")
        })?;
        let root = file::read_bounded(&self.root, fleetfix_model::canonical::MAX_SIZE as u64)?;
        let current = Current::open(&root, &there.state).await?;
        let mut renew = BTreeSet::from([Role::Timestamp]);
        let ends = current.contents().role(Role::Snapshot.name()).map(|role| role.expires);
        if ends.is_none_or(|ends| ends < self.expiry.renew_before(context.now, Role::Snapshot)) {
            renew.insert(Role::Snapshot);
        }
        let changes =
            Changes { targets: BTreeMap::new(), renew, expires: self.expiry.expires(context.now) };
        let online = self.password.read(std::slice::from_ref(&self.online_key))?;
        let next = Draft::change(&current, &changes)?.seal(&online.signers(), context.now).await?;
        state::push(&fleet, &next, Some(there.artifact)).await?;
        state::export(&next, self.tuf_dir.as_deref())?;
        let until = self.expiry.expires(context.now).timestamp;
        context.step(format_args!("{place} is fresh until {until}"));
        Ok(Outcome::json(&json!({ "channel": place.to_string(), "freshUntil": until }))?)
    }
}
