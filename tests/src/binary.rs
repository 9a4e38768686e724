//! Our programs, as a user runs them: from the build directory, with an environment of their own.

use std::ffi::OsStr;
use std::path::{Path, PathBuf};
use std::process::Command;

use tempfile::TempDir;

use crate::child::{self, Output};
use crate::tools::{profile_directory, tool};

/// A place to run our programs in.
#[derive(Debug)]
pub struct Workbench {
    dir: TempDir,
    environment: Vec<(String, String)>,
    wrapper: Vec<String>,
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
        Self { dir, environment: Vec::new(), wrapper: Vec::new() }
    }

    /// The same with an environment variable for each program.
    #[must_use]
    pub fn with(mut self, name: &str, value: &str) -> Self {
        self.environment.push((name.to_owned(), value.to_owned()));
        self
    }

    /// The same with another clock: `2020-01-01 00:00:00`, in UTC.
    #[must_use]
    pub fn at_time(self, time: &str) -> Self {
        let faketime = tool("faketime").display().to_string();
        self.with("TZ", "UTC").with("FAKETIME_DONT_FAKE_MONOTONIC", "1").under(&[&faketime, time])
    }

    /// The same with each program started by another: `umask`, `taskset`, ...
    #[must_use]
    pub fn under(mut self, wrapper: &[&str]) -> Self {
        self.wrapper.extend(wrapper.iter().map(|word| (*word).to_owned()));
        self
    }

    /// The same as at first: environment, clock and all.
    #[must_use]
    pub fn now(self) -> Self {
        Self { dir: self.dir, environment: Vec::new(), wrapper: Vec::new() }
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
        let mut words = self.wrapper.iter().map(Into::into).chain([path.into_os_string()]);
        let mut command = child::command(words.next().unwrap_or_default(), self.dir());
        command.args(words);
        command.current_dir(self.dir()).args(args);
        command.envs(self.environment.iter().map(|(name, value)| (name, value)));
        command
    }

    /// Runs `program`, such as `fleetfix-plan`.
    pub fn run(&self, program: &str, args: impl IntoIterator<Item = impl AsRef<OsStr>>) -> Output {
        child::run(&mut self.command(program, args))
    }
}
