//! Was a commit taken back since.
//!
//! A commit that was reverted stays an ancestor, so that ancestry alone calls its content there. What
//! counts is what messages say:
//!
//! | evidence | what it looks like |
//! |---|---|
//! | git-revert | `This reverts commit 0123...` |
//! | the title of a pull request | `Revert #7110 ...` |
//! | the branch that GitHub's button makes | `... from amir/revert-7110-fix` |
//! | the text of a pull request | `Reverts openshift/hypershift#7110` |
//!
//! A number is that of one repository: with `Reverts other/fork#7110` somebody took back what has that
//! number elsewhere, and a fork's history holds such messages. Git does not know what its repository
//! is called where it is hosted, so that the request's `source` says it ([`Repository::is_source`]).
//! Where it says nothing every number counts: too many reverts are looked at by people, one too few
//! is not.
//!
//! A source may itself be a fork, and then its history has merges, and reverts, of where it was made
//! from. The number of another repository means what was merged in the branch that the revert was
//! merged in: the last one before it with that number. That counts where that repository is called as
//! the source is, by another owner, or where the message quotes the title of what was merged.
//!
//! A revert that was itself reverted later on takes nothing back. A revert that was picked into a release branch
//! names the commit that was picked as well, so that trailers of backports are followed.

use std::cmp::Reverse;
use std::collections::{BTreeMap, BTreeSet, HashSet};

use fleetfix_model::document::plan::AlongCommit;
use fleetfix_model::name::Commit;
use gix_hash::ObjectId;

use crate::backport::body_title;
use crate::repository::{hosted, name, object_id};
use crate::{Error, Repository};

/// Fewest digits of a commit that a message may shorten it to (git's `core.abbrev` has 7 at least).
const SHORTEST: usize = 7;

/// What a message says that its commit takes back.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct Reverts {
    /// Commits, in hexadecimal digits, perhaps shortened.
    pub commits: Vec<String>,
    /// Pull requests.
    pub numbers: BTreeSet<u64>,
    /// Pull requests of repositories that are not known to be this one, such as
    /// `openshift/hypershift`.
    pub elsewhere: BTreeSet<(String, u64)>,
}

/// Reads what a message says that its commit takes back. `sources` are what the repository is called
/// where it is hosted, such as `openshift/hypershift`; none: that is not known.
pub fn reverts(message: &str, sources: &BTreeSet<String>) -> Reverts {
    let mut reverts = Reverts::default();
    for (_, rest) in message.match_indices("This reverts commit").map(|(at, text)| {
        let rest = message.get(at + text.len()..).unwrap_or_default();
        (at, rest.trim_start())
    }) {
        let digits: String = rest.chars().take_while(char::is_ascii_hexdigit).collect();
        if (SHORTEST..=40).contains(&digits.len()) {
            reverts.commits.push(digits.to_ascii_lowercase());
        }
    }
    let branch: Option<u64> = message.strip_prefix("Merge pull request #").and_then(|rest| {
        rest.lines().next()?.split_once("/revert-")?.1.split('-').next()?.parse().ok()
    });
    reverts.numbers.extend(branch);
    for line in message.lines() {
        let line = line.trim();
        let named = line.strip_prefix("Revert #").map(|number| ("", number));
        let named = named.or_else(|| line.strip_prefix("Reverts ")?.split_once('#'));
        let Some((place, number)) = named.filter(|(place, _)| !place.contains(' ')) else {
            continue;
        };
        let digits: String = number.chars().take_while(char::is_ascii_digit).collect();
        let Ok(number) = digits.parse() else { continue };
        match hosted(place) {
            Some(place) if !sources.is_empty() && !sources.contains(&place) => {
                reverts.elsewhere.insert((place, number));
            }
            None if !sources.is_empty() && !place.is_empty() => {}
            _ => {
                reverts.numbers.insert(number);
            }
        }
    }
    reverts
}

/// A commit, and what it takes back.
struct Taking {
    id: ObjectId,
    /// What it brought into its branch, itself among it, and what that was picked from.
    holds: BTreeSet<String>,
    /// Digits that commits start with which it takes back.
    takes: BTreeSet<String>,
}

