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
//! is called where it is hosted, so that the request's `source` says it ([`Repository::is_source`]):
//! then only that one's numbers count. Where it says nothing every number counts: too many reverts
//! are looked at by people, one too few is not.
//!
//! A revert that was itself reverted takes nothing back. A revert that was picked into a release branch
//! names the commit that was picked as well, so that trailers of backports are followed.

use std::collections::{BTreeMap, BTreeSet};

use fleetfix_model::document::plan::AlongCommit;
use fleetfix_model::name::Commit;
use gix_hash::ObjectId;

use crate::backport::said;
use crate::repository::{hosted, name, object_id};
use crate::{Error, Repository};

/// Most reverts of reverts that are followed; beyond that the first counts.
const DEPTH: usize = 100;
/// Fewest digits of a commit that a message may shorten it to (git's `core.abbrev` has 7 at least).
const SHORTEST: usize = 7;

/// What a message says that its commit takes back.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct Reverts {
    /// Commits, in hexadecimal digits, perhaps shortened.
    pub commits: Vec<String>,
    /// Pull requests.
    pub numbers: BTreeSet<u64>,
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
        let named = line.strip_prefix("Revert #").or_else(|| {
            let (place, number) = line.strip_prefix("Reverts ")?.split_once('#')?;
            let own = place.is_empty()
                || sources.is_empty()
                || hosted(place).is_some_and(|place| sources.contains(&place));
            (own && !place.contains(' ')).then_some(number)
        });
        let digits = named.map(|rest| rest.chars().take_while(char::is_ascii_digit).collect());
        reverts.numbers.extend(digits.and_then(|digits: String| digits.parse::<u64>().ok()));
    }
    reverts
}

/// Messages of commits.
type Messages = BTreeMap<ObjectId, String>;

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
        let (Some(before), Some(all)) = (self.ancestors(&claimed)?, self.ancestors(&of)?) else {
            return Ok(None);
        };
        let mut later = Messages::new();
        for id in all.difference(&before) {
            later.extend(self.info(id)?.map(|info| (*id, info.message)));
        }
        let mut numbers: BTreeMap<u64, BTreeSet<ObjectId>> = BTreeMap::new();
        for (id, message) in &later {
            if let Some(number) = said(message).number {
                numbers.entry(number).or_default().insert(*id);
            }
        }
        numbers.entry(number.unwrap_or_default()).or_default().insert(claimed);
        let mut takings = Vec::new();
        for (id, message) in &later {
            let reverts = reverts(message, &self.sources);
            if reverts != Reverts::default() {
                takings.push(self.taking(id, &reverts, &numbers)?);
            }
        }
        let claim = Taking { id: claimed, holds: self.holds(&claimed)?, takes: BTreeSet::new() };
        let Some(id) = taken_back(&claim, &takings, &mut Vec::new()) else { return Ok(None) };
        let title = self.info(&id)?.map(|info| info.title).unwrap_or_default();
        Ok(Some(AlongCommit { commit: name(&id)?, title }))
    }

    fn taking(
        &mut self,
        id: &ObjectId,
        reverts: &Reverts,
        numbers: &BTreeMap<u64, BTreeSet<ObjectId>>,
    ) -> Result<Taking, Error> {
        let mut takes: BTreeSet<String> = reverts.commits.iter().cloned().collect();
        let named = reverts.numbers.iter().filter_map(|number| numbers.get(number)).flatten();
        let commits = reverts.commits.iter().filter_map(|digits| digits.parse().ok());
        let whole: Vec<Commit> = commits.collect();
        let whole: Vec<ObjectId> = whole.iter().map(object_id).collect::<Result<_, _>>()?;
        // A merge that is taken back takes all that it merged with it.
        for merge in named.chain(&whole) {
            if self.node(merge)?.is_some() {
                takes.extend(self.holds(merge)?);
            }
        }
        Ok(Taking { id: *id, holds: self.holds(id)?, takes })
    }

    /// A commit, what it merged, and what those were picked from.
    fn holds(&mut self, id: &ObjectId) -> Result<BTreeSet<String>, Error> {
        let mut holds = BTreeSet::new();
        for part in self.merged_by(id)? {
            let Some(info) = self.info(&part)? else { continue };
            holds.extend(said(&info.message).from.iter().map(ToString::to_string));
            holds.insert(info.id.to_string());
        }
        Ok(holds)
    }
}

/// What takes something back, if it still does. `above` are the reverts that led here: two that name
/// each other take nothing back.
fn taken_back(what: &Taking, takings: &[Taking], above: &mut Vec<ObjectId>) -> Option<ObjectId> {
    let has = |short: &String| {
        what.holds.range(short.clone()..).next().is_some_and(|id| id.starts_with(short))
    };
    let names_it = |taking: &&Taking| taking.id != what.id && taking.takes.iter().any(has);
    for taking in takings.iter().filter(names_it) {
        if above.contains(&taking.id) {
            continue;
        }
        above.push(taking.id);
        let gone = above.len() < DEPTH && taken_back(taking, takings, above).is_some();
        above.pop();
        if !gone {
            return Some(taking.id);
        }
    }
    None
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
        }
    }
}
