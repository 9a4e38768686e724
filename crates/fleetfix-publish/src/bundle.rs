//! `fleetfix-publish bundle`: counts approvals, copies, signs, checks, and moves the channel.

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;

use fleetfix_audit::bundle::{Contents, Evidence, VerifiedBundle};
use fleetfix_audit::image::signature::docker_reference;
use fleetfix_audit::judgement::Judged;
use fleetfix_audit::{Rules, Stage, bundle as audit};
use fleetfix_model::document::channel::{BundleState, ChannelBundle};
use fleetfix_model::document::{Channel, FixBundle};
use fleetfix_model::name::{ChannelName, RepositoryPath};
use fleetfix_model::{
    Class, Descriptor, Reference, Repository, Timestamp, ToCanonical as _, media,
};
use fleetfix_registry::attach::{Attachment, Kind};
use fleetfix_registry::{Client, RegistryArgs, Written};
use fleetfix_signer::SigningKey;
use fleetfix_task::{Context, Failure, Outcome, file};
use fleetfix_trust::policy::Policy;
use fleetfix_trust::tuf::TufState;
use fleetfix_trust::tuf::edit::{Changes, Current, Draft};
use fleetfix_trust::{Sign as _, dsse};
use serde_json::json;

use crate::expiry::ExpiryArgs;
use crate::fleet::{BUNDLES, Fleet, fixed};
use crate::keys::{Keys, PasswordArgs};
use crate::state::StateArgs;
use crate::{channel, release, state, transfer};

/// Largest approval that is read.
const MAX_APPROVAL: u64 = dsse::MAX_SIZE as u64;

/// Publish an approved bundle: count, copy, sign, check, and move the channel.
///
/// Doing it again changes nothing; after an interruption, do it again.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// The bundle, where it was made; its images lie beside it: BUILD/bundles, BUILD/COMPONENT.
    #[arg(long, env = "FLEETFIX_BUNDLE", value_name = "REF")]
    bundle: Reference,
    /// An approval; repeatable.
    #[arg(
        long = "approval",
        env = "FLEETFIX_APPROVAL",
        value_delimiter = ',',
        required = true,
        value_name = "FILE"
    )]
    approvals: Vec<PathBuf>,
    /// Where the fleet lies: registry and path, or `oci:DIR`.
    #[arg(long, env = "FLEETFIX_TO", value_name = "FLEET")]
    to: Repository,
    /// The channel.
    #[arg(long, env = "FLEETFIX_CHANNEL")]
    channel: ChannelName,
    /// The root file.
    #[arg(long, env = "FLEETFIX_ROOT", value_name = "FILE")]
    root: PathBuf,
    /// Directory to write the channel's repository to as TUF clients read it over HTTP.
    #[arg(long, env = "FLEETFIX_TUF_DIR", value_name = "DIR")]
    tuf_dir: Option<PathBuf>,
    /// When clusters start to take the fix; default: at once.
    #[arg(long, env = "FLEETFIX_ROLLOUT_START", value_name = "TIME")]
    rollout_start: Option<Timestamp>,
    /// The key that clusters trust.
    #[arg(long, env = "FLEETFIX_RELEASE_KEY", value_name = "FILE")]
    release_key: PathBuf,
    /// Keys of publishers, as many as their threshold; repeatable.
    #[arg(
        long = "publisher-key",
        env = "FLEETFIX_PUBLISHER_KEY",
        value_delimiter = ',',
        required = true,
        value_name = "FILE"
    )]
    publisher_keys: Vec<PathBuf>,
    /// The key of snapshot and timestamp.
    #[arg(long, env = "FLEETFIX_ONLINE_KEY", value_name = "FILE")]
    online_key: PathBuf,
    #[command(flatten)]
    expiry: ExpiryArgs,
    #[command(flatten)]
    state: StateArgs,
    #[command(flatten)]
    password: PasswordArgs,
    #[command(flatten)]
    registry: RegistryArgs,
}

/// The keys that publish.
struct Signers {
    release: SigningKey,
    publishers: Keys,
    online: Keys,
}

