//! What stands in the report.

use std::collections::{BTreeMap, BTreeSet};

use fleetfix_model::document::FixPlan;
use fleetfix_model::document::delivery::Impact;
use fleetfix_model::document::finding::{CheckState, Finding, FindingLevel};
use fleetfix_model::document::plan::{BaseImage, Origin, PlannedFix, Row, Status};
use fleetfix_model::{Digest, HostedPlatform, Minor, Timestamp, Version};

use super::ranges::told;
use super::{Block, Item, Report, Table};

/// Most commits that are listed by title for one release line.
const COMMITS: usize = 20;

/// The report of a plan, as of `now`: a waiver may have ended.
pub fn report(plan: &FixPlan, digest: Digest, now: Timestamp) -> Report {
    let mut title = format!("{} revision {}, {}", plan.id, plan.revision, plan.component);
    if let Some(text) = &plan.title {
        title = format!("{title}: {text}");
    }
    let mut blocks = vec![Block::Verdict(verdict(plan, now)), Block::Facts(facts(plan, digest))];
    let mut section = |heading: &str, block: Block| {
        blocks.extend([Block::Heading(heading.to_owned()), block]);
    };
    section("Coverage", Block::Table(coverage(plan)));
    section("What is replaced", Block::Table(bases(plan)));
    section("The fix", Block::Items(plan.fixes.iter().map(fix).collect()));
    section("Delivery", Block::Items(delivery(plan)));
    section("Impact", Block::Table(impact(plan)));
    let details = [nodes(plan), restarts(plan)].concat();
    if !details.is_empty() {
        blocks.push(Block::Items(details));
    }
    for (heading, items) in findings(plan, now) {
        if !items.is_empty() {
            blocks.extend([Block::Heading(heading.to_owned()), Block::Items(items)]);
        }
    }
    let not_made = not_made(plan);
    if !not_made.is_empty() {
        let heading = "Not checked".to_owned();
        blocks.extend([Block::Heading(heading), Block::Items(not_made)]);
    }
    Report { title, blocks }
}

/// What an approver must know if they read one line only.
fn verdict(plan: &FixPlan, now: Timestamp) -> String {
    let stopping = plan.stopping(now).count();
    let waived = plan.findings.iter().filter(|found| found.waiver.is_some()).count();
    let warnings = plan
        .findings
        .iter()
        .filter(|found| found.level == FindingLevel::Warning && found.waiver.is_none())
        .count();
    let not_made = plan.checks.iter().filter(|check| check.state == CheckState::NotMade).count();
    let verdict = match stopping {
        0 => "Nothing blocks this plan".to_owned(),
        1 => "REFUSED: one finding blocks this plan".to_owned(),
        n => format!("REFUSED: {n} findings block this plan"),
    };
    format!("{verdict}. {waived} waived, {warnings} warnings, {not_made} checks not made.")
}

fn facts(plan: &FixPlan, digest: Digest) -> Vec<(&'static str, String)> {
    let tickets: Vec<&str> =
        plan.tickets.iter().map(fleetfix_model::name::Ticket::as_str).collect();
    let mut facts = vec![("tickets", tickets.join(", "))];
    if let Some(severity) = plan.severity {
        facts.push(("severity", format!("{severity:?}").to_lowercase()));
    }
    facts.extend(plan.incident.iter().map(|incident| ("incident", incident.clone())));
    facts.extend(plan.requester.iter().map(|requester| ("requester", requester.to_string())));
    facts.push(("plan", digest.to_string()));
    facts.push(("request", plan.request.to_string()));
    facts.extend(plan.graph.iter().map(|graph| ("graph", graph.to_string())));
    if !plan.frontier.is_empty() {
        let versions: Vec<String> = plan.frontier.iter().map(ToString::to_string).collect();
        facts.push(("frontier", format!("first with the fix: {}", versions.join(", "))));
    }
    facts.extend(plan.expires.iter().map(|expires| ("expires", expires.to_string())));
    facts.extend(plan.irreversible.iter().map(|why| ("cannot be taken back", why.clone())));
    facts
}

fn coverage(plan: &FixPlan) -> Table {
    let mut lines: BTreeMap<(HostedPlatform, Minor), Vec<&Row>> = BTreeMap::new();
    for row in &plan.rows {
        lines.entry((row.platform, row.version.minor())).or_default().push(row);
    }
    let statuses = [
        Status::Covered,
        Status::FixedInPayload,
        Status::Unreleased,
        Status::Gap,
        Status::NotAffected,
    ];
    let row = |((platform, minor), rows): (&(HostedPlatform, Minor), &Vec<&Row>)| {
        let of =
            |status| told(rows.iter().filter(|row| row.status == status).map(|row| &row.version));
        let places = [platform.to_string(), minor.to_string()].into_iter();
        places.chain(statuses.iter().map(|status| of(*status))).collect()
    };
    let head = vec![
        "platform",
        "line",
        "covered",
        "fixed in payload",
        "not released yet",
        "left out",
        "not affected",
    ];
    Table { head, rows: lines.iter().map(row).collect() }.without_empty_columns()
}

