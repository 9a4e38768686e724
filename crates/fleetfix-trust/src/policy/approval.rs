//! Counting approvals of a bundle.

use std::collections::BTreeSet;

use fleetfix_model::document::Approval;
use fleetfix_model::document::finding::Waiver;
use fleetfix_model::document::policy::{Role, Separation};
use fleetfix_model::name::PrincipalName;
use fleetfix_model::verdict::Check;
use fleetfix_model::{Digest, Timestamp, media};

use super::Policy;
use super::count::Counted;
use super::place::Place;
use super::rejection::{Refusal, Rejected, Rejection};
use crate::dsse::Envelope;
use crate::statement::Statement;
use crate::verified::Verified;

/// How far an approver's clock may be ahead of the one that judges, in seconds.
const CLOCK_SKEW: i64 = 300;
/// What is counted, in messages.
const WHAT: &str = "approvals";

/// Who else has a part in the bundle, as its documents name them.
#[derive(Clone, Copy, Debug, Default)]
pub struct People<'a> {
    /// Who asked for the fix.
    pub requester: Option<&'a PrincipalName>,
    /// Who wrote it.
    pub authors: &'a [PrincipalName],
    /// Who built and attested it.
    pub builders: &'a [PrincipalName],
}

impl<'a> People<'a> {
    fn with(&self, role: Role) -> Vec<&'a PrincipalName> {
        match role {
            Role::Requester => self.requester.into_iter().collect(),
            Role::Author => self.authors.iter().collect(),
            Role::Builder => self.builders.iter().collect(),
            Role::Approver => Vec::new(),
        }
    }
}

/// The bundle that approvals are counted for.
#[derive(Clone, Copy, Debug)]
pub struct Asked<'a> {
    /// Digest of the bundle's manifest.
    pub bundle: Digest,
    /// Digest of the request.
    pub request: Digest,
    /// Digest of the plan.
    pub plan: Digest,
    /// The waivers of findings: each approver must accept each of them, and whoever is named in one
    /// must be among the approvers.
    pub waivers: &'a [Waiver],
    /// Channel, component and fleet.
    pub place: Place<'a>,
    /// Who else has a part in the bundle.
    pub people: People<'a>,
    /// The time that keys and approvals are judged at.
    pub time: Timestamp,
}

/// Approvals that are enough.
#[derive(Debug)]
pub struct Approvals {
    /// The bundle.
    pub bundle: Digest,
    /// Those that were counted, one a principal.
    pub approvals: Vec<CountedApproval>,
    /// Those that were not.
    pub rejected: Vec<Rejected>,
    /// The rules they were counted against.
    pub counted: Counted,
}

/// An approval that was counted.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct CountedApproval {
    /// Digest of the envelope's bytes.
    pub envelope: Digest,
    /// What the approver said.
    pub approval: Approval,
}

impl Approvals {
    /// Digests of the envelopes that were counted, sorted: what a channel says about a bundle.
    pub fn envelopes(&self) -> Vec<Digest> {
        let digests: BTreeSet<_> = self.approvals.iter().map(|one| one.envelope).collect();
        digests.into_iter().collect()
    }

    /// What was checked, for a verdict.
    pub fn check(&self) -> Check {
        let counted = |one: &CountedApproval| {
            let Approval { principal, expires, .. } = &one.approval;
            Check::passed("approval", one.envelope, format!("by {principal}, until {expires}"))
        };
        let mut checks: Vec<Check> = self.approvals.iter().map(counted).collect();
        checks.extend(self.rejected.iter().map(|one| one.check("approval")));
        checks.extend(self.counted.checks(&self.rejected));
        Check::all(WHAT, self.bundle, checks)
    }
}

impl Policy {
    /// Counts the approvals among `candidates`, DSSE envelopes from wherever they lie.
    ///
    /// One counts if a principal with the role of approver signed it with a key of theirs, in their own
    /// name, for this bundle, request, plan and channel, accepting each waived finding, and if it is
    /// good at the time, and if the policy does not keep the principal's parts apart. One principal is
    /// counted once. Who waives a finding is named by the requester, so it counts for nothing until that
    /// very person approves.
    pub fn approvals(
        &self,
        asked: &Asked<'_>,
        candidates: &[Vec<u8>],
    ) -> Result<Verified<Approvals>, Refusal> {
        self.check_people(asked)?;
        let mut principals = BTreeSet::new();
        let mut approvals = Vec::new();
        let mut rejected = Vec::new();
        for bytes in candidates {
            let envelope = Digest::of(bytes);
            let judged = self.approval(asked, bytes).and_then(|approval| {
                if principals.insert(approval.principal.clone()) {
                    Ok(approval)
                } else {
                    Err(Rejection::Twice { principal: approval.principal })
                }
            });
            match judged {
                Ok(approval) => approvals.push(CountedApproval { envelope, approval }),
                Err(reason) => rejected.push(Rejected { candidate: envelope, reason }),
            }
        }
        let counted = self.count(Role::Approver, &asked.place, &principals);
        let approvals = Approvals { bundle: asked.bundle, approvals, rejected, counted };
        if !approvals.counted.holds() {
            return Err(refuse(approvals));
        }
        match asked.waivers.iter().find(|waiver| !principals.contains(&waiver.by)) {
            Some(waiver) => Err(not_waived(&approvals, waiver)),
            None => Ok(Verified::new(approvals)),
        }
    }

