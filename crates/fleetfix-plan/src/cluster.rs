//! `HostedClusters` in a dump, as far as they say which image of a component runs.
//!
//! Facts: openshift/hypershift 3ee9615567, `api/hypershift/v1beta1/hostedcluster_types.go`.

use std::collections::BTreeMap;
use std::path::Path;

use fleetfix_hypershift::catalogue::HYPERSHIFT;
use fleetfix_hypershift::effective::Annotated;
use fleetfix_model::name::ComponentTag;
use fleetfix_model::{HostedPlatform, Reference, Version};
use fleetfix_release::Index;
use serde::Deserialize;

use crate::Error;

/// Largest dump that is read, in bytes: ten thousand clusters with all their fields.
pub const MAX_SIZE: u64 = 256 << 20;
/// Most clusters of one dump.
const MAX_CLUSTERS: usize = 100_000;

const PREFIX: &str = "hypershift.openshift.io/";
/// The annotation that names an image of the control plane operator.
const CPO_IMAGE: &str = "control-plane-operator-image";
/// The annotation that names images of other components, `tag=image,tag=image`.
const IMAGE_OVERRIDES: &str = "image-overrides";
/// Annotations that name the image of one component, and beat `image-overrides`.
const OWN: [(&str, &str); 4] = [
    ("cluster-autoscaler", "cluster-autoscaler-image"),
    ("aws-kms-encryption-provider", "aws-kms-provider-image"),
    ("apiserver-network-proxy", "konnectivity-server-image"),
    ("cluster-capi-controllers", "capi-manager-image"),
];

/// A HostedCluster.
#[derive(Clone, Debug)]
pub struct Cluster {
    /// Namespace and name.
    pub name: String,
    /// Platform; `None` for one that is not known here.
    pub platform: Option<HostedPlatform>,
    /// The release that its control plane is on.
    pub release: String,
    /// The version that its status says, newest first.
    pub history: Option<Version>,
    annotations: BTreeMap<String, String>,
    platform_spec: PlatformSpec,
    proxy: Option<Proxy>,
    /// The API server's address.
    host: Option<String>,
}

