//! Histories that git itself made, and what git says of them.

#![expect(clippy::unwrap_used, clippy::indexing_slicing, reason = "helpers of tests")]

mod ancestry;
mod backport;
mod broken;
mod changed;
mod git;
mod places;
mod revert;