/// Where the fleet stands before: the newest state, its policy and its channel.
struct Before {
    root: Vec<u8>,
    published: state::Published,
    current: Current,
    policy: Policy,
    channel: Channel,
}

/// Where the bundle was built.
struct Build {
    place: Repository,
    repository: RepositoryPath,
    manifest: Descriptor,
}

impl Args {
    /// Publishes the bundle.
    pub async fn run(self, context: &Context) -> Result<Outcome, Failure> {
        let client = self.registry.client()?;
        let fleet = Fleet::new(self.to.clone(), client.clone());
        // Whatever can be refused is refused before anything is written: keys and files, then
        // builders and approvals, then the channel that would come of it.
        let signers = self.signers()?;
        let envelopes = self.envelopes()?;
        let before = self.before(context, &fleet).await?;
        let release = signers.release.public_key();
        if !before.policy.release_keys(context.now).contains(release) {
            return Err(Failure::refused(format!(
                "{}: key {release} is no release key of the trust policy",
                self.release_key.display()
            )));
        }
        let build = self.build(&client).await?;
        context.step(format_args!("counting who built and who approved {}", self.bundle));
        let counted = counted_at(&before, &build.manifest, context.now);
        let candidate =
            self.judge_build(&client, &before, &build, &envelopes, counted, context.now).await?;
        let bundle = candidate.document();
        self.belongs(&fleet, &before, bundle)?;
        let entry = self.entry(&candidate, counted)?;
        let active = self.active(&fleet, &before.channel, bundle).await?;
        let next = channel::with_bundle(&before.channel, entry, bundle, &active)?;
        let state = self.next_state(context, &before, &next, &signers).await?;

        self.transfer(context, &fleet, &build, &candidate, &signers.release).await?;
        context.step("checking all of it where the fleet will read it");
        let verified = self.check(&fleet, &before, &next, &candidate, context.now).await?;
        let moved = self.activate(context, &fleet, &before, state, &verified).await?;

        let place = state::place(&fleet)?;
        context.step(format_args!(
            "{} revision {} is {} channel `{}` of {place}",
            bundle.id,
            bundle.revision,
            if moved == Written::New { "now in" } else { "already in" },
            self.channel,
        ));
        let image = |image: &fleetfix_model::document::bundle::PatchedImage| {
            fleet.prefix().below(&image.repository).at(image.index.digest).to_string()
        };
        Ok(Outcome::json(&json!({
            "channel": place.to_string(),
            "bundle": fleet.bundles()?.repository().at(build.manifest.digest).to_string(),
            "images": bundle.images.iter().map(image).collect::<Vec<_>>(),
            "approvals": verified.approvals().envelopes(),
            "written": moved == Written::New,
        }))?)
    }

    fn signers(&self) -> Result<Signers, Failure> {
        Ok(Signers {
            release: self.password.read_one(&self.release_key)?,
            publishers: self.password.read(&self.publisher_keys)?,
            online: self.password.read(std::slice::from_ref(&self.online_key))?,
        })
    }

    fn envelopes(&self) -> Result<Vec<Vec<u8>>, Failure> {
        let read = |path: &PathBuf| {
            let bytes = file::read_bounded(path, MAX_APPROVAL)?;
            dsse::Envelope::parse(&bytes).map_err(|e| Failure::from(e).about(path.display()))?;
            Ok(bytes)
        };
        self.approvals.iter().map(read).collect()
    }

    /// The state there is. Its roles may have expired: renewing them is a publisher's work.
    async fn before(&self, context: &Context, fleet: &Fleet) -> Result<Before, Failure> {
        let place = state::place(fleet)?;
        let published = state::load(fleet).await?.ok_or_else(|| {
            Failure::input(format!("{place}: no channel there"))
                .hint("begin with fleetfix-publish init")
        })?;
        let root = file::read_bounded(&self.root, fleetfix_model::canonical::MAX_SIZE as u64)?;
        let current = self.state.open(context, &root, &published.state).await;
        let current = current.map_err(|e| e.about(&place))?;
        let policy = current.contents().policy().map_err(|e| Failure::from(e).about(&place))?;
        let policy = Policy::new(policy.into_inner())?;
        let channel = current.contents().channel(&self.channel);
        let channel = channel.map_err(|e| Failure::from(e).about(&place))?.into_inner();
        Ok(Before { root, published, current, policy, channel })
    }

