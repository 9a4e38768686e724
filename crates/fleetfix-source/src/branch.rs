//! Which release branches hold a commit, and since when.

use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};

use fleetfix_model::name::Commit;
use fleetfix_model::{Minor, Timestamp};
use gix_hash::ObjectId;

use crate::repository::{name, object_id, time};
use crate::{Error, Repository};

/// Most references that are read.
pub const MAX_REFERENCES: usize = 100_000;
/// How release branches are called (openshift/release `ci-operator/README.md`).
const RELEASE: [&str; 2] = ["release-", "openshift-"];
/// Names of the branch that release branches are made from.
pub const MAIN: [&str; 2] = ["main", "master"];
/// Where branches are: those of a mirror, then those of the remote that a clone calls `origin`.
const PLACES: [&str; 3] = ["refs/heads/", "refs/remotes/origin/", "refs/remotes/upstream/"];

/// A branch.
#[derive(Clone, Debug, Eq, Ord, PartialEq, PartialOrd)]
pub struct Branch {
    /// Its name, such as `release-4.20`.
    pub name: String,
    /// The release line that is made from it.
    pub minor: Option<Minor>,
    /// Its last commit.
    pub tip: Commit,
}

/// How a commit came into a branch.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Merged {
    /// The commit of the branch itself that brought it, often a merge.
    pub by: Commit,
    /// When that was committed.
    pub at: Timestamp,
}

/// The branch's own commits, and which of them brought which commit in.
pub(crate) struct Line {
    /// Oldest first.
    own: Vec<ObjectId>,
    /// For every commit in the branch the index of the one that brought it.
    brought: HashMap<ObjectId, usize>,
}

impl Repository {
    /// The branches, sorted by name. Of several with one name, such as a clone's own and that of
    /// its remote, the one that holds the others counts; where none does, the clone's own.
    pub fn branches(&mut self) -> Result<Vec<Branch>, Error> {
        let failed = |source| Error::References { path: self.path.clone(), source };
        let platform = self.references.iter().map_err(|e| failed(e.into()))?;
        let all = platform.all().map_err(|e| failed(e.into()))?;
        let mut found: BTreeMap<String, BTreeMap<usize, ObjectId>> = BTreeMap::new();
        for (count, reference) in all.enumerate() {
            if count >= MAX_REFERENCES {
                let why = format!("more than {MAX_REFERENCES} references");
                return Err(failed(why.into()));
            }
            let reference = reference.map_err(|e| failed(e.into()))?;
            let full = reference.name.as_bstr().to_string();
            let place = PLACES.iter().enumerate().find_map(|(rank, place)| {
                full.strip_prefix(place).map(|short| (rank, short.to_owned()))
            });
            let (Some((rank, short)), gix_ref::Target::Object(id)) = (place, reference.target)
            else {
                continue;
            };
            found.entry(short).or_default().insert(rank, id);
        }
        drop(platform);
        let mut branches = Vec::new();
        for (short, tips) in found {
            let Some(tip) = self.newest(tips.into_values())? else { continue };
            branches.push(Branch { minor: minor_of(&short), name: short, tip: name(&tip)? });
        }
        Ok(branches)
    }

