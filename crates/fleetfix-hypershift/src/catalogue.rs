//! Which pods run the image of a payload tag, and what of them is on customer nodes.
//!
//! Data that people review: `catalogue.json` beside this file, which names its sources, and for
//! which release lines they hold. A user's file adds to it. What it lacks is said in a finding,
//! never guessed.

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
    /// The release lines that were looked at; what is older or newer is taken for the nearest.
    #[serde(default)]
    minors: Option<Minors>,
    /// Components that a user's file speaks of.
    #[serde(skip)]
    own: BTreeSet<ComponentTag>,
    components: BTreeMap<ComponentTag, Component>,
    workloads: BTreeMap<String, Workload>,
}

/// The first and the last release line that were looked at.
#[derive(Clone, Copy, Debug, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct Minors {
    first: Minor,
    last: Minor,
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
    /// Of those the ones that had no such container before a release line.
    #[serde(default)]
    pub started_in: BTreeMap<String, Minor>,
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
    /// From this release line on; absent: always.
    #[serde(default)]
    since: Option<Minor>,
}

impl Catalogue {
    /// The catalogue that comes with this version.
    pub fn built_in() -> Result<Self, Error> {
        Self::parse(include_bytes!("catalogue.json"))
    }

    /// A catalogue of somebody's own, instead of ours.
    pub fn parse(json: &[u8]) -> Result<Self, Error> {
        Self::read(json)?.checked()
    }

    /// This catalogue with what a user's file says. An entry of the file replaces one of the same
    /// name, and plans say so ([`crate::impact::class`]).
    pub fn extended(mut self, json: &[u8]) -> Result<Self, Error> {
        let more = Self::read(json)?;
        self.source = format!("{}; {}", self.source, more.source);
        self.own.extend(more.components.keys().cloned());
        self.components.extend(more.components);
        self.workloads.extend(more.workloads);
        self.checked()
    }

    fn read(json: &[u8]) -> Result<Self, Error> {
        from_bounded_json(json).and_then(typed).map_err(Error::Catalogue)
    }

    fn checked(self) -> Result<Self, Error> {
        for (workload, entry) in &self.workloads {
            if let Some(tag) = entry.tag.as_ref().filter(|t| !self.components.contains_key(*t)) {
                return Err(Error::Dangling { workload: workload.clone(), tag: tag.clone() });
            }
        }
        Ok(self)
    }

    /// True if what is known of a tag is from a user's file.
    pub fn is_own(&self, tag: &ComponentTag) -> bool {
        self.own.contains(tag)
    }

    /// The release line whose facts stand for `minor`, where that was not looked at.
    pub fn stands_for(&self, minor: Minor) -> Option<Minor> {
        let known = self.minors?;
        let nearest = minor.clamp(known.first, known.last.max(known.first));
        (nearest != minor).then_some(nearest)
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

    /// True if a platform has the workload in a release line, as far as is known.
    pub fn runs_on(&self, workload: &str, platform: HostedPlatform, minor: Minor) -> bool {
        let minor = self.stands_for(minor).unwrap_or(minor);
        self.workloads.get(workload).is_none_or(|known| {
            (known.platforms.is_empty() || known.platforms.contains(&platform))
                && known.since.is_none_or(|since| since <= minor)
        })
    }

    /// The workloads that run the image of a tag on a platform and release line, sorted.
    pub fn workloads_of(
        &self,
        tag: &ComponentTag,
        platform: HostedPlatform,
        minor: Minor,
    ) -> Vec<&str> {
        let Some(component) = self.component(tag) else { return Vec::new() };
        let line = self.stands_for(minor).unwrap_or(minor);
        let here = component.workloads.iter().map(String::as_str).filter(|workload| {
            self.runs_on(workload, platform, minor)
                && component.started_in.get(*workload).is_none_or(|started| *started <= line)
        });
        here.collect()
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
        for (tag, component) in &catalogue.components {
            for workload in component.started_in.keys() {
                assert!(component.workloads.contains(workload), "{tag}: {workload}");
            }
        }
        assert_eq!(
            workloads("hyperkube").iter().collect::<Vec<_>>(),
            ["kube-apiserver", "kube-controller-manager", "kube-scheduler"]
        );
    }

    #[test]
    fn release_lines_differ() {
        let catalogue = Catalogue::built_in().unwrap();
        let runs = |tag: &str, platform, minor: &str, workload: &str| {
            let (tag, minor) = (tag.parse().unwrap(), minor.parse().unwrap());
            catalogue.workloads_of(&tag, platform, minor).contains(&workload)
        };
        let table = [
            (HYPERSHIFT, HostedPlatform::Azure, "4.20", "azure-cloud-controller-manager", false),
            (HYPERSHIFT, HostedPlatform::Azure, "4.21", "azure-cloud-controller-manager", true),
            (HYPERSHIFT, HostedPlatform::Aws, "4.22", "azure-cloud-controller-manager", false),
            (HYPERSHIFT, HostedPlatform::Aws, "4.21", "metrics-proxy", false),
            (HYPERSHIFT, HostedPlatform::Aws, "4.22", "metrics-proxy", true),
            // Not looked at: the nearest line stands for it.
            (HYPERSHIFT, HostedPlatform::Aws, "4.14", "etcd", true),
            (HYPERSHIFT, HostedPlatform::Aws, "4.14", "metrics-proxy", false),
            (HYPERSHIFT, HostedPlatform::Aws, "5.1", "metrics-proxy", true),
        ];
        for (tag, platform, minor, workload, expected) in table {
            assert_eq!(
                runs(tag, platform, minor, workload),
                expected,
                "{platform} {minor} {workload}"
            );
        }
        let nearest = |minor: &str| catalogue.stands_for(minor.parse().unwrap());
        assert_eq!(nearest("4.21"), None);
        assert_eq!(nearest("4.14").unwrap().to_string(), "4.20");
        assert_eq!(nearest("5.0").unwrap().to_string(), "4.23");
    }

    #[test]
    fn a_users_file_adds_and_replaces() {
        let ours = Catalogue::built_in().unwrap();
        let more = r#"{"source":"mine","components":{"brand-new":{"class":"management-only","workloads":["new"]},
            "etcd":{"class":"management-only","workloads":["etcd"]}},"workloads":{"new":{"tag":"brand-new"}}}"#;
        let both = ours.clone().extended(more.as_bytes()).unwrap();
        let tag = |name: &str| name.parse::<ComponentTag>().unwrap();
        assert_eq!(both.tag_of_workload("new"), Some(&tag("brand-new")));
        assert!(both.is_own(&tag("etcd")) && !both.is_own(&tag("hyperkube")));
        assert_eq!(both.components.len(), ours.components.len() + 1);
        assert!(both.source.ends_with("; mine"));
        // It may name what we have.
        let more = r#"{"source":"mine","components":{},"workloads":{"again":{"tag":"etcd"}}}"#;
        assert!(ours.clone().extended(more.as_bytes()).is_ok());
        let more = r#"{"source":"mine","components":{},"workloads":{"again":{"tag":"nowhere"}}}"#;
        assert!(matches!(ours.extended(more.as_bytes()), Err(Error::Dangling { .. })));
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
