//! `fleetfix-plan`: see the library.

fn main() -> std::process::ExitCode {
    fleetfix_task::main::<fleetfix_plan::Args>()
}
