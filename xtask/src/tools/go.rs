//! Go programs, each from its own checked-in `go.mod` and `go.sum`.

use std::path::Path;

use crate::cache::{Cache, Inputs};
use crate::command::Command;
use crate::failure::Failure;
use crate::tools::{Tools, say};
use crate::workspace::Workspace;

/// A program from `tests/tools/<module>`.
struct Program {
    name: &'static str,
    module: &'static str,
    /// What is built: the module's `tool`, or the module itself.
    package: &'static str,
    tags: &'static str,
}

/// Only benches compare with it.
const PEERS: &[Program] = &[Program {
    name: "regctl",
    module: "regctl",
    package: "github.com/regclient/regclient/cmd/regctl",
    tags: "",
}];

/// Small ones first, so that a mistake shows early.
const PROGRAMS: &[Program] = &[
    Program {
        name: "olareg",
        module: "olareg",
        package: "github.com/olareg/olareg/cmd/olareg",
        tags: "",
    },
    Program { name: "go-tuf", module: "go-tuf", package: ".", tags: "" },
    Program { name: "oras", module: "oras", package: "oras.land/oras/cmd/oras", tags: "" },
    Program {
        name: "crane",
        module: "crane",
        package: "github.com/google/go-containerregistry/cmd/crane",
        tags: "",
    },
    Program {
        name: "skopeo",
        module: "skopeo",
        package: "github.com/containers/skopeo/cmd/skopeo",
        // Without C libraries for signatures by GnuPG and for local storage.
        tags: "containers_image_openpgp exclude_graphdriver_btrfs exclude_graphdriver_devicemapper",
    },
    Program {
        name: "distribution",
        module: "distribution",
        package: "github.com/distribution/distribution/v3/cmd/registry",
        tags: "",
    },
    Program {
        name: "cosign",
        module: "cosign",
        package: "github.com/sigstore/cosign/v3/cmd/cosign",
        tags: "",
    },
];

/// The component that the tests patch: as released and as fixed, for two architectures.
const COMPONENTS: &[(&str, &str, &str)] = &[
    ("component-base-amd64", "base", "amd64"),
    ("component-base-arm64", "base", "arm64"),
    ("component-fixed-amd64", "fixed", "amd64"),
    ("component-fixed-arm64", "fixed", "arm64"),
];

pub(crate) const LINK: &str = "-s -w";

pub(super) fn programs(
    workspace: &Workspace,
    cache: &Cache,
    tools: &mut Tools,
) -> Result<(), Failure> {
    for (name, version, arch) in COMPONENTS {
        let module = workspace.path("tests/tools/component");
        let flags = format!("{LINK} -X main.version={version}");
        let inputs = Inputs::recipe(&[&flags, arch]).directory(&module)?;
        let dir = cache.entry(name, &inputs, |dir| {
            let go = go(&module, &flags, "", ".", &dir.join("control-plane-operator"));
            go.env("GOARCH", arch).env("CGO_ENABLED", "0").quiet().map(drop)
        })?;
        tools.insert(name, dir.join("control-plane-operator"));
    }
    PROGRAMS.iter().try_for_each(|program| build(workspace, cache, program, tools))
}

/// The programs of these names, be they for tests or for benches.
pub(super) fn some(
    workspace: &Workspace,
    cache: &Cache,
    names: &[&str],
    tools: &mut Tools,
) -> Result<(), Failure> {
    let mut wanted = PROGRAMS.iter().chain(PEERS).filter(|program| names.contains(&program.name));
    wanted.try_for_each(|program| build(workspace, cache, program, tools))
}

fn build(
    workspace: &Workspace,
    cache: &Cache,
    program: &Program,
    tools: &mut Tools,
) -> Result<(), Failure> {
    let module = workspace.path("tests/tools").join(program.module);
    let inputs = Inputs::recipe(&[LINK, program.package, program.tags]).directory(&module)?;
    let dir = cache.entry(program.name, &inputs, |dir| {
        say(&format!("building {}", program.name));
        go(&module, LINK, program.tags, program.package, &dir.join(program.name)).quiet().map(drop)
    })?;
    tools.insert(program.name, dir.join(program.name));
    Ok(())
}

/// `go build` of a package in a module.
pub(crate) fn go(module: &Path, link: &str, tags: &str, package: &str, out: &Path) -> Command {
    Command::new("go")
        .directory(module)
        .env("GOFLAGS", "-mod=readonly -buildvcs=false")
        .env("GOWORK", "off")
        .env("GOOS", "linux")
        .args(["build", "-trimpath", "-ldflags", link, "-tags", tags, "-o"])
        .args([out.as_os_str(), package.as_ref()])
}
