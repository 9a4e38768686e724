//! Writes the fix bundle.
