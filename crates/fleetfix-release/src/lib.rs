//! OpenShift release payloads, read without oc.
//!
//! A payload is an image whose layers hold `release-manifests/image-references`, an image stream
//! that maps a tag to a component's image, and `release-manifests/release-metadata`, which says its
//! version (openshift/oc `pkg/cli/admin/release/new.go`). Both are small and lie in the uppermost
//! layer of a release, so layers are read from the top until both are found or hidden.
//!
//! | module | what it holds |
//! |---|---|
//! | [`payload`] | a payload and how it is read from a store |
//! | [`names`] | what the payloads of a version may be called |
//! | [`mod@read`] | the payloads of many versions, each read once |
//! | [`index`] | payloads by version, architecture and every name |
//! | [`graph`] | where the update graph is read from |
//! | [`image`] | the image of a component: platforms and labels |
//! | [`document`] | the two files |

pub mod document;
mod error;
pub mod graph;
pub mod image;
pub mod index;
pub mod names;
pub mod payload;
pub mod read;

pub use error::Error;
pub use index::{Index, Key};
pub use names::{Names, Template};
pub use payload::{Payload, Stream};
