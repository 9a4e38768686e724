//! `fleetfix render annotations`: the JSON Patch for one HostedCluster, and its inverse.

use fleetfix_model::document::delivery::DeliveryMethod;
use fleetfix_task::{Context, Failure, Outcome};
use serde_json::json;

use super::fix::FixArgs;

/// The patch of one HostedCluster.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// The cluster and its fix.
    #[command(flatten)]
    fix: FixArgs,
}

impl Args {
    /// Renders.
    pub async fn run(self, context: &Context) -> Result<Outcome, Failure> {
        let meant = self.fix.read(context).await?;
        let (cluster, component) = (&meant.cluster, &meant.contents.bundle.component);
        let how = match meant.method {
            DeliveryMethod::ImageOverrides | DeliveryMethod::ControlPlaneOperatorImage => None,
            DeliveryMethod::OverridesYaml => Some("overrides"),
            DeliveryMethod::ControlPlaneRelease => Some("release"),
        };
        if let Some(command) = how {
            return Err(Failure::refused(format!(
                "{component} on {} goes by {}, not by annotation",
                cluster.platform(),
                meant.method
            ))
            .hint(format!("use `fleetfix render {command}`"))
            .about(cluster.name()));
        }
        let image = meant.reference();
        let made = self.fix.patch(&meant, &image, &meant.base())?;
        let more = json!({
            "cluster": cluster.name(), "component": component, "method": meant.method, "image": image,
        });
        self.fix.cluster.finish(&made, more, context)
    }
}
