//! What the repository says of the pull requests.

use std::collections::{BTreeMap, BTreeSet};

use fleetfix_hypershift::graph::next_lines;
use fleetfix_model::Minor;
use fleetfix_model::name::{Commit, PrincipalName};
use fleetfix_source::Repository;
use fleetfix_source::backport::{Evidence, Landed};
use fleetfix_source::branch::{Branch, MAIN};
use fleetfix_task::Failure;

use super::NewArgs;

/// What was found.
#[derive(Debug, Default)]
pub(super) struct Derived {
    /// The fix of each release line.
    pub(super) fixes: BTreeMap<Minor, Fix>,
    /// Lines that have all of the fix from their start, and why that is known.
    pub(super) unaffected: BTreeMap<Minor, String>,
    /// Titles of the pull requests, the first one first.
    pub(super) titles: Vec<String>,
    /// What people should look at.
    pub(super) notes: Vec<String>,
}

/// The fix of one release line.
#[derive(Debug, Default)]
pub(super) struct Fix {
    /// What the files are built from.
    pub(super) commit: Option<Commit>,
    /// Place of that commit in its branch: it is the last of those that the fix needs.
    order: usize,
    /// Branches that it is in.
    branches: BTreeSet<String>,
    /// Numbers in that line.
    pub(super) pull_requests: BTreeSet<u64>,
    /// Who wrote it, as far as a mail address is a principal's name.
    pub(super) authors: BTreeSet<PrincipalName>,
    /// How each was found, a line each.
    pub(super) told: Vec<String>,
}

impl Derived {
    pub(super) fn read(args: &NewArgs) -> Result<Self, Failure> {
        let mut repository = Repository::open(&args.git)?;
        if let Some(source) = &args.source {
            repository.is_source(source);
        }
        let branches = repository.branches()?;
        let release = repository.release_branches(&branches)?;
        let main = repository.main_branch(&branches, args.main.as_deref())?;
        if main.is_none() && !args.numbers.is_empty() {
            return Err(Failure::input(format!("there is no branch {}", MAIN.join(" or ")))
                .about(args.git.display())
                .hint("name the branch that release branches are made from with --main"));
        }
        let numbers: BTreeSet<u64> = args.numbers.iter().copied().collect();
        let landed = match main {
            Some(main) => repository.landed(&numbers, &release, main)?,
            None => BTreeMap::new(),
        };
        let mut derived = Self::default();
        // In the order of the flags, so that the first is the leading one.
        for number in &args.numbers {
            let landed = landed.get(number).map(Vec::as_slice).unwrap_or_default();
            derived.add(*number, landed, args);
        }
        for (minor, commit) in &args.commits {
            derived.named(&mut repository, *minor, commit)?;
        }
        for (minor, fix) in &derived.fixes {
            if fix.branches.len() > 1 && !args.commits.iter().any(|(of, _)| of == minor) {
                let branches: Vec<&str> = fix.branches.iter().map(String::as_str).collect();
                return Err(Failure::input(format!(
                    "{minor} has several branches with the fix, and none holds the other: {}",
                    branches.join(", ")
                ))
                .about(args.git.display())
                .hint(format!("say what is built with --minor-commit {minor}=COMMIT")));
            }
        }
        let spread = Spread::new(&landed, &release, main);
        derived.unaffected(&spread, args);
        if derived.fixes.is_empty() {
            return Err(derived.nowhere(args));
        }
        derived.notice(&spread);
        Ok(derived)
    }

    fn nowhere(&self, args: &NewArgs) -> Failure {
        let listed: Vec<String> = args.numbers.iter().map(|number| format!("#{number}")).collect();
        let why: Vec<String> = self.notes.iter().map(|note| format!("; {note}")).collect();
        Failure::input(format!(
            "{} landed in no release branch that needs a fix{}",
            listed.join(", "),
            why.concat()
        ))
        .about(args.git.display())
        .hint("fetch all branches, or name what to build with --minor-commit MINOR=COMMIT: a merge by rebase leaves no number")
    }

