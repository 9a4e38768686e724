//! Histories as repositories have them: squashed, picked by hand, taken back, shallow.

use std::fs;
use std::path::Path;

use fleetfix_testkit::git::Git;
use fleetfix_tests::binary::Workbench;
use fleetfix_tests::child::Output;
use serde_json::{Value, json};

/// A repository with `main` and release branches, and a place to write requests to.
struct History {
    bench: Workbench,
    git: Git,
}

impl History {
    /// `main` with one commit, and a branch of each of these names from it.
    fn new(branches: &[&str]) -> Self {
        let bench = Workbench::new();
        let mut git = Git::init(&bench.path("source"));
        git.commit("Start");
        for branch in branches {
            git.run(&["branch", branch]);
        }
        Self { bench, git }
    }

    fn run(&self, from: &Path, more: &[&str]) -> Output {
        let _ = fs::remove_file(self.bench.path("new.yaml"));
        let from = from.display().to_string();
        let given = ["request", "new", "--git", &from, "--component", "hypershift"];
        let to = ["--request", "new.yaml", "--platform", "AWS", "--ticket", "OCPBUGS-1"];
        let file = ["--file", "/usr/bin/app=app"];
        self.bench.run("fleetfix", [&given[..], &to, &file, more].concat())
    }

    /// What is derived for these pull requests.
    #[track_caller]
    fn derived(&self, pr: &str) -> Value {
        self.run(self.git.dir(), &["--pr", pr]).success().json()
    }

    /// That each of the notes is given for these pull requests.
    #[track_caller]
    fn notes(&self, pr: &str, expected: &[&str]) {
        assert_eq!(self.derived(pr)["notes"], json!(expected));
    }

    /// The commit that the request names for a line.
    #[track_caller]
    fn claims(&self, commit: &str) {
        let text = fs::read_to_string(self.bench.path("new.yaml")).unwrap().replace('"', "");
        assert!(text.contains(&format!("commit: {commit}")), "{commit} is not in\n{text}");
    }

    fn pick(&self, onto: &str, args: &[&str]) -> String {
        self.git.checkout(&[onto]);
        self.git.run(&[&["cherry-pick", "--allow-empty"], args].concat());
        self.git.at("HEAD")
    }
}

/// #10 is in main before 4.22 is made, and picked to 4.20 and 4.21.
fn backported() -> History {
    let mut history = History::new(&["release-4.20", "release-4.21"]);
    history.git.merge(10, "amir/fix", "LDAP logins");
    history.git.run(&["branch", "release-4.22"]);
    for (number, minor) in [(11, "4.21"), (12, "4.20")] {
        history.git.checkout(&[&format!("release-{minor}")]);
        let from = format!("robot/cherry-pick-10-to-release-{minor}");
        history.git.merge(number, &from, "LDAP logins");
    }
    history
}

/// A line that holds one of two pull requests from its start is not unaffected.
#[test]
fn a_line_that_has_some_of_the_pull_requests() {
    let mut history = backported();
    history.git.checkout(&["main"]);
    history.git.merge(20, "amir/more", "Passwords as well");
    history.git.checkout(&["release-4.21"]);
    history.git.merge(21, "robot/cherry-pick-20-to-release-4.21", "Passwords as well");
    let derived = history.derived("10,20");
    assert_eq!(derived["unaffected"], json!([]));
    assert_eq!(derived["minors"], json!(["4.20", "4.21"]));
    let notes = [
        "#20 has no backport to 4.20",
        "#20 has no backport to 4.22",
        "4.22 has no backport, and upgrades from 4.21 lead to it",
    ];
    assert_eq!(derived["notes"], json!(notes));
    // Each alone is what it was.
    let alone = history.derived("10");
    assert_eq!((&alone["unaffected"], &alone["notes"]), (&json!(["4.22"]), &json!([])));
}

#[test]
fn a_pull_request_that_is_in_one_line_only() {
    let mut history = backported();
    history.git.checkout(&["release-4.20"]);
    history.git.merge(30, "amir/only", "Only here");
    let lead = "4.22 has no backport, and upgrades from 4.21 lead to it";
    let expected = ["#30 has no backport to 4.21", "#30 has no backport to 4.22", lead];
    history.notes("10,30", &expected);
    // One for each line, made by hand: nothing is missing in between.
    history.notes("11,12", &[lead]);
    // In main and in one line.
    history.git.checkout(&["main"]);
    history.git.merge(40, "amir/main", "In main");
    history.git.checkout(&["release-4.20"]);
    history.git.merge(41, "robot/cherry-pick-40-to-release-4.20", "In main");
    let through = "4.21 has no backport, and upgrades from 4.20 lead to it";
    history.notes("40", &[through]);
    let expected = ["#40 has no backport to 4.21", "#40 has no backport to 4.22", lead];
    history.notes("10,40", &expected);
}

