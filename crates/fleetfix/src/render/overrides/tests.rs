//! Withdrawn and paused bundles, requests and plans with finished images.

use fleetfix_audit::bundle::Contents;
use fleetfix_model::document::plan::Origin;
use fleetfix_model::document::{self, FixRequest};
use fleetfix_model::{Class, Classify as _, Timestamp};

use super::fix::{of_bundles, of_plan, of_request};
use super::*;
use crate::render::source::Fixes;

const OLD: &str = "quay.io/openshift-release-dev/ocp-v4.0-art-dev@sha256:cae662172fd450bb0cd710a769079c05bfc5d8e35efa6576edc7d0377afdd4a2";
const NEW: &str = "quay.io/fleet/hypershift@sha256:1bc04b5291c26a46d918139138b992d2de976d6851d0893b0476b85bfbdfc6e6";
const OTHER: &str =
    "quay.io/a/b@sha256:3333333333333333333333333333333333333333333333333333333333333333";

fn contents() -> Contents {
    let bundle = include_bytes!("../../../../fleetfix-model/tests/goldens/fix-bundle.json");
    let plan = include_bytes!("../../../../fleetfix-model/tests/goldens/fix-plan.json");
    let request = include_bytes!("../../../../fleetfix-model/tests/goldens/fix-request.json");
    let mut contents = Contents {
        bundle: document::from_canonical("bundle", bundle).unwrap(),
        plan: document::from_canonical("plan", plan).unwrap(),
        request: document::from_canonical("request", request).unwrap(),
    };
    contents.bundle.targets = None;
    contents
}

fn args() -> Args {
    Args {
        into: None,
        requests: Vec::new(),
        plan: None,
        replaces: Vec::new(),
        testing: None,
        pull_request: None,
        source: Source::default(),
    }
}

fn file_with(image: Option<&str>) -> String {
    let entry = |image| format!("    - version: 4.20.0\n      cpoImage: {image}\n");
    format!("platforms:\n  aws:\n    overrides:\n{}", image.map_or_else(String::new, entry))
}

/// What becomes of the one entry of the golden bundle.
fn after(fixes: &Fixes, now: Option<&str>) -> Result<Option<String>, Failure> {
    let overrides = Overrides::read("o.yaml", file_with(now).as_bytes()).unwrap();
    let wanted = args().wanted(&of_bundles(fixes)?, &overrides)?;
    let merged = overrides.merge(&wanted, &[])?;
    let merged = Overrides::read("o.yaml", merged.text.as_bytes())?;
    let image = merged.image(HostedPlatform::Aws, &"4.20.0".parse().unwrap());
    Ok(image.map(str::to_owned))
}

fn active(contents: Contents) -> Fixes {
    Fixes { active: vec![contents], ..Fixes::default() }
}

fn withdrawn(contents: Contents) -> Fixes {
    Fixes { withdrawn: vec![contents], ..Fixes::default() }
}

#[test]
fn an_active_bundle_replaces_only_what_it_was_made_from() {
    for (now, then) in
        [(None, Some(NEW)), (Some(OLD), Some(NEW)), (Some(NEW), Some(NEW)), (Some(OTHER), None)]
    {
        match (after(&active(contents()), now), then) {
            (Ok(image), Some(then)) => assert_eq!(image.as_deref(), Some(then), "{now:?}"),
            (Err(failure), None) => assert_eq!(failure.class(), Class::Refused, "{failure}"),
            (result, then) => panic!("{now:?}: {result:?}, expected {then:?}"),
        }
    }
}

/// Another fix may have taken the place, and people write such comments by hand.
#[test]
fn a_section_of_the_fix_does_not_say_whose_image_is_in_it() {
    let id = contents().bundle.id;
    let text = format!(
        "platforms:\n  aws:\n    overrides:\n    # Beginning of {id} overrides 4.20 section\n    - version: 4.20.0\n      cpoImage: {OTHER}\n    # End of {id} overrides 4.20 section\n"
    );
    let overrides = Overrides::read("o.yaml", text.as_bytes()).unwrap();
    assert_eq!(overrides.entries()[0].tickets, [id.to_string()]);
    let fixes = of_bundles(&active(contents())).unwrap();
    let refused = args().wanted(&fixes, &overrides).unwrap_err();
    assert_eq!(refused.class(), Class::Refused, "{refused}");
    let told = Args { replaces: vec![OTHER.to_owned()], ..args() };
    assert!(told.wanted(&fixes, &overrides).is_ok());
}

#[test]
fn a_withdrawn_bundle_gives_back_what_stood_there() {
    let mut over_an_entry = contents();
    over_an_entry.plan.bases[0].origin = Origin::OverridesYaml;
    let table = [
        // Over a payload's image: the entry goes.
        (contents(), Some(NEW), None),
        (contents(), None, None),
        // Over an entry: that one is back.
        (over_an_entry.clone(), Some(NEW), Some(OLD)),
        // What it did not bring is not its to take.
        (contents(), Some(OTHER), Some(OTHER)),
        (over_an_entry, Some(OLD), Some(OLD)),
    ];
    for (contents, now, then) in table {
        let image = after(&withdrawn(contents), now).unwrap();
        assert_eq!(image.as_deref(), then, "{now:?}");
    }
    // While the one that takes its place is paused, its entry stays.
    let waits = Fixes { paused: vec![contents()], ..withdrawn(contents()) };
    assert_eq!(after(&waits, Some(NEW)).unwrap().as_deref(), Some(NEW));
    // So it does where that one is over before it was rendered.
    let over = Fixes { expired: vec![contents()], ..withdrawn(contents()) };
    assert_eq!(after(&over, Some(NEW)).unwrap().as_deref(), Some(NEW));
    // And where that one is not for this place, and so brings nothing there.
    let mut elsewhere = contents();
    let none = json!({"exclude": [{"platform": elsewhere.bundle.affects[0].platform}]});
    elsewhere.bundle.targets = Some(serde_json::from_value(none).unwrap());
    let not_here = Fixes { active: vec![elsewhere], ..withdrawn(contents()) };
    assert_eq!(after(&not_here, Some(NEW)).unwrap().as_deref(), Some(NEW));
    // An active one for the same place goes before.
    let both = Fixes { withdrawn: vec![contents()], ..active(contents()) };
    assert_eq!(after(&both, Some(NEW)).unwrap().as_deref(), Some(NEW));
}