    fn add(&mut self, number: u64, landed: &[Landed], args: &NewArgs) {
        if landed.is_empty() {
            self.notes.push(format!("#{number} is in no branch of the repository"));
        }
        let merged_here = landed.iter().any(|one| one.number == Some(number));
        for one in landed {
            if !self.titles.contains(&one.title) {
                self.titles.push(one.title.clone());
            }
            let Some(minor) = one.branch.minor else { continue };
            if !args.minors.is_empty() && !args.minors.contains(&minor) {
                continue;
            }
            self.look(number, one, merged_here);
            if one.reverted.is_some() || one.evidence == Evidence::Same {
                continue;
            }
            let at = one.merged.at;
            let fix = self.fixes.entry(minor).or_default();
            fix.branches.insert(one.branch.name.clone());
            fix.pull_requests.insert(one.number.unwrap_or(number));
            fix.authors.extend(one.authors.iter().filter_map(|mail| principal(mail)));
            let told = format!(
                "#{} of {} merged {at}{}",
                one.number.unwrap_or(number),
                one.branch.name,
                told(one, number)
            );
            if !fix.told.contains(&told) {
                fix.told.push(told);
            }
            if fix.commit.is_none() || fix.order <= one.order {
                fix.order = one.order;
                fix.commit = Some(one.commit.clone());
            }
        }
    }

    /// What is doubtful about a pull request in one branch.
    fn look(&mut self, number: u64, one: &Landed, merged_here: bool) {
        let branch = &one.branch.name;
        if let Some(revert) = &one.reverted {
            self.notes
                .push(format!("#{number} was reverted in {branch} by {revert}: it is not in it"));
            return;
        }
        if !one.lacks.is_empty() && one.evidence != Evidence::Same {
            let lacks: Vec<&str> = one.lacks.iter().map(Commit::as_str).collect();
            let note = format!(
                "only a part of #{number} was picked to {branch}: no trailer names {}",
                lacks.join(", ")
            );
            if !self.notes.contains(&note) {
                self.notes.push(note);
            }
        }
        if let Some(other) = one.number.filter(|_| !merged_here)
            && matches!(one.evidence, Evidence::Number | Evidence::Same)
        {
            self.notes.push(format!(
                "#{number} came into {branch} inside of #{other}: see that it is not the #{number} of another repository"
            ));
        }
    }

    /// Lines that hold every pull request from their start. A line that lacks one is none of them.
    fn unaffected(&mut self, spread: &Spread<'_>, args: &NewArgs) {
        for minor in spread.minors() {
            if self.fixes.contains_key(&minor)
                || !(args.minors.is_empty() || args.minors.contains(&minor))
            {
                continue;
            }
            let why: Option<Vec<String>> =
                args.numbers.iter().map(|number| spread.since_its_start(*number, minor)).collect();
            if let Some(why) = why.filter(|why| !why.is_empty()) {
                self.unaffected.insert(minor, why.join("; "));
            }
        }
    }

    /// A commit that a person named: a hotfix branch, or what is not merged yet.
    fn named(
        &mut self,
        repository: &mut Repository,
        minor: Minor,
        commit: &Commit,
    ) -> Result<(), Failure> {
        let Some(info) = repository.commit(commit)? else {
            return Err(Failure::input(format!("{minor}: the repository lacks {commit}"))
                .hint("fetch its branch"));
        };
        let fix = self.fixes.entry(minor).or_default();
        fix.commit = Some(commit.clone());
        fix.authors.extend(principal(&info.author));
        fix.told.push(format!("built from {commit}: {}", info.title));
        if !self.titles.contains(&info.title) {
            self.titles.push(info.title);
        }
        Ok(())
    }

