//! Versions that the request calls fixed: whether their payloads hold the fix, and whether it is their
//! payloads' image that runs.

use std::collections::{BTreeMap, BTreeSet};

use fleetfix_hypershift::catalogue::HYPERSHIFT;
use fleetfix_hypershift::coverage::{self, Coverage, Seen};
use fleetfix_hypershift::effective;
use fleetfix_hypershift::finding::listed;
use fleetfix_model::document::finding::Finding;
use fleetfix_model::document::plan::Status;
use fleetfix_model::name::{Commit, ComponentTag};
use fleetfix_model::{Class, Classify, Reference, Version};
use fleetfix_registry::Client;
use fleetfix_release::Names;

use crate::Error;
use crate::annotated::readable;
use crate::base;
use crate::history::History;
use crate::payload::Payloads;
use crate::running::{Place, Running};
use crate::sources::Given;

/// Most characters of a text that is no reference.
const SHORT: usize = 200;
/// The check of payloads that are called fixed.
pub const CHECK: &str = "coverage/payloads";

/// What was found.
#[derive(Debug, Default)]
pub struct Judged {
    /// The findings.
    pub findings: Vec<Finding>,
    /// Why the check was not made for all of them, if it was not.
    pub not_made: Option<String>,
}

/// Reads the payloads of the released versions that are called fixed. One that is not there, or that
/// cannot be read, is no error: it is not patched.
pub async fn read(
    client: &Client,
    names: &Names,
    coverage: &Coverage,
    into: &mut Payloads,
) -> Result<(), Error> {
    let each = fleetfix_release::read::each(client, names, released(coverage)).await;
    for (version, found) in each.map_err(Error::payloads)? {
        let why = match found {
            Ok(found) if found.index.first(&version).is_some() => {
                into.fixed.extend(found.index);
                continue;
            }
            Ok(_) => "no payload was found",
            Err(error) if error.is_absent() => "no payload was found",
            Err(error) if error.class() == Class::Input => "its payload cannot be read",
            // What may be there next time is worth another try.
            Err(error) => return Err(Error::payloads(error)),
        };
        into.unread.insert(version, why.to_owned());
    }
    Ok(())
}

/// The released versions that are called fixed.
fn released(coverage: &Coverage) -> BTreeSet<Version> {
    coverage
        .iter()
        .filter(|(_, c)| c.status == Status::FixedInPayload && c.seen != Seen::Beyond)
        .map(|((_, version), _)| version.clone())
        .collect()
}

/// Judges the versions that are called fixed. Without a history nothing is known of their payloads;
/// what is known to run in their place is found all the same.
pub async fn judge(
    client: &Client,
    tag: &ComponentTag,
    coverage: &Coverage,
    payloads: &Payloads,
    (given, running): (&Given, &Running),
    mut history: Option<&mut History>,
) -> Result<Judged, Error> {
    let mut judged = Judged::default();
    if let Some(history) = history.as_deref_mut() {
        let Holds { holds, unknown } = of_payloads(tag, coverage, payloads, history)?;
        let fixed = |version: &Version| holds.get(version).copied();
        judged.findings.extend(coverage::judge_payloads(coverage, fixed).map_err(Error::finding)?);
        if !unknown.is_empty() {
            let told: Vec<String> =
                unknown.iter().map(|(version, why)| format!("{version}: {why}")).collect();
            let told = listed(told.iter(), "; ");
            judged.not_made =
                Some(format!("whether the payload holds the fix was not checked for {told}"));
        }
    }
    let mut overridden = BTreeMap::new();
    let mut annotated: BTreeMap<Place, BTreeSet<String>> = BTreeMap::new();
    let mut labels = Labels::default();
    for Instead { place, image, commit, cluster } in instead(tag, coverage, given, running) {
        let image = match image {
            Ok(image) => image,
            Err(text) => {
                overridden.insert(place, format!("`{text}`, which is no reference,"));
                continue;
            }
        };
        if is_of_payload(payloads, tag, &place.1, &image) {
            continue;
        }
        let commit = match (commit, &history) {
            (Some(commit), _) => Some(commit),
            (None, Some(_)) => labels.of(client, &image).await?,
            (None, None) => None,
        };
        let holds = match (&commit, history.as_deref_mut()) {
            (Some(commit), Some(history)) => history.holds(place.1.minor(), commit)?,
            _ => Err("its source was not looked at".to_owned()),
        };
        let told = match (holds, &cluster) {
            (Ok(true), _) => {
                // Nothing takes its place: whether it goes on to hold the fix nobody knows.
                let said = effective::mutable(place.0, &place.1, &image, false);
                judged.findings.extend(said.map_err(Error::finding)?);
                continue;
            }
            (Ok(false), None) => format!("{image}, whose source lacks a claimed fix,"),
            (Err(why), None) => format!("{image} ({why})"),
            (Ok(false), Some(cluster)) => {
                format!("{cluster} ({image}, whose source lacks a claimed fix)")
            }
            (Err(why), Some(cluster)) => format!("{cluster} ({image}: {why})"),
        };
        if cluster.is_some() {
            annotated.entry(place).or_default().insert(told);
        } else {
            overridden.insert(place, told);
        }
    }
    let found = coverage::judge_overridden(&overridden).map_err(Error::finding)?;
    judged.findings.extend(found);
    judged.findings.extend(effective::beside_fixed(&annotated).map_err(Error::finding)?);
    Ok(judged)
}

