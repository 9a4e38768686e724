//! The README's first command, and what it leaves behind.

use std::fs;
use std::path::{Path, PathBuf};

use fleetfix_tests::binary::Workbench;
use fleetfix_tests::chain::Chain;
use fleetfix_tests::child;
use fleetfix_tests::keys::PASSWORD;
use fleetfix_tests::lab::Place;
use fleetfix_tests::tools::repository;
use fleetfix_tests::tree::files;
use serde_json::Value;

use crate::refusals::one_line;

#[test]
fn the_readme_starts_with_its_two_commands() {
    let readme = fs::read_to_string(repository().join("README.md")).unwrap();
    let blocks: Vec<&str> = readme.split("```").skip(1).step_by(2).collect();
    let block = |index: usize| blocks[index].split_once('\n').unwrap().1.trim();
    assert_eq!(block(0), "cargo run --package fleetfix -- demo");
    assert_eq!(block(1), "cargo xtask test");
}

/// The demo's directory, and the references that it names in its last line.
fn demo(bench: &Workbench) -> Value {
    let output = bench.run("fleetfix", ["demo", "--dir", "demo"]).success();
    let last = output.stdout.lines().last().unwrap();
    let result: Value =
        serde_json::from_str(last).unwrap_or_else(|error| panic!("{error}: {output}"));
    for field in ["root", "channel", "bundle", "image"] {
        assert!(result[field].is_string(), "no `{field}` in {result}");
    }
    result
}

#[test]
fn the_demo_leaves_references_that_verify() {
    let bench = Workbench::new();
    let result = demo(&bench);
    let text = |field: &str| result[field].as_str().unwrap();
    for what in ["channel", "bundle", "image"] {
        bench.run("fleetfix-verify", [what, text(what), "--root", text("root")]).success();
    }
    // Again in the same directory: the same, and still good.
    assert_eq!(demo(&bench), result);
}

/// The README's very words, and what the demo says to do next.
#[test]
fn the_demo_finds_a_directory_and_its_commands_work() {
    let bench = Workbench::new();
    std::fs::create_dir(bench.path("tmp")).unwrap();
    let tmp = bench.path("tmp").display().to_string();
    let bench = bench.with("TMPDIR", &tmp);
    let output = bench.run("fleetfix", ["demo"]).success();
    assert!(output.json()["dir"].as_str().unwrap().starts_with(&tmp), "{output}");
    let (_, after) = output.stdout.split_once("To go on").unwrap();
    let commands: Vec<&str> = after.lines().filter_map(|line| line.strip_prefix("  ")).collect();
    assert_eq!(commands.len(), 2, "{after}");
    for command in commands {
        let mut shell = child::command("sh", bench.dir());
        let output = child::run(shell.arg("-c").arg(command)).success();
        assert!(output.stdout.contains("verified"), "{output}");
    }
}

/// A directory of keys for `fleetfix build` from the keys of a chain.
fn keys(chain: &Chain, name: &str) -> String {
    let (dir, people) = (chain.lab.bench.path(name), &chain.people);
    fs::create_dir(&dir).unwrap();
    let [pat, quinn] = &people.publishers;
    for (name, key) in [
        ("root-olga", &people.root),
        ("policy-olga", &people.policy_owner),
        ("publisher-pat", pat),
        ("publisher-quinn", quinn),
        ("pause-pat", &people.pause),
        ("online", &people.online),
        ("release", &people.release),
        ("builder-laptop", &people.builder),
        ("approver-alice", &people.alice),
        ("approver-bob", &people.bob),
    ] {
        fs::copy(&key.private, dir.join(format!("{name}.key"))).unwrap();
    }
    fs::copy(&people.policy, dir.join("policy.yaml")).unwrap();
    name.to_owned()
}

