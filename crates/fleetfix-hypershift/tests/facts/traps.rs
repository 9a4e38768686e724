//! How HyperShift takes an image in ways that one would not expect.

use std::collections::{BTreeMap, BTreeSet};

use fleetfix_hypershift::conflict::{self, Ours};
use fleetfix_hypershift::coverage::Coverage;
use fleetfix_hypershift::delivery::{Place, choose};
use fleetfix_hypershift::downgrade::{Along, Ancestry, Claim, Replaced, Replacement};
use fleetfix_hypershift::effective::{Annotated, Effective, Overriding};
use fleetfix_hypershift::{Catalogue, component, impact, labels};
use fleetfix_model::HostedPlatform::{Aws, Azure, Gcp, KubeVirt};
use fleetfix_model::document::FixBundle;
use fleetfix_model::document::delivery::{Delivery, DeliveryMethod};
use fleetfix_model::document::finding::{Finding, FindingLevel};
use fleetfix_model::document::plan::{AlongCommit, Origin};
use fleetfix_model::document::rollout::{FixReference, Targets};
use fleetfix_model::name::{Commit, ComponentTag};
use fleetfix_model::{Digest, HostedPlatform};
use serde_json::json;

use crate::support::{blocking, bundle, digest, expand, found, graph, request, version};
use crate::support::{channel, z_streams};

fn commit(digit: &str) -> Commit {
    digit.repeat(40).parse().unwrap()
}

fn delivered(tag: &str, platform: HostedPlatform, method: Option<DeliveryMethod>) -> Vec<Finding> {
    let tag: ComponentTag = tag.parse().unwrap();
    let catalogue = Catalogue::built_in().unwrap();
    let (class, _) = impact::class(&tag, &catalogue).unwrap();
    let place = Place { tag: &tag, class, platform, minor: "4.20".parse().unwrap() };
    choose(place, method).unwrap().1
}

/// `image-overrides: hypershift=...` does nothing, though the payload has that tag (H2).
#[test]
fn the_silent_hypershift_entry() {
    let wrong = delivered("hypershift", Aws, Some(DeliveryMethod::ImageOverrides));
    let said = found(&wrong, "delivery/aws/4.20/no-effect");
    assert!(said.level == FindingLevel::Blocking && !said.waivable);
    assert!(said.message.contains("use overridesYaml or controlPlaneOperatorImage"));
    assert!(blocking(&delivered("hypershift", Aws, None)).is_empty());
}

/// `overrides.yaml` has keys for aws and azure; any other is ignored without a word (A1).
#[test]
fn a_platform_key_that_nobody_reads() {
    let yaml = Some(DeliveryMethod::OverridesYaml);
    for platform in [Gcp, KubeVirt] {
        let wrong = delivered("hypershift", platform, yaml);
        let id = format!("delivery/{}/4.20/no-effect", platform.as_str().to_lowercase());
        assert!(!found(&wrong, &id).waivable);
    }
    for platform in [Aws, Azure] {
        assert!(blocking(&delivered("hypershift", platform, yaml)).is_empty());
    }
}

/// An annotation stays whatever release the cluster is on (H1).
#[test]
fn an_annotation_that_would_survive_an_upgrade() {
    let methods = [
        ("hypershift", DeliveryMethod::ControlPlaneOperatorImage),
        ("hyperkube", DeliveryMethod::ImageOverrides),
        ("hyperkube", DeliveryMethod::ControlPlaneRelease),
    ];
    for (tag, method) in methods {
        let wrong = delivered(tag, Aws, Some(method));
        assert_eq!(blocking(&wrong), ["delivery/aws/4.20/survives-upgrade"], "{tag} {method}");
    }
}

/// It pins the control plane and may be called Completed early (H3).
#[test]
fn control_plane_release_is_warned_of() {
    let said = delivered("cli", Aws, None);
    assert_eq!(found(&said, "delivery/aws/4.20/pins").level, FindingLevel::Warning);
}

