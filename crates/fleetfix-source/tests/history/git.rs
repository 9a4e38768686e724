//! Repositories made by the real git, in terms of this crate.

use std::fmt::Write as _;
use std::io::Write as _;
use std::ops::{Deref, DerefMut};
use std::process::Stdio;

use fleetfix_model::name::Commit;
use fleetfix_source::Repository;
use fleetfix_source::branch::Branch;
use fleetfix_testkit::git;
use tempfile::TempDir;

/// A repository in a directory of its own.
pub(crate) struct Git {
    git: git::Git,
    _home: TempDir,
}

impl Deref for Git {
    type Target = git::Git;

    fn deref(&self) -> &git::Git {
        &self.git
    }
}

impl DerefMut for Git {
    fn deref_mut(&mut self) -> &mut git::Git {
        &mut self.git
    }
}

impl Git {
    pub(crate) fn new() -> Self {
        let home = TempDir::new().unwrap();
        Self { git: git::Git::init(&home.path().join("source")), _home: home }
    }

    pub(crate) fn at(&self, revision: &str) -> Commit {
        self.git.at(revision).parse().unwrap()
    }

    pub(crate) fn commit(&mut self, message: &str) -> Commit {
        self.git.commit(message).parse().unwrap()
    }

    pub(crate) fn merge(&mut self, number: u32, from: &str, message: &str) -> Commit {
        self.git.merge(number, from, message).parse().unwrap()
    }

    /// Commits by a list of parents, indices of earlier ones; all of them have a branch `cN`. Dates
    /// are as given, right or wrong.
    pub(crate) fn import(&self, commits: &[(Vec<usize>, u64)]) -> Vec<Commit> {
        let mut stream = String::new();
        for (index, (parents, time)) in commits.iter().enumerate() {
            let message = format!("c{index}");
            let _ = write!(
                stream,
                "commit refs/heads/c{index}\nmark :{}\ncommitter A <a@example.com> {time} +0000\ndata {}\n{message}\n",
                index + 1,
                message.len()
            );
            for (n, parent) in parents.iter().enumerate() {
                let _ =
                    writeln!(stream, "{} :{}", if n == 0 { "from" } else { "merge" }, parent + 1);
            }
            stream.push('\n');
        }
        let mut command = self.git.command(self.dir());
        let mut child =
            command.args(["fast-import", "--quiet"]).stdin(Stdio::piped()).spawn().unwrap();
        child.stdin.take().unwrap().write_all(stream.as_bytes()).unwrap();
        assert!(child.wait().unwrap().success());
        (0..commits.len()).map(|index| self.at(&format!("refs/heads/c{index}"))).collect()
    }

    pub(crate) fn open(&self) -> Repository {
        Repository::open(self.dir()).unwrap()
    }
}

pub(crate) fn branch(repository: &mut Repository, name: &str) -> Branch {
    repository.branches().unwrap().into_iter().find(|branch| branch.name == name).unwrap()
}
