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
//! title, is no evidence. A fork holds merges of the repository it was made from, with numbers of
//! their own: where the repository merged the number itself, those do not count, unless the title is
//! the same.
//!
//! What was taken back later, or picked only in part, is told beside what landed.

use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};
use std::sync::Arc;

use fleetfix_model::name::Commit;
use gix_hash::ObjectId;

use crate::branch::{Branch, Line, Merged};
use crate::repository::{CommitInfo, name, object_id};
use crate::revert::{Reverts, reverts};
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
    /// Its place among the branch's own commits: a higher one holds all lower ones, whatever their
    /// dates. Of [`Evidence::Same`], that among the commits of the branch it was made from.
    pub order: usize,
    /// Why it is taken for the pull request.
    pub evidence: Evidence,
    /// First line of its message.
    pub title: String,
    /// Who wrote the merged commits: mail addresses.
    pub authors: BTreeSet<String>,
    /// Commits of the pull request that no trailer in the branch names, where trailers are all there
    /// is.
    pub lacks: BTreeSet<Commit>,
    /// What took it back in the branch later on.
    pub reverted: Option<Commit>,
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
    /// What it takes back.
    pub reverts: Reverts,
}

/// Reads what a message says about pull requests. `sources` are what [`reverts`] needs.
pub fn said(message: &str, sources: &BTreeSet<String>) -> Said {
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
    let from = message.lines().filter_map(trailer).collect();
    Said { number, picked, from, reverts: reverts(message, sources) }
}

/// One commit of a branch, read once for all rounds.
struct Entry {
    id: ObjectId,
    said: Arc<Said>,
    /// What brought it into the branch, and the place of that among the branch's own commits.
    by: ObjectId,
    order: usize,
}

/// A branch with its commits, sorted.
struct Read<'a> {
    branch: &'a Branch,
    line: Line,
    entries: Vec<Entry>,
}

impl Read<'_> {
    fn entry(&self, id: &ObjectId) -> Option<&Entry> {
        let at = self.entries.binary_search_by_key(id, |entry| entry.id).ok()?;
        self.entries.get(at)
    }

    /// The number of what brought an entry.
    fn number_of(&self, by: &ObjectId) -> Option<u64> {
        self.entry(by)?.said.number
    }
}

/// Every commit that is a pull request or a backport of it.
#[derive(Default)]
struct Spread {
    found: HashMap<ObjectId, Evidence>,
    /// The commits of the pull request itself, without merges.
    originals: BTreeSet<Commit>,
    /// Which of them a commit holds.
    holds: BTreeMap<Commit, BTreeSet<Commit>>,
}