/// Annotations of their own beat `image-overrides` for some components (H13), and an old operator
/// ignores it for one (OCPBUGS-62959).
#[test]
fn what_beats_image_overrides_is_warned_of() {
    for tag in [
        "cluster-autoscaler",
        "aws-kms-encryption-provider",
        "apiserver-network-proxy",
        "cluster-version-operator",
    ] {
        let said = delivered(tag, Aws, None);
        assert_eq!(found(&said, "delivery/aws/4.20/beaten").level, FindingLevel::Warning, "{tag}");
    }
    assert!(delivered("hyperkube", Aws, None).iter().all(|f| !f.id.as_str().ends_with("beaten")));
}

/// A tag that no payload has is ignored without a word (A3).
#[test]
fn an_unknown_tag_is_refused_with_the_nearest() {
    let catalogue = Catalogue::built_in().unwrap();
    let tags: BTreeSet<ComponentTag> =
        ["etcd", "hyperkube", "hypershift"].map(|tag| tag.parse().unwrap()).into();
    let resolve = |name: &str| component::resolve(&name.parse().unwrap(), &tags, &catalogue);
    // The name of a workload is understood, and said.
    let (tag, said) = resolve("kube-apiserver").unwrap();
    assert_eq!(tag.as_str(), "hyperkube");
    assert!(said.unwrap().message.contains("its image is the component `hyperkube`"));
    // In a payload without it the error names what is there.
    let error = resolve("kube-apiservr").unwrap_err().to_string();
    assert!(error.contains("did you mean `kube-apiserver`?"), "{error}");
}

/// Without `control-plane-operator-skips-haproxy` every customer node is replaced (A7).
#[test]
fn a_lost_skips_haproxy_label() {
    let name = |short: &str| format!("io.openshift.hypershift.{short}");
    let has = [
        name("control-plane-operator-skips-haproxy"),
        name("ignition-server-healthz-handler"),
        name("something-new"),
        "vcs-ref".to_owned(),
    ];
    let base: Digest = digest("base").parse().unwrap();
    let lost = labels::lost(base, &has, &BTreeSet::new()).unwrap();
    let path = |short: &str| format!("labels/{}/{short}", base.short());
    let said = found(&lost, &path("control-plane-operator-skips-haproxy"));
    assert!(
        said.level == FindingLevel::Blocking
            && said.message.contains("every customer node is replaced")
    );
    assert_eq!(found(&lost, &path("ignition-server-healthz-handler")).level, FindingLevel::Info);
    assert_eq!(found(&lost, &path("something-new")).level, FindingLevel::Blocking);
    assert_eq!(lost.len(), 3);
    assert!(labels::lost(base, &has, &labels::of_hypershift(&has)).unwrap().is_empty());
}

fn replacement(replaced: &[(&str, Origin, Option<Commit>)]) -> Replacement {
    let image = |(name, origin, commit): &(&str, Origin, Option<Commit>)| Replaced {
        digest: digest(name).parse().unwrap(),
        origin: *origin,
        commit: commit.clone(),
        places: [(Azure, version("4.20.7")), (Azure, version("4.20.8"))].into(),
    };
    Replacement {
        minor: "4.20".parse().unwrap(),
        fix: Some(commit("f")),
        claims: vec![Claim { name: "#9010".into(), commit: Some(commit("c")), reverted: None }],
        replaced: replaced.iter().map(image).collect(),
    }
}

