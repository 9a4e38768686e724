//! The release images of the covered versions, and the component in them.

use std::collections::{BTreeMap, BTreeSet};

use fleetfix_hypershift::Catalogue;
use fleetfix_hypershift::component;
use fleetfix_hypershift::coverage::{Coverage, Seen};
use fleetfix_hypershift::finding::finding;
use fleetfix_model::document::Rule;
use fleetfix_model::document::finding::{Finding, FindingLevel};
use fleetfix_model::document::plan::Status;
use fleetfix_model::name::ComponentTag;
use fleetfix_model::{Reference, Version};
use fleetfix_registry::Client;
use fleetfix_release::{Index, Names, Payload};

use crate::Error;
use crate::request::Request;
use crate::sources::Given;

/// Which component is fixed.
#[derive(Debug)]
pub struct Component {
    /// Its tag.
    pub tag: ComponentTag,
    /// What was found when its name was looked up.
    pub finding: Option<Finding>,
}

/// The release images that were read.
#[derive(Clone, Debug, Default)]
pub struct Payloads {
    /// Those of the covered versions.
    pub covered: Index,
    /// Those of the versions that are called fixed.
    pub fixed: Index,
    /// Fixed versions of which none was read, and why.
    pub unread: BTreeMap<Version, String>,
}

impl Payloads {
    /// The payload that a cluster names.
    pub fn find(&self, name: &Reference) -> Option<&Payload> {
        self.covered.find(name).or_else(|| self.fixed.find(name))
    }
}

/// The covered versions.
pub fn covered(request: &Request, coverage: &Coverage) -> Result<BTreeSet<Version>, Error> {
    let covered: BTreeSet<Version> = coverage
        .iter()
        .filter(|(_, covered)| covered.status == Status::Covered)
        .map(|((_, version), _)| version.clone())
        .collect();
    if covered.is_empty() {
        return Err(Error::Rule {
            file: request.file.clone(),
            source: Rule::new("affected", "no version is left to cover"),
        });
    }
    Ok(covered)
}

/// What the payloads are called: the request has the first word, then a list that was given, then
/// the update graph and the request's templates together.
pub fn names(request: &Request, given: &Given) -> Result<Names, Error> {
    let mut names = Names { listed: given.payloads.clone(), ..Names::default() };
    let mut listed: BTreeMap<Version, Vec<Reference>> = BTreeMap::new();
    for payload in &request.document.payloads {
        let image = request.located(&payload.image);
        listed.entry(payload.version.clone()).or_default().push(image);
    }
    names.listed.extend(listed);
    if let Some((graph, _)) = &given.graph {
        for version in graph.versions() {
            let payload = graph.payload(version).map(|image| vec![image.clone()]);
            names.graph.extend(payload.map(|images| (version.clone(), images)));
        }
    }
    for (index, template) in request.document.payload_templates.iter().enumerate() {
        let template = request
            .located_template(template)
            .parse()
            .map_err(|source| Error::Template { file: request.file.clone(), index, source })?;
        names.templates.push(template);
    }
    Ok(names)
}

/// Reads the payloads of the covered versions. One that the update graph skips may have none; it is
/// then left out of the coverage, which somebody has to want.
pub async fn read(
    client: &Client,
    request: &Request,
    names: &Names,
    coverage: &mut Coverage,
) -> Result<(Index, Vec<Finding>), Error> {
    let versions = covered(request, coverage)?;
    let found = fleetfix_release::read::payloads(client, names, versions).await;
    let found = found.map_err(Error::payloads)?;
    let mut findings = Vec::new();
    for (version, tried) in found.missing {
        let mut of_version: Vec<_> =
            coverage.iter_mut().filter(|((_, v), _)| *v == version).collect();
        let known = of_version.iter().any(|(_, covered)| covered.seen != Seen::Skipped);
        // Nothing was asked for, so that nothing is known.
        if known || tried.is_empty() {
            return Err(Error::NoPayload { file: request.file.clone(), version, tried });
        }
        for (_, covered) in &mut of_version {
            covered.status = Status::Gap;
            covered.reason = Some("the update graph skips it, and it has no payload".to_owned());
        }
        let listed: Vec<String> = tried.iter().map(ToString::to_string).collect();
        let message = format!(
            "the update graph skips {version}, and no payload was found under {}: a cluster that runs it is not covered; name its payload, or exclude it with a reason",
            listed.join(", ")
        );
        let path = format!("payload/{version}/none");
        findings.push(finding(FindingLevel::Blocking, &path, message).map_err(Error::finding)?);
    }
    covered(request, coverage)?;
    Ok((found.index, findings))
}

/// The payload tag that the request means. Every payload must have it.
pub fn component(
    request: &Request,
    payloads: &Index,
    catalogue: &Catalogue,
) -> Result<Component, Error> {
    let tags = payloads.iter().flat_map(|payload| payload.components.keys().cloned()).collect();
    let (tag, finding) = component::resolve(&request.document.component, &tags, catalogue)
        .map_err(|e| Error::of_request(request, e))?;
    if let Some(payload) = payloads.iter().find(|payload| !payload.components.contains_key(&tag)) {
        let subject = format!("payload {}", payload.reference);
        let error = component::missing(subject, &tag, payload.components.keys());
        return Err(Error::of_request(request, error));
    }
    Ok(Component { tag, finding })
}
