//! Does the fix speak of the platform that it is for.
//!
//! Fixes for Azure once went under AWS (openshift/hypershift #9009, superseded by #9010). What a pull
//! request's title names and the request does not is a sign of that.

use std::collections::BTreeSet;

use fleetfix_model::HostedPlatform;
use fleetfix_model::document::finding::{Finding, FindingLevel};

use crate::Error;
use crate::finding::finding;

/// Words by which titles name a platform, in lower case.
const WORDS: [(&str, HostedPlatform); 11] = [
    ("aws", HostedPlatform::Aws),
    ("rosa", HostedPlatform::Aws),
    ("azure", HostedPlatform::Azure),
    ("aro", HostedPlatform::Azure),
    ("gcp", HostedPlatform::Gcp),
    ("ibmcloud", HostedPlatform::IbmCloud),
    ("kubevirt", HostedPlatform::KubeVirt),
    ("openstack", HostedPlatform::OpenStack),
    ("powervs", HostedPlatform::PowerVs),
    ("eks", HostedPlatform::Aws),
    ("aks", HostedPlatform::Azure),
];

/// The platforms that a title names.
pub fn named(title: &str) -> BTreeSet<HostedPlatform> {
    let words = title.split(|c: char| !c.is_ascii_alphanumeric()).map(str::to_ascii_lowercase);
    let of = |word: String| WORDS.iter().find(|(known, _)| *known == word).map(|(_, p)| *p);
    words.filter_map(of).collect()
}

/// Holds the titles of the claimed fixes, each after its name such as `#9009`, against the platforms
/// of a request. A title that names platforms must name one of them.
pub fn judge<'a>(
    platforms: &BTreeSet<HostedPlatform>,
    titles: impl IntoIterator<Item = (&'a str, &'a str)>,
) -> Result<Vec<Finding>, Error> {
    let mut findings = Vec::new();
    for (name, title) in titles {
        let named = named(title);
        if named.is_empty() || !named.is_disjoint(platforms) {
            continue;
        }
        let list = |platforms: &BTreeSet<HostedPlatform>| {
            platforms.iter().map(|p| p.as_str()).collect::<Vec<_>>().join(" and ")
        };
        let message = format!(
            "{name} is called \"{title}\", which names {}, and the request is for {}: name the platform that is affected, or have somebody accept this by name",
            list(&named),
            list(platforms),
        );
        findings.push(finding(
            FindingLevel::Blocking,
            &format!("platform/{}", name.trim_start_matches('#')),
            message,
        )?);
    }
    Ok(findings)
}