/// The commit of the effective image is newer than the payload's: a fix built on the payload's would
/// take back what is in the override (H4).
#[test]
fn a_commit_older_than_the_effective_image_though_newer_than_the_payload() {
    let payload = ("payload", Origin::Payload, Some(commit("1")));
    let overridden = ("overridden", Origin::OverridesYaml, Some(commit("2")));
    let ancestry: Ancestry = [
        ((commit("1"), commit("f")), Some(true)),
        ((commit("2"), commit("f")), Some(false)),
        ((commit("c"), commit("f")), Some(true)),
    ]
    .into();
    let fine = replacement(std::slice::from_ref(&payload));
    assert!(fine.judge(&ancestry).unwrap().is_empty());
    let wrong = replacement(&[payload, overridden]);
    let questions: BTreeSet<_> = wrong.questions().collect();
    assert_eq!(questions, ancestry.keys().cloned().collect());
    let findings = wrong.judge(&ancestry).unwrap();
    let said = &findings[0];
    assert_eq!(findings.len(), 1);
    assert!(said.id.as_str().starts_with("downgrade/4.20/") && !said.waivable, "{said:?}");
    assert!(said.message.contains("the image of the deployed overrides.yaml"), "{}", said.message);
    assert!(said.message.contains("(Azure 4.20.7 to 4.20.8)"), "{}", said.message);
}

#[test]
fn what_cannot_be_told_blocks_until_somebody_accepts_it() {
    let unknown =
        replacement(&[("a", Origin::Payload, None), ("b", Origin::Annotation, Some(commit("2")))]);
    let ancestry: Ancestry =
        [((commit("2"), commit("f")), None), ((commit("c"), commit("f")), Some(false))].into();
    let findings = unknown.judge(&ancestry).unwrap();
    let ids = blocking(&findings);
    assert_eq!(ids.len(), 3, "{ids:?}");
    assert!(ids[0].ends_with("/unknown") && ids[1].ends_with("/unknown"));
    assert_eq!(ids[2], "ancestry/4.20/9010");
    assert!(findings.iter().all(|f| f.waivable));
    let nameless = Replacement { fix: None, ..replacement(&[]) };
    assert_eq!(blocking(&nameless.judge(&Ancestry::new()).unwrap()), ["downgrade/4.20/no-commit"]);
}

/// The 4.22 override was 36 commits beyond what it claimed (D7).
#[test]
fn commits_that_come_along_are_counted() {
    let commits: Vec<AlongCommit> =
        (0..5).map(|n| AlongCommit { commit: commit("e"), title: format!("Change {n}") }).collect();
    let along = Along { total: 36, commits };
    let said = replacement(&[]).along(&along).unwrap().unwrap();
    assert_eq!(said.level, FindingLevel::Warning);
    assert_eq!(
        said.message,
        "36 commits come along with the fix of 4.20 beyond what it claims: \"Change 0\", \"Change 1\", \"Change 2\", ..."
    );
    assert_eq!(replacement(&[]).along(&Along::default()).unwrap(), None);
}

fn covered(versions: std::ops::Range<u64>) -> Coverage {
    let graph = graph(&[channel(&z_streams("4.20", 0..10, &[]), &[], &[])]);
    let (first, end) = (versions.start, versions.end);
    let lines =
        format!("affected: [{{platform: AWS, introduced: 4.20.{first}, fixedIn: 4.20.{end}}}]");
    expand(&request(&["4.20"], &lines), &graph).coverage
}

fn conflicts(
    revision: u32,
    coverage: &Coverage,
    supersedes: &[FixReference],
    active: &[FixBundle],
) -> Vec<Finding> {
    let ours = Ours {
        id: &"FIX-2".parse().unwrap(),
        revision,
        component: &"hypershift".parse().unwrap(),
        coverage,
        targets: None,
        delivery: &[],
        supersedes,
        conflicts: &[],
    };
    conflict::judge(ours, active).unwrap()
}

