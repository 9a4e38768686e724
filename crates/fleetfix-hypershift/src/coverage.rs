//! What does the fix mean for each version.
//!
//! Without an update graph only what the request names is known: its payloads, its lists of
//! versions, the first affected version and the first fixed one. What follows from a graph (holes
//! that no payload shows, edges, z-streams that are not released yet) comes with one.

use std::collections::{BTreeMap, BTreeSet};

use fleetfix_model::document::finding::{Finding, FindingLevel};
use fleetfix_model::document::plan::Status;
use fleetfix_model::document::request::{Affected, FixRequest};
use fleetfix_model::{HostedPlatform, Minor, Version};

use crate::Error;
use crate::finding::{finding, word};

/// Most ranges of holes that one finding lists.
const LISTED: usize = 10;

/// What the fix means for one version.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Covered {
    /// What it means.
    pub status: Status,
    /// Why, where it is not obvious.
    pub reason: Option<String>,
}

/// The rows of a plan, by platform and version.
pub type Coverage = BTreeMap<(HostedPlatform, Version), Covered>;

/// The coverage that follows from what a request names.
pub fn without_graph(request: &FixRequest) -> Result<(Coverage, Vec<Finding>), Error> {
    let payloads: BTreeSet<&Version> = request.payloads.iter().map(|p| &p.version).collect();
    let mut coverage = Coverage::new();
    let mut findings = Vec::new();
    let mut minors = BTreeSet::new();
    for affected in &request.affected {
        let (platform, minor) = (affected.platform, affected.introduced.minor());
        if !request.fixes.iter().any(|fix| fix.minor == minor) {
            return Err(Error::NoFix { platform, minor });
        }
        minors.insert(minor);
        for version in named(affected, &payloads) {
            let covered = status(affected, &version);
            coverage.insert((platform, version), covered);
        }
        findings.extend(open_end(affected)?);
        findings.extend(gaps(affected)?);
        findings.extend(holes(platform, minor, &coverage)?);
    }
    for fix in request.fixes.iter().filter(|fix| !minors.contains(&fix.minor)) {
        let message =
            format!("no affected version is named for {}: its fix is not used", fix.minor);
        findings.push(finding(
            FindingLevel::Warning,
            &format!("coverage/{}/unused", fix.minor),
            message,
        )?);
    }
    Ok((coverage, findings))
}

/// The versions of an entry that are named anywhere.
fn named(affected: &Affected, payloads: &BTreeSet<&Version>) -> BTreeSet<Version> {
    let minor = affected.introduced.minor();
    let of_minor = |version: &&&Version| version.minor() == minor;
    let mut versions: BTreeSet<Version> = affected.versions.iter().cloned().collect();
    let listed = !versions.is_empty();
    if !listed {
        versions.insert(affected.introduced.clone());
    }
    versions.extend(affected.fixed_in.clone());
    versions.extend(affected.excluded.iter().map(|e| e.version.clone()));
    for version in payloads.iter().filter(of_minor).copied() {
        // A list of affected versions is meant as it is; payloads beside it only say the rest.
        let in_range = matches!(status(affected, version).status, Status::Covered);
        if !(listed && in_range) {
            versions.insert(version.clone());
        }
    }
    versions
}

fn status(affected: &Affected, version: &Version) -> Covered {
    let excluded = affected.excluded.iter().find(|e| e.version == *version);
    let (status, reason) = if *version < affected.introduced {
        let first = format!("introduced in {}", affected.introduced);
        (Status::NotAffected, Some(first))
    } else if affected.fixed_in.as_ref().is_some_and(|fixed| version >= fixed) {
        (Status::FixedInPayload, None)
    } else if let Some(excluded) = excluded {
        (Status::Gap, Some(excluded.reason.clone()))
    } else {
        (Status::Covered, None)
    };
    Covered { status, reason }
}

fn open_end(affected: &Affected) -> Result<Option<Finding>, Error> {
    if affected.fixed_in.is_some() {
        return Ok(None);
    }
    let (platform, minor) = (affected.platform, affected.introduced.minor());
    let message = format!(
        "no release of {minor} with the fix is named: an upgrade to a z-stream that is not covered brings the defect back; name `fixedIn` once it is known"
    );
    let path = format!("coverage/{}/{minor}/open-end", word(platform));
    finding(FindingLevel::Warning, &path, message).map(Some)
}

fn gaps(affected: &Affected) -> Result<Vec<Finding>, Error> {
    let gap = |version: &Version| status(affected, version).status == Status::Gap;
    affected
        .excluded
        .iter()
        .filter(|excluded| gap(&excluded.version))
        .map(|excluded| {
            let path = format!("coverage/{}/{}", word(affected.platform), excluded.version);
            let message = format!("affected and left out: {}", excluded.reason);
            finding(FindingLevel::Warning, &path, message)
        })
        .collect()
}

