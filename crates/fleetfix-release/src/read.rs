//! The payloads of many versions, each read once.

use std::collections::BTreeMap;

use fleetfix_model::{Digest, Reference, Version};
use fleetfix_registry::Client;
use tokio::task::JoinSet;

use crate::names::Candidates;
use crate::payload::{self, Payload, read_new};
use crate::{Error, Index, Names};

/// How many versions are read at a time.
const AT_ONCE: usize = 8;

/// What was found.
#[derive(Clone, Debug, Default)]
pub struct Found {
    /// The payloads.
    pub index: Index,
    /// Versions without any, with the names that were tried.
    pub missing: BTreeMap<Version, Vec<Reference>>,
}

/// The payloads of one version, with every name that led to one.
#[derive(Debug, Default)]
struct Of {
    payloads: Vec<Payload>,
    names: Vec<(Reference, Digest)>,
    tried: Vec<Reference>,
}

/// Reads the payloads of `versions`. Of several errors the one of the lowest version is given, so that
/// the same input fails with the same words. A version without a payload is no error here: whether it
/// needs one is for the caller to say.
///
/// A payload that the client's mirrors redirect is found by its name there as well.
pub async fn payloads(
    client: &Client,
    names: &Names,
    versions: impl IntoIterator<Item = Version>,
) -> Result<Found, Error> {
    let mut all = Found::default();
    for found in each(client, names, versions).await?.into_values() {
        let found = found?;
        all.index.extend(found.index);
        all.missing.extend(found.missing);
    }
    Ok(all)
}

/// The same, several at a time, with what was found or went wrong for each version.
pub async fn each(
    client: &Client,
    names: &Names,
    versions: impl IntoIterator<Item = Version>,
) -> Result<BTreeMap<Version, Result<Found, Error>>, Error> {
    let mut waiting = versions.into_iter();
    let mut reading = JoinSet::new();
    let mut done = BTreeMap::new();
    loop {
        while reading.len() < AT_ONCE
            && let Some(version) = waiting.next()
        {
            let candidates = names
                .candidates(&version)
                .map_err(|source| Error::Name { version: version.clone(), source });
            let client = client.clone();
            reading.spawn(async move {
                let found = match candidates {
                    Ok(candidates) => of_version(&client, &version, candidates).await,
                    Err(error) => Err(error),
                };
                (version, found)
            });
        }
        let Some(joined) = reading.join_next().await else { break };
        let (version, of) = joined.map_err(Error::Reader)?;
        let found = of.and_then(|of| of.found(client, &version));
        done.insert(version, found);
    }
    Ok(done)
}

impl Of {
    fn found(self, client: &Client, version: &Version) -> Result<Found, Error> {
        let mut found = Found::default();
        if self.payloads.is_empty() {
            found.missing.insert(version.clone(), self.tried);
        }
        let read = self.payloads.iter().map(|payload| (payload.reference.clone(), payload.digest));
        let names: Vec<(Reference, Digest)> = read.chain(self.names).collect();
        for payload in self.payloads {
            found.index.insert(payload)?;
        }
        for (name, digest) in names {
            // Clusters may name it where it is mirrored.
            let place = client.source(&name.repository).repository().clone();
            found.index.name(Reference { repository: place, ..name.clone() }, digest);
            found.index.name(name, digest);
        }
        Ok(found)
    }
}

async fn of_version(
    client: &Client,
    version: &Version,
    candidates: Candidates,
) -> Result<Of, Error> {
    let mut of = Of::default();
    for name in &candidates.names {
        let known: Vec<Digest> = of.payloads.iter().map(|payload| payload.digest).collect();
        match read_new(client, name, &known).await {
            Ok(payload::Found::Known(digest)) => of.names.push((name.clone(), digest)),
            Ok(payload::Found::New(payload)) if payload.version == *version => {
                of.payloads.push(*payload);
            }
            Ok(payload::Found::New(payload)) => {
                return Err(Error::WrongVersion {
                    reference: Box::new(payload.reference),
                    expected: version.clone(),
                    actual: payload.version,
                });
            }
            Err(error) if error.is_absent() && !candidates.all => {}
            Err(error) => return Err(error),
        }
    }
    of.tried = candidates.names;
    Ok(of)
}
