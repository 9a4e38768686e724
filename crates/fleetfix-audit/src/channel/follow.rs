//! From the root file to what the channel says: the TUF repository, the policy, the channel itself
//! and its pauses.

use std::path::Path;

use fleetfix_model::document::pause::PausedBundle;
use fleetfix_model::document::{Channel, Pause};
use fleetfix_model::name::ChannelName;
use fleetfix_model::{Digest, Repository, Timestamp};
use fleetfix_registry::Client;
use fleetfix_trust::Verified;
use fleetfix_trust::policy::Policy;
use fleetfix_trust::tuf::{self, Memory};

use crate::judgement::{Judged, chain};
use crate::{ChannelPlace, Error, state};

/// What trust starts from.
#[derive(Clone, Copy, Debug)]
pub struct Anchor<'a> {
    /// The TUF root file.
    pub root: &'a [u8],
    /// The directory that remembers the last state seen, one for each channel's repository.
    pub state: Option<&'a Path>,
    /// The time that everything is judged at.
    pub now: Timestamp,
}

/// The channel that is meant.
#[derive(Clone, Copy, Debug)]
pub struct Target<'a> {
    /// Where its TUF repository lies.
    pub place: &'a ChannelPlace,
    /// Where its fleet lies; absent: where the channel's repository lies in.
    pub fleet: Option<&'a Repository>,
    /// Its name; absent: the only one there is.
    pub name: Option<&'a ChannelName>,
}

/// What a channel says, all of it signed. Only [`follow`] makes one. Its bundles are not verified yet.
#[derive(Debug)]
pub struct Followed {
    pub(super) channel: Verified<Channel>,
    pub(super) pause: Option<Verified<Pause>>,
    pub(super) policy: Policy,
    pub(super) fleet: Repository,
}

impl Followed {
    /// The channel.
    pub const fn channel(&self) -> &Verified<Channel> {
        &self.channel
    }

    /// The policy.
    pub const fn policy(&self) -> &Policy {
        &self.policy
    }

    /// Where the fleet lies.
    pub const fn fleet(&self) -> &Repository {
        &self.fleet
    }

    /// Who made a bundle wait, and why; `None` once the channel resumed it.
    pub fn paused(&self, bundle: Digest) -> Option<&PausedBundle> {
        let paused = self.pause.as_ref()?.bundles.iter().find(|paused| paused.bundle == bundle)?;
        let resumed = self.channel.resumed.iter().find(|resumed| resumed.bundle == bundle);
        resumed.is_none_or(|resumed| paused.issued > resumed.until).then_some(paused)
    }
}

/// How far it went.
#[derive(Debug)]
pub struct Opened {
    /// The checks that were made.
    pub parts: Vec<Judged>,
    /// Names what was verified.
    pub subject: String,
    /// The channel, if all of the checks hold.
    pub followed: Option<Followed>,
    /// True if something proved that this is the newest state.
    pub fresh: bool,
}

impl Opened {
    fn stopped(subject: String, parts: Vec<Judged>) -> Self {
        Self { parts, subject, followed: None, fresh: false }
    }
}

