//! Who may say what, and how many of them it takes.
//!
//! A [`Policy`] is a [`TrustPolicy`] whose keys were read. Thresholds count principals: a person with
//! three keys is one person, and one key belongs to one principal. Keys are judged at a time that the
//! caller gives: the time of verification, or the time of a TUF state that counted the signature then.
//!
//! Rules are constraints. Of the rules of a role, all whose scope matches must hold, and at least one
//! must match: where nobody is named, nobody may.

mod approval;
mod attestation;
mod builder;
mod count;
mod place;
mod rejection;

use std::collections::BTreeSet;

use fleetfix_model::document::policy::{Role, RoleRule, TrustedKey};
use fleetfix_model::document::{Document as _, Rule, TrustPolicy};
use fleetfix_model::name::PrincipalName;
use fleetfix_model::{Class, Classify, Timestamp};

pub use approval::{Approvals, Asked, CountedApproval, People};
pub use attestation::{Attested, AttestedStatement, Claim};
pub use count::{Counted, RuleCount};
pub use place::Place;
pub use rejection::{Refusal, Rejected, Rejection};

use crate::dsse::Envelope;
use crate::key::{self, PublicKey};

/// Why a policy cannot be used.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// A rule of the document does not hold.
    #[error("trust policy")]
    Rule(#[source] Rule),
    /// A key that cannot be read.
    #[error("trust policy: field `{field}.publicKey`")]
    Key {
        /// The field.
        field: String,
        /// What is wrong.
        #[source]
        source: key::Error,
    },
    /// One key in two places: nobody could say who spoke.
    #[error("trust policy: field `{field}`: key {key} stands at `{first}` already")]
    KeyTwice {
        /// The field.
        field: String,
        /// Start of the key's id.
        key: String,
        /// Where it stands first.
        first: String,
    },
    /// A demand that nobody would check: to ignore it would let through what it is to stop.
    #[error("trust policy: field `{field}`: not supported yet: {what} [leave it out]")]
    NotSupported {
        /// The field.
        field: String,
        /// What it asks for.
        what: &'static str,
    },
}

impl Classify for Error {
    fn class(&self) -> Class {
        match self {
            Self::Rule(_) | Self::KeyTwice { .. } | Self::NotSupported { .. } => Class::Input,
            Self::Key { source, .. } => source.class(),
        }
    }
}

/// A trust policy whose keys were read.
#[derive(Clone, Debug)]
pub struct Policy {
    document: TrustPolicy,
    /// The keys of principals, and for each whose it is and when it is good.
    keys: Vec<PublicKey>,
    owners: Vec<(PrincipalName, TrustedKey)>,
    release: Vec<(PublicKey, TrustedKey)>,
}

/// A principal whose key signed something.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Speaker {
    /// The principal.
    pub principal: PrincipalName,
    /// Whether the key was good at the time.
    pub key_is_good: bool,
}

impl Policy {
    /// Reads the keys of `document`.
    pub fn new(document: TrustPolicy) -> Result<Self, Error> {
        document.check().map_err(Error::Rule)?;
        let mut people = Reader::default();
        let mut owners = Vec::new();
        for (i, principal) in document.principals.iter().enumerate() {
            for (j, trusted) in principal.keys.iter().enumerate() {
                people.read(format!("principals[{i}].keys[{j}]"), trusted)?;
                owners.push((principal.name.clone(), trusted.clone()));
            }
        }
        let mut release = Reader::default();
        for (i, trusted) in document.release.keys.iter().enumerate() {
            release.read(format!("release.keys[{i}]"), trusted)?;
        }
        let release = release.keys.into_iter().zip(document.release.keys.iter().cloned()).collect();
        for (i, base) in document.base_images.iter().enumerate() {
            let mut keys = Reader::default();
            for (j, trusted) in base.keys.iter().enumerate() {
                keys.read(format!("baseImages[{i}].keys[{j}]"), trusted)?;
            }
            if !base.keys.is_empty() {
                let field = format!("baseImages[{i}].keys");
                return Err(Error::NotSupported { field, what: "signatures of base images" });
            }
        }
        Ok(Self { document, keys: people.keys, owners, release })
    }

    /// The document.
    pub fn document(&self) -> &TrustPolicy {
        &self.document
    }

    /// True if base images may come from `repository`.
    pub fn allows_base(&self, repository: &str) -> bool {
        let allowed = &self.document.base_images;
        allowed.is_empty()
            || allowed.iter().any(|one| place::is_text_below(repository, &one.prefix))
    }

