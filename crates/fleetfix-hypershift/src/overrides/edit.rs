//! Entries set and taken away. Every line that is not ours stays byte for byte: comments, order,
//! quotes, spaces at the end of a line.

use std::collections::{BTreeMap, BTreeSet};

use fleetfix_model::{HostedPlatform, Minor, Version};

use super::{Block, Entry, Overrides, Place, TestingLines, key, section};
use crate::Error;

/// What one version is to have.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Wanted {
    /// Platform.
    pub platform: HostedPlatform,
    /// Version.
    pub version: Version,
    /// The image; absent: no entry.
    pub image: Option<String>,
    /// Whose entry it is, such as the id of a fix: new entries stand in a section of that name.
    pub label: String,
}

/// The release images that HyperShift's tests are to run with on one platform.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct TestReleases {
    /// Platform.
    pub platform: HostedPlatform,
    /// Release to test; absent: stays as it is.
    pub latest: Option<String>,
    /// Release to upgrade from; absent: stays as it is.
    pub previous: Option<String>,
    /// Whether the platform's tests run.
    pub run_tests: bool,
}

/// What became of one entry.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Change {
    /// Platform.
    pub platform: HostedPlatform,
    /// Version.
    pub version: Version,
    /// The image that stood there.
    pub before: Option<String>,
    /// The image that stands there now.
    pub after: Option<String>,
}

/// A file with entries merged into it.
#[derive(Clone, Debug)]
pub struct Merged {
    /// Its text.
    pub text: String,
    /// What changed, by platform and version. Empty where all of it stood there already.
    pub changes: Vec<Change>,
}

impl Overrides {
    /// Sets and takes away entries, and sets test releases. New entries stand in the order of
    /// versions, those of one label and release line in a section of their own. What is so already is
    /// not touched, so that a second run changes nothing.
    pub fn merge(&self, wanted: &[Wanted], testing: &[TestReleases]) -> Result<Merged, Error> {
        let mut merged = self.clone();
        let mut changes = Vec::new();
        let platforms: BTreeSet<HostedPlatform> = wanted.iter().map(|w| w.platform).collect();
        for platform in platforms {
            if key(platform).is_none() {
                return Err(Error::NoOverrides { platform });
            }
            let mine: Vec<&Wanted> = wanted.iter().filter(|w| w.platform == platform).collect();
            let text = merged.merge_platform(platform, &mine, &mut changes)?;
            merged = Self::read(&self.file, text.as_bytes())?;
        }
        for releases in testing {
            let mut edit = Edit::new(&merged);
            edit.test_releases(releases)?;
            let text = edit.finish();
            merged = Self::read(&self.file, text.as_bytes())?;
        }
        let lost =
            wanted.iter().any(|w| merged.image(w.platform, &w.version) != w.image.as_deref());
        if lost || !self.keeps_others(&merged, wanted) {
            return Err(Error::EditLost { file: self.file.clone() });
        }
        changes.sort_by(|a, b| (a.platform, &a.version).cmp(&(b.platform, &b.version)));
        Ok(Merged { text: merged.text, changes })
    }

    fn merge_platform(
        &self,
        platform: HostedPlatform,
        wanted: &[&Wanted],
        changes: &mut Vec<Change>,
    ) -> Result<String, Error> {
        let mut edit = Edit::new(self);
        let mut new: BTreeMap<&Version, &Wanted> = BTreeMap::new();
        for wanted in wanted {
            let Wanted { version, image, .. } = wanted;
            let text = version.to_string();
            let mine = |e: &&Entry| e.platform == platform && e.version == text;
            let there: Vec<&Entry> = self.entries.iter().filter(mine).collect();
            if there.len() > 1 {
                let lines = there.iter().map(|e| e.line.to_string()).collect::<Vec<_>>();
                return Err(Error::DoubledEntry {
                    file: self.file.clone(),
                    platform,
                    version: version.clone(),
                    lines: lines.join(", "),
                });
            }
            let before = there.first().map(|e| e.image.clone());
            match (there.first(), image) {
                _ if before == *image => continue,
                (Some(entry), Some(image)) => edit.image(entry, image),
                (Some(entry), None) => edit.remove(entry),
                (None, _) => {
                    new.insert(version, wanted);
                }
            }
            let (version, after) = (version.clone(), image.clone());
            changes.push(Change { platform, version, before, after });
        }
        if !new.is_empty() {
            let new: Vec<&Wanted> = new.into_values().collect();
            edit.insert(platform, &new);
        }
        Ok(edit.finish())
    }

