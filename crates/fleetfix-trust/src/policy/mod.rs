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

use fleetfix_model::document::policy::{Principal, Role, RoleRule, Separation, TrustedKey};
use fleetfix_model::document::{Document as _, Rule, TrustPolicy};
use fleetfix_model::name::PrincipalName;
use fleetfix_model::{Class, Classify, Repository, Timestamp};

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
        check_demands(&document)?;
        // One for people and releases: whoever has both would release alone what others must approve.
        let mut reader = Reader::default();
        let mut owners = Vec::new();
        for (i, principal) in document.principals.iter().enumerate() {
            for (j, trusted) in principal.keys.iter().enumerate() {
                reader.read(format!("principals[{i}].keys[{j}]"), trusted)?;
                owners.push((principal.name.clone(), trusted.clone()));
            }
        }
        for (i, trusted) in document.release.keys.iter().enumerate() {
            reader.read(format!("release.keys[{i}]"), trusted)?;
        }
        let mut keys = reader.keys;
        let release = keys.split_off(owners.len());
        let release = release.into_iter().zip(document.release.keys.iter().cloned()).collect();
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
        Ok(Self { document, keys, owners, release })
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

    /// Those whom a document may mean by `name`: the principal of that name, and whoever has it as the
    /// subject of a keyless identity, which is how Git names people, by their mail.
    pub(crate) fn called<'a>(
        &'a self,
        name: &'a PrincipalName,
    ) -> impl Iterator<Item = &'a Principal> {
        let is = |one: &Principal| {
            let mut subjects = one.identities.iter().map(|identity| identity.subject.as_str());
            one.name == *name || subjects.any(|s| s.eq_ignore_ascii_case(name.as_str()))
        };
        self.document.principals.iter().filter(move |one| is(one))
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

/// Refuses what the document can say and nobody here holds anything to, and rules that hold nowhere:
/// who wrote them relies on them.
fn check_demands(document: &TrustPolicy) -> Result<(), Error> {
    let unsupported = |field: String, what| Err(Error::NotSupported { field, what });
    for (i, rule) in document.roles.iter().enumerate() {
        if matches!(rule.role, Role::Requester | Role::Author) {
            return unsupported(format!("roles[{i}].role"), "who may request or write a fix");
        }
        for (j, prefix) in rule.scope.iter().flat_map(|scope| &scope.repositories).enumerate() {
            check_prefix(format!("roles[{i}].scope.repositories[{j}]"), prefix)?;
        }
    }
    // Approvals are all that is counted with a look at who has another part.
    let is_counted = |Separation { role, not }: &Separation| match role {
        Role::Approver => !not.contains(&Role::Approver),
        Role::Requester | Role::Author | Role::Builder => not.iter().all(|o| *o == Role::Approver),
    };
    if let Some(i) = document.separation.iter().position(|rule| !is_counted(rule)) {
        return unsupported(
            format!("separation[{i}]"),
            "parts kept apart other than from approver",
        );
    }
    for (i, base) in document.base_images.iter().enumerate() {
        check_prefix(format!("baseImages[{i}].prefix"), &base.prefix)?;
    }
    Ok(())
}

/// A prefix that is above no repository would silently be a rule that holds nowhere.
fn check_prefix(field: String, prefix: &str) -> Result<(), Error> {
    let below = format!("{}/x", prefix.trim_end_matches('/'));
    let repository = below.parse().ok().filter(|one: &Repository| one.layout_dir().is_none());
    if repository.is_some_and(|one| place::is_below(&one, prefix)) {
        return Ok(());
    }
    let what = "is above no repository: expected `registry.example/path`, without a scheme";
    Err(Error::Rule(Rule::new(field, what)))
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
