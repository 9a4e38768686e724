//! Git history: ancestry, release branches, backports, commits that come along.
//!
//! A repository on disk is read, bare or not; a mirror is enough. Nothing is fetched, written or
//! executed, no configuration is read, and replaced objects (`refs/replace`) stay what they are. The
//! crates of gitoxide read objects, references and the commit graph; the walks are ours, because
//! they must be exact where dates are wrong.
//!
//! The repository is taken at its word: whoever can write to it can invent a history. What it says
//! decides no signature, only what a plan shows.
//!
//! | module | question |
//! |---|---|
//! | [`repository`] | where is the repository, and what is a commit |
//! | [`ancestry`] | is one commit an ancestor of another |
//! | [`along`] | what comes along beyond what is claimed |
//! | [`branch`] | which release branches hold a commit, and since when |
//! | [`backport`] | by which commits did a pull request reach each release branch |
//! | [`changed`] | which files a commit changes |
//! | [`revert`] | was a commit taken back since |
//! | [`title`] | the first line of a message, fit for a document |

pub mod along;
pub mod ancestry;
pub mod backport;
pub mod branch;
pub mod changed;
mod error;
pub mod repository;
pub mod revert;
pub mod title;

pub use error::Error;
pub use repository::Repository;
