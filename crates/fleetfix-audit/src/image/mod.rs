//! One patched image at a fleet: what it is, who released it, what is attested about it.

pub mod content;
mod lineage;
pub mod signature;
