//! Counting attestations of an image or a bundle.

use std::collections::BTreeSet;

use fleetfix_model::document::policy::Role;
use fleetfix_model::name::PrincipalName;
use fleetfix_model::verdict::Check;
use fleetfix_model::{Digest, Timestamp, media};
use serde_json::Value;

use super::Policy;
use super::count::{Counted, list};
use super::place::Place;
use super::rejection::{Refusal, Rejected, Rejection};
use crate::dsse::Envelope;
use crate::statement::{self, Statement};
use crate::verified::Verified;

/// What must be attested.
#[derive(Clone, Copy, Debug)]
pub struct Claim<'a> {
    /// Digest of the index or manifest.
    pub subject: Digest,
    /// Predicate type, compared exactly.
    pub predicate_type: &'a str,
    /// Role of who must have signed.
    pub role: Role,
    /// How many different principals of that role, beside what the policy's rules say.
    pub count: u32,
    /// Digest of the statement, where only one will do.
    pub statement: Option<Digest>,
    /// Channel, component and repository.
    pub place: Place<'a>,
    /// The time that keys are judged at.
    pub time: Timestamp,
}

/// Attestations that are enough.
#[derive(Debug)]
pub struct Attested {
    /// What they are about.
    pub subject: Digest,
    /// Their predicate type.
    pub predicate_type: String,
    /// Those that were counted.
    pub statements: Vec<AttestedStatement>,
    /// Those that were not.
    pub rejected: Vec<Rejected>,
    /// Who was counted, against each rule.
    pub counted: Counted,
}

/// An attestation that was counted.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct AttestedStatement {
    /// Digest of the envelope's bytes.
    pub envelope: Digest,
    /// Who signed it in the role.
    pub principals: BTreeSet<PrincipalName>,
    /// What it says.
    pub statement: Statement<Value>,
}

impl Attested {
    /// Everybody who was counted.
    pub fn principals(&self) -> BTreeSet<PrincipalName> {
        self.statements.iter().flat_map(|one| one.principals.iter().cloned()).collect()
    }

    /// What was checked, for a verdict.
    pub fn check(&self) -> Check {
        let counted = |one: &AttestedStatement| {
            Check::passed("attestation", one.envelope, format!("by {}", list(&one.principals)))
        };
        let mut checks: Vec<Check> = self.statements.iter().map(counted).collect();
        checks.extend(self.rejected.iter().map(|one| one.check("attestation")));
        checks.extend(self.counted.checks(&self.rejected));
        Check::all(self.predicate_type.clone(), self.subject, checks)
    }
}

impl Policy {
    /// Counts the attestations of `claim` among `candidates`, DSSE envelopes from wherever they lie.
    ///
    /// One counts if it is a statement of exactly that type about exactly that digest, signed by a
    /// principal of the role with a good key; provenance must be one that its builder may claim.
    pub fn attested(
        &self,
        claim: &Claim<'_>,
        candidates: &[Vec<u8>],
    ) -> Result<Verified<Attested>, Refusal> {
        let mut statements = Vec::new();
        let mut rejected = Vec::new();
        for bytes in candidates {
            match self.attestation(claim, bytes) {
                Ok(one) => statements.push(one),
                Err(reason) => rejected.push(Rejected { candidate: Digest::of(bytes), reason }),
            }
        }
        let principals: BTreeSet<_> =
            statements.iter().flat_map(|one| one.principals.iter().cloned()).collect();
        let counted = self.count(claim.role, &claim.place, &principals);
        let attested = Attested {
            subject: claim.subject,
            predicate_type: claim.predicate_type.to_owned(),
            statements,
            rejected,
            counted,
        };
        let needed = usize::try_from(claim.count).unwrap_or(usize::MAX);
        if attested.counted.holds() && principals.len() >= needed {
            return Ok(Verified::new(attested));
        }
        Err(refuse(attested, claim, principals.len(), needed))
    }

    fn attestation(&self, claim: &Claim<'_>, bytes: &[u8]) -> Result<AttestedStatement, Rejection> {
        let envelope = Envelope::parse(bytes).map_err(Rejection::Envelope)?;
        let found = statement::predicate_type(envelope.payload()).map_err(Rejection::Statement)?;
        if found != claim.predicate_type {
            let found = found.chars().take(200).collect();
            return Err(Rejection::OtherPredicate { found });
        }
        let statement = Statement::parse(envelope.payload(), claim.predicate_type, claim.subject)
            .map_err(Rejection::Statement)?;
        if let Some(expected) = claim.statement.filter(|d| *d != envelope.payload_digest()) {
            return Err(Rejection::OtherStatement { found: envelope.payload_digest(), expected });
        }
        let holders = self.holders(claim.role, &claim.place);
        let mut principals = BTreeSet::new();
        let mut reason = Rejection::NoKey;
        for speaker in self.speakers(&envelope, claim.time) {
            let principal = speaker.principal;
            if !speaker.key_is_good {
                reason = Rejection::KeyNotGood { principal, time: claim.time };
            } else if !holders.contains(&principal) {
                reason = Rejection::RoleNotHeld { principal, role: claim.role };
            } else if let Err(what) = self.may_claim(&principal, &statement) {
                reason = Rejection::Builder { principal, what };
            } else {
                principals.insert(principal);
            }
        }
        if principals.is_empty() {
            return Err(reason);
        }
        Ok(AttestedStatement { envelope: Digest::of(bytes), principals, statement })
    }

    /// Whether `principal` may claim what a statement of provenance says.
    fn may_claim(
        &self,
        principal: &PrincipalName,
        statement: &Statement<Value>,
    ) -> Result<(), String> {
        if statement.predicate_type != media::PROVENANCE_PREDICATE {
            return Ok(());
        }
        let builders = &self.document.builders;
        let rules = builders.iter().filter(|rule| rule.principal == *principal);
        // Where anybody is held to what they may claim, whoever is left out may claim nothing.
        let mut result = if builders.is_empty() {
            Ok(())
        } else {
            Err("no rule of `builders` names it".to_owned())
        };
        for rule in rules {
            result = super::builder::check(rule, &statement.predicate);
            if result.is_ok() {
                break;
            }
        }
        result
    }
}

fn refuse(attested: Attested, claim: &Claim<'_>, counted: usize, needed: usize) -> Refusal {
    let mut check = attested.check();
    if check.holds() {
        let detail = format!("{counted} of {needed}: {}", list(&attested.principals()));
        check.checks.push(Check::failed("count", claim.role, detail));
        check = Check::all(check.name, claim.subject, check.checks);
    }
    let (what, subject, role) = (attested.predicate_type, claim.subject, claim.role);
    let check = Box::new(check);
    if attested.counted.rules.is_empty() {
        return Refusal::NoRule { what, subject, role, check };
    }
    let short = attested.counted.rules.into_iter().find(|rule| !rule.holds());
    let (counted, needed) = short.map_or((counted, needed), |rule| {
        (rule.principals.len(), usize::try_from(rule.threshold).unwrap_or(usize::MAX))
    });
    Refusal::TooFew { what, subject, role, counted, needed, rejected: attested.rejected, check }
}