    /// Lines that lack the fix where upgrades lead, and pull requests that are not everywhere.
    fn notice(&mut self, spread: &Spread<'_>) {
        let (Some(first), Some(last)) =
            (self.fixes.keys().next().copied(), self.fixes.keys().next_back().copied())
        else {
            return;
        };
        let newer: BTreeSet<Minor> = next_lines(last).collect();
        for minor in spread.minors().filter(|m| (first..=last).contains(m) || newer.contains(m)) {
            if self.unaffected.contains_key(&minor) {
                continue;
            }
            let lacking = spread.lacking(minor);
            let has_fix = self.fixes.contains_key(&minor);
            let named = self.fixes.get(&minor).is_some_and(|fix| fix.branches.is_empty());
            if has_fix || lacking.len() < spread.in_branch.len() {
                let what = if named {
                    format!("is not known to be in the commit that is named for {minor}")
                } else {
                    format!("has no backport to {minor}")
                };
                self.notes.extend(lacking.iter().map(|number| format!("#{number} {what}")));
            }
            if !has_fix {
                let way = if minor > last { (last, "to") } else { (first, "through") };
                self.notes.push(format!(
                    "{minor} has no backport, and upgrades from {} lead {} it",
                    way.0, way.1
                ));
            }
        }
    }
}

/// Where each pull request is.
struct Spread<'a> {
    /// By number and branch.
    in_branch: BTreeMap<u64, BTreeMap<&'a Branch, &'a Landed>>,
    release: &'a [Branch],
    /// Pull requests that are meant for every line: main has them, or several lines.
    everywhere: BTreeSet<u64>,
}

impl<'a> Spread<'a> {
    fn new(
        landed: &'a BTreeMap<u64, Vec<Landed>>,
        release: &'a [Branch],
        main: Option<&Branch>,
    ) -> Self {
        let mut in_branch = BTreeMap::new();
        let mut everywhere = BTreeSet::new();
        for (number, places) in landed {
            let there = places.iter().filter(|one| one.reverted.is_none());
            let there: BTreeMap<&Branch, &Landed> = there.map(|one| (&one.branch, one)).collect();
            let minors: BTreeSet<Minor> = there.keys().filter_map(|b| b.minor).collect();
            if minors.len() > 1 || places.iter().any(|one| Some(&one.branch) == main) {
                everywhere.insert(*number);
            }
            in_branch.insert(*number, there);
        }
        Self { in_branch, release, everywhere }
    }

    fn minors(&self) -> impl Iterator<Item = Minor> + use<> {
        let minors: BTreeSet<Minor> = self.release.iter().filter_map(|b| b.minor).collect();
        minors.into_iter()
    }

    fn branches(&self, minor: Minor) -> impl Iterator<Item = &'a Branch> {
        self.release.iter().filter(move |branch| branch.minor == Some(minor))
    }

    /// Why a line has a pull request from its start: each of its branches must have it.
    fn since_its_start(&self, number: u64, minor: Minor) -> Option<String> {
        let there = self.in_branch.get(&number)?;
        let mut why = None;
        for branch in self.branches(minor) {
            let one = there.get(branch).filter(|one| one.evidence == Evidence::Same)?;
            why = Some(format!(
                "#{number} was merged on {}, before {} was branched",
                one.merged.at, branch.name
            ));
        }
        why
    }

    /// Pull requests that a line should have and has not. One pull request for each line is how most
    /// are made by hand: such are only missed where another line has more of them.
    fn lacking(&self, minor: Minor) -> BTreeSet<u64> {
        let has = |number: &u64, minor: Minor| {
            self.in_branch.get(number).is_some_and(|t| t.keys().any(|b| b.minor == Some(minor)))
        };
        let of_line = |minor: Minor| {
            let single = self.in_branch.keys().filter(|n| !self.everywhere.contains(n));
            single.filter(|number| has(number, minor)).count()
        };
        let most = self.minors().map(of_line).max().unwrap_or_default();
        let fewer = of_line(minor) < most;
        let missed = self.in_branch.keys().filter(|number| {
            let meant = self.everywhere.contains(number) || fewer;
            meant
                && !has(number, minor)
                && !self.in_branch.get(number).is_some_and(BTreeMap::is_empty)
        });
        missed.copied().collect()
    }
}

fn told(landed: &Landed, number: u64) -> String {
    match landed.evidence {
        Evidence::Same | Evidence::Number => String::new(),
        Evidence::RobotBranch => format!(", picked from #{number} by a robot"),
        Evidence::Trailer => format!(", picked from a commit of #{number}"),
    }
}

fn principal(mail: &str) -> Option<PrincipalName> {
    mail.to_ascii_lowercase().parse().ok()
}