#[test]
fn what_was_taken_back_is_not_there() {
    let mut history = backported();
    history.git.checkout(&["release-4.21"]);
    let text = format!("Revert it\n\nThis reverts commit {}.", history.git.at("HEAD^2"));
    let revert = history.git.merge(50, "amir/back", "Revert it");
    let inner = history.git.commit(&text);
    let told = |by: &str| format!("#10 was reverted in release-4.21 by {by}: it is not in it");
    let derived = history.derived("10");
    assert_eq!(derived["minors"], json!(["4.20"]), "{revert}");
    let notes = [&told(&inner), "4.21 has no backport, and upgrades from 4.20 lead to it"];
    assert_eq!(derived["notes"], json!(notes));
    // Taken back and brought again.
    history.git.commit(&format!("Once more\n\nThis reverts commit {inner}."));
    assert_eq!(history.derived("10")["minors"], json!(["4.20", "4.21"]));

    // By GitHub's button, and in main before a line was made.
    let mut history = backported();
    history.git.checkout(&["main"]);
    let revert = history.git.merge(51, "amir/revert-10-fix", "Revert \"LDAP logins\"");
    history.git.run(&["branch", "release-4.23"]);
    let note = format!("#10 was reverted in release-4.23 by {revert}: it is not in it");
    let derived = history.derived("10");
    assert_eq!(derived["unaffected"], json!(["4.22"]));
    assert!(derived["notes"].to_string().contains(&note), "{derived}");
    let output = history.run(history.git.dir(), &["--pr", "10", "--minor", "4.23"]).code(11);
    assert!(output.stderr.contains("was reverted in release-4.23"), "{output}");
}

/// A series of commits, merged as they are, and picked one by one within a second.
#[test]
fn picked_commit_by_commit() {
    let mut history = History::new(&["release-4.19", "release-4.20", "release-4.21"]);
    history.git.checkout(&["-b", "topic"]);
    let parts = ["One", "Two", "Three"].map(|title| history.git.commit(title));
    history.git.checkout(&["main"]);
    let message = "Merge pull request #10 from amir/fix\n\nAll three";
    history.git.run(&["merge", "--quiet", "--no-ff", "--message", message, "topic"]);
    let [one, two, three] = parts.each_ref().map(String::as_str);
    let whole = history.pick("release-4.20", &["-x", one, two, three]);
    let part = history.pick("release-4.21", &["-x", one, three]);
    // Without a trailer nothing shows where it is from.
    history.pick("release-4.19", &[one, two, three]);
    let derived = history.derived("10");
    assert_eq!(derived["minors"], json!(["4.20", "4.21"]));
    let note = format!("only a part of #10 was picked to release-4.21: no trailer names {two}");
    assert_eq!(derived["notes"], json!([note]));
    // The last of them holds the others, though all have one date.
    history.claims(&whole);
    history.claims(&part);
    // The merge itself, picked.
    let merge = history.git.at("main");
    history.pick("release-4.21", &["-x", "-m", "1", &merge]);
    assert_eq!(history.derived("10")["notes"], json!([]));
}

#[test]
fn squashed_rebased_and_renamed() {
    let mut history = History::new(&["release-4.19", "release-4.20", "release-4.21"]);
    let squashed = history.git.commit("LDAP logins (#10)");
    // With its title and no trailer; within a merge; with a trailer under another title.
    history.git.checkout(&["release-4.19"]);
    history.git.commit("Only here");
    let same = history.pick("release-4.19", &[&squashed]);
    history.git.checkout(&["release-4.20"]);
    let message = format!("LDAP, for 4.20\n\n(cherry picked from commit {squashed})");
    let renamed = history.git.merge(12, "amir/by-hand", &message);
    history.git.checkout(&["release-4.21"]);
    let within = history.git.merge(11, "amir/pick", "LDAP logins (#10)");
    // By rebase: nothing names the number.
    history.git.checkout(&["main"]);
    history.git.commit("Rebased");
    let derived = history.derived("10");
    assert_eq!(derived["minors"], json!(["4.19", "4.20", "4.21"]));
    assert_eq!(derived["notes"], json!([]));
    for commit in [same, renamed, within] {
        history.claims(&commit);
    }
    let output = history.run(history.git.dir(), &["--pr", "77"]).code(11);
    let says = ["#77 is in no branch", "merge by rebase leaves no number", "--minor-commit"];
    assert!(says.iter().all(|says| output.stderr.contains(says)), "{output}");
}

