//! Repositories made by the real git, with a clock of their own: commits are a minute apart.

#![expect(clippy::unwrap_used, reason = "a panic is how a test says that it failed")]

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

/// Who commits unless a test says otherwise.
pub const AUTHOR: &str = "amir@example.com";

/// A repository with a work tree. It reads no settings but its own.
#[derive(Debug)]
pub struct Git {
    dir: PathBuf,
    minute: u32,
    author: String,
}

impl Git {
    /// An empty repository in a new directory, with `main` checked out.
    pub fn init(dir: &Path) -> Self {
        std::fs::create_dir(dir).unwrap();
        let git = Self { dir: dir.to_owned(), minute: 0, author: AUTHOR.to_owned() };
        git.run(&["init", "--quiet", "--initial-branch=main"]);
        git
    }

    /// The work tree.
    pub fn dir(&self) -> &Path {
        &self.dir
    }

    /// A path beside the work tree.
    pub fn beside(&self, name: &str) -> PathBuf {
        self.dir.with_file_name(name)
    }

    /// Mail address of who commits from here on.
    pub fn author(&mut self, mail: &str) {
        mail.clone_into(&mut self.author);
    }

    /// `git` in a directory, at the time of the last commit.
    pub fn command(&self, dir: &Path) -> Command {
        let date = format!("2026-01-01T{:02}:{:02}:00Z", self.minute / 60, self.minute % 60);
        let mut command = Command::new("git");
        command.env_clear().current_dir(dir).env("HOME", self.dir.with_file_name("home"));
        command.env("PATH", std::env::var_os("PATH").unwrap_or_default());
        command.envs([
            ("GIT_CONFIG_NOSYSTEM", "1"),
            ("GIT_AUTHOR_DATE", &date),
            ("GIT_COMMITTER_DATE", &date),
        ]);
        for who in ["AUTHOR", "COMMITTER"] {
            command.env(format!("GIT_{who}_NAME"), "Amir");
            command.env(format!("GIT_{who}_EMAIL"), &self.author);
        }
        command
    }

    /// What git says in the work tree, without the white space around it.
    #[track_caller]
    pub fn run(&self, args: &[&str]) -> String {
        self.run_in(&self.dir, args)
    }

    /// The same in another directory.
    #[track_caller]
    pub fn run_in(&self, dir: &Path, args: &[&str]) -> String {
        let mut command = self.command(dir);
        let output = command.args(args).output().unwrap();
        let said = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "{command:?}: {said}");
        String::from_utf8(output.stdout).unwrap().trim().to_owned()
    }

    /// Whether git itself says yes.
    pub fn says(&self, args: &[&str]) -> bool {
        let mut command = self.command(&self.dir);
        command.args(args).stdout(Stdio::null()).stderr(Stdio::null()).status().unwrap().success()
    }

    /// The commit that a revision names.
    #[track_caller]
    pub fn at(&self, revision: &str) -> String {
        self.run(&["rev-parse", revision])
    }

    /// A commit on what is checked out.
    #[track_caller]
    pub fn commit(&mut self, message: &str) -> String {
        self.minute += 1;
        self.run(&["commit", "--quiet", "--allow-empty", "--message", message]);
        self.at("HEAD")
    }

    /// A pull request of one commit, merged into what is checked out; the merge. `from` is the name
    /// of its branch as the merge tells it.
    #[track_caller]
    pub fn merge(&mut self, number: u32, from: &str, message: &str) -> String {
        let branch = self.run(&["rev-parse", "--abbrev-ref", "HEAD"]);
        let topic = format!("pull-{number}");
        self.checkout(&["-b", &topic]);
        self.commit(message);
        self.checkout(&[&branch]);
        self.minute += 1;
        let title = message.lines().next().unwrap();
        let merge = format!("Merge pull request #{number} from {from}\n\n{title}");
        self.run(&["merge", "--quiet", "--no-ff", "--message", &merge, &topic]);
        self.run(&["branch", "--quiet", "--delete", &topic]);
        self.at("HEAD")
    }

    /// `git checkout`.
    #[track_caller]
    pub fn checkout(&self, args: &[&str]) {
        self.run(&[&["checkout", "--quiet"], args].concat());
    }

    /// A bare mirror beside the work tree, everything in one pack, as a planner would have it.
    pub fn mirror(&self) -> PathBuf {
        let to = self.beside("mirror.git");
        let path = to.display().to_string();
        self.run(&["clone", "--quiet", "--mirror", "--no-local", ".", &path]);
        to
    }
}
