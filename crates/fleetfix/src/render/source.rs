//! The bundles that are rendered: verified down from a trust root or by a policy, as
//! `fleetfix verify` does, and refused otherwise.

use fleetfix_audit::bundle::{self, Contents, VerifiedBundle};
use fleetfix_audit::channel::{self, Target, VerifiedChannel};
use fleetfix_audit::{ChannelPlace, Rules, Stage};
use fleetfix_model::document::channel::BundleState;
use fleetfix_model::document::{FixBundle, FixPlan, FixRequest};
use fleetfix_model::name::{ChannelName, RepositoryPath};
use fleetfix_model::{Class, Reference, Repository};
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
#[derive(Clone, Debug)]
pub struct Fixes {
    /// Bundles that clusters take.
    pub active: Vec<Contents>,
    /// Bundles that clusters give back.
    pub withdrawn: Vec<Contents>,
    /// Names of bundles that wait: what is there of them stays, and nothing is added.
    pub paused: Vec<String>,
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
                let active = vec![by_policy(&client, bundle, &rules).await?];
                Ok(Fixes { active, withdrawn: Vec::new(), paused: Vec::new() })
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
                let Some(verified) = audit.verified else {
                    let (class, why) = audit
                        .concluded
                        .ending()
                        .unwrap_or_else(|| (Class::Refused, "the channel does not hold".into()));
                    return Err(Failure::new(class, why).about(&place));
                };
                match bundle {
                    Some(bundle) => one(&client, &verified, bundle).await,
                    None => all(&client, &verified).await,
                }
            }
        }
    }
}

/// A bundle at a fleet, by a policy alone.
async fn by_policy(
    client: &Client,
    reference: &Reference,
    rules: &Rules<'_>,
) -> Result<Contents, Failure> {
    let no_fleet = || {
        Failure::input(format!("{reference} lies in no fleet: images lie beside its repository"))
    };
    let manifest = client.store(&reference.repository).get(reference).await?;
    let fleet = reference.repository.parent().ok_or_else(no_fleet)?;
    let repository = last(&reference.repository).ok_or_else(no_fleet)?;
    let descriptor = manifest.descriptor();
    let subject = bundle::Subject {
        client,
        fleet: &fleet,
        repository: &repository,
        manifest: &descriptor,
        listed: None,
    };
    let audit = Box::pin(bundle::verify(&subject, rules)).await;
    if let Some(verified) = audit.verified {
        return Ok(contents(&verified));
    }
    let (class, why) = audit
        .judged
        .ending()
        .unwrap_or_else(|| (Class::Refused, "the bundle does not hold".into()));
    Err(Failure::new(class, why).about(reference))
}

/// One active bundle of a channel.
async fn one(
    client: &Client,
    channel: &VerifiedChannel,
    reference: &Reference,
) -> Result<Fixes, Failure> {
    let digest = client.store(&reference.repository).get(reference).await?.digest;
    let found = channel.bundles().iter().find(|bundle| bundle.manifest().digest == digest);
    let name = &channel.document().name;
    let Some(bundle) = found else {
        return Err(Failure::refused(format!("{reference} is not active in channel `{name}`")));
    };
    if channel.is_paused(digest) {
        return Err(Failure::refused(format!("{reference} is paused in channel `{name}`"))
            .hint("somebody stopped it: see `fleetfix verify channel`"));
    }
    Ok(Fixes { active: vec![contents(bundle)], withdrawn: Vec::new(), paused: Vec::new() })
}

/// Every bundle of a channel.
async fn all(client: &Client, channel: &VerifiedChannel) -> Result<Fixes, Failure> {
    let mut fixes = Fixes { active: Vec::new(), withdrawn: Vec::new(), paused: Vec::new() };
    for bundle in channel.bundles() {
        if channel.is_paused(bundle.manifest().digest) {
            let FixBundle { id, revision, .. } = bundle.document();
            fixes.paused.push(format!("{id} revision {revision}"));
        } else {
            fixes.active.push(contents(bundle));
        }
    }
    let entries = channel.document().bundles.iter();
    for entry in entries.filter(|entry| entry.state == BundleState::Withdrawn) {
        // The channel names it by digest: what is read is what was withdrawn.
        let store = client.store(&channel.fleet().below(&entry.repository));
        let read = bundle::read(&store, &entry.bundle).await.map_err(|judged| {
            let (class, why) = judged.ending().unwrap_or((Class::Bug, String::new()));
            Failure::new(class, why)
                .about(format_args!("withdrawn {} r{}", entry.id, entry.revision))
        })?;
        fixes.withdrawn.push(read);
    }
    Ok(fixes)
}

fn contents(verified: &VerifiedBundle) -> Contents {
    let (bundle, plan, request): (&FixBundle, &FixPlan, &FixRequest) =
        (verified.document(), verified.plan(), verified.request());
    Contents { bundle: bundle.clone(), plan: plan.clone(), request: request.clone() }
}

/// The last component of a repository's name.
fn last(repository: &Repository) -> Option<RepositoryPath> {
    match repository {
        Repository::Registry { path, .. } => path.as_str().rsplit('/').next()?.parse().ok(),
        Repository::Layout(dir) => dir.file_name()?.to_str()?.parse().ok(),
    }
}
