//! What the source's history says of the fix: what it holds, when it was merged, what comes along.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use fleetfix_hypershift::downgrade::{Along, Claim, Replaced, Replacement};
use fleetfix_hypershift::finding::{finding, listed};
use fleetfix_model::document::finding::{Finding, FindingLevel};
use fleetfix_model::document::plan::{AlongCommit, PlannedFix, cleaned};
use fleetfix_model::document::request::{FixRequest, MinorFix};
use fleetfix_model::name::Commit;
use fleetfix_model::{Minor, Timestamp};
use fleetfix_source::Repository;
use fleetfix_source::backport::{Evidence, Landed};
use fleetfix_source::branch::Branch;

use crate::Error;

/// Most commits that come along and are listed, for one release line. More than that nobody reads.
const LISTED: usize = 100;

/// The history of the source, as far as a request asks for it.
#[derive(Debug)]
pub struct History {
    repository: Repository,
    lines: BTreeMap<Minor, Line>,
    /// Pull requests by name, and what they are called.
    titles: BTreeMap<String, String>,
    /// The files that they change, where that is known.
    files: BTreeMap<String, BTreeSet<String>>,
    /// Pull requests by name of which it is not known.
    unread: BTreeSet<String>,
    findings: Vec<Finding>,
}

/// The fix of one release line.
#[derive(Clone, Debug, Default)]
struct Line {
    fix: Option<Commit>,
    /// What the fix claims to hold, with the number of its pull request.
    claims: Vec<(Claim, Option<u64>)>,
    merged: Option<Timestamp>,
    released: Released,
}

/// What a release must hold to have the fix.
#[derive(Clone, Debug)]
enum Released {
    /// These commits of the release branch; `None`: a pull request that is not in it.
    Commits(Vec<(Option<Commit>, Option<u64>)>),
    /// That cannot be told, and why.
    Unknown(String),
}

impl Default for Released {
    fn default() -> Self {
        Self::Unknown("the request names no fix".to_owned())
    }
}

impl History {
    /// Looks the fixes of a request up in the repository at `dir`. `main` is what the branch is called
    /// that release branches are made from, where it is not called as usual.
    pub fn read(dir: &Path, main: Option<&str>, request: &FixRequest) -> Result<Self, Error> {
        let mut repository = Repository::open(dir)?;
        for source in request.fixes.iter().filter_map(|fix| fix.source.as_deref()) {
            repository.is_source(source);
        }
        let branches = repository.branches()?;
        let release = repository.release_branches(&branches)?;
        let main = repository.main_branch(&branches, main)?;
        let mut history = Self {
            repository,
            lines: BTreeMap::new(),
            titles: BTreeMap::new(),
            files: BTreeMap::new(),
            unread: BTreeSet::new(),
            findings: Vec::new(),
        };
        for fix in &request.fixes {
            let release = history.release(fix, &release)?;
            let line = history.line(fix, release, main)?;
            history.lines.insert(fix.minor, line);
        }
        Ok(history)
    }

    /// When the fix of each release line was merged into its branch.
    pub fn merged(&self) -> BTreeMap<Minor, Timestamp> {
        self.lines.iter().filter_map(|(minor, line)| Some((*minor, line.merged?))).collect()
    }

    /// The pull requests that were found, by name such as `#7110`, and what they are called.
    pub fn titles(&self) -> impl Iterator<Item = (&str, &str)> {
        self.titles.iter().map(|(name, title)| (name.as_str(), title.as_str()))
    }

    /// The files that they change, where the repository has them.
    pub fn files(&self) -> impl Iterator<Item = (&str, &BTreeSet<String>)> {
        self.files.iter().map(|(name, files)| (name.as_str(), files))
    }

    /// Why the files of some pull requests are not known, if so.
    pub fn not_read(&self) -> Option<String> {
        let names: Vec<&str> = self.unread.iter().map(String::as_str).collect();
        (!names.is_empty()).then(|| {
            format!(
                "the repository does not have the files that {} change, or they are too many: nobody held them against the platforms; give a clone without a filter",
                names.join(", ")
            )
        })
    }

