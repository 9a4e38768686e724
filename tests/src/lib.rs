//! Real parts to test against.
