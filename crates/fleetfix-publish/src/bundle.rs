//! `fleetfix-publish bundle`: counts approvals, copies, signs, checks, and moves the channel.

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;

use fleetfix_audit::bundle::{Contents, VerifiedBundle};
use fleetfix_audit::image::signature::docker_reference;
use fleetfix_audit::judgement::Judged;
use fleetfix_audit::{Rules, bundle as audit};
use fleetfix_model::document::channel::{BundleState, ChannelBundle};
use fleetfix_model::document::{Channel, FixBundle};
use fleetfix_model::name::ChannelName;
use fleetfix_model::{
    Class, Descriptor, Reference, Repository, Timestamp, ToCanonical as _, media,
};
use fleetfix_registry::attach::{Attachment, Kind, attach};
use fleetfix_registry::{RegistryArgs, Written};
use fleetfix_task::{Context, Failure, Outcome, file};
use fleetfix_trust::dsse;
use fleetfix_trust::policy::Policy;
use fleetfix_trust::tuf::edit::{Changes, Current, Draft};
use serde_json::json;

use crate::counting::{self, Subject};
use crate::expiry::ExpiryArgs;
use crate::fleet::{BUNDLES, Fleet, fixed};
use crate::keys::{Keys, PasswordArgs};
use crate::{channel, release, state, transfer};

/// Largest approval that is read.
const MAX_APPROVAL: u64 = dsse::MAX_SIZE as u64;

/// Publish an approved bundle: count, copy, sign, check, and move the channel.
///
/// Doing it again changes nothing; after an interruption, do it again.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// The bundle, where it was made; images lie beside it, in BUILD/<component>.
    #[arg(long, env = "FLEETFIX_BUNDLE", value_name = "REF")]
    bundle: Reference,
    /// Where the images were made; default: what the bundle's repository lies in.
    #[arg(long, env = "FLEETFIX_FROM", value_name = "BUILD")]
    from: Option<Repository>,
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
    password: PasswordArgs,
    #[command(flatten)]
    registry: RegistryArgs,
}

/// The keys that move a channel.
struct Signers {
    publishers: Keys,
    online: Keys,
}

/// The state that the next one is made from, with its policy and channel.
struct Before {
    published: state::Published,
    current: Current,
    policy: Policy,
    channel: Channel,
}

impl Args {
    /// Publishes the bundle.
    pub async fn run(self, context: &Context) -> Result<Outcome, Failure> {
        let client = self.registry.client()?;
        let fleet = Fleet::new(self.to.clone(), client.clone());
        // Keys and files first: what is wrong with them should not be found out half-way.
        let release_key = self.password.read_one(&self.release_key)?;
        let signers = Signers {
            publishers: self.password.read(&self.publisher_keys)?,
            online: self.password.read(std::slice::from_ref(&self.online_key))?,
        };
        let envelopes = self.envelopes()?;

        let before = self.before(&fleet).await?;
        let store = client.store(&self.bundle.repository);
        let manifest = store.get(&self.bundle).await?;
        let descriptor = manifest.descriptor();
        let contents = audit::read(&store, &descriptor).await.map_err(|judged| failure(&judged))?;
        let Contents { bundle, plan, .. } = &contents;
        fleet.logical(Some(&bundle.fleet))?;
        if bundle.fleet != before.channel.fleet {
            return Err(Failure::refused(format!(
                "{} is for the fleet {}, channel `{}` is of {}",
                self.bundle, bundle.fleet, self.channel, before.channel.fleet
            )));
        }
        if let Some(finding) = plan.blocking().next() {
            return Err(Failure::refused(format!(
                "{}: the plan has a blocking finding: {}",
                self.bundle, finding.id
            )));
        }

        context.step(format_args!(
            "counting who built and who approved {} revision {}",
            bundle.id, bundle.revision
        ));
        let build = self.build()?;
        let subject = Subject {
            digest: manifest.digest,
            bundle,
            plan,
            channel: &self.channel,
            now: context.now,
        };
        let builders = counting::builders(&client, &build, &before.policy, subject).await?;
        let approvals = counting::approvals(&before.policy, subject, &builders, &envelopes)?;

        let repository = fixed(BUNDLES)?;
        let entry = ChannelBundle {
            id: bundle.id.clone(),
            revision: bundle.revision,
            bundle: descriptor.clone(),
            repository: repository.clone(),
            tag: bundle.tag().ok_or_else(|| Failure::new(Class::Bug, "a bundle without a tag"))?,
            state: BundleState::Active,
            reason: None,
            rollout_start: self.rollout_start,
            counted: context.now,
            approvals: approvals.envelopes(),
        };
        let active = self.active(&fleet, &before.channel).await?;
        let next = channel::with_bundle(&before.channel, entry, bundle, &active)?;

        self.transfer(context, &fleet, &build, bundle, &release_key).await?;
        let target = fleet.store(&repository);
        let reference = Reference { tag: bundle.tag(), ..self.bundle.clone() };
        transfer::artifact(&store, &target, &reference, manifest.digest).await?;
        attach_approvals(&target, &descriptor, &envelopes).await?;

        context.step("checking all of it where the fleet will read it");
        let verified = self.check(&fleet, &before, &descriptor, context.now).await?;
        let moved = self.activate(context, &fleet, &before, &next, &verified, &signers).await?;
        let place = state::place(&fleet)?;
        context.step(format_args!(
            "{} revision {} is {} channel `{}` of {place}",
            bundle.id,
            bundle.revision,
            if moved == Written::New { "now in" } else { "already in" },
            self.channel,
        ));
        let images: Vec<_> = bundle
            .images
            .iter()
            .map(|image| fleet.prefix().below(&image.repository).at(image.index.digest).to_string())
            .collect();
        Ok(Outcome::json(&json!({
            "channel": place.to_string(),
            "bundle": target.repository().at(manifest.digest).to_string(),
            "images": images,
            "approvals": approvals.envelopes(),
            "written": moved == Written::New,
        }))?)
    }

