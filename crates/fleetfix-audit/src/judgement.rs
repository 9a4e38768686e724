//! Checks while they are made: each with what it means for the outcome.
//!
//! A [`Check`] says passed, failed or not made. The outcome of a verification needs more: a
//! failure may mean that something is wrong, that nothing is there, or that nobody could be
//! asked. [`Judged`] keeps both beside each other until the verdict is made.

use std::fmt;

use fleetfix_model::verdict::{Check, Outcome, Status, Verdict};
use fleetfix_model::{Class, Classify, Reference};

use crate::Error;

/// What a check means for the outcome.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Answer {
    /// It holds, or it was left out for a reason that the check gives.
    Holds,
    /// There is nothing that could be judged.
    NothingThere,
    /// Something could not be read, so nothing is said. The class tells whether another try helps.
    CouldNotAsk(Class),
    /// Something is there, and it does not hold.
    Refused,
}

impl Answer {
    /// Of two answers the one that decides. A refusal stands whatever else could not be read; what
    /// could not be read hides whether something is there.
    #[must_use]
    pub fn and(self, other: Self) -> Self {
        if other.weight() > self.weight() { other } else { self }
    }

    const fn weight(self) -> u8 {
        match self {
            Self::Holds => 0,
            Self::NothingThere => 1,
            Self::CouldNotAsk(_) => 2,
            Self::Refused => 3,
        }
    }

    /// The class that the process ends with; `None` where all is well.
    pub const fn class(self) -> Option<Class> {
        match self {
            Self::Holds => None,
            Self::NothingThere | Self::Refused => Some(Class::Refused),
            Self::CouldNotAsk(class) => Some(class),
        }
    }
}

/// A check and what it means for the outcome.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Judged {
    /// The check.
    pub check: Check,
    /// What it means.
    pub answer: Answer,
}

impl Judged {
    /// It holds.
    pub fn holds(name: &str, subject: impl fmt::Display, detail: impl fmt::Display) -> Self {
        Self { check: Check::passed(name, subject, detail), answer: Answer::Holds }
    }

    /// It does not hold.
    pub fn refused(name: &str, subject: impl fmt::Display, detail: impl fmt::Display) -> Self {
        Self { check: Check::failed(name, subject, detail), answer: Answer::Refused }
    }

    /// It was not made, for a reason that is no failure.
    pub fn not_made(name: &str, subject: impl fmt::Display, detail: impl fmt::Display) -> Self {
        Self { check: Check::not_made(name, subject, detail), answer: Answer::Holds }
    }

    /// Nothing is there that could be judged.
    pub fn nothing(name: &str, subject: impl fmt::Display, detail: impl fmt::Display) -> Self {
        Self { check: Check::failed(name, subject, detail), answer: Answer::NothingThere }
    }

    /// It holds or not; `detail` says what was found.
    pub fn when(
        holds: bool,
        name: &str,
        subject: impl fmt::Display,
        detail: impl fmt::Display,
    ) -> Self {
        if holds {
            Self::holds(name, subject, detail)
        } else {
            Self::refused(name, subject, detail)
        }
    }

    /// `found` is what was `expected`.
    pub fn equal<T: PartialEq + fmt::Display>(
        name: &str,
        subject: impl fmt::Display,
        expected: &T,
        found: &T,
    ) -> Self {
        if expected == found {
            Self::holds(name, subject, found)
        } else {
            Self::refused(name, subject, format!("expected {expected}, found {found}"))
        }
    }

    /// An error stood in the way. What the content itself is to blame for is a refusal; all else
    /// means that nobody could be asked.
    pub fn error<E>(name: &str, subject: impl fmt::Display, error: &E) -> Self
    where
        E: std::error::Error + Classify + 'static,
    {
        let detail = chain(error);
        match error.class() {
            Class::Refused => Self::refused(name, subject, detail),
            class @ (Class::Bug | Class::Usage | Class::Input | Class::Environment) => Self {
                check: Check::not_made(name, subject, detail),
                answer: Answer::CouldNotAsk(class),
            },
        }
    }

