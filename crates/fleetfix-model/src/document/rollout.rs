//! How a fix reaches the fleet over time: waves, health gates, rollback, end of life.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::name::FixId;
use crate::{Digest, HostedPlatform, Version};

/// Waves in which clusters take the fix.
#[derive(Clone, Debug, Default, Deserialize, Eq, JsonSchema, PartialEq, Serialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Rollout {
    /// The waves in order; none: all at once.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub waves: Vec<Wave>,
    /// Clusters of one management cluster that may roll at the same time.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub max_parallel: Option<u32>,
    /// Failed clusters after which the rollout stops.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub max_failures: Option<u32>,
}

/// One wave.
#[derive(Clone, Debug, Deserialize, Eq, JsonSchema, PartialEq, Serialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Wave {
    /// Name of the wave.
    pub name: String,
    /// Share of the clusters that have the fix when this wave is done, in percent, 1 to 100.
    pub percent: u8,
    /// Seconds after the start of the rollout before which the wave does not begin.
    #[serde(default)]
    pub after_seconds: u32,
    /// Seconds that the wave must stay healthy before the next.
    #[serde(default)]
    pub soak_seconds: u32,
}

/// A condition that must hold on a cluster after it took the fix.
#[derive(Clone, Debug, Deserialize, Eq, JsonSchema, PartialEq, Serialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct HealthGate {
    /// A condition type of the HostedCluster, such as `Available`.
    pub condition: String,
    /// The status it must have, `True` or `False`.
    pub status: String,
    /// Seconds for which it must hold.
    pub window_seconds: u32,
}

/// Which clusters the fix is for, beyond version and platform.
#[derive(Clone, Debug, Default, Deserialize, Eq, JsonSchema, PartialEq, Serialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Targets {
    /// Oldest HyperShift operator that delivers this right.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub min_hypershift_operator: Option<Version>,
    /// Oldest control plane operator that takes it right.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub min_control_plane_operator: Option<Version>,
    /// Clusters that are meant; none: all.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub include: Vec<Selector>,
    /// Clusters that are left out, whatever `include` says.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub exclude: Vec<Selector>,
}

/// Names clusters; every field that is there must match.
#[derive(Clone, Debug, Default, Deserialize, Eq, JsonSchema, PartialEq, Serialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Selector {
    /// Platform.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub platform: Option<HostedPlatform>,
    /// Region.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub region: Option<String>,
    /// Management cluster.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub management_cluster: Option<String>,
    /// `spec.clusterID` of the HostedCluster.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cluster_id: Option<String>,
    /// Label of the HostedCluster, `key=value`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub label: Option<String>,
}

/// Whether and how the fix can be taken back.
#[derive(Clone, Debug, Deserialize, Eq, JsonSchema, PartialEq, Serialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Rollback {
    /// True if going back is possible.
    pub possible: bool,
    /// Why, or why not.
    pub reason: String,
    /// For each patched index the base index to go back to.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub previous: Vec<Previous>,
}

/// What a patched image replaced.
#[derive(Clone, Debug, Deserialize, Eq, JsonSchema, PartialEq, Serialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Previous {
    /// The patched index.
    pub image: Digest,
    /// The base it was made from.
    pub base: Digest,
}

/// Another fix, up to a revision.
#[derive(Clone, Debug, Deserialize, Eq, JsonSchema, Ord, PartialEq, PartialOrd, Serialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct FixReference {
    /// The fix.
    pub id: FixId,
    /// The last revision that is meant, with all before it; absent: every revision, those to come
    /// too. In a request it is better left out: a plan that knows the channel names the one there.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub revision: Option<u32>,
}

impl FixReference {
    /// True if this revision of the fix is meant.
    pub fn means(&self, id: &FixId, revision: u32) -> bool {
        self.id == *id && self.revision.is_none_or(|last| revision <= last)
    }

    /// The reference with a revision, `there` unless it names one itself.
    #[must_use]
    pub fn pinned(&self, there: Option<u32>) -> Self {
        Self { id: self.id.clone(), revision: self.revision.or(there) }
    }

    /// True if `planned` is what a plan may make of this reference of a request.
    pub fn becomes(&self, planned: &Self) -> bool {
        self.pinned(planned.revision) == *planned
    }
}

/// When the fix is no longer needed.
#[derive(Clone, Debug, Default, Deserialize, Eq, JsonSchema, PartialEq, Serialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct RetireWhen {
    /// All clusters of a release line run at least this version, whose payload has the fix.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub all_clusters_at_or_above: Vec<Version>,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_reference_means_a_fix_up_to_a_revision() {
        let fix = |id: &str, revision| FixReference { id: id.parse().unwrap(), revision };
        let id = "FIX-1".parse().unwrap();
        for (reference, meant) in [
            (fix("FIX-1", Some(2)), [true, true, false]),
            (fix("FIX-1", None), [true, true, true]),
            (fix("FIX-2", None), [false, false, false]),
        ] {
            assert_eq!([1, 2, 3].map(|revision| reference.means(&id, revision)), meant);
        }
    }

    #[test]
    fn a_plan_names_the_revision_that_is_there() {
        let fix = |id: &str, revision| FixReference { id: id.parse().unwrap(), revision };
        assert_eq!(fix("A-1", None).pinned(Some(3)), fix("A-1", Some(3)));
        assert_eq!(fix("A-1", None).pinned(None), fix("A-1", None));
        assert_eq!(fix("A-1", Some(1)).pinned(Some(3)), fix("A-1", Some(1)));
        assert!(fix("A-1", None).becomes(&fix("A-1", Some(3))));
        assert!(fix("A-1", None).becomes(&fix("A-1", None)));
        assert!(!fix("A-1", Some(1)).becomes(&fix("A-1", Some(3))));
        assert!(!fix("A-1", Some(1)).becomes(&fix("A-1", None)));
        assert!(!fix("A-1", None).becomes(&fix("B-1", None)));
    }
}
