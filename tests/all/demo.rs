//! The README's first command, and what it leaves behind.

use std::fs;
use std::path::{Path, PathBuf};

use fleetfix_tests::binary::Workbench;
use fleetfix_tests::tools::repository;
use serde_json::Value;

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
            let output = verify();
            let refused =
                matches!(output.code, Some(10 | 11)) && !output.stderr.contains("panicked");
            assert!(refused, "{} at {at}: {output}", blob.display());
            tried += 1;
        }
        fs::write(blob, &good[..last]).unwrap();
        assert!(matches!(verify().code, Some(10 | 11)), "{} cut short", blob.display());
        fs::write(blob, &good).unwrap();
    }
    verify().success();
    eprintln!("{tried} changed bytes in {} blobs: all refused", blobs.len());
}
