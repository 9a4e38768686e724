//! What the tests of several crates need, written once. For development only: no product crate
//! depends on it outside of its tests.

pub mod base;
pub mod git;
pub mod registry;
