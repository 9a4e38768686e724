//! Why a candidate is not counted, and why all of them together are not enough.

use std::fmt::Write as _;

use fleetfix_model::document::policy::Role;
use fleetfix_model::name::{ChannelName, FindingId, PrincipalName};
use fleetfix_model::verdict::Check;
use fleetfix_model::{Class, Classify, Digest, Timestamp};

use crate::{dsse, statement};

/// Why a candidate is not counted.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Rejection {
    /// Not an envelope.
    #[error("{}", chain(.0))]
    Envelope(dsse::Error),
    /// Not the expected statement: another predicate type, another digest.
    #[error("{}", chain(.0))]
    Statement(statement::Error),
    /// About something else of the same kind, and so none of our concern.
    #[error("predicate of type `{found}`")]
    OtherPredicate {
        /// Type found.
        found: String,
    },
    /// The statement is not the one that was promised.
    #[error("statement {found}, expected {expected}")]
    OtherStatement {
        /// Digest found.
        found: Digest,
        /// Digest expected.
        expected: Digest,
    },
    /// Signed by no key of any principal, or changed since.
    #[error("signed by no key of the policy")]
    NoKey,
    /// Signed with a key outside of its window.
    #[error("the key of {principal} is not good at {time}")]
    KeyNotGood {
        /// Whose key it is.
        principal: PrincipalName,
        /// The time it was judged at.
        time: Timestamp,
    },
    /// Signed by somebody without the role.
    #[error("{principal} is no {role} here")]
    RoleNotHeld {
        /// Who signed.
        principal: PrincipalName,
        /// The role that is needed.
        role: Role,
    },
    /// An approval in the name of somebody else.
    #[error("it names {named}, and the key is of {owner}")]
    NameDiffers {
        /// The principal it names.
        named: PrincipalName,
        /// Whose key signed it.
        owner: PrincipalName,
    },
    /// An approval in another role.
    #[error("given as {found}, expected {expected}")]
    OtherRole {
        /// Role in the approval.
        found: Role,
        /// Role that is counted.
        expected: Role,
    },
    /// An approval of another request or plan.
    #[error("for {what} {found}, expected {expected}")]
    OtherDocument {
        /// `request` or `plan`.
        what: &'static str,
        /// Digest in the approval.
        found: Digest,
        /// Digest in the bundle.
        expected: Digest,
    },
    /// An approval for other channels.
    #[error("not for channel `{channel}`")]
    OtherChannel {
        /// The channel that is asked about.
        channel: ChannelName,
    },
    /// Given after the time it is judged at.
    #[error("given at {issued}, which is after {time}")]
    NotYet {
        /// When it was given.
        issued: Timestamp,
        /// The time it was judged at.
        time: Timestamp,
    },
    /// No longer good.
    #[error("expired at {expires}, it is {time}")]
    Expired {
        /// When it ended.
        expires: Timestamp,
        /// The time it was judged at.
        time: Timestamp,
    },
    /// The approver does not accept a finding that was waived.
    #[error("waived finding `{finding}` is not accepted in it")]
    FindingNotAccepted {
        /// The finding.
        finding: FindingId,
    },
    /// The approver has another part in this bundle that the policy keeps apart.
    #[error("{principal} is {other} of this bundle as well")]
    NotSeparate {
        /// The approver.
        principal: PrincipalName,
        /// The other part.
        other: Role,
    },
    /// The same principal was counted already.
    #[error("{principal} was counted already")]
    Twice {
        /// The principal.
        principal: PrincipalName,
    },
    /// Provenance that its builder may not claim.
    #[error("{principal} may not claim this provenance: {what}")]
    Builder {
        /// The build system.
        principal: PrincipalName,
        /// What does not fit.
        what: String,
    },
}

/// A candidate that is not counted.
#[derive(Debug)]
pub struct Rejected {
    /// Digest of the candidate's bytes.
    pub candidate: Digest,
    /// Why.
    pub reason: Rejection,
}

impl Rejected {
    /// As a check: it was not counted, which fails nothing by itself, as anybody can add a candidate.
    pub fn check(&self, name: &'static str) -> Check {
        Check::not_made(name, self.candidate, format!("not counted: {}", self.reason))
    }
}

