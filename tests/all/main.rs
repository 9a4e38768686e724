//! Every test that needs more than one crate.

#![expect(
    clippy::expect_used,
    clippy::unwrap_used,
    clippy::indexing_slicing,
    reason = "a panic is how a test says that it failed"
)]

mod bases;
mod cli;
mod crash;
mod demo;
mod deps;
mod faults;
mod fleet;
mod harness;
mod overrides;
mod parity;
mod patched;
mod plan;
mod progress;
mod published;
mod refusals;
mod request;
mod same;
mod signatures;
mod tuf;
