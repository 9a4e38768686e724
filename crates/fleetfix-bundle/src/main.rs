//! `fleetfix-bundle`.

fn main() -> std::process::ExitCode {
    fleetfix_task::main::<fleetfix_bundle::Args>()
}
