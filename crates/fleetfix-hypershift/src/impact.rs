//! What restarts, and what could reach customer nodes.

use std::collections::BTreeSet;

use fleetfix_model::document::delivery::{ComponentClass, DeliveryMethod, Impact, NodeImpact};
use fleetfix_model::document::finding::{Finding, FindingLevel};
use fleetfix_model::name::ComponentTag;
use fleetfix_model::{HostedPlatform, Minor};

use crate::catalogue::NodeEffect;
use crate::finding::{finding, refusal, word};
use crate::{Catalogue, Error};

/// The workload that is etcd.
const ETCD: &str = "etcd";
/// The workload that is the Kubernetes API server.
const KUBE_APISERVER: &str = "kube-apiserver";

/// The class of a component. One that the catalogue lacks counts as shared with customer nodes,
/// and the finding blocks: nobody has said what runs it.
pub fn class(
    tag: &ComponentTag,
    catalogue: &Catalogue,
) -> Result<(ComponentClass, Option<Finding>), Error> {
    if let Some(known) = catalogue.component(tag) {
        if !catalogue.is_own(tag) {
            return Ok((known.class, None));
        }
        let message = format!(
            "what is known of `{tag}` is from the catalogue that was given, not from ours: have somebody who knows it look at that file"
        );
        let path = format!("impact/{tag}/own-catalogue");
        return Ok((known.class, Some(finding(FindingLevel::Warning, &path, message)?)));
    }
    let message = format!(
        "`{tag}` is not in the catalogue of components: what it restarts, and whether customer nodes run it, is unknown; have somebody who knows it add it, or accept this by name"
    );
    let path = format!("impact/{tag}/unknown");
    Ok((ComponentClass::Shared, Some(finding(FindingLevel::Blocking, &path, message)?)))
}

/// The impact on one platform and release line. Without a delivery nothing is touched, and what
/// would be is listed as if by annotation.
pub fn assess(
    tag: &ComponentTag,
    class: ComponentClass,
    platform: HostedPlatform,
    minor: Minor,
    method: Option<DeliveryMethod>,
    catalogue: &Catalogue,
) -> Result<(Impact, Vec<Finding>), Error> {
    let method = method.unwrap_or(DeliveryMethod::ImageOverrides);
    let known = catalogue.component(tag);
    let of_tag = catalogue.workloads_of(tag, platform, minor);
    let nothing_runs = of_tag.is_empty() && known.is_some_and(|known| !known.workloads.is_empty());
    let restarts: BTreeSet<&str> = match method {
        // The release's name stands in every pod template (support/controlplane-component/defaults.go).
        DeliveryMethod::ControlPlaneRelease => catalogue
            .workloads()
            .filter(|workload| catalogue.runs_on(workload, platform, minor))
            .collect(),
        _ => of_tag.into_iter().collect(),
    };
    let restarts: Vec<String> = restarts.into_iter().map(str::to_owned).collect();
    let effects: Vec<&NodeEffect> = known
        .map_or(&[][..], |known| &known.nodes)
        .iter()
        .filter(|effect| effect.holds(platform, minor, method))
        .collect();
    let mut findings = Vec::new();
    if nothing_runs {
        let message = format!(
            "no control plane on {platform} {minor} runs `{tag}`: the fix would change nothing there; name the platform that is affected"
        );
        let path = format!("impact/{}/{minor}/nothing-runs", word(platform));
        findings.push(refusal(&path, message)?);
    }
    if let Some(nearest) = catalogue.stands_for(minor) {
        let message = format!(
            "the catalogue of components was not made for {minor}: what restarts is taken from {nearest}"
        );
        let path = format!("impact/{minor}/catalogue");
        findings.push(finding(FindingLevel::Info, &path, message)?);
    }
    if let Some(level) = effects.iter().map(|effect| effect.level).max() {
        let listed: Vec<String> = effects.iter().map(|effect| told(effect)).collect();
        let message = format!("`{tag}` reaches customer nodes: {}", listed.join("; "));
        let path = format!("impact/{}/{minor}/customer-nodes", word(platform));
        findings.push(finding(level, &path, message)?);
    }
    let runs = |name: &str| restarts.iter().any(|workload| workload == name);
    let impact = Impact {
        platform,
        minor,
        class,
        rolls_etcd: runs(ETCD),
        rolls_kube_apiserver: runs(KUBE_APISERVER),
        customer_nodes: effects
            .into_iter()
            .map(|e| NodeImpact { effect: e.effect.clone(), condition: e.condition.clone() })
            .collect(),
        restarts,
    };
    Ok((impact, findings))
}

fn told(effect: &NodeEffect) -> String {
    match &effect.condition {
        Some(condition) => format!("{}, where {condition}", effect.effect),
        None => effect.effect.clone(),
    }
}

#[cfg(test)]
mod tests {
    use DeliveryMethod as M;
    use FindingLevel as L;
    use HostedPlatform as P;

    use super::*;

