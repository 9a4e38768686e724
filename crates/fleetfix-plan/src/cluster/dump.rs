//! Dumps as `oc get -o json` and `-o yaml` write them.

use std::collections::BTreeMap;
use std::path::Path;

use serde::Deserialize;

use super::Cluster;
use crate::Error;

/// Largest dump that is read, in bytes: ten thousand clusters with all their fields.
pub const MAX_SIZE: u64 = 256 << 20;
/// Most items of one dump.
const MAX_ITEMS: usize = 100_000;

#[derive(Deserialize)]
struct Dump {
    kind: String,
    #[serde(default)]
    items: Vec<Item>,
    #[serde(flatten)]
    alone: Alone,
}

/// A dump of one object is that object.
#[derive(Default, Deserialize)]
struct Alone {
    #[serde(default)]
    metadata: Option<Metadata>,
    #[serde(default)]
    spec: Option<Spec>,
    #[serde(default)]
    status: Option<Status>,
}

/// What `oc get hc,np` lists beside clusters is passed over, whatever it holds.
#[derive(Deserialize)]
#[serde(tag = "kind")]
enum Item {
    HostedCluster(Box<Object>),
    #[serde(other)]
    Other,
}

#[derive(Deserialize)]
struct Object {
    metadata: Metadata,
    spec: Spec,
    #[serde(default)]
    status: Option<Status>,
}

#[derive(Default, Deserialize)]
struct Metadata {
    #[serde(default)]
    name: String,
    #[serde(default)]
    namespace: String,
    #[serde(default)]
    annotations: Option<BTreeMap<String, String>>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Spec {
    release: Release,
    #[serde(default)]
    control_plane_release: Option<Release>,
    platform: PlatformSpec,
    #[serde(default)]
    configuration: Option<Configuration>,
}

#[derive(Deserialize)]
struct Release {
    image: String,
}

#[derive(Clone, Debug, Deserialize)]
pub(super) struct PlatformSpec {
    #[serde(rename = "type")]
    pub(super) kind: String,
    #[serde(default)]
    pub(super) aws: Option<Aws>,
    #[serde(default)]
    pub(super) azure: Option<Azure>,
}

#[derive(Clone, Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Aws {
    #[serde(default)]
    pub(super) endpoint_access: String,
}

#[derive(Clone, Debug, Deserialize)]
pub(super) struct Azure {
    #[serde(default)]
    pub(super) topology: String,
}

#[derive(Deserialize)]
struct Configuration {
    #[serde(default)]
    proxy: Option<Proxy>,
}

#[derive(Clone, Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Proxy {
    #[serde(default)]
    pub(super) https_proxy: String,
    #[serde(default)]
    pub(super) no_proxy: String,
}

#[derive(Default, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Status {
    #[serde(default)]
    control_plane_endpoint: Option<Endpoint>,
    #[serde(default)]
    version: Option<VersionStatus>,
    #[serde(default)]
    control_plane_version: Option<VersionStatus>,
}

#[derive(Deserialize)]
struct VersionStatus {
    #[serde(default)]
    history: Vec<HistoryEntry>,
}

#[derive(Deserialize)]
struct Endpoint {
    #[serde(default)]
    host: String,
}

#[derive(Clone, Debug, Deserialize)]
pub(super) struct HistoryEntry {
    #[serde(default)]
    pub(super) version: String,
    #[serde(default)]
    pub(super) state: String,
}

impl HistoryEntry {
    /// True if the update to it came to its end; any other is on its way, or was left half-way.
    pub(super) fn is_completed(&self) -> bool {
        self.state == "Completed"
    }
}

/// Reads a dump: a list with `HostedClusters` in it, or one of them.
pub fn read(path: &Path, bytes: &[u8]) -> Result<Vec<Cluster>, Error> {
    let wrong = |problem: String| Error::Dump { path: path.to_owned(), problem };
    let dump: Dump = if bytes.trim_ascii_start().starts_with(b"{") {
        serde_json::from_slice(bytes).map_err(|e| wrong(e.to_string()))?
    } else {
        fleetfix_model::yaml::from_yaml(&path.display().to_string(), bytes).map_err(Error::Yaml)?
    };
    if dump.items.len() > MAX_ITEMS {
        let count = dump.items.len();
        return Err(wrong(format!("{count} items, at most {MAX_ITEMS} are read")));
    }
    let mut clusters = Vec::new();
    match dump.kind.as_str() {
        kind @ ("List" | "HostedClusterList") => {
            for item in dump.items {
                if let Item::HostedCluster(object) = item {
                    clusters.push(cluster(object.metadata, object.spec, object.status));
                }
            }
            // A list of something else, or of nothing, says no more of clusters than no dump.
            if kind == "List" && clusters.is_empty() {
                return Err(wrong("no HostedCluster is in the list".to_owned()));
            }
        }
        "HostedCluster" => match (dump.alone.metadata, dump.alone.spec) {
            (Some(metadata), Some(spec)) => {
                clusters.push(cluster(metadata, spec, dump.alone.status));
            }
            _ => return Err(wrong("a HostedCluster without metadata or spec".into())),
        },
        other => {
            let other: String = other.chars().take(100).collect();
            return Err(wrong(format!("`{other}` is no HostedCluster and no list of them")));
        }
    }
    Ok(clusters)
}

fn cluster(metadata: Metadata, spec: Spec, status: Option<Status>) -> Cluster {
    let kind = serde_json::Value::String(spec.platform.kind.clone());
    let status = status.unwrap_or_default();
    // A control plane release goes before the release (`support/util/util.go:65`).
    let control_plane = spec.control_plane_release.is_some();
    let release = spec.control_plane_release.unwrap_or(spec.release).image;
    let of = if control_plane { status.control_plane_version } else { status.version };
    let history = of.map(|of| of.history).unwrap_or_default();
    Cluster {
        name: format!("{}/{}", metadata.namespace, metadata.name),
        platform: serde_json::from_value(kind).ok(),
        release,
        history,
        annotations: metadata.annotations.unwrap_or_default(),
        platform_spec: spec.platform,
        proxy: spec.configuration.and_then(|configuration| configuration.proxy),
        host: status.control_plane_endpoint.map(|endpoint| endpoint.host),
    }
}
