//! An error with its class, whichever library it comes from.

use std::error::Error as StdError;
use std::fmt;

use fleetfix_model::terminal::OneLine;
use fleetfix_model::{Class, Classify};

/// Any error that knows its class.
trait Cause: StdError + Classify + Send + Sync {}
impl<E: StdError + Classify + Send + Sync> Cause for E {}

/// Why a task failed. Made from any error that knows its class, so that `?` works in tasks.
pub struct Failure {
    cause: Box<dyn Cause>,
    /// What was being done, outermost first.
    subjects: Vec<String>,
    hint: Option<String>,
}

/// A failure that a task states itself.
#[derive(Debug, thiserror::Error)]
#[error("{message}")]
struct Stated {
    class: Class,
    message: String,
}

impl Classify for Stated {
    fn class(&self) -> Class {
        self.class
    }
}

impl Failure {
    /// A failure that no library named.
    pub fn new(class: Class, message: impl fmt::Display) -> Self {
        Self::from(Stated { class, message: message.to_string() })
    }

    /// The command line is not one of ours: exit 2.
    pub fn usage(message: impl fmt::Display) -> Self {
        Self::new(Class::Usage, message)
    }

    /// The input is malformed or absent: exit 11.
    pub fn input(message: impl fmt::Display) -> Self {
        Self::new(Class::Input, message)
    }

    /// A digest, signature or policy says no: exit 10.
    pub fn refused(message: impl fmt::Display) -> Self {
        Self::new(Class::Refused, message)
    }

    /// Says in front what the failure is about.
    #[must_use]
    pub fn about(mut self, subject: impl fmt::Display) -> Self {
        self.subjects.insert(0, subject.to_string());
        self
    }

    /// Says in brackets at the end what to do next.
    #[must_use]
    pub fn hint(mut self, hint: impl fmt::Display) -> Self {
        self.hint = Some(hint.to_string());
        self
    }

    /// The error line without `error: `: subjects, then each error of the chain, then the hint.
    /// Always one line; what a terminal would act on is spelled out.
    pub fn line(&self) -> String {
        let mut parts: Vec<String> = Vec::new();
        if self.class() == Class::Bug {
            parts.push("bug".into());
        }
        parts.extend(self.subjects.iter().cloned());
        let mut cause: Option<&dyn StdError> = Some(&*self.cause);
        while let Some(error) = cause {
            let text = error.to_string();
            // Some errors of others repeat their source in their own message.
            if !parts.last().is_some_and(|last| last.ends_with(&text)) {
                parts.push(text);
            }
            cause = error.source();
        }
        let mut line = parts.join(": ");
        if let Some(hint) = &self.hint {
            line.push_str(" (");
            line.push_str(hint);
            line.push(')');
        }
        OneLine(&line).to_string()
    }
}

impl Classify for Failure {
    fn class(&self) -> Class {
        self.cause.class()
    }
}

impl<E: StdError + Classify + Send + Sync + 'static> From<E> for Failure {
    fn from(error: E) -> Self {
        Self { cause: Box::new(error), subjects: Vec::new(), hint: None }
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.line())
    }
}

impl fmt::Debug for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Failure({:?}: {})", self.class(), self.line())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Debug, thiserror::Error)]
    #[error("outer")]
    struct Outer(#[source] Inner);

    #[derive(Debug, thiserror::Error)]
    #[error("inner\nsecond line\u{1b}[31m\u{202e}")]
    struct Inner;

    impl Classify for Outer {
        fn class(&self) -> Class {
            Class::Environment
        }
    }

    #[test]
    fn classes_of_stated_failures() {
        let table = [
            (Failure::new(Class::Bug, "x"), Class::Bug, "bug: x"),
            (Failure::usage("x"), Class::Usage, "x"),
            (Failure::refused("x"), Class::Refused, "x"),
            (Failure::input("x"), Class::Input, "x"),
            (Failure::new(Class::Environment, "x"), Class::Environment, "x"),
        ];
        for (failure, class, line) in table {
            assert_eq!((failure.class(), failure.line().as_str()), (class, line));
        }
    }

    #[test]
    fn the_chain_is_one_line() {
        let failure = Failure::from(Outer(Inner)).about("b").about("a").hint("do this");
        assert_eq!(
            failure.line(),
            "a: b: outer: inner\\nsecond line\\u{1b}[31m\\u{202e} (do this)"
        );
        assert_eq!(failure.class(), Class::Environment);
    }

    #[test]
    fn a_repeated_source_is_said_once() {
        let source = std::io::Error::other(std::io::Error::other("full"));
        assert_eq!(Failure::from(source).line(), "full");
    }
}
