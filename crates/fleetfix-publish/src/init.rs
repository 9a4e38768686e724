//! `fleetfix-publish init`: a fleet's TUF repository, with its policy and empty channels.

use std::collections::BTreeMap;
use std::path::PathBuf;

use fleetfix_model::document::channel::ChannelKind;
use fleetfix_model::document::{self, Channel, Document as _, TrustPolicy, policy};
use fleetfix_model::name::ChannelName;
use fleetfix_model::{Repository, ToCanonical as _};
use fleetfix_task::{Context, Failure, Outcome, file};
use fleetfix_trust::policy::Policy;
use fleetfix_trust::tuf::TufState;
use fleetfix_trust::tuf::edit::{Authority, Current, Draft, PerRole, Role};
use serde_json::{Value, json};

use crate::args::FleetArgs;
use crate::fleet::Fleet;
use crate::keys::Keys;
use crate::state;

/// Make a fleet's TUF repository, with its policy and empty channels.
///
/// All keys are at hand here. The root file that is written is the one thing that verifiers need to
/// be given by hand.
#[derive(Debug, clap::Args)]
pub struct Args {
    #[command(flatten)]
    common: FleetArgs,
    /// Registry and path that the fleet pulls from; needed where it lies in a layout.
    #[arg(long, env = "FLEETFIX_FLEET", value_name = "REGISTRY/PATH")]
    fleet: Option<Repository>,
    /// A channel to begin with, empty; repeatable.
    #[arg(
        long = "channel",
        env = "FLEETFIX_CHANNEL",
        value_delimiter = ',',
        required = true,
        value_name = "NAME"
    )]
    channels: Vec<ChannelName>,
    /// The trust policy, YAML.
    #[arg(long, env = "FLEETFIX_POLICY", value_name = "FILE")]
    policy: PathBuf,
    /// Keys of root and delegations, kept offline; repeatable.
    #[arg(
        long = "root-key",
        env = "FLEETFIX_ROOT_KEY",
        value_delimiter = ',',
        required = true,
        value_name = "FILE"
    )]
    root_keys: Vec<PathBuf>,
    /// Keys of the policy's owners; repeatable.
    #[arg(
        long = "policy-key",
        env = "FLEETFIX_POLICY_KEY",
        value_delimiter = ',',
        required = true,
        value_name = "FILE"
    )]
    policy_keys: Vec<PathBuf>,
    /// Keys of the publishers; repeatable.
    #[arg(
        long = "publisher-key",
        env = "FLEETFIX_PUBLISHER_KEY",
        value_delimiter = ',',
        required = true,
        value_name = "FILE"
    )]
    publisher_keys: Vec<PathBuf>,
    /// Keys of those who may pause a bundle, each alone; repeatable.
    #[arg(
        long = "pause-key",
        env = "FLEETFIX_PAUSE_KEY",
        value_delimiter = ',',
        required = true,
        value_name = "FILE"
    )]
    pause_keys: Vec<PathBuf>,
    /// How many root keys must sign; default: all of them.
    #[arg(long, env = "FLEETFIX_ROOT_THRESHOLD", value_name = "N")]
    root_threshold: Option<u32>,
    /// How many policy keys must sign; default: all of them.
    #[arg(long, env = "FLEETFIX_POLICY_THRESHOLD", value_name = "N")]
    policy_threshold: Option<u32>,
    /// How many publisher keys must sign; default: all of them.
    #[arg(long, env = "FLEETFIX_PUBLISHER_THRESHOLD", value_name = "N")]
    publisher_threshold: Option<u32>,
}

impl Args {
    /// Makes the repository. One that is there already, made with the same keys, stays.
    pub async fn run(self, context: &Context) -> Result<Outcome, Failure> {
        let fleet = self.common.fleet()?;
        let logical = fleet.logical(self.fleet.as_ref())?;
        let targets = self.targets(&logical)?;
        let root = self.common.password.read(&self.root_keys)?;
        let policy = self.common.password.read(&self.policy_keys)?;
        let publishers = self.common.password.read(&self.publisher_keys)?;
        let pause = self.common.password.read(&self.pause_keys)?;
        let online = self.common.online()?;
        let authorities = PerRole {
            root: authority(&root, self.root_threshold),
            targets: authority(&root, self.root_threshold),
            publishers: authority(&publishers, self.publisher_threshold),
            policy: authority(&policy, self.policy_threshold),
            pause: authority(&pause, Some(1)),
            snapshot: authority(&online, None),
            timestamp: authority(&online, None),
        };
        let mut draft =
            Draft::init(&authorities, &self.common.expiry.expires(context.now), targets.clone())?;
        for keys in [&root, &policy, &publishers, &pause] {
            for key in keys.signers() {
                draft.sign(key)?;
            }
        }
        let next = draft.seal(&online.signers(), context.now).await?;
        if let Some(there) = state::load(&fleet).await? {
            return self.is_there(&fleet, &there.state, &next, &targets).await;
        }
        if self.common.root.exists() {
            return Err(Failure::refused(format!(
                "{}: a root file is there, and {} has no channel that it could lead to",
                self.common.root.display(),
                fleet.prefix()
            ))
            .hint("is --to right? a root file is never overwritten"));
        }
        context.step(format_args!("making the channels of {logical}"));
        state::push(&fleet, &next, None).await?;
        file::write_atomic(&self.common.root, first_root(&next)?)?;
        state::export(&next, self.common.tuf_dir.as_deref())?;
        self.outcome(&fleet, true)
    }