/// A fork holds merges of where it was made from, with numbers of their own.
#[test]
fn numbers_of_another_repository() {
    let mut history = History::new(&["release-4.20"]);
    history.git.checkout(&["-b", "upstream"]);
    history.git.commit("Something else entirely (#10)");
    history.git.checkout(&["main"]);
    let message = "Merge pull request #55 from amir/rebase\n\nRebase";
    history.git.run(&["merge", "--quiet", "--no-ff", "--message", message, "upstream"]);
    history.git.checkout(&["release-4.20"]);
    let ours = history.git.merge(10, "amir/fix", "LDAP logins");
    history.notes("10", &[]);
    history.claims(&ours);
    // Where the repository merged none itself, people must look.
    let mut history = History::new(&[]);
    history.git.checkout(&["-b", "release-4.20"]);
    history.git.checkout(&["-b", "upstream"]);
    history.git.commit("Something else entirely (#10)");
    history.git.checkout(&["release-4.20"]);
    history.git.run(&["merge", "--quiet", "--no-ff", "--message", message, "upstream"]);
    let note = "#10 came into release-4.20 inside of #55: see that it is not the #10 of another repository";
    history.notes("10", &[note]);
}

#[test]
fn two_branches_of_one_line() {
    let mut history = History::new(&["release-4.20", "openshift-4.20", "openshift-4.21"]);
    history.git.checkout(&["release-4.20"]);
    let fix = history.git.merge(10, "amir/fix", "LDAP logins");
    // One that follows the other is the same line.
    history.git.checkout(&["openshift-4.20"]);
    history.git.run(&["merge", "--quiet", "--ff-only", "release-4.20"]);
    history.git.commit("Goes on");
    let derived = history.derived("10");
    assert_eq!(derived["minors"], json!(["4.20"]));
    history.claims(&fix);
    // Each with a pull request of its own: neither is the line.
    history.git.checkout(&["release-4.20"]);
    history.git.commit("Goes elsewhere");
    let both = ["--pr", "10"];
    let output = history.run(history.git.dir(), &both).code(11);
    let says = ["4.20 has several branches with the fix", "openshift-4.20, release-4.20"];
    assert!(says.iter().all(|says| output.stderr.contains(says)), "{output}");
    let commit = format!("4.20={}", history.git.at("openshift-4.20"));
    history.run(history.git.dir(), &[&both[..], &["--minor-commit", &commit]].concat()).success();
}

#[test]
fn places_that_histories_are_read_from() {
    let mut history = backported();
    // A tag is no branch.
    history.git.run(&["tag", "release-4.23", "release-4.20"]);
    history.git.run(&["tag", "v4.20.1", "release-4.20"]);
    let expected = history.derived("10");
    let mirror = history.git.mirror();
    let there = history.run(&mirror, &["--pr", "10"]).success().json();
    assert_eq!(there, expected);

    // A clone whose own branches are old.
    let clone = history.git.beside("clone");
    let to = clone.display().to_string();
    history.git.checkout(&["release-4.21"]);
    history.git.run(&["clone", "--quiet", ".", &to]);
    history.git.merge(60, "amir/late", "Late");
    history.git.run_in(&clone, &["fetch", "--quiet"]);
    let there = history.run(&clone, &["--pr", "60"]).success().json();
    assert_eq!(there["minors"], json!(["4.21"]));

    // What is not there is not guessed.
    let url = format!("file://{}", history.git.dir().display());
    for depth in ["1", "2"] {
        let shallow = history.git.beside(&format!("shallow-{depth}"));
        let to = shallow.display().to_string();
        let depth = format!("--depth={depth}");
        let args = ["clone", "--quiet", "--bare", "--no-single-branch", &depth, &url, &to];
        history.git.run(&args);
        let output = history.run(&shallow, &["--pr", "10"]).code(11);
        assert!(output.stderr.contains("git fetch --unshallow"), "{output}");
    }
}