/// One image runs in one place: a second fix takes the first away.
#[test]
fn two_fixes_for_one_place() {
    let ours = covered(1..4);
    let active = |id: &str, revision, component: &str, versions: &[&str]| {
        vec![bundle(id, revision, component, versions)]
    };
    let one = active("FIX-1", 1, "hypershift", &["4.20.2", "4.20.3"]);
    let wrong = conflicts(1, &ours, &[], &one);
    assert_eq!(blocking(&wrong), ["conflict/fix-1"]);
    assert!(!wrong[0].waivable);
    assert!(wrong[0].message.contains("on AWS 4.20.2 to 4.20.3 as well"), "{}", wrong[0].message);

    let fix = |id: &str, revision| FixReference { id: id.parse().unwrap(), revision };
    // It supersedes it, in all revisions or up to one; a later revision is not meant.
    for meant in [None, Some(1), Some(2)] {
        assert!(conflicts(1, &ours, &[fix("FIX-1", meant)], &one).is_empty(), "{meant:?}");
    }
    let later = active("FIX-1", 2, "hypershift", &["4.20.2"]);
    let wrong = conflicts(1, &ours, &[fix("FIX-1", Some(1))], &later);
    assert_eq!(blocking(&wrong), ["conflict/fix-1"]);
    // Another place, another component.
    assert!(conflicts(1, &ours, &[], &active("FIX-1", 1, "hypershift", &["4.20.8"])).is_empty());
    assert!(conflicts(1, &ours, &[], &active("FIX-1", 1, "etcd", &["4.20.2"])).is_empty());
    // A later revision of ours replaces the earlier; an earlier one comes too late.
    let own = active("FIX-2", 2, "hypershift", &["4.20.2"]);
    assert!(conflicts(3, &ours, &[], &own).is_empty());
    assert_eq!(blocking(&conflicts(2, &ours, &[], &own)), ["conflict/fix-2/revision"]);
}

#[test]
fn a_superseded_fix_leaves_no_version_behind() {
    let wide = vec![bundle("FIX-1", 1, "hypershift", &["4.20.2", "4.20.8"])];
    let supersedes = [FixReference { id: "FIX-1".parse().unwrap(), revision: None }];
    let wrong = conflicts(1, &covered(1..4), &supersedes, &wide);
    assert_eq!(blocking(&wrong), ["conflict/fix-1/uncovered"]);
    assert!(
        wrong[0].message.contains("covers `hypershift` on AWS 4.20.8, which the plan does not")
    );
    assert!(wrong[0].waivable);
    assert!(conflicts(1, &covered(1..9), &supersedes, &wide).is_empty());
    // Another component loses its fix everywhere, which only somebody's word allows.
    let etcd = vec![bundle("FIX-1", 1, "etcd", &["4.20.2"])];
    let wrong = conflicts(1, &covered(1..4), &supersedes, &etcd);
    assert_eq!(blocking(&wrong), ["conflict/fix-1/uncovered"]);
    assert!(wrong[0].waivable && wrong[0].message.contains("`etcd` on AWS 4.20.2"), "{wrong:?}");
    // 4.20.4 has the fix in its payload: ours, not theirs.
    let upto = ["4.20.2", "4.20.4"];
    let own = vec![bundle("FIX-2", 1, "hypershift", &upto)];
    assert!(conflicts(2, &covered(1..4), &[], &own).is_empty());
    let other = vec![bundle("FIX-1", 1, "hypershift", &upto)];
    let wrong = conflicts(1, &covered(1..4), &supersedes, &other);
    assert_eq!(blocking(&wrong), ["conflict/fix-1/uncovered"]);
    // What comes after the last release has no image that would take the place of one.
    let beyond = vec![bundle("FIX-2", 1, "hypershift", &["4.20.11"])];
    let wrong = conflicts(2, &covered(1..13), &[], &beyond);
    assert_eq!(blocking(&wrong), ["conflict/fix-2/uncovered"]);
}

