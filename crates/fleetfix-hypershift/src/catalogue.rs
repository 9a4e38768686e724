//! Which pods run the image of a payload tag, and what of them is on customer nodes.
//!
//! Data that people review: `catalogue.json` beside this file, which names its sources. What it
//! lacks is said in a finding, never guessed.

use std::collections::{BTreeMap, BTreeSet};

use fleetfix_model::canonical::{from_bounded_json, typed};
use fleetfix_model::document::delivery::{ComponentClass, DeliveryMethod};
use fleetfix_model::document::finding::FindingLevel;
use fleetfix_model::name::ComponentTag;
use fleetfix_model::{HostedPlatform, Minor};
use serde::Deserialize;

use crate::Error;

/// The tag of the control plane operator's own image. Everything that HyperShift itself builds into
/// a control plane is in it (`control-plane-operator/main.go`, `buildComponentImages`).
pub const HYPERSHIFT: &str = "hypershift";

/// Components and workloads of hosted control planes.
#[derive(Clone, Debug, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Catalogue {
    /// Where the facts are from.
    pub source: String,
    components: BTreeMap<ComponentTag, Component>,
    workloads: BTreeMap<String, Workload>,
}

/// What is known of one payload tag.
#[derive(Clone, Debug, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Component {
    /// Whether the tag also feeds what runs on customer nodes.
    pub class: ComponentClass,
    /// Control-plane workloads with a container or init container of this image.
    #[serde(default)]
    pub workloads: BTreeSet<String>,
    /// Ways by which a change reaches customer nodes.
    #[serde(default)]
    pub nodes: Vec<NodeEffect>,
}

/// One way by which a change of the image reaches customer nodes.
#[derive(Clone, Debug, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct NodeEffect {
    /// What happens there.
    pub effect: String,
    /// On which clusters; absent: on all.
    #[serde(default)]
    pub condition: Option<String>,
    /// How much it weighs in a plan.
    pub level: FindingLevel,
    /// On these platforms only; empty: on all.
    #[serde(default)]
    pub platforms: Vec<HostedPlatform>,
    /// From this release line on; absent: always.
    #[serde(default)]
    pub since: Option<Minor>,
    /// With these deliveries only; empty: with all.
    #[serde(default)]
    pub deliveries: Vec<DeliveryMethod>,
}

impl NodeEffect {
    /// True if it happens there.
    pub fn holds(&self, platform: HostedPlatform, minor: Minor, method: DeliveryMethod) -> bool {
        (self.platforms.is_empty() || self.platforms.contains(&platform))
            && self.since.is_none_or(|since| since <= minor)
            && (self.deliveries.is_empty() || self.deliveries.contains(&method))
    }
}

/// What is known of one control-plane workload.
#[derive(Clone, Debug, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct Workload {
    /// The tag of its main container.
    #[serde(default)]
    tag: Option<ComponentTag>,
    /// On these platforms only; empty: on all.
    #[serde(default)]
    platforms: Vec<HostedPlatform>,
}

impl Catalogue {
    /// The catalogue that comes with this version.
    pub fn built_in() -> Result<Self, Error> {
        Self::parse(include_bytes!("catalogue.json"))
    }

    /// A catalogue of somebody's own.
    pub fn parse(json: &[u8]) -> Result<Self, Error> {
        let catalogue: Self = from_bounded_json(json).and_then(typed).map_err(Error::Catalogue)?;
        for (workload, entry) in &catalogue.workloads {
            if let Some(tag) = entry.tag.as_ref().filter(|t| !catalogue.components.contains_key(*t))
            {
                return Err(Error::Dangling { workload: workload.clone(), tag: tag.clone() });
            }
        }
        Ok(catalogue)
    }

    /// What is known of a tag.
    pub fn component(&self, tag: &ComponentTag) -> Option<&Component> {
        self.components.get(tag)
    }

    /// The tag that the main container of a workload runs.
    pub fn tag_of_workload(&self, workload: &str) -> Option<&ComponentTag> {
        self.workloads.get(workload)?.tag.as_ref()
    }

    /// The names of all workloads, sorted.
    pub fn workloads(&self) -> impl Iterator<Item = &str> {
        self.workloads.keys().map(String::as_str)
    }

    /// True if a platform has the workload, as far as is known.
    pub fn runs_on(&self, workload: &str, platform: HostedPlatform) -> bool {
        self.workloads
            .get(workload)
            .is_none_or(|known| known.platforms.is_empty() || known.platforms.contains(&platform))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_comes_with_us_is_sound() {
        let catalogue = Catalogue::built_in().unwrap();
        for (tag, component) in &catalogue.components {
            for workload in &component.workloads {
                assert!(catalogue.workloads.contains_key(workload), "{tag}: {workload}");
            }
            let on_nodes = component.class != ComponentClass::ManagementOnly;
            assert_eq!(on_nodes, !component.nodes.is_empty(), "{tag}: class and nodes disagree");
        }
        let workloads = |tag: &str| &catalogue.component(&tag.parse().unwrap()).unwrap().workloads;
        // 31 of 47 rendered fixtures run the control plane operator's image, and two that are not
        // rendered there: the operator itself and capi-provider.
        assert_eq!(workloads(HYPERSHIFT).len(), 33);
        assert_eq!(
            workloads("hyperkube").iter().collect::<Vec<_>>(),
            ["kube-apiserver", "kube-controller-manager", "kube-scheduler"]
        );
    }

    #[test]
    fn malformed_catalogues() {
        for bad in [
            "",
            "{}",
            r#"{"source":"s","components":{},"workloads":{"a":{"tag":"b"}}}"#,
            r#"{"source":"s","components":{"a":{"class":"nice"}},"workloads":{}}"#,
            r#"{"source":"s","components":{},"components":{},"workloads":{}}"#,
        ] {
            assert!(Catalogue::parse(bad.as_bytes()).is_err(), "{bad}");
        }
    }
}
