//! By which commits did a pull request reach each release branch.
//!
//! | evidence | what it looks like |
//! |---|---|
//! | the branch holds the very commit | it was merged before the branch was made |
//! | the merge names the number | `Merge pull request #9010 from ...`, or `Title (#9010)` |
//! | the merge names the branch of a robot | `... from robot/cherry-pick-9010-to-release-4.20` |
//! | a trailer names a commit | `(cherry picked from commit 0123...)` (git-cherry-pick, `-x`) |
//!
//! A backport of a backport counts as one of the first. What only looks alike, such as the same
//! title, is no evidence.

use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};

use fleetfix_model::name::Commit;
use gix_hash::ObjectId;

use crate::branch::{Branch, Line, Merged};
use crate::repository::{CommitInfo, name, object_id};
use crate::{Error, Repository};

/// Most rounds in which backports of backports are looked for.
const ROUNDS: usize = 20;

/// A pull request in one branch.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Landed {
    /// The branch.
    pub branch: Branch,
    /// The number of the pull request in that branch, where its merge says it.
    pub number: Option<u64>,
    /// The commit to claim: the merge, or the commit itself where nothing was merged.
    pub commit: Commit,
    /// How it came into the branch.
    pub merged: Merged,
    /// Why it is taken for the pull request.
    pub evidence: Evidence,
    /// First line of its message.
    pub title: String,
    /// Who wrote the merged commits: mail addresses.
    pub authors: BTreeSet<String>,
}

/// Why a commit is taken for a pull request.
#[derive(Clone, Copy, Debug, Eq, Ord, PartialEq, PartialOrd)]
pub enum Evidence {
    /// It is the very commit.
    Same,
    /// Its merge names the number.
    Number,
    /// Its merge names the branch of a robot that picked it.
    RobotBranch,
    /// A trailer names a commit of it.
    Trailer,
}

/// What a commit says about pull requests.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct Said {
    /// The pull request that it merges or is.
    pub number: Option<u64>,
    /// The pull request that a robot picked.
    pub picked: Option<u64>,
    /// Commits that it was picked from.
    pub from: Vec<Commit>,
}

/// Reads what a message says about pull requests.
pub fn said(message: &str) -> Said {
    let title = message.lines().next().unwrap_or_default();
    let merge = title.strip_prefix("Merge pull request #");
    let squashed = || title.trim_end().strip_suffix(')')?.rsplit_once("(#")?.1.parse().ok();
    let number = match merge {
        Some(rest) => rest.split(' ').next().and_then(|digits| digits.parse().ok()),
        None => squashed(),
    };
    let picked = merge.and_then(|rest| {
        let (_, branch) = rest.split_once("cherry-pick-")?;
        branch.split_once("-to-")?.0.parse().ok()
    });
    let trailer = |line: &str| {
        let rest = line.trim().strip_prefix("(cherry picked from commit ")?;
        rest.strip_suffix(')')?.parse().ok()
    };
    Said { number, picked, from: message.lines().filter_map(trailer).collect() }
}

/// One commit of a branch, read once for all rounds.
struct Entry {
    id: ObjectId,
    said: Said,
}

impl Repository {
    /// Where pull requests landed: each of `numbers` in each of `branches`, also as a backport. The
    /// result is sorted by branch and by when it was merged.
    ///
    /// Numbers are those of one repository. `main` is the branch that the release branches were made
    /// from: what is in it is looked at once.
    pub fn landed(
        &mut self,
        numbers: &BTreeSet<u64>,
        branches: &[Branch],
        main: &Branch,
    ) -> Result<BTreeMap<u64, Vec<Landed>>, Error> {
        let main_line = self.line(&object_id(&main.tip)?, &HashSet::new())?;
        let in_main: HashSet<ObjectId> = main_line.commits().copied().collect();
        let mut lines: Vec<(&Branch, Line)> = Vec::new();
        for branch in branches.iter().filter(|branch| branch.tip != main.tip) {
            let line = self.line(&object_id(&branch.tip)?, &in_main)?;
            lines.push((branch, line));
        }
        lines.push((main, main_line));
        let mut entries = Vec::new();
        for (_, line) in &lines {
            entries.push(self.entries(line)?);
        }
        let mut landed = BTreeMap::new();
        for number in numbers {
            landed.insert(*number, self.landed_one(*number, branches, &lines, &entries)?);
        }
        Ok(landed)
    }

    fn entries(&mut self, line: &Line) -> Result<Vec<Entry>, Error> {
        let mut entries = Vec::new();
        let mut ids: Vec<ObjectId> = line.commits().copied().collect();
        ids.sort_unstable();
        for id in ids {
            let Some(info) = self.info(&id)? else { continue };
            entries.push(Entry { id, said: said(&info.message) });
        }
        Ok(entries)
    }

