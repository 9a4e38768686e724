//! HyperShift's package that embeds `overrides.yaml`, with all that it needs to be built and tested
//! again with another file in the place of its own: its sources, its dependencies and a build cache.
//! Tests build it without the internet.

use std::fs;
use std::path::Path;

use crate::cache::{Cache, Inputs};
use crate::command::Command;
use crate::failure::Failure;
use crate::tools::{Tools, say};
use crate::workspace::Workspace;

const MODULE: &str = "github.com/openshift/hypershift";
const PACKAGE: &str = "hypershift-operator/controlplaneoperator-overrides";

/// What vendoring leaves out because only the package's own tests use it.
const TEST_FILES: [&str; 2] = ["overrides_test.go", "assets/overrides_sample.yaml"];

/// Paths do not count, so that what was built here is found again after the directory took its name.
const FLAGS: &str = "-mod=vendor -buildvcs=false -trimpath";

pub(super) fn package(
    workspace: &Workspace,
    cache: &Cache,
    tools: &mut Tools,
) -> Result<(), Failure> {
    let source = workspace.path("tests/tools/hypershift");
    let inputs = Inputs::recipe(&[MODULE, PACKAGE, FLAGS]).directory(&source)?;
    let dir = cache.entry("hypershift", &inputs, |dir| {
        say("building hypershift's overrides");
        let module = dir.join("module");
        fs::create_dir(&module).map_err(Failure::at(&module))?;
        for file in ["go.mod", "go.sum", "main.go", "gomega.go"] {
            copy(&source.join(file), &module.join(file))?;
        }
        let in_module = |flags: &str| {
            let go = Command::new("go").directory(&module);
            go.env("GOFLAGS", flags).env("GOWORK", "off")
        };
        let online = "-mod=readonly -buildvcs=false";
        in_module(online).args(["mod", "vendor"]).quiet()?;
        let found = in_module(online).args(["list", "-m", "-f", "{{.Dir}}", MODULE]).quiet()?;
        let found = String::from_utf8_lossy(&found);
        let from = Path::new(found.trim()).join(PACKAGE);
        let vendored = module.join("vendor").join(MODULE).join(PACKAGE);
        for file in TEST_FILES {
            copy(&from.join(file), &vendored.join(file))?;
        }
        let build = |args: &[&str]| {
            let go = in_module(FLAGS).env("GOCACHE", dir.join("gocache")).env("GOPROXY", "off");
            go.args(args).quiet().map(drop)
        };
        build(&["test", "-vet=off", &format!("{MODULE}/{PACKAGE}")])?;
        build(&["build", "-o", "look-up", "."])
    })?;
    tools.insert("hypershift", dir);
    Ok(())
}

/// The module cache is read-only; what is copied out of it is not.
fn copy(from: &Path, to: &Path) -> Result<(), Failure> {
    let bytes = fs::read(from).map_err(Failure::at(from))?;
    fs::write(to, bytes).map_err(Failure::at(to))
}