    /// The bundle and what it lies in, resolved once.
    async fn build(&self, client: &Client) -> Result<Build, Failure> {
        let split = |place: Repository| {
            let name = match &self.bundle.repository {
                Repository::Registry { path, .. } => {
                    path.as_str().rsplit('/').next().map(str::to_owned)
                }
                Repository::Layout(dir) => {
                    dir.file_name().map(|n| n.to_string_lossy().into_owned())
                }
            };
            name.and_then(|name| name.parse().ok()).map(|repository| (place, repository))
        };
        let (place, repository) =
            self.bundle.repository.parent().and_then(split).ok_or_else(|| {
                Failure::usage(format!(
                    "{}: a bundle lies in BUILD/bundles, beside its images",
                    self.bundle
                ))
            })?;
        let manifest = client.store(&self.bundle.repository).get(&self.bundle).await?.descriptor();
        Ok(Build { place, repository, manifest })
    }

    /// What holds where it was built: documents, images, builders, approvals.
    async fn judge_build(
        &self,
        client: &Client,
        before: &Before,
        build: &Build,
        approvals: &[Vec<u8>],
        counted: Timestamp,
        now: Timestamp,
    ) -> Result<VerifiedBundle, Failure> {
        let rules = Rules {
            policy: &before.policy,
            channel: Some(&self.channel),
            now,
            counted,
            stage: Stage::Build { approvals },
        };
        let subject = audit::Subject {
            client,
            fleet: &build.place,
            repository: &build.repository,
            manifest: &build.manifest,
            listed: None,
        };
        let found = audit::verify(&subject, &rules).await;
        found.verified.ok_or_else(|| failure(&found.judged).about(&self.bundle))
    }

    /// The bundle is for this fleet, by the name that clusters pull by.
    fn belongs(&self, fleet: &Fleet, before: &Before, bundle: &FixBundle) -> Result<(), Failure> {
        fleet.logical(Some(&bundle.fleet))?;
        if bundle.fleet == before.channel.fleet {
            return Ok(());
        }
        Err(Failure::refused(format!(
            "{} is for the fleet {}, channel `{}` is of {}",
            self.bundle, bundle.fleet, self.channel, before.channel.fleet
        )))
    }