/// Targets that mean fewer clusters than those of the superseded fix leave the rest without it.
#[test]
fn a_superseded_fix_leaves_no_cluster_behind() {
    let annotation = DeliveryMethod::ControlPlaneOperatorImage;
    let entry = DeliveryMethod::OverridesYaml;
    let ours = covered(1..4);
    let region = json!({"include": [{"region": "eu-west-1"}]});
    let not_aws = json!({"exclude": [{"platform": "AWS"}]});
    let cpo = json!({"minControlPlaneOperator": "4.20.3"});
    let (ho_74, ho_75) =
        (json!({"minHypershiftOperator": "0.1.74"}), json!({"minHypershiftOperator": "0.1.75"}));
    let all = json!({});
    // Old and new targets and deliveries; where clusters would lose the old one's fix.
    let table = [
        (&all, annotation, &all, annotation, None),
        (&all, entry, &not_aws, entry, Some("4.20.2 to 4.20.3")),
        (&all, entry, &cpo, entry, Some("4.20.2,")),
        (&all, entry, &cpo, annotation, Some("4.20.2,")),
        // Somebody has to accept that an entry reaches all of them.
        (&all, entry, &region, entry, None),
        (&all, annotation, &region, annotation, Some("4.20.2 to 4.20.3")),
        (&region, annotation, &region, annotation, None),
        (&region, entry, &region, annotation, Some("4.20.2 to 4.20.3")),
        (&region, annotation, &all, annotation, None),
        (&all, annotation, &ho_74, annotation, Some("4.20.2 to 4.20.3")),
        (&ho_74, annotation, &ho_75, annotation, Some("4.20.2 to 4.20.3")),
        (&ho_75, annotation, &ho_74, annotation, None),
        (&all, entry, &ho_74, entry, None),
        // The old one was not for these either.
        (&not_aws, entry, &not_aws, entry, None),
        (&cpo, entry, &cpo, entry, None),
    ];
    let delivery = |method: DeliveryMethod| {
        let delivery = json!([{"platform": "AWS", "minor": "4.20", "method": method, "scope": "cluster",
            "endsWithUpgrade": method.ends_with_upgrade(), "reason": "x"}]);
        serde_json::from_value::<Vec<Delivery>>(delivery).unwrap()
    };
    for (before, old_way, after, new_way, lost) in table {
        let mut old = bundle("FIX-2", 1, "hypershift", &["4.20.2", "4.20.3"]);
        old.targets = Some(serde_json::from_value(before.clone()).unwrap());
        old.delivery = delivery(old_way);
        let targets: Targets = serde_json::from_value(after.clone()).unwrap();
        let new = Ours {
            id: &"FIX-2".parse().unwrap(),
            revision: 2,
            component: &"hypershift".parse().unwrap(),
            coverage: &ours,
            targets: Some(&targets),
            delivery: &delivery(new_way),
            supersedes: &[],
            conflicts: &[],
        };
        let wrong = conflict::judge(new, [&old]).unwrap();
        let ids: Vec<&str> = lost.iter().map(|_| "conflict/fix-2/uncovered").collect();
        assert_eq!(blocking(&wrong), ids, "{before} {old_way} {after} {new_way}");
        for (wrong, lost) in wrong.iter().zip(lost) {
            assert!(wrong.message.contains(&format!("on AWS {lost}")), "{}", wrong.message);
        }
    }
}

fn payload_image(name: &str) -> Effective {
    Effective {
        image: format!("quay.io/ocp/release-art@{}", digest(name)).parse().unwrap(),
        origin: Origin::Payload,
        commit: Some(commit("1")),
    }
}

