//! `fleetfix-plan` from outside: what it refuses, what it makes, and that it always makes the same.

mod active;
mod clusters;
mod defects;
mod finished;
mod graphs;
mod history;
mod mirrored;
mod released;
mod same;
mod traps;
pub(crate) mod upstream;