/// Follows a channel. The state is remembered once the TUF repository holds, whatever its bundles
/// are like: older ones are refused from then on.
pub async fn follow(
    client: &Client,
    target: &Target<'_>,
    anchor: &Anchor<'_>,
) -> Result<Opened, Error> {
    let place = target.place;
    let Some(fleet) = target.fleet.cloned().or_else(|| place.fleet()) else {
        return Err(Error::NoFleet { place: place.to_string() });
    };
    let subject = place.to_string();
    let state = match state::load(client, place).await {
        Ok(Some(state)) => state,
        Ok(None) => return Err(Error::Absent { reference: subject }),
        Err(error @ Error::NothingNamed { .. }) => return Err(error),
        Err(error) => {
            let parts = vec![Judged::error("state", place, &error)];
            return Ok(Opened::stopped(subject, parts));
        }
    };
    let repository = match tuf::verify(anchor.root, &state, anchor.now, anchor.state).await {
        Ok(repository) => repository,
        Err(error) => return Ok(Opened::stopped(subject, vec![refused(error)?])),
    };
    let mut parts: Vec<Judged> = repository.checks().into_iter().map(Judged::from).collect();
    let fresh = freshness(place, &repository, &mut parts);
    let policy = match policy(&repository) {
        Ok(policy) => policy,
        Err(judged) => {
            parts.push(judged);
            return Ok(Opened::stopped(subject, parts));
        }
    };
    let Some(name) =
        target.name.cloned().map_or_else(|| only_channel(&repository), |n| Ok(Some(n)))?
    else {
        parts.push(Judged::nothing("channel", "", "the TUF repository has none"));
        return Ok(Opened::stopped(subject, parts));
    };
    let subject =
        format!("channel `{name}` of {subject}, state {}", repository.version("timestamp"));
    let (channel, pause) = match documents(&repository, &name) {
        Ok(documents) => documents,
        Err(judged) => {
            parts.push(judged);
            return Ok(Opened::stopped(subject, parts));
        }
    };
    parts.push(Judged::holds("channel", &name, format!("{} bundles", channel.bundles.len())));
    let same = where_it_lies(&fleet, &channel);
    let good = same.is_good();
    parts.push(same);
    let followed = good.then_some(Followed { channel, pause, policy, fleet });
    Ok(Opened { parts, subject, followed, fresh })
}

/// What the caller gave is the caller's to mend; all else speaks against the state.
fn refused(error: tuf::Error) -> Result<Judged, Error> {
    use tuf::Error as E;
    match error {
        E::NotARoot(_) | E::RootNotSigned { .. } => Err(Error::Root(Box::new(error))),
        E::Memory { .. } | E::MemoryDamaged { .. } | E::Scratch(_) => {
            Err(Error::State(Box::new(error)))
        }
        other => Ok(Judged::refused("tuf", "", chain(&other))),
    }
}

fn freshness(place: &ChannelPlace, repository: &tuf::Repository, parts: &mut Vec<Judged>) -> bool {
    const CHECK: &str = "freshness";
    let subject = format!("state {}", repository.version("timestamp"));
    let remembered = matches!(repository.memory(), Memory::Checked { .. });
    let why = match place.not_the_newest() {
        _ if !remembered => Some("no older state is remembered that it could be compared with"),
        why => why,
    };
    parts.push(why.map_or_else(
        || Judged::holds(CHECK, &subject, "the newest one that the registry has"),
        |why| Judged::not_made(CHECK, &subject, why),
    ));
    why.is_none()
}

fn policy(repository: &tuf::Repository) -> Result<Policy, Judged> {
    const CHECK: &str = "policy";
    let document =
        repository.policy().map_err(|error| Judged::refused(CHECK, "", chain(&error)))?;
    Policy::new(document.into_inner()).map_err(|error| Judged::refused(CHECK, "", chain(&error)))
}

fn only_channel(repository: &tuf::Repository) -> Result<Option<ChannelName>, Error> {
    let channels = repository.channel_names();
    match channels.as_slice() {
        [] => Ok(None),
        [only] => Ok(Some(only.clone())),
        _ => Err(Error::NameNeeded { channels }),
    }
}

fn documents(
    repository: &tuf::Repository,
    name: &ChannelName,
) -> Result<(Verified<Channel>, Option<Verified<Pause>>), Judged> {
    let channel = repository.channel(name).map_err(|error| match error {
        tuf::Error::NoTarget { .. } => Judged::nothing("channel", name, error),
        other => Judged::refused("channel", name, chain(&other)),
    })?;
    let pause =
        repository.pause(name).map_err(|error| Judged::refused("pause", name, chain(&error)))?;
    Ok((channel, pause))
}

/// A registry's name is part of what is signed, so the channel must be of the fleet that it lies in.
fn where_it_lies(fleet: &Repository, channel: &Channel) -> Judged {
    match fleet {
        Repository::Registry { .. } => {
            Judged::equal("fleet", "where it lies", fleet, &channel.fleet)
        }
        Repository::Layout(_) => {
            Judged::not_made("fleet", &channel.fleet, "a directory can hold any fleet")
        }
    }
}