/// Z-streams between covered ones that nothing names. An update graph may skip a version that
/// clusters run all the same (4.20.7 was missing from HyperShift's overrides for 75 days).
fn holes(
    platform: HostedPlatform,
    minor: Minor,
    coverage: &Coverage,
) -> Result<Option<Finding>, Error> {
    let patches: BTreeSet<u64> = coverage
        .keys()
        .filter(|(p, version)| {
            *p == platform && version.minor() == minor && !version.is_prerelease()
        })
        .map(|(_, version)| version.patch())
        .collect();
    let ranges: Vec<String> = patches
        .iter()
        .zip(patches.iter().skip(1))
        .filter(|(a, b)| *b - *a > 1)
        .map(|(a, b)| match b - a {
            2 => format!("{minor}.{}", a + 1),
            _ => format!("{minor}.{} to {minor}.{}", a + 1, b - 1),
        })
        .collect();
    if ranges.is_empty() {
        return Ok(None);
    }
    let more = if ranges.len() > LISTED { ", and more" } else { "" };
    let listed: Vec<&str> = ranges.iter().take(LISTED).map(String::as_str).collect();
    let message = format!(
        "nothing is said of {}{more}: name their payloads, or exclude them with a reason",
        listed.join(", ")
    );
    let path = format!("coverage/{}/{minor}/holes", word(platform));
    finding(FindingLevel::Warning, &path, message).map(Some)
}

#[cfg(test)]
mod tests {
    use std::fmt::Write;

    use fleetfix_model::document;

    use super::*;

    fn request(affected: &str, payloads: &[&str]) -> FixRequest {
        let mut text = format!(
            "apiVersion: fleetfix.openshift.io/v1alpha1\nkind: FixRequest\ntickets: [OCPBUGS-1]\ncomponent: hypershift\n\
             fixes: [{{minor: '4.20', commit: {}, files: [{{path: /usr/bin/app, from: app}}]}}]\n\
             affected: [{affected}]\n",
            "a".repeat(40)
        );
        if !payloads.is_empty() {
            text.push_str("payloads:\n");
        }
        for version in payloads {
            let _ = writeln!(text, "- {{version: {version}, image: 'oci:payloads:{version}'}}");
        }
        document::from_yaml("request.yaml", text.as_bytes()).unwrap()
    }

    fn covered(affected: &str, payloads: &[&str]) -> (Vec<String>, Vec<String>) {
        let (coverage, findings) = without_graph(&request(affected, payloads)).unwrap();
        let rows = coverage
            .iter()
            .map(|((platform, version), c)| format!("{platform} {version} {:?}", c.status))
            .collect();
        (rows, findings.iter().map(|f| f.id.to_string()).collect())
    }

    #[test]
    fn from_payloads() {
        let (rows, findings) = covered(
            "{platform: AWS, introduced: 4.20.1, fixedIn: 4.20.4}",
            &["4.20.0", "4.20.1", "4.20.2", "4.20.3", "4.20.4", "4.21.0"],
        );
        let expected = [
            "AWS 4.20.0 NotAffected",
            "AWS 4.20.1 Covered",
            "AWS 4.20.2 Covered",
            "AWS 4.20.3 Covered",
            "AWS 4.20.4 FixedInPayload",
        ];
        assert_eq!(rows, expected);
        assert!(findings.is_empty(), "{findings:?}");
    }

    #[test]
    fn from_a_list() {
        let (rows, findings) = covered(
            "{platform: AWS, introduced: 4.20.1, versions: [4.20.1, 4.20.3]}",
            &["4.20.0", "4.20.2"],
        );
        let expected = ["AWS 4.20.0 NotAffected", "AWS 4.20.1 Covered", "AWS 4.20.3 Covered"];
        assert_eq!(rows, expected);
        assert_eq!(findings, ["coverage/aws/4.20/open-end", "coverage/aws/4.20/holes"]);
    }

    #[test]
    fn what_is_left_out_is_said() {
        let (rows, findings) = covered(
            "{platform: Azure, introduced: 4.20.0-rc.1, fixedIn: 4.20.9, excluded: [{version: 4.20.7, reason: never installed}]}",
            &["4.20.0-rc.1", "4.20.0-rc.2", "4.20.0"],
        );
        let expected = [
            "Azure 4.20.0-rc.1 Covered",
            "Azure 4.20.0-rc.2 Covered",
            "Azure 4.20.0 Covered",
            "Azure 4.20.7 Gap",
            "Azure 4.20.9 FixedInPayload",
        ];
        assert_eq!(rows, expected);
        assert_eq!(findings, ["coverage/azure/4.20.7", "coverage/azure/4.20/holes"]);
    }

    #[test]
    fn fixes_and_affected_lines_belong_together() {
        let other = request("{platform: AWS, introduced: 4.21.0}", &[]);
        assert!(matches!(without_graph(&other), Err(Error::NoFix { .. })));
        let mut two = request("{platform: AWS, introduced: 4.20.0, fixedIn: 4.20.1}", &[]);
        two.fixes.push(two.fixes[0].clone());
        two.fixes[1].minor = "4.21".parse().unwrap();
        let (_, findings) = without_graph(&two).unwrap();
        assert_eq!(findings[0].id.as_str(), "coverage/4.21/unused");
    }

    #[test]
    fn holes_are_listed_as_ranges_and_cost_nothing() {
        let (_, findings) = covered(
            "{platform: AWS, introduced: 4.20.0, fixedIn: 4.20.18446744073709551615}",
            &["4.20.6", "4.20.8"],
        );
        assert_eq!(findings, ["coverage/aws/4.20/holes"]);
    }
}