#[test]
fn build_runs_the_chain_with_keys_of_people() {
    let chain = Chain::new(Place::Layout);
    let (bench, keys) = (&chain.lab.bench, keys(&chain, "keys"));
    fs::write(bench.path("password"), PASSWORD).unwrap();
    fs::write(bench.path("wrong"), "battery staple").unwrap();
    let build = |request: &str, dir: &str, keys: &str, password: &str| {
        let what = ["build", request, "--dir", dir, "--keys", keys];
        let how = ["--key-password-file", password, "--channel", "canary"];
        let mirror = chain.lab.mirror();
        let fleet = ["--fleet", "fleet.example/fixes", &mirror];
        bench.run("fleetfix", [&what[..], &how, &fleet].concat())
    };

    // What is wrong is said before anything is written.
    fs::create_dir(bench.path("few")).unwrap();
    one_line(&build("request.yaml", "made", "few", "password"), 11, "no policy.yaml");
    one_line(&build("request.yaml", "made", "none", "password"), 11, "none");
    fs::write(bench.path("half.yaml"), "apiVersion: fleetfix.openshift.io/v1alpha1\nkind: ")
        .unwrap();
    one_line(&build("half.yaml", "made", &keys, "password"), 11, "half.yaml");
    one_line(&build("none.yaml", "made", &keys, "password"), 11, "none.yaml");
    assert!(!bench.path("made").exists(), "something was written");

    // Nothing is signed with a password that is wrong, and the same directory is good after it.
    one_line(&build("request.yaml", "made", &keys, "wrong"), 11, "password");
    assert!(!bench.path("made/root.json").exists(), "a fleet was made");
    let result = build("request.yaml", "made", &keys, "password").success().json();
    let text = |field: &str| result[field].as_str().unwrap();
    for what in ["channel", "bundle", "image"] {
        bench.run("fleetfix-verify", [what, text(what), "--root", text("root")]).success();
    }
    let table = bench.run(
        "fleetfix-verify",
        ["channel", text("channel"), "--root", text("root"), "--output", "table"],
    );
    table.success().says("canary").says("alice").says("bob");
    // Again: the same, and no file of the fleet moves.
    let before = ["fleet", "tuf", "build"].map(|dir| files(&bench.path("made").join(dir)));
    assert_eq!(build("request.yaml", "made", &keys, "password").success().json(), result);
    let after = ["fleet", "tuf", "build"].map(|dir| files(&bench.path("made").join(dir)));
    assert!(before == after, "a file changed");
}

/// Files of blobs below a directory.
fn blobs(dir: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for entry in fs::read_dir(dir).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            found.extend(blobs(&path));
        } else if path.parent().is_some_and(|parent| parent.ends_with("blobs/sha256")) {
            found.push(path);
        }
    }
    found.sort();
    found
}

#[test]
fn no_changed_byte_of_the_fleet_is_accepted() {
    let bench = Workbench::new();
    let result = demo(&bench);
    let text = |field: &str| result[field].as_str().unwrap();
    let verify =
        || bench.run("fleetfix-verify", ["channel", text("channel"), "--root", text("root")]);
    // Every blob is named by its digest, and none is read as what it is before that was compared.
    let refused = |blob: &Path, what: &str| {
        let (output, digest) = (verify().code(10), blob.file_name().unwrap().to_str().unwrap());
        let error = output.stderr.lines().last().unwrap();
        assert!(error.contains(digest), "{digest}, {what}: {output}");
    };
    verify().success();
    let blobs = blobs(&bench.path("demo/fleet"));
    assert!(blobs.len() > 20, "{} blobs are no fleet", blobs.len());
    let mut tried = 0;
    for blob in &blobs {
        let good = fs::read(blob).unwrap();
        let last = good.len() - 1;
        for (at, flip) in [(0, 0x20), (last / 3, 1), (last / 2, 0x80), (last, 1)] {
            let mut bad = good.clone();
            bad[at] ^= flip;
            fs::write(blob, &bad).unwrap();
            refused(blob, &format!("changed at {at}"));
            tried += 1;
        }
        fs::write(blob, &good[..last]).unwrap();
        refused(blob, "cut short");
        fs::write(blob, &good).unwrap();
    }
    verify().success();
    eprintln!("{tried} changed bytes in {} blobs: all refused", blobs.len());
}