    /// Something is there: it must be what these arguments would make, but for what was published
    /// since. A run that was stopped before it wrote the root file is brought to its end.
    async fn is_there(
        &self,
        fleet: &Fleet,
        there: &TufState,
        ours: &TufState,
        targets: &BTreeMap<String, Vec<u8>>,
    ) -> Result<Outcome, Failure> {
        let place = state::place(fleet)?;
        let other = |what: &str| {
            Failure::refused(format!(
                "{place} is there already, with another {what} than the arguments say"
            ))
            .hint("a repository is made once; change it by publishing to it")
        };
        // Whoever holds the root keys knows their own root by the keys that are in it.
        let root = first_root(there)?;
        if keys_of(root)? != keys_of(first_root(ours)?)? {
            return Err(other("root, keys or thresholds"));
        }
        let current =
            Current::open(root, there).await.map_err(|e| Failure::from(e).about(&place))?;
        let delegating = current.contents().role(Role::Targets.name());
        let delegating = delegating.map_or_else(String::new, |role| role.file.clone());
        let first = Role::Targets.file_name(1);
        if delegations(current.state(), &delegating)? != delegations(ours, &first)? {
            return Err(other("set or threshold of publisher, policy or pause keys"));
        }
        for (name, bytes) in targets {
            let found = current.contents().target(name).ok_or_else(|| other(name))?;
            if name == policy::TARGET_NAME && found.as_slice() != bytes.as_slice() {
                return Err(other("trust policy"));
            }
        }
        for channel in &self.channels {
            let found =
                current.contents().channel(channel).map_err(|e| Failure::from(e).about(&place))?;
            if found.fleet != fleet.logical(self.fleet.as_ref())? {
                return Err(other("fleet"));
            }
        }
        if self.common.root.exists() {
            let given = self.common.root()?;
            Current::open(&given, there)
                .await
                .map_err(|e| Failure::from(e).about(self.common.root.display()))?;
        } else {
            file::write_atomic(&self.common.root, root)?;
        }
        state::export(there, self.common.tuf_dir.as_deref())?;
        self.outcome(fleet, false)
    }

    fn outcome(&self, fleet: &Fleet, new: bool) -> Result<Outcome, Failure> {
        Ok(Outcome::json(&json!({
            "channel": state::place(fleet)?.to_string(),
            "root": self.common.root.display().to_string(),
            "written": new,
        }))?)
    }

    /// The policy, and each channel with nothing in it.
    fn targets(&self, fleet: &Repository) -> Result<BTreeMap<String, Vec<u8>>, Failure> {
        let text = file::read_bounded(&self.policy, fleetfix_model::yaml::MAX_SIZE as u64)?;
        let name = self.policy.display().to_string();
        let trust: TrustPolicy = document::from_yaml(&name, &text)?;
        // A policy whose keys nobody can read must not become the policy.
        Policy::new(trust.clone()).map_err(|e| Failure::from(e).about(&name))?;
        let mut targets = BTreeMap::from([(policy::TARGET_NAME.to_owned(), trust.to_canonical()?)]);
        for channel in &self.channels {
            let empty = Channel {
                api_version: document::ApiVersion::V1alpha1,
                kind: ChannelKind::Channel,
                annotations: document::Annotations::new(),
                requires: Vec::new(),
                name: channel.clone(),
                fleet: fleet.clone(),
                bundles: Vec::new(),
                resumed: Vec::new(),
                revoked: Vec::new(),
            };
            empty.check().map_err(|e| Failure::new(fleetfix_model::Class::Bug, e))?;
            targets.insert(Channel::target_name(channel), empty.to_canonical()?);
        }
        Ok(targets)
    }
}

fn authority(keys: &Keys, threshold: Option<u32>) -> Authority {
    let all = u32::try_from(keys.len()).unwrap_or(u32::MAX);
    let keys = keys.signers().iter().map(|key| key.public_key().clone()).collect();
    Authority { keys, threshold: threshold.unwrap_or(all) }
}

/// The first root file of a state.
fn first_root(state: &TufState) -> Result<&[u8], Failure> {
    let file = Role::Root.file_name(1);
    let root = state.metadata.get(&file).map(Vec::as_slice);
    root.ok_or_else(|| Failure::input(format!("the TUF repository has no {file}")))
}

/// Who signs what, as a root file says.
fn keys_of(root: &[u8]) -> Result<Value, Failure> {
    let root = fleetfix_model::canonical::from_bounded_json(root)?;
    Ok(json!([root.pointer("/signed/keys"), root.pointer("/signed/roles")]))
}

/// Who signs what, as a targets file of a state says.
fn delegations(state: &TufState, file: &str) -> Result<Option<Value>, Failure> {
    let targets = state.metadata.get(file);
    let targets =
        targets.ok_or_else(|| Failure::input(format!("the TUF repository has no {file}")))?;
    let targets = fleetfix_model::canonical::from_bounded_json(targets)?;
    Ok(targets.pointer("/signed/delegations").cloned())
}
