//! `fleetfix request new`: what it derives from a git history plans without an edit.

mod histories;

use std::fs;

use fleetfix_testkit::git::Git;
use fleetfix_tests::child::Output;
use serde_json::{Value, json};

use crate::plan::upstream::{Image, ORIGIN, Upstream, graph};

/// A history as a component has it, beside the releases that were built from it.
struct World {
    upstream: Upstream,
    git: Git,
}

impl World {
    /// #10 is merged into main, picked to 4.21 (#11), and from there to 4.20 (#12); 4.22 is branched
    /// afterwards. 4.20.0 to 4.20.2 and 4.21.0 to 4.21.1 were built before.
    fn new() -> Self {
        let upstream = Upstream::new();
        let mut git = Git::init(&upstream.bench.path("source"));
        git.author("Amir@example.com");
        let mut world = Self { upstream, git };
        world.git.commit("Start");
        for (minor, versions) in [("4.20", 0..3), ("4.21", 0..2)] {
            world.git.checkout(&["-b", &format!("release-{minor}"), "main"]);
            let released = world.git.commit(&format!("Release {minor}"));
            let image = world.upstream.component(Image::new(minor, &released));
            for z in versions {
                world.upstream.payload(&format!("{minor}.{z}"), &image, &released);
            }
        }
        world.git.checkout(&["main"]);
        world.git.merge(10, "amir/fix", "OCPBUGS-10: [main] LDAP logins");
        world.git.run(&["branch", "release-4.22"]);
        world.git.checkout(&["release-4.21"]);
        world.git.merge(11, "robot/cherry-pick-10-to-release-4.21", "OCPBUGS-11: LDAP logins");
        world.git.checkout(&["release-4.20"]);
        world.git.merge(12, "robot/cherry-pick-11-to-release-4.20", "OCPBUGS-12: LDAP logins");
        world
    }

    /// `fleetfix request new` for `hypershift`; writes `new.yaml`.
    fn request(&self, more: &[&str]) -> Output {
        let template = format!("{ORIGIN}/ocp-release:{{version}}-multi");
        let given = ["request", "new", "--git", "source", "--component", "hypershift"];
        let to = ["--payload-template", &template, "--request", "new.yaml"];
        self.upstream.bench.run("fleetfix", [&given[..], &to, more].concat())
    }

    fn written(&self) -> String {
        fs::read_to_string(self.upstream.bench.path("new.yaml")).unwrap()
    }

    /// Every line is in what was written, whatever is quoted there.
    #[track_caller]
    fn says(&self, lines: &[&str]) {
        let written = self.written();
        let plain = written.replace('"', "");
        for line in lines {
            assert!(plain.contains(line), "{line} is not in\n{written}");
        }
    }
}

const FILE: [&str; 2] = ["--file", "/usr/bin/app=app"];

