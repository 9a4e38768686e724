//! `fleetfix-publish`: publishes a bundle to a fleet and moves its channel.

fn main() -> std::process::ExitCode {
    fleetfix_task::main::<fleetfix_publish::Args>()
}
