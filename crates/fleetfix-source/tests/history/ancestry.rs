//! Ancestry and what comes along, against git's own answers.

use std::collections::BTreeSet;

use fleetfix_model::name::Commit;
use fleetfix_source::Repository;
use proptest::prelude::*;
use proptest::test_runner::TestRunner;

use crate::git::{Git, branch};

fn pair(ancestor: &Commit, descendant: &Commit) -> (Commit, Commit) {
    (ancestor.clone(), descendant.clone())
}

/// Histories of 12 commits with up to three parents and dates that mean nothing.
fn histories() -> impl Strategy<Value = Vec<(Vec<usize>, u64)>> {
    let commit = (prop::collection::btree_set(0usize..1000, 0..4), 1u64..2_000_000_000);
    prop::collection::vec(commit, 12).prop_map(|commits| {
        let parents = |(index, (parents, time)): (usize, (BTreeSet<usize>, u64))| {
            let parents: BTreeSet<usize> =
                parents.into_iter().filter_map(|p| p.checked_rem(index)).collect();
            (parents.into_iter().collect(), time)
        };
        commits.into_iter().enumerate().map(parents).collect()
    })
}

#[test]
fn git_says_the_same_of_any_history() {
    let mut runner = TestRunner::new(ProptestConfig { cases: 6, ..ProptestConfig::default() });
    let check = |history: Vec<(Vec<usize>, u64)>| {
        let git = Git::new();
        let commits = git.import(&history);
        let mirror = git.mirror();
        let questions: Vec<(Commit, Commit)> =
            commits.iter().flat_map(|a| commits.iter().map(move |b| pair(a, b))).collect();
        // With objects alone, and with a commit graph.
        for with_graph in [false, true] {
            if with_graph {
                git.run_in(&mirror, &["commit-graph", "write", "--reachable"]);
            }
            let mut repository = Repository::open(&mirror).unwrap();
            prop_assert_eq!(repository.has_commit_graph(), with_graph);
            let answers = repository.ancestry(questions.clone()).unwrap();
            for (index, descendant) in commits.iter().enumerate() {
                let name = format!("c{index}");
                let reachable: BTreeSet<Commit> =
                    git.run(&["rev-list", &name]).lines().map(|l| l.parse().unwrap()).collect();
                for ancestor in &commits {
                    let expected = Some(reachable.contains(ancestor));
                    prop_assert_eq!(answers[&pair(ancestor, descendant)], expected);
                }
            }
            // What comes along: what the fix has and one of the replaced lacks.
            let (fix, replaced) = (&commits[11], [commits[3].clone(), commits[7].clone()]);
            let along = repository.along(fix, &replaced, &[], 100).unwrap().unwrap();
            let listed: BTreeSet<Commit> = along.commits.iter().map(|c| c.commit.clone()).collect();
            let expected: BTreeSet<Commit> = ["c3", "c7"]
                .iter()
                .flat_map(|old| {
                    let range = format!("{old}..c11");
                    git.run(&["rev-list", &range])
                        .lines()
                        .map(|l| l.parse().unwrap())
                        .collect::<Vec<Commit>>()
                })
                .collect();
            prop_assert_eq!(along.total, expected.len());
            prop_assert_eq!(listed, expected);
        }
        Ok(())
    };
    runner.run(&histories(), check).unwrap();
}

#[test]
fn what_is_not_there_is_not_known() {
    let mut git = Git::new();
    let here = git.commit("Here");
    let nowhere: Commit = "f".repeat(40).parse().unwrap();
    let mut repository = git.open();
    let questions = [pair(&here, &here), pair(&nowhere, &here), pair(&here, &nowhere)];
    let answers = repository.ancestry(questions).unwrap();
    assert_eq!(answers[&pair(&here, &here)], Some(true));
    assert_eq!(answers[&pair(&nowhere, &here)], None);
    assert_eq!(answers[&pair(&here, &nowhere)], None);
    assert_eq!(repository.commit(&nowhere).unwrap(), None);
    assert_eq!(repository.along(&nowhere, &[], &[], 10).unwrap(), None);
    let info = repository.commit(&here).unwrap().unwrap();
    assert_eq!((info.title.as_str(), info.author.as_str()), ("Here", "amir@example.com"));
    assert_eq!(info.committed.to_string(), "2026-01-01T00:01:00Z");
}

/// What a claimed merge brought is claimed as well; all else is listed, the oldest first.
#[test]
fn claims_do_not_come_along() {
    let mut git = Git::new();
    let base = git.commit("Release 4.20.1");
    git.commit("Something \u{202e}else");
    let other = git.merge(1, "bob/x", "Another change");
    let fix = git.merge(2, "amir/fix", "The fix");
    let mut repository = git.open();
    let bases = std::slice::from_ref(&base);
    let titles = |along: Option<fleetfix_source::along::Along>| {
        let along = along.unwrap();
        (along.total, along.commits.into_iter().map(|c| c.title).collect::<Vec<_>>())
    };
    let claimed = titles(repository.along(&fix, bases, std::slice::from_ref(&fix), 10).unwrap());
    let all = ["Something else", "Another change", "Merge pull request #1 from bob/x"];
    assert_eq!(claimed, (3, all.map(String::from).to_vec()));
    let two = titles(repository.along(&fix, bases, &[fix.clone(), other], 10).unwrap());
    assert_eq!(two, (1, vec!["Something else".to_owned()]));
    // More than are listed are counted.
    let short = titles(repository.along(&fix, bases, &[], 1).unwrap());
    assert_eq!((short.0, short.1.len()), (5, 1));
    // What the replaced has does not come along.
    let none = repository.along(&fix, std::slice::from_ref(&fix), &[], 10).unwrap().unwrap();
    assert_eq!(none.total, 0);
}

#[test]
fn when_a_commit_came_into_a_branch() {
    let mut git = Git::new();
    let first = git.commit("First");
    git.checkout(&["-b", "topic"]);
    let picked = git.commit("Topic");
    git.checkout(&["main"]);
    git.commit("Between");
    git.run(&["merge", "--quiet", "--no-ff", "--message", "Merge topic", "topic"]);
    let merge = git.at("HEAD");
    let last = git.commit("Last");
    git.checkout(&["-b", "aside", "HEAD~2"]);
    let aside = git.commit("Aside");
    let mut repository = git.open();
    let main = branch(&mut repository, "main");
    let by = |repository: &mut Repository, commit: &Commit| {
        repository.merged(commit, &main).unwrap().map(|merged| merged.by)
    };
    assert_eq!(by(&mut repository, &picked), Some(merge.clone()));
    assert_eq!(by(&mut repository, &merge), Some(merge));
    assert_eq!(by(&mut repository, &first), Some(first));
    assert_eq!(by(&mut repository, &last), Some(last.clone()));
    assert_eq!(by(&mut repository, &aside), None);
    let all = repository.branches().unwrap();
    let holding = repository.holding(&last, &all).unwrap();
    assert_eq!(holding.iter().map(|b| b.name.as_str()).collect::<Vec<_>>(), ["main"]);
}
