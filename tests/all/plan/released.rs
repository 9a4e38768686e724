//! Versions that the request calls fixed: payloads are read, and what runs instead is seen.

use super::history::{World, request_for, world};
use serde_json::{Value, json};

use super::upstream::{Image, ORIGIN, Upstream, but, finding, not_made, refused, waiving};

const CHECK: &str = "coverage/payloads";
const NOT_FIXED: &str = "coverage/aws/4.20/not-fixed";
const MUTABLE: &str = "effective-image/aws/4.20/mutable";
const GIT: [&str; 2] = ["--git", "source"];

/// A payload of 4.20.6 whose component is built from a commit.
fn release(upstream: &Upstream, commit: &str) {
    let image = upstream.component(Image::new("4.20.6", commit));
    upstream.payload("4.20.6", &image, commit);
}

#[test]
fn a_payload_that_is_called_fixed_and_lacks_the_fix() {
    let World { upstream, released, fix, .. } = world();
    let request = request_for(&fix);
    release(&upstream, &released);
    let says = ["4.20.6 on AWS is called fixed", "lacks a claimed fix", "name a later `fixedIn`"];
    refused(upstream.plan(&request, &GIT), NOT_FIXED, &says);
    upstream.plan(&waiving(&request, NOT_FIXED), &GIT).success();
    // Without a history nobody looks, and the plan says so.
    upstream.plan(&request, &[]).success();
    let why = not_made(&upstream.written(), CHECK).unwrap();
    assert!(why.contains("no git repository was given"), "{why}");

    let World { upstream, fix, .. } = world();
    release(&upstream, &fix);
    upstream.plan(&request_for(&fix), &GIT).success();
    assert_eq!(not_made(&upstream.written(), CHECK), None);
    // What was judged is pinned: another payload is another plan.
    let pinned = |upstream: &Upstream| {
        let plan = upstream.written();
        let rows = plan["rows"].as_array().unwrap();
        let row = rows.iter().find(|row| row["version"] == "4.20.6").unwrap().clone();
        assert_eq!(row["status"], "fixedInPayload");
        assert!(row["payload"].is_string() && row["base"].is_null(), "{row}");
        row["payload"].clone()
    };
    let first = pinned(&upstream);
    let World { upstream, fix, .. } = world();
    let image = upstream.component(Image::new("4.20.6-again", &fix));
    upstream.payload("4.20.6", &image, &fix);
    upstream.plan(&request_for(&fix), &GIT).success();
    assert_ne!(pinned(&upstream), first);
}

/// It is in the history of the release, and was taken back before it.
#[test]
fn a_payload_of_which_the_fix_was_taken_back() {
    let World { upstream, mut source, fix, .. } = world();
    let reverted = source.commit(&format!("Not yet\n\nThis reverts commit {fix}."));
    release(&upstream, &reverted);
    refused(upstream.plan(&request_for(&fix), &GIT), NOT_FIXED, &["or took it back"]);
}

#[test]
fn a_payload_that_cannot_be_checked() {
    let says = |upstream: &Upstream, fix: &str, why: &str| {
        upstream.plan(&request_for(fix), &GIT).success();
        let reason = not_made(&upstream.written(), CHECK).unwrap();
        assert!(reason.contains(why), "{reason}");
    };
    let World { upstream, fix, .. } = world();
    says(&upstream, &fix, "4.20.6: no payload was found");
    release(&upstream, &"e".repeat(40));
    says(&upstream, &fix, "4.20.6: the repository lacks eeee");
    release(&upstream, &"d".repeat(40));
    // One tag at two images: what it is cannot be told.
    says(&upstream, &fix, "4.20.6: its payload cannot be read");
}

/// The fix is in a branch of its own and was never merged into the line that the release is made from.
#[test]
fn a_pull_request_that_is_not_in_the_release_branch() {
    let World { upstream, mut source, released, .. } = world();
    source.checkout(&["-b", "aside", "release-4.20"]);
    let fix = source.merge(7200, "amir/fix", "Fix something");
    release(&upstream, &released);
    let request = but(&request_for(&fix), "[7110]", "[7200]");
    refused(upstream.plan(&request, &GIT), NOT_FIXED, &["lacks a claimed fix"]);
}

