//! Tests of the policy, with people and keys made here.

mod approvals;
mod attestations;
mod document;
mod fixture;
