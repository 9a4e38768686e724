//! The files that commits change, against git's own answers.

use std::collections::BTreeSet;
use std::fs;

use fleetfix_model::name::Commit;

use crate::git::Git;

/// Writes files, removes directories without content, and commits all.
fn commit(git: &mut Git, files: &[(&str, &str)]) -> Commit {
    for (path, content) in files {
        let path = git.dir().join(path);
        if content.is_empty() {
            fs::remove_dir_all(path).unwrap();
        } else {
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, content).unwrap();
        }
    }
    git.run(&["add", "--all"]);
    git.commit("Change")
}

#[test]
fn git_says_the_same() {
    let mut git = Git::new();
    let mut commits = vec![
        commit(&mut git, &[("a", "1"), ("dir/b", "1"), ("dir/deep/c", "1"), ("dir.x", "1")]),
        commit(&mut git, &[("dir/deep/c", "2"), ("new/dir/d", "1")]),
        commit(&mut git, &[("dir/deep", ""), ("dir/deep", "a file now"), ("a", "2")]),
        git.commit("Nothing"),
    ];
    git.checkout(&["-b", "topic"]);
    commit(&mut git, &[("topic/x", "1")]);
    commit(&mut git, &[("topic/y", "1")]);
    git.checkout(&["main"]);
    commits.push(commit(&mut git, &[("main/z", "1")]));
    git.run(&["merge", "--quiet", "--no-ff", "--message", "Merge", "topic"]);
    commits.push(git.at("HEAD"));
    let mut repository = git.open();
    for (index, commit) in commits.iter().enumerate() {
        let parent = format!("{commit}^");
        let args = ["diff", "--name-only", "--no-renames", &parent, commit.as_str()];
        let expected = if index == 0 {
            git.run(&["ls-tree", "-r", "--name-only", commit.as_str()])
        } else {
            git.run(&args)
        };
        let expected: BTreeSet<String> = expected.lines().map(str::to_owned).collect();
        assert_eq!(repository.changed(commit).unwrap(), Some(expected), "commit {index}");
    }
    assert_eq!(repository.changed(&"e".repeat(40).parse().unwrap()).unwrap(), None);
}
