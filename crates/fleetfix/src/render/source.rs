//! The bundles that are rendered: verified down from a trust root or by a policy, as
//! `fleetfix verify` does, and refused otherwise.

use fleetfix_audit::bundle::{self, Contents, VerifiedBundle};
use fleetfix_audit::channel::{self, Target, VerifiedChannel};
use fleetfix_audit::{ChannelPlace, Rules, Stage, named};
use fleetfix_model::document::channel::{BundleState, ChannelBundle};
use fleetfix_model::document::{FixBundle, FixPlan, FixRequest};
use fleetfix_model::name::ChannelName;
use fleetfix_model::{Reference, Repository, Timestamp};
use fleetfix_plan::finding::refusal;
use fleetfix_registry::{Client, RegistryArgs};
use fleetfix_task::{Context, Failure};
use fleetfix_trust::TrustArgs;
use fleetfix_verify::given::{self, Given};

/// Which bundles, and what they are trusted by.
#[derive(Clone, Debug, Default, clap::Args)]
pub struct Source {
    /// One bundle; with --root it must be active in the channel beside it
    #[arg(long, value_name = "REF", env = "FLEETFIX_BUNDLE")]
    pub bundle: Option<Reference>,
    /// Where the TUF repository of the fleet's channels is; default: channels:current beside the
    /// repository of the bundle
    #[arg(long, value_name = "REF", env = "FLEETFIX_CHANNELS")]
    pub channels: Option<ChannelPlace>,
    /// Name of the channel; default: the only one there is
    #[arg(long, value_name = "NAME", env = "FLEETFIX_CHANNEL")]
    pub channel: Option<ChannelName>,
    /// Where the fleet's images and bundles are; default: what the TUF repository lies in
    #[arg(long, value_name = "PLACE", env = "FLEETFIX_FROM")]
    pub from: Option<Repository>,
    /// Root file or policy.
    #[command(flatten)]
    pub trust: TrustArgs,
    /// Registries.
    #[command(flatten)]
    pub registry: RegistryArgs,
}

/// What was read.
#[derive(Clone, Debug, Default)]
pub struct Fixes {
    /// Bundles that clusters take.
    pub active: Vec<Contents>,
    /// Bundles that clusters give back.
    pub withdrawn: Vec<Contents>,
    /// Bundles that wait: what is there of them stays, and nothing is added.
    pub paused: Vec<Contents>,
    /// Bundles that are over: the same holds for them.
    pub expired: Vec<Contents>,
}

impl Source {
    /// True if neither a bundle nor a channel is named.
    pub const fn is_empty(&self) -> bool {
        self.bundle.is_none() && self.channels.is_none()
    }

    /// Reads and verifies what is named.
    pub async fn read(&self, context: &Context) -> Result<Fixes, Failure> {
        let client = self.registry.client()?;
        match (given::read(&self.trust)?, &self.bundle) {
            (Given::Policy(policy), Some(bundle)) => {
                let Some(name) = &self.channel else {
                    return Err(Failure::usage(
                        "approvals are good for certain channels [say which with --channel]",
                    ));
                };
                if let Some(place) = &self.channels {
                    return Err(Failure::usage(format!(
                        "{place} is never read by a policy that comes from elsewhere [give --root FILE instead of --policy]"
                    )));
                }
                context.step(format_args!("verifying {bundle} for channel `{name}`"));
                let now = context.now;
                let rules = Rules {
                    policy: &policy,
                    channel: Some(name),
                    now,
                    counted: now,
                    stage: Stage::Fleet,
                };
                let held = named::held_by_policy(&client, bundle, &rules).await?;
                Ok(Fixes { active: vec![active(&held, now)?], ..Fixes::default() })
            }
            (Given::Policy(_), None) => Err(Failure::usage(
                "the policy comes with the channel [give --root FILE instead of --policy]",
            )),
            (Given::Root(root), bundle) => {
                let beside = || ChannelPlace::beside(&bundle.as_ref()?.repository);
                let place = self.channels.clone().or_else(beside).ok_or_else(|| {
                    Failure::usage("nothing says which fixes [give --channels REF or --bundle REF]")
                })?;
                context.step(format_args!("verifying {place}"));
                let target = Target {
                    place: &place,
                    fleet: self.from.as_ref(),
                    name: self.channel.as_ref(),
                };
                let anchor = root.anchor(&self.trust, context.now);
                let audit = Box::pin(channel::verify(&client, &target, &anchor)).await;
                let audit = audit.map_err(|error| root.blame(error))?;
                let verified = audit.holding(&place)?;
                match bundle {
                    Some(bundle) => one(&client, &verified, bundle, context.now).await,
                    None => all(&client, &verified, context.now).await,
                }
            }
        }
    }
}

