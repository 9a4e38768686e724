//! Repositories of every shape.

use fleetfix_source::{Error, Repository};
use tempfile::TempDir;

use crate::git::Git;

fn names(repository: &mut Repository) -> Vec<String> {
    repository.branches().unwrap().into_iter().map(|branch| branch.name).collect()
}

#[test]
fn work_tree_mirror_linked_tree_and_clone() {
    let mut git = Git::new();
    let start = git.commit("Start");
    git.run(&["branch", "release-4.20"]);
    let linked = git.beside("linked");
    let path = linked.display().to_string();
    git.run(&["worktree", "add", "--quiet", &path, "release-4.20"]);
    for path in [git.dir().to_owned(), git.dir().join(".git"), git.mirror(), linked] {
        let mut repository = Repository::open(&path).unwrap();
        assert_eq!(names(&mut repository), ["main", "release-4.20"], "{}", path.display());
        let all = repository.branches().unwrap();
        let minors = repository.release_branches(&all).unwrap();
        assert_eq!(minors[0].minor.unwrap().to_string(), "4.20");
        assert!(repository.commit(&start).unwrap().is_some(), "{}", path.display());
    }
    // Of a clone the remote's branches count, and its own win.
    let clone = git.beside("clone");
    git.run(&["clone", "--quiet", ".", &clone.display().to_string()]);
    git.run_in(&clone, &["commit", "--quiet", "--allow-empty", "--message", "Mine"]);
    let mut repository = Repository::open(&clone).unwrap();
    assert_eq!(names(&mut repository), ["main", "release-4.20"]);
    let tip = repository.branches().unwrap()[0].tip.clone();
    assert_ne!(tip, start);
    // Objects of another repository.
    let borrowed = git.beside("borrowed");
    git.run(&["clone", "--quiet", "--shared", "--bare", ".", &borrowed.display().to_string()]);
    assert!(Repository::open(&borrowed).unwrap().commit(&start).unwrap().is_some());
}

#[test]
fn what_is_no_repository() {
    let dir = TempDir::new().unwrap();
    for path in [dir.path().to_owned(), dir.path().join("nowhere")] {
        let error = Repository::open(&path).unwrap_err();
        assert!(matches!(error, Error::NoRepository { .. }), "{error}");
        assert!(error.to_string().contains("give a clone or a bare mirror"));
    }
    std::fs::write(dir.path().join(".git"), "gitdir: nowhere\n").unwrap();
    assert!(matches!(Repository::open(dir.path()), Err(Error::NoRepository { .. })));
}

/// An ancestor that is missing is an error and no answer.
#[test]
fn a_shallow_clone_is_not_enough() {
    let mut git = Git::new();
    let first = git.commit("First");
    git.commit("Second");
    let last = git.commit("Third");
    let shallow = git.beside("shallow");
    let url = format!("file://{}", git.dir().display());
    git.run(&["clone", "--quiet", "--bare", "--depth=2", &url, &shallow.display().to_string()]);
    let mut repository = Repository::open(&shallow).unwrap();
    let error = repository.ancestry([(first.clone(), last)]).unwrap_err();
    assert!(matches!(&error, Error::Missing { commit } if *commit == first), "{error}");
    assert!(error.to_string().contains("git fetch --unshallow"));
}