    fn landed_one(
        &mut self,
        number: u64,
        branches: &[Branch],
        lines: &[(&Branch, Line)],
        entries: &[Vec<Entry>],
    ) -> Result<Vec<Landed>, Error> {
        let found = self.spread(number, entries)?;
        let mut landed = Vec::new();
        for ((branch, line), of_line) in lines.iter().zip(entries) {
            let here = of_line.iter().filter_map(|entry| Some((entry, *found.get(&entry.id)?)));
            let mut by_merge: BTreeMap<Commit, (ObjectId, Evidence)> = BTreeMap::new();
            for (entry, evidence) in here {
                let Some(merged) = self.brought(line, &entry.id)? else { continue };
                // A picked commit is claimed by the merge that brought it.
                let by = object_id(&merged.by)?;
                let best = by_merge.entry(merged.by).or_insert((by, evidence));
                best.1 = best.1.min(evidence);
            }
            for (id, evidence) in by_merge.into_values() {
                landed.extend(self.told(branch, line, &id, evidence)?);
            }
        }
        // What main got before a branch was made is in the branch as well.
        let of_main: Vec<Landed> = landed
            .iter()
            .filter(|l| lines.last().is_some_and(|(b, _)| l.branch == **b))
            .cloned()
            .collect();
        for one in of_main {
            for branch in self.holding(&one.commit, branches)? {
                if *branch != one.branch {
                    let evidence = Evidence::Same;
                    landed.push(Landed { branch: branch.clone(), evidence, ..one.clone() });
                }
            }
        }
        landed.sort_by(|a, b| {
            (&a.branch, a.merged.at, &a.commit).cmp(&(&b.branch, b.merged.at, &b.commit))
        });
        Ok(landed)
    }

    /// Every commit that is the pull request or a backport of it.
    fn spread(
        &mut self,
        number: u64,
        entries: &[Vec<Entry>],
    ) -> Result<HashMap<ObjectId, Evidence>, Error> {
        let mut numbers = BTreeSet::from([number]);
        let mut commits: BTreeSet<Commit> = BTreeSet::new();
        let mut found: HashMap<ObjectId, Evidence> = HashMap::new();
        for _ in 0..ROUNDS {
            let mut new = Vec::new();
            for entry in entries.iter().flatten().filter(|entry| !found.contains_key(&entry.id)) {
                let Said { number: own, picked, from } = &entry.said;
                let evidence = if own.is_some_and(|own| numbers.contains(&own)) {
                    Evidence::Number
                } else if picked.is_some_and(|picked| numbers.contains(&picked)) {
                    Evidence::RobotBranch
                } else if from.iter().any(|commit| commits.contains(commit)) {
                    Evidence::Trailer
                } else {
                    continue;
                };
                new.push((entry.id, *own, evidence));
            }
            if new.is_empty() {
                break;
            }
            for (id, own, evidence) in new {
                numbers.extend(own);
                for part in self.merged_by(&id)? {
                    commits.insert(name(&part)?);
                }
                found.insert(id, evidence);
            }
        }
        Ok(found)
    }

    fn told(
        &mut self,
        branch: &Branch,
        line: &Line,
        id: &ObjectId,
        evidence: Evidence,
    ) -> Result<Option<Landed>, Error> {
        let Some(info) = self.info(id)? else { return Ok(None) };
        let Some(merged) = self.brought(line, id)? else { return Ok(None) };
        let mut authors = BTreeSet::new();
        for part in self.merged_by(id)? {
            let Some(part) = self.info(&part)? else { continue };
            // Who merged wrote nothing.
            if part.parents.len() < 2 && !part.author.is_empty() {
                authors.insert(part.author);
            }
        }
        let CommitInfo { id, title, message, .. } = info;
        let number = said(&message).number;
        let title = body_title(&message).unwrap_or(title);
        let branch = branch.clone();
        Ok(Some(Landed { branch, number, commit: id, merged, evidence, title, authors }))
    }
}

/// What a merge says under its first line: the title of the pull request.
fn body_title(message: &str) -> Option<String> {
    let body = message.strip_prefix("Merge pull request ")?.split_once('\n')?.1;
    Some(crate::title::clean(body.as_bytes())).filter(|title| !title.is_empty())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_messages_say() {
        let picked = "a".repeat(40);
        let table = [
            ("Merge pull request #9010 from celebdor/aro", Some(9010), None, 0),
            (
                "Merge pull request #9123 from robot/cherry-pick-9010-to-release-4.20\n\nT",
                Some(9123),
                Some(9010),
                0,
            ),
            ("Fix LDAP (#17)\n\nbody (#18)", Some(17), None, 0),
            ("Fix (#17) and more", None, None, 0),
            ("Merge pull request #x from y", None, None, 0),
            (&format!("Fix\n\n(cherry picked from commit {picked})\n"), None, None, 1),
            ("Fix\n\n(cherry picked from commit abc)\n", None, None, 0),
            ("Merge branch 'cherry-pick-1-to-release-4.20'", None, None, 0),
            ("", None, None, 0),
        ];
        for (message, number, picked, from) in table {
            let said = said(message);
            assert_eq!(
                (said.number, said.picked, said.from.len()),
                (number, picked, from),
                "{message}"
            );
        }
    }
}
