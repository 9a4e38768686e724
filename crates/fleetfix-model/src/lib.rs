//! What every part of fleetfix agrees on: the documents, their exact bytes, and the classes of errors.
//!
//! Nothing here reads a file, a socket or the clock. A document that people write is YAML
//! ([`yaml`]); a document that a machine signs is canonical JSON ([`canonical`]), so that the
//! digest of its bytes is its identity.
//!
//! | module | what it holds |
//! |---|---|
//! | [`document`] | fix request, plan, bundle, approval, channel, pause, trust policy |
//! | [`canonical`] | RFC 8785 bytes: written one way, refused in any other |
//! | [`yaml`] | the bounded reader whose errors name line and field |
//! | [`digest`], [`descriptor`], [`reference`](mod@reference), [`platform`] | the words of the OCI specifications |
//! | [`name`] | identifiers with a fixed alphabet |
//! | [`fleet`] | names below the prefix of a fleet |
//! | [`class`] | error classes and the exit code of each |
//! | [`media`] | media types and predicate types |
//! | [`schema`] | JSON Schemas, generated from the types |
//! | [`terminal`] | text of others in front of people |
//! | [`verdict`] | what a verifier says |

pub mod canonical;
pub mod class;
pub mod descriptor;
pub mod digest;
pub mod document;
pub mod fleet;
pub mod media;
pub mod name;
pub mod platform;
pub mod reference;
pub mod schema;
pub mod terminal;
pub mod time;
pub mod verdict;
pub mod version;
pub mod yaml;

pub use canonical::ToCanonical;
pub use class::{Class, Classify};
pub use descriptor::Descriptor;
pub use digest::Digest;
pub use platform::{HostedPlatform, Platform};
pub use reference::{Reference, Repository};
pub use time::Timestamp;
pub use version::{Minor, Version};
