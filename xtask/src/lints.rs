//! What must hold before any test runs.

use std::path::Path;

use crate::command::Command;
use crate::failure::Failure;
use crate::tally::Tally;
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
    let mut not_checked = Vec::new();
    failed.extend(dependencies(workspace, &tools?, &mut not_checked));
    // `cargo xtask test` has these among its tests.
    failed.extend(check("crate arrows", || one_test(workspace, "fleetfix-tests", "all", "deps::")));
    failed
        .extend(check("generated files", || one_test(workspace, "fleetfix-model", "schemas", "")));
    for what in &not_checked {
        println!("{what}");
    }
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

/// cargo-deny over the checked-in `deny.toml`. What could not be checked is said in `not_checked`,
/// to be repeated where people look.
pub(crate) fn dependencies(
    workspace: &Workspace,
    tools: &tools::Tools,
    not_checked: &mut Vec<String>,
) -> Option<&'static str> {
    check("cargo-deny", || {
        let program =
            tools.get("cargo-deny").ok_or_else(|| Failure::new("cargo-deny: not fetched"))?;
        let deny = |program: &Path| {
            let manifest = workspace.path("Cargo.toml");
            Command::new(program).args(["--manifest-path".as_ref(), manifest.as_os_str()])
        };
        deny(program).args(["check", "bans", "licenses", "sources"]).show()?;
        // The database of advisories comes from a host that is not everywhere to be had.
        if let Err(failure) = deny(program).args(["fetch", "db"]).quiet() {
            let why = failure.to_string();
            let last = why.lines().rfind(|line| !line.trim().is_empty()).unwrap_or_default();
            let what = "NOT CHECKED: advisories of dependencies: no database to hold them against";
            not_checked.push(format!("{what}: {}", last.trim()));
            return Ok(());
        }
        deny(program).args(["check", "--disable-fetch", "advisories"]).show()
    })
}

fn one_test(workspace: &Workspace, package: &str, target: &str, filter: &str) -> Result {
    let args = ["test", "--quiet", "--locked", "--package", package, "--test", target, filter];
    let mut tally = Tally::default();
    let ended_well = workspace.cargo().args(args).lines(|line| {
        println!("{line}");
        tally.line(line);
    })?;
    // A filter that matches nothing is a lint that checks nothing.
    if ended_well && tally.is_good() {
        return Ok(());
    }
    Err(Failure::new(format!("{package}, {target} {filter}: {tally}")))
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
