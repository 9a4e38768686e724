//! cargo-deny: licences, sources, doubled and banned crates.

use crate::cache::{Cache, Inputs};
use crate::failure::Failure;
use crate::tools::{Tools, say};
use crate::workspace::Workspace;

const VERSION: &str = "0.20.2";

pub(super) fn program(
    workspace: &Workspace,
    cache: &Cache,
    tools: &mut Tools,
) -> Result<(), Failure> {
    let dir = cache.entry("cargo-deny", &Inputs::recipe(&[VERSION]), |dir| {
        say("building cargo-deny");
        // Its own build directory: the workspace's is locked by the build that runs beside us.
        workspace
            .cargo()
            .args([
                "install",
                "cargo-deny",
                "--locked",
                "--version",
                VERSION,
                "--profile",
                "dev",
                "--root",
            ])
            .args([dir])
            .env("CARGO_TARGET_DIR", dir.join("build"))
            .quiet()?;
        let build = dir.join("build");
        std::fs::remove_dir_all(&build).map_err(Failure::at(&build))
    })?;
    tools.insert("cargo-deny", dir.join("bin/cargo-deny"));
    Ok(())
}