    /// The branch that release branches are made from: what somebody calls it, else the first of [`MAIN`]
    /// that there is.
    pub fn main_branch<'a>(
        &self,
        branches: &'a [Branch],
        called: Option<&str>,
    ) -> Result<Option<&'a Branch>, Error> {
        let named = |name: &str| branches.iter().find(|branch| branch.name == name);
        match called {
            Some(name) => named(name).map(Some).ok_or_else(|| Error::NoBranch {
                path: self.path.clone(),
                branch: name.to_owned(),
            }),
            None => Ok(MAIN.iter().find_map(|name| named(name))),
        }
    }

    /// The tip that holds the others, else the first: what somebody did not fetch or pull is older.
    fn newest(
        &mut self,
        mut tips: impl Iterator<Item = ObjectId>,
    ) -> Result<Option<ObjectId>, Error> {
        let Some(mut newest) = tips.next() else { return Ok(None) };
        for tip in tips.filter(|tip| *tip != newest).collect::<Vec<_>>() {
            if self.ancestors(&tip)?.is_some_and(|held| held.contains(&newest)) {
                newest = tip;
            }
        }
        Ok(Some(newest))
    }

    /// Those of `branches` that are called after a release line. Where a line has several, such as
    /// `release-4.20` and `openshift-4.20`, those that another of them holds are left out.
    pub fn release_branches(&mut self, branches: &[Branch]) -> Result<Vec<Branch>, Error> {
        let release: Vec<&Branch> = branches.iter().filter(|b| b.minor.is_some()).collect();
        let mut kept = Vec::new();
        for branch in &release {
            let mut held = false;
            let others = release.iter().copied().filter(|b| b.minor == branch.minor);
            for other in others.filter(|other| other.name != branch.name) {
                let by_name = other.tip == branch.tip && other.name > branch.name;
                let holds =
                    other.tip != branch.tip && !self.holding(&branch.tip, [other])?.is_empty();
                held |= by_name || holds;
            }
            if !held {
                kept.push((*branch).clone());
            }
        }
        Ok(kept)
    }

    /// Those of the branches that hold a commit.
    pub fn holding<'a>(
        &mut self,
        commit: &Commit,
        branches: impl IntoIterator<Item = &'a Branch>,
    ) -> Result<BTreeSet<&'a Branch>, Error> {
        let mut holding = BTreeSet::new();
        for branch in branches {
            let question = (commit.clone(), branch.tip.clone());
            let answers = self.ancestry([question])?;
            if answers.into_values().next().flatten() == Some(true) {
                holding.insert(branch);
            }
        }
        Ok(holding)
    }

    /// How a commit came into a branch; `None`: it is not in it.
    pub fn merged(&mut self, commit: &Commit, branch: &Branch) -> Result<Option<Merged>, Error> {
        let line = self.line(&object_id(&branch.tip)?, &HashSet::new())?;
        self.brought(&line, &object_id(commit)?)
    }

    pub(crate) fn brought(&mut self, line: &Line, id: &ObjectId) -> Result<Option<Merged>, Error> {
        let Some(by) = line.brought.get(id).and_then(|index| line.own.get(*index)) else {
            return Ok(None);
        };
        let seconds = self.node(by)?.map(|node| node.time).unwrap_or_default();
        Ok(Some(Merged { by: name(by)?, at: time(by, seconds)? }))
    }

    /// The branch's own commits down to the first that is in `known`, and what each brought that is
    /// not in `known`.
    pub(crate) fn line(
        &mut self,
        tip: &ObjectId,
        known: &HashSet<ObjectId>,
    ) -> Result<Line, Error> {
        let mut own = Vec::new();
        let mut next = Some(*tip);
        // A damaged commit graph may lead in a circle.
        let mut seen = HashSet::new();
        while let Some(id) = next.filter(|id| !known.contains(id) && seen.insert(*id)) {
            own.push(id);
            next = self.node(&id)?.and_then(|node| node.parents.first().copied());
        }
        own.reverse();
        let mut reached = known.clone();
        let mut brought = HashMap::new();
        for (index, id) in own.iter().enumerate() {
            self.walk(*id, &mut reached, |id| {
                brought.insert(id, index);
            })?;
        }
        Ok(Line { own, brought })
    }
}

impl Line {
    /// The commit of the branch itself that brought a commit, with its place in the branch.
    pub(crate) fn place(&self, id: &ObjectId) -> Option<(usize, ObjectId)> {
        let index = *self.brought.get(id)?;
        Some((index, *self.own.get(index)?))
    }

    /// Every commit of the line, in no order.
    pub(crate) fn commits(&self) -> impl Iterator<Item = &ObjectId> {
        self.brought.keys()
    }
}

/// The release line that a branch is called after.
fn minor_of(branch: &str) -> Option<Minor> {
    RELEASE.iter().find_map(|prefix| branch.strip_prefix(prefix)?.parse().ok())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_of_release_branches() {
        let table = [
            ("release-4.20", Some("4.20")),
            ("openshift-4.9", Some("4.9")),
            ("release-4.12-rebase", None),
            ("release-0.1", Some("0.1")),
            ("main", None),
            ("hotfix-ocpbugs-63638", None),
        ];
        for (branch, minor) in table {
            assert_eq!(minor_of(branch).map(|m| m.to_string()).as_deref(), minor, "{branch}");
        }
    }
}