fn bases(plan: &FixPlan) -> Table {
    let row = |base: &BaseImage| {
        let commit = base.commit.as_ref().map_or("unknown", |commit| commit.as_str());
        let architectures: Vec<&str> =
            base.platforms.iter().map(|p| p.platform.architecture.as_str()).collect();
        let versions: BTreeSet<&Version> = plan
            .rows
            .iter()
            .filter(|row| row.base == Some(base.digest))
            .map(|row| &row.version)
            .collect();
        vec![
            base.minor.to_string(),
            told(versions),
            format!("{}@{}", base.repository, base.digest.short()),
            origin(base.origin).to_owned(),
            commit.chars().take(12).collect(),
            architectures.join(" "),
        ]
    };
    let mut bases: Vec<&BaseImage> = plan.bases.iter().collect();
    bases.sort_by_key(|base| (base.minor, base.digest));
    Table {
        head: vec!["line", "versions", "image", "which is", "commit", "architectures"],
        rows: bases.into_iter().map(row).collect(),
    }
}

const fn origin(origin: Origin) -> &'static str {
    match origin {
        Origin::Payload => "the payload's",
        Origin::OverridesYaml => "of overrides.yaml",
        Origin::Bundle => "of an active bundle",
        Origin::Annotation => "of an annotation",
    }
}

fn fix(fix: &PlannedFix) -> Item {
    let commit = fix.commit.as_ref().map_or("no commit is named", |commit| commit.as_str());
    let mut text = commit.to_owned();
    if let Some(source) = &fix.source {
        text = format!("{text} of {source}");
    }
    if !fix.pull_requests.is_empty() {
        let numbers: Vec<String> = fix.pull_requests.iter().map(ToString::to_string).collect();
        text = format!("{text}, pull requests {}", numbers.join(", "));
    }
    let mut notes = Vec::new();
    let authors: Vec<String> = fix.authors.iter().map(ToString::to_string).collect();
    if !authors.is_empty() {
        notes.push(format!("written by {}", authors.join(", ")));
    }
    notes.extend(fix.image.iter().map(|image| format!("finished image {image}")));
    for file in &fix.files {
        let architectures: Vec<&str> =
            file.contents.iter().map(|content| content.architecture.as_str()).collect();
        let verb = if file.create { "creates" } else { "replaces" };
        notes.push(format!("{verb} {} ({})", file.path, architectures.join(", ")));
    }
    notes.extend(fix.remove.iter().map(|path| format!("removes {path}")));
    for along in fix.along.iter().take(COMMITS) {
        let commit: String = along.commit.as_str().chars().take(12).collect();
        notes.push(format!("comes along: {commit} {}", along.title));
    }
    let more = fix.along.len().saturating_sub(COMMITS) as u64 + fix.along_more;
    if more > 0 {
        notes.push(format!("and {more} more commits come along"));
    }
    Item { mark: fix.minor.to_string(), text, notes }
}

fn delivery(plan: &FixPlan) -> Vec<Item> {
    let item = |delivery: &fleetfix_model::document::delivery::Delivery| {
        let ends = if delivery.ends_with_upgrade {
            "ends with the customer's upgrade"
        } else {
            "OUTLIVES the customer's upgrade"
        };
        let text = format!("{}, {ends}: {}", delivery.method, delivery.reason);
        (format!("{} {}", delivery.platform, delivery.minor), text)
    };
    let items = said_once(plan.delivery.iter().map(item));
    if items.is_empty() {
        let text = "none: no delivery reaches it".to_owned();
        return vec![Item { text, ..Item::default() }];
    }
    items
}

fn impact(plan: &FixPlan) -> Table {
    let rolls = |yes: bool| if yes { "rolls" } else { "stays" }.to_owned();
    let row = |impact: &Impact| {
        let nodes = &impact.customer_nodes;
        let always = nodes.iter().any(|node| node.condition.is_none());
        vec![
            impact.platform.to_string(),
            impact.minor.to_string(),
            format!("{} workloads", impact.restarts.len()),
            rolls(impact.rolls_etcd),
            rolls(impact.rolls_kube_apiserver),
            match (nodes.is_empty(), always) {
                (true, _) => "untouched",
                (false, true) => "REACHED",
                (false, false) => "reached on some clusters",
            }
            .to_owned(),
        ]
    };
    Table {
        head: vec!["platform", "line", "restart", "etcd", "kube-apiserver", "customer nodes"],
        rows: plan.impact.iter().map(row).collect(),
    }
}

/// What happens on customer nodes, once for all lines where it is the same.
fn nodes(plan: &FixPlan) -> Vec<Item> {
    let of = |impact: &Impact| {
        let place = format!("{} {}", impact.platform, impact.minor);
        let effects = impact.customer_nodes.iter().map(move |node| {
            let condition = node.condition.as_ref().map(|c| format!(", where {c}"));
            let text = format!("customer nodes: {}{}", node.effect, condition.unwrap_or_default());
            (place.clone(), text)
        });
        effects.collect::<Vec<_>>()
    };
    said_once(plan.impact.iter().flat_map(of))
}

