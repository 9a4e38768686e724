//! Seeds and findings, without a fuzzer.

use std::fs;
use std::path::{Path, PathBuf};

use super::TARGETS;

fn seeds(target: &str) -> Vec<(PathBuf, Vec<u8>)> {
    let dir = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../fuzz/seeds").join(target);
    let entries = fs::read_dir(&dir).unwrap_or_else(|error| panic!("{}: {error}", dir.display()));
    let mut seeds: Vec<_> = entries
        .map(|entry| entry.unwrap().path())
        .map(|path| (path.clone(), fs::read(path).unwrap()))
        .collect();
    seeds.sort();
    seeds
}

fn replay(name: &str) {
    let (_, target) = TARGETS.iter().find(|(target, _)| *target == name).unwrap();
    let seeds = seeds(name);
    assert!(seeds.len() >= 3, "{name}: {} seeds", seeds.len());
    for (path, bytes) in seeds {
        assert!(bytes.len() <= 64 << 10, "{} is too large to be checked in", path.display());
        // The test's output names the seed that a panic is about.
        eprintln!("{}", path.display());
        target(&bytes);
    }
}

#[test]
fn tar() {
    replay("tar");
}

#[test]
fn layer() {
    replay("layer");
}

#[test]
fn manifest() {
    replay("manifest");
}

#[test]
fn index() {
    replay("index");
}

#[test]
fn config() {
    replay("config");
}

#[test]
fn elf() {
    replay("elf");
}

#[test]
fn every_target_has_a_fuzzer_and_no_seed_is_without_a_target() {
    let fuzz = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../fuzz");
    let names = |dir: &str, suffix: &str| {
        let entries = fs::read_dir(fuzz.join(dir)).unwrap();
        let mut names: Vec<String> = entries
            .map(|entry| entry.unwrap().file_name().into_string().unwrap())
            .map(|name| name.strip_suffix(suffix).unwrap_or(&name).to_owned())
            .collect();
        names.sort();
        names
    };
    let mut expected: Vec<String> = TARGETS.iter().map(|(name, _)| (*name).to_owned()).collect();
    expected.sort();
    assert_eq!(names("seeds", ""), expected);
    assert_eq!(names("fuzz_targets", ".rs"), expected);
}
