//! What went wrong in HyperShift's overrides.yaml, each as a request that is refused and that passes
//! once it is mended (openshift/hypershift, history of
//! `hypershift-operator/controlplaneoperator-overrides/assets/overrides.yaml`).

use super::upstream::{FIX, Image, ORIGIN, Upstream, but, graph, refused, request, waiving};

/// 4.20.7 was missing for 75 days, because the update graph skips it (b460b210c5, 46f3b353fd).
#[test]
fn a_version_that_the_graph_skips() {
    let upstream = Upstream::with(&["4.20.5", "4.20.6", "4.20.7", "4.20.8"]);
    upstream
        .file("graph.json", &graph(&[&["4.20.5", "4.20.6", "4.20.8", "4.20.9"], &["4.21.0"]], &[]));
    let whole = request("{platform: AWS, introduced: 4.20.5, fixedIn: 4.20.9}");
    let listed =
        but(&whole, "fixedIn: 4.20.9", "fixedIn: 4.20.9, versions: [4.20.5, 4.20.6, 4.20.8]");
    let given = ["--graph", "graph.json"];
    refused(
        upstream.plan(&listed, &given),
        "coverage/aws/4.20/holes",
        &["`versions` leaves out 4.20.7", "or exclude with a reason"],
    );
    upstream.plan(&whole, &given).success();
    assert_eq!(upstream.versions("covered"), ["4.20.5", "4.20.6", "4.20.7", "4.20.8"]);
    // What has no payload is left out only where somebody says that it cannot run.
    let without = Upstream::with(&["4.20.5", "4.20.6", "4.20.8"]);
    without
        .file("graph.json", &std::fs::read_to_string(upstream.bench.path("graph.json")).unwrap());
    let id = "payload/4.20.7/none";
    let says = ["the update graph skips 4.20.7", "name its payload, or exclude it with a reason"];
    refused(without.plan(&whole, &given), id, &says);
    without.plan(&waiving(&whole, id), &given).success();
    assert_eq!(without.versions("gap"), ["4.20.7"]);
    let excluded = but(
        &whole,
        "fixedIn: 4.20.9",
        "fixedIn: 4.20.9, excluded: [{version: 4.20.7, reason: never built}]",
    );
    without.plan(&excluded, &given).success();
}

/// Images for amd64 alone could not be pulled by nodes of arm64 (`OCPBUGS-64817`).
#[test]
fn an_image_for_one_architecture() {
    let upstream = Upstream::with(&["4.20.5"]);
    let both = Image::new("fix", FIX);
    let one = Image { architectures: &["amd64"], ..both };
    let with = |image: Image<'_>| finished(&upstream.fix(image));
    refused(
        upstream.plan(&with(one), &[]),
        "image/4.20/platforms",
        &["lacks linux/arm64", "build it for all of them"],
    );
    upstream.plan(&with(both), &[]).success();
}

/// The same, as the image that runs: what is patched onto it is not for arm64 either.
#[test]
fn an_override_for_one_architecture() {
    let upstream = Upstream::with(&["4.20.5"]);
    let with = |image: Image<'_>| {
        let overrides = format!(
            "platforms:\n  aws:\n    overrides:\n    - version: 4.20.5\n      cpoImage: {}\n",
            upstream.fix(image)
        );
        upstream.file("overrides.yaml", &overrides);
    };
    let request = request("{platform: AWS, introduced: 4.20.5, fixedIn: 4.20.6}");
    let given = ["--overrides", "overrides.yaml"];
    let both = Image::new("hotfix", FIX);
    with(Image { architectures: &["amd64"], ..both });
    refused(
        upstream.plan(&request, &given),
        "architecture/aws/4.20.5",
        &["is not for arm64", "put an image for all architectures there first"],
    );
    with(both);
    upstream.plan(&request, &given).success();
}

/// 4.17.20 to 4.17.43 were covered and no 4.18, so that an upgrade brought the defect back
/// (`OCPBUGS-63638`).
#[test]
fn an_upgrade_to_a_line_without_the_fix() {
    let upstream = Upstream::with(&["4.17.42", "4.17.43", "4.18.20", "4.18.21"]);
    let lines: [&[&str]; 3] =
        [&["4.17.42", "4.17.43", "4.17.44"], &["4.18.20", "4.18.21", "4.18.22"], &["4.19.0"]];
    let between = [("4.17.43", "4.18.20"), ("4.17.43", "4.18.21"), ("4.17.44", "4.18.22")];
    upstream.file("graph.json", &graph(&lines, &between));
    let given = ["--graph", "graph.json"];
    let one = but(
        &request("{platform: AWS, introduced: 4.17.42, fixedIn: 4.17.44}"),
        "minor: '4.20'",
        "minor: '4.17'",
    );
    refused(
        upstream.plan(&one, &given),
        "upgrade/aws/4.17/4.18",
        &["4.18.20 to 4.18.21", "gets the defect back", "add AWS 4.18 to `affected`"],
    );
    let fix = format!(
        "- minor: '4.18'\n  commit: {FIX}\n  files: [{{path: /usr/bin/app, from: app}}]\naffected:\n- {{platform: AWS, introduced: 4.18.0, fixedIn: 4.18.22, excluded: []}}\n"
    );
    let both = but(&one, "affected:\n", &fix).replace("introduced: 4.18.0", "introduced: 4.18.20");
    upstream.plan(&both, &given).success();
    assert_eq!(upstream.versions("covered"), ["4.17.42", "4.17.43", "4.18.20", "4.18.21"]);
    let unaffected = format!("{one}unaffected: [{{minor: '4.18', reason: never had it}}]\n");
    upstream.plan(&unaffected, &given).success();
}

/// The next z-stream was cut before the fix was merged: whoever upgrades to it loses the fix.
#[test]
fn a_next_z_stream_without_the_fix() {
    let upstream = Upstream::with(&["4.20.5", "4.20.6"]);
    upstream.file("graph.json", &graph(&[&["4.20.5", "4.20.6"], &["4.21.0"]], &[]));
    let given = ["--graph", "graph.json"];
    let open = request("{platform: AWS, introduced: 4.20.5}");
    refused(
        upstream.plan(&open, &given),
        "coverage/aws/4.20/open-end",
        &["whoever upgrades past 4.20.6 gets the defect back", "name `fixedIn`"],
    );
    let named = but(&open, "introduced: 4.20.5", "introduced: 4.20.5, fixedIn: 4.20.9");
    upstream.plan(&named, &given).success();
    assert_eq!(upstream.versions("covered"), ["4.20.5", "4.20.6"]);
    assert_eq!(upstream.versions("unreleased"), ["4.20.7", "4.20.8"]);
    assert_eq!(upstream.written()["frontier"], serde_json::json!(["4.20.9"]));
}

/// Three entries named tags that may move.
#[test]
fn a_tag_that_may_move() {
    let upstream = Upstream::with(&["4.20.5"]);
    let image = upstream.fix(Image::new("fix", FIX));
    refused(
        upstream.plan(&finished(&format!("{ORIGIN}/fixes:fix")), &[]),
        "image/4.20/mutable",
        &["is a tag that may move", "name the digest"],
    );
    upstream.plan(&finished(&image), &[]).success();
}

/// A request with a finished image instead of files.
fn finished(image: &str) -> String {
    super::upstream::finished(
        &request("{platform: AWS, introduced: 4.20.5, fixedIn: 4.20.6}"),
        image,
    )
}
