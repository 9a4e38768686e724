//! What is wrong with a file that reads well: what the operator does with it without a word.

use std::collections::{BTreeMap, BTreeSet};

use fleetfix_model::document::finding::{Finding, FindingLevel};
use fleetfix_model::{HostedPlatform, Minor, Reference, Version};

use super::{Entry, Overrides, key, pinned};
use crate::finding::{finding, word};
use crate::graph::next_lines;
use crate::{Error, Graph};

/// How many versions a message names.
const NAMED: usize = 5;

/// Checks a file, against an update graph if there is one.
///
/// | finding | level |
/// |---|---|
/// | `ignored`: a key that the operator's reader does not know | blocking |
/// | `doubled`: a version twice, the last wins | blocking |
/// | `no-image`, `no-version`: an entry that has no effect | blocking |
/// | `not-a-version`: a string that no payload has | blocking |
/// | `not-an-image`: no reference with a registry | blocking |
/// | `tag`: an image that can change under its name | blocking |
/// | `hole`: a version between two that have the same image | blocking |
/// | `regresses`: an update out of an entry to a version that never had one | blocking |
/// | `two-lines`: one image for two release lines | warning |
/// | `tested`: test releases without an entry test nothing | warning |
/// | `order`: entries that are not in the order of versions | info |
/// | `ends`: a released version after the last entry, whose payload must have the fix | info |
pub fn lint(overrides: &Overrides, graph: Option<&Graph>) -> Result<Vec<Finding>, Error> {
    let mut found = Found { list: Vec::new(), file: overrides.file() };
    for ignored in overrides.ignored() {
        let message = format!(
            "line {}: the operator ignores `{}` without a word; it knows platforms.aws and platforms.azure with overrides (version, cpoImage) and testing (latest, previous, runTests)",
            ignored.line, ignored.field
        );
        found.add(FindingLevel::Blocking, &format!("ignored/{}", ignored.field), &message)?;
    }
    for platform in [HostedPlatform::Aws, HostedPlatform::Azure] {
        let entries: Vec<&Entry> =
            overrides.entries().iter().filter(|e| e.platform == platform).collect();
        found.entries(platform, &entries)?;
        let covered = Covered::new(platform, &entries);
        found.two_lines(&covered)?;
        found.holes(&covered, graph)?;
        found.regressions(&covered, overrides, graph)?;
        if let Some(graph) = graph {
            found.ends(&covered, graph)?;
        }
        found.tests(&covered, overrides)?;
    }
    found.list.sort_by(|a, b| a.id.cmp(&b.id));
    Ok(found.list)
}

/// What is covered on one platform.
struct Covered<'a> {
    platform: HostedPlatform,
    versions: BTreeMap<Version, &'a str>,
    /// Versions of one image in one release line: the runs, by their first version.
    runs: BTreeMap<(Minor, &'a str), BTreeSet<Version>>,
}

impl<'a> Covered<'a> {
    fn new(platform: HostedPlatform, entries: &[&'a Entry]) -> Self {
        let mut versions = BTreeMap::new();
        for entry in entries {
            if let Ok(version) = entry.version.parse::<Version>()
                && !entry.image.is_empty()
            {
                versions.insert(version, entry.image.as_str());
            }
        }
        let mut runs: BTreeMap<(Minor, &str), BTreeSet<Version>> = BTreeMap::new();
        for (version, image) in &versions {
            runs.entry((version.minor(), image)).or_default().insert(version.clone());
        }
        Self { platform, versions, runs }
    }

    /// First and last version of each run of a release line.
    fn spans(&self, minor: Minor) -> impl Iterator<Item = (&Version, &Version)> {
        let runs = self.runs.iter().filter(move |((of, _), _)| *of == minor);
        runs.filter_map(|(_, run)| Some((run.first()?, run.last()?)))
    }

    /// True if a payload of that version is taken to have the fix: it comes after the end of a run.
    fn after_a_run(&self, version: &Version) -> bool {
        self.spans(version.minor()).any(|(_, last)| last < version)
            && !self.spans(version.minor()).any(|(first, last)| first < version && version < last)
    }
}

struct Found<'a> {
    list: Vec<Finding>,
    file: &'a str,
}