impl Repository {
    /// The commit in the history of `of` that takes `claim` back, or anything that it merged, and that
    /// was not taken back itself. `number` is the pull request of the claim.
    ///
    /// `None` as well where the repository lacks one of the two: [`Repository::ancestry`] tells.
    pub fn reverted(
        &mut self,
        claim: &Commit,
        number: Option<u64>,
        of: &Commit,
    ) -> Result<Option<AlongCommit>, Error> {
        let (claimed, of) = (object_id(claim)?, object_id(of)?);
        if self.node(&claimed)?.is_none() || self.node(&of)?.is_none() {
            return Ok(None);
        }
        let mut numbers: BTreeMap<u64, BTreeSet<ObjectId>> = BTreeMap::new();
        let mut reverting = Vec::new();
        let mut within = HashSet::from([claimed]);
        for id in self.beyond(&[of], &claimed)? {
            within.insert(id);
            let Some(said) = self.said(&id)? else { continue };
            if let Some(number) = said.number {
                numbers.entry(number).or_default().insert(id);
            }
            if said.reverts != Reverts::default() {
                reverting.push((Reverse(self.height(&id)?), id, said));
            }
        }
        if let Some(number) = number {
            numbers.entry(number).or_default().insert(claimed);
        }
        // The newest first: most is then known of what takes something back.
        reverting.sort_by_key(|(height, id, _)| (*height, *id));
        let mut takings = Vec::new();
        for (_, id, said) in &reverting {
            let mut named: BTreeSet<ObjectId> = BTreeSet::new();
            for number in &said.reverts.numbers {
                named.extend(numbers.get(number).into_iter().flatten());
            }
            for (place, number) in &said.reverts.elsewhere {
                if let Some(those) = numbers.get(number) {
                    named.extend(self.elsewhere(id, place, those, &within)?);
                }
            }
            takings.push(self.taking(id, &said.reverts, &named)?);
        }
        takings.push(Taking { id: claimed, holds: self.holds(&claimed)?, takes: BTreeSet::new() });
        let takers = self.takers(&takings)?;
        let Some(id) = taken_back(&takers).and_then(|at| takings.get(at)).map(|by| by.id) else {
            return Ok(None);
        };
        let title = self.info(&id)?.map(|info| info.title).unwrap_or_default();
        Ok(Some(AlongCommit { commit: name(&id)?, title }))
    }

    fn taking(
        &mut self,
        id: &ObjectId,
        reverts: &Reverts,
        named: &BTreeSet<ObjectId>,
    ) -> Result<Taking, Error> {
        let mut takes: BTreeSet<String> = reverts.commits.iter().cloned().collect();
        let commits = reverts.commits.iter().filter_map(|digits| digits.parse().ok());
        let whole: Vec<Commit> = commits.collect();
        let whole: Vec<ObjectId> = whole.iter().map(object_id).collect::<Result<_, _>>()?;
        // A merge that is taken back takes all that it merged with it.
        for merge in named.iter().chain(&whole) {
            if self.node(merge)?.is_some() {
                takes.extend(self.holds(merge)?);
            }
        }
        Ok(Taking { id: *id, holds: self.holds(id)?, takes })
    }

    /// Which of `those`, the commits with one number, a commit means that takes that number of `place`
    /// back: the last one of its own branch. Below `within` none is asked for.
    fn elsewhere(
        &mut self,
        by: &ObjectId,
        place: &str,
        those: &BTreeSet<ObjectId>,
        within: &HashSet<ObjectId>,
    ) -> Result<Option<ObjectId>, Error> {
        let mut next = self.first_parent(by)?;
        // A damaged commit graph may lead in a circle.
        let mut left = within.len();
        while let Some(id) = next.filter(|id| within.contains(id) && left > 0) {
            if those.contains(&id) {
                let meant = self.is_called_alike(place) || self.quotes_title(by, &id)?;
                return Ok(meant.then_some(id));
            }
            next = self.first_parent(&id)?;
            left -= 1;
        }
        Ok(None)
    }

    fn first_parent(&mut self, id: &ObjectId) -> Result<Option<ObjectId>, Error> {
        Ok(self.node(id)?.and_then(|node| node.parents.first().copied()))
    }

    /// True for a fork of the source, or what it is a fork of, as far as names tell.
    fn is_called_alike(&self, place: &str) -> bool {
        let of = |name: &str| name.rsplit('/').next().map(str::to_owned);
        self.sources.iter().any(|source| of(source) == of(place))
    }

    /// True if a message has the title of what another commit merged, as `Revert "Fix LDAP"`.
    fn quotes_title(&mut self, by: &ObjectId, of: &ObjectId) -> Result<bool, Error> {
        let (Some(by), Some(of)) = (self.info(by)?, self.info(of)?) else { return Ok(false) };
        let title = body_title(&of.message).unwrap_or(of.title);
        let title = title.rsplit_once(" (#").map_or(title.as_str(), |(title, _)| title);
        Ok(!title.is_empty() && by.message.contains(&format!("\"{title}")))
    }

    /// A commit, what it merged, and what those were picked from.
    fn holds(&mut self, id: &ObjectId) -> Result<BTreeSet<String>, Error> {
        let mut holds = BTreeSet::from([id.to_string()]);
        for part in self.merged_by(id)?.iter() {
            holds.insert(part.to_string());
            let Some(said) = self.said(part)? else { continue };
            holds.extend(said.from.iter().map(ToString::to_string));
        }
        Ok(holds)
    }