#[test]
fn what_a_history_makes_plans_without_an_edit() {
    let world = World::new();
    let output = world.request(&[&FILE[..], &["--pr", "10", "--platform", "aws,azure"]].concat());
    let told = output.success().json();
    let notes: Vec<Value> = Vec::new();
    let expected = json!({
        "request": "new.yaml", "id": "OCPBUGS-10",
        "minors": ["4.20", "4.21"], "unaffected": ["4.22"], "notes": notes,
    });
    assert_eq!(told, expected);
    let request = world.written();
    assert!(
        request.starts_with("# 4.20: #12 of release-4.20 merged 2026-01-01T00:09:00Z"),
        "{request}"
    );
    let merge = world.git.run(&["rev-parse", "release-4.20"]);
    world.says(&[
        "title: LDAP logins",
        "delivery: overridesYaml",
        &format!("commit: {merge}"),
        "- amir@example.com",
        "#10 was merged on 2026-01-01T00:05:00Z, before release-4.22 was branched",
    ]);

    let lines: [&[&str]; 3] = [&["4.20.0", "4.20.1", "4.20.2"], &["4.21.0", "4.21.1"], &["4.22.0"]];
    let edges = [("4.20.2", "4.21.1"), ("4.21.1", "4.22.0")];
    world.upstream.file("graph.json", &graph(&lines, &edges));
    let cutoffs = "4.20.3: 2026-01-01T00:00:00Z\n4.20.4: 2026-02-01T00:00:00Z\n4.21.2: 2026-02-01T00:00:00Z\n";
    world.upstream.file("cutoffs.yaml", cutoffs);
    let given = ["--git", "source", "--graph", "graph.json", "--cutoffs", "cutoffs.yaml"];
    let planned = world.upstream.plan(&request, &given).success().json();
    assert_eq!(planned["blocking"], 0);
    // Five released versions on two platforms; one more of 4.20 before the fix is in a release.
    assert_eq!(planned["covered"], 10);
    assert_eq!(world.upstream.versions("unreleased"), ["4.20.3", "4.20.3"]);
    let fixed = world.upstream.versions("fixedInPayload");
    assert_eq!(fixed, ["4.20.4", "4.21.2", "4.20.4", "4.21.2"]);
}

#[test]
fn a_backport_that_is_missing_is_told() {
    let world = World::new();
    let output = world.request(&[&FILE[..], &["--pr", "12", "--platform", "AWS"]].concat());
    let told = output.success().json();
    assert_eq!(told["minors"], json!(["4.20"]));
    let note = "4.21 has no backport, and upgrades from 4.20 lead to it";
    assert_eq!(told["notes"], json!([note]));
    assert!(world.written().contains(&format!("# look at this: {note}")));
}

/// Of a component that nobody described the delivery is a guess, and one of customer nodes has none.
#[test]
fn a_delivery_that_rests_on_nothing_known_is_told() {
    let world = World::new();
    let unknown = "`frobnicator` is not in the catalogue of components";
    let refused = "`coredns` on AWS 4.20 runs on customer nodes or configures them";
    for (component, note, delivery) in [
        ("frobnicator", unknown, Some("delivery: controlPlaneRelease")),
        ("coredns", refused, None),
    ] {
        let _ = fs::remove_file(world.upstream.bench.path("new.yaml"));
        let given = ["request", "new", "--git", "source", "--component", component];
        let to = ["--request", "new.yaml", "--pr", "10", "--platform", "AWS,Azure"];
        let args = [&given[..], &to, &FILE].concat();
        let output = world.upstream.bench.run("fleetfix", args).success();
        assert!(output.stderr.contains(note), "{output}");
        let notes = output.json()["notes"].clone();
        assert_eq!(notes.as_array().unwrap().len(), 1, "{notes}");
        assert!(notes[0].as_str().unwrap().starts_with(note), "{notes}");
        let written = world.written();
        assert!(written.contains(&format!("# look at this: {note}")), "{written}");
        assert_eq!(written.lines().find(|line| line.starts_with("delivery")), delivery);
        assert!(!written.contains("the delivery differs"), "{written}");
    }
}

/// In an incident the fix is built before it is merged.
#[test]
fn a_commit_that_nobody_merged() {
    let mut world = World::new();
    world.git.checkout(&["-b", "hotfix", "release-4.20"]);
    let hotfix = world.git.commit("OCPBUGS-99: stop the bleeding");
    let commit = format!("4.20={hotfix}");
    let more = [
        "--minor-commit",
        &commit,
        "--platform",
        "KubeVirt",
        "--introduced",
        "4.20.1",
        "--fixed-in",
        "4.20.5",
    ];
    world.request(&[&FILE[..], &more].concat()).success();
    world.says(&[
        "OCPBUGS-99",
        "introduced: 4.20.1",
        "fixedIn: 4.20.5",
        "delivery: controlPlaneOperatorImage",
    ]);
    let request = world.written();
    assert!(!request.contains("pullRequests"), "{request}");
}

