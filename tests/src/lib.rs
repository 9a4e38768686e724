//! Real parts to test against: registries, clients, images of a Debian root, release payloads,
//! keys; and our own programs, run as a user runs them.
//!
//! Nothing here is shared with the product: what judges it must not share its mistakes. What is
//! missing fails a test with a message that says how to get it; no test is skipped.
//!
//! | module | what it holds |
//! |---|---|
//! | [`tools`] | paths of what `cargo xtask tools` fetched |
//! | [`child`] | programs with an environment of their own and a deadline |
//! | [`binary`] | our programs |
//! | [`client`] | cosign, crane, skopeo, oras, umoci, TUF clients |
//! | [`registry`] | Debian's docker-registry, distribution, olareg |
//! | [`proxy`], [`serve`], [`http`] | a registry that is watched, fails or is left in the middle; static files |
//! | [`image`], [`base`], [`payload`] | OCI layouts, the component's images, release images |
//! | [`request`], [`keys`] | a fix request with its files; keys of people |
//! | [`lab`], [`people`], [`chain`] | a place, its people, and every link of the chain as they run it |
//! | [`tree`] | directories as a whole |
//! | [`canonical`] | JSON as it is signed |
//! | [`rootfs`] | unpacked images and their differences |
#![expect(
    clippy::expect_used,
    clippy::unwrap_used,
    clippy::indexing_slicing,
    reason = "a panic is how a test says that it failed"
)]

pub mod base;
pub mod binary;
pub mod canonical;
pub mod chain;
pub mod child;
pub mod client;
pub mod http;
pub mod image;
pub mod keys;
pub mod lab;
pub mod payload;
pub mod people;
pub mod proxy;
pub mod registry;
pub mod request;
pub mod rootfs;
pub mod serve;
pub mod tools;
pub mod tree;
