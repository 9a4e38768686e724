//! Tests of the TUF parts, with keys and repositories made here.

mod anchor;
mod attacks;
mod editing;
mod fixture;
mod mutation;
mod remembering;
mod signing;
