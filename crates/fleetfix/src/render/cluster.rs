//! One HostedCluster, and the fix that is for it.

use std::path::{Path, PathBuf};

use fleetfix_audit::bundle::Contents;
use fleetfix_hypershift::annotations::{HostedCluster, Patch, Place, survives_upgrade};
use fleetfix_model::document::bundle::PatchedImage;
use fleetfix_model::document::delivery::DeliveryMethod;
use fleetfix_model::document::finding::Waiver;
use fleetfix_model::{Reference, Version, yaml};
use fleetfix_task::{Context, Failure, Outcome, file};
use serde_json::{Value, json};

use super::source::Source;

/// Largest object that is read, in bytes: etcd takes 1.5 MiB (etcd, `--max-request-bytes`), and JSON
/// may be indented.
const MAX_OBJECT: u64 = 8 << 20;

/// The cluster, and what is known of its place.
#[derive(Debug, clap::Args)]
pub struct ClusterArgs {
    /// The HostedCluster, as `kubectl get hostedcluster -o json` or `-o yaml` writes it
    #[arg(long = "hosted-cluster", env = "FLEETFIX_HOSTED_CLUSTER", value_name = "FILE")]
    pub object: PathBuf,
    /// Version of the HyperShift operator there; decides what taking an annotation back must write
    #[arg(long, env = "FLEETFIX_OPERATOR_VERSION", value_name = "VERSION")]
    pub operator_version: Option<Version>,
    /// The patch is handed to whoever owns the object
    #[arg(long, env = "FLEETFIX_FOR_OWNER")]
    pub for_owner: bool,
    /// Image that may be replaced although nothing shows that its fixes are in the new one; repeatable
    #[arg(
        long = "replaces",
        env = "FLEETFIX_REPLACES",
        value_name = "IMAGE",
        value_delimiter = ','
    )]
    pub replaces: Vec<String>,
    /// File for the patch, JSON Patch
    #[arg(long, env = "FLEETFIX_PATCH", value_name = "FILE")]
    pub patch: Option<PathBuf>,
    /// File for the patch that takes it back
    #[arg(long, env = "FLEETFIX_INVERSE", value_name = "FILE")]
    pub inverse: Option<PathBuf>,
}

/// The fix for one cluster.
#[derive(Clone, Copy, Debug)]
pub(super) struct Meant<'a> {
    /// The bundle with its plan.
    pub(super) contents: &'a Contents,
    /// How it gets there.
    pub(super) method: DeliveryMethod,
    /// The image for the cluster's version.
    pub(super) image: &'a PatchedImage,
    /// Who accepted that it survives an upgrade.
    pub(super) waiver: Option<&'a Waiver>,
}

impl ClusterArgs {
    /// Reads the object.
    pub(super) fn read(&self) -> Result<HostedCluster, Failure> {
        let value = object(&self.object)?;
        Ok(HostedCluster::read(&self.object.display().to_string(), &value)?)
    }

    pub(super) fn place(&self) -> Place<'_> {
        Place {
            operator: self.operator_version.as_ref(),
            for_owner: self.for_owner,
            replaces: &self.replaces,
        }
    }

    /// Writes the patches where they were asked for, and says what a person should know.
    pub(super) fn finish(
        &self,
        patch: &Patch,
        more: Value,
        context: &Context,
    ) -> Result<Outcome, Failure> {
        for warning in &patch.warnings {
            context.step(format_args!("warning: {warning}"));
        }
        if patch.patch.is_empty() {
            context.step("it is so already: nothing to change");
        }
        for (path, operations) in [(&self.patch, &patch.patch), (&self.inverse, &patch.inverse)] {
            if let Some(path) = path {
                let text = Value::from(operations.clone()).to_string();
                file::write_atomic(path, text.as_bytes())?;
            }
        }
        let mut data = json!({
            "patch": patch.patch, "inverse": patch.inverse, "warnings": patch.warnings,
        });
        if let (Value::Object(data), Value::Object(more)) = (&mut data, more) {
            data.extend(more);
        }
        Ok(Outcome::json(&data)?)
    }
}

/// An object as JSON or YAML.
fn object(path: &Path) -> Result<Value, Failure> {
    let bytes = file::read_bounded(path, MAX_OBJECT)?;
    let name = path.display().to_string();
    if bytes.trim_ascii_start().starts_with(b"{") {
        return serde_json::from_slice(&bytes)
            .map_err(|error| Failure::input(format!("{name}: not JSON: {error}")));
    }
    Ok(yaml::from_yaml(&name, &bytes)?)
}

/// The one bundle that is meant, out of what `source` names.
pub(super) async fn bundle(
    source: &Source,
    component: Option<&str>,
    context: &Context,
) -> Result<Contents, Failure> {
    let read = source.read(context).await?;
    let mut found: Vec<Contents> = read
        .active
        .into_iter()
        .filter(|c| component.is_none_or(|component| c.bundle.component.as_str() == component))
        .collect();
    match (found.pop(), found.is_empty()) {
        (Some(contents), true) => Ok(contents),
        (None, _) => Err(Failure::refused("no active bundle is meant")
            .hint("see `fleetfix verify channel`; a paused bundle is none")),
        (Some(_), false) => Err(Failure::usage(
            "several bundles are active [say which with --bundle REF, or with --component TAG]",
        )),
    }
}

/// What of a bundle is for a cluster.
pub(super) fn meant<'a>(
    contents: &'a Contents,
    cluster: &HostedCluster,
) -> Result<Meant<'a>, Failure> {
    let refuse = |why: String| Failure::refused(why).about(cluster.name());
    let bundle = &contents.bundle;
    let version = cluster.version().map_err(refuse)?;
    let (platform, minor) = (cluster.platform(), version.minor());
    let not_meant = || {
        refuse(format!(
            "{} revision {} has nothing for {platform} {version}",
            bundle.id, bundle.revision
        ))
    };
    let affects = bundle.affects.iter().find(|a| (a.platform, a.minor) == (platform, minor));
    let covered = affects.and_then(|a| a.versions.iter().find(|v| v.version == version));
    let covered = covered.ok_or_else(not_meant)?;
    let image = bundle.images.iter().find(|image| image.index.digest == covered.image);
    let image = image.ok_or_else(not_meant)?;
    let delivery = bundle.delivery.iter().find(|d| (d.platform, d.minor) == (platform, minor));
    let method = delivery.map(|d| d.method).ok_or_else(not_meant)?;
    let accepted = survives_upgrade(platform, minor);
    let finding = contents.plan.findings.iter().find(|f| Some(&f.id) == accepted.as_ref());
    let waiver = finding.and_then(|finding| finding.waiver.as_ref());
    Ok(Meant { contents, method, image, waiver })
}

impl Meant<'_> {
    /// Where clusters pull the image from: the fleet's own name.
    pub(super) fn reference(&self) -> Reference {
        self.contents.bundle.fleet.below(&self.image.repository).at(self.image.index.digest)
    }

    /// What it was made from.
    pub(super) fn base(&self) -> Reference {
        self.image.base.repository.at(self.image.base.digest)
    }
}
