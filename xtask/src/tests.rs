//! `cargo xtask test`: tools and build beside each other, then lints, then every test.

use std::thread;

use crate::command::is_root;
use crate::failure::Failure;
use crate::lints;
use crate::tally::Tally;
use crate::tools;
use crate::workspace::Workspace;

pub(crate) fn run(workspace: &Workspace) -> Result<(), Failure> {
    let (mut tally, mut not_checked) = (Tally::default(), Vec::new());
    let result = everything(workspace, &mut tally, &mut not_checked);
    for what in &not_checked {
        println!("{what}");
    }
    if let Err(failure) = &result {
        eprintln!("error: {failure}");
        tally.failed = tally.failed.max(1);
    }
    // The last line of output: what reads it reads no further.
    println!("{tally}");
    match result {
        Ok(()) if tally.is_good() => Ok(()),
        Ok(()) => Err(Failure::new("tests failed, or none ran").said()),
        Err(failure) => Err(failure.said()),
    }
}

fn everything(
    workspace: &Workspace,
    tally: &mut Tally,
    not_checked: &mut Vec<String>,
) -> Result<(), Failure> {
    // Said before the build, not by tests half an hour later.
    if !is_root() {
        return Err(Failure::new("tests unpack images as they are: run them as root"));
    }
    let (lints, tools) = thread::scope(|scope| {
        let tools = scope.spawn(|| tools::fetch(workspace));
        let lints = build(workspace).map(|()| lints::source(workspace));
        (lints, tools.join().unwrap_or_else(|_| Err(Failure::new("tools: the thread panicked"))))
    });
    let mut failed = lints?;
    failed.extend(lints::dependencies(workspace, &tools?, not_checked));
    let test = workspace.cargo().args(["test", "--workspace", "--locked", "--no-fail-fast"]);
    let ended_well = test.lines(|line| {
        println!("{line}");
        tally.line(line);
    })?;
    if !ended_well {
        // A test binary that dies leaves no result line.
        tally.failed = tally.failed.max(1);
    }
    lints::verdict(&failed)
}

/// The programs that tests start, and the tests: at once, so that both share what they depend on.
fn build(workspace: &Workspace) -> Result<(), Failure> {
    workspace.cargo().args(["build", "--workspace", "--locked", "--bins", "--tests"]).show()
}
