//! An approval: a person's signed word about one bundle.

use super::policy::Role;
use super::{Rule, document, line, not_empty, sorted_unique};
use crate::name::{ChannelName, FindingId, PrincipalName};
use crate::{Digest, Timestamp};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

document! {
    /// Predicate `https://fleetfix.openshift.io/approval/v1` of an in-toto statement whose one
    /// subject is the manifest of a bundle.
    Approval, ApprovalKind {
        /// Who approves, as the trust policy names them.
        principal: PrincipalName,
        /// In which role.
        role: Role,
        /// Digest of the request.
        request: Digest,
        /// Digest of the plan.
        plan: Digest,
        /// Channels that the approval is good for, sorted.
        channels: Vec<ChannelName>,
        /// Waived findings that the approver accepts, sorted.
        #[serde(default, skip_serializing_if = "Vec::is_empty")]
        findings: Vec<FindingId>,
        /// Digest of the text that was shown to the approver.
        shown: Digest,
        /// Why.
        reason: String,
        /// When it was given.
        issued: Timestamp,
        /// When it ends.
        expires: Timestamp,
    }
    check(this) {
        not_empty("channels", &this.channels)?;
        sorted_unique("channels", &this.channels, Clone::clone)?;
        sorted_unique("findings", &this.findings, Clone::clone)?;
        line("reason", &this.reason)?;
        if this.expires <= this.issued {
            return Err(Rule::new("expires", "must come after `issued`"));
        }
        Ok(())
    }
}
