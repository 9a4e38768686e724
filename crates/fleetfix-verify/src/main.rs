//! `fleetfix-verify`.

fn main() -> std::process::ExitCode {
    fleetfix_task::main::<fleetfix_verify::Args>()
}
