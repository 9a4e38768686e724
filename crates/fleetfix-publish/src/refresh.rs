//! `fleetfix-publish refresh`: a new timestamp, so that clients know the channel is fresh.

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;

use fleetfix_model::{Repository, Timestamp};
use fleetfix_registry::RegistryArgs;
use fleetfix_task::{Context, Failure, Outcome, file};
use fleetfix_trust::tuf::edit::{Changes, Current, Draft, Role};
use serde_json::json;

use crate::expiry::ExpiryArgs;
use crate::fleet::Fleet;
use crate::keys::PasswordArgs;
use crate::state::{self, StateArgs};

/// Renew the timestamp, and what else is in the last third of its life. Needs the online key;
/// channels, policy and pauses also need keys of those who sign them.
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
    /// A key of another role, to renew it when its end is near; repeatable.
    #[arg(
        long = "role-key",
        env = "FLEETFIX_ROLE_KEY",
        value_delimiter = ',',
        value_name = "FILE"
    )]
    role_keys: Vec<PathBuf>,
    #[command(flatten)]
    expiry: ExpiryArgs,
    #[command(flatten)]
    state: StateArgs,
    #[command(flatten)]
    password: PasswordArgs,
    #[command(flatten)]
    registry: RegistryArgs,
}

impl Args {
    /// Renews what the given keys sign.
    pub async fn run(self, context: &Context) -> Result<Outcome, Failure> {
        let fleet = Fleet::new(self.to.clone(), self.registry.client()?);
        let place = state::place(&fleet)?;
        let there = state::load(&fleet).await?.ok_or_else(|| {
            Failure::input(format!("{place}: no channel there"))
                .hint("begin with fleetfix-publish init")
        })?;
        let root = file::read_bounded(&self.root, fleetfix_model::canonical::MAX_SIZE as u64)?;
        let current =
            self.state.open(context, &root, &there.state).await.map_err(|e| e.about(&place))?;
        let online = self.password.read(std::slice::from_ref(&self.online_key))?;
        let people = self.password.read(&self.role_keys)?;

        let ending = self.ending(&current, context.now);
        let mut renew = BTreeSet::from([Role::Timestamp]);
        renew.extend(ending.iter().filter(|role| **role == Role::Snapshot || !people.is_empty()));
        // A root is renewed by rotation, not here.
        renew.remove(&Role::Root);
        let changes =
            Changes { targets: BTreeMap::new(), renew, expires: self.expiry.expires(context.now) };
        let mut draft = Draft::change(&current, &changes)?;
        for key in people.signers() {
            draft.sign(key)?;
        }
        let next = draft.seal(&online.signers(), context.now).await?;
        state::push(&fleet, &next, Some(there.artifact)).await?;
        state::export(&next, self.tuf_dir.as_deref())?;
        self.state.remember(&root, &next, context.now).await?;

        let until = self.expiry.expires(context.now).timestamp;
        context.step(format_args!("{place} is fresh until {until}"));
        let left = self.ending(&Current::open(&root, &next).await?, context.now);
        for role in &left {
            context.step(format_args!("role {role} ends soon: renew it with --role-key"));
        }
        let left: Vec<&str> = left.iter().map(|role| role.name()).collect();
        Ok(Outcome::json(&json!({
            "channel": place.to_string(), "freshUntil": until, "endingSoon": left,
        }))?)
    }

    /// The roles that are in the last third of their lives.
    fn ending(&self, current: &Current, now: Timestamp) -> BTreeSet<Role> {
        let soon = |role: &Role| {
            let ends = current.contents().role(role.name()).map(|state| state.expires);
            ends.is_some_and(|ends| ends < self.expiry.renew_before(now, *role))
        };
        Role::ALL.into_iter().filter(|role| *role != Role::Timestamp).filter(soon).collect()
    }
}