    /// The keys of release signatures that are good at `time`: one good signature by one of them is
    /// enough.
    pub fn release_keys(&self, time: Timestamp) -> Vec<PublicKey> {
        let good = self.release.iter().filter(|(_, trusted)| trusted.is_good_at(time));
        good.map(|(key, _)| key.clone()).collect()
    }

    /// The principal that a key belongs to, whether or not the key is good.
    pub fn owner(&self, key: &PublicKey) -> Option<&PrincipalName> {
        let at = self.keys.iter().position(|known| known == key)?;
        self.owners.get(at).map(|(name, _)| name)
    }

    /// The keys of all principals, whether or not they are good.
    pub fn principal_keys(&self) -> &[PublicKey] {
        &self.keys
    }

    /// The principal that a key belongs to; judged at `time`.
    pub fn speaker(&self, key: &PublicKey, time: Timestamp) -> Option<Speaker> {
        let at = self.keys.iter().position(|known| known == key)?;
        let (principal, trusted) = self.owners.get(at)?;
        Some(Speaker { principal: principal.clone(), key_is_good: trusted.is_good_at(time) })
    }

    /// The principals whose keys signed `envelope`, each once; judged at `time`.
    pub fn speakers(&self, envelope: &Envelope, time: Timestamp) -> Vec<Speaker> {
        let mut speakers: Vec<Speaker> = Vec::new();
        for signed in envelope.verify(&self.keys) {
            let Some(at) = self.keys.iter().position(|key| key == signed) else { continue };
            let Some((principal, trusted)) = self.owners.get(at) else { continue };
            let key_is_good = trusted.is_good_at(time);
            match speakers.iter_mut().find(|speaker| speaker.principal == *principal) {
                Some(speaker) => speaker.key_is_good |= key_is_good,
                None => speakers.push(Speaker { principal: principal.clone(), key_is_good }),
            }
        }
        speakers
    }

    /// The principals with `role` at `place` who signed `envelope` with a key that is good at `time`.
    pub fn signers(
        &self,
        envelope: &Envelope,
        role: Role,
        place: &Place<'_>,
        time: Timestamp,
    ) -> BTreeSet<PrincipalName> {
        let holders = self.holders(role, place);
        let good = self.speakers(envelope, time).into_iter().filter(|s| s.key_is_good);
        good.map(|speaker| speaker.principal).filter(|name| holders.contains(name)).collect()
    }

    /// The rules of `role` that hold at `place`, each with its number in the document.
    pub fn rules<'a>(
        &'a self,
        role: Role,
        place: &'a Place<'_>,
    ) -> impl Iterator<Item = (usize, &'a RoleRule)> {
        let rules = self.document.roles.iter().enumerate();
        rules.filter(move |(_, rule)| rule.role == role && place.is_in(rule.scope.as_ref()))
    }

    /// Who has `role` at `place` by any rule.
    pub fn holders(&self, role: Role, place: &Place<'_>) -> BTreeSet<PrincipalName> {
        self.rules(role, place).flat_map(|(_, rule)| rule.principals.iter().cloned()).collect()
    }

    /// Counts `principals` against every rule of `role` that holds at `place`.
    pub fn count(
        &self,
        role: Role,
        place: &Place<'_>,
        principals: &BTreeSet<PrincipalName>,
    ) -> Counted {
        let count = |(number, rule): (usize, &RoleRule)| RuleCount {
            rule: number,
            threshold: rule.threshold,
            principals: rule
                .principals
                .iter()
                .filter(|name| principals.contains(name))
                .cloned()
                .collect(),
        };
        Counted { role, rules: self.rules(role, place).map(count).collect() }
    }
}

/// Reads keys of one list, no key twice.
#[derive(Default)]
struct Reader {
    keys: Vec<PublicKey>,
    fields: Vec<String>,
}

impl Reader {
    fn read(&mut self, field: String, trusted: &TrustedKey) -> Result<(), Error> {
        let key = match PublicKey::from_pem(&trusted.public_key) {
            Ok(key) => key,
            Err(source) => return Err(Error::Key { field, source }),
        };
        let first = self.keys.iter().position(|known| *known == key);
        if let Some(first) = first.and_then(|at| self.fields.get(at)) {
            return Err(Error::KeyTwice { field, key: key.to_string(), first: first.clone() });
        }
        self.keys.push(key);
        self.fields.push(field);
        Ok(())
    }
}

#[cfg(test)]
mod tests;
