//! Base images made by hand: every kind of entry that a layer can have, every compression, both
//! families of media types.
//!
//! Nothing of the product is used: what judges it must not share its mistakes. All is a function of
//! what is asked for, so the same base has the same digests everywhere.
//!
//! | module | what it holds |
//! |---|---|
//! | [`archive`] | tar archives, field by field |
//! | [`layer`] | layers: an archive and its compression |
//! | [`image`](mod@image) | images and indexes over layers |

pub mod archive;
pub mod image;
pub mod layer;

pub use archive::{Archive, Entry};
pub use image::{Blobs, Family, ImageRecipe};
pub use layer::{Compression, Layer};

/// `sha256:` and 64 digits.
pub fn digest(bytes: &[u8]) -> String {
    fleetfix_model::Digest::of(bytes).to_string()
}
