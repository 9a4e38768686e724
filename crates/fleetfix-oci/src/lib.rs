//! Layers, image and index editing, OCI layouts on disk; no network, no async, no clock.
//!
//! | module | what it holds |
//! |---|---|
//! | [`manifest`] | manifests, indexes and descriptors as they came |
//! | [`config`] | the configuration of an image |
//! | [`edit`] | a patched image as edits of its base's JSON |
//! | [`layout`] | an OCI image layout: one directory, one repository |
//! | [`tree`] | the base image as a tree, read from the top layer down |
//! | [`change`] | what a patch does to a base, and the entries that come of it |
//! | [`layer`] | writes the layer of a patch |
//! | [`segments`] | bytes in pieces that are read as one |
//! | [`metadata`] | what a layer says about a file beside its content |
//! | [`kept`] | files of a cache that can be believed |
//! | [`checked`] | a reader that proves what it read |

pub mod change;
pub mod checked;
pub mod config;
pub mod edit;
mod error;
pub mod kept;
pub mod layer;
pub mod layout;
mod left_over;
pub mod manifest;
pub mod metadata;
mod numbers;
pub mod segments;
pub mod tree;

pub use error::Error;
