//! `fleetfix`: the tool for people.

fn main() -> std::process::ExitCode {
    fleetfix_task::main::<fleetfix::Args>()
}
