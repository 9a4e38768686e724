//! Whether a bundle's targets name a HostedCluster. What cannot be told of it is not guessed.

use fleetfix_model::Version;
use fleetfix_model::document::rollout::{Selector, Targets};
use serde_json::Value;

/// Where a HostedCluster says which region it is in
/// (`api/hypershift/v1beta1/hostedcluster_types.go`).
const REGIONS: [&str; 2] = ["/spec/platform/aws/region", "/spec/platform/azure/location"];

/// Why a cluster is not one of the targets, or why nobody can tell; `Ok`: it is one. `version` is the
/// cluster's, `operator` that of the HyperShift operator there.
pub(super) fn named(
    targets: &Targets,
    object: &Value,
    version: &Version,
    operator: Option<&Version>,
) -> Result<(), String> {
    match (&targets.min_hypershift_operator, operator) {
        (Some(min), None) => {
            return Err(format!(
                "it needs HyperShift operator {min}, and nothing says which is there [give --operator-version]"
            ));
        }
        (Some(min), Some(there)) if there < min => {
            return Err(format!("it needs HyperShift operator {min}, and {there} is there"));
        }
        _ => {}
    }
    // The control plane operator is of the release that the control plane is on.
    if let Some(min) = targets.min_control_plane_operator.as_ref().filter(|min| version < *min) {
        return Err(format!(
            "it needs control plane operator {min}, and the cluster is on {version}"
        ));
    }
    let fits = |selectors: &[Selector]| -> Result<bool, String> {
        let answers: Vec<Result<bool, String>> =
            selectors.iter().map(|selector| selects(selector, object)).collect();
        if answers.contains(&Ok(true)) {
            return Ok(true);
        }
        answers.into_iter().find(Result::is_err).unwrap_or(Ok(false))
    };
    if !targets.include.is_empty() && !fits(&targets.include)? {
        return Err("it is none of the clusters that the bundle includes".to_owned());
    }
    // Left out by one is left out; not known of another does not bring it back.
    if fits(&targets.exclude)? {
        return Err("the bundle excludes it".to_owned());
    }
    Ok(())
}

/// Whether every field of a selector matches; an error names the field that the object does not tell.
fn selects(selector: &Selector, object: &Value) -> Result<bool, String> {
    let text = |path: &str| object.pointer(path).and_then(Value::as_str);
    let Selector { platform, region, management_cluster, cluster_id, label } = selector;
    let platform = platform.map(|wanted| {
        let there = object.pointer("/spec/platform/type").unwrap_or(&Value::Null);
        Ok(serde_json::to_value(wanted).is_ok_and(|wanted| wanted == *there))
    });
    let unknown = |what: &str| {
        format!("the bundle names clusters by {what}, and the object does not tell its own")
    };
    let region = region.as_ref().map(|wanted| {
        let there = REGIONS.into_iter().find_map(text).ok_or_else(|| unknown("region"))?;
        Ok(wanted == there)
    });
    let id = cluster_id.as_ref().map(|wanted| {
        let there = text("/spec/clusterID").ok_or_else(|| unknown("cluster id"))?;
        Ok(wanted == there)
    });
    let label = label.as_ref().map(|wanted| {
        let (key, value) = wanted.split_once('=').unwrap_or((wanted, ""));
        let labels = object.pointer("/metadata/labels").and_then(Value::as_object);
        let there = labels.and_then(|labels| labels.get(key)).and_then(Value::as_str);
        Ok(there == Some(value))
    });
    let management = management_cluster.as_ref().map(|_| Err(unknown("management cluster")));
    let answers: Vec<Result<bool, String>> =
        [platform, region, id, label, management].into_iter().flatten().collect();
    if answers.contains(&Ok(false)) {
        return Ok(false);
    }
    answers.into_iter().find(Result::is_err).unwrap_or(Ok(true))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn which_clusters_are_meant() {
        let object = json!({
            "metadata": {"labels": {"tier": "prod"}},
            "spec": {"clusterID": "c1", "platform": {"type": "AWS", "aws": {"region": "us-east-1"}}},
        });
        let table = [
            (json!({}), "v"),
            (json!({"include": [{"platform": "Azure"}, {"platform": "AWS"}]}), "v"),
            (
                json!({"include": [{"platform": "AWS", "region": "us-east-1", "label": "tier=prod", "clusterId": "c1"}]}),
                "v",
            ),
            (
                json!({"include": [{"platform": "AWS", "region": "eu-west-1"}]}),
                "none of the clusters",
            ),
            (json!({"include": [{"label": "tier=stage"}]}), "none of the clusters"),
            (json!({"exclude": [{"clusterId": "c1"}]}), "excludes it"),
            (
                json!({"include": [{"platform": "AWS"}], "exclude": [{"label": "tier=prod"}]}),
                "excludes it",
            ),
            // What is not told is not guessed, unless another field decides.
            (json!({"include": [{"managementCluster": "m1"}]}), "management cluster"),
            (json!({"exclude": [{"managementCluster": "m1"}]}), "management cluster"),
            (json!({"exclude": [{"managementCluster": "m1", "platform": "Azure"}]}), "v"),
            (json!({"include": [{"managementCluster": "m1"}, {"platform": "AWS"}]}), "v"),
            (json!({"minHypershiftOperator": "0.1.74"}), "nothing says which is there"),
            (json!({"minControlPlaneOperator": "4.20.2"}), "is on 4.20.1"),
            (json!({"minControlPlaneOperator": "4.20.1"}), "v"),
        ];
        let version = "4.20.1".parse().unwrap();
        for (targets, says) in table {
            let targets: Targets = serde_json::from_value(targets.clone()).unwrap();
            match named(&targets, &object, &version, None) {
                Ok(()) => assert_eq!(says, "v", "{targets:?}"),
                Err(why) => assert!(why.contains(says), "{why}: {targets:?}"),
            }
        }
        let needs = serde_json::from_value(json!({"minHypershiftOperator": "0.1.74"})).unwrap();
        for (operator, good) in [("0.1.73", false), ("0.1.74", true)] {
            let operator = operator.parse().unwrap();
            assert_eq!(named(&needs, &object, &version, Some(&operator)).is_ok(), good);
        }
        let none = json!({"metadata": {}, "spec": {"platform": {"type": "Agent"}}});
        let by_region: Targets =
            serde_json::from_value(json!({"include": [{"region": "x"}]})).unwrap();
        assert!(named(&by_region, &none, &version, None).unwrap_err().contains("by region"));
    }
}
