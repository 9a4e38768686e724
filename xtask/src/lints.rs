//! What must hold before any test runs.

use std::path::Path;

use crate::command::Command;
use crate::failure::Failure;
use crate::tools;
use crate::workspace::Workspace;

/// A lint's name and what came of it.
pub(crate) type Result = std::result::Result<(), Failure>;

/// `cargo xtask ci`: every lint, the fast ones first. All run, so that one run shows all.
pub(crate) fn run(workspace: &Workspace) -> Result {
    let tools = std::thread::scope(|scope| {
        let tools = scope.spawn(|| tools::fetch(workspace));
        let lints = source(workspace);
        (lints, tools.join().unwrap_or_else(|_| Err(Failure::new("tools: the thread panicked"))))
    });
    let (mut failed, tools) = tools;
    failed.extend(dependencies(workspace, &tools?));
    // `cargo xtask test` has these among its tests.
    failed.extend(check("crate arrows", || one_test(workspace, "fleetfix-tests", "all", "deps::")));
    failed
        .extend(check("generated files", || one_test(workspace, "fleetfix-model", "schemas", "")));
    verdict(&failed)
}

/// Formatting, clippy, rustdoc. Returns the names of those that failed.
pub(crate) fn source(workspace: &Workspace) -> Vec<&'static str> {
    [
        check("formatting", || workspace.cargo().args(["fmt", "--all", "--check"]).show()),
        check("clippy", || {
            let clippy =
                workspace.cargo().args(["clippy", "--workspace", "--all-targets", "--locked"]);
            clippy.args(["--", "--deny", "warnings"]).show()
        }),
        check("rustdoc", || {
            let doc = workspace.cargo().args(["doc", "--workspace", "--no-deps", "--locked"]);
            doc.args(["--document-private-items"]).env("RUSTDOCFLAGS", "--deny warnings").show()
        }),
    ]
    .into_iter()
    .flatten()
    .collect()
}

/// cargo-deny over the checked-in `deny.toml`.
pub(crate) fn dependencies(workspace: &Workspace, tools: &tools::Tools) -> Option<&'static str> {
    check("cargo-deny", || {
        let program =
            tools.get("cargo-deny").ok_or_else(|| Failure::new("cargo-deny: not fetched"))?;
        let deny = |program: &Path| {
            let manifest = workspace.path("Cargo.toml");
            Command::new(program).args(["--manifest-path".as_ref(), manifest.as_os_str()])
        };
        deny(program).args(["check", "bans", "licenses", "sources"]).show()?;
        // The database of advisories comes from a host that is not everywhere to be had.
        if deny(program).args(["fetch", "db"]).quiet().is_err() {
            println!(
                "NOT CHECKED: advisories of dependencies (their database cannot be fetched from here)"
            );
            return Ok(());
        }
        deny(program).args(["check", "--disable-fetch", "advisories"]).show()
    })
}

fn one_test(workspace: &Workspace, package: &str, target: &str, filter: &str) -> Result {
    workspace
        .cargo()
        .args(["test", "--quiet", "--locked", "--package", package, "--test", target, filter])
        .show()
}

/// Says a lint's name before it runs and its failure after; `Some(name)` if it failed.
fn check(name: &'static str, lint: impl FnOnce() -> Result) -> Option<&'static str> {
    println!("lint: {name}");
    let failure = lint().err()?;
    println!("lint: {name}: FAILED: {failure}");
    Some(name)
}

/// An error that names all that failed.
pub(crate) fn verdict(failed: &[&str]) -> Result {
    if failed.is_empty() {
        Ok(())
    } else {
        Err(Failure::new(format!("lints failed: {}", failed.join(", "))))
    }
}