    fn build(&self) -> Result<Repository, Failure> {
        let from = self.from.clone().or_else(|| self.bundle.repository.parent());
        from.ok_or_else(|| {
            Failure::usage(format!(
                "where the images of {} lie does not follow from it: give --from",
                self.bundle
            ))
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
    async fn before(&self, fleet: &Fleet) -> Result<Before, Failure> {
        let place = state::place(fleet)?;
        let published = state::load(fleet).await?.ok_or_else(|| {
            Failure::input(format!("{place}: no channel there"))
                .hint("begin with fleetfix-publish init")
        })?;
        let root = file::read_bounded(&self.root, fleetfix_model::canonical::MAX_SIZE as u64)?;
        let current = Current::open(&root, &published.state)
            .await
            .map_err(|e| Failure::from(e).about(&place))?;
        let policy = current.contents().policy().map_err(|e| Failure::from(e).about(&place))?;
        let policy = Policy::new(policy.into_inner())?;
        let channel = current
            .contents()
            .channel(&self.channel)
            .map_err(|e| Failure::from(e).about(&place))?;
        Ok(Before { policy, channel: channel.into_inner(), published, current })
    }

    /// The documents of the bundles that are active beside this one.
    async fn active(&self, fleet: &Fleet, channel: &Channel) -> Result<Vec<FixBundle>, Failure> {
        let mut active = Vec::new();
        for entry in channel.bundles.iter().filter(|entry| entry.state == BundleState::Active) {
            let store = fleet.store(&entry.repository);
            let contents =
                audit::read(&store, &entry.bundle).await.map_err(|judged| failure(&judged))?;
            active.push(contents.bundle);
        }
        Ok(active)
    }

    async fn transfer(
        &self,
        context: &Context,
        fleet: &Fleet,
        build: &Repository,
        bundle: &FixBundle,
        key: &fleetfix_signer::SigningKey,
    ) -> Result<(), Failure> {
        for image in &bundle.images {
            let from = fleet.client().store(&build.below(&image.repository));
            let to = fleet.store(&image.repository);
            context.step(format_args!("copying {} to {}", image.tag, to.repository()));
            transfer::image(&from, &to, image).await?;
            release::sign_image(&to, image, &docker_reference(&bundle.fleet, image), key).await?;
        }
        Ok(())
    }

    /// What a client will check, before any client can see it.
    async fn check(
        &self,
        fleet: &Fleet,
        before: &Before,
        manifest: &Descriptor,
        now: Timestamp,
    ) -> Result<VerifiedBundle, Failure> {
        let rules = Rules {
            policy: &before.policy,
            channel: Some(&self.channel),
            now,
            counted: now,
            stage: fleetfix_audit::Stage::Fleet,
        };
        let subject = audit::Subject {
            client: fleet.client(),
            fleet: fleet.prefix(),
            repository: &fixed(BUNDLES)?,
            manifest,
            listed: None,
        };
        let found = audit::verify(&subject, &rules).await;
        found.verified.ok_or_else(|| failure(&found.judged).about("the fleet would refuse it"))
    }

    /// Moves the channel. It takes a verified bundle: nothing else can be activated.
    async fn activate(
        &self,
        context: &Context,
        fleet: &Fleet,
        before: &Before,
        next: &Channel,
        verified: &VerifiedBundle,
        signers: &Signers,
    ) -> Result<Written, Failure> {
        let named = next.bundles.iter().any(|entry| entry.bundle == *verified.manifest());
        if !named {
            return Err(Failure::new(Class::Bug, "the channel does not name what was verified"));
        }
        let changes = Changes {
            targets: BTreeMap::from([(
                Channel::target_name(&self.channel),
                Some(next.to_canonical()?),
            )]),
            renew: BTreeSet::new(),
            expires: self.expiry.expires(context.now),
        };
        let mut draft = Draft::change(&before.current, &changes)?;
        for key in signers.publishers.signers() {
            draft.sign(key)?;
        }
        // A state that changes nothing is left as it is: the tag does not move.
        let unchanged = draft.is_unchanged();
        let state = draft.seal(&signers.online.signers(), context.now).await?;
        let moved = if unchanged {
            Written::AlreadyThere
        } else {
            state::push(fleet, &state, Some(before.published.artifact)).await?
        };
        state::export(&state, self.tuf_dir.as_deref())?;
        Ok(moved)
    }
}

/// Lays the approvals beside the bundle, where verifiers look for them.
async fn attach_approvals(
    store: &fleetfix_registry::Store,
    bundle: &Descriptor,
    envelopes: &[Vec<u8>],
) -> Result<Written, Failure> {
    let attachments: Vec<Attachment> = envelopes
        .iter()
        .map(|envelope| Attachment {
            media_type: media::DSSE.to_owned(),
            payload: envelope.clone(),
            annotations: dsse::annotations(media::APPROVAL_PREDICATE),
        })
        .collect();
    Ok(attach(store, bundle.digest, Kind::Attestation, &attachments).await?)
}

/// What was judged, as the end of the task.
fn failure(judged: &Judged) -> Failure {
    let (class, why) = judged.ending().unwrap_or((Class::Bug, String::new()));
    Failure::new(class, why)
}
