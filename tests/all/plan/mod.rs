//! `fleetfix-plan` from outside: what it refuses, what it makes, and that it always makes the same.

mod active;
mod defects;
mod history;
mod mirrored;
mod same;
mod traps;
pub(crate) mod upstream;
