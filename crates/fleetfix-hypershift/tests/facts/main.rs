//! The rules, each against the fact that it is there for.
//!
//! `defects`: what went wrong in the history of HyperShift's overrides. `traps`: how HyperShift takes
//! an image in ways that one would not expect. Each is refused, with what, where and what to do, and
//! passes once it is mended.

#![expect(clippy::unwrap_used, clippy::indexing_slicing, reason = "a failure is a failed test")]

mod coverage;
mod defects;
mod graph;
mod support;
mod traps;
