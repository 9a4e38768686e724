//! Annotations that name the image of one component and beat `image-overrides` for it.
//!
//! Read in openshift/hypershift v0.1.80, each where the table says. Not in it: the four
//! `*-catalog-image` annotations. They name the image of a catalog, which is of no payload, in place of
//! the one that is looked up by version (`v2/olm/catalogs/deployment.go:58`); the container of these
//! pods that runs a payload's image, `operator-lifecycle-manager`, keeps it. Nor the annotations of
//! Portieris and the KMS of IBM Cloud (`v2/kas/params.go:235`, `v2/kas/deployment.go:128`) and of
//! Karpenter: no payload has a tag for them.

/// Tag, annotation.
const OWN: [(&str, &str); 5] = [
    // `v2/konnectivity_agent/deployment.go:26`; the agents on customer nodes take it as well
    // (`hostedclusterconfigoperator/controllers/resources/konnectivity/params.go:31`).
    ("apiserver-network-proxy", "hypershift.openshift.io/konnectivity-agent-image"),
    // Copied to the control plane (`hostedcluster_controller.go:2596`); operators of release branches
    // read it there.
    ("apiserver-network-proxy", "hypershift.openshift.io/konnectivity-server-image"),
    // `v2/kas/params.go:232`.
    ("aws-kms-encryption-provider", "hypershift.openshift.io/aws-kms-provider-image"),
    // `v2/autoscaler/deployment.go:211`.
    ("cluster-autoscaler", "hypershift.openshift.io/cluster-autoscaler-image"),
    // `hostedcluster_controller.go:2865`.
    ("cluster-capi-controllers", "hypershift.openshift.io/capi-manager-image"),
];

/// The annotations that name an image of a component, with their whole names. Of several each is for
/// another of its workloads.
pub fn of(component: &str) -> impl Iterator<Item = &'static str> + Clone {
    OWN.iter().filter(move |(tag, _)| *tag == component).map(|(_, name)| *name)
}