/// The workloads by name, once for all lines where the same ones restart.
fn restarts(plan: &FixPlan) -> Vec<Item> {
    let restarting = plan.impact.iter().filter(|impact| !impact.restarts.is_empty());
    said_once(restarting.map(|impact| {
        let place = format!("{} {}", impact.platform, impact.minor);
        (place, format!("restart: {}", impact.restarts.join(", ")))
    }))
}

/// Items with the same text as one, marked with all that it is about, in the order of the first.
fn said_once(items: impl Iterator<Item = (String, String)>) -> Vec<Item> {
    let mut once: Vec<(Vec<String>, String)> = Vec::new();
    for (mark, text) in items {
        match once.iter_mut().find(|(_, known)| *known == text) {
            Some((marks, _)) => marks.push(mark),
            None => once.push((vec![mark], text)),
        }
    }
    let item = |(marks, text): (Vec<String>, String)| Item {
        mark: marks.join(", "),
        text,
        notes: Vec::new(),
    };
    once.into_iter().map(item).collect()
}

/// What blocks first, then what somebody accepted, then the rest.
fn findings(plan: &FixPlan, now: Timestamp) -> [(&'static str, Vec<Item>); 4] {
    let stopping: BTreeSet<&str> = plan.stopping(now).map(|found| found.id.as_str()).collect();
    let stops = |found: &Finding| stopping.contains(found.id.as_str());
    let waived = |found: &Finding| !stops(found) && found.waiver.is_some();
    let rest = |found: &Finding| !stops(found) && found.waiver.is_none();
    let of = |is: &dyn Fn(&Finding) -> bool| -> Vec<Item> {
        together(plan.findings.iter().filter(|found| is(found)))
    };
    [
        ("Blocking", of(&stops)),
        ("Waived", of(&waived)),
        ("Warnings", of(&|found| rest(found) && found.level == FindingLevel::Warning)),
        ("For information", of(&|found| rest(found) && found.level == FindingLevel::Info)),
    ]
}

/// Findings that say the same of several places are one item. Each keeps its name: waivers need it.
fn together<'a>(findings: impl Iterator<Item = &'a Finding>) -> Vec<Item> {
    let mut items: Vec<(Item, Vec<String>)> = Vec::new();
    for found in findings {
        let new = item(found);
        let same = |known: &Item| known.text == new.text && known.notes == new.notes;
        match items.iter_mut().find(|(known, _)| same(known)) {
            Some((_, others)) => others.push(new.mark),
            None => items.push((new, Vec::new())),
        }
    }
    let told = |(mut item, others): (Item, Vec<String>)| {
        if !others.is_empty() {
            item.notes.push(format!("the same: {}", others.join(", ")));
        }
        item
    };
    items.into_iter().map(told).collect()
}

fn item(found: &Finding) -> Item {
    let mut notes = Vec::new();
    if let Some(waiver) = &found.waiver {
        let until = waiver.expires.map_or_else(String::new, |end| format!(" until {end}"));
        notes.push(format!("waived by {}{until}: {}", waiver.by, waiver.reason));
    }
    if found.level == FindingLevel::Blocking && !found.waivable {
        notes.push("no waiver helps: mend the request".to_owned());
    }
    Item { mark: found.id.to_string(), text: found.message.clone(), notes }
}

fn not_made(plan: &FixPlan) -> Vec<Item> {
    let item = |check: &fleetfix_model::document::finding::PlanCheck| Item {
        mark: check.name.clone(),
        text: check.reason.clone().unwrap_or_else(|| "no reason given".to_owned()),
        notes: Vec::new(),
    };
    plan.checks.iter().filter(|check| check.state == CheckState::NotMade).map(item).collect()
}

#[cfg(test)]
mod tests {
    use fleetfix_model::document::plan::AlongCommit;
    use fleetfix_model::document::{self, FixPlan};

    use super::*;

    #[test]
    fn commits_that_are_not_shown_are_counted() {
        let golden = include_bytes!("../../../fleetfix-model/tests/goldens/fix-plan.json");
        let plan: FixPlan = document::from_canonical("plan", golden).unwrap();
        let commit = "a".repeat(40).parse().unwrap();
        let one = AlongCommit { commit, title: "Something".to_owned() };
        // Those that the plan lists, those that it only counts; what is told.
        let table = [(0, 0, None), (20, 0, None), (25, 0, Some("5")), (100, 300, Some("380"))];
        for (listed, counted, told) in table {
            let mut of = plan.fixes[0].clone();
            (of.along, of.along_more) = (vec![one.clone(); listed], counted);
            let notes = fix(&of).notes;
            let last = notes.last().filter(|note| note.starts_with("and "));
            let told = told.map(|more| format!("and {more} more commits come along"));
            assert_eq!(last, told.as_ref(), "{listed} and {counted}");
        }
    }
}
