//! What the repository says of the pull requests.

use std::collections::{BTreeMap, BTreeSet};

use fleetfix_model::name::{Commit, PrincipalName};
use fleetfix_model::{Minor, Timestamp};
use fleetfix_source::Repository;
use fleetfix_source::backport::{Evidence, Landed};
use fleetfix_source::branch::Branch;
use fleetfix_task::Failure;

use super::NewArgs;

/// Names of the branch that release branches are made from.
const MAIN: [&str; 2] = ["main", "master"];

/// What was found.
#[derive(Debug, Default)]
pub(super) struct Derived {
    /// The fix of each release line.
    pub(super) fixes: BTreeMap<Minor, Fix>,
    /// Lines that have the fix from their start, and why that is known.
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
    /// When the last of its pull requests was merged.
    merged: Option<Timestamp>,
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
        let branches = repository.branches()?;
        let release: Vec<Branch> = branches.iter().filter(|b| b.minor.is_some()).cloned().collect();
        let main = main_branch(args, &branches)?;
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
        derived.unaffected.retain(|minor, _| !derived.fixes.contains_key(minor));
        if derived.fixes.is_empty() {
            let listed: Vec<String> = numbers.iter().map(|number| format!("#{number}")).collect();
            return Err(Failure::input(format!(
                "{} landed in no release branch that needs a fix",
                listed.join(", ")
            ))
            .about(args.git.display())
            .hint("fetch all branches, or name what to build with --minor-commit MINOR=COMMIT"));
        }
        derived.notice(&release, &landed);
        Ok(derived)
    }

    fn add(&mut self, number: u64, landed: &[Landed], args: &NewArgs) {
        if landed.is_empty() {
            self.notes.push(format!("#{number} is in no branch of the repository"));
        }
        for one in landed {
            if !self.titles.contains(&one.title) {
                self.titles.push(one.title.clone());
            }
            let Some(minor) = one.branch.minor else { continue };
            if !args.minors.is_empty() && !args.minors.contains(&minor) {
                continue;
            }
            let at = one.merged.at;
            if one.evidence == Evidence::Same {
                let why = format!(
                    "#{number} was merged on {at}, before {} was branched",
                    one.branch.name
                );
                self.unaffected.entry(minor).or_insert(why);
                continue;
            }
            let fix = self.fixes.entry(minor).or_default();
            fix.pull_requests.insert(one.number.unwrap_or(number));
            fix.authors.extend(one.authors.iter().filter_map(|mail| principal(mail)));
            fix.told.push(format!(
                "#{} of {} merged {at}{}",
                one.number.unwrap_or(number),
                one.branch.name,
                told(one, number)
            ));
            if fix.merged.is_none_or(|known| known <= at) {
                fix.merged = Some(at);
                fix.commit = Some(one.commit.clone());
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

    /// Lines between those with a fix that have none, and pull requests that are not everywhere.
    fn notice(&mut self, release: &[Branch], landed: &BTreeMap<u64, Vec<Landed>>) {
        let (Some(first), Some(last)) =
            (self.fixes.keys().next().copied(), self.fixes.keys().next_back().copied())
        else {
            return;
        };
        let minors: BTreeSet<Minor> = release.iter().filter_map(|branch| branch.minor).collect();
        for minor in minors.range(first..=last).filter(|minor| !self.fixes.contains_key(*minor)) {
            self.notes.push(format!(
                "{minor} has no backport, and upgrades from {first} lead through it"
            ));
        }
        let newer = minors.range(last..).find(|minor| **minor > last);
        if let Some(newer) = newer.filter(|minor| !self.unaffected.contains_key(minor)) {
            self.notes
                .push(format!("{newer} has no backport, and upgrades from {last} lead to it"));
        }
        // One pull request per line is how most are made; one for several lines must be in all.
        for (number, places) in landed {
            let in_lines: BTreeSet<Minor> = places.iter().filter_map(|l| l.branch.minor).collect();
            if in_lines.len() < 2 {
                continue;
            }
            for minor in self.fixes.keys().filter(|minor| !in_lines.contains(minor)) {
                self.notes.push(format!("#{number} has no backport to {minor}"));
            }
        }
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

fn main_branch<'a>(args: &NewArgs, branches: &'a [Branch]) -> Result<Option<&'a Branch>, Failure> {
    let named = |name: &str| branches.iter().find(|branch| branch.name == name);
    let found = match &args.main {
        Some(name) => named(name),
        None => MAIN.iter().find_map(|name| named(name)),
    };
    if found.is_none() && !args.numbers.is_empty() {
        let looked_for = args.main.clone().unwrap_or_else(|| MAIN.join(" or "));
        return Err(Failure::input(format!("there is no branch {looked_for}"))
            .about(args.git.display())
            .hint("name the branch that release branches are made from with --main"));
    }
    Ok(found)
}