/// The commits that the labels of images name, each read once.
#[derive(Debug, Default)]
struct Labels(BTreeMap<Reference, Option<Commit>>);

impl Labels {
    async fn of(&mut self, client: &Client, image: &Reference) -> Result<Option<Commit>, Error> {
        if let Some(known) = self.0.get(image) {
            return Ok(known.clone());
        }
        let label = readable(client, image).await?.and_then(|image| base::label(&image));
        self.0.insert(image.clone(), label.clone());
        Ok(label)
    }
}

/// True if a payload of the version names the very image.
fn is_of_payload(
    payloads: &Payloads,
    tag: &ComponentTag,
    version: &Version,
    image: &Reference,
) -> bool {
    let named = payloads.fixed.of(version).filter_map(|payload| payload.components.get(tag));
    image.digest.is_some() && named.into_iter().any(|named| named.pullspec.digest == image.digest)
}

/// What is known of payloads that are called fixed.
struct Holds {
    /// Whether they hold the fix.
    holds: BTreeMap<Version, bool>,
    /// Why that is not known.
    unknown: BTreeMap<Version, String>,
}

/// Of each released version that is called fixed, whether its payload holds the fix, and why that is
/// not known.
fn of_payloads(
    tag: &ComponentTag,
    coverage: &Coverage,
    payloads: &Payloads,
    history: &mut History,
) -> Result<Holds, Error> {
    let mut holds = BTreeMap::new();
    let mut unknown = payloads.unread.clone();
    for version in released(coverage) {
        let commits: BTreeSet<Option<Commit>> = payloads
            .fixed
            .of(&version)
            .map(|payload| payload.components.get(tag).and_then(|found| found.commit.clone()))
            .collect();
        for commit in commits {
            let answer = match commit {
                Some(commit) => history.holds(version.minor(), &commit)?,
                None => Err(format!("the payload names no commit of `{tag}`")),
            };
            match answer {
                Ok(answer) => *holds.entry(version.clone()).or_insert(true) &= answer,
                Err(why) => {
                    unknown.insert(version.clone(), why);
                }
            }
        }
    }
    // One payload of a version that is not known spoils what the other says only where that is good.
    holds.retain(|version, holds| !*holds || !unknown.contains_key(version));
    Ok(Holds { holds, unknown })
}

/// What is known to run instead of the payload's image.
struct Instead {
    place: Place,
    /// What is named; `Err`: a text that is no reference.
    image: Result<Reference, String>,
    /// The commit of it, where something says so.
    commit: Option<Commit>,
    /// The one cluster that runs it; `None`: all that have no annotation of their own.
    cluster: Option<String>,
}

/// What is known to run instead of the payload's image where that is called fixed.
fn instead(
    tag: &ComponentTag,
    coverage: &Coverage,
    given: &Given,
    running: &Running,
) -> Vec<Instead> {
    let fixed = coverage.iter().filter(|(_, c)| c.status == Status::FixedInPayload);
    let of_place = |place: &Place| {
        let (platform, version) = place;
        let entry = given.overrides.as_ref().filter(|_| tag.as_str() == HYPERSHIFT);
        let entry = entry.and_then(|overrides| overrides.image(*platform, version));
        let entry = entry.map(|text| text.parse().map_err(|_| text.chars().take(SHORT).collect()));
        let bundle = running.overriding.bundles.get(place);
        let of_bundle = || bundle.map(|bundle| (Ok(bundle.image.clone()), bundle.commit.clone()));
        let (image, commit) = entry.map(|image| (image, None)).or_else(of_bundle)?;
        Some(Instead { place: place.clone(), image, commit, cluster: None })
    };
    let annotated = running.overriding.annotated(coverage, Status::FixedInPayload);
    let of_cluster = annotated.map(|cluster| Instead {
        place: (cluster.platform, cluster.version.clone()),
        image: Ok(cluster.image.clone()),
        commit: None,
        cluster: Some(cluster.cluster.clone()),
    });
    fixed.filter_map(|(place, _)| of_place(place)).chain(of_cluster).collect()
}
