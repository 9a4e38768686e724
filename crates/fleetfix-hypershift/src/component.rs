//! Which payload tag does a request mean.

use std::collections::BTreeSet;

use fleetfix_model::document::finding::{Finding, FindingLevel};
use fleetfix_model::name::ComponentTag;

use crate::finding::finding;
use crate::{Catalogue, Error};

/// How many names are offered for one that is not there.
const OFFERED: usize = 3;

/// The tag that `name` means, given the tags of all payloads: a tag stays as it is, a workload's
/// name becomes the tag of its main container. HyperShift ignores an unknown key without a word,
/// so a name that is neither is refused.
pub fn resolve(
    name: &ComponentTag,
    tags: &BTreeSet<ComponentTag>,
    catalogue: &Catalogue,
) -> Result<(ComponentTag, Option<Finding>), Error> {
    if tags.contains(name) {
        return Ok((name.clone(), None));
    }
    let Some(tag) = catalogue.tag_of_workload(name.as_str()) else {
        let has_image = |workload: &&str| {
            catalogue.tag_of_workload(workload).is_some_and(|tag| tags.contains(tag))
        };
        let workloads = catalogue.workloads().filter(has_image);
        let known = tags.iter().map(ComponentTag::as_str).chain(workloads);
        let nearest = nearest(name.as_str(), known);
        return Err(Error::UnknownComponent { name: name.clone(), nearest });
    };
    if !tags.contains(tag) {
        return Err(missing(format!("workload `{name}` in the payloads"), tag, tags.iter()));
    }
    let message = format!(
        "`{name}` is a workload; its image is the component `{tag}`, which other workloads may run too"
    );
    let said = finding(FindingLevel::Info, &format!("component/{name}"), message)?;
    Ok((tag.clone(), Some(said)))
}

/// `tag` is not among the tags of `subject`: the error that offers near ones.
pub fn missing<'a>(
    subject: impl Into<String>,
    tag: &ComponentTag,
    tags: impl Iterator<Item = &'a ComponentTag>,
) -> Error {
    let nearest = nearest(tag.as_str(), tags.map(ComponentTag::as_str));
    Error::MissingComponent { subject: subject.into(), tag: tag.clone(), nearest }
}

/// The known names that look like `name`, the nearest first.
fn nearest<'a>(name: &str, known: impl Iterator<Item = &'a str>) -> Vec<String> {
    let mut near: Vec<(usize, &str)> = known
        .map(|other| (distance(name, other), other))
        // Half of it changed is another word, unless one holds the other.
        .filter(|(d, other)| {
            *d <= name.len().max(other.len()) / 3
                || (name.len() >= 4 && (other.contains(name) || name.contains(other)))
        })
        .collect();
    near.sort_unstable();
    near.dedup();
    near.into_iter().take(OFFERED).map(|(_, other)| format!("`{other}`")).collect()
}

/// Levenshtein's distance, over bytes: the names are ASCII.
fn distance(a: &str, b: &str) -> usize {
    let mut row: Vec<usize> = (0..=b.len()).collect();
    for (i, x) in a.bytes().enumerate() {
        let mut above_left = i;
        let mut left = i + 1;
        if let Some(first) = row.first_mut() {
            *first = left;
        }
        for (y, cell) in b.bytes().zip(row.iter_mut().skip(1)) {
            let above = *cell;
            left = (above_left + usize::from(x != y)).min(above + 1).min(left + 1);
            *cell = left;
            above_left = above;
        }
    }
    row.last().copied().unwrap_or(a.len())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tags(names: &[&str]) -> BTreeSet<ComponentTag> {
        names.iter().map(|n| n.parse().unwrap()).collect()
    }

    #[test]
    fn distances() {
        let table = [("", "", 0), ("a", "", 1), ("", "ab", 2), ("etcd", "etcd", 0)];
        for (a, b, d) in table {
            assert_eq!(distance(a, b), d, "{a} {b}");
        }
        assert_eq!(distance("kitten", "sitting"), 3);
        assert_eq!(distance("hyperkub", "hyperkube"), 1);
    }

    #[test]
    fn tags_and_workloads() {
        let catalogue = Catalogue::built_in().unwrap();
        let tags = tags(&["etcd", "hyperkube", "hypershift"]);
        let resolve = |name: &str| resolve(&name.parse().unwrap(), &tags, &catalogue);

        let (tag, said) = resolve("etcd").unwrap();
        assert_eq!((tag.as_str(), said), ("etcd", None));
        let (tag, said) = resolve("kube-apiserver").unwrap();
        assert_eq!(tag.as_str(), "hyperkube");
        assert_eq!(said.unwrap().id.as_str(), "component/kube-apiserver");
        assert_eq!(resolve("control-plane-operator").unwrap().0.as_str(), "hypershift");
    }

    #[test]
    fn unknown_names_are_refused_with_near_ones() {
        let catalogue = Catalogue::built_in().unwrap();
        let tags = tags(&["etcd", "hyperkube", "hypershift"]);
        let table = [
            ("hyperkub", "did you mean `hyperkube`?"),
            ("apiserver", "did you mean `kube-apiserver`?"),
            ("olm-operator", "in the payloads has no component `operator-lifecycle-manager` ["),
            ("zzz", "[give a payload tag"),
        ];
        for (name, text) in table {
            let error = resolve(&name.parse().unwrap(), &tags, &catalogue).unwrap_err();
            assert!(error.to_string().contains(text), "{error}");
        }
        let error = missing("payload 4.20.1", &"hyperkub".parse().unwrap(), tags.iter());
        assert!(error.to_string().starts_with("payload 4.20.1 has no component `hyperkub` [did"));
    }
}