impl Found<'_> {
    fn add(&mut self, level: FindingLevel, path: &str, message: &str) -> Result<(), Error> {
        let message = format!("{}: {message}", self.file);
        self.list.push(finding(level, &format!("overrides/{path}"), message)?);
        Ok(())
    }

    fn entries(&mut self, platform: HostedPlatform, entries: &[&Entry]) -> Result<(), Error> {
        use FindingLevel::{Blocking, Info};
        let mut seen: BTreeMap<&str, usize> = BTreeMap::new();
        let mut disorder = Vec::new();
        let mut highest: Option<Version> = None;
        for entry in entries {
            let Entry { version, image, line, .. } = entry;
            let place = format!("{}/{}", word(platform), shown(version));
            if version.is_empty() {
                let path = format!("no-version/{}/line-{line}", word(platform));
                let message = format!("line {line}: an entry without `version` has no effect");
                self.add(Blocking, &path, &message)?;
                continue;
            }
            if let Some(first) = seen.insert(version, *line) {
                let message = format!(
                    "lines {first} and {line}: {platform} {version} stands there twice, and the operator takes the last without a word; remove one"
                );
                self.add(Blocking, &format!("doubled/{place}/line-{line}"), &message)?;
            }
            match version.parse::<Version>() {
                Ok(parsed) if parsed.to_string() == *version => {
                    if highest.as_ref().is_some_and(|highest| parsed < *highest) {
                        disorder.push(format!("{version} (line {line})"));
                    }
                    highest = highest.max(Some(parsed));
                }
                _ => {
                    let message = format!(
                        "line {line}: `{}` is the version of no payload; the operator compares exact strings such as 4.20.7",
                        shown(version)
                    );
                    self.add(Blocking, &format!("not-a-version/{place}"), &message)?;
                }
            }
            self.image(entry, &place, image)?;
        }
        if !disorder.is_empty() {
            let message = format!("{platform}: not in the order of versions: {}", some(&disorder));
            self.add(Info, &format!("order/{}", word(platform)), &message)?;
        }
        Ok(())
    }

    fn image(&mut self, entry: &Entry, place: &str, image: &str) -> Result<(), Error> {
        let Entry { platform, version, line, .. } = entry;
        let (name, message) = if image.is_empty() {
            let message = format!(
                "line {line}: {platform} {version} has no cpoImage: the payload's image runs"
            );
            ("no-image", message)
        } else if image.parse::<Reference>().is_err() {
            let message = format!(
                "line {line}: {platform} {version}: `{}` is no reference with a registry in it",
                shown(image)
            );
            ("not-an-image", message)
        } else if pinned(image).is_none() {
            let message = format!(
                "line {line}: {platform} {version}: {image} can change under its name; pin it by digest"
            );
            ("tag", message)
        } else {
            return Ok(());
        };
        self.add(FindingLevel::Blocking, &format!("{name}/{place}"), &message)
    }

    fn two_lines(&mut self, covered: &Covered<'_>) -> Result<(), Error> {
        let mut lines: BTreeMap<&str, Vec<String>> = BTreeMap::new();
        for (minor, image) in covered.runs.keys() {
            lines.entry(image).or_default().push(minor.to_string());
        }
        for (image, minors) in lines {
            if let [first, _, ..] = minors.as_slice() {
                let message = format!(
                    "{}: {image} is the image of {}: a control plane operator is of one release line",
                    covered.platform,
                    minors.join(" and ")
                );
                let path = format!("two-lines/{}/{first}", word(covered.platform));
                self.add(FindingLevel::Warning, &path, &message)?;
            }
        }
        Ok(())
    }

    /// Versions between two that have one image. A graph skips versions that clusters run all the
    /// same, so that every number counts; a graph adds prereleases.
    fn holes(&mut self, covered: &Covered<'_>, graph: Option<&Graph>) -> Result<(), Error> {
        for ((minor, image), run) in &covered.runs {
            let (Some(first), Some(last)) = (run.first(), run.last()) else { continue };
            let numbers = (first.patch()..last.patch())
                // As many as a release line ever has, whatever the file says.
                .take(1000)
                .filter_map(|z| format!("{minor}.{z}").parse::<Version>().ok());
            let known = graph.into_iter().flat_map(|graph| graph.line(*minor)).cloned();
            let missing: BTreeSet<Version> = numbers
                .chain(known)
                .filter(|v| v > first && v < last && !covered.versions.contains_key(v))
                .collect();
            for version in missing {
                let in_graph = match graph {
                    Some(graph) if !graph.contains(&version) => {
                        ", which the update graph skips and clusters may run all the same"
                    }
                    _ => "",
                };
                let platform = covered.platform;
                let message = format!(
                    "{platform} {version} has no entry{in_graph}; {first} to {last} around it have {image}"
                );
                let path = format!("hole/{}/{version}", word(platform));
                self.add(FindingLevel::Blocking, &path, &message)?;
            }
        }
        Ok(())
    }

    /// Updates out of an entry to a later release line where the fix never was.
    fn regressions(
        &mut self,
        covered: &Covered<'_>,
        overrides: &Overrides,
        graph: Option<&Graph>,
    ) -> Result<(), Error> {
        let platform = covered.platform;
        let minors: BTreeSet<Minor> = covered.versions.keys().map(Version::minor).collect();
        for minor in &minors {
            // A graph of this line alone says nothing of the next one.
            let judges = |graph: &&Graph| !graph.lines_after(*minor).is_empty();
            let message = match graph.filter(|graph| graph.edge_count() > 0).filter(judges) {
                Some(graph) => {
                    let from = covered.versions.keys().filter(|v| v.minor() == *minor);
                    let out =
                        from.flat_map(|from| graph.edges_from(from).map(move |e| (from, e.to)));
                    let next = graph.lines_after(*minor);
                    let lost = out.filter(|(_, to)| {
                        next.contains(&to.minor())
                            && !covered.versions.contains_key(to)
                            && !covered.after_a_run(to)
                    });
                    let edges: Vec<String> =
                        lost.map(|(from, to)| format!("{from} to {to}")).collect();
                    if edges.is_empty() {
                        continue;
                    }
                    format!(
                        "{platform}: {} updates lead from an entry to a version that has none: {}",
                        edges.len(),
                        some(&edges)
                    )
                }
                None if next_lines(*minor).any(|next| minors.contains(&next)) => continue,
                None => match next_lines(*minor).find(|next| exists(*next, overrides, graph)) {
                    None => continue,
                    Some(next) => format!(
                        "{platform}: {minor} has entries and {next} has none: an update from {minor} to {next} loses the fix, unless the payloads of {next} have it"
                    ),
                },
            };
            let path = format!("regresses/{}/{minor}", word(platform));
            self.add(FindingLevel::Blocking, &path, &message)?;
        }
        Ok(())
    }

    /// Released versions that follow the last entry of a release line.
    fn ends(&mut self, covered: &Covered<'_>, graph: &Graph) -> Result<(), Error> {
        let platform = covered.platform;
        let minors: BTreeSet<Minor> = covered.versions.keys().map(Version::minor).collect();
        for minor in minors {
            let last = covered.versions.keys().rev().find(|v| v.minor() == minor);
            let mut later = graph.line(minor);
            let (Some(last), Some(next)) = (last, later.find(|v| last.is_some_and(|l| *v > l)))
            else {
                continue;
            };
            let message = format!(
                "{platform}: the entries of {minor} end with {last}: the payload of {next} must have the fix, which this file cannot show"
            );
            let path = format!("ends/{}/{minor}", word(platform));
            self.add(FindingLevel::Info, &path, &message)?;
        }
        Ok(())
    }

    /// Releases that the end-to-end tests run with: without an entry they test no override.
    fn tests(&mut self, covered: &Covered<'_>, overrides: &Overrides) -> Result<(), Error> {
        let platform = covered.platform;
        let Some(testing) = overrides.testing(platform).filter(|t| t.run_tests) else {
            return Ok(());
        };
        for (name, release) in [("latest", &testing.latest), ("previous", &testing.previous)] {
            let version = release.as_deref().and_then(release_version);
            let why = match (release, version) {
                (None, _) => "names no release".to_owned(),
                (Some(release), None) => format!("{} names no version", shown(release)),
                (Some(_), Some(v)) if covered.versions.contains_key(&v) => continue,
                (Some(_), Some(v)) => format!("{v} has no entry"),
            };
            let message = format!(
                "{}: testing.{name}: {why}: the tests of {platform} run and try no override",
                key(platform).unwrap_or_default()
            );
            let path = format!("tested/{}/{name}", word(platform));
            self.add(FindingLevel::Warning, &path, &message)?;
        }
        Ok(())
    }
}

/// The version in the tag of a release image, `ocp-release:4.20.7-x86_64`.
fn release_version(release: &str) -> Option<Version> {
    let reference: Reference = release.parse().ok()?;
    let tag = reference.tag?;
    let tag = tag.as_str();
    let version = tag.rsplit_once('-').map_or(tag, |(version, _)| version);
    version.parse().ok()
}

/// True if something shows that a release line is there: an entry, an entry beyond it, the graph.
fn exists(minor: Minor, overrides: &Overrides, graph: Option<&Graph>) -> bool {
    let mut entries = overrides.entries().iter().filter_map(|e| e.version.parse::<Version>().ok());
    entries.any(|version| version.minor() >= minor)
        || graph.is_some_and(|graph| graph.line(minor).len() > 0)
}

/// A text from the file, short enough for a message.
fn shown(text: &str) -> String {
    text.chars().take(200).collect()
}

fn some(items: &[String]) -> String {
    let named = items.get(..NAMED).unwrap_or(items).join(", ");
    match items.len().checked_sub(NAMED) {
        Some(more) if more > 0 => format!("{named} and {more} more"),
        _ => named,
    }
}
