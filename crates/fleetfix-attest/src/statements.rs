//! The statements about a patched image: what it holds, its bill of materials, how it was made.
//!
//! Each is canonical JSON about the index's digest and has no time in it, so the same patch has the
//! same statements, wherever and whenever they are signed.

use fleetfix_model::{Digest, media};
use fleetfix_trust::statement;

use crate::fix::fix;
use crate::patched::Patched;
use crate::provenance::provenance;
use crate::sbom::sbom;

/// A statement that is ready to be signed.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Statement {
    /// What it is about.
    pub subject: Digest,
    /// The type of its predicate.
    pub predicate_type: String,
    /// Its canonical bytes.
    pub bytes: Vec<u8>,
}

impl Statement {
    /// `predicate` about `subject`. The subject has no name: where the image lies is no part of
    /// what is said about it.
    pub fn new<P: serde::Serialize>(
        subject: Digest,
        predicate_type: impl Into<String>,
        predicate: P,
    ) -> Result<Self, statement::Error> {
        let statement = statement::Statement::new(subject, predicate_type, predicate);
        let bytes = statement.to_bytes()?;
        Ok(Self { subject, predicate_type: statement.predicate_type, bytes })
    }

    /// Digest of the bytes: names the statement whoever signs it.
    pub fn digest(&self) -> Digest {
        Digest::of(&self.bytes)
    }
}

/// All statements about `patched`, built by `builder`.
pub fn statements(
    patched: &Patched<'_>,
    builder: &str,
) -> Result<Vec<Statement>, statement::Error> {
    let subject = patched.index;
    Ok(vec![
        Statement::new(subject, media::FIX_PREDICATE, fix(patched))?,
        Statement::new(subject, media::SBOM_PREDICATE, sbom(patched))?,
        Statement::new(subject, media::PROVENANCE_PREDICATE, provenance(patched, builder))?,
    ])
}