    /// True if every entry that nobody asked for is in both, in one order.
    fn keeps_others(&self, merged: &Self, wanted: &[Wanted]) -> bool {
        let asked: BTreeSet<(HostedPlatform, String)> =
            wanted.iter().map(|w| (w.platform, w.version.to_string())).collect();
        let others = |all: &Self| -> Vec<(HostedPlatform, String, String)> {
            let mut others: Vec<_> = all
                .entries
                .iter()
                .map(|e| (e.platform, e.version.clone(), e.image.clone()))
                .filter(|(platform, version, _)| !asked.contains(&(*platform, version.clone())))
                .collect();
            // A platform that is new may come before another.
            others.sort_by_key(|(platform, ..)| *platform);
            others
        };
        others(self) == others(merged)
    }
}

/// Changes to the lines of a file, all by the numbers that the lines had at first.
struct Edit<'a> {
    overrides: &'a Overrides,
    lines: Vec<&'a str>,
    /// Lines that take the place of another.
    replaced: BTreeMap<usize, String>,
    removed: BTreeSet<usize>,
    /// Lines that come before the line of that number.
    inserted: BTreeMap<usize, Vec<String>>,
    ending: &'static str,
}

impl<'a> Edit<'a> {
    fn new(overrides: &'a Overrides) -> Self {
        let lines: Vec<&str> = overrides.text.split_inclusive('\n').collect();
        let ending = if lines.first().is_some_and(|l| l.ends_with("\r\n")) { "\r\n" } else { "\n" };
        Self {
            overrides,
            lines,
            replaced: BTreeMap::new(),
            removed: BTreeSet::new(),
            inserted: BTreeMap::new(),
            ending,
        }
    }

