//! An image or a bundle, by the channel beside it or by a policy.

use fleetfix_audit::judgement::Concluded;
use fleetfix_audit::named::{
    bundle_by_policy, bundle_in_channel, image_by_policy, image_in_channel,
};
use fleetfix_audit::{ChannelPlace, Rules};
use fleetfix_model::Reference;
use fleetfix_task::{Context, Failure};

use crate::given::{self, Given};
use crate::{BesideArgs, BundleArgs, ImageArgs};

/// Verifies an image.
pub(crate) async fn image(args: ImageArgs, context: &Context) -> Result<Concluded, Failure> {
    let ImageArgs { image, docker_reference, beside, common } = &args;
    let given = given::read(&common.trust)?;
    let client = common.registry.client()?;
    let concluded = match &given {
        Given::Root(root) => {
            if docker_reference.is_some() {
                return Err(Failure::usage(
                    "--docker-reference has no meaning with --root: the bundle says what the image is called",
                ));
            }
            let place = place(beside, image)?;
            context.step(format_args!("verifying {image} by {place}"));
            let anchor = root.anchor(&common.trust, context.now);
            let found = image_in_channel(&client, image, &common.target(&place), &anchor).await;
            found.map_err(|error| root.blame(error))?
        }
        Given::Policy(policy) => {
            no_channel(beside)?;
            let name = identity(image, docker_reference.as_ref())?;
            context.step(format_args!("verifying {image} as {name}"));
            let now = context.now;
            let rules = Rules {
                policy,
                channel: common.channel.as_ref(),
                now,
                counted: now,
                stage: fleetfix_audit::Stage::Fleet,
            };
            image_by_policy(&client, image, &name, &rules).await?
        }
    };
    Ok(concluded)
}

/// Verifies a bundle.
pub(crate) async fn bundle(args: BundleArgs, context: &Context) -> Result<Concluded, Failure> {
    let BundleArgs { bundle, beside, common } = &args;
    let given = given::read(&common.trust)?;
    let client = common.registry.client()?;
    let concluded = match &given {
        Given::Root(root) => {
            let place = place(beside, bundle)?;
            context.step(format_args!("verifying {bundle} by {place}"));
            let anchor = root.anchor(&common.trust, context.now);
            let found = bundle_in_channel(&client, bundle, &common.target(&place), &anchor).await;
            found.map_err(|error| root.blame(error))?
        }
        Given::Policy(policy) => {
            no_channel(beside)?;
            let channel = common.channel.as_ref().ok_or_else(|| {
                Failure::usage("approvals are good for certain channels [say which with --channel]")
            })?;
            context.step(format_args!("verifying {bundle} for channel `{channel}`"));
            let now = context.now;
            let rules = Rules {
                policy,
                channel: Some(channel),
                now,
                counted: now,
                stage: fleetfix_audit::Stage::Fleet,
            };
            bundle_by_policy(&client, bundle, &rules).await?
        }
    };
    Ok(concluded)
}

/// The channel that is given, or the one beside what is verified.
fn place(beside: &BesideArgs, reference: &Reference) -> Result<ChannelPlace, Failure> {
    let given = beside.channels.clone();
    given.or_else(|| ChannelPlace::beside(&reference.repository)).ok_or_else(|| {
        let what = format!("no channel lies beside {reference} [say where it is with --channels]");
        Failure::usage(what)
    })
}

fn no_channel(beside: &BesideArgs) -> Result<(), Failure> {
    match &beside.channels {
        None => Ok(()),
        Some(place) => Err(Failure::usage(format!(
            "{place} is never read by a policy that comes from elsewhere [give --root FILE instead of --policy]"
        ))),
    }
}

/// What the signatures must call the image: what was given, or its own name and tag.
fn identity(image: &Reference, given: Option<&Reference>) -> Result<String, Failure> {
    let name = given.unwrap_or(image);
    let layout = name.repository.layout_dir().is_some();
    match &name.tag {
        Some(tag) if !layout => Ok(name.repository.tagged(tag.clone()).to_string()),
        _ => Err(Failure::usage(format!(
            "signatures name a repository of a registry and a tag, which {name} does not say [give --docker-reference REGISTRY/PATH:TAG]"
        ))),
    }
}
