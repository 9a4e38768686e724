//! Layers, image and index editing, OCI layouts on disk; no network, no async, no clock.
//!
//! | module | what it holds |
//! |---|---|
//! | [`manifest`] | manifests, indexes and descriptors as they came |
//! | [`layout`] | an OCI image layout: one directory, one repository |
//! | [`checked`] | a reader that proves what it read |

pub mod checked;
mod error;
pub mod layout;
pub mod manifest;

pub use error::Error;
