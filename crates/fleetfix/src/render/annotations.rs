//! `fleetfix render annotations`: the JSON Patch for one HostedCluster, and its inverse.

use fleetfix_hypershift::annotations::{Fix, patch};
use fleetfix_model::document::delivery::DeliveryMethod;
use fleetfix_task::{Context, Failure, Outcome};
use serde_json::json;

use super::cluster::{ClusterArgs, bundle, meant};
use super::source::Source;

/// The patch of one HostedCluster.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// The cluster.
    #[command(flatten)]
    cluster: ClusterArgs,
    /// Component of the bundle that is meant, where several are active
    #[arg(long, env = "FLEETFIX_COMPONENT", value_name = "TAG")]
    component: Option<String>,
    /// Where the bundles are.
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
        let how = match meant.method {
            DeliveryMethod::ImageOverrides | DeliveryMethod::ControlPlaneOperatorImage => None,
            DeliveryMethod::OverridesYaml => Some("overrides"),
            DeliveryMethod::ControlPlaneRelease => Some("release"),
        };
        if let Some(command) = how {
            return Err(Failure::refused(format!(
                "{} on {} goes by {}, not by annotation",
                component,
                cluster.platform(),
                meant.method
            ))
            .hint(format!("use `fleetfix render {command}`"))
            .about(cluster.name()));
        }
        let (image, base) = (meant.reference(), meant.base());
        let fix = Fix {
            component,
            method: meant.method,
            image: &image,
            base: &base,
            waiver: meant.waiver,
        };
        let made = patch(&cluster, fix, self.cluster.place())?;
        let more = json!({
            "cluster": cluster.name(), "component": component, "method": meant.method, "image": image,
        });
        self.cluster.finish(&made, more, context)
    }
}
