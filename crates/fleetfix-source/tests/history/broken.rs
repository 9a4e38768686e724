//! Repositories that are damaged, or made to harm.

use std::path::{Path, PathBuf};

use fleetfix_model::name::Commit;
use fleetfix_source::repository::MAX_COMMIT;
use fleetfix_source::{Error, Repository};

use crate::git::Git;

/// Everything that a plan asks. An answer or an error, both are fine; what must not happen is a panic.
fn ask(path: &Path, commits: &[Commit]) -> Result<(), Error> {
    let mut repository = Repository::open(path)?;
    let questions: Vec<_> =
        commits.iter().flat_map(|a| commits.iter().map(|b| (a.clone(), b.clone()))).collect();
    let asked = repository.ancestry(questions).map(|_| ());
    let along =
        commits.iter().try_for_each(|fix| repository.along(fix, commits, commits, 10).map(|_| ()));
    let branches = repository.branches()?;
    let numbers = [1, 2].into();
    let landed = branches
        .iter()
        .try_for_each(|main| repository.landed(&numbers, &branches, main).map(|_| ()));
    asked.and(along).and(landed)
}

fn files(dir: &Path, found: &mut Vec<PathBuf>) {
    for entry in std::fs::read_dir(dir).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            files(&path, found);
        } else {
            found.push(path);
        }
    }
}

#[test]
fn mutated_bytes_make_no_panic() {
    let mut git = Git::new();
    git.commit("Start");
    git.merge(1, "amir/a", "One");
    git.run(&["branch", "release-4.20"]);
    git.merge(2, "robot/cherry-pick-1-to-release-4.20", "Two");
    let commits: Vec<Commit> =
        git.run(&["rev-list", "--all"]).lines().map(|line| line.parse().unwrap()).collect();
    let mirror = git.mirror();
    git.run_in(&mirror, &["commit-graph", "write", "--reachable"]);
    ask(&mirror, &commits).unwrap();
    let mut all = Vec::new();
    files(&mirror, &mut all);
    let names = |ending: &str| all.iter().filter(|p| p.to_string_lossy().ends_with(ending)).count();
    assert!(names(".pack") == 1 && names("commit-graph") == 1 && names("packed-refs") == 1);
    let mut refused = 0;
    for path in all.iter().filter(|path| !path.to_string_lossy().contains("/hooks/")) {
        let whole = std::fs::read(path).unwrap();
        let mut permissions = std::fs::metadata(path).unwrap().permissions();
        #[expect(
            clippy::permissions_set_readonly_false,
            reason = "packs are made read-only, and these are a test's own"
        )]
        permissions.set_readonly(false);
        std::fs::set_permissions(path, permissions).unwrap();
        let step = (whole.len() / 20).max(1);
        for at in (0..whole.len()).step_by(step) {
            let mut flipped = whole.clone();
            flipped[at] ^= 0xff;
            let cut = whole[..at].to_vec();
            for bytes in [flipped, cut] {
                std::fs::write(path, bytes).unwrap();
                refused += usize::from(ask(&mirror, &commits).is_err());
            }
        }
        std::fs::write(path, &whole).unwrap();
    }
    assert!(refused > 20, "only {refused} of the damaged repositories were noticed");
    ask(&mirror, &commits).unwrap();
}

#[test]
fn what_is_no_commit_is_no_commit() {
    let mut git = Git::new();
    git.commit("Start");
    let tree: Commit = git.run(&["rev-parse", "HEAD^{tree}"]).parse().unwrap();
    let error = git.open().commit(&tree).unwrap_err();
    assert!(matches!(error, Error::NotACommit { .. }), "{error}");
    assert!(error.to_string().contains("is a tree, not a commit"));
    // A branch that points at one is not looked into until somebody asks.
    git.run(&["update-ref", "refs/tags/tree", tree.as_str()]);
    assert_eq!(git.open().branches().unwrap().len(), 1);
}

#[test]
fn a_commit_that_is_too_large_is_not_read() {
    let mut git = Git::new();
    git.commit("Start");
    let message = git.beside("message");
    std::fs::write(&message, "x".repeat(usize::try_from(MAX_COMMIT).unwrap())).unwrap();
    let path = message.display().to_string();
    git.run(&["commit", "--quiet", "--allow-empty", "--file", &path]);
    let head = git.at("HEAD");
    let error = git.open().commit(&head).unwrap_err();
    assert!(matches!(error, Error::TooLarge { .. }), "{error}");
}

#[test]
fn a_damaged_object_is_named() {
    let mut git = Git::new();
    let first = git.commit("First");
    let second = git.commit("Second");
    let (dir, file) = first.as_str().split_at(2);
    let path = git.dir().join(".git/objects").join(dir).join(file);
    std::fs::remove_file(&path).unwrap();
    std::fs::write(&path, b"x\x9c not compressed").unwrap();
    let error = git.open().ancestry([(first.clone(), second.clone())]).unwrap_err();
    assert!(error.to_string().contains(first.as_str()), "{error}");
    assert!(!git.says(&["fsck"]));
}