    /// A check made of `parts`. It failed if one of them did, and it was not made if one of them
    /// could not be.
    pub fn all(name: &str, subject: impl fmt::Display, parts: Vec<Self>) -> Self {
        let answer = parts.iter().fold(Answer::Holds, |answer, part| answer.and(part.answer));
        let checks = parts.into_iter().map(|part| part.check).collect();
        let mut check = Check::all(name, subject, checks);
        if check.status == Status::Passed && answer != Answer::Holds {
            check.status = Status::NotMade;
        }
        Self { check, answer }
    }

    /// The same, refused whatever its parts say.
    #[must_use]
    pub(crate) fn refuse(mut self) -> Self {
        self.check.status = Status::Failed;
        self.answer = Answer::Refused;
        self
    }

    /// True if nothing speaks against it.
    pub fn is_good(&self) -> bool {
        self.answer == Answer::Holds
    }

    /// How a task ends that cannot go on without this check: class, and the first thing that
    /// stands in the way. `None` if nothing does.
    pub fn ending(&self) -> Option<(Class, String)> {
        ending(self.answer, std::slice::from_ref(&self.check), &self.check.subject)
    }

    /// The same as the error of whoever cannot go on without `subject`.
    pub fn error_about(&self, subject: &impl ToString) -> Error {
        Error::ended(subject.to_string(), self.ending())
    }

    /// The same with a detail.
    #[must_use]
    pub fn detail(mut self, detail: impl fmt::Display) -> Self {
        self.check.detail = detail.to_string();
        self
    }
}

impl From<Check> for Judged {
    /// A check that was made elsewhere: what failed is refused.
    fn from(check: Check) -> Self {
        let answer = if check.holds() { Answer::Holds } else { Answer::Refused };
        Self { check, answer }
    }
}

/// What a check that was made elsewhere is made of, to stand in a check of ours.
pub(crate) fn parts_of(check: Check) -> Vec<Judged> {
    if check.checks.is_empty() {
        return vec![Judged::from(check)];
    }
    check.checks.into_iter().map(Judged::from).collect()
}

/// An error and its causes on one line.
pub(crate) fn chain(error: &(dyn std::error::Error + 'static)) -> String {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(cause) = source {
        let next = cause.to_string();
        // A transparent error says what its source says.
        if !text.ends_with(&next) {
            text = format!("{text}: {next}");
        }
        source = cause.source();
    }
    text
}

/// Makes the verdict from all that was judged. `fresh`: something proved that this is the newest
/// state.
pub(crate) fn verdict(subject: impl fmt::Display, parts: Vec<Judged>, fresh: bool) -> Concluded {
    let answer = parts.iter().fold(Answer::Holds, |answer, part| answer.and(part.answer));
    let outcome = match answer {
        Answer::Holds if fresh => Outcome::Verified,
        Answer::Holds => Outcome::VerifiedFreshnessUnknown,
        Answer::NothingThere => Outcome::NoneFound,
        Answer::CouldNotAsk(_) => Outcome::CouldNotAsk,
        Answer::Refused => Outcome::Refused,
    };
    let checks = parts.into_iter().map(|part| part.check).collect();
    Concluded { verdict: Verdict { outcome, subject: subject.to_string(), checks }, answer }
}

/// A verdict and the answer it stands on.
#[derive(Clone, Debug)]
pub struct Concluded {
    /// The verdict.
    pub verdict: Verdict,
    /// What decided it.
    pub answer: Answer,
}

impl Concluded {
    /// How the task ends where all is not well: class, and the first thing that stands in the way.
    pub fn ending(&self) -> Option<(Class, String)> {
        ending(self.answer, &self.verdict.checks, &self.verdict.subject)
    }
}

