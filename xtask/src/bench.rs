//! `cargo xtask bench`: measurements against stated targets. No test runs them; `docs/bench.md` says
//! how they measure.

mod machine;
mod patch;
mod plan;
mod process;
mod statistics;

use crate::failure::Failure;
use crate::workspace::Workspace;

const HELP: &str = "\
usage: cargo xtask bench NAME [OPTIONS]

  patch   a fix for an image: fleetfix-patch and its peers in turn on the same work
  plan    a large update graph and many payloads: fleetfix-plan
";

pub(crate) fn run(args: &[String]) -> Result<(), Failure> {
    let (name, rest) = match args.split_first() {
        Some((name, rest)) => (Some(name.as_str()), rest),
        None => (None, args),
    };
    match name {
        Some("patch") => patch::run(&Workspace::find()?, rest),
        Some("plan") => plan::run(&Workspace::find()?, rest),
        Some("help" | "--help" | "-h") => {
            print!("{HELP}");
            Ok(())
        }
        Some(other) => Err(Failure::usage(format!("no bench `{other}`\n{HELP}"))),
        None => Err(Failure::usage(format!("no bench named\n{HELP}"))),
    }
}
