//! Scripted servers for the tests of this crate.