    /// The branch that releases of a line are made from; `Err` says why it is not known.
    fn release<'a>(
        &mut self,
        fix: &MinorFix,
        release: &'a [Branch],
    ) -> Result<Result<&'a Branch, String>, Error> {
        let minor = fix.minor;
        let of_line: Vec<&Branch> = release.iter().filter(|b| b.minor == Some(minor)).collect();
        if let [one] = of_line.as_slice() {
            return Ok(Ok(one));
        }
        if of_line.is_empty() {
            return Ok(Err(format!("the repository has no branch of {minor}")));
        }
        if let Some(commit) = &fix.commit {
            let holding = self.repository.holding(commit, of_line.iter().copied())?;
            if let (Some(first), 1) = (holding.first(), holding.len()) {
                return Ok(Ok(first));
            }
        }
        let names: Vec<&str> = of_line.iter().map(|branch| branch.name.as_str()).collect();
        let why = format!(
            "{minor} has several branches, and none holds the others: {}",
            names.join(", ")
        );
        let message = format!(
            "{why}; which one releases are made from cannot be told: name as `commit` one that a single one of them holds"
        );
        self.say(FindingLevel::Blocking, &format!("commit/{minor}/branches"), message)?;
        Ok(Err(why))
    }

    fn line(
        &mut self,
        fix: &MinorFix,
        release: Result<&Branch, String>,
        main: Option<&Branch>,
    ) -> Result<Line, Error> {
        let (release, no_branch) = match release {
            Ok(release) => (Some(release), String::new()),
            Err(why) => (None, why),
        };
        let landed = self.landed(fix, release, main.or(release))?;
        let in_release = |landed: &&Landed| Some(&landed.branch) == release;
        let place = |landed: &Landed| (landed.evidence != Evidence::Same, landed.order);
        let mut line = Line { fix: fix.commit.clone(), ..Line::default() };
        let mut released = Vec::new();
        let mut latest: Option<&Landed> = None;
        let mut all = true;
        for number in &fix.pull_requests {
            let of_number = landed.get(number).map(Vec::as_slice).unwrap_or_default();
            // The last landing counts; one that the branch took back is none.
            let there = of_number.iter().filter(in_release).rfind(|one| one.reverted.is_none());
            let gone = of_number.iter().rfind(in_release).filter(|_| there.is_none());
            if let Some((gone, by)) = gone.and_then(|one| Some((one, one.reverted.as_ref()?))) {
                self.taken_back(fix.minor, *number, gone, by)?;
            }
            all &= there.is_some();
            if let Some(there) = there
                && latest.is_none_or(|known| place(known) < place(there))
            {
                latest = Some(there);
            }
            // What is only in the fix's own history counts as well: a hotfix branch has its own merge.
            let landed = there.or_else(|| of_number.first());
            let name = format!("#{number}");
            if let Some(landed) = landed {
                self.titles.insert(name.clone(), cleaned(&landed.title));
                let whole = |one: &Landed| one.evidence == Evidence::Same && one.reverted.is_none();
                if !of_number.iter().filter(in_release).any(whole) {
                    self.partial(fix.minor, *number, landed)?;
                }
                match self.repository.changed(&landed.commit)? {
                    Some(files) => _ = self.files.insert(name.clone(), files),
                    None => _ = self.unread.insert(name.clone()),
                }
            }
            let commit = landed.map(|landed| landed.commit.clone());
            let of_branch = landed.and_then(|landed| landed.number).or(Some(*number));
            line.claims.push((Claim { name, commit, reverted: None }, of_branch));
            let commit = there.map(|there| there.commit.clone());
            released.push((commit, there.and_then(|there| there.number).or(Some(*number))));
        }
        if let Some(latest) = latest.filter(|_| all) {
            line.merged = Some(latest.merged.at);
            // A finished image says itself what it was built from.
            if line.fix.is_none() && fix.image.is_none() {
                line.fix = Some(latest.commit.clone());
                self.inferred(fix.minor, latest)?;
            }
        } else if let (Some(commit), Some(release), true) =
            (&fix.commit, release, fix.pull_requests.is_empty())
        {
            line.merged = self.repository.merged(commit, release)?.map(|merged| merged.at);
            released.extend(line.merged.map(|_| (Some(commit.clone()), None)));
        }
        line.released = match release {
            None => Released::Unknown(no_branch.clone()),
            Some(release) if released.is_empty() => Released::Unknown(format!(
                "no pull request is named, and the fix's commit is not in {}",
                release.name
            )),
            Some(_) => Released::Commits(released),
        };
        if line.merged.is_none() && line.fix.is_some() {
            self.unmerged(fix.minor, release, no_branch)?;
        }
        Ok(line)
    }

    /// Where the pull requests of a fix are: in its release branch, and in the history of its commit.
    fn landed(
        &mut self,
        fix: &MinorFix,
        release: Option<&Branch>,
        main: Option<&Branch>,
    ) -> Result<BTreeMap<u64, Vec<Landed>>, Error> {
        let own = match &fix.commit {
            Some(commit) if self.repository.commit(commit)?.is_some() => Some(Branch {
                name: commit.to_string(),
                minor: Some(fix.minor),
                tip: commit.clone(),
            }),
            _ => None,
        };
        let branches: Vec<Branch> = release.into_iter().chain(&own).cloned().collect();
        let Some(main) = main.or(branches.first()) else { return Ok(BTreeMap::new()) };
        let numbers: BTreeSet<u64> = fix.pull_requests.iter().copied().collect();
        Ok(self.repository.landed(&numbers, &branches, main)?)
    }

    fn inferred(&mut self, minor: Minor, landed: &Landed) -> Result<(), Error> {
        let message = format!(
            "no commit is named for {minor}: {} of {} is taken, the last merge of its pull requests",
            landed.commit, landed.branch.name
        );
        self.say(FindingLevel::Warning, &format!("commit/{minor}/inferred"), message)
    }

    fn taken_back(
        &mut self,
        minor: Minor,
        number: u64,
        landed: &Landed,
        by: &Commit,
    ) -> Result<(), Error> {
        let branch = &landed.branch.name;
        let message = format!(
            "#{number} was taken back in {branch} by {by}: the release that follows will not have it; merge it there again"
        );
        let path = format!("commit/{minor}/{number}/taken-back");
        self.say(FindingLevel::Blocking, &path, message)
    }

    /// A pull request of which a branch has only some commits.
    fn partial(&mut self, minor: Minor, number: u64, landed: &Landed) -> Result<(), Error> {
        if landed.lacks.is_empty() || landed.evidence == Evidence::Same {
            return Ok(());
        }
        let lacks: Vec<&str> = landed.lacks.iter().map(Commit::as_str).collect();
        let message = format!(
            "only a part of #{number} was picked to {}: no trailer names {}; pick the rest, or have somebody look whether it is needed",
            landed.branch.name,
            listed(lacks.iter(), ", ")
        );
        self.say(FindingLevel::Blocking, &format!("commit/{minor}/{number}/partial"), message)
    }

    fn unmerged(
        &mut self,
        minor: Minor,
        release: Option<&Branch>,
        no_branch: String,
    ) -> Result<(), Error> {
        let branch = release.map_or(no_branch, |release| format!("it is not in {}", release.name));
        let message = format!(
            "the fix of {minor} is not known to be merged ({branch}): the release that follows may lack it"
        );
        self.say(FindingLevel::Warning, &format!("commit/{minor}/unmerged"), message)
    }

    fn say(&mut self, level: FindingLevel, path: &str, message: String) -> Result<(), Error> {
        self.findings.push(finding(level, path, message).map_err(Error::finding)?);
        Ok(())
    }

    /// Whether a release that was built from a commit has the fix of a release line; `Err` says why
    /// that cannot be told.
    pub fn holds(&mut self, minor: Minor, commit: &Commit) -> Result<Result<bool, String>, Error> {
        let released = self.lines.get(&minor).map(|line| line.released.clone()).unwrap_or_default();
        let commits = match released {
            Released::Commits(commits) => commits,
            Released::Unknown(why) => return Ok(Err(why)),
        };
        if self.repository.commit(commit)?.is_none() {
            return Ok(Err(format!("the repository lacks {commit}")));
        }
        for (claimed, number) in commits {
            let Some(claimed) = claimed else { return Ok(Ok(false)) };
            let answers = self.repository.ancestry([(claimed.clone(), commit.clone())])?;
            if answers.into_values().next().flatten() != Some(true)
                || self.repository.reverted(&claimed, number, commit)?.is_some()
            {
                return Ok(Ok(false));
            }
        }
        Ok(Ok(true))
    }

    /// Judges what the fixes hold against what they replace, and puts into each fix what was found:
    /// its commit, and what comes along.
    pub fn judge(
        &mut self,
        fixes: &mut [PlannedFix],
        replaced: &BTreeMap<Minor, Vec<Replaced>>,
    ) -> Result<Vec<Finding>, Error> {
        let mut findings = std::mem::take(&mut self.findings);
        for fix in fixes {
            let line = self.lines.get(&fix.minor).cloned().unwrap_or_default();
            fix.commit = fix.commit.take().or(line.fix);
            let replacement = Replacement {
                minor: fix.minor,
                fix: fix.commit.clone(),
                claims: self.with_reverts(line.claims, fix.commit.as_ref())?,
                replaced: replaced.get(&fix.minor).cloned().unwrap_or_default(),
            };
            let answers = self.repository.ancestry(replacement.questions())?;
            findings.extend(replacement.judge(&answers).map_err(Error::finding)?);
            let along = self.along(&replacement)?;
            findings.extend(replacement.along(&along).map_err(Error::finding)?);
            fix.along_more = (along.total - along.commits.len()) as u64;
            fix.along = along.commits;
        }
        Ok(findings)
    }

    /// The claims, each with what takes it back in the history of the fix.
    fn with_reverts(
        &mut self,
        claims: Vec<(Claim, Option<u64>)>,
        fix: Option<&Commit>,
    ) -> Result<Vec<Claim>, Error> {
        let mut with = Vec::new();
        for (mut claim, number) in claims {
            if let (Some(commit), Some(fix)) = (&claim.commit, fix) {
                claim.reverted = self.repository.reverted(commit, number, fix)?;
            }
            with.push(claim);
        }
        Ok(with)
    }

    fn along(&mut self, replacement: &Replacement) -> Result<Along, Error> {
        let Some(fix) = &replacement.fix else { return Ok(Along::default()) };
        let known: Vec<Commit> =
            replacement.replaced.iter().filter_map(|image| image.commit.clone()).collect();
        let claimed: Vec<Commit> =
            replacement.claims.iter().filter_map(|claim| claim.commit.clone()).collect();
        let found = self.repository.along(fix, &known, &claimed, LISTED)?;
        let Some(found) = found else { return Ok(Along::default()) };
        let clean = |along: AlongCommit| AlongCommit { title: cleaned(&along.title), ..along };
        let commits: Vec<AlongCommit> = found.commits.into_iter().map(clean).collect();
        Ok(Along { total: found.total.max(commits.len()), commits })
    }
}
