//! `cargo xtask`: the one door for developers. `cargo xtask help` lists what is behind it.
#![expect(
    clippy::print_stdout,
    clippy::print_stderr,
    reason = "a developer's tool talks to people"
)]

mod bench;
mod cache;
mod command;
mod failure;
mod lints;
mod tally;
mod tests;
mod tools;
mod workspace;

use std::process::ExitCode;

use failure::Failure;
use workspace::Workspace;

const HELP: &str = "\
usage: cargo xtask COMMAND

  test    fetch tools, run the lints and every test, as root; ends with `N passed, N failed`,
          before it what could not be checked (advisories, where their database is not to be had)
  ci      the lints: formatting, clippy, rustdoc, cargo-deny, crate arrows, generated files; ends
          with what could not be checked, as `test` does
  tools   fetch only: what tests run against, into FLEETFIX_CACHE (default ~/.cache/fleetfix)
  bench   measure; `cargo xtask bench help` lists what
";

fn main() -> ExitCode {
    let args: Vec<String> = std::env::args().skip(1).collect();
    match run(&args) {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => failure.report(),
    }
}

fn run(args: &[String]) -> Result<(), Failure> {
    match args.first().map(String::as_str) {
        Some("test") => tests::run(&Workspace::find()?),
        Some("ci") => lints::run(&Workspace::find()?),
        Some("tools") => tools::fetch(&Workspace::find()?).map(drop),
        Some("bench") => bench::run(args.get(1..).unwrap_or_default()),
        Some("help" | "--help" | "-h") => {
            print!("{HELP}");
            Ok(())
        }
        Some(other) => Err(Failure::usage(format!("no command `{other}`\n{HELP}"))),
        None => Err(Failure::usage(format!("no command given\n{HELP}"))),
    }
}
