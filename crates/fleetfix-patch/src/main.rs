//! `fleetfix-patch`.

fn main() -> std::process::ExitCode {
    fleetfix_task::main::<fleetfix_patch::Args>()
}
