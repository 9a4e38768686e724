//! `overrides.yaml` and its kin: what HyperShift's own code makes of what we write.

mod clusters;
mod linted;
mod real;
mod rendered;

use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::Command;

use fleetfix_tests::child::{self, Output};
use fleetfix_tests::tools::tool;

const PACKAGE: &str =
    "github.com/openshift/hypershift/hypershift-operator/controlplaneoperator-overrides";

/// HyperShift's package, with some file in the place of its own.
struct HyperShift {
    dir: PathBuf,
    home: PathBuf,
}

impl HyperShift {
    /// Works in `home`.
    fn new(home: &Path) -> Self {
        Self { dir: tool("hypershift"), home: home.to_owned() }
    }

    /// Its own `overrides.yaml`.
    fn own_file(&self) -> PathBuf {
        self.dir.join("module/vendor").join(PACKAGE).join("assets/overrides.yaml")
    }

    /// The package's own tests, with `file` embedded.
    fn tests(&self, file: &Path) -> Output {
        let overlay = self.overlay(file);
        child::run(
            self.go()
                .args(["test", "-vet=off", "-count=1", "-v", "-overlay"])
                .arg(overlay)
                .arg(PACKAGE),
        )
    }

    /// What the package's look-up says with `file` embedded: a line for each question,
    /// `PLATFORM VERSION` or `testing PLATFORM`. `-` is the payload's image.
    fn answers(&self, file: &Path, questions: &[String]) -> Vec<String> {
        let program = self.home.join("look-up");
        let overlay = self.overlay(file);
        child::run(
            self.go().args(["build", "-overlay"]).arg(overlay).arg("-o").arg(&program).arg("."),
        )
        .success();
        let path = self.home.join("questions");
        fs::write(&path, questions.join("\n")).unwrap();
        let mut command = child::command(&program, &self.home);
        command.stdin(File::open(&path).unwrap());
        let answers: Vec<String> =
            child::run(&mut command).success().stdout.lines().map(str::to_owned).collect();
        assert_eq!(answers.len(), questions.len());
        answers
    }

    /// Applies a JSON Patch as the Kubernetes API server does.
    fn patch(&self, object: &Path, patch: &Path) -> Output {
        child::run(
            child::command(self.dir.join("module/look-up"), &self.home).arg(object).arg(patch),
        )
    }

    fn overlay(&self, file: &Path) -> PathBuf {
        let path = self.home.join("overlay.json");
        let file = file.canonicalize().unwrap();
        let replace = serde_json::json!({"Replace": {self.own_file().to_str().unwrap(): file}});
        fs::write(&path, replace.to_string()).unwrap();
        path
    }

    /// Go without the internet: sources are vendored, and what was built stays in the cache.
    fn go(&self) -> Command {
        let mut go = child::command("go", &self.home);
        go.current_dir(self.dir.join("module"))
            .env("GOFLAGS", "-mod=vendor -buildvcs=false -trimpath")
            .env("GOCACHE", self.dir.join("gocache"))
            .env("GOPATH", self.home.join("go"))
            .env("GOPROXY", "off")
            .env("GOTOOLCHAIN", "local")
            .env("GOWORK", "off");
        go
    }
}

/// Platform, version and image of each entry, in the order of the file. A second reader beside ours:
/// line by line, for the form that HyperShift's file has.
fn entries(text: &str) -> Vec<(String, String, String)> {
    let (mut platform, mut version, mut entries) = (String::new(), String::new(), Vec::new());
    for line in text.lines().map(str::trim).filter(|line| !line.starts_with('#')) {
        match line.trim_start_matches("- ").split_once(':') {
            Some((key @ ("aws" | "azure"), "")) => key.clone_into(&mut platform),
            Some(("version", value)) => value.trim().clone_into(&mut version),
            Some(("cpoImage", value)) => {
                entries.push((platform.clone(), version.clone(), value.trim().to_owned()));
            }
            _ => {}
        }
    }
    entries
}