/// The payload has the fix, and the deployed overrides.yaml puts an older image in its place.
#[test]
fn a_fixed_payload_whose_image_does_not_run() {
    let World { upstream, hotfix, fix, .. } = world();
    release(&upstream, &fix);
    let id = "coverage/aws/4.20/overridden";
    let with = |commit: &str| {
        let image = upstream.fix(Image::new("override", commit));
        let overrides = format!(
            "platforms:\n  aws:\n    overrides:\n    - version: 4.20.6\n      cpoImage: {image}\n"
        );
        upstream.file("overrides.yaml", &overrides);
    };
    let given = [&GIT[..], &["--overrides", "overrides.yaml"]].concat();
    let request = request_for(&fix);
    with(&hotfix);
    let says = ["4.20.6 on AWS is called fixed", "whose source lacks a claimed fix", "cover it"];
    refused(upstream.plan(&request, &given), id, &says);
    refused(upstream.plan(&request, &given[2..]), id, &["its source was not looked at"]);
    upstream.plan(&waiving(&request, id), &given).success();
    assert_eq!(finding(&upstream.written(), id)["waiver"]["by"], "lena");
    with(&fix);
    upstream.plan(&request, &given).success();
    // The same image by a tag, which may name another one tomorrow.
    let tagged = format!(
        "platforms:\n  aws:\n    overrides:\n    - version: 4.20.6\n      cpoImage: {ORIGIN}/fixes:fixed\n"
    );
    upstream.file("overrides.yaml", &tagged);
    upstream.fix(Image::new("fixed", &fix));
    refused(upstream.plan(&request, &given), MUTABLE, &["4.20.6 runs", "which a tag names"]);
    upstream.plan(&waiving(&request, MUTABLE), &given).success();
}

/// The operator puts whatever stands there in place of the payload's image.
#[test]
fn an_override_of_a_fixed_version_that_is_no_reference() {
    let World { upstream, fix, .. } = world();
    release(&upstream, &fix);
    let overrides =
        "platforms:\n  aws:\n    overrides:\n    - version: 4.20.6\n      cpoImage: \"an image\"\n";
    upstream.file("overrides.yaml", overrides);
    let given = [&GIT[..], &["--overrides", "overrides.yaml"]].concat();
    let request = request_for(&fix);
    let id = "coverage/aws/4.20/overridden";
    let says = ["4.20.6 on AWS is called fixed", "`an image`, which is no reference,"];
    refused(upstream.plan(&request, &given), id, &says);
    refused(upstream.plan(&request, &given[2..]), id, &says);
    upstream.plan(&waiving(&request, id), &given).success();
}

/// The payload has the fix, and an annotation of one cluster puts an older image in its place.
#[test]
fn a_fixed_payload_that_an_annotation_keeps_away() {
    let World { upstream, hotfix, fix, .. } = world();
    release(&upstream, &fix);
    let id = "coverage/aws/4.20/annotated";
    let status = json!({"version": {"history": [{"version": "4.20.6", "state": "Completed"}]}});
    let with = |image: &str, release: &str, status: &Value| {
        let cluster = json!({
            "kind": "HostedCluster",
            "metadata": {"namespace": "ocm", "name": "a", "annotations": {
                "hypershift.openshift.io/control-plane-operator-image": image,
            }},
            "spec": {"release": {"image": release}, "platform": {"type": "AWS"}},
            "status": status,
        });
        upstream.file("clusters.json", &cluster.to_string());
    };
    let given = [&GIT[..], &["--clusters", "clusters.json"]].concat();
    let request = request_for(&fix);
    let old = upstream.fix(Image::new("hotfix", &hotfix));
    let says = [
        "4.20.6 on AWS is called fixed",
        "ocm/a (",
        "whose source lacks a claimed fix",
        "take the annotation away",
    ];
    // Its status says the version, or its release image alone.
    with(&old, "quay.io/a/release:x", &status);
    refused(upstream.plan(&request, &given), id, &says);
    with(&old, &format!("{ORIGIN}/ocp-release:4.20.6-multi"), &json!({}));
    refused(upstream.plan(&request, &given), id, &says);
    refused(upstream.plan(&request, &given[2..]), id, &["its source was not looked at"]);
    upstream.plan(&waiving(&request, id), &given).success();
    // An image that holds the fix, and the payload's own, keep nothing away.
    with(&upstream.fix(Image::new("newer", &fix)), "quay.io/a/release:x", &status);
    upstream.plan(&request, &given).success();
    let own = upstream.component(Image::new("4.20.6", &fix));
    with(&format!("{ORIGIN}/ocp-v4.0-art-dev@{own}"), "quay.io/a/release:x", &status);
    upstream.plan(&request, &given[2..]).success();
    // What cannot be made out is said of a fixed version as well.
    with("", "quay.io/a/release:x", &status);
    let unclear = "effective-image/unclear";
    refused(upstream.plan(&request, &given), unclear, &["ocm/a: its annotation names ``"]);
    upstream.plan(&waiving(&request, unclear), &given).success();
    // A tag may name another image tomorrow.
    upstream.fix(Image::new("newest", &fix));
    with(&format!("{ORIGIN}/fixes:newest"), "quay.io/a/release:x", &status);
    refused(upstream.plan(&request, &given), MUTABLE, &["4.20.6 runs", "which a tag names"]);
}
