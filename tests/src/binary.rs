//! Our programs, as a user runs them: from the build directory, with an environment of their own.

use std::ffi::OsStr;
use std::path::{Path, PathBuf};
use std::process::Command;

use tempfile::TempDir;

use crate::child::{self, Output};
use crate::tools::profile_directory;

/// A place to run our programs in.
#[derive(Debug)]
pub struct Workbench {
    dir: TempDir,
    environment: Vec<(String, String)>,
}

impl Default for Workbench {
    fn default() -> Self {
        Self::new()
    }
}

impl Workbench {
    /// An empty directory.
    pub fn new() -> Self {
        let dir =
            tempfile::Builder::new().prefix("fleetfix-").tempdir().expect("a temporary directory");
        Self { dir, environment: Vec::new() }
    }

    /// The same with an environment variable for each program.
    #[must_use]
    pub fn with(mut self, name: &str, value: &str) -> Self {
        self.environment.push((name.to_owned(), value.to_owned()));
        self
    }

    /// The working directory of each program.
    pub fn dir(&self) -> &Path {
        self.dir.path()
    }

    /// A path in it.
    pub fn path(&self, relative: &str) -> PathBuf {
        self.dir().join(relative)
    }

    /// `program` before it runs.
    ///
    /// # Panics
    /// If the program was not built.
    pub fn command(
        &self,
        program: &str,
        args: impl IntoIterator<Item = impl AsRef<OsStr>>,
    ) -> Command {
        let path = profile_directory().join(program);
        assert!(path.is_file(), "{} is not built: `cargo xtask test` builds it", path.display());
        let mut command = child::command(path, self.dir());
        command.current_dir(self.dir()).args(args);
        command.envs(self.environment.iter().map(|(name, value)| (name, value)));
        command
    }

    /// Runs `program`, such as `fleetfix-plan`.
    pub fn run(&self, program: &str, args: impl IntoIterator<Item = impl AsRef<OsStr>>) -> Output {
        child::run(&mut self.command(program, args))
    }

    /// Runs a command line that has no white space in its words: `fleetfix-plan --plan plan.json`.
    ///
    /// # Panics
    /// If the line is empty.
    pub fn line(&self, line: &str) -> Output {
        let mut words = line.split_whitespace();
        let program = words.next().expect("a command line starts with a program");
        self.run(program, words)
    }
}