    fn line(&self, number: usize) -> &'a str {
        self.lines.get(number).copied().unwrap_or_default()
    }

    /// The scalar at `place` becomes `text`; what follows it in its line stays.
    fn scalar(&mut self, place: Place, text: &str) {
        let now = self.replaced.get(&place.line).map_or(self.line(place.line), String::as_str);
        let before = now.get(..place.start).unwrap_or_default();
        let after = now.get(place.start + place.bytes..).unwrap_or_default();
        let line = format!("{before}{}{after}", spelled(text));
        self.replaced.insert(place.line, line);
    }

    fn image(&mut self, entry: &Entry, image: &str) {
        if let Some(place) = entry.lines.image {
            self.scalar(place, image);
        } else {
            // `cpoImage:` without a value, or none at all: the entry is written anew.
            let lines = entry_lines(entry.lines.indent, &entry.version, image);
            self.removed.extend(entry.lines.first..=entry.lines.last);
            self.inserted.entry(entry.lines.first).or_default().extend(lines);
        }
    }

    /// Takes an entry away, and the comments of its section where it was the last one there.
    fn remove(&mut self, entry: &Entry) {
        self.removed.extend(entry.lines.first..=entry.lines.last);
        let gone = |n: usize| self.removed.contains(&n);
        let above = (0..entry.lines.first).rev().find(|n| !gone(*n));
        let below = (entry.lines.last + 1..self.lines.len()).find(|n| !gone(*n));
        if let (Some(above), Some(below)) = (above, below) {
            let label = |n: usize, word: &str| self.line(n).trim().strip_prefix(word);
            if let (Some(opened), Some(closed)) =
                (label(above, "# Beginning of "), label(below, "# End of "))
                && opened == closed
            {
                self.removed.extend([above, below]);
            }
        }
    }

    /// New entries of one platform, in the order of versions.
    fn insert(&mut self, platform: HostedPlatform, wanted: &[&Wanted]) {
        let overrides = self.overrides;
        // Entries that go, and come back nowhere, are no neighbours.
        let there: Vec<(Version, &Entry)> = overrides
            .entries
            .iter()
            .filter(|e| e.platform == platform && !self.removed.contains(&e.lines.first))
            .filter_map(|e| Some((e.version.parse().ok()?, e)))
            .collect();
        let Some(indent) = there.first().map(|(_, e)| e.lines.indent) else {
            return self.first_entries(platform, wanted);
        };
        let mut runs: BTreeMap<usize, Vec<String>> = BTreeMap::new();
        let run = |w: &Wanted| {
            let before = there.iter().filter(|(v, _)| *v < w.version);
            // The last in the file of those with the highest version.
            let after = before.max_by(|(a, _), (b, _)| a.cmp(b)).map(|(_, e)| *e);
            (after.map(|e| e.lines.first), w.version.minor(), w.label.clone())
        };
        let mut rest = wanted;
        while let Some(first) = rest.first() {
            let (after, minor, label) = run(first);
            let count = rest.iter().take_while(|w| run(w) == (after, minor, label.clone())).count();
            let (now, later) = rest.split_at(count.max(1));
            rest = later;
            let before = after.and_then(|n| there.iter().find(|(_, e)| e.lines.first == n));
            let (at, own) = if let Some((_, entry)) = before {
                self.after(entry, &label, minor)
            } else {
                let next = there.iter().filter(|(v, _)| *v > first.version);
                let next = next.min_by(|(a, _), (b, _)| a.cmp(b));
                next.map_or((self.lines.len(), false), |(_, e)| self.before(e, &label, minor))
            };
            runs.entry(at).or_default().extend(section_lines(indent, &label, minor, now, own));
        }
        for (at, lines) in runs {
            self.inserted.entry(at).or_default().extend(lines);
        }
    }

    /// Where a run goes after `entry`, and whether that is inside of its own section.
    fn after(&self, entry: &Entry, label: &str, minor: Minor) -> (usize, bool) {
        let next = entry.lines.last + 1;
        if self.is_inside(entry, label, minor) {
            return (next, true);
        }
        // Another's section ends first, if it ends here.
        let comments = (next..self.lines.len()).take_while(|n| section::is_comment(self.line(*n)));
        let last_end = comments.filter(|n| section::closes(self.line(*n))).last();
        (last_end.map_or(next, |n| n + 1), false)
    }

    /// Where a run goes before `entry`.
    fn before(&self, entry: &Entry, label: &str, minor: Minor) -> (usize, bool) {
        let first = entry.lines.first;
        if self.is_inside(entry, label, minor) {
            return (first, true);
        }
        // The comments above an entry are its own.
        let comments = (0..first)
            .rev()
            .take_while(|n| section::is_comment(self.line(*n)) && !section::closes(self.line(*n)));
        (comments.last().unwrap_or(first), false)
    }

    /// True if `entry` stands in the section of that label and release line.
    fn is_inside(&self, entry: &Entry, label: &str, minor: Minor) -> bool {
        let (opens, closes) = (section::beginning(label, minor), section::end(label, minor));
        let above = self.lines.get(..entry.lines.first).unwrap_or_default();
        let last = above.iter().rev().map(|line| line.trim()).find(|l| *l == opens || *l == closes);
        last == Some(opens.as_str())
    }

    /// Entries for a platform that has none.
    fn first_entries(&mut self, platform: HostedPlatform, wanted: &[&Wanted]) {
        let Some(key) = key(platform) else { return };
        let step = 2;
        let mut lines = Vec::new();
        let (at, indent) = match (self.overrides.block(platform), self.overrides.platforms) {
            (Some(block), _) => {
                let indent = block.indent.unwrap_or(block.key.1 + step);
                if let Some((line, start)) = block.list {
                    self.bare_key(line, start, "overrides");
                    (line + 1, start)
                } else {
                    self.bare_key(block.key.0, block.key.1, key);
                    lines.push(format!("{}overrides:", spaces(indent)));
                    (block.key.0 + 1, indent)
                }
            }
            (None, Some((line, keys))) => {
                if keys.is_none() {
                    self.bare_key(line, 0, "platforms");
                }
                let indent = keys.unwrap_or(step);
                lines.push(format!("{}{key}:", spaces(indent)));
                lines.push(format!("{}overrides:", spaces(indent + step)));
                // After the other platforms, the first of which says how they are indented.
                let end = self.overrides.blocks.iter().map(|b| self.block_end(b)).max();
                (end.unwrap_or(line + 1), indent + step)
            }
            (None, None) => {
                lines.push("platforms:".to_owned());
                lines.push(format!("{}{key}:", spaces(step)));
                lines.push(format!("{}overrides:", spaces(2 * step)));
                (self.lines.len(), 2 * step)
            }
        };
        lines.extend(sections(indent + step, wanted));
        self.inserted.entry(at).or_default().extend(lines);
    }

    /// Takes `[]`, `{}` or `null` away behind a key.
    fn bare_key(&mut self, line: usize, start: usize, key: &str) {
        let text = self.line(line);
        let value = text.get(start + key.len() + 1..).unwrap_or_default();
        let end = value.find(" #").unwrap_or(value.len());
        if !value.get(..end).unwrap_or_default().trim().is_empty() {
            let head = text.get(..=start + key.len()).unwrap_or_default();
            let rest = value.get(end..).unwrap_or_default();
            let tail = if rest.is_empty() { self.ending } else { rest };
            self.replaced.insert(line, format!("{head}{tail}"));
        }
    }

    fn test_releases(&mut self, wanted: &TestReleases) -> Result<(), Error> {
        let run_tests = if wanted.run_tests { "true" } else { "false" };
        let block: Option<&Block> = self.overrides.block(wanted.platform);
        let Some(testing) = block.and_then(|block| block.testing.as_ref()) else {
            if !wanted.run_tests && wanted.latest.is_none() && wanted.previous.is_none() {
                return Ok(());
            }
            return self.new_test_releases(block, wanted, run_tests);
        };
        let TestingLines { key, last, indent, latest, previous, run_tests: runs } = testing.lines;
        let wants_run = (testing.run_tests != wanted.run_tests).then_some(run_tests);
        let table = [
            ("latest", latest, testing.latest.as_deref(), wanted.latest.as_deref()),
            ("previous", previous, testing.previous.as_deref(), wanted.previous.as_deref()),
            ("runTests", runs, None, wants_run),
        ];
        for (name, place, now, then) in table {
            match (place, then) {
                (Some(place), Some(then)) if now != Some(then) => self.scalar(place, then),
                (_, None) | (Some(_), Some(_)) => {}
                (None, Some(then)) => {
                    let keys = block.map_or(0, |b| b.indent.unwrap_or(b.key.1 + 2));
                    if indent.is_none() {
                        self.bare_key(key, keys, "testing");
                    }
                    let indent = indent.unwrap_or(keys + 2);
                    let line = format!("{}{name}: {}", spaces(indent), spelled(then));
                    self.inserted.entry(last + 1).or_default().push(line);
                }
            }
        }
        Ok(())
    }

    fn new_test_releases(
        &mut self,
        block: Option<&Block>,
        wanted: &TestReleases,
        run_tests: &str,
    ) -> Result<(), Error> {
        let Some(block) = block else {
            return Err(Error::NoTestReleases {
                file: self.overrides.file.clone(),
                platform: wanted.platform,
            });
        };
        let indent = block.indent.unwrap_or(block.key.1 + 2);
        let mut lines = vec![format!("{}testing:", spaces(indent))];
        let values = [
            ("latest", wanted.latest.as_deref()),
            ("previous", wanted.previous.as_deref()),
            ("runTests", Some(run_tests)),
        ];
        let values = values.iter().filter_map(|(name, value)| Some((name, (*value)?)));
        lines.extend(values.map(|(n, v)| format!("{}{n}: {}", spaces(indent + 2), spelled(v))));
        self.inserted.entry(self.block_end(block)).or_default().extend(lines);
        Ok(())
    }

    /// The line after a platform's block: comments that close its sections are part of it.
    fn block_end(&self, block: &Block) -> usize {
        let next = block.last + 1;
        let comments = (next..self.lines.len()).take_while(|n| section::is_comment(self.line(*n)));
        comments.filter(|n| section::closes(self.line(*n))).last().map_or(next, |n| n + 1)
    }

    fn finish(self) -> String {
        let Self { lines, replaced, removed, mut inserted, ending, .. } = self;
        let mut text = String::new();
        let count = lines.len();
        let mut add = |text: &mut String, at: usize| {
            for line in inserted.remove(&at).unwrap_or_default() {
                if !text.is_empty() && !text.ends_with('\n') {
                    text.push_str(ending);
                }
                text.push_str(&line);
                text.push_str(ending);
            }
        };
        for (number, line) in lines.into_iter().enumerate() {
            add(&mut text, number);
            if !removed.contains(&number) {
                text.push_str(replaced.get(&number).map_or(line, String::as_str));
            }
        }
        add(&mut text, count);
        text
    }
}

