//! `fleetfix-publish bundle`: counts approvals, copies, signs, checks, and moves the channel.
//!
//! | module | what it does |
//! |---|---|
//! | [`judge`] | what must hold: where the bundle was built, beside what is active, at the fleet |
//! | [`approval`] | the approvals as files |

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;

use fleetfix_audit::bundle::VerifiedBundle;
use fleetfix_model::document::Channel;
use fleetfix_model::name::ChannelName;
use fleetfix_model::{Reference, Timestamp, ToCanonical as _};
use fleetfix_registry::Written;
use fleetfix_signer::SigningKey;
use fleetfix_task::{Context, Failure, Outcome};
use fleetfix_trust::Sign as _;
use fleetfix_trust::tuf::TufState;
use fleetfix_trust::tuf::edit::{Changes, Draft};
use serde_json::json;

use crate::args::FleetArgs;
use crate::fleet::Fleet;
use crate::keys::Keys;
use crate::state::{Memory, StateArgs};
use crate::{channel, state, transfer};

pub mod approval;
pub mod judge;

use approval::ApprovalFile;
use judge::{Before, Build};

/// Publish an approved bundle: count, copy, sign, check, and move the channel.
///
/// Doing it again changes nothing; after an interruption, do it again.
#[derive(Debug, clap::Args)]
pub struct Args {
    #[command(flatten)]
    common: FleetArgs,
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
    /// The channel.
    #[arg(long, env = "FLEETFIX_CHANNEL", value_name = "NAME")]
    channel: ChannelName,
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
    #[command(flatten)]
    state: StateArgs,
}

/// The keys that publish.
struct Signers {
    release: SigningKey,
    publishers: Keys,
    online: Keys,
}

impl Args {
    /// Publishes the bundle.
    pub async fn run(self, context: &Context) -> Result<Outcome, Failure> {
        let memory = self.state.memory()?;
        let fleet = self.common.fleet()?;
        // Whatever can be refused is refused before anything is written: keys and files, then
        // builders and approvals, then the channel that would come of it.
        let signers = self.signers()?;
        let approvals = ApprovalFile::read_all(&self.approvals)?;
        let opened = self.common.open(context, &fleet, &memory).await?;
        let before = Before::new(opened, &state::place(&fleet)?, &self.channel)?;
        let release = signers.release.public_key();
        if !before.policy.release_keys(context.now).contains(release) {
            return Err(Failure::refused(format!(
                "{}: key {release} is no release key of the trust policy",
                self.release_key.display()
            )));
        }
        let build = Build::find(fleet.client(), &self.bundle).await?;
        context.step(format_args!("counting who built and who approved {}", self.bundle));
        for approval in &approvals {
            context.step(format_args!("approval {}: {}", approval.digest.short(), approval.path));
        }
        let candidate = build.judge(fleet.client(), &before, &approvals, context.now).await?;
        let bundle = candidate.document();
        before.belongs(&fleet, bundle).map_err(|failure| failure.about(&self.bundle))?;
        let entry = before.entry(&candidate, self.rollout_start, context.now)?;
        let active = before.active(&fleet, candidate.manifest()).await?;
        let next = channel::with_bundle(&before.channel, entry, bundle, candidate.plan(), &active)?;
        let state = self.next_state(context, &before, &next, &signers).await?;

        let moving = transfer::Candidate { bundle: &candidate, place: &build.place };
        Box::pin(moving.copy(context, &fleet, &build.repository, &signers.release)).await?;
        let approvals = approvals.into_iter().map(|approval| approval.bytes);
        transfer::approvals(&fleet, &candidate, approvals).await?;
        context.step("checking all of it where the fleet will read it");
        let verified = before.check(&fleet, &next, candidate.manifest(), context.now).await?;
        let moved = self.activate(context, &memory, &fleet, &before, state, &verified).await?;

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
            "bundle": fleet.bundles()?.repository().at(candidate.manifest().digest).to_string(),
            "images": bundle.images.iter().map(image).collect::<Vec<_>>(),
            "approvals": verified.approvals().envelopes(),
            "written": moved == Written::New,
        }))?)
    }

    fn signers(&self) -> Result<Signers, Failure> {
        let password = &self.common.password;
        Ok(Signers {
            release: password.read_one(&self.release_key)?,
            publishers: password.read(&self.publisher_keys)?,
            online: self.common.online()?,
        })
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
            expires: self.common.expiry.expires(context.now),
        };
        let mut draft = Draft::change(&before.opened.current, &changes)?;
        if draft.is_unchanged() {
            return Ok(None);
        }
        for key in signers.publishers.signers() {
            draft.sign(key)?;
        }
        Ok(Some(draft.seal(&signers.online.signers(), context.now).await?))
    }

    /// Moves the channel. That the bundle was verified at the fleet is what the last argument is
    /// for: it says nothing about `next`, which was made for that bundle above.
    async fn activate(
        &self,
        context: &Context,
        memory: &Memory,
        fleet: &Fleet,
        before: &Before,
        next: Option<TufState>,
        _verified: &VerifiedBundle,
    ) -> Result<Written, Failure> {
        let there = &before.opened.published;
        let (state, moved) = match next {
            Some(next) => {
                let moved = state::push(fleet, &next, Some(there.artifact)).await?;
                memory.remember(&before.opened.root, &next, context.now).await?;
                (next, moved)
            }
            None => (there.state.clone(), Written::AlreadyThere),
        };
        state::export(&state, self.common.tuf_dir.as_deref())?;
        Ok(moved)
    }
}