/// Class and the first thing that stands in the way, among `checks` of `subject`.
fn ending(answer: Answer, checks: &[Check], subject: &str) -> Option<(Class, String)> {
    let class = answer.class()?;
    let path = [Status::Failed, Status::NotMade].into_iter().find_map(|status| {
        let path = checks.iter().find_map(|check| path_to(check, status));
        path.filter(|path| !path.is_empty())
    });
    let path = path.unwrap_or_default();
    let Some(cause) = path.first() else { return Some((class, subject.to_owned())) };
    // A cause that names no image or document is read with the next one above it that does.
    let named = path.iter().find(|check| names_something(&check.subject));
    let mut why: Vec<&str> = Vec::new();
    if let Some(named) = named.filter(|named| *named != cause) {
        why.extend([named.name.as_str(), named.subject.as_str()]);
    }
    why.extend([cause.name.as_str(), cause.subject.as_str(), cause.detail.as_str()]);
    why.retain(|part| !part.is_empty());
    Some((class, why.join(": ")))
}

/// The first check with `status` that is made of none such, then those that it is part of.
fn path_to(check: &Check, status: Status) -> Option<Vec<&Check>> {
    if check.status != status {
        return None;
    }
    let mut path = check.checks.iter().find_map(|part| path_to(part, status)).unwrap_or_default();
    path.push(check);
    Some(path)
}

/// Whether a subject has a digest, or is a reference with a tag.
fn names_something(subject: &str) -> bool {
    subject.contains("sha256:") || subject.parse::<Reference>().is_ok_and(|r| r.tag.is_some())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn asked(class: Class) -> Judged {
        Judged {
            check: Check::not_made("blob", "a", "registry is down"),
            answer: Answer::CouldNotAsk(class),
        }
    }

    #[test]
    fn the_heaviest_answer_decides() {
        let fine = || Judged::holds("a", "a", "");
        let skipped = || Judged::not_made("rollback", "a", "no state");
        let none = || Judged::nothing("signature", "a", "none");
        let refused = || Judged::refused("digest", "a", "other");
        let table = [
            (vec![fine(), skipped()], true, Outcome::Verified, None),
            (vec![fine(), skipped()], false, Outcome::VerifiedFreshnessUnknown, None),
            (vec![none(), fine()], true, Outcome::NoneFound, Some(Class::Refused)),
            (
                vec![none(), asked(Class::Environment)],
                true,
                Outcome::CouldNotAsk,
                Some(Class::Environment),
            ),
            (vec![asked(Class::Input)], true, Outcome::CouldNotAsk, Some(Class::Input)),
            (
                vec![asked(Class::Environment), refused()],
                true,
                Outcome::Refused,
                Some(Class::Refused),
            ),
        ];
        for (parts, fresh, outcome, class) in table {
            let whole = Judged::all("image", "a", parts.clone());
            let concluded = verdict("a", vec![whole], fresh);
            assert_eq!(concluded.verdict.outcome, outcome, "{parts:?}");
            assert_eq!(concluded.ending().map(|(class, _)| class), class, "{parts:?}");
        }
    }

    #[test]
    fn a_cause_without_a_name_is_read_with_what_it_is_part_of() {
        let failed = Judged::refused("threshold", "builder", "0 of 1");
        let type_of = Judged::all("attestation", "https://x/y", vec![failed]);
        let whole = Judged::all("image", "quay.io/f/etcd:x@sha256:1", vec![type_of]);
        let whole = Judged::all("bundle", "FIX-1", vec![whole]);
        let expected = "image: quay.io/f/etcd:x@sha256:1: threshold: builder: 0 of 1";
        assert_eq!(whole.ending(), Some((Class::Refused, expected.into())));
    }

    #[test]
    fn a_check_that_could_not_ask_never_looks_passed() {
        let whole = Judged::all(
            "image",
            "a",
            vec![Judged::all("index", "b", vec![asked(Class::Environment)])],
        );
        assert_eq!(whole.check.status, Status::NotMade);
        let concluded = verdict("a", vec![Judged::holds("x", "y", ""), whole], true);
        assert_eq!(
            concluded.ending(),
            Some((Class::Environment, "blob: a: registry is down".into()))
        );
    }
}
