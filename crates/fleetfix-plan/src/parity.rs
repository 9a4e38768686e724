//! What new programs say of themselves: the commit that they were built from, and the architecture.
//!
//! They lie beside the request, so that this costs no read from a registry, and what ancestry was judged
//! on is held against what was really built. With the programs that they replace they are compared when
//! images are patched, which reads the bases' layers: the plan says so.

use std::collections::{BTreeMap, BTreeSet};
use std::fs::File;

use fleetfix_hypershift::finding::{finding, listed};
use fleetfix_model::document::finding::{Finding, FindingLevel};
use fleetfix_model::document::plan::{FileContent, PlannedFix};
use fleetfix_program::difference::{Severity, Subject};
use fleetfix_program::{Difference, Program, alone};

use crate::Error;
use crate::request::Request;

/// The check of programs.
pub const CHECK: &str = "parity";

/// What was found, and what was looked at for it.
#[derive(Debug, Default)]
pub struct Judged {
    /// The findings.
    pub findings: Vec<Finding>,
    /// Where the new files go, by what they were held against.
    held: BTreeMap<Held, BTreeSet<String>>,
}

/// What a new file was held against.
#[derive(Clone, Copy, Debug, Eq, Ord, PartialEq, PartialOrd)]
enum Held {
    Both,
    Architecture,
    Commit,
    Nothing,
    Unreadable,
    NoProgram,
}

impl Held {
    fn of(compared: &BTreeSet<Subject>) -> Self {
        let has = |subject| compared.contains(&subject);
        match (has(Subject::Architecture), has(Subject::Commit)) {
            (true, true) => Self::Both,
            (true, false) => Self::Architecture,
            (false, true) => Self::Commit,
            (false, false) => Self::Nothing,
        }
    }

    const fn words(self) -> &'static str {
        match self {
            Self::Both => "held against their architecture and the fix's commit",
            Self::Architecture => {
                "held against their architecture only, because the fix or the program names no commit"
            }
            Self::Commit => {
                "held against the fix's commit only, because they are made for no architecture"
            }
            Self::Nothing => "held against nothing, because they say nothing of themselves",
            Self::Unreadable => "held against nothing, because they cannot be read",
            Self::NoProgram => "no programs",
        }
    }
}

/// Holds the new programs of all fixes against what is said of them.
pub fn judge(request: &Request, fixes: &[PlannedFix]) -> Result<Judged, Error> {
    let mut judged = Judged::default();
    for fix in fixes {
        for file in &fix.files {
            for content in &file.contents {
                let place = format!("{} {} ({})", fix.minor, file.path, content.architecture);
                let held = match read(request, content)? {
                    Ok(program) => {
                        let found = alone(&program, &content.architecture, fix.commit.as_ref());
                        for difference in &found.differences {
                            judged.findings.extend(told(&place, difference)?);
                        }
                        Held::of(&found.compared)
                    }
                    Err(held) => held,
                };
                judged.held.entry(held).or_default().insert(place);
            }
        }
    }
    Ok(judged)
}

impl Judged {
    /// Why programs were not compared with those that they replace, and what of the new ones was
    /// looked at.
    pub fn not_made(&self, fixes: &[PlannedFix]) -> String {
        let finished: Vec<String> =
            fixes.iter().filter(|f| f.image.is_some()).map(|f| f.minor.to_string()).collect();
        let told = |(held, places): (&Held, &BTreeSet<String>)| {
            format!("{}: {}", held.words(), listed(places.iter(), ", "))
        };
        let mut reasons: Vec<String> = self.held.iter().map(told).collect();
        if !self.held.is_empty() {
            reasons.push(
                "with what they replace new programs are compared when images are patched, which reads the layers of the bases"
                    .to_owned(),
            );
        }
        if !finished.is_empty() {
            reasons.push(format!(
                "nobody read the programs in the finished image of {}, nor compared them with those of what it replaces",
                finished.join(", ")
            ));
        }
        if reasons.is_empty() {
            reasons.push("the fix brings no program".to_owned());
        }
        reasons.join("; ")
    }
}

/// `Err`: it is no program, or one that cannot be read, which those say who patch with it.
fn read(request: &Request, content: &FileContent) -> Result<Result<Program, Held>, Error> {
    let path = request.path(&content.from);
    let failed = |source| Error::Content {
        field: format!("{}: `{}`", request.file, content.from),
        path: path.clone(),
        source,
    };
    match fleetfix_program::read(&content.from, File::open(&path).map_err(failed)?) {
        Ok(program) => Ok(program.ok_or(Held::NoProgram)),
        Err(fleetfix_program::Error::Read { source, .. }) => Err(failed(source)),
        Err(_) => Ok(Err(Held::Unreadable)),
    }
}

fn told(place: &str, difference: &Difference) -> Result<Option<Finding>, Error> {
    let Some(id) = difference.finding() else { return Ok(None) };
    let message = match difference.subject {
        Subject::Architecture => format!(
            "{place}: it is a program for {}: build it for {}",
            difference.actual, difference.expected
        ),
        Subject::Modified => format!(
            "{place}: it was built from files that were {}: build it from the commit that is named",
            difference.actual
        ),
        _ => format!("{place}: {difference}; build it from the commit that is named"),
    };
    let found = finding(FindingLevel::Blocking, id.as_str(), message).map_err(Error::finding)?;
    let waivable = difference.severity() == Severity::Waivable;
    Ok(Some(Finding { waivable, ..found }))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_architecture_is_never_waived() {
        let table = [
            (Subject::Architecture, "it is a program for x: build it for y", false),
            (Subject::Commit, "commit: x, declared y; build it from the commit", true),
            (Subject::Modified, "it was built from files that were x: build it", true),
        ];
        for (subject, says, waivable) in table {
            let difference =
                Difference { subject, expected: "y".to_owned(), actual: "x".to_owned() };
            let told = told("4.20 /usr/bin/app (amd64)", &difference).unwrap().unwrap();
            assert!(told.message.contains(says), "{}", told.message);
            assert_eq!((told.level, told.waivable), (FindingLevel::Blocking, waivable));
        }
    }

    #[test]
    fn what_a_file_was_held_against() {
        let table = [
            (&[Subject::Architecture, Subject::Commit, Subject::Modified][..], Held::Both),
            (&[Subject::Architecture, Subject::Modified], Held::Architecture),
            (&[Subject::Commit], Held::Commit),
            (&[], Held::Nothing),
        ];
        for (compared, held) in table {
            assert_eq!(Held::of(&compared.iter().copied().collect()), held);
        }
    }
}
