//! `HostedClusters` in a dump, as far as they say which image of a component runs.
//!
//! Facts: openshift/hypershift 3ee9615567, `api/hypershift/v1beta1/hostedcluster_types.go`.

mod dump;
#[cfg(test)]
mod tests;

use std::collections::{BTreeMap, BTreeSet};

use fleetfix_hypershift::annotations::{CPO_IMAGE, IMAGE_OVERRIDES, entries, own};
use fleetfix_hypershift::catalogue::HYPERSHIFT;
use fleetfix_hypershift::effective::Annotated;
use fleetfix_model::name::ComponentTag;
use fleetfix_model::{HostedPlatform, Reference, Version};

use crate::payload::Payloads;

use self::dump::{HistoryEntry, PlatformSpec, Proxy};

pub use self::dump::{MAX_SIZE, read};

/// A HostedCluster.
#[derive(Clone, Debug)]
pub struct Cluster {
    /// Namespace and name.
    pub name: String,
    /// Platform; `None` for one that is not known here.
    pub platform: Option<HostedPlatform>,
    /// The release that its control plane is on.
    pub release: String,
    /// What its status says of the versions that it ran, newest first.
    history: Vec<HistoryEntry>,
    annotations: BTreeMap<String, String>,
    platform_spec: PlatformSpec,
    proxy: Option<Proxy>,
    /// The API server's address.
    host: Option<String>,
}

impl Cluster {
    /// The versions whose images its control plane may run: that of the payload that it is asked to
    /// run, and what its status says from the newest down to the last one that was completed. More
    /// than one: an update is under way, and some of its pods are still of the older version. None:
    /// nobody knows.
    pub fn versions(&self, payloads: &Payloads) -> BTreeSet<Version> {
        let named = self.release.parse::<Reference>().ok();
        let payload = named.and_then(|name| payloads.find(&name));
        let mut versions: BTreeSet<Version> =
            payload.map(|payload| payload.version.clone()).into_iter().collect();
        for entry in &self.history {
            versions.extend(entry.version.parse::<Version>());
            if entry.is_completed() {
                break;
            }
        }
        versions
    }

    /// True if the nodes reach the API server through a proxy. Their static pod for that runs the image
    /// of the control plane operator, so that another image is another configuration of every node
    /// (`hypershift-operator/controllers/nodepool/config.go`, `support/netutil/public.go`). An address
    /// that is not known counts as one that no exception covers, and what is left out as the default
    /// of the API: `endpointAccess: Public` on AWS (CRD `hostedclusters`, v1beta1), an empty topology
    /// on Azure.
    pub fn is_proxied(&self) -> bool {
        let Some(proxy) = self.proxy.as_ref().filter(|proxy| !proxy.https_proxy.is_empty()) else {
            return false;
        };
        let platform = &self.platform_spec;
        let through_internet = match platform.kind.as_str() {
            "AWS" => {
                let access = platform.aws.as_ref().map_or("", |aws| aws.endpoint_access.as_str());
                matches!(access, "" | "Public")
            }
            "Azure" => {
                let topology = platform.azure.as_ref().map_or("", |azure| azure.topology.as_str());
                matches!(topology, "" | "Public")
            }
            _ => true,
        };
        let host = self.host.as_deref().filter(|host| !host.is_empty());
        through_internet && !host.is_some_and(|host| excepts(&proxy.no_proxy, host))
    }

