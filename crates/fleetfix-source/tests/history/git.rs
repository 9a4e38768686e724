//! Repositories made by the real git.

use std::fmt::Write as _;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use fleetfix_model::name::Commit;
use fleetfix_source::Repository;
use fleetfix_source::branch::Branch;
use tempfile::TempDir;

/// A repository in a directory of its own; commits are a minute apart.
pub(crate) struct Git {
    home: TempDir,
    minute: u32,
}

impl Git {
    pub(crate) fn new() -> Self {
        let git = Self { home: TempDir::new().unwrap(), minute: 0 };
        std::fs::create_dir(git.dir()).unwrap();
        git.run(&["init", "--quiet", "--initial-branch=main"]);
        git
    }

    /// The work tree.
    pub(crate) fn dir(&self) -> PathBuf {
        self.home.path().join("source")
    }

    /// A path beside the work tree.
    pub(crate) fn beside(&self, name: &str) -> PathBuf {
        self.home.path().join(name)
    }

    fn command(&self, dir: &Path) -> Command {
        let date = format!("2026-01-01T{:02}:{:02}:00Z", self.minute / 60, self.minute % 60);
        let mut command = Command::new("git");
        command.env_clear().current_dir(dir).env("HOME", self.home.path());
        command.env("PATH", std::env::var_os("PATH").unwrap_or_default());
        command.envs([
            ("GIT_CONFIG_NOSYSTEM", "1"),
            ("GIT_AUTHOR_DATE", &date),
            ("GIT_COMMITTER_DATE", &date),
        ]);
        for who in ["AUTHOR", "COMMITTER"] {
            command.env(format!("GIT_{who}_NAME"), "Amir");
            command.env(format!("GIT_{who}_EMAIL"), "amir@example.com");
        }
        command
    }

    #[track_caller]
    fn finish(mut command: Command) -> String {
        let output = command.output().unwrap();
        assert!(
            output.status.success(),
            "{command:?}: {}",
            String::from_utf8_lossy(&output.stderr)
        );
        String::from_utf8(output.stdout).unwrap().trim().to_owned()
    }

    #[track_caller]
    pub(crate) fn run(&self, args: &[&str]) -> String {
        let mut command = self.command(&self.dir());
        command.args(args);
        Self::finish(command)
    }

    /// Whether git itself says yes.
    pub(crate) fn says(&self, args: &[&str]) -> bool {
        let mut command = self.command(&self.dir());
        command.args(args).stdout(Stdio::null()).stderr(Stdio::null()).status().unwrap().success()
    }

    pub(crate) fn at(&self, revision: &str) -> Commit {
        self.run(&["rev-parse", revision]).parse().unwrap()
    }

    /// A commit on what is checked out.
    pub(crate) fn commit(&mut self, message: &str) -> Commit {
        self.minute += 1;
        self.run(&["commit", "--quiet", "--allow-empty", "--message", message]);
        self.at("HEAD")
    }

    /// A pull request of one commit, merged into what is checked out; the merge. `from` is the name
    /// of its branch as the merge tells it.
    pub(crate) fn merge(&mut self, number: u32, from: &str, message: &str) -> Commit {
        let branch = self.run(&["rev-parse", "--abbrev-ref", "HEAD"]);
        let topic = format!("pull-{number}");
        self.run(&["checkout", "--quiet", "-b", &topic]);
        self.commit(message);
        self.run(&["checkout", "--quiet", &branch]);
        self.minute += 1;
        let title = message.lines().next().unwrap();
        let merge = format!("Merge pull request #{number} from {from}\n\n{title}");
        self.run(&["merge", "--quiet", "--no-ff", "--message", &merge, &topic]);
        self.run(&["branch", "--quiet", "--delete", &topic]);
        self.at("HEAD")
    }

    pub(crate) fn checkout(&self, args: &[&str]) {
        self.run(&[&["checkout", "--quiet"], args].concat());
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
        let mut command = self.command(&self.dir());
        let mut child =
            command.args(["fast-import", "--quiet"]).stdin(Stdio::piped()).spawn().unwrap();
        child.stdin.take().unwrap().write_all(stream.as_bytes()).unwrap();
        assert!(child.wait().unwrap().success());
        (0..commits.len()).map(|index| self.at(&format!("refs/heads/c{index}"))).collect()
    }

    pub(crate) fn open(&self) -> Repository {
        Repository::open(&self.dir()).unwrap()
    }

    /// A bare mirror, everything in one pack, as a planner would have it.
    pub(crate) fn mirror(&self) -> PathBuf {
        let to = self.beside("mirror.git");
        let mut command = self.command(&self.dir());
        command.args(["clone", "--quiet", "--mirror", "--no-local", "."]).arg(&to);
        Self::finish(command);
        to
    }

    pub(crate) fn run_in(&self, dir: &Path, args: &[&str]) -> String {
        let mut command = self.command(dir);
        command.args(args);
        Self::finish(command)
    }
}

pub(crate) fn branch(repository: &mut Repository, name: &str) -> Branch {
    repository.branches().unwrap().into_iter().find(|branch| branch.name == name).unwrap()
}
