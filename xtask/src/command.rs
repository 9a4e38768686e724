//! Child processes: what runs is said, and what fails names itself.

use std::ffi::OsStr;
use std::fs::File;
use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::{self, Stdio};

use crate::failure::Failure;

/// A program and its arguments.
#[derive(Debug)]
pub(crate) struct Command {
    inner: process::Command,
}

impl Command {
    pub(crate) fn new(program: impl AsRef<OsStr>) -> Self {
        let mut inner = process::Command::new(program);
        inner.stdin(Stdio::null());
        Self { inner }
    }

    /// The program with root's rights: as it is for root, by `sudo -n` otherwise.
    pub(crate) fn as_root(program: &str) -> Self {
        if is_root() {
            return Self::new(program);
        }
        Self::new("sudo").args(["-n", program])
    }

    pub(crate) fn args(mut self, args: impl IntoIterator<Item = impl AsRef<OsStr>>) -> Self {
        self.inner.args(args);
        self
    }

    pub(crate) fn env(mut self, name: &str, value: impl AsRef<OsStr>) -> Self {
        self.inner.env(name, value);
        self
    }

    /// Nothing of our environment but what finds programs; what is kept between runs lies in `home`.
    pub(crate) fn at_home(mut self, home: &Path) -> Self {
        self.inner.env_clear().env("HOME", home).env("LC_ALL", "C");
        if let Some(path) = std::env::var_os("PATH") {
            self.inner.env("PATH", path);
        }
        self.env("TMPDIR", home).env("XDG_RUNTIME_DIR", home)
    }

    pub(crate) fn directory(mut self, path: &Path) -> Self {
        self.inner.current_dir(path);
        self
    }

    /// Runs with our own stdout and stderr.
    pub(crate) fn show(mut self) -> Result<(), Failure> {
        let status = self.inner.status().map_err(|error| self.failed_to_start(&error))?;
        if status.success() {
            Ok(())
        } else {
            Err(Failure::new(format!("{}: {status}", self.name())))
        }
    }

    /// Runs without a word; what it said is in the failure.
    pub(crate) fn quiet(mut self) -> Result<Vec<u8>, Failure> {
        let output = self.inner.output().map_err(|error| self.failed_to_start(&error))?;
        if output.status.success() {
            return Ok(output.stdout);
        }
        let said = [&output.stdout[..], &output.stderr[..]].concat();
        let said = String::from_utf8_lossy(&said);
        Err(Failure::new(format!("{}: {}\n{}", self.name(), output.status, said.trim_end())))
    }

    /// Runs with stdout into a file.
    pub(crate) fn into_file(mut self, path: &Path) -> Result<(), Failure> {
        let file = File::create(path).map_err(Failure::at(path))?;
        self.inner.stdout(file);
        self.quiet().map(drop)
    }

    /// Starts it, with all that it says appended to `log`.
    pub(crate) fn start(mut self, log: &Path) -> Result<process::Child, Failure> {
        let open = || File::options().create(true).append(true).open(log);
        self.inner.stdout(open().map_err(Failure::at(log))?);
        self.inner.stderr(open().map_err(Failure::at(log))?);
        self.inner.spawn().map_err(|error| self.failed_to_start(&error))
    }

    /// Runs and hands on each line of stdout as it comes. The exit status is the caller's to judge.
    pub(crate) fn lines(mut self, mut each: impl FnMut(&str)) -> Result<bool, Failure> {
        self.inner.stdout(Stdio::piped());
        let mut child = self.inner.spawn().map_err(|error| self.failed_to_start(&error))?;
        if let Some(stdout) = child.stdout.take() {
            for line in BufReader::new(stdout).split(b'\n') {
                let line =
                    line.map_err(|error| Failure::new(format!("{}: {error}", self.name())))?;
                each(&String::from_utf8_lossy(&line));
            }
        }
        let status =
            child.wait().map_err(|error| Failure::new(format!("{}: {error}", self.name())))?;
        Ok(status.success())
    }

    /// Program and arguments as one would type them.
    pub(crate) fn name(&self) -> String {
        let words = std::iter::once(self.inner.get_program()).chain(self.inner.get_args());
        words.collect::<Vec<_>>().join(OsStr::new(" ")).to_string_lossy().into_owned()
    }

    fn failed_to_start(&self, error: &std::io::Error) -> Failure {
        Failure::new(format!("{}: {error}", self.name()))
    }
}

/// True if this process may do what root may.
pub(crate) fn is_root() -> bool {
    let id = process::Command::new("id").arg("-u").output();
    id.is_ok_and(|output| output.stdout == b"0\n")
}

/// A program's path: the first on `PATH`, or in the directories of a system's administrator.
pub(crate) fn which(program: &str) -> Option<std::path::PathBuf> {
    let mut path = std::env::var_os("PATH").unwrap_or_default();
    path.push(":/usr/local/sbin:/usr/sbin:/sbin");
    std::env::split_paths(&path).map(|dir| dir.join(program)).find(|file| file.is_file())
}
