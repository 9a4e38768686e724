//! Bad input, link by link: a clear error, the right exit code, nothing left behind.

use std::fs;

use fleetfix_tests::base::PROGRAM;
use fleetfix_tests::chain::Chain;
use fleetfix_tests::child::Output;
use fleetfix_tests::lab::{Lab, Place};
use fleetfix_tests::request;

/// The one line that an error is.
#[track_caller]
pub(crate) fn one_line(output: &Output, code: i32, part: &str) {
    assert_eq!(output.code, Some(code), "{output}");
    assert_eq!(output.stdout, "", "{output}");
    let errors: Vec<&str> =
        output.stderr.lines().filter(|line| line.starts_with("error: ")).collect();
    assert_eq!(errors.len(), 1, "{output}");
    assert_eq!(
        output.stderr.lines().last(),
        errors.first().copied(),
        "the error comes last: {output}"
    );
    assert!(errors[0].contains(part), "no `{part}` in {output}");
    assert!(!output.stderr.contains("panicked"), "{output}");
}

#[test]
fn requests_that_cannot_be_planned() {
    let lab = Lab::new(Place::Layout);
    let good = request::text();
    let table = [
        ("component: hypershift", "component: no-such-tag", "no-such-tag"),
        ("component: hypershift", "component: [", "request.yaml"),
        ("component: hypershift", "component: hypershift\ncomponent: etcd", "component"),
        ("severity: critical", "severity: dreadful", "severity"),
        ("severity: critical", "urgency: high", "urgency"),
        (
            "apiVersion: fleetfix.openshift.io/v1alpha1",
            "apiVersion: fleetfix.openshift.io/v9",
            "apiVersion",
        ),
        ("kind: FixRequest", "kind: FixPlan", "kind"),
        ("[4.20.1, 4.20.2]", "[4.20.1, 4.20.7]", "affected[0].versions[1]"),
        (
            "fixedIn: 4.20.3\n  versions: [4.20.1, 4.20.2]",
            "fixedIn: 4.20.9\n  versions: [4.20.7]",
            "4.20.7-multi",
        ),
        ("fixedIn: 4.21.1", "fixedIn: 4.20.1", "fixedIn"),
        ("from: out/4.20/{arch}/", "from: out/none/{arch}/", "out/none/a"),
        ("from: out/4.20/{arch}/", "from: ../{arch}/", "from"),
        ("{version}-multi", "{version}-none", "-none"),
        ("ocp-release:{version}-multi", "ocp-v4.0-art-dev:base-{version}", "base-4.20.1"),
    ];
    for (old, new, part) in table {
        let text = good.replace(old, new);
        assert_ne!(text, good, "{old}");
        fs::write(lab.bench.path("request.yaml"), text).unwrap();
        one_line(&lab.plan(), 11, part);
        assert!(!lab.bench.path("plan.json").exists(), "{new}: a plan was left behind");
    }
    fs::remove_file(lab.bench.path("request.yaml")).unwrap();
    one_line(&lab.plan(), 11, "request.yaml");
    fs::write(lab.bench.path("request.yaml"), &good).unwrap();
    fs::remove_dir_all(lab.bench.path("out/4.21/arm64")).unwrap();
    one_line(&lab.plan(), 11, "arm64");
}

#[test]
fn errors_in_a_request_name_file_line_and_field() {
    let lab = Lab::new(Place::Layout);
    let text = request::text().replace("introduced: 4.21.0", "introduced: 4.21");
    let line = text.lines().position(|line| line.contains("introduced: 4.21")).unwrap() + 1;
    fs::write(lab.bench.path("request.yaml"), &text).unwrap();
    let output = lab.plan();
    one_line(&output, 11, "request.yaml");
    for part in [&format!(":{line}"), "introduced"] {
        assert!(output.stderr.contains(part), "no `{part}` in {output}");
    }
}

#[test]
fn plans_that_cannot_be_followed() {
    let chain = Chain::new(Place::Layout);
    let lab = &chain.lab;
    one_line(&lab.patch(), 11, "plan.json");
    lab.plan().success();
    let good = fs::read(lab.bench.path("plan.json")).unwrap();
    let text = String::from_utf8(good.clone()).unwrap();
    let long = format!("{text}\n");
    let spaced = text.replacen(':', ": ", 1);
    let unknown = text.replacen('{', "{\"a\":1,", 1);
    let half = &text[..text.len() / 2];
    for (what, bytes) in
        [("empty", ""), ("half", half), ("long", &long), ("spaced", &spaced), ("unknown", &unknown)]
    {
        fs::write(lab.bench.path("plan.json"), bytes).unwrap();
        for output in [lab.patch(), chain.sign(), chain.attest(), chain.bundle()] {
            assert_eq!(output.code, Some(11), "{what}: {output}");
            one_line(&output, 11, "plan.json");
        }
    }
    fs::write(lab.bench.path("plan.json"), &good).unwrap();

    // The files are no longer those that were planned. Both lines have the same one, so that the
    // other would do.
    let files = ["4.20", "4.21"]
        .map(|minor| lab.bench.path(&format!("out/{minor}/amd64/control-plane-operator")));
    let program = fs::read(&files[0]).unwrap();
    for file in &files {
        fs::write(file, "another program").unwrap();
    }
    one_line(&lab.patch(), 10, "control-plane-operator");
    for file in &files {
        fs::remove_file(file).unwrap();
    }
    one_line(&lab.patch(), 11, "control-plane-operator");
    for file in &files {
        fs::write(file, &program).unwrap();
    }
    assert!(
        !lab.bench.path("images/build/hypershift/index.json").exists(),
        "an image was left behind"
    );
    lab.patch().success();
}

#[test]
fn files_that_the_base_lacks() {
    let lab = Lab::new(Place::Layout);
    let text = request::text().replace(PROGRAM, "/usr/bin/no-such-program");
    fs::write(lab.bench.path("request.yaml"), text).unwrap();
    // Whoever reads the base first says so.
    let output =
        [lab.plan(), lab.patch()].into_iter().find(|output| output.code != Some(0)).unwrap();
    one_line(&output, 11, "/usr/bin/no-such-program");
    assert!(!lab.bench.path("images/build").exists(), "an image was left behind");
}

#[test]
fn a_tag_with_other_content_stays() {
    let lab = Lab::new(Place::Registry(fleetfix_tests::registry::Kind::Docker));
    lab.plan().success();
    let images = lab.patch().success().json()["images"].clone();
    let tag = images[0]["tag"].as_str().unwrap();
    let taken = format!("{}:{tag}", lab.at("build/hypershift"));
    let base = format!("{}@{}", lab.at("mirror/ocp-v4.0-art-dev"), lab.upstream.base_421.digest);
    lab.clients.crane(&["copy", &base, &taken]).success();
    one_line(&lab.patch(), 10, tag);
    assert_eq!(
        lab.clients.crane(&["digest", &taken]).success().text(),
        lab.upstream.base_421.digest
    );
}

#[test]
fn a_bundle_needs_its_images_with_all_that_belongs_to_them() {
    let chain = Chain::new(Place::Layout);
    chain.lab.plan().success();
    one_line(&chain.sign(), 11, "build/hypershift");
    one_line(&chain.attest(), 11, "build/hypershift");
    one_line(&chain.bundle(), 11, "build/hypershift");
    chain.lab.patch().success();
    one_line(&chain.bundle(), 10, "has no signature");
    chain.sign().success();
    one_line(&chain.bundle(), 10, "fleetfix-attest");
    assert!(!chain.lab.bench.path("images/build/bundles").exists(), "a bundle was left behind");
    chain.attest().success();
    chain.bundle().success();
}
