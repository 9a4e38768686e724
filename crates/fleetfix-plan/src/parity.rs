//! What new programs say of themselves: the commit that they were built from, and the architecture.
//!
//! They lie beside the request, so that this costs no read from a registry, and what ancestry was judged
//! on is held against what was really built. With the programs that they replace they are compared when
//! images are patched, which reads the bases' layers: the plan says so.

use std::fs::File;

use fleetfix_hypershift::finding::finding;
use fleetfix_model::document::finding::{Finding, FindingLevel};
use fleetfix_model::document::plan::{FileContent, PlannedFix};
use fleetfix_model::name::Commit;
use fleetfix_program::difference::{Severity, Subject};
use fleetfix_program::{Difference, Program, for_architecture};

use crate::Error;
use crate::request::Request;

/// The check of programs.
pub const CHECK: &str = "parity";

/// Holds the new programs of all fixes against what is said of them.
pub fn judge(request: &Request, fixes: &[PlannedFix]) -> Result<Vec<Finding>, Error> {
    let mut findings = Vec::new();
    for fix in fixes {
        for file in &fix.files {
            for content in &file.contents {
                let Some(program) = read(request, content)? else { continue };
                let differences = differences(&program, content, fix.commit.as_ref());
                for difference in differences {
                    let place = format!("{} {} ({})", fix.minor, file.path, content.architecture);
                    findings.extend(told(&place, &difference)?);
                }
            }
        }
    }
    Ok(findings)
}

/// Why programs were not compared with those that they replace.
pub fn not_made(fixes: &[PlannedFix]) -> String {
    let finished: Vec<String> =
        fixes.iter().filter(|f| f.image.is_some()).map(|f| f.minor.to_string()).collect();
    let mut reasons = Vec::new();
    if fixes.iter().any(|fix| !fix.files.is_empty()) {
        reasons.push(
            "new programs were held against their architecture and the fix's commit; with those that they replace they are compared when images are patched, which reads the layers of the bases"
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

/// `None`: it is no program, or one that cannot be read, which those say who patch with it.
fn read(request: &Request, content: &FileContent) -> Result<Option<Program>, Error> {
    let path = request.path(&content.from);
    let failed = |source| Error::Content {
        field: format!("{}: `{}`", request.file, content.from),
        path: path.clone(),
        source,
    };
    match fleetfix_program::read(&content.from, File::open(&path).map_err(failed)?) {
        Ok(program) => Ok(program),
        Err(fleetfix_program::Error::Read { source, .. }) => Err(failed(source)),
        Err(_) => Ok(None),
    }
}

fn differences(
    program: &Program,
    content: &FileContent,
    declared: Option<&Commit>,
) -> Vec<Difference> {
    let architecture = for_architecture(program, &content.architecture);
    let revision = program.go.as_ref().and_then(|go| go.revision());
    let other = declared.zip(revision).filter(|(declared, actual)| declared.as_str() != *actual);
    let commit = other.map(|(declared, actual)| Difference {
        subject: Subject::Commit,
        expected: declared.to_string(),
        actual: actual.to_owned(),
    });
    architecture.into_iter().chain(commit).collect()
}

fn told(place: &str, difference: &Difference) -> Result<Option<Finding>, Error> {
    let Some(id) = difference.finding() else { return Ok(None) };
    let message = match difference.subject {
        Subject::Architecture => format!(
            "{place}: it is a program for {}: build it for {}",
            difference.actual, difference.expected
        ),
        _ => format!("{place}: {difference}; build it from the commit that is named"),
    };
    let found = finding(FindingLevel::Blocking, id.as_str(), message).map_err(Error::finding)?;
    let waivable = difference.severity() == Severity::Waivable;
    Ok(Some(Finding { waivable, ..found }))
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use fleetfix_model::Digest;
    use serde_json::json;

    use super::*;

    type Case<'a> = (u16, Option<&'a str>, Option<&'a Commit>, &'a [&'a str]);

    #[test]
    fn what_a_program_says_of_itself() {
        let program = |machine: u16, revision: Option<&str>| -> Program {
            let settings: BTreeMap<&str, &str> =
                revision.map(|revision| ("vcs.revision", revision)).into_iter().collect();
            serde_json::from_value(json!({
                "elf": {
                    "class": "64-bit", "order": "little", "kind": "executable",
                    "machine": machine, "dynamic": false,
                },
                "go": {"version": "go1.24.3", "dependencies": 0, "settings": settings},
            }))
            .unwrap()
        };
        let content = FileContent {
            architecture: "amd64".to_owned(),
            from: "app".to_owned(),
            digest: Digest::of(b""),
            size: 0,
        };
        let commit: Commit = "a".repeat(40).parse().unwrap();
        let other = "b".repeat(40);
        // The ELF specification: 62 is x86-64, 183 is AArch64.
        let table: [Case<'_>; 6] = [
            (62, Some(commit.as_str()), Some(&commit), &[]),
            (62, None, Some(&commit), &[]),
            (62, Some(&other), None, &[]),
            (62, Some(&other), Some(&commit), &["parity/commit"]),
            (183, Some(commit.as_str()), Some(&commit), &["parity/architecture"]),
            (183, Some(&other), Some(&commit), &["parity/architecture", "parity/commit"]),
        ];
        for (machine, revision, declared, expected) in table {
            let found = differences(&program(machine, revision), &content, declared);
            let ids: Vec<String> =
                found.iter().filter_map(Difference::finding).map(|id| id.to_string()).collect();
            assert_eq!(ids, expected, "{machine} {revision:?}");
            for difference in &found {
                let told = told("4.20 /usr/bin/app (amd64)", difference).unwrap().unwrap();
                assert_eq!(told.waivable, difference.subject == Subject::Commit);
                assert_eq!(told.level, FindingLevel::Blocking);
            }
        }
    }
}
