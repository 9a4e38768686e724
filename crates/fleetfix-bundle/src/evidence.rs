//! What lies beside a patched image: signatures and attestations.
//!
//! None of it is verified here, because there is no policy here that says whose keys count; that is
//! for publishing. What is checked is that all of it is there and about this image and this plan,
//! so that what was not signed and attested cannot be bundled.

use std::collections::BTreeSet;

use fleetfix_model::document::Fix;
use fleetfix_model::document::bundle::RequiredAttestation;
use fleetfix_model::document::policy::Role;
use fleetfix_model::{Digest, media};
use fleetfix_registry::Store;
use fleetfix_registry::attach::{self, Attachment, Kind};
use fleetfix_task::Failure;
use fleetfix_trust::PublicKey;
use fleetfix_trust::dsse::Envelope;
use fleetfix_trust::simple_signing::Payload;
use fleetfix_trust::statement::Statement;
use serde_json::Value;

use crate::Error;
use crate::image::Image;

/// How many builders have to attest each statement.
const COUNT: u32 = 1;

/// Digests of the statements about one patched index.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Evidence {
    /// The fix statement.
    pub fix: Digest,
    /// The bill of materials.
    pub sbom: Digest,
}

impl Evidence {
    /// Looks for everything that has to lie beside `image`, which the fleet will call `identity`
    /// and which was made following the plan `plan`. Statements count where one of `builders` signed
    /// them; all do where none is named.
    pub async fn find(
        store: &Store,
        image: &Image,
        identity: &str,
        plan: Digest,
        builders: &[PublicKey],
    ) -> Result<Self, Failure> {
        for digest in &image.digests {
            let layers = attach::candidates(store, *digest, Kind::Signature).await?;
            if !layers.iter().any(|layer| names(layer, *digest, identity)) {
                let identity = identity.to_owned();
                return Err(Error::NotSigned { image: *digest, identity }.into());
            }
        }
        let index = image.index.digest;
        let layers = attach::candidates(store, index, Kind::Attestation).await?;
        Ok(Self::of(index, plan, &layers, builders)?)
    }

    /// The statements about `index` that follow from `plan`, among what is attached and signed by
    /// one of `builders`; with no builders, among all that is attached.
    pub fn of(
        index: Digest,
        plan: Digest,
        layers: &[Attachment],
        builders: &[PublicKey],
    ) -> Result<Self, Error> {
        let layers = envelopes(layers, builders);
        let fix = only(index, media::FIX_PREDICATE, &layers, |statement| {
            statement.document::<Fix>().is_ok_and(|fix| fix.predicate.plan == plan)
        })?;
        let sbom = only(index, media::SBOM_PREDICATE, &layers, |s| sbom_is_of(&s.predicate, plan))?;
        // Provenance may name a time or a run, so any number of different ones is fine.
        let provenance = statements(index, media::PROVENANCE_PREDICATE, &layers, |statement| {
            let parameters = "/buildDefinition/externalParameters/plan";
            statement.predicate.pointer(parameters).and_then(Value::as_str)
                == Some(plan.to_string().as_str())
        });
        if provenance.is_empty() {
            return Err(Error::NotAttested {
                image: index,
                predicate_type: media::PROVENANCE_PREDICATE,
            });
        }
        Ok(Self { fix, sbom })
    }

    /// What the bundle demands, sorted by predicate type: the digest of a statement is named where
    /// the statement has no time in it.
    pub fn required(&self, index: Digest) -> Vec<RequiredAttestation> {
        let mut required = [
            (media::FIX_PREDICATE, Some(self.fix)),
            (media::SBOM_PREDICATE, Some(self.sbom)),
            (media::PROVENANCE_PREDICATE, None),
        ]
        .map(|(predicate_type, statement)| RequiredAttestation {
            subject: index,
            predicate_type: predicate_type.to_owned(),
            role: Role::Builder,
            count: COUNT,
            statement,
        });
        required.sort_by(|a, b| a.predicate_type.cmp(&b.predicate_type));
        required.to_vec()
    }
}

/// True if `layer` is a signature of whomever that calls `digest` by the name `identity`.
fn names(layer: &Attachment, digest: Digest, identity: &str) -> bool {
    layer.media_type == media::SIMPLE_SIGNING
        && Payload::parse(&layer.payload).is_ok_and(|payload| {
            payload.manifest_digest == digest && payload.docker_reference == identity
        })
}

/// `CycloneDX` has no field for a plan, so `fleetfix-attest` writes a property.
fn sbom_is_of(sbom: &Value, plan: Digest) -> bool {
    let plan = plan.to_string();
    let properties = sbom.pointer("/metadata/properties").and_then(Value::as_array);
    properties.into_iter().flatten().any(|property| {
        let field = |name: &str| property.get(name).and_then(Value::as_str);
        field("name") == Some(media::SBOM_PLAN) && field("value") == Some(plan.as_str())
    })
}

/// The envelopes among `layers` that count: anybody who can write to the build place can attach one.
fn envelopes(layers: &[Attachment], builders: &[PublicKey]) -> Vec<Envelope> {
    let layers = layers.iter().filter(|layer| layer.media_type == media::DSSE);
    layers
        .filter_map(|layer| Envelope::parse(&layer.payload).ok())
        .filter(|envelope| builders.is_empty() || !envelope.verify(builders).is_empty())
        .collect()
}

/// Digests of the statements of one type about `index` that `fits`.
fn statements(
    index: Digest,
    predicate_type: &'static str,
    envelopes: &[Envelope],
    fits: impl Fn(Statement<Value>) -> bool,
) -> BTreeSet<Digest> {
    envelopes
        .iter()
        .filter(|e| Statement::parse(e.payload(), predicate_type, index).is_ok_and(&fits))
        .map(Envelope::payload_digest)
        .collect()
}

/// The one statement of a type whose digest goes into the bundle. It may be signed several times.
fn only(
    index: Digest,
    predicate_type: &'static str,
    envelopes: &[Envelope],
    fits: impl Fn(Statement<Value>) -> bool,
) -> Result<Digest, Error> {
    let found = statements(index, predicate_type, envelopes, fits);
    match (found.first(), found.len()) {
        (Some(digest), 1) => Ok(*digest),
        (None, _) => Err(Error::NotAttested { image: index, predicate_type }),
        (Some(_), count) => Err(Error::Ambiguous { image: index, predicate_type, count }),
    }
}
