//! Finished images: what they say of themselves counts, not what the request says of them.

use super::history::{World, request_for, world};
use super::upstream::{FIX, Image, Upstream, but, finished, not_made, refused, request, waiving};

const AFFECTED: &str = "{platform: AWS, introduced: 4.20.5, fixedIn: 4.20.6}";
const ID: &str = "image/4.20/commit";

#[test]
fn an_image_of_another_commit_than_the_request_says() {
    let upstream = Upstream::with(&["4.20.5"]);
    let other = "b".repeat(40);
    let image = upstream.fix(Image::new("fix", &other));
    let wrong = finished(&request(AFFECTED), &image);
    let says = ["was built from bbbb", "and the request says aaaa"];
    refused(upstream.plan(&wrong, &[]), ID, &says);
    // What goes into attestations is what the image says, and nobody approves a plan of another commit
    // than its request's: there is nothing to waive.
    refused(upstream.plan(&waiving(&wrong, ID), &[]), ID, &["no waiver helps"]);
    upstream.plan(&but(&wrong, FIX, &other), &[]).success();
    assert_eq!(upstream.written()["fixes"][0]["commit"], other);
    // Nobody needs to say it twice.
    let unnamed = but(&wrong, &format!("  commit: {FIX}\n"), "");
    upstream.plan(&unnamed, &[]).success();
    assert_eq!(upstream.written()["fixes"][0]["commit"], other);
}

/// The request names a good commit, and the image was built from an older one.
#[test]
fn ancestry_is_that_of_the_image() {
    let World { upstream, hotfix, fix, .. } = world();
    let given = ["--git", "source"];
    let good = upstream.fix(Image::new("good", &fix));
    upstream.plan(&finished(&request_for(&fix), &good), &given).success();
    let old = upstream.fix(Image::new("old", &hotfix));
    let wrong = waiving(&finished(&request_for(&fix), &old), ID);
    refused(upstream.plan(&wrong, &given), "ancestry/4.20/7110", &["is not in the fix's commit"]);
}

#[test]
fn an_image_that_does_not_say_its_commit() {
    let World { upstream, fix, .. } = world();
    let image = upstream.fix(Image::new("fix", ""));
    let request = finished(&request_for(&fix), &image);
    upstream.plan(&request, &["--git", "source"]).success();
    let why = not_made(&upstream.written(), ID).unwrap();
    assert!(why.contains("nobody checked which commit it was built from"), "{why}");
    // Then somebody has to say it: the merge of the pull request says nothing of the image.
    let unnamed = but(&request, &format!("  commit: {fix}\n"), "");
    refused(upstream.plan(&unnamed, &["--git", "source"]), "downgrade/4.20/no-commit", &[]);
}

/// Files that lie beside the request say what they are built for.
#[test]
fn a_program_for_another_architecture() {
    let upstream = Upstream::with(&["4.20.5"]);
    for architecture in ["amd64", "arm64"] {
        let program = fleetfix_tests::base::program("fixed", architecture);
        std::fs::write(upstream.bench.path(architecture), program).unwrap();
    }
    let with = |from: &str| but(&request(AFFECTED), "from: app", &format!("from: '{from}'"));
    upstream.plan(&with("{arch}"), &[]).success();
    let why = not_made(&upstream.written(), "parity").unwrap();
    // These programs name no commit.
    let held = "held against their architecture only, because the fix or the program names no commit: 4.20 /usr/bin/app (amd64), 4.20 /usr/bin/app (arm64)";
    assert!(why.contains(held), "{why}");
    assert!(why.contains("are compared when images are patched"), "{why}");
    let id = "parity/architecture";
    let says = ["4.20 /usr/bin/app (arm64): it is a program for amd64", "no waiver helps"];
    refused(upstream.plan(&waiving(&with("amd64"), id), &[]), id, &says);

    let image = upstream.fix(Image::new("fix", FIX));
    upstream.plan(&finished(&request(AFFECTED), &image), &[]).success();
    let why = not_made(&upstream.written(), "parity").unwrap();
    assert!(why.contains("nobody read the programs in the finished image of 4.20"), "{why}");
}

/// What was not looked at is not said to have been.
#[test]
fn files_that_are_no_programs() {
    let upstream = Upstream::with(&["4.20.5"]);
    let places = "4.20 /usr/bin/app (amd64), 4.20 /usr/bin/app (arm64)";
    for (content, held) in [("fixed", "no programs"), ("\u{7f}ELF", "cannot be read")] {
        upstream.file("app", content);
        upstream.plan(&request(AFFECTED), &[]).success();
        let why = not_made(&upstream.written(), "parity").unwrap();
        assert!(why.contains(&format!("{held}: {places}")), "{why}");
        assert!(!why.contains("the fix's commit"), "{why}");
    }
}

/// Go's linker says that files were changed: of which source it was made nobody can tell.
#[test]
fn a_program_of_files_that_are_in_no_commit() {
    let upstream = Upstream::with(&["4.20.5"]);
    let (said, changed) = (
        b"build\t-trimpath=true\nbuild\tCGO_ENABLED=0\n",
        b"build\tvcs.modified=true\nbuild\t-trimpath=\n",
    );
    for architecture in ["amd64", "arm64"] {
        let mut program = fleetfix_tests::base::program("fixed", architecture);
        let all: Vec<usize> =
            (0..program.len()).filter(|at| program[*at..].starts_with(said)).collect();
        assert!(!all.is_empty(), "the program's build information has other settings");
        for at in all {
            program[at..at + said.len()].copy_from_slice(changed);
        }
        std::fs::write(upstream.bench.path(architecture), program).unwrap();
    }
    let request = but(&request(AFFECTED), "from: app", "from: '{arch}'");
    let id = "parity/modified";
    let says = ["4.20 /usr/bin/app (amd64): it was built from files that were changed since"];
    refused(upstream.plan(&request, &[]), id, &says);
    upstream.plan(&waiving(&request, id), &[]).success();
}
