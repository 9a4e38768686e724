//! `fleetfix render release`: the recipe for `spec.controlPlaneRelease` of one HostedCluster.

use fleetfix_hypershift::annotations::{Fix, patch};
use fleetfix_model::document::FixRequest;
use fleetfix_model::document::delivery::DeliveryMethod;
use fleetfix_model::{Digest, Reference, Version};
use fleetfix_task::{Context, Failure, Outcome};
use serde_json::json;

use super::cluster::{ClusterArgs, bundle, meant};
use super::source::Source;

/// The recipe for one HostedCluster.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// The cluster.
    #[command(flatten)]
    cluster: ClusterArgs,
    /// Component of the bundle that is meant, where several are active
    #[arg(long, env = "FLEETFIX_COMPONENT", value_name = "TAG")]
    component: Option<String>,
    /// Where the patched release image goes, by tag, and later by digest: with a tag the commands
    /// that make it are printed, with a digest the patch
    #[arg(long, env = "FLEETFIX_RELEASE", value_name = "REF")]
    release: Reference,
    /// Where the source of the bundles is.
    #[command(flatten)]
    source: Source,
}

impl Args {
    /// Renders.
    pub async fn run(self, context: &Context) -> Result<Outcome, Failure> {
        let cluster = self.cluster.read()?;
        let contents = bundle(&self.source, self.component.as_deref(), context).await?;
        let meant = meant(&contents, &cluster)?;
        let component = &contents.bundle.component;
        if meant.method != DeliveryMethod::ControlPlaneRelease {
            return Err(Failure::refused(format!(
                "{component} on {} goes by {}, which reaches less",
                cluster.platform(),
                meant.method
            ))
            .hint("controlPlaneRelease is the last resort: let the request ask for it")
            .about(cluster.name()));
        }
        let version = cluster.version().map_err(Failure::refused)?;
        let row = contents
            .plan
            .rows
            .iter()
            .find(|row| row.platform == cluster.platform() && row.version == version);
        let payload = row.and_then(|row| row.payload).ok_or_else(|| {
            Failure::refused(format!("the plan read no payload of {version}")).about(cluster.name())
        })?;
        let from = release_image(&contents.request, &version, payload).ok_or_else(|| {
            Failure::input(format!("the request does not say where the payload of {version} lies"))
        })?;
        let image = meant.reference();
        let named = self.release.repository.clone();
        let tagged = Reference { digest: None, ..self.release.clone() };
        let commands = [
            // One release for all architectures, with the version of the one that it is made from.
            format!(
                "oc adm release new --from-release={from} --keep-manifest-list --name={version} --to-image={tagged} {component}={image}"
            ),
            format!("oc adm release info {tagged}"),
        ];
        // The patch names what cannot change under its name.
        let Some(digest) = self.release.digest else {
            if self.release.tag.is_none() {
                return Err(Failure::usage(format!(
                    "--release {named}: names no tag and no digest"
                )));
            }
            for command in &commands {
                context.step(command);
            }
            context
                .step("then render again with --release naming the digest: that gives the patch");
            return Ok(Outcome::json(&json!({
                "cluster": cluster.name(), "component": component, "image": image, "from": from,
                "commands": commands,
            }))?);
        };
        let release = Reference { tag: None, digest: Some(digest), ..self.release.clone() };
        let fix = Fix {
            component,
            method: meant.method,
            image: &release,
            base: &from,
            waiver: meant.waiver,
        };
        let made = patch(&cluster, fix, self.cluster.place())?;
        let more = json!({
            "cluster": cluster.name(), "component": component, "image": image, "from": from,
            "release": release,
        });
        self.cluster.finish(&made, more, context)
    }
}

/// The release image of a version as the request names it, pinned to what the plan read.
fn release_image(request: &FixRequest, version: &Version, digest: Digest) -> Option<Reference> {
    let listed = request.payloads.iter().find(|p| p.version == *version).map(|p| p.image.clone());
    let template = || {
        let template = request.payload_templates.first()?;
        template.replace("{version}", &version.to_string()).parse::<Reference>().ok()
    };
    let image = listed.or_else(template)?;
    Some(image.repository.at(digest))
}