/// What brought a pull request into one branch.
struct Group {
    by: ObjectId,
    evidence: Evidence,
    ids: Vec<ObjectId>,
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
        let mut lines: Vec<Read<'_>> = Vec::new();
        for branch in branches.iter().filter(|branch| branch.tip != main.tip) {
            let line = self.line(&object_id(&branch.tip)?, &in_main)?;
            lines.push(self.read(branch, line)?);
        }
        let main = self.read(main, main_line)?;
        let mut landed = BTreeMap::new();
        for number in numbers {
            landed.insert(*number, self.landed_one(*number, branches, &lines, &main)?);
        }
        Ok(landed)
    }

    /// What a commit says about pull requests; `None`: nothing, or the repository lacks it.
    pub(crate) fn said(&mut self, id: &ObjectId) -> Result<Option<Arc<Said>>, Error> {
        if let Some(known) = self.messages.get(id) {
            return Ok(known.clone());
        }
        let said = self.info(id)?.map(|info| said(&info.message, &self.sources));
        let said = said.filter(|said| *said != Said::default()).map(Arc::new);
        self.messages.insert(*id, said.clone());
        Ok(said)
    }

    fn read<'a>(&mut self, branch: &'a Branch, line: Line) -> Result<Read<'a>, Error> {
        let mut entries = Vec::new();
        let mut ids: Vec<ObjectId> = line.commits().copied().collect();
        ids.sort_unstable();
        for id in ids {
            let Some((order, by)) = line.place(&id) else { continue };
            let said = self.said(&id)?.unwrap_or_default();
            entries.push(Entry { id, said, by, order });
        }
        Ok(Read { branch, line, entries })
    }

    fn landed_one(
        &mut self,
        number: u64,
        branches: &[Branch],
        lines: &[Read<'_>],
        main: &Read<'_>,
    ) -> Result<Vec<Landed>, Error> {
        let spread = self.spread(number, lines, main)?;
        let mut landed = Vec::new();
        for read in lines.iter().chain([main]) {
            let mut groups: BTreeMap<usize, Group> = BTreeMap::new();
            let mut by_trailers = true;
            for entry in &read.entries {
                let Some(evidence) = spread.found.get(&entry.id).copied() else { continue };
                // A picked commit is claimed by the merge that brought it.
                let new = Group { by: entry.by, evidence, ids: Vec::new() };
                let group = groups.entry(entry.order).or_insert(new);
                group.evidence = group.evidence.min(evidence);
                group.ids.push(entry.id);
                by_trailers &= evidence == Evidence::Trailer;
            }
            let (mut here, mut held) = (Vec::new(), BTreeSet::new());
            for (order, group) in groups {
                let Some(mut told) = self.told(read, order, &group)? else { continue };
                if std::ptr::eq(read, main) {
                    landed.extend(self.inherited(&told, branches)?);
                }
                told.reverted = self.back_in(&told)?;
                // A part that was taken back is not there.
                for id in group.ids.iter().filter(|_| told.reverted.is_none()) {
                    held.extend(spread.holds.get(&name(id)?).into_iter().flatten().cloned());
                }
                here.push(told);
            }
            // Where no part stands it was taken back, and is not there in part.
            if by_trailers && here.iter().any(|told| told.reverted.is_none()) {
                let lacks = &spread.originals - &held;
                for told in &mut here {
                    told.lacks.clone_from(&lacks);
                }
            }
            landed.append(&mut here);
        }
        landed.sort_by(|a, b| {
            let key = |l: &Landed| (l.branch.clone(), l.evidence != Evidence::Same, l.order);
            key(a).cmp(&key(b))
        });
        Ok(landed)
    }

    /// What main got before a branch was made is in the branch as well.
    fn inherited(&mut self, told: &Landed, branches: &[Branch]) -> Result<Vec<Landed>, Error> {
        let mut landed = Vec::new();
        for branch in self.holding(&told.commit, branches)? {
            if *branch == told.branch {
                continue;
            }
            let mut there =
                Landed { branch: branch.clone(), evidence: Evidence::Same, ..told.clone() };
            there.reverted = self.back_in(&there)?;
            landed.push(there);
        }
        Ok(landed)
    }

    /// What takes a landed pull request back in its branch.
    fn back_in(&mut self, landed: &Landed) -> Result<Option<Commit>, Error> {
        let found = self.reverted(&landed.commit, landed.number, &landed.branch.tip)?;
        Ok(found.map(|by| by.commit))
    }

    /// Every commit that is the pull request or a backport of it.
    fn spread(
        &mut self,
        number: u64,
        lines: &[Read<'_>],
        main: &Read<'_>,
    ) -> Result<Spread, Error> {
        let all: Vec<(&Read<'_>, &Entry)> = lines
            .iter()
            .chain([main])
            .flat_map(|read| read.entries.iter().map(move |entry| (read, entry)))
            .collect();
        let mut spread = Spread::default();
        let mut numbers = BTreeSet::from([number]);
        let mut new: Vec<(&Read<'_>, &Entry, Evidence)> = Vec::new();
        // What was merged by that number, and what was picked from it with its title.
        let own = || all.iter().filter(|(_, entry)| entry.said.number == Some(number));
        let mut titles = BTreeSet::new();
        for (_, entry) in own().filter(|(_, entry)| entry.id == entry.by) {
            titles.extend(self.info(&entry.id)?.map(|info| info.title));
        }
        for (read, entry) in own() {
            let title = self.info(&entry.id)?.map(|info| info.title).unwrap_or_default();
            if titles.is_empty() || entry.id == entry.by || titles.contains(&title) {
                new.push((read, entry, Evidence::Number));
            }
        }
        // Main's is the pull request; what else has its number was picked with its title.
        let in_main = new.iter().find(|(read, ..)| std::ptr::eq(*read, main));
        if let Some((_, entry, _)) = in_main.or(new.first()) {
            for part in self.merged_by(&entry.id)?.iter() {
                if self.node(part)?.is_some_and(|node| node.parents.len() < 2) {
                    spread.originals.insert(name(part)?);
                }
            }
        }
        for original in &spread.originals {
            spread.holds.insert(original.clone(), BTreeSet::from([original.clone()]));
        }
        for _ in 0..ROUNDS {
            for (read, entry, evidence) in std::mem::take(&mut new) {
                numbers.extend(entry.said.number);
                numbers.extend(read.number_of(&entry.by));
                let holds: BTreeSet<Commit> = match evidence {
                    Evidence::Trailer => {
                        let from = entry.said.from.iter().filter_map(|c| spread.holds.get(c));
                        from.flatten().cloned().collect()
                    }
                    _ => spread.originals.clone(),
                };
                for part in self.merged_by(&entry.id)?.iter() {
                    spread.holds.entry(name(part)?).or_insert_with(|| holds.clone());
                }
                spread.found.insert(entry.id, evidence);
            }
            for (read, entry) in all.iter().filter(|(_, e)| !spread.found.contains_key(&e.id)) {
                let Said { picked, from, .. } = entry.said.as_ref();
                if picked.is_some_and(|picked| numbers.contains(&picked)) {
                    new.push((read, entry, Evidence::RobotBranch));
                } else if from.iter().any(|commit| spread.holds.contains_key(commit)) {
                    new.push((read, entry, Evidence::Trailer));
                }
            }
            if new.is_empty() {
                break;
            }
        }
        Ok(spread)
    }

    fn told(
        &mut self,
        read: &Read<'_>,
        order: usize,
        group: &Group,
    ) -> Result<Option<Landed>, Error> {
        let Some(info) = self.info(&group.by)? else { return Ok(None) };
        let Some(merged) = self.brought(&read.line, &group.by)? else { return Ok(None) };
        let mut authors = BTreeSet::new();
        for part in self.merged_by(&group.by)?.iter() {
            let Some(part) = self.info(part)? else { continue };
            // Who merged wrote nothing.
            if part.parents.len() < 2 && !part.author.is_empty() {
                authors.insert(part.author);
            }
        }
        let CommitInfo { id: commit, title, message, .. } = info;
        let number = said(&message, &self.sources).number;
        let title = body_title(&message).unwrap_or(title);
        let (branch, evidence) = (read.branch.clone(), group.evidence);
        let (lacks, reverted) = (BTreeSet::new(), None);
        let landed = Landed {
            branch,
            number,
            commit,
            merged,
            order,
            evidence,
            title,
            authors,
            lacks,
            reverted,
        };
        Ok(Some(landed))
    }
}

/// What a merge says under its first line: the title of the pull request.
pub(crate) fn body_title(message: &str) -> Option<String> {
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
            let said = said(message, &BTreeSet::new());
            assert_eq!(
                (said.number, said.picked, said.from.len()),
                (number, picked, from),
                "{message}"
            );
        }
    }
}
