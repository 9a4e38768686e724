//! How a patched image reaches control planes, and what that touches.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::{HostedPlatform, Minor};

/// The ways in which HyperShift takes an image other than the payload's.
#[derive(
    Clone, Copy, Debug, Deserialize, Eq, Hash, JsonSchema, Ord, PartialEq, PartialOrd, Serialize,
)]
#[serde(rename_all = "camelCase")]
pub enum DeliveryMethod {
    /// An entry in the operator's embedded `overrides.yaml`: keyed by platform and exact version.
    OverridesYaml,
    /// The annotation `hypershift.openshift.io/control-plane-operator-image` of a HostedCluster.
    ControlPlaneOperatorImage,
    /// The annotation `hypershift.openshift.io/image-overrides` of a HostedCluster.
    ImageOverrides,
    /// `spec.controlPlaneRelease.image` of a HostedCluster: a whole patched payload.
    ControlPlaneRelease,
}

impl DeliveryMethod {
    /// True where the override is keyed by version, so that it ends by itself when the customer
    /// upgrades. All else pins the old image in place unless it is taken away in the same write.
    pub const fn ends_with_upgrade(self) -> bool {
        match self {
            Self::OverridesYaml => true,
            Self::ControlPlaneOperatorImage | Self::ImageOverrides | Self::ControlPlaneRelease => {
                false
            }
        }
    }
}

impl std::fmt::Display for DeliveryMethod {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::OverridesYaml => "overridesYaml",
            Self::ControlPlaneOperatorImage => "controlPlaneOperatorImage",
            Self::ImageOverrides => "imageOverrides",
            Self::ControlPlaneRelease => "controlPlaneRelease",
        })
    }
}

/// What one delivery reaches at once.
#[derive(Clone, Copy, Debug, Deserialize, Eq, JsonSchema, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub enum DeliveryScope {
    /// Every matching cluster of a HyperShift operator.
    Version,
    /// One HostedCluster.
    Cluster,
}

/// The delivery chosen for one platform and release line, and why.
#[derive(Clone, Debug, Deserialize, Eq, JsonSchema, PartialEq, Serialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Delivery {
    /// Platform.
    pub platform: HostedPlatform,
    /// Release line.
    pub minor: Minor,
    /// The method.
    pub method: DeliveryMethod,
    /// What it reaches at once.
    pub scope: DeliveryScope,
    /// True if the override ends by itself when the customer upgrades.
    pub ends_with_upgrade: bool,
    /// Why this method.
    pub reason: String,
}

/// Whether a component's fix could reach customer nodes.
#[derive(
    Clone, Copy, Debug, Deserialize, Eq, Hash, JsonSchema, Ord, PartialEq, PartialOrd, Serialize,
)]
#[serde(rename_all = "kebab-case")]
pub enum ComponentClass {
    /// Runs on the management cluster only.
    ManagementOnly,
    /// The same key also feeds workloads on customer nodes.
    Shared,
    /// Runs on customer nodes only: never ours to override.
    DataPlane,
    /// Part of the nodes' configuration: a change replaces nodes.
    NodeConfig,
}

/// What the fix restarts and could reach, per platform and release line.
#[derive(Clone, Debug, Deserialize, Eq, JsonSchema, PartialEq, Serialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Impact {
    /// Platform.
    pub platform: HostedPlatform,
    /// Release line.
    pub minor: Minor,
    /// Class of the component there.
    pub class: ComponentClass,
    /// Control-plane workloads that restart, sorted.
    pub restarts: Vec<String>,
    /// True if etcd members roll.
    pub rolls_etcd: bool,
    /// True if the Kubernetes API server rolls.
    pub rolls_kube_apiserver: bool,
    /// What could reach customer nodes, and under which condition. Empty: nothing.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub customer_nodes: Vec<NodeImpact>,
}

/// One way in which a fix could reach customer nodes.
#[derive(Clone, Debug, Deserialize, Eq, JsonSchema, PartialEq, Serialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct NodeImpact {
    /// What happens there, such as a rollout of node pools.
    pub effect: String,
    /// On which clusters; absent: on all.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub condition: Option<String>,
}
