//! `fleetfix-publish refresh`: a new timestamp, so that clients know the channel is fresh.

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;

use fleetfix_model::Timestamp;
use fleetfix_task::{Context, Failure, Outcome};
use fleetfix_trust::tuf::edit::{Changes, Current, Draft, Role};
use serde_json::json;

use crate::args::{FleetArgs, Opened};
use crate::keys::Keys;
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
        let memory = self.state.memory()?;
        let fleet = self.common.fleet()?;
        let place = state::place(&fleet)?;
        let Opened { root, published, current } =
            self.common.open(context, &fleet, &memory).await?;
        let online = self.common.online()?;
        let people = self.common.password.read(&self.role_keys)?;

        let mut renew = self.ending(&current, context.now);
        renew.insert(Role::Timestamp);
        // A root is renewed by rotation, not here.
        renew.remove(&Role::Root);
        let draft = self.draft(&current, &people, &renew, context.now)?;
        // What these keys cannot sign must not keep the timestamp from being renewed.
        let missing = draft.missing()?;
        let draft = if missing.is_empty() {
            draft
        } else {
            for missing in &missing {
                renew.remove(&missing.role);
            }
            self.draft(&current, &people, &renew, context.now)?
        };
        let next = draft.seal(&online.signers(), context.now).await?;
        state::push(&fleet, &next, Some(published.artifact)).await?;
        memory.remember(&root, &next, context.now).await?;
        state::export(&next, self.common.tuf_dir.as_deref())?;

        let until = self.common.expiry.expires(context.now).timestamp;
        context.step(format_args!("{place} is fresh until {until}"));
        let left = self.ending(&Current::open(&root, &next).await?, context.now);
        for role in &left {
            context.step(format_args!("role {role} ends soon: {}", how_to_renew(*role)));
        }
        let left: Vec<&str> = left.iter().map(|role| role.name()).collect();
        Ok(Outcome::json(&json!({
            "channel": place.to_string(), "freshUntil": until, "endingSoon": left,
        }))?)
    }

    /// The state with `renew` renewed, signed by the people's keys as far as they go.
    fn draft(
        &self,
        current: &Current,
        people: &Keys,
        renew: &BTreeSet<Role>,
        now: Timestamp,
    ) -> Result<Draft, Failure> {
        let changes = Changes {
            targets: BTreeMap::new(),
            renew: renew.clone(),
            expires: self.common.expiry.expires(now),
        };
        let mut draft = Draft::change(current, &changes)?;
        for key in people.signers() {
            draft.sign(key)?;
        }
        Ok(draft)
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

/// What brings a role a new end that this run could not give it.
fn how_to_renew(role: Role) -> &'static str {
    match role {
        Role::Root => {
            "whoever holds the root keys must sign the next root file; refresh does not renew it"
        }
        Role::Targets | Role::Publishers | Role::Policy | Role::Pause => {
            "renew it with --role-key, as many of its keys as its threshold"
        }
        Role::Snapshot | Role::Timestamp => "run refresh again",
    }
}