    fn assessed(tag: &str, platform: P, minor: &str, method: M) -> (Impact, Vec<L>) {
        let catalogue = Catalogue::built_in().unwrap();
        let tag = tag.parse().unwrap();
        let class = class(&tag, &catalogue).unwrap().0;
        let minor = minor.parse().unwrap();
        let (impact, findings) =
            assess(&tag, class, platform, minor, Some(method), &catalogue).unwrap();
        (impact, findings.iter().map(|f| f.level).filter(|level| *level != L::Info).collect())
    }

    type Case = (&'static str, P, &'static str, M, bool, bool, usize, &'static [L]);

    #[test]
    fn who_rolls_and_who_is_reached() {
        // Tag, platform, minor, delivery: etcd, API server, ways to customer nodes, findings.
        let table: [Case; 10] = [
            ("hypershift", P::Aws, "4.20", M::OverridesYaml, true, true, 2, &[L::Warning]),
            ("hypershift", P::Azure, "4.18", M::OverridesYaml, true, true, 2, &[L::Warning]),
            ("hypershift", P::Aws, "4.17", M::OverridesYaml, true, true, 1, &[L::Warning]),
            (
                "hypershift",
                P::KubeVirt,
                "4.20",
                M::ControlPlaneOperatorImage,
                true,
                true,
                1,
                &[L::Warning],
            ),
            ("hyperkube", P::Aws, "4.20", M::ImageOverrides, false, true, 0, &[]),
            ("cluster-etcd-operator", P::Aws, "4.20", M::ImageOverrides, true, false, 0, &[]),
            ("oauth-server", P::Aws, "4.20", M::ImageOverrides, false, false, 0, &[]),
            ("oauth-server", P::Aws, "4.20", M::ControlPlaneRelease, true, true, 0, &[]),
            ("ovn-kubernetes", P::Aws, "4.20", M::ImageOverrides, false, false, 1, &[L::Blocking]),
            ("ovn-kubernetes", P::Aws, "4.20", M::ControlPlaneRelease, true, true, 0, &[]),
        ];
        for (tag, platform, minor, method, etcd, kas, nodes, levels) in table {
            let (impact, found) = assessed(tag, platform, minor, method);
            let got = (impact.rolls_etcd, impact.rolls_kube_apiserver, impact.customer_nodes.len());
            assert_eq!(got, (etcd, kas, nodes), "{tag} {platform} {minor} {method:?}");
            assert_eq!(found, levels, "{tag} {platform} {minor} {method:?}");
        }
    }

    #[test]
    fn only_what_the_platform_has_restarts() {
        let (impact, _) = assessed("hypershift", P::Aws, "4.20", M::OverridesYaml);
        let has = |name: &str| impact.restarts.iter().any(|w| w == name);
        assert!(has("aws-cloud-controller-manager") && !has("azure-cloud-controller-manager"));
        assert!(impact.restarts.is_sorted());
    }

    #[test]
    fn a_component_of_another_platform_is_refused() {
        let catalogue = Catalogue::built_in().unwrap();
        let tag = "azure-cloud-controller-manager".parse().unwrap();
        let (class, _) = class(&tag, &catalogue).unwrap();
        let minor = "4.20".parse().unwrap();
        let of = |platform| assess(&tag, class, platform, minor, None, &catalogue).unwrap().1;
        assert!(of(P::Azure).is_empty());
        let found = of(P::Aws);
        assert_eq!(found[0].id.as_str(), "impact/aws/4.20/nothing-runs");
        assert!(!found[0].waivable && found[0].level == FindingLevel::Blocking);
    }

    #[test]
    fn a_line_that_was_not_looked_at_is_said() {
        let catalogue = Catalogue::built_in().unwrap();
        let tag = "etcd".parse().unwrap();
        let minor = "4.14".parse().unwrap();
        let class = ComponentClass::ManagementOnly;
        let (_, found) = assess(&tag, class, P::Aws, minor, None, &catalogue).unwrap();
        assert_eq!(found[0].id.as_str(), "impact/4.14/catalogue");
        assert!(found[0].message.ends_with("is taken from 4.20"));
    }

    #[test]
    fn what_a_users_file_says_is_said() {
        let more = r#"{"source":"mine","components":{"ovn-kubernetes":{"class":"management-only"}},"workloads":{}}"#;
        let catalogue = Catalogue::built_in().unwrap().extended(more.as_bytes()).unwrap();
        let (class, said) = class(&"ovn-kubernetes".parse().unwrap(), &catalogue).unwrap();
        assert_eq!(class, ComponentClass::ManagementOnly);
        let said = said.unwrap();
        assert_eq!(
            (said.id.as_str(), said.level),
            ("impact/ovn-kubernetes/own-catalogue", L::Warning)
        );
    }

    #[test]
    fn what_nobody_classified_blocks() {
        let catalogue = Catalogue::built_in().unwrap();
        let (class, said) = class(&"brand-new".parse().unwrap(), &catalogue).unwrap();
        assert_eq!(class, ComponentClass::Shared);
        let said = said.unwrap();
        assert_eq!((said.id.as_str(), said.level), ("impact/brand-new/unknown", L::Blocking));
    }
}
