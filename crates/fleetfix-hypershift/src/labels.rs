//! Labels by which HyperShift knows what a control plane operator can do.
//!
//! The operator looks whether the image has them, not at their values. How many there are differs by
//! release branch (10 in 4.14, 14 in 4.22), so an image is held against the one that it replaces,
//! never against a list.

use std::collections::BTreeSet;

use fleetfix_model::Digest;
use fleetfix_model::document::finding::{Finding, FindingLevel};
use fleetfix_model::media::HYPERSHIFT_LABELS;

use crate::Error;
use crate::finding::finding;

/// What the operator does without a label, by the rest of its name after [`HYPERSHIFT_LABELS`]
/// (`hostedcluster_controller.go:131-137`, `hostedclustersizing_controller.go:34`,
/// `nodepool/apiserver-haproxy/haproxy.go:44`, `nodepool_controller.go:94-96`).
const READ: [(&str, &str); 10] = [
    ("control-plane-operator-subcommands", "sidecars change to the operator's own image"),
    (
        "control-plane-operator-supports-kas-custom-kubeconfig",
        "the custom kubeconfig of the API server is no longer written",
    ),
    (
        "control-plane-operator-applies-management-kas-network-policy-label",
        "the network policy for the management cluster's API server changes",
    ),
    (
        "control-plane-pki-operator-signs-csrs",
        "certificates of break-glass users are signed in another way",
    ),
    ("restricted-psa", "the namespace's pod security level is lowered"),
    (
        "control-plane-operator.v2-isdefault",
        "control plane components are reconciled in another way",
    ),
    (
        "hosted-cluster-config-operator-reports-node-count",
        "the size of the cluster is found in another way",
    ),
    (
        "control-plane-operator-skips-haproxy",
        "the configuration of the node pools changes: every customer node is replaced",
    ),
    (
        "control-plane-operator-manages.decompress-decode-config",
        "the encoding of the nodes' ignition changes",
    ),
    (
        "control-plane-operator-creates-aws-sg",
        "the default security group is no longer expected from the control plane operator",
    ),
];

/// Labels that nothing reads any more.
const LEGACY: [&str; 4] = [
    "ignition-server-healthz-handler",
    "control-plane-operator-manages-ignition-server",
    "control-plane-operator-manages.cluster-machine-approver",
    "control-plane-operator-manages.cluster-autoscaler",
];

/// The labels of HyperShift among those of an image.
pub fn of_hypershift<'a>(labels: impl IntoIterator<Item = &'a String>) -> BTreeSet<String> {
    labels.into_iter().filter(|name| name.starts_with(HYPERSHIFT_LABELS)).cloned().collect()
}

/// Labels of the image that is replaced, and that the image in its place lacks.
pub fn lost<'a>(
    replaced: Digest,
    has: impl IntoIterator<Item = &'a String>,
    ours: &BTreeSet<String>,
) -> Result<Vec<Finding>, Error> {
    let lost = of_hypershift(has).into_iter().filter(|name| !ours.contains(name));
    lost.map(|name| about(replaced, &name)).collect()
}

fn about(replaced: Digest, name: &str) -> Result<Finding, Error> {
    let short = name.strip_prefix(HYPERSHIFT_LABELS).unwrap_or(name);
    let path = format!("labels/{}/{short}", replaced.short());
    if LEGACY.contains(&short) {
        let message =
            format!("label `{name}` of {replaced} is lost; no operator reads it any more");
        return finding(FindingLevel::Info, &path, message);
    }
    let effect = READ
        .iter()
        .find(|(known, _)| *known == short)
        .map_or("what the operator does without it is not known", |(_, effect)| effect);
    let message = format!(
        "label `{name}` of {replaced} is lost: {effect}; build the image with the labels of what it replaces"
    );
    finding(FindingLevel::Blocking, &path, message)
}
