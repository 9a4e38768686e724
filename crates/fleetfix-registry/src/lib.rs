//! One store interface over registries and OCI layouts.
//!
//! A [`Client`] holds connections, tokens, credentials and mirrors; a [`Store`] is one repository,
//! in a registry or in a layout directory, and does the same thing in both: content is asked for
//! by digest or tag, hashed here, and written once. What is not there is told apart from what
//! could not be asked ([`Error::is_absent`], [`Error`]'s classes).
//!
//! | module | what it holds |
//! |---|---|
//! | [`client`], [`options`], [`arguments`], [`mirror`] | the client, what it may do, its flags, where reads are redirected to |
//! | [`store`], [`reader`] | one repository; a blob as a stream |
//! | [`image`] | an image with every manifest below it |
//! | [`documents`], `unasked` | what was read before; what is written without a question |
//! | [`copy`](mod@copy), [`attach`](mod@attach) | a manifest with all below it; cosign's `.sig` and `.att` tags |
//! | [`referrers`](mod@referrers) | artifacts about an image, listed by a registry or by a tag |
//! | `remote` | the distribution protocol over HTTP: tries, tokens, redirects, uploads |
//! | `spool` | a blob between two registries |
//! | `layout` | the same over a directory |
//! | `credential` | other tools' logins |
//! | [`error`] | what can go wrong |
//!
//! The HTTP side is ours, on `reqwest`: `oci-client` has no retries, no uploads that can start
//! again and no mount with two scopes. From `oci-client` come the types of a registry's error
//! envelope.

pub mod arguments;
pub mod attach;
pub mod client;
pub mod copy;
mod credential;
pub mod documents;
pub mod error;
pub mod image;
mod layout;
pub mod mirror;
pub mod options;
pub mod reader;
pub mod referrers;
mod remote;
mod spool;
pub mod store;
#[cfg(test)]
mod testing;
#[cfg(test)]
mod tests;
mod unasked;

pub use arguments::RegistryArgs;
pub use client::Client;
pub use copy::copy;
pub use documents::Documents;
pub use error::{Answer, Error};
pub use image::Image;
pub use mirror::Mirror;
pub use options::Options;
pub use reader::BlobReader;
pub use referrers::{Referrer, referrers};
pub use store::{Body, RawManifest, Store, Written};
