//! Patches component images, every architecture of each.