/// One active bundle of a channel.
async fn one(
    client: &Client,
    channel: &VerifiedChannel,
    reference: &Reference,
    now: Timestamp,
) -> Result<Fixes, Failure> {
    let digest = client.store(&reference.repository).get(reference).await?.digest;
    let found = channel.bundles().iter().find(|bundle| bundle.manifest().digest == digest);
    let name = &channel.document().name;
    if channel.expired().iter().any(|entry| entry.bundle.digest == digest) {
        return Err(Failure::refused(format!("{reference} is over: it has expired"))
            .hint("publish a new revision that expires later"));
    }
    let Some(bundle) = found else {
        return Err(Failure::refused(format!("{reference} is not active in channel `{name}`")));
    };
    if channel.is_paused(digest) {
        return Err(Failure::refused(format!("{reference} is paused in channel `{name}`"))
            .hint("somebody stopped it: see `fleetfix verify channel`"));
    }
    Ok(Fixes { active: vec![active(bundle, now)?], ..Fixes::default() })
}

/// Every bundle of a channel.
async fn all(client: &Client, channel: &VerifiedChannel, now: Timestamp) -> Result<Fixes, Failure> {
    let mut fixes = Fixes::default();
    for bundle in channel.bundles() {
        if channel.is_paused(bundle.manifest().digest) {
            fixes.paused.push(contents(bundle));
        } else {
            fixes.active.push(active(bundle, now)?);
        }
    }
    // Taking them away would bring back what they fix: that takes somebody's word, not a clock.
    for entry in channel.expired() {
        fixes.expired.push(of_entry(client, channel, entry, "expired").await?);
    }
    let entries = channel.document().bundles.iter();
    for entry in entries.filter(|entry| entry.state == BundleState::Withdrawn) {
        fixes.withdrawn.push(of_entry(client, channel, entry, "withdrawn").await?);
    }
    Ok(fixes)
}

/// The documents of an entry that is not verified any more. The channel names it by digest: what is
/// read is what was published.
async fn of_entry(
    client: &Client,
    channel: &VerifiedChannel,
    entry: &ChannelBundle,
    state: &str,
) -> Result<Contents, Failure> {
    let store = client.store(&channel.fleet().below(&entry.repository));
    let named = format!("{state} {} r{}", entry.id, entry.revision);
    let read = bundle::read(&store, &entry.bundle).await;
    Ok(read.map_err(|judged| judged.error_about(&named))?)
}

/// A bundle that clusters take. It was published while its waivers held; one that ended since is
/// nobody's acceptance any more.
fn active(verified: &VerifiedBundle, now: Timestamp) -> Result<Contents, Failure> {
    let contents = contents(verified);
    let stopping: Vec<_> = contents.plan.stopping(now).collect();
    if stopping.is_empty() {
        return Ok(contents);
    }
    let FixBundle { id, revision, .. } = &contents.bundle;
    Err(Failure::refused(refusal(&format!("{id} revision {revision}"), &stopping))
        .hint("publish a revision whose waivers hold; other bundles go by --bundle REF"))
}

fn contents(verified: &VerifiedBundle) -> Contents {
    let (bundle, plan, request): (&FixBundle, &FixPlan, &FixRequest) =
        (verified.document(), verified.plan(), verified.request());
    Contents { bundle: bundle.clone(), plan: plan.clone(), request: request.clone() }
}
