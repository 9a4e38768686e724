//! Versions that the request calls fixed: whether their payloads hold the fix, and whether it is their
//! payloads' image that runs.

use std::collections::{BTreeMap, BTreeSet};

use fleetfix_hypershift::catalogue::HYPERSHIFT;
use fleetfix_hypershift::coverage::{self, Coverage, Seen};
use fleetfix_hypershift::finding::listed;
use fleetfix_model::document::finding::Finding;
use fleetfix_model::document::plan::Status;
use fleetfix_model::name::{Commit, ComponentTag};
use fleetfix_model::{Class, Classify, Reference, Version};
use fleetfix_registry::Client;
use fleetfix_release::read::Found;
use fleetfix_release::{Names, read};
use tokio::task::JoinSet;

use crate::Error;
use crate::annotated::readable;
use crate::base;
use crate::history::History;
use crate::running::{Place, Running};
use crate::sources::Given;

/// How many versions are read at a time.
const AT_ONCE: usize = 8;
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

/// Judges the versions that are called fixed. Without a history nothing is known of their payloads;
/// what is known to run in their place is found all the same.
pub async fn judge(
    client: &Client,
    names: &Names,
    tag: &ComponentTag,
    coverage: &Coverage,
    (given, running): (&Given, &Running),
    mut history: Option<&mut History>,
) -> Result<Judged, Error> {
    let mut judged = Judged::default();
    if let Some(history) = history.as_deref_mut() {
        let (holds, unknown) = of_payloads(client, names, tag, coverage, history).await?;
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
    for (place, image, commit) in instead(tag, coverage, given, running) {
        let commit = match (commit, &history) {
            (Some(commit), _) => Some(commit),
            (None, Some(_)) => {
                readable(client, &image).await?.and_then(|image| base::label(&image))
            }
            (None, None) => None,
        };
        let holds = match (&commit, history.as_deref_mut()) {
            (Some(commit), Some(history)) => history.holds(place.1.minor(), commit)?,
            _ => Err("its source was not looked at".to_owned()),
        };
        let told = match holds {
            Ok(true) => continue,
            Ok(false) => format!("{image}, whose source lacks a claimed fix,"),
            Err(why) => format!("{image} ({why})"),
        };
        overridden.insert(place, told);
    }
    let found = coverage::judge_overridden(&overridden).map_err(Error::finding)?;
    judged.findings.extend(found);
    Ok(judged)
}

/// Of each released version that is called fixed, whether its payload holds the fix, and why that is
/// not known.
async fn of_payloads(
    client: &Client,
    names: &Names,
    tag: &ComponentTag,
    coverage: &Coverage,
    history: &mut History,
) -> Result<(BTreeMap<Version, bool>, BTreeMap<Version, String>), Error> {
    let released: BTreeSet<Version> = coverage
        .iter()
        .filter(|(_, c)| c.status == Status::FixedInPayload && c.seen != Seen::Beyond)
        .map(|((_, version), _)| version.clone())
        .collect();
    let mut holds = BTreeMap::new();
    let mut unknown = BTreeMap::new();
    for (version, found) in payloads(client, names, released).await? {
        let Some(found) = found else {
            unknown.insert(version, "its payload cannot be read".to_owned());
            continue;
        };
        let commits: BTreeSet<Option<Commit>> = found
            .index
            .of(&version)
            .map(|payload| payload.components.get(tag).and_then(|found| found.commit.clone()))
            .collect();
        if commits.is_empty() {
            unknown.insert(version, "no payload was found".to_owned());
            continue;
        }
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
    Ok((holds, unknown))
}

/// Reads payloads, several versions at a time. One that is not there, or cannot be read (`None`), is no
/// error: it is not patched. What may be there next time is.
async fn payloads(
    client: &Client,
    names: &Names,
    versions: BTreeSet<Version>,
) -> Result<BTreeMap<Version, Option<Found>>, Error> {
    let mut waiting = versions.into_iter();
    let mut reading = JoinSet::new();
    let mut all = BTreeMap::new();
    loop {
        while reading.len() < AT_ONCE
            && let Some(version) = waiting.next()
        {
            let (client, names) = (client.clone(), names.clone());
            reading.spawn(async move {
                let found = read::payloads(&client, &names, [version.clone()]).await;
                (version, found)
            });
        }
        let Some(done) = reading.join_next().await else { break };
        let (version, found) = done?;
        all.insert(version, found);
    }
    let told = |(version, found): (Version, Result<Found, fleetfix_release::Error>)| match found {
        Ok(found) => Ok((version, Some(found))),
        Err(error) if error.is_absent() => Ok((version, Some(Found::default()))),
        Err(error) if error.class() == Class::Input => Ok((version, None)),
        Err(error) => Err(Error::Payloads(Box::new(error))),
    };
    all.into_iter().map(told).collect()
}

/// What is known to run instead of the payload's image where that is called fixed, and the commit of
/// it, where something says so.
fn instead(
    tag: &ComponentTag,
    coverage: &Coverage,
    given: &Given,
    running: &Running,
) -> Vec<(Place, Reference, Option<Commit>)> {
    let fixed = coverage.iter().filter(|(_, c)| c.status == Status::FixedInPayload);
    let of_place = |place: &Place| {
        let (platform, version) = place;
        let entry = given.overrides.as_ref().filter(|_| tag.as_str() == HYPERSHIFT);
        let entry = entry.and_then(|overrides| overrides.image(*platform, version)?.parse().ok());
        let bundle = running.overriding.bundles.get(place);
        let of_bundle = || bundle.map(|bundle| (bundle.image.clone(), bundle.commit.clone()));
        let (image, commit) = entry.map(|image| (image, None)).or_else(of_bundle)?;
        Some((place.clone(), image, commit))
    };
    fixed.filter_map(|(place, _)| of_place(place)).collect()
}