/// Entries in sections, by release line and label.
fn sections(indent: usize, wanted: &[&Wanted]) -> Vec<String> {
    let same =
        |a: &&Wanted, b: &&Wanted| a.label == b.label && a.version.minor() == b.version.minor();
    let runs = wanted.chunk_by(same);
    runs.filter_map(|run| {
        let first = run.first()?;
        Some(section_lines(indent, &first.label, first.version.minor(), run, false))
    })
    .flatten()
    .collect()
}

/// One run of entries, in a section of its own unless it stands in that section already.
fn section_lines(
    indent: usize,
    label: &str,
    minor: Minor,
    wanted: &[&Wanted],
    own: bool,
) -> Vec<String> {
    let mut lines = Vec::new();
    let comment = |text: String| format!("{}{text}", spaces(indent));
    if !own {
        lines.push(comment(section::beginning(label, minor)));
    }
    for wanted in wanted {
        let image = wanted.image.as_deref().unwrap_or_default();
        lines.extend(entry_lines(indent, &wanted.version.to_string(), image));
    }
    if !own {
        lines.push(comment(section::end(label, minor)));
    }
    lines
}

fn entry_lines(indent: usize, version: &str, image: &str) -> [String; 2] {
    [
        format!("{}- version: {}", spaces(indent), spelled(version)),
        format!("{}cpoImage: {}", spaces(indent + 2), spelled(image)),
    ]
}

fn spaces(count: usize) -> String {
    " ".repeat(count)
}

/// A scalar as it is written: plain where every reader takes it for text. Versions and references
/// have no quotes and no backslashes in them.
fn spelled(text: &str) -> String {
    let plain = text.bytes().all(|b| b.is_ascii_alphanumeric() || b"./:@_-+".contains(&b))
        && text.bytes().next().is_some_and(|b| b.is_ascii_alphanumeric())
        && !text.ends_with(':');
    // `4.20` would be a number.
    let number = text.parse::<f64>().is_ok();
    if plain && !number { text.to_owned() } else { format!("\"{text}\"") }
}
