//! Does the fix speak of the platform that it is for.
//!
//! Fixes for Azure once went under AWS (openshift/hypershift #9009, superseded by #9010). What a pull
//! request's title names and the request does not is a sign of that, and so are files that are all of
//! another platform.

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

/// The platforms that a change is for, by the files that it touches: those that their paths name, if
/// each of them names one. What does not run, such as tests and documents, says nothing, and a change
/// of anything else is for every platform.
pub fn touched<'a>(paths: impl IntoIterator<Item = &'a str>) -> BTreeSet<HostedPlatform> {
    let mut platforms = BTreeSet::new();
    for path in paths.into_iter().filter(|path| runs(path)) {
        let of_path = named(path);
        if of_path.is_empty() {
            return BTreeSet::new();
        }
        platforms.extend(of_path);
    }
    platforms
}

/// False for tests, their data and documents, as openshift/hypershift lays them out.
fn runs(path: &str) -> bool {
    let beside = |part: &str| matches!(part, "test" | "testdata" | "docs" | "vendor" | "examples");
    let (name, kind) = path.rsplit_once('.').unwrap_or((path, ""));
    !path.split('/').any(beside) && kind != "md" && !(kind == "go" && name.ends_with("_test"))
}

/// Holds the files of the claimed fixes, each after its name such as `#9009`, against the platforms of
/// a request.
pub fn judge_files<'a>(
    platforms: &BTreeSet<HostedPlatform>,
    files: impl IntoIterator<Item = (&'a str, &'a BTreeSet<String>)>,
) -> Result<Vec<Finding>, Error> {
    let mut findings = Vec::new();
    for (name, files) in files {
        let touched = touched(files.iter().map(String::as_str));
        if touched.is_empty() || !touched.is_disjoint(platforms) {
            continue;
        }
        let message = format!(
            "{name} changes files of {} only, such as {}, and the request is for {}: name the platform that is affected, or have somebody accept this by name",
            list(&touched),
            files.iter().find(|path| runs(path)).map_or("none", String::as_str),
            list(platforms),
        );
        let path = format!("platform/{}/files", name.trim_start_matches('#'));
        findings.push(finding(FindingLevel::Blocking, &path, message)?);
    }
    Ok(findings)
}

fn list(platforms: &BTreeSet<HostedPlatform>) -> String {
    platforms.iter().map(|p| p.as_str()).collect::<Vec<_>>().join(" and ")
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_change_is_for() {
        use HostedPlatform::{Aws, Azure};
        let platform = "hypershift-operator/controllers/hostedcluster/internal/platform";
        let azure = format!("{platform}/azure/azure.go");
        let aws = format!("{platform}/aws/aws.go");
        let table: [(&[&str], &[HostedPlatform]); 7] = [
            (&[], &[]),
            (&["docs/aws.md", "test/e2e/aws_test.go"], &[]),
            (&[&azure], &[Azure]),
            (&[&azure, "hypershift-operator/x_test.go", "docs/a.md"], &[Azure]),
            (&[&azure, &aws], &[Aws, Azure]),
            (&[&azure, "support/util/util.go"], &[]),
            (&["cmd/cluster/aws_private/create.go"], &[Aws]),
        ];
        for (paths, expected) in table {
            let found: Vec<_> = touched(paths.iter().copied()).into_iter().collect();
            assert_eq!(found, expected, "{paths:?}");
        }
    }
}
