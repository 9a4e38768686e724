//! What went wrong, for a person who reads it on a terminal.

use std::fmt;
use std::path::Path;
use std::process::ExitCode;

/// One message; `?` adds nothing, so whoever makes it names the subject.
#[derive(Debug)]
pub(crate) struct Failure {
    message: String,
    kind: Kind,
}

#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Kind {
    Usage,
    /// A bench ran and fell short of a target.
    Missed,
    Other,
    /// Already said: only the exit code is left.
    Said,
}

impl Failure {
    pub(crate) fn new(message: impl Into<String>) -> Self {
        Self { message: message.into(), kind: Kind::Other }
    }

    /// The command line is not one of ours.
    pub(crate) fn usage(message: impl Into<String>) -> Self {
        Self { message: message.into(), kind: Kind::Usage }
    }

    /// What was measured is not what the project promises.
    pub(crate) fn missed(message: impl Into<String>) -> Self {
        Self { message: message.into(), kind: Kind::Missed }
    }

    /// The same, said to the user: nothing may follow the last line of output.
    pub(crate) fn said(self) -> Self {
        Self { kind: Kind::Said, ..self }
    }

    /// An operating system's error about `path`.
    pub(crate) fn at(path: &Path) -> impl FnOnce(std::io::Error) -> Self {
        move |error| Self::new(format!("{}: {error}", path.display()))
    }

    /// The exit code, after saying what has not been said.
    pub(crate) fn report(&self) -> ExitCode {
        if self.kind != Kind::Said {
            eprintln!("error: {self}");
        }
        match self.kind {
            Kind::Usage => ExitCode::from(2),
            // As the product's own "refused".
            Kind::Missed => ExitCode::from(10),
            Kind::Other | Kind::Said => ExitCode::FAILURE,
        }
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)
    }
}
