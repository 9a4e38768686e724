//! `fleetfix-sign`.

fn main() -> std::process::ExitCode {
    fleetfix_task::main::<fleetfix_sign::Args>()
}
