//! `fleetfix-patch` over layouts: what comes out, and what is refused.

#![expect(clippy::unwrap_used, clippy::indexing_slicing, reason = "a test fails by panicking")]

mod place;
mod planned;
mod settings;
mod single;