#[derive(Deserialize)]
struct Dump {
    kind: String,
    #[serde(default)]
    items: Vec<Object>,
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

#[derive(Deserialize)]
struct Object {
    kind: String,
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
struct PlatformSpec {
    #[serde(rename = "type")]
    kind: String,
    #[serde(default)]
    aws: Option<Aws>,
    #[serde(default)]
    azure: Option<Azure>,
}

#[derive(Clone, Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Aws {
    #[serde(default)]
    endpoint_access: String,
}

#[derive(Clone, Debug, Deserialize)]
struct Azure {
    #[serde(default)]
    topology: String,
}

#[derive(Deserialize)]
struct Configuration {
    #[serde(default)]
    proxy: Option<Proxy>,
}

#[derive(Clone, Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Proxy {
    #[serde(default)]
    https_proxy: String,
    #[serde(default)]
    no_proxy: String,
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

#[derive(Deserialize)]
struct HistoryEntry {
    #[serde(default)]
    version: String,
}

/// Reads a dump: a list of `HostedClusters`, or one.
pub fn read(path: &Path, bytes: &[u8]) -> Result<Vec<Cluster>, Error> {
    let wrong = |problem: String| Error::Dump { path: path.to_owned(), problem };
    let dump: Dump = if bytes.trim_ascii_start().starts_with(b"{") {
        serde_json::from_slice(bytes).map_err(|e| wrong(e.to_string()))?
    } else {
        fleetfix_model::yaml::from_yaml(&path.display().to_string(), bytes).map_err(Error::Yaml)?
    };
    if dump.items.len() > MAX_CLUSTERS {
        let count = dump.items.len();
        return Err(wrong(format!("{count} items, at most {MAX_CLUSTERS} are read")));
    }
    let mut clusters = Vec::new();
    match dump.kind.as_str() {
        "List" | "HostedClusterList" => {
            let ours = dump.items.into_iter().filter(|item| item.kind == "HostedCluster");
            clusters.extend(ours.map(|o| cluster(o.metadata, o.spec, o.status)));
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
    let history = of.and_then(|of| of.history.first()?.version.parse().ok());
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

impl Cluster {
    /// The version that its control plane is on: that of the payload it names, else what its status
    /// says.
    pub fn version(&self, payloads: &Index) -> Option<Version> {
        let named = self.release.parse::<Reference>().ok();
        let payload = named.and_then(|name| payloads.find(&name));
        payload.map(|payload| payload.version.clone()).or_else(|| self.history.clone())
    }

    /// True if the nodes reach the API server through a proxy. Their static pod for that runs the image
    /// of the control plane operator, so that another image is another configuration of every node
    /// (`hypershift-operator/controllers/nodepool/config.go`, `support/netutil/public.go`). An address
    /// that is not known counts as one that no exception covers.
    pub fn is_proxied(&self) -> bool {
        let Some(proxy) = self.proxy.as_ref().filter(|proxy| !proxy.https_proxy.is_empty()) else {
            return false;
        };
        let platform = &self.platform_spec;
        let through_internet = match platform.kind.as_str() {
            "AWS" => platform.aws.as_ref().is_none_or(|aws| aws.endpoint_access == "Public"),
            "Azure" => {
                let topology = platform.azure.as_ref().map_or("", |azure| azure.topology.as_str());
                matches!(topology, "" | "Public")
            }
            _ => true,
        };
        let host = self.host.as_deref().filter(|host| !host.is_empty());
        through_internet && !host.is_some_and(|host| excepts(&proxy.no_proxy, host))
    }

    /// What an annotation names for a component. `Err`: it names something that is no reference.
    fn image_of(&self, component: &ComponentTag) -> Option<Result<Reference, String>> {
        let annotation = |name: &str| self.annotations.get(&format!("{PREFIX}{name}"));
        let own = OWN.iter().find(|(tag, _)| *tag == component.as_str());
        let named = if component.as_str() == HYPERSHIFT {
            annotation(CPO_IMAGE).map(String::as_str)
        } else {
            own.and_then(|(_, name)| annotation(name)).map(String::as_str).or_else(|| {
                // The last one counts (`support/releaseinfo/static_provider.go`).
                let pairs = annotation(IMAGE_OVERRIDES)?.split(',');
                pairs
                    .filter_map(|pair| pair.split_once('='))
                    .filter(|(tag, _)| *tag == component.as_str())
                    .map(|(_, image)| image)
                    .next_back()
            })
        }?;
        Some(named.parse().map_err(|_| named.chars().take(200).collect()))
    }
}

/// True if `noProxy` names the host or a domain above it (golang.org/x/net `httpproxy`). Ranges of
/// addresses are not looked at.
fn excepts(no_proxy: &str, host: &str) -> bool {
    no_proxy.split(',').map(str::trim).filter(|entry| !entry.is_empty()).any(|entry| {
        let domain = entry.trim_start_matches('*').trim_start_matches('.');
        let below = host.strip_suffix(domain).is_some_and(|rest| rest.ends_with('.'));
        entry == "*" || below || (host == domain && !entry.starts_with('.'))
    })
}

/// The annotations of a dump for one component.
#[derive(Debug, Default)]
pub struct Annotations {
    /// Clusters with an image of their own.
    pub annotated: Vec<Annotated>,
    /// Clusters of which something cannot be told, and what.
    pub unclear: Vec<(String, String)>,
}

/// Finds the annotations for a component.
pub fn annotations(
    clusters: &[Cluster],
    component: &ComponentTag,
    payloads: &Index,
) -> Annotations {
    let mut found = Annotations::default();
    for cluster in clusters {
        let Some(image) = cluster.image_of(component) else { continue };
        match (image, cluster.platform, cluster.version(payloads)) {
            (Ok(image), Some(platform), Some(version)) => found.annotated.push(Annotated {
                cluster: cluster.name.clone(),
                platform,
                version,
                image,
            }),
            (Err(text), ..) => {
                let problem = format!("its annotation names `{text}`, which is no reference");
                found.unclear.push((cluster.name.clone(), problem));
            }
            (Ok(_), None, _) => {
                found.unclear.push((cluster.name.clone(), "its platform is not known".into()));
            }
            (Ok(_), _, None) => {
                let problem = "neither its release image nor its status say which version it runs";
                found.unclear.push((cluster.name.clone(), problem.into()));
            }
        }
    }
    found.annotated.sort_by(|a, b| (&a.cluster, &a.version).cmp(&(&b.cluster, &b.version)));
    found.unclear.sort();
    found
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn dump(annotations: &serde_json::Value) -> Vec<u8> {
        let cluster = json!({
            "apiVersion": "hypershift.openshift.io/v1beta1", "kind": "HostedCluster",
            "metadata": {"namespace": "ocm-1", "name": "a", "annotations": annotations},
            "spec": {"release": {"image": "quay.io/a/release:4.20.1"}, "platform": {"type": "AWS"}, "other": 1},
            "status": {"version": {"history": [{"state": "Completed", "version": "4.20.1"}, {"version": "4.20.0"}]}},
        });
        json!({"apiVersion": "v1", "kind": "List", "items": [cluster]}).to_string().into_bytes()
    }

    #[expect(clippy::needless_pass_by_value, reason = "values are written in the call")]
    fn found(component: &str, annotations: serde_json::Value) -> (Vec<String>, usize) {
        let clusters = read(Path::new("dump.json"), &dump(&annotations)).unwrap();
        let found = super::annotations(&clusters, &component.parse().unwrap(), &Index::default());
        let told =
            |a: &Annotated| format!("{} {} {} {}", a.cluster, a.platform, a.version, a.image);
        (found.annotated.iter().map(told).collect(), found.unclear.len())
    }

    #[test]
    fn annotations_of_a_component() {
        let cpo = "hypershift.openshift.io/control-plane-operator-image";
        let overrides = "hypershift.openshift.io/image-overrides";
        let autoscaler = "hypershift.openshift.io/cluster-autoscaler-image";
        let a = "ocm-1/a AWS 4.20.1 quay.io/a/b:x";
        let table = [
            ("hypershift", json!({}), vec![], 0),
            ("hypershift", json!({cpo: "quay.io/a/b:x"}), vec![a], 0),
            ("hypershift", json!({cpo: ""}), vec![], 1),
            ("hypershift", json!({overrides: "hypershift=quay.io/a/b:x"}), vec![], 0),
            ("etcd", json!({cpo: "quay.io/a/b:x"}), vec![], 0),
            ("etcd", json!({overrides: "etcd=quay.io/a/b:y,x,etcd=quay.io/a/b:x"}), vec![a], 0),
            (
                "cluster-autoscaler",
                json!({overrides: "cluster-autoscaler=quay.io/a/b:y", autoscaler: "quay.io/a/b:x"}),
                vec![a],
                0,
            ),
        ];
        for (component, annotations, expected, unclear) in table {
            let told = format!("{component} {annotations}");
            let (annotated, unclear_found) = found(component, annotations);
            assert_eq!(annotated, expected, "{told}");
            assert_eq!(unclear_found, unclear, "{told}");
        }
    }

    #[test]
    fn who_goes_through_a_proxy() {
        let (aws, azure) = ("AWS", "Azure");
        let public = json!({"endpointAccess": "Public"});
        let private = json!({"endpointAccess": "PublicAndPrivate"});
        let proxy = |no: &str| json!({"httpsProxy": "http://proxy:3128", "noProxy": no});
        let table = [
            (aws, &public, json!({}), false),
            (aws, &public, proxy(""), true),
            (aws, &private, proxy(""), false),
            (aws, &public, proxy("api.a.example"), false),
            (aws, &public, proxy(".b.example, .a.example"), false),
            (aws, &public, proxy("a.example"), false),
            (aws, &public, proxy("*"), false),
            (aws, &public, proxy("pi.a.example,.api.a.example,b.example"), true),
            (azure, &json!({}), proxy(""), true),
            (azure, &json!({"topology": "Private"}), proxy(""), false),
            ("KubeVirt", &json!({}), proxy(""), true),
        ];
        for (platform, spec, proxy, expected) in table {
            let told = format!("{platform} {spec} {proxy}");
            let dump = json!({
                "kind": "HostedCluster", "metadata": {"name": "a", "namespace": "n"},
                "spec": {
                    "release": {"image": "x"}, "configuration": {"proxy": proxy},
                    "platform": {"type": platform, platform.to_lowercase(): spec},
                },
                "status": {"controlPlaneEndpoint": {"host": "api.a.example", "port": 443}},
            });
            let clusters = read(Path::new("dump.json"), dump.to_string().as_bytes()).unwrap();
            assert_eq!(clusters[0].is_proxied(), expected, "{told}");
        }
    }

    #[test]
    fn one_cluster_yaml_and_what_is_none() {
        let yaml = "apiVersion: hypershift.openshift.io/v1beta1\nkind: HostedCluster\n\
            metadata:\n  name: a\n  namespace: n\nspec:\n  release:\n    image: quay.io/a/r:x\n  \
            controlPlaneRelease:\n    image: quay.io/a/r:y\n  platform:\n    type: Azure\n";
        let clusters = read(Path::new("dump.yaml"), yaml.as_bytes()).unwrap();
        assert_eq!((clusters.len(), clusters[0].release.as_str()), (1, "quay.io/a/r:y"));
        assert_eq!(clusters[0].platform, Some(HostedPlatform::Azure));
        for bad in [
            "",
            "{",
            "[]",
            "kind: Pod\n",
            r#"{"kind":"HostedCluster"}"#,
            r#"{"kind":"List","items":[{}]}"#,
        ] {
            assert!(read(Path::new("dump"), bad.as_bytes()).is_err(), "{bad}");
        }
    }
}
