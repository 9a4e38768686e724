//! What is trusted and why: everything here verifies, nothing here can sign.
//!
//! Nothing is trusted because of where it lies. Each function takes bytes, keys or a policy, and a
//! time, and gives back either a [`Verified`] value or the reason it refuses. Time is a parameter,
//! and nothing here reads the network; the only files are those of a remembered TUF state.
//!
//! | module | what it holds |
//! |---|---|
//! | [`key`] | public keys |
//! | [`simple_signing`] | signatures of images, as CRI-O and cosign read them |
//! | [`dsse`], [`statement`] | signed statements |
//! | [`policy`] | who may say what, and how many of them it takes |
//! | [`tuf`] | the channel: a TUF repository, read and put together |
//! | [`pem`] | PEM blocks |

mod args;
mod der;
pub mod dsse;
mod exact;
pub mod key;
pub mod pem;
pub mod policy;
mod sign;
pub mod simple_signing;
pub mod statement;
pub mod tuf;
mod verified;

pub use args::TrustArgs;
pub use key::PublicKey;
pub use sign::{Sign, SignError};
pub use verified::Verified;

#[cfg(test)]
mod test_key;
