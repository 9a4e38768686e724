//! Verifies images, bundles and channels in a store, and names every check.
//!
//! Everything that speaks against what is verified is a failed check in a verdict; an error is what
//! the caller gave us or what stands in the way. Nothing is trusted because of where it lies: bytes
//! are hashed, signatures are judged by a policy, and the policy comes with the channel, whose only
//! anchor is a root file. Time is a parameter.
//!
//! | module | what it holds |
//! |---|---|
//! | [`channel`] | root file, TUF repository, policy, channel, then every active bundle |
//! | [`named`] | an image or a bundle by its reference, with a channel or with a policy alone |
//! | [`bundle`] | artifact, documents, images, approvals; also before a channel names it |
//! | [`image`] | content, release signatures, lineage of one patched image |
//! | [`attestation`] | what must be attested, and by whom |
//! | [`agreement`] | whether bundle, plan and request say the same |
//! | [`layout`] | every byte of a fleet on disk |
//! | [`state`], [`place`] | TUF states in artifacts and directories, and where a channel lies |
//! | [`judgement`] | checks while they are made, and the outcome that they add up to |
//!
//! | outcome | when | exit code |
//! |---|---|---|
//! | verified | all holds, a registry was asked, and a remembered state is not newer | 0 |
//! | verified, freshness unknown | all holds; offline, or nothing was remembered | 0 |
//! | none found | a signature, attestation, approval or channel that is needed is not there, and nothing else is wrong | 10 |
//! | refused | something is there and does not hold, or something that is named is gone | 10 |
//! | could not ask | something could not be read | 12, or 11 where asking again will not help |
//!
//! What the caller names and what is not there, a root or a policy that is none, are errors: exit 11.
pub mod agreement;
pub mod attestation;
pub mod bundle;
pub mod channel;
mod error;
pub mod image;
pub mod judgement;
pub mod layout;
pub mod named;
pub mod place;
pub mod state;

use fleetfix_model::Timestamp;
use fleetfix_model::name::ChannelName;
use fleetfix_trust::policy::Policy;

pub use error::Error;
pub use place::ChannelPlace;

/// Requests that are under way at a time for one image or state.
pub(crate) const PARALLEL: usize = 8;

/// What is judged by.
#[derive(Clone, Copy, Debug)]
pub struct Rules<'a> {
    /// Who may say what, and how many of them it takes.
    pub policy: &'a Policy,
    /// The channel that it is for; absent: rules for channels do not hold.
    pub channel: Option<&'a ChannelName>,
    /// The time that release signatures and the end of a bundle are judged at: now.
    pub now: Timestamp,
    /// The time that approvals, attestations and waivers are judged at: when a channel counted them,
    /// which its publishers signed, so that what ends later takes no running fix away. Now, where
    /// no channel did.
    pub counted: Timestamp,
    /// How far it came.
    pub stage: Stage<'a>,
}

/// How far a bundle came: who must have signed its images, and where its approvals lie.
#[derive(Clone, Copy, Debug)]
pub enum Stage<'a> {
    /// Where it was built, before anybody released it: builders signed its images, by the names that
    /// they will have at the fleet.
    Build {
        /// The approvals, DSSE envelopes.
        approvals: &'a [Vec<u8>],
    },
    /// At a fleet: a release key signed its images, and approvals lie beside the bundle.
    Fleet,
}
