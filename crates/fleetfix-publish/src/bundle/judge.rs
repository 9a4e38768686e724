//! What must hold before the channel moves. Nothing is written here.

use fleetfix_audit::bundle::{Contents, VerifiedBundle};
use fleetfix_audit::{ChannelPlace, Rules, Stage, bundle as audit};
use fleetfix_model::document::channel::{BundleState, ChannelBundle};
use fleetfix_model::document::{Channel, FixBundle};
use fleetfix_model::fleet::BUNDLES;
use fleetfix_model::name::{ChannelName, RepositoryPath};
use fleetfix_model::{Class, Descriptor, Reference, Repository, Timestamp};
use fleetfix_registry::Client;
use fleetfix_task::Failure;
use fleetfix_trust::policy::Policy;

use super::approval::ApprovalFile;
use crate::args::Opened;
use crate::fleet::{Fleet, fixed};

/// Where the fleet stands before: the newest state, its policy and its channel.
#[derive(Debug)]
pub struct Before {
    /// The newest state.
    pub opened: Opened,
    /// Its policy.
    pub policy: Policy,
    /// Its channel of that name.
    pub channel: Channel,
}

/// Where the bundle was built.
#[derive(Clone, Debug)]
pub struct Build {
    /// What the patched images lie below.
    pub place: Repository,
    /// Where the bundle lies below it.
    pub repository: RepositoryPath,
    /// The bundle.
    pub manifest: Descriptor,
}

impl Before {
    /// The policy and one channel of a state at `place`.
    pub fn new(opened: Opened, place: &ChannelPlace, name: &ChannelName) -> Result<Self, Failure> {
        let contents = opened.current.contents();
        let policy = contents.policy().map_err(|e| Failure::from(e).about(place))?;
        let policy = Policy::new(policy.into_inner())?;
        let channel = contents.channel(name).map_err(|e| Failure::from(e).about(place))?;
        let channel = channel.into_inner();
        Ok(Self { opened, policy, channel })
    }

    /// The bundle is for this fleet, by the name that clusters pull by.
    pub fn belongs(&self, fleet: &Fleet, bundle: &FixBundle) -> Result<(), Failure> {
        fleet.logical(Some(&bundle.fleet))?;
        if bundle.fleet == self.channel.fleet {
            return Ok(());
        }
        Err(Failure::refused(format!(
            "for the fleet {}, and channel `{}` is of {}",
            bundle.fleet, self.channel.name, self.channel.fleet
        )))
    }

    /// When approvals are judged: now, or when the channel that has the bundle already counted
    /// them.
    pub fn counted(&self, manifest: &Descriptor, now: Timestamp) -> Timestamp {
        let there = self.channel.bundles.iter().find(|entry| entry.bundle == *manifest);
        there.filter(|entry| entry.state == BundleState::Active).map_or(now, |entry| entry.counted)
    }

    /// What the channel will say of the bundle.
    pub fn entry(
        &self,
        candidate: &VerifiedBundle,
        rollout_start: Option<Timestamp>,
        now: Timestamp,
    ) -> Result<ChannelBundle, Failure> {
        let bundle = candidate.document();
        Ok(ChannelBundle {
            id: bundle.id.clone(),
            revision: bundle.revision,
            bundle: candidate.manifest().clone(),
            repository: fixed(BUNDLES)?,
            tag: bundle.tag().ok_or_else(|| Failure::new(Class::Bug, "a bundle without a tag"))?,
            state: BundleState::Active,
            reason: None,
            rollout_start,
            counted: self.counted(candidate.manifest(), now),
            approvals: candidate.approvals().envelopes(),
        })
    }

    /// The documents of the other bundles that are active: those that stay, and those that this one
    /// takes the place of.
    pub async fn active(&self, fleet: &Fleet, new: &Descriptor) -> Result<Vec<FixBundle>, Failure> {
        let mut active = Vec::new();
        let others = self.channel.bundles.iter().filter(|entry| entry.bundle != *new);
        for entry in others.filter(|entry| entry.state == BundleState::Active) {
            let store = fleet.store(&entry.repository);
            let contents: Contents =
                audit::read(&store, &entry.bundle).await.map_err(|judged| {
                    judged.error_about(&format_args!("bundle {} r{}", entry.id, entry.revision))
                })?;
            active.push(contents.bundle);
        }
        Ok(active)
    }

    /// What a client will check, before any client can see it: the bundle as `next` has it.
    pub async fn check(
        &self,
        fleet: &Fleet,
        next: &Channel,
        manifest: &Descriptor,
        now: Timestamp,
    ) -> Result<VerifiedBundle, Failure> {
        let entry = next.bundles.iter().find(|entry| entry.bundle == *manifest);
        let entry = entry
            .ok_or_else(|| Failure::new(Class::Bug, "the channel does not name the bundle"))?;
        let rules = Rules {
            policy: &self.policy,
            channel: Some(&next.name),
            now,
            counted: entry.counted,
            stage: Stage::Fleet,
        };
        let subject = audit::Subject {
            client: fleet.client(),
            fleet: fleet.prefix(),
            repository: &entry.repository,
            manifest: &entry.bundle,
            listed: Some((next, entry)),
        };
        let found = audit::verify(&subject, &rules).await;
        Ok(found.holding(&"the fleet would refuse it")?)
    }
}

impl Build {
    /// The bundle and what it lies in, resolved once.
    pub async fn find(client: &Client, bundle: &Reference) -> Result<Self, Failure> {
        let name = match &bundle.repository {
            Repository::Registry { path, .. } => {
                path.as_str().rsplit('/').next().map(str::to_owned)
            }
            Repository::Layout(dir) => dir.file_name().map(|n| n.to_string_lossy().into_owned()),
        };
        let repository = name.and_then(|name| name.parse().ok());
        let (Some(place), Some(repository)) = (bundle.repository.parent(), repository) else {
            return Err(Failure::usage(format!(
                "{bundle}: a bundle lies in BUILD/bundles, beside its images"
            )));
        };
        let manifest = client.store(&bundle.repository).get(bundle).await?.descriptor();
        Ok(Self { place, repository, manifest })
    }

    /// What holds where it was built: documents, images, builders, approvals.
    pub async fn judge(
        &self,
        client: &Client,
        before: &Before,
        approvals: &[ApprovalFile],
        now: Timestamp,
    ) -> Result<VerifiedBundle, Failure> {
        let approvals: Vec<Vec<u8>> = approvals.iter().map(|one| one.bytes.clone()).collect();
        let rules = Rules {
            policy: &before.policy,
            channel: Some(&before.channel.name),
            now,
            counted: before.counted(&self.manifest, now),
            stage: Stage::Build { approvals: &approvals },
        };
        let subject = audit::Subject {
            client,
            fleet: &self.place,
            repository: &self.repository,
            manifest: &self.manifest,
            listed: None,
        };
        let found = audit::verify(&subject, &rules).await;
        let bundle = self.place.below(&self.repository).at(self.manifest.digest);
        Ok(found.holding(&bundle)?)
    }
}
