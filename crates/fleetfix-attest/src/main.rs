//! `fleetfix-attest`.

fn main() -> std::process::ExitCode {
    fleetfix_task::main::<fleetfix_attest::Args>()
}