#[test]
fn what_is_not_for_every_cluster_of_a_version_is_refused() {
    let mut some = contents();
    let golden = include_bytes!("../../../../fleetfix-model/tests/goldens/fix-bundle.json");
    let golden: document::FixBundle = document::from_canonical("bundle", golden).unwrap();
    some.bundle.targets = golden.targets;
    let failure = after(&active(some.clone()), None).unwrap_err();
    assert!(
        failure.class() == Class::Refused && failure.line().contains("1 selectors"),
        "{failure}"
    );
    // Somebody accepted that it is not kept, by name.
    let mut accepted = some.clone();
    let finding = "delivery/aws/4.20/targets";
    accepted.plan.findings.push(
        serde_json::from_value(serde_json::json!({
            "id": finding, "level": "blocking", "message": "m",
            "waiver": {"finding": finding, "by": "alice", "reason": "r"},
        }))
        .unwrap(),
    );
    assert_eq!(after(&active(accepted), None).unwrap().as_deref(), Some(NEW));
    // The platform is what an entry knows, and the version.
    let targets = [
        (serde_json::json!({"include": [{"platform": "AWS"}]}), None),
        (serde_json::json!({"minControlPlaneOperator": "4.20.0"}), None),
        (serde_json::json!({"exclude": [{"platform": "AWS"}]}), Some("no cluster on AWS is meant")),
        (
            serde_json::json!({"minControlPlaneOperator": "4.20.1"}),
            Some("AWS 4.20.0 is below control plane operator 4.20.1"),
        ),
    ];
    for (targets, refused) in targets {
        let mut contents = contents();
        contents.bundle.targets = Some(serde_json::from_value(targets).unwrap());
        match (after(&active(contents), None), refused) {
            (Ok(image), None) => assert_eq!(image.as_deref(), Some(NEW)),
            (Err(failure), Some(why)) => assert!(failure.line().contains(why), "{failure}"),
            (result, expected) => panic!("{result:?}, expected {expected:?}"),
        }
    }
    let mut etcd = contents();
    etcd.bundle.component = "etcd".parse().unwrap();
    let failure = after(&active(etcd), None).unwrap_err();
    assert!(failure.line().contains("no fix is delivered by overrides.yaml"), "{failure}");
}

fn request(text: &str) -> (tempfile::TempDir, PathBuf) {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("r.yaml");
    std::fs::write(&path, text).unwrap();
    (dir, path)
}

#[test]
fn requests_with_finished_images() {
    let good = format!(
        "apiVersion: fleetfix.openshift.io/v1alpha1\nkind: FixRequest\ntickets: [A-1]\ncomponent: hypershift\n\
         fixes:\n- minor: \"4.20\"\n  image: {NEW}\naffected:\n- platform: AWS\n  introduced: 4.20.0\n  versions: [4.20.0, 4.20.1]\n  excluded: [{{version: 4.20.1, reason: none}}]\n"
    );
    let (_dir, path) = request(&good);
    let fix = of_request(&path).unwrap();
    assert_eq!((fix.label.as_str(), fix.places.len()), ("A-1", 1));
    let table = [
        (good.replace("hypershift\n", "etcd\n"), "not of `etcd`"),
        (good.replace("  versions: [4.20.0, 4.20.1]\n", ""), "exact versions"),
        (good.replace("minor: \"4.20\"", "minor: \"4.21\""), "no finished image is named for 4.20"),
        (good.replace("AWS", "Moon"), "r.yaml"),
        (format!("{good}targets: {{include: [{{region: eu}}]}}\n"), "which clusters it is for"),
    ];
    for (text, why) in table {
        let (_dir, path) = request(&text);
        let failure = of_request(&path).unwrap_err();
        assert!(failure.class() == Class::Input && failure.line().contains(why), "{failure}");
    }
    // The golden request names files: nothing is finished.
    let FixRequest { .. } = contents().request;
}

#[test]
fn plans_with_finished_images() {
    use fleetfix_model::ToCanonical as _;
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("plan.json");
    let write =
        |plan: &document::FixPlan| std::fs::write(&path, plan.to_canonical().unwrap()).unwrap();
    let mut plan = contents().plan;
    write(&plan);
    let failure = of_plan(&path, now()).unwrap_err();
    assert!(failure.line().contains("no finished image is named for 4.20"), "{failure}");
    plan.fixes[0].files.clear();
    plan.fixes[0].image = Some(NEW.parse().unwrap());
    write(&plan);
    let fix = of_plan(&path, now()).unwrap();
    assert_eq!(fix.places.len(), 1, "{fix:?}");
    for finding in &mut plan.findings {
        finding.waiver = None;
    }
    write(&plan);
    assert_eq!(of_plan(&path, now()).unwrap_err().class(), Class::Refused);
}

fn now() -> Timestamp {
    "2026-01-01T00:00:00Z".parse().unwrap()
}
