//! `fleetfix-publish refresh`: a new timestamp, so that clients know the channel is fresh.

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;

use fleetfix_model::Timestamp;
use fleetfix_task::{Context, Failure, Outcome};
use fleetfix_trust::tuf::edit::{Changes, Current, Draft, Role};
use serde_json::json;

use crate::args::{FleetArgs, Opened};
use crate::state::{self, StateArgs};

/// Renew the timestamp, and what else is in the last third of its life. Needs the online key;
/// channels, policy and pauses also need keys of those who sign them.
#[derive(Debug, clap::Args)]
pub struct Args {
    #[command(flatten)]
    common: FleetArgs,
    /// A key of another role, to renew it when its end is near; repeatable.
    #[arg(
        long = "role-key",
        env = "FLEETFIX_ROLE_KEY",
        value_delimiter = ',',
        value_name = "FILE"
    )]
    role_keys: Vec<PathBuf>,
    #[command(flatten)]
    state: StateArgs,
}

impl Args {
    /// Renews what the given keys sign.
    pub async fn run(self, context: &Context) -> Result<Outcome, Failure> {
        let fleet = self.common.fleet()?;
        let place = state::place(&fleet)?;
        let Opened { root, published, current } =
            self.common.open(context, &fleet, &self.state).await?;
        let online = self.common.online()?;
        let people = self.common.password.read(&self.role_keys)?;

        let ending = self.ending(&current, context.now);
        let mut renew = BTreeSet::from([Role::Timestamp]);
        renew.extend(ending.iter().filter(|role| **role == Role::Snapshot || !people.is_empty()));
        // A root is renewed by rotation, not here.
        renew.remove(&Role::Root);
        let changes = Changes {
            targets: BTreeMap::new(),
            renew,
            expires: self.common.expiry.expires(context.now),
        };
        let mut draft = Draft::change(&current, &changes)?;
        for key in people.signers() {
            draft.sign(key)?;
        }
        let next = draft.seal(&online.signers(), context.now).await?;
        state::push(&fleet, &next, Some(published.artifact)).await?;
        self.state.remember(&root, &next, context.now).await?;
        state::export(&next, self.common.tuf_dir.as_deref())?;

        let until = self.common.expiry.expires(context.now).timestamp;
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
            ends.is_some_and(|ends| ends < self.common.expiry.renew_before(now, *role))
        };
        Role::ALL.into_iter().filter(|role| *role != Role::Timestamp).filter(soon).collect()
    }
}
