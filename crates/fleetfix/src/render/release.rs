//! `fleetfix render release`: the recipe for `spec.controlPlaneRelease` of one HostedCluster.

use std::collections::BTreeSet;
use std::path::PathBuf;

use fleetfix_audit::bundle::Contents;
use fleetfix_model::document::delivery::DeliveryMethod;
use fleetfix_model::{Digest, Reference, Repository, ToCanonical as _, Version};
use fleetfix_plan::sources::{self, Sources};
use fleetfix_plan::{payload, request};
use fleetfix_registry::Client;
use fleetfix_release::graph;
use fleetfix_task::{Context, Failure, Outcome};
use serde_json::json;

use super::fix::FixArgs;

/// The recipe for one HostedCluster.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// The cluster and its fix.
    #[command(flatten)]
    fix: FixArgs,
    /// Where the patched release image goes, by tag, and later by digest: with a tag the commands
    /// that make it are printed, with a digest the patch
    #[arg(long, env = "FLEETFIX_RELEASE", value_name = "REF")]
    release: Reference,
    /// Release images by version, YAML, as the plan was made with: one reference or a list for each
    #[arg(long, value_name = "FILE", env = "FLEETFIX_PAYLOADS")]
    payloads: Option<PathBuf>,
    /// Update graph of a channel, Cincinnati JSON, that the plan was made with: it names release
    /// images; a file or a URL; repeatable
    #[arg(long = "graph", value_name = "FILE|URL", env = "FLEETFIX_GRAPH", value_delimiter = ',')]
    graphs: Vec<graph::Source>,
}

impl Args {
    /// Renders.
    pub async fn run(self, context: &Context) -> Result<Outcome, Failure> {
        let meant = self.fix.read(context).await?;
        let (cluster, contents) = (&meant.cluster, &meant.contents);
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
        let rows = &contents.plan.rows;
        let row = rows.iter().find(|r| r.platform == cluster.platform() && r.version == version);
        let payload = row.and_then(|row| row.payload).ok_or_else(|| {
            Failure::refused(format!("the plan read no payload of {version}")).about(cluster.name())
        })?;
        let from = self.from(contents, &version, payload, context).await?;
        let image = meant.reference();
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
                    "--release {}: names no tag and no digest",
                    self.release
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
        let made = self.fix.patch(&meant, &release, &from)?;
        let more = json!({
            "cluster": cluster.name(), "component": component, "image": image, "from": from,
            "release": release,
        });
        self.fix.cluster.finish(&made, more, context)
    }

    /// The release image of a version, pinned to what the plan read. A plan does not say where that
    /// was: it is looked for wherever the plan looked.
    async fn from(
        &self,
        contents: &Contents,
        version: &Version,
        digest: Digest,
        context: &Context,
    ) -> Result<Reference, Failure> {
        let client = self.fix.source.registry.client()?;
        let sources = Sources {
            payloads: self.payloads.clone(),
            graphs: self.graphs.clone(),
            ..Sources::default()
        };
        let given = sources::read(&sources, &client, context).await?;
        let request = request::Request {
            file: format!("the request of {}", contents.bundle.id),
            dir: PathBuf::new(),
            document: contents.request.clone(),
            digest: contents.request.canonical_digest()?,
            id: contents.bundle.id.clone(),
        };
        let names = payload::names(&request, &given)?;
        let candidates = names.candidates(version).map_err(|e| Failure::input(e.to_string()))?;
        // A name by another digest is that of another image, such as that of one architecture.
        let same = |name: &&Reference| name.digest.is_none_or(|named| named == digest);
        let places: BTreeSet<&Repository> =
            candidates.names.iter().filter(same).map(|name| &name.repository).collect();
        let place = place(&client, &places, digest).await?.ok_or_else(|| {
            let listed: Vec<String> = candidates.names.iter().map(ToString::to_string).collect();
            Failure::input(format!(
                "nothing says where the release image {digest} of {version} lies; names: {}",
                if listed.is_empty() { "none".to_owned() } else { listed.join(", ") }
            ))
            .hint("give what the plan was made with: --payloads FILE or --graph FILE|URL")
        })?;
        if matches!(place, Repository::Layout(_)) {
            return Err(Failure::input(format!(
                "{place}: `oc` reads release images in registries"
            ))
            .hint("name the release image in a registry with --payloads FILE"));
        }
        Ok(place.at(digest))
    }
}

/// The place that has the image; the only one there is need not be asked.
async fn place<'a>(
    client: &Client,
    places: &BTreeSet<&'a Repository>,
    digest: Digest,
) -> Result<Option<&'a Repository>, Failure> {
    let mut left = places.iter().copied();
    if let (Some(only), None) = (left.next(), left.next()) {
        return Ok(Some(only));
    }
    for place in places {
        if client.source(place).has_manifest(digest).await? {
            return Ok(Some(place));
        }
    }
    Ok(None)
}
