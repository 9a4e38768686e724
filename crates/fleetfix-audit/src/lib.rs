//! Verifies.
pub mod agreement;
mod error;
pub mod image;
pub mod judgement;
pub mod layout;
pub mod place;
pub mod state;

pub use error::Error;
pub use place::ChannelPlace;

/// Requests that are under way at a time for one image or state.
pub(crate) const PARALLEL: usize = 8;