/// Annotation, then the deployed `overrides.yaml`, then an active bundle, then the payload (A2, H4).
#[test]
fn what_really_runs() {
    let hypershift: ComponentTag = "hypershift".parse().unwrap();
    let hyperkube: ComponentTag = "hyperkube".parse().unwrap();
    let mut overriding = Overriding::default();
    let place = |text: &str| (Aws, version(text));
    let entry = format!("quay.io/user-workloads/cpo@{}", digest("override"));
    overriding.overrides.insert(place("4.20.1"), entry.parse().unwrap());
    overriding.add_bundle(&bundle("FIX-1", 1, "hypershift", &["4.20.1", "4.20.2"]), &hypershift);
    overriding.add_bundle(&bundle("FIX-3", 1, "etcd", &["4.20.3"]), &hypershift);

    let origin = |tag: &ComponentTag, platform, text: &str| {
        let found = overriding.effective(tag, platform, &version(text), payload_image("p"));
        (found.origin, found.commit)
    };
    assert_eq!(origin(&hypershift, Aws, "4.20.1"), (Origin::OverridesYaml, None));
    assert_eq!(origin(&hypershift, Aws, "4.20.2"), (Origin::Bundle, Some(commit("b"))));
    assert_eq!(origin(&hypershift, Aws, "4.20.3"), (Origin::Payload, Some(commit("1"))));
    assert_eq!(origin(&hypershift, Azure, "4.20.1"), (Origin::Payload, Some(commit("1"))));
    // Entries are for the control plane operator alone, and for the exact version.
    assert_ne!(origin(&hyperkube, Aws, "4.20.1").0, Origin::OverridesYaml);
    assert_eq!(origin(&hypershift, Aws, "4.20.1-rc.1").0, Origin::Payload);

    // An entry that holds the bundle's own image says what is in it.
    let delivered = format!("registry.example/fleet/hypershift@{}", digest("FIX-1"));
    overriding.overrides.insert(place("4.20.2"), delivered.parse().unwrap());
    let found = overriding.effective(&hypershift, Aws, &version("4.20.2"), payload_image("p"));
    assert_eq!((found.origin, found.commit), (Origin::OverridesYaml, Some(commit("b"))));
}

/// An annotated cluster never sees an entry for the fleet (ARO-HCP #2514).
#[test]
fn an_annotated_cluster_is_shadowed() {
    let annotated = |cluster: &str, text: &str| Annotated {
        cluster: cluster.into(),
        platform: Aws,
        version: version(text),
        image: "quay.io/x/y:z".parse().unwrap(),
    };
    let overriding = Overriding {
        annotated: vec![annotated("ns/a", "4.20.1"), annotated("ns/b", "4.20.9")],
        ..Overriding::default()
    };
    let coverage = covered(1..4);
    let shadowed = overriding.shadowed(&coverage, |_, _| true).unwrap();
    assert_eq!(shadowed.len(), 1);
    assert_eq!(shadowed[0].id.as_str(), "effective-image/aws/4.20/shadowed");
    assert!(shadowed[0].message.starts_with("an annotation of ns/a on AWS (4.20.1) names"));
    assert!(overriding.shadowed(&coverage, |_, _| false).unwrap().is_empty());
}

/// A CPO fix replaces every node of a cluster with a proxy, and of no other (A8, H6).
#[test]
fn a_cpo_fix_for_a_proxied_cluster_is_a_condition_and_not_an_alarm() {
    let catalogue = Catalogue::built_in().unwrap();
    let tag: ComponentTag = "hypershift".parse().unwrap();
    let (class, _) = impact::class(&tag, &catalogue).unwrap();
    let method = Some(DeliveryMethod::OverridesYaml);
    let table: BTreeMap<&str, usize> = [("4.20", 2), ("4.17", 1)].into();
    for (minor, ways) in table {
        let minor = minor.parse().unwrap();
        let (touched, said) = impact::assess(&tag, class, Aws, minor, method, &catalogue).unwrap();
        assert_eq!(touched.customer_nodes.len(), ways, "{minor}");
        assert!(touched.rolls_etcd && touched.rolls_kube_apiserver);
        let proxied = touched.customer_nodes.iter().find(|n| n.condition.is_some()).unwrap();
        assert!(proxied.condition.as_deref().unwrap().contains("httpsProxy"));
        assert!(blocking(&said).is_empty(), "{said:?}");
    }
}
