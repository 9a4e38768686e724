//! In-toto statements (in-toto/attestation `spec/v1/statement.md`): a predicate about a digest.
//!
//! Statements with a predicate of ours are canonical JSON about exactly one subject. Statements with
//! predicates of others (SLSA provenance, `CycloneDX`) may be spelled freely and have several subjects
//! and digests, but no key twice.

use std::collections::BTreeMap;

use fleetfix_model::document::{self, Document};
use fleetfix_model::{Class, Classify, Digest, ToCanonical, canonical, media};
use serde::{Deserialize, Serialize};

use crate::exact;

/// Most subjects that are read.
const MAX_SUBJECTS: usize = 1024;

/// A predicate about a digest.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Statement<P> {
    /// Name of the subject, which nobody relies on.
    pub name: Option<String>,
    /// Digest of what the statement is about.
    pub subject: Digest,
    /// Type of the predicate.
    pub predicate_type: String,
    /// What is said.
    pub predicate: P,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
struct Wire<P> {
    #[serde(rename = "_type")]
    kind: String,
    subject: Vec<WireSubject>,
    predicate_type: String,
    predicate: P,
}

#[derive(Clone, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
struct WireSubject {
    #[serde(default, skip_serializing_if = "Option::is_none")]
    name: Option<String>,
    digest: BTreeMap<String, String>,
    /// Fields of a resource descriptor that say nothing about identity (`uri`, `annotations`, ...).
    #[serde(flatten)]
    more: BTreeMap<String, serde_json::Value>,
}

/// Why bytes are not the expected statement.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// Not the fields of a statement, a duplicate key, not canonical where it must be.
    #[error("not an in-toto statement")]
    Malformed(#[source] canonical::Error),
    /// Another `_type`.
    #[error("statement of type `{found}`, expected `{}`", media::STATEMENT)]
    Type {
        /// Type found.
        found: String,
    },
    /// Another predicate type.
    #[error("predicate of type `{found}`, expected `{expected}`")]
    PredicateType {
        /// Type found.
        found: String,
        /// Type expected.
        expected: String,
    },
    /// Not exactly one subject with exactly one SHA-256 digest in a statement of ours.
    #[error("{found} subjects or digests, expected exactly one subject with one `sha256` digest")]
    NotOneSubject {
        /// How many there are.
        found: usize,
    },
    /// About something else.
    #[error("about {found}, expected {expected}")]
    Subject {
        /// The digests found, or `nothing`.
        found: String,
        /// The digest expected.
        expected: Digest,
    },
    /// The predicate is not the document.
    #[error(transparent)]
    Predicate(document::Error),
    /// A statement of ours that cannot be written: a defect.
    #[error("statement has no canonical form")]
    NoForm(#[source] canonical::Error),
}

impl Classify for Error {
    fn class(&self) -> Class {
        match self {
            Self::Malformed(_)
            | Self::Type { .. }
            | Self::PredicateType { .. }
            | Self::NotOneSubject { .. }
            | Self::Subject { .. } => Class::Input,
            Self::Predicate(e) => e.class(),
            Self::NoForm(e) => e.class(),
        }
    }
}

impl<P: Serialize> Statement<P> {
    /// `predicate` about `subject`.
    pub fn new(subject: Digest, predicate_type: impl Into<String>, predicate: P) -> Self {
        Self { name: None, subject, predicate_type: predicate_type.into(), predicate }
    }

    /// The canonical bytes, which go into an envelope.
    pub fn to_bytes(&self) -> Result<Vec<u8>, Error> {
        let subject = WireSubject {
            name: self.name.clone(),
            digest: [("sha256".to_owned(), self.subject.hex())].into(),
            more: BTreeMap::new(),
        };
        let wire = Wire {
            kind: media::STATEMENT.to_owned(),
            subject: vec![subject],
            predicate_type: self.predicate_type.clone(),
            predicate: &self.predicate,
        };
        wire.to_canonical().map_err(Error::NoForm)
    }
}

impl Statement<serde_json::Value> {
    /// Reads a statement of type `predicate_type` about `subject`.
    pub fn parse(bytes: &[u8], predicate_type: &str, subject: Digest) -> Result<Self, Error> {
        let wire = wire(bytes)?;
        if wire.predicate_type != predicate_type {
            return Err(Error::PredicateType {
                found: wire.predicate_type.chars().take(200).collect(),
                expected: predicate_type.to_owned(),
            });
        }
        let name = if predicate_type.starts_with(media::OUR_PREDICATES) {
            // Nothing but the one spelling: written again, it must be the same.
            canonical::from_canonical::<serde_json::Value>(bytes).map_err(Error::Malformed)?;
            only_subject(&wire.subject, subject)?
        } else {
            one_of(&wire.subject, subject)?
        };
        Ok(Self { name, subject, predicate_type: wire.predicate_type, predicate: wire.predicate })
    }

    /// The predicate as a document of ours, with all its rules checked.
    pub fn document<T: Document>(self) -> Result<Statement<T>, Error> {
        let bytes = self.predicate.to_canonical().map_err(Error::Malformed)?;
        let predicate = document::from_canonical("predicate", &bytes).map_err(Error::Predicate)?;
        Ok(Statement {
            name: self.name,
            subject: self.subject,
            predicate_type: self.predicate_type,
            predicate,
        })
    }
}

/// The predicate type that the statement in `bytes` claims, to sort candidates by.
pub fn predicate_type(bytes: &[u8]) -> Result<String, Error> {
    wire(bytes).map(|wire| wire.predicate_type)
}

fn wire(bytes: &[u8]) -> Result<Wire<serde_json::Value>, Error> {
    let value = canonical::from_bounded_json(bytes).map_err(Error::Malformed)?;
    let wire: Wire<serde_json::Value> = exact::typed(&value).map_err(Error::Malformed)?;
    if wire.kind != media::STATEMENT {
        return Err(Error::Type { found: wire.kind.chars().take(200).collect() });
    }
    Ok(wire)
}

fn sha256(subject: &WireSubject) -> Option<Digest> {
    format!("sha256:{}", subject.digest.get("sha256")?).parse().ok()
}

/// Ours: one subject, one digest, nothing else said about it.
fn only_subject(subjects: &[WireSubject], expected: Digest) -> Result<Option<String>, Error> {
    let [subject] = subjects else { return Err(Error::NotOneSubject { found: subjects.len() }) };
    if subject.digest.len() != 1 || !subject.more.is_empty() {
        return Err(Error::NotOneSubject { found: subject.digest.len() + subject.more.len() });
    }
    one_of(subjects, expected)
}

/// Others: one of the subjects has the digest.
fn one_of(subjects: &[WireSubject], expected: Digest) -> Result<Option<String>, Error> {
    if subjects.len() > MAX_SUBJECTS {
        return Err(Error::NotOneSubject { found: subjects.len() });
    }
    if let Some(subject) = subjects.iter().find(|s| sha256(s) == Some(expected)) {
        return Ok(subject.name.clone());
    }
    let digests: Vec<_> = subjects.iter().filter_map(sha256).map(|d| d.to_string()).collect();
    let found = match digests.first() {
        Some(first) if digests.len() == 1 => first.clone(),
        Some(first) => format!("{first} and {} more", digests.len() - 1),
        None => "nothing with a `sha256` digest".to_owned(),
    };
    Err(Error::Subject { found, expected })
}

#[cfg(test)]
mod tests;
