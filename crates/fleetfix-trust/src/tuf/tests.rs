//! Tests of the TUF parts, with keys and repositories made here.

mod attacks;
mod editing;
mod fixture;
mod mutation;
mod remembering;