/// Why all candidates together are not enough.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Refusal {
    /// The policy names nobody for the role here.
    #[error("{what} of {subject}: the policy names nobody as {role} here")]
    NoRule {
        /// What was asked for.
        what: String,
        /// What it is about.
        subject: Digest,
        /// The role.
        role: Role,
        /// The checks that were made.
        check: Box<Check>,
    },
    /// Nobody says who had a part that the policy keeps apart.
    #[error(
        "{what} of {subject}: the policy keeps {role} and {other} apart, and nobody is named as {other} [name them in the request]"
    )]
    Unknown {
        /// What was asked for.
        what: String,
        /// What it is about.
        subject: Digest,
        /// The role that is counted.
        role: Role,
        /// The part that nobody is named for.
        other: Role,
        /// The checks that were made.
        check: Box<Check>,
    },
    /// Somebody whom the policy does not know has a part that it keeps apart.
    #[error(
        "{what} of {subject}: the policy keeps {role} and {other} apart, and does not know {name}, who is named as {other} [name them as the policy does, or have it name them as a principal or as the subject of one's identity]"
    )]
    Stranger {
        /// What was asked for.
        what: String,
        /// What it is about.
        subject: Digest,
        /// The role that is counted.
        role: Role,
        /// The part.
        other: Role,
        /// Who is named for it.
        name: PrincipalName,
        /// The checks that were made.
        check: Box<Check>,
    },
    /// A finding is waived in the name of somebody who did not approve.
    #[error(
        "{what} of {subject}: finding `{finding}` is waived by {by}, whose approval is not counted [have {by} approve, or somebody who does waive it]"
    )]
    Waiver {
        /// What was asked for.
        what: String,
        /// What it is about.
        subject: Digest,
        /// The finding.
        finding: FindingId,
        /// Who is said to waive it.
        by: PrincipalName,
        /// The checks that were made.
        check: Box<Check>,
    },
    /// Too few.
    #[error("{what} of {subject}: {counted} of {needed} by role {role}{}", reasons(.rejected))]
    TooFew {
        /// What was asked for.
        what: String,
        /// What it is about.
        subject: Digest,
        /// The role.
        role: Role,
        /// Different principals that were counted.
        counted: usize,
        /// Different principals that are needed.
        needed: usize,
        /// Candidates that were not counted.
        rejected: Vec<Rejected>,
        /// The checks that were made.
        check: Box<Check>,
    },
}

impl Refusal {
    /// The checks that were made, for a verdict.
    pub fn check(&self) -> &Check {
        match self {
            Self::NoRule { check, .. }
            | Self::Unknown { check, .. }
            | Self::Stranger { check, .. }
            | Self::Waiver { check, .. }
            | Self::TooFew { check, .. } => check,
        }
    }
}

impl Classify for Refusal {
    fn class(&self) -> Class {
        match self {
            Self::NoRule { .. }
            | Self::Unknown { .. }
            | Self::Stranger { .. }
            | Self::Waiver { .. }
            | Self::TooFew { .. } => Class::Refused,
        }
    }
}

/// Why each candidate is not counted, for one line. What is about something else was never meant to
/// be; and anybody can add candidates, so there is an end to them.
pub(super) fn reasons(rejected: &[Rejected]) -> String {
    const SHOWN: usize = 8;
    let concerned = |one: &&Rejected| !matches!(one.reason, Rejection::OtherPredicate { .. });
    let mut text = String::new();
    for one in rejected.iter().filter(concerned).take(SHOWN) {
        let _ = write!(text, "; {} is not counted: {}", one.candidate.short(), one.reason);
    }
    let more = rejected.iter().filter(concerned).count().saturating_sub(SHOWN);
    if more > 0 {
        let _ = write!(text, "; {more} more are not counted");
    }
    text
}

/// An error with its causes, in one line.
fn chain(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut next = error.source();
    while let Some(cause) = next {
        let _ = write!(text, ": {cause}");
        next = cause.source();
    }
    text
}
