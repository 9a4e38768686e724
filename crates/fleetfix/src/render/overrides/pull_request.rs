//! The text of HyperShift's pull request: what its CI reads, and what people read.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;

use fleetfix_hypershift::conflict::places;
use fleetfix_hypershift::overrides::Change;
use fleetfix_model::Minor;
use fleetfix_model::document::FixRequest;
use fleetfix_task::Context;

use super::fix::Fix;

pub(super) fn of_request(request: &FixRequest) -> BTreeMap<Minor, Vec<String>> {
    let fixes = request.fixes.iter();
    fixes.map(|fix| (fix.minor, links(fix.source.as_deref(), &fix.pull_requests))).collect()
}

/// The source repository whose pull requests HyperShift's CI looks up by number
/// (`validate-overrides.sh`).
const SOURCE: &str = "https://github.com/openshift/hypershift";

/// Links to pull requests of HyperShift itself: its CI reads the number at the end, whatever is in
/// front of it.
pub(super) fn links(source: Option<&str>, numbers: &[u64]) -> Vec<String> {
    let source = source.unwrap_or(SOURCE).trim_end_matches('/').trim_end_matches(".git");
    if source != SOURCE {
        return Vec::new();
    }
    numbers.iter().map(|number| format!("{SOURCE}/pull/{number}")).collect()
}

/// `branch: X.Y wants: ...` for each release line of which an image is new: HyperShift's CI takes a
/// line without one for an error.
pub(super) fn branches(fixes: &[Fix], changes: &[Change], context: &Context) -> Vec<String> {
    let minors: BTreeSet<Minor> = changes
        .iter()
        .filter(|change| change.after.is_some())
        .map(|change| change.version.minor())
        .collect();
    let mut branches = Vec::new();
    for minor in minors {
        let links: BTreeSet<&String> =
            fixes.iter().filter_map(|fix| fix.pulls.get(&minor)).flatten().collect();
        if links.is_empty() {
            context.step(format_args!(
                "no pull request of {SOURCE} is named for {minor}: HyperShift's CI will not find what its images must hold"
            ));
            continue;
        }
        let links: Vec<&str> = links.into_iter().map(String::as_str).collect();
        branches.push(format!("branch: {minor} wants: {}", links.join(", ")));
    }
    branches
}

/// What a fix does not bring to versions that are not released yet; none: there are no such.
pub(super) fn unreleased(fix: &Fix) -> Option<String> {
    let waiting = fix.waiting();
    (!waiting.is_empty()).then(|| {
        format!(
            "{}: no entry for {}, not released yet: plan the fix again after the release",
            fix.label,
            places(&waiting)
        )
    })
}

/// The text of a pull request: titles, the lines that CI reads outside of any code block, and what
/// changes.
pub(super) fn text(fixes: &[Fix], changes: &[Change], branches: &[String]) -> String {
    let mut text = String::new();
    // Writing to a string does not fail.
    for fix in fixes {
        let title = fix.title.as_deref().map_or_else(String::new, |title| format!(": {title}"));
        let _ = writeln!(text, "{}{title}", fix.label);
    }
    for waits in fixes.iter().filter_map(unreleased) {
        let _ = writeln!(text, "\n{waits}");
    }
    let _ = writeln!(text);
    for line in branches {
        let _ = writeln!(text, "{line}");
    }
    let _ = writeln!(text, "\n| platform | version | image | before |\n|---|---|---|---|");
    for change in changes {
        let _ = writeln!(
            text,
            "| {} | {} | {} | {} |",
            change.platform,
            change.version,
            change.after.as_deref().unwrap_or("none"),
            change.before.as_deref().unwrap_or("none"),
        );
    }
    text
}