    fn entry(
        &self,
        candidate: &VerifiedBundle,
        counted: Timestamp,
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
            rollout_start: self.rollout_start,
            counted,
            approvals: candidate.approvals().envelopes(),
        })
    }

    /// The documents of the other bundles that stay active beside this one.
    async fn active(
        &self,
        fleet: &Fleet,
        channel: &Channel,
        new: &FixBundle,
    ) -> Result<Vec<FixBundle>, Failure> {
        let mut active = Vec::new();
        for entry in channel.bundles.iter().filter(|entry| entry.state == BundleState::Active) {
            let gives_way = new.supersedes.iter().any(|s| s.id == entry.id);
            if entry.id == new.id || gives_way {
                continue;
            }
            let store = fleet.store(&entry.repository);
            let contents: Contents =
                audit::read(&store, &entry.bundle).await.map_err(|judged| failure(&judged))?;
            active.push(contents.bundle);
        }
        Ok(active)
    }

    /// The state that follows, signed and verified as a client would; not yet anywhere.
    async fn next_state(
        &self,
        context: &Context,
        before: &Before,
        next: &Channel,
        signers: &Signers,
    ) -> Result<Option<TufState>, Failure> {
        let target = (Channel::target_name(&self.channel), Some(next.to_canonical()?));
        let changes = Changes {
            targets: BTreeMap::from([target]),
            renew: BTreeSet::new(),
            expires: self.expiry.expires(context.now),
        };
        let mut draft = Draft::change(&before.current, &changes)?;
        if draft.is_unchanged() {
            return Ok(None);
        }
        for key in signers.publishers.signers() {
            draft.sign(key)?;
        }
        Ok(Some(draft.seal(&signers.online.signers(), context.now).await?))
    }

    /// Copies what was counted, and nothing else; then signs for the clusters.
    async fn transfer(
        &self,
        context: &Context,
        fleet: &Fleet,
        build: &Build,
        candidate: &VerifiedBundle,
        key: &SigningKey,
    ) -> Result<(), Failure> {
        let bundle = candidate.document();
        for image in &bundle.images {
            let from = fleet.client().store(&build.place.below(&image.repository));
            let to = fleet.store(&image.repository);
            context.step(format_args!("copying {} to {}", image.tag, to.repository()));
            transfer::manifest(&from, &to, &image.tag, image.index.digest).await?;
            let about_it = |evidence: &&Evidence| evidence.repository == image.repository;
            transfer::evidence(&to, candidate.evidence().iter().filter(about_it)).await?;
            release::sign_image(&to, image, &docker_reference(&bundle.fleet, image), key).await?;
        }
        let from = fleet.client().store(&build.place.below(&build.repository));
        let to = fleet.bundles()?;
        let tag = bundle.tag().ok_or_else(|| Failure::new(Class::Bug, "a bundle without a tag"))?;
        transfer::manifest(&from, &to, &tag, build.manifest.digest).await?;
        let about_it = |evidence: &&Evidence| evidence.subject == build.manifest.digest;
        transfer::evidence(&to, candidate.evidence().iter().filter(about_it)).await?;
        self.attach_approvals(&to, candidate).await
    }

    /// Lays the approvals that were counted beside the bundle, where verifiers look for them.
    async fn attach_approvals(
        &self,
        store: &fleetfix_registry::Store,
        candidate: &VerifiedBundle,
    ) -> Result<(), Failure> {
        let counted = candidate.approvals().envelopes();
        let mut attachments = Vec::new();
        for payload in self.envelopes()? {
            if counted.contains(&fleetfix_model::Digest::of(&payload)) {
                attachments.push(Attachment {
                    media_type: media::DSSE.to_owned(),
                    payload,
                    annotations: dsse::annotations(media::APPROVAL_PREDICATE),
                });
            }
        }
        let bundle = candidate.manifest().digest;
        fleetfix_registry::attach::attach(store, bundle, Kind::Attestation, &attachments).await?;
        Ok(())
    }

    /// What a client will check, before any client can see it.
    async fn check(
        &self,
        fleet: &Fleet,
        before: &Before,
        next: &Channel,
        candidate: &VerifiedBundle,
        now: Timestamp,
    ) -> Result<VerifiedBundle, Failure> {
        let entry = next.bundles.iter().find(|entry| entry.bundle == *candidate.manifest());
        let entry = entry
            .ok_or_else(|| Failure::new(Class::Bug, "the channel does not name the bundle"))?;
        let rules = Rules {
            policy: &before.policy,
            channel: Some(&self.channel),
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
        found.verified.ok_or_else(|| failure(&found.judged).about("the fleet would refuse it"))
    }

    /// Moves the channel. It takes a bundle that was verified at the fleet: nothing else can be
    /// activated.
    async fn activate(
        &self,
        context: &Context,
        fleet: &Fleet,
        before: &Before,
        next: Option<TufState>,
        _verified: &VerifiedBundle,
    ) -> Result<Written, Failure> {
        let (state, moved) = match next {
            Some(next) => {
                let moved = state::push(fleet, &next, Some(before.published.artifact)).await?;
                self.state.remember(&before.root, &next, context.now).await?;
                (next, moved)
            }
            None => (before.published.state.clone(), Written::AlreadyThere),
        };
        state::export(&state, self.tuf_dir.as_deref())?;
        Ok(moved)
    }
}

/// When approvals are judged: now, or when the channel that has the bundle already counted them.
fn counted_at(before: &Before, manifest: &Descriptor, now: Timestamp) -> Timestamp {
    let there = before.channel.bundles.iter().find(|entry| entry.bundle == *manifest);
    there.filter(|entry| entry.state == BundleState::Active).map_or(now, |entry| entry.counted)
}

/// What was judged, as the end of the task.
fn failure(judged: &Judged) -> Failure {
    let (class, why) = judged.ending().unwrap_or((Class::Bug, String::new()));
    Failure::new(class, why)
}
