//! One HostedCluster: read, and the patches for it written.

use std::path::{Path, PathBuf};

use fleetfix_hypershift::annotations::{HostedCluster, Patch, Place};
use fleetfix_model::{Version, yaml};
use fleetfix_task::{Context, Failure, Outcome, file};
use serde_json::{Value, json};

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

impl ClusterArgs {
    /// Reads the object: as a whole, and what a write looks at.
    pub(super) fn read(&self) -> Result<(Value, HostedCluster), Failure> {
        let value = object(&self.object)?;
        let cluster = HostedCluster::read(&self.object.display().to_string(), &value)?;
        Ok((value, cluster))
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