    /// What annotations name for a component: several where each is for another of its workloads.
    /// `Err`: what is there cannot be read.
    fn images_of(&self, component: &ComponentTag) -> Vec<Result<Reference, String>> {
        let annotation = |name: &str| self.annotations.get(name).map(String::as_str);
        let reference = |text: &str| {
            let short = || text.chars().take(200).collect::<String>();
            text.parse()
                .map_err(|_| format!("its annotation names `{}`, which is no reference", short()))
        };
        let tag = component.as_str();
        if tag == HYPERSHIFT {
            return annotation(CPO_IMAGE).map(reference).into_iter().collect();
        }
        let own: Vec<Option<&str>> = own::of(tag).map(annotation).collect();
        let mut images: Vec<_> = own.iter().flatten().copied().map(reference).collect();
        // The last one counts (`support/releaseinfo/static_provider.go`).
        let mut last = None;
        for entry in entries(annotation(IMAGE_OVERRIDES).unwrap_or_default()) {
            match entry {
                Ok((of, image)) if of == tag => last = Some(image),
                Ok(_) => {}
                Err(pair) => {
                    let short: String = pair.chars().take(200).collect();
                    images.push(Err(format!(
                        "its image-overrides has `{short}`, which is no `tag=image`"
                    )));
                }
            }
        }
        // Where every workload has an annotation of its own, nothing is left for this one.
        if own.is_empty() || own.contains(&None) {
            images.extend(last.map(reference));
        }
        images
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
    /// Clusters with an image of their own, for each version that they may run.
    pub annotated: Vec<Annotated>,
    /// Clusters of which something cannot be told.
    pub unclear: Vec<Unclear>,
    /// Clusters that are on their way from one version to another, and that matter: annotated ones,
    /// and such as a proxy leads to.
    pub updating: BTreeMap<String, BTreeSet<Version>>,
}

/// A cluster of which something cannot be told.
#[derive(Clone, Debug, Eq, Ord, PartialEq, PartialOrd)]
pub struct Unclear {
    /// Namespace and name.
    pub cluster: String,
    /// What.
    pub problem: String,
    /// Its platform, where it is known.
    pub platform: Option<HostedPlatform>,
    /// The versions that it may run; none: that is not known.
    pub versions: BTreeSet<Version>,
}

impl Unclear {
    /// True if it may be at a place.
    pub fn may_be_at(&self, platform: HostedPlatform, version: &Version) -> bool {
        self.platform.is_none_or(|own| own == platform)
            && (self.versions.is_empty() || self.versions.contains(version))
    }
}

/// Finds the annotations for a component.
pub fn annotations(
    clusters: &[Cluster],
    component: &ComponentTag,
    payloads: &Payloads,
) -> Annotations {
    let mut found = Annotations::default();
    for cluster in clusters {
        let images = cluster.images_of(component);
        let proxied = component.as_str() == HYPERSHIFT && cluster.is_proxied();
        if images.is_empty() && !proxied {
            continue;
        }
        let versions = cluster.versions(payloads);
        if versions.len() > 1 {
            found.updating.insert(cluster.name.clone(), versions.clone());
        }
        for image in images {
            match (image, cluster.platform) {
                (Ok(image), Some(platform)) if !versions.is_empty() => {
                    found.annotated.extend(versions.iter().map(|version| Annotated {
                        cluster: cluster.name.clone(),
                        platform,
                        version: version.clone(),
                        image: image.clone(),
                    }));
                }
                (Ok(_), None) => found.unclear.push(cluster.unclear(NO_PLATFORM, &versions)),
                (Ok(_), Some(_)) => found.unclear.push(cluster.unclear(NO_VERSION, &versions)),
                (Err(problem), _) => found.unclear.push(cluster.unclear(&problem, &versions)),
            }
        }
    }
    found.annotated.sort_by(|a, b| (&a.cluster, &a.version).cmp(&(&b.cluster, &b.version)));
    found.unclear.sort();
    found.unclear.dedup();
    found
}

/// Said of a cluster whose platform is none that is known.
pub const NO_PLATFORM: &str = "its platform is not known";
/// Said of a cluster whose version is not known.
pub const NO_VERSION: &str = "neither its release image nor its status say which version it runs";

impl Cluster {
    /// What cannot be told of it.
    pub fn unclear(&self, problem: &str, versions: &BTreeSet<Version>) -> Unclear {
        Unclear {
            cluster: self.name.clone(),
            problem: problem.to_owned(),
            platform: self.platform,
            versions: versions.clone(),
        }
    }
}
