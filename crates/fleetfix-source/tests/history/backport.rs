//! By which commits a pull request reached each release branch.

use std::collections::{BTreeMap, BTreeSet};

use fleetfix_source::Repository;
use fleetfix_source::backport::Evidence;

use crate::git::{Git, branch};

/// #10 in main, after release-4.18 to 4.21 and before release-4.22 were made: picked by a robot to
/// 4.21 (#11), from there to 4.20 (#12), by a trailer to 4.19, and not to 4.18.
fn backported() -> Git {
    let mut git = Git::new();
    git.commit("Start");
    for minor in ["4.18", "4.19", "4.20", "4.21"] {
        git.run(&["branch", &format!("release-{minor}")]);
    }
    git.merge(9, "bob/other", "OCPBUGS-9: another");
    git.merge(10, "amir/fix", "OCPBUGS-10: the fix");
    let picked = git.at("HEAD^2");
    git.run(&["branch", "release-4.22"]);
    git.commit("Goes on");
    git.checkout(&["release-4.21"]);
    git.commit("Only here");
    git.merge(11, "robot/cherry-pick-10-to-release-4.21", "OCPBUGS-11: the fix");
    git.checkout(&["release-4.20"]);
    git.merge(12, "robot/cherry-pick-11-to-release-4.20", "OCPBUGS-12: the fix");
    git.checkout(&["release-4.19"]);
    let message = format!("OCPBUGS-13: the fix\n\n(cherry picked from commit {picked})");
    git.merge(13, "amir/by-hand", &message);
    git.checkout(&["release-4.18"]);
    git.merge(14, "amir/unrelated", "OCPBUGS-10: the fix");
    git.checkout(&["main"]);
    git
}

fn landed(
    repository: &mut Repository,
    number: u64,
) -> BTreeMap<String, (Option<u64>, Evidence, String)> {
    let branches = repository.branches().unwrap();
    let branches = repository.release_branches(&branches).unwrap();
    let main = branch(repository, "main");
    let landed = repository.landed(&BTreeSet::from([number]), &branches, &main).unwrap();
    landed[&number]
        .iter()
        .map(|l| (l.branch.name.clone(), (l.number, l.evidence, l.title.clone())))
        .collect()
}

#[test]
fn backports_are_found_and_what_looks_alike_is_not() {
    let git = backported();
    for path in [git.dir().to_owned(), git.mirror()] {
        let mut repository = Repository::open(&path).unwrap();
        let expected: BTreeMap<String, (Option<u64>, Evidence, String)> = [
            ("main", 10, Evidence::Number, "OCPBUGS-10: the fix"),
            ("release-4.19", 13, Evidence::Trailer, "OCPBUGS-13: the fix"),
            ("release-4.20", 12, Evidence::RobotBranch, "OCPBUGS-12: the fix"),
            ("release-4.21", 11, Evidence::RobotBranch, "OCPBUGS-11: the fix"),
            ("release-4.22", 10, Evidence::Same, "OCPBUGS-10: the fix"),
        ]
        .map(|(name, number, evidence, title)| {
            (name.to_owned(), (Some(number), evidence, title.to_owned()))
        })
        .into();
        assert_eq!(landed(&mut repository, 10), expected);
        // The backport of a backport, asked for by its own number.
        let twelve = landed(&mut repository, 12);
        assert_eq!(twelve.keys().collect::<Vec<_>>(), ["release-4.20"]);
        assert!(landed(&mut repository, 999).is_empty());
    }
}

#[test]
fn the_merge_is_what_is_claimed_and_its_authors_wrote_it() {
    let git = backported();
    let mut repository = git.open();
    let branches = repository.branches().unwrap();
    let branches = repository.release_branches(&branches).unwrap();
    let main = branch(&mut repository, "main");
    let landed = repository.landed(&BTreeSet::from([10]), &branches, &main).unwrap();
    let of = landed[&10].iter().find(|l| l.branch.name == "release-4.19").unwrap();
    assert_eq!(of.commit, git.at("release-4.19"));
    assert_eq!(of.merged.by, of.commit);
    assert_eq!(of.authors, BTreeSet::from(["amir@example.com".to_owned()]));
}

/// Squash merges: the number stands at the end of the title, and there is no merge.
#[test]
fn squashed_pull_requests() {
    let mut git = Git::new();
    git.commit("Start");
    git.run(&["branch", "release-4.20"]);
    git.commit("The fix (#10)");
    git.commit("Revert \"The fix (#10)\"");
    git.checkout(&["release-4.20"]);
    let picked = git.commit("The fix (#10) (#11)");
    let mut repository = git.open();
    let found = landed(&mut repository, 10);
    assert_eq!(found.keys().collect::<Vec<_>>(), ["main"]);
    let found = landed(&mut repository, 11);
    assert_eq!(found["release-4.20"].1, Evidence::Number);
    assert_eq!(git.at("release-4.20"), picked);
}
