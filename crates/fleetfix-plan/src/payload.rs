//! The release image of each version.

use std::collections::{BTreeMap, BTreeSet};

use fleetfix_hypershift::Catalogue;
use fleetfix_hypershift::component;
use fleetfix_hypershift::coverage::Coverage;
use fleetfix_model::document::Rule;
use fleetfix_model::document::finding::Finding;
use fleetfix_model::document::plan::Status;
use fleetfix_model::name::ComponentTag;
use fleetfix_model::{Reference, Version};
use fleetfix_registry::Client;
use fleetfix_release::{Payload, Stream};
use tokio::task::JoinSet;

use crate::Error;
use crate::request::Request;

/// How many payloads are read at a time.
const AT_ONCE: usize = 8;

/// Where the payloads of one version may be.
#[derive(Clone, Debug)]
pub enum Candidates {
    /// The request names them.
    Named(Vec<Reference>),
    /// Templates, tried in this order.
    Templates(Vec<Reference>),
}

/// The payloads of each version; those for several architectures first.
pub type Payloads = BTreeMap<Version, Vec<Payload>>;

/// Which component is fixed.
#[derive(Debug)]
pub struct Component {
    /// Its tag.
    pub tag: ComponentTag,
    /// What was found when its name was looked up.
    pub finding: Option<Finding>,
}

/// Where the payload of each covered version may be.
pub fn needed(
    request: &Request,
    coverage: &Coverage,
) -> Result<BTreeMap<Version, Candidates>, Error> {
    let covered: BTreeSet<&Version> = coverage
        .iter()
        .filter(|(_, covered)| covered.status == Status::Covered)
        .map(|((_, version), _)| version)
        .collect();
    if covered.is_empty() {
        return Err(Error::Rule {
            file: request.file.clone(),
            source: Rule::new("affected", "no version is left to cover"),
        });
    }
    covered.into_iter().map(|v| Ok((v.clone(), candidates(request, v)?))).collect()
}

fn candidates(request: &Request, version: &Version) -> Result<Candidates, Error> {
    let named: Vec<Reference> = request
        .document
        .payloads
        .iter()
        .filter(|payload| payload.version == *version)
        .map(|payload| request.located(&payload.image))
        .collect();
    if !named.is_empty() {
        return Ok(Candidates::Named(named));
    }
    let expand = |(index, template): (usize, &String)| {
        let reference: Reference = template
            .replace("{version}", &version.to_string())
            .parse()
            .map_err(|source| Error::Template {
                file: request.file.clone(),
                index,
                version: version.clone(),
                source,
            })?;
        Ok(request.located(&reference))
    };
    let templates: Vec<Reference> = request
        .document
        .payload_templates
        .iter()
        .enumerate()
        .map(expand)
        .collect::<Result<_, Error>>()?;
    Ok(Candidates::Templates(templates))
}

/// Reads each payload once, several at a time. Of several errors the one of the lowest version is
/// given.
pub async fn read(
    client: &Client,
    request: &Request,
    versions: BTreeMap<Version, Candidates>,
) -> Result<Payloads, Error> {
    let mut read = BTreeMap::new();
    let mut reading = JoinSet::new();
    let mut waiting = versions.into_iter();
    loop {
        while reading.len() < AT_ONCE
            && let Some((version, candidates)) = waiting.next()
        {
            let (client, file) = (client.clone(), request.file.clone());
            reading.spawn(async move {
                let payloads = of_version(&client, &file, &version, candidates).await;
                (version, payloads)
            });
        }
        let Some(done) = reading.join_next().await else { break };
        let (version, payloads) = done?;
        read.insert(version, payloads);
    }
    read.into_iter().map(|(version, payloads)| Ok((version, payloads?))).collect()
}

async fn of_version(
    client: &Client,
    file: &str,
    version: &Version,
    candidates: Candidates,
) -> Result<Vec<Payload>, Error> {
    let failed = |source| Error::Payload { version: version.clone(), source: Box::new(source) };
    let mut payloads = Vec::new();
    match candidates {
        Candidates::Named(named) => {
            for reference in named {
                payloads.push(fleetfix_release::read(client, &reference).await.map_err(failed)?);
            }
        }
        Candidates::Templates(tried) => {
            for reference in &tried {
                match fleetfix_release::read(client, reference).await {
                    Ok(payload) => {
                        payloads.push(payload);
                        break;
                    }
                    Err(error) if error.is_absent() => {}
                    Err(error) => return Err(failed(error)),
                }
            }
            if payloads.is_empty() {
                let (file, version) = (file.to_owned(), version.clone());
                return Err(Error::NoPayload { file, version, tried });
            }
        }
    }
    if let Some(other) = payloads.iter().find(|payload| payload.version != *version) {
        return Err(Error::WrongVersion {
            reference: Box::new(other.reference.clone()),
            expected: version.clone(),
            actual: other.version.clone(),
        });
    }
    payloads.sort_by_key(|payload| (payload.stream != Stream::Multi, payload.digest));
    Ok(payloads)
}

/// The payload tag that the request means. Every payload must have it.
pub fn component(
    request: &Request,
    payloads: &Payloads,
    catalogue: &Catalogue,
) -> Result<Component, Error> {
    let all = || payloads.values().flatten();
    let tags = all().flat_map(|payload| payload.components.keys().cloned()).collect();
    let (tag, finding) = component::resolve(&request.document.component, &tags, catalogue)
        .map_err(|e| Error::of_request(request, e))?;
    if let Some(payload) = all().find(|payload| !payload.components.contains_key(&tag)) {
        let subject = format!("payload {}", payload.reference);
        let error = component::missing(subject, &tag, payload.components.keys());
        return Err(Error::of_request(request, error));
    }
    Ok(Component { tag, finding })
}