    fn approval(&self, asked: &Asked<'_>, bytes: &[u8]) -> Result<Approval, Rejection> {
        let envelope = Envelope::parse(bytes).map_err(Rejection::Envelope)?;
        let speakers = self.speakers(&envelope, asked.time);
        let approval: Approval =
            Statement::parse(envelope.payload(), media::APPROVAL_PREDICATE, asked.bundle)
                .and_then(Statement::document)
                .map_err(Rejection::Statement)?
                .predicate;
        let principal = approval.principal.clone();
        match speakers.iter().find(|speaker| speaker.principal == principal) {
            Some(speaker) if speaker.key_is_good => {}
            Some(_) => return Err(Rejection::KeyNotGood { principal, time: asked.time }),
            None => {
                return Err(match speakers.into_iter().next() {
                    Some(other) => {
                        Rejection::NameDiffers { named: principal, owner: other.principal }
                    }
                    None => Rejection::NoKey,
                });
            }
        }
        check_content(asked, &approval)?;
        if !self.holders(Role::Approver, &asked.place).contains(&principal) {
            return Err(Rejection::RoleNotHeld { principal, role: Role::Approver });
        }
        for other in self.apart(Role::Approver) {
            let people = asked.people.with(other);
            if people.iter().flat_map(|name| self.called(name)).any(|one| one.name == principal) {
                return Err(Rejection::NotSeparate { principal, other });
            }
        }
        Ok(approval)
    }

    /// The roles that the policy keeps apart from `role`, whichever of the two a rule names first.
    fn apart(&self, role: Role) -> BTreeSet<Role> {
        let of = |rule: &Separation| -> Vec<Role> {
            if rule.role == role {
                rule.not.clone()
            } else if rule.not.contains(&role) {
                vec![rule.role]
            } else {
                Vec::new()
            }
        };
        self.document.separation.iter().flat_map(of).filter(|other| *other != role).collect()
    }

    /// A part that must be kept apart and that nobody is named for cannot be checked, so it is refused:
    /// leaving a name out must not help anybody. Nor must a name that the policy does not know, which
    /// could be anybody's: an approver's mail, or another spelling of their name.
    fn check_people(&self, asked: &Asked<'_>) -> Result<(), Refusal> {
        let (what, subject, role) = (WHAT.to_owned(), asked.bundle, Role::Approver);
        let check = |detail: String| {
            let check = Check::failed("separation", subject, detail);
            Box::new(Check::all(WHAT, subject, vec![check]))
        };
        for other in self.apart(role) {
            let people = asked.people.with(other);
            if people.is_empty() {
                let check = check(format!("nobody is named as {other}"));
                return Err(Refusal::Unknown { what, subject, role, other, check });
            }
            if let Some(name) = people.into_iter().find(|name| self.called(name).next().is_none()) {
                let check = check(format!("{other} {name} is no principal of the policy"));
                let name = name.clone();
                return Err(Refusal::Stranger { what, subject, role, other, name, check });
            }
        }
        Ok(())
    }
}

fn check_content(asked: &Asked<'_>, approval: &Approval) -> Result<(), Rejection> {
    let documents =
        [("request", approval.request, asked.request), ("plan", approval.plan, asked.plan)];
    for (what, found, expected) in documents {
        if found != expected {
            return Err(Rejection::OtherDocument { what, found, expected });
        }
    }
    if approval.role != Role::Approver {
        return Err(Rejection::OtherRole { found: approval.role, expected: Role::Approver });
    }
    if let Some(channel) = asked.place.channel
        && !approval.channels.contains(channel)
    {
        return Err(Rejection::OtherChannel { channel: channel.clone() });
    }
    let (issued, expires, time) = (approval.issued, approval.expires, asked.time);
    if issued > time.plus_seconds(CLOCK_SKEW) {
        return Err(Rejection::NotYet { issued, time });
    }
    if expires <= time {
        return Err(Rejection::Expired { expires, time });
    }
    match asked.waivers.iter().find(|waiver| !approval.findings.contains(&waiver.finding)) {
        Some(waiver) => Err(Rejection::FindingNotAccepted { finding: waiver.finding.clone() }),
        None => Ok(()),
    }
}

fn not_waived(approvals: &Approvals, waiver: &Waiver) -> Refusal {
    let Waiver { finding, by, .. } = waiver.clone();
    let detail = format!("{by} is named in it, and no approval of theirs is counted");
    let mut checks = approvals.check().checks;
    checks.push(Check::failed("waiver", &finding, detail));
    let subject = approvals.bundle;
    let check = Box::new(Check::all(WHAT, subject, checks));
    Refusal::Waiver { what: WHAT.to_owned(), subject, finding, by, check }
}

fn refuse(approvals: Approvals) -> Refusal {
    let check = Box::new(approvals.check());
    let what = WHAT.to_owned();
    let Approvals { bundle: subject, rejected, counted, .. } = approvals;
    let role = counted.role;
    match counted.rules.into_iter().find(|rule| !rule.holds()) {
        None => Refusal::NoRule { what, subject, role, check },
        Some(short) => Refusal::TooFew {
            what,
            subject,
            role,
            counted: short.principals.len(),
            needed: usize::try_from(short.threshold).unwrap_or(usize::MAX),
            rejected,
            check,
        },
    }
}
