//! How long each role of the channel's TUF repository is good for.

use fleetfix_model::Timestamp;
use fleetfix_trust::tuf::edit::{PerRole, Role};

const HOUR: i64 = 3600;
const DAY: i64 = 24 * HOUR;

/// Lifetimes. The shorter the timestamp's, the sooner a client notices that somebody keeps new
/// states from it, and the more often `refresh` must run.
#[derive(Clone, Debug, clap::Args)]
pub struct ExpiryArgs {
    /// Hours for which a timestamp is good: run `refresh` more often than that.
    #[arg(long, env = "FLEETFIX_TIMESTAMP_HOURS", value_name = "N", default_value_t = 48, value_parser = clap::value_parser!(u32).range(1..=8760))]
    pub timestamp_hours: u32,
    /// Days for which a snapshot is good; `refresh` renews it in its last third.
    #[arg(long, env = "FLEETFIX_SNAPSHOT_DAYS", value_name = "N", default_value_t = 14, value_parser = clap::value_parser!(u32).range(1..=365))]
    pub snapshot_days: u32,
    /// Days for which the publishers' signatures on a channel are good.
    #[arg(long, env = "FLEETFIX_CHANNEL_DAYS", value_name = "N", default_value_t = 90, value_parser = clap::value_parser!(u32).range(1..=3650))]
    pub channel_days: u32,
    /// Days for which root, delegations, policy and pauses are good.
    #[arg(long, env = "FLEETFIX_ROOT_DAYS", value_name = "N", default_value_t = 365, value_parser = clap::value_parser!(u32).range(1..=3650))]
    pub root_days: u32,
}

impl ExpiryArgs {
    /// When each role ends that gets a new version now.
    pub fn expires(&self, now: Timestamp) -> PerRole<Timestamp> {
        PerRole::from_fn(|role| now.plus_seconds(self.lifetime(role)))
    }

    /// The time before which a role must end to be renewed now: a third of its lifetime is left.
    pub fn renew_before(&self, now: Timestamp, role: Role) -> Timestamp {
        now.plus_seconds(self.lifetime(role) / 3)
    }

    fn lifetime(&self, role: Role) -> i64 {
        match role {
            Role::Root | Role::Targets | Role::Policy | Role::Pause => {
                i64::from(self.root_days) * DAY
            }
            Role::Publishers => i64::from(self.channel_days) * DAY,
            Role::Snapshot => i64::from(self.snapshot_days) * DAY,
            Role::Timestamp => i64::from(self.timestamp_hours) * HOUR,
        }
    }
}
