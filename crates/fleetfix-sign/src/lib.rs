//! Signs images.