#[test]
fn what_cannot_be_derived_is_said() {
    let mut world = World::new();
    let nowhere = format!("4.20={}", "f".repeat(40));
    let table: [(&[&str], i32, &str); 7] = [
        (
            &["--pr", "999", "--platform", "AWS"],
            11,
            "#999 landed in no release branch that needs a fix",
        ),
        (&["--pr", "10", "--platform", "vmware"], 2, "expected one of AWS, Azure"),
        (&["--pr", "10"], 2, "--platform"),
        (&["--platform", "AWS"], 2, "--pr"),
        (&["--pr", "10", "--platform", "AWS", "--main", "trunk"], 11, "there is no branch trunk"),
        (&["--minor-commit", &nowhere, "--platform", "AWS"], 11, "the repository lacks"),
        (&["--pr", "10", "--platform", "AWS", "--valid-days", "0"], 2, "--valid-days"),
    ];
    for (more, code, says) in table {
        let output = world.request(&[&FILE[..], more].concat()).code(code);
        assert!(output.stderr.contains(says), "{more:?}: {output}");
        assert!(!world.upstream.bench.path("new.yaml").exists(), "{more:?}");
    }
    let output = world.request(&["--pr", "10", "--platform", "AWS"]).code(2);
    assert!(output.stderr.contains("name what to replace with --file"), "{output}");
    let image = format!("4.20={ORIGIN}/fixes@sha256:{}", "0".repeat(64));
    let output =
        world.request(&["--pr", "10", "--platform", "AWS", "--minor-image", &image]).code(2);
    assert!(output.stderr.contains("the fix has a line 4.21"), "{output}");

    // What is said of a line without a fix would be lost.
    let image = image.replace("4.20=", "4.19=");
    let there = "it has 4.20, 4.21";
    let table: [(&[&str], &[&str]); 5] = [
        (&["--introduced", "4.19.3"], &["--introduced 4.19.3", "no line 4.19", there]),
        (&["--fixed-in", "4.20.7,4.22.1"], &["--fixed-in 4.22.1", "no line 4.22", there]),
        (&["--minor-image", &image], &["--minor-image 4.19=", "no line 4.19", there]),
        (&["--introduced", "4.20.1,4.20.3"], &["--introduced 4.20.3: 4.20 is named twice"]),
        (&["--minor", "4.21", "--introduced", "4.20.1"], &["no line 4.20", "it has 4.21"]),
    ];
    for (more, says) in table {
        let file = if more[0] == "--minor-image" { &[][..] } else { &FILE[..] };
        let pr = ["--pr", "10", "--platform", "AWS"];
        let output = world.request(&[file, &pr, more].concat()).code(2);
        assert!(says.iter().all(|says| output.stderr.contains(says)), "{more:?}: {output}");
    }

    world.git.checkout(&["release-4.20"]);
    world.git.merge(20, "amir/other", "No ticket here");
    let pr = ["--pr", "20", "--platform", "AWS"];
    let output = world.request(&[&FILE[..], &pr].concat()).code(2);
    assert!(output.stderr.contains("name one with --ticket"), "{output}");
    let ticket = [&FILE[..], &pr, &["--ticket", "OCPBUGS-20"]].concat();
    world.request(&ticket).success();
    let output = world.request(&ticket).code(11);
    assert!(output.stderr.contains("new.yaml: is there already"), "{output}");
}

/// Nobody knows which line is the last of its major version: an upgrade may lead to either.
#[test]
fn the_first_line_of_the_next_major_version_follows_as_well() {
    let world = World::new();
    world.git.run(&["branch", "release-5.0", "main~1"]);
    let told = world.request(&[&FILE[..], &["--pr", "10", "--platform", "aws"]].concat());
    let told = told.success().json();
    assert_eq!(told["unaffected"], json!(["4.22"]));
    assert_eq!(told["notes"], json!(["5.0 has no backport, and upgrades from 4.21 lead to it"]));
}
