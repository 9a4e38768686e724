//! Rules of HyperShift: components, coverage, delivery, impact; no I/O.
//!
//! What stands here is what HyperShift does with an image that is not the payload's: which pods
//! run it, by which way it gets there, and what that touches. Facts are from openshift/hypershift
//! at commit 3ee9615567 unless another source is named.
//!
//! | module | question |
//! |---|---|
//! | [`catalogue`] | which pods run the image of a payload tag, and what of them is on customer nodes |
//! | [`component`] | which payload tag does a request mean |
//! | [`graph`] | which version may follow which |
//! | [`coverage`] | what does the fix mean for each version |
//! | [`delivery`] | by which way does the image reach the control planes |
//! | [`effective`] | which image really runs |
//! | [`downgrade`] | does the fix hold what runs, and what it claims |
//! | [`conflict`] | is there another fix for the same place |
//! | [`labels`] | which capabilities would be lost |
//! | [`annotations`] | how is one cluster written to, and how is that taken back |
//! | [`overrides`] | what does `overrides.yaml` say, and how does it come to say something else |
//! | [`platform`] | does the fix speak of the platform that it is for |
//! | [`impact`] | what restarts, and what could reach customer nodes |
//! | [`finding`] | how a rule says what it found |

pub mod annotations;
pub mod catalogue;
pub mod component;
pub mod conflict;
pub mod coverage;
pub mod delivery;
pub mod downgrade;
pub mod effective;
mod error;
pub mod finding;
pub mod graph;
pub mod impact;
pub mod labels;
pub mod overrides;
pub mod platform;

pub use catalogue::Catalogue;
pub use error::Error;
pub use graph::Graph;