    /// For each of the takings those that take it back, by index. What takes something back is no
    /// ancestor of it: a revert that was picked once more after it was reverted is a revert again.
    fn takers(&mut self, takings: &[Taking]) -> Result<Vec<BTreeSet<usize>>, Error> {
        let mut holding: BTreeMap<&str, Vec<usize>> = BTreeMap::new();
        for (at, taking) in takings.iter().enumerate() {
            for held in &taking.holds {
                holding.entry(held).or_default().push(at);
            }
        }
        let mut takers = vec![BTreeSet::new(); takings.len()];
        for (by, taking) in takings.iter().enumerate() {
            let mut taken = BTreeSet::new();
            for short in &taking.takes {
                let of_short = holding.range(short.as_str()..);
                let of_short = of_short.take_while(|(held, _)| held.starts_with(short));
                taken.extend(of_short.flat_map(|(_, all)| all).copied());
            }
            for at in taken {
                if let (Some(what), Some(takers)) = (takings.get(at), takers.get_mut(at))
                    && !self.descends(&what.id, &taking.id)?
                {
                    takers.insert(by);
                }
            }
        }
        Ok(takers)
    }
}

/// Which of the takings takes the last one back and was not taken back itself. `takers` are, for each,
/// those that take it back. Of reverts in branches beside each other that name each other nobody can
/// tell which one counts: then each does.
fn taken_back(takers: &[BTreeSet<usize>]) -> Option<usize> {
    let mut stands: Vec<Option<bool>> = vec![None; takers.len()];
    let state = |stands: &[Option<bool>], at: usize| stands.get(at).copied().flatten();
    loop {
        let mut settled = false;
        for (at, by) in takers.iter().enumerate() {
            let known = if by.iter().any(|by| state(&stands, *by) == Some(true)) {
                Some(false)
            } else if by.iter().all(|by| state(&stands, *by) == Some(false)) {
                Some(true)
            } else {
                None
            };
            if let Some(stands) = stands.get_mut(at).filter(|stands| **stands != known) {
                *stands = known;
                settled = true;
            }
        }
        if !settled {
            break;
        }
    }
    takers.last()?.iter().copied().find(|by| state(&stands, *by) != Some(false))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_messages_take_back() {
        let id = "0123456789abcdef0123456789abcdef01234567";
        let wrapped =
            format!("Revert \"x\"\n\nThis reverts commit\n{id}, reversing\nchanges made to y.");
        let table: [(&str, usize, &[u64]); 13] = [
            ("", 0, &[]),
            (&format!("Revert \"x\"\n\nThis reverts commit {id}.\n"), 1, &[]),
            (&wrapped, 1, &[]),
            ("This reverts commit 0123456", 1, &[]),
            ("This reverts commit 01234", 0, &[]),
            ("This reverts commit of mine", 0, &[]),
            ("Revert #7110 \"Fix LDAP\"", 0, &[7110]),
            ("Merge pull request #9 from a/b\n\nReverts openshift/hypershift#7110", 0, &[7110]),
            ("Revert \"Fix LDAP (#7110)\"", 0, &[]),
            ("Merge pull request #12 from amir/revert-10-fix\n\nRevert", 0, &[10]),
            ("Merge pull request #12 from amir/revert-the-fix", 0, &[]),
            ("Revert \"X (#10)\" (#12)\n\nReverts openshift/hypershift#10", 0, &[10]),
            ("Reverts are hard", 0, &[]),
        ];
        for (message, commits, numbers) in table {
            let found = reverts(message, &BTreeSet::new());
            assert_eq!(found.commits.len(), commits, "{message}");
            assert_eq!(found.numbers.into_iter().collect::<Vec<_>>(), numbers, "{message}");
        }
    }

    #[test]
    fn numbers_of_the_repository_alone() {
        let table = [
            ("Reverts openshift/hypershift#7110", true),
            ("Reverts OpenShift/HyperShift#7110", true),
            ("Reverts #7110", true),
            ("Revert #7110", true),
            ("Reverts other/hypershift#7110", false),
            ("Reverts openshift/other#7110", false),
            ("Reverts hypershift#7110", false),
        ];
        let sources = BTreeSet::from(["openshift/hypershift".to_owned()]);
        for (message, own) in table {
            let told = reverts(message, &sources);
            assert_eq!(told.numbers.contains(&7110), own, "{message}");
            let elsewhere = !own && message.contains('/');
            assert_eq!(!told.elsewhere.is_empty(), elsewhere, "{message}");
        }
    }
}
