//! The request as a file: what was derived, and from what, in comments.

use std::collections::BTreeSet;
use std::fmt::Write as _;

use fleetfix_hypershift::delivery::{self, Place};
use fleetfix_hypershift::{Catalogue, impact};
use fleetfix_model::document::delivery::DeliveryMethod;
use fleetfix_model::document::finding::Finding;
use fleetfix_model::name::Ticket;
use fleetfix_model::{Minor, Timestamp, Version};
use fleetfix_plan::yaml;
use fleetfix_task::Failure;
use serde_json::{Map, Value, json};

use super::NewArgs;
use super::derive::{Derived, Fix};

/// Seconds of a day.
const DAY: i64 = 86_400;

/// The request as YAML. `now` is only used for the day on which the bundle ends.
pub(super) fn write(
    args: &NewArgs,
    derived: &Derived,
    chosen: &Chosen,
    now: Timestamp,
) -> Result<String, Failure> {
    let tickets = tickets(args, derived);
    if tickets.is_empty() {
        return Err(Failure::usage(
            "no title of a pull request starts with a ticket: name one with --ticket",
        ));
    }
    if args.files.is_empty() && args.images.is_empty() {
        return Err(Failure::usage(
            "name what to replace with --file, or images with --minor-image",
        ));
    }
    only_lines_of_the_fix(args, derived)?;
    let mut request = Map::new();
    let mut put = |name: &str, value: Value| {
        let empty = value.is_null() || value.as_array().is_some_and(Vec::is_empty);
        if !empty {
            request.insert(name.to_owned(), value);
        }
    };
    put("apiVersion", json!("fleetfix.openshift.io/v1alpha1"));
    put("kind", json!("FixRequest"));
    put("id", json!(args.id));
    put("title", json!(args.title.clone().or_else(|| title(derived))));
    put("tickets", json!(tickets));
    put("requester", json!(args.requester));
    put("component", json!(args.component));
    let fixes = derived.fixes.iter().map(|(minor, fix)| one_fix(args, *minor, fix));
    put("fixes", Value::Array(fixes.collect::<Result<_, Failure>>()?));
    put("affected", Value::Array(affected(args, derived)));
    let line = |(minor, reason): (&Minor, &String)| json!({"minor": minor, "reason": reason});
    put("unaffected", derived.unaffected.iter().map(line).collect());
    put("payloadTemplates", json!(args.payload_templates));
    put("delivery", json!(chosen.method));
    let today = now.unix() - now.unix().rem_euclid(DAY);
    let end = now.plus_seconds(today - now.unix() + DAY * i64::from(args.valid_days));
    put("expires", json!(end));

    let mut text = String::new();
    for (minor, fix) in &derived.fixes {
        for told in &fix.told {
            // Writing to a string does not fail.
            let _ = writeln!(text, "# {minor}: {told}");
        }
    }
    for note in derived.notes.iter().chain(&chosen.notes) {
        let _ = writeln!(text, "# look at this: {note}");
    }
    if chosen.differs {
        let _ = writeln!(text, "# the delivery differs by platform or line: the plan decides");
    }
    text.push_str(&yaml::render(&Value::Object(request)));
    Ok(text)
}

/// What a flag says of a release line that has no fix would be lost.
fn only_lines_of_the_fix(args: &NewArgs, derived: &Derived) -> Result<(), Failure> {
    let introduced = args.introduced.iter().map(|v| ("--introduced", v.to_string(), v.minor()));
    let fixed_in = args.fixed_in.iter().map(|v| ("--fixed-in", v.to_string(), v.minor()));
    let images = args.images.iter().map(|(m, image)| ("--minor-image", format!("{m}={image}"), *m));
    let mut seen = BTreeSet::new();
    for (flag, value, minor) in introduced.chain(fixed_in).chain(images) {
        if !derived.fixes.contains_key(&minor) {
            let there: Vec<String> = derived.fixes.keys().map(ToString::to_string).collect();
            return Err(Failure::usage(format!(
                "{flag} {value}: the fix has no line {minor}; it has {} [leave it out, or name what is built there with --minor-commit {minor}=COMMIT]",
                there.join(", ")
            )));
        }
        if !seen.insert((flag, minor)) {
            return Err(Failure::usage(format!("{flag} {value}: {minor} is named twice")));
        }
    }
    Ok(())
}

fn one_fix(args: &NewArgs, minor: Minor, fix: &Fix) -> Result<Value, Failure> {
    let mut value = Map::new();
    value.insert("minor".into(), json!(minor));
    if let Some(source) = &args.source {
        value.insert("source".into(), json!(source));
    }
    value.insert("commit".into(), json!(fix.commit));
    if !fix.pull_requests.is_empty() {
        value.insert("pullRequests".into(), json!(fix.pull_requests));
    }
    if !fix.authors.is_empty() {
        value.insert("authors".into(), json!(fix.authors));
    }
    if args.images.is_empty() {
        let file = |(path, from): &(fleetfix_model::name::ImagePath, String)| json!({"path": path, "from": from.replace("{minor}", &minor.to_string())});
        value.insert("files".into(), args.files.iter().map(file).collect());
    } else {
        let image = args.images.iter().find(|(of, _)| *of == minor).map(|(_, image)| image);
        let image = image.ok_or_else(|| {
            Failure::usage(format!("the fix has a line {minor}: name its image with --minor-image, or leave it out with --minor"))
        })?;
        value.insert("image".into(), json!(image));
    }
    Ok(Value::Object(value))
}

fn affected(args: &NewArgs, derived: &Derived) -> Vec<Value> {
    let of = |versions: &[Version], minor: Minor| {
        versions.iter().find(|version| version.minor() == minor).map(ToString::to_string)
    };
    let platforms: BTreeSet<_> = args.platforms.iter().copied().collect();
    let mut entries = Vec::new();
    for platform in platforms {
        for minor in derived.fixes.keys() {
            let introduced = of(&args.introduced, *minor).unwrap_or_else(|| format!("{minor}.0"));
            let mut entry = json!({"platform": platform, "introduced": introduced});
            if let (Some(fixed), Value::Object(entry)) = (of(&args.fixed_in, *minor), &mut entry) {
                entry.insert("fixedIn".into(), json!(fixed));
            }
            entries.push(entry);
        }
    }
    entries
}

/// The delivery that the rules choose.
#[derive(Debug, Default)]
pub(super) struct Chosen {
    /// It, where it is one for all platforms and lines.
    method: Option<DeliveryMethod>,
    /// True if each platform or line has another one.
    differs: bool,
    /// What people should know of it.
    pub(super) notes: Vec<String>,
}

/// Chooses the delivery. What is wrong with it the plan judges; that it rests on nothing that is known,
/// or that there is none, is said here as well.
pub(super) fn deliver(args: &NewArgs, derived: &Derived) -> Result<Chosen, Failure> {
    let catalogue = Catalogue::built_in()?;
    let tag = catalogue.tag_of_workload(args.component.as_str()).unwrap_or(&args.component);
    let (class, unknown) = impact::class(tag, &catalogue)?;
    let mut methods = BTreeSet::new();
    let mut none = None;
    for platform in &args.platforms {
        for minor in derived.fixes.keys() {
            let place = Place { tag, class, platform: *platform, minor: *minor };
            let (delivery, found) = delivery::choose(place, None)?;
            if delivery.is_none() {
                none = none.or(found.into_iter().next());
            }
            methods.insert(delivery.map(|delivery| delivery.method));
        }
    }
    let guessed = |found: Finding| {
        format!("{}; the delivery is chosen as if customer nodes ran it", found.message)
    };
    let notes = unknown.map(guessed).into_iter().chain(none.map(|found| found.message)).collect();
    let differs = methods.len() > 1;
    let method = if differs { None } else { methods.pop_first().flatten() };
    Ok(Chosen { method, differs, notes })
}

/// What the flags name, else what the titles start with: `OCPBUGS-61296: ...`.
fn tickets(args: &NewArgs, derived: &Derived) -> Vec<Ticket> {
    let mut tickets = args.tickets.clone();
    if tickets.is_empty() {
        tickets = derived.titles.iter().flat_map(|title| named(title)).collect();
    }
    let mut seen = BTreeSet::new();
    tickets.retain(|ticket| seen.insert(ticket.clone()));
    tickets
}

fn named(title: &str) -> Vec<Ticket> {
    let head = title.split_once(':').map(|(head, _)| head).unwrap_or_default();
    head.split([',', ' ', '[', ']']).filter_map(|word| word.parse().ok()).collect()
}

/// The first title, without its tickets and its branch.
fn title(derived: &Derived) -> Option<String> {
    let title = derived.titles.first()?;
    let rest = match title.split_once(':') {
        Some((head, rest)) if !named(title).is_empty() && !head.is_empty() => rest,
        _ => title,
    };
    let rest = rest.trim();
    let rest = match rest.strip_prefix('[').and_then(|rest| rest.split_once(']')) {
        Some((_, rest)) => rest.trim(),
        None => rest,
    };
    Some(rest.to_owned()).filter(|rest| !rest.is_empty())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn titles_and_tickets() {
        let table = [
            (
                "OCPBUGS-63638: [release-4.18] fix(konnectivity): resolve",
                "OCPBUGS-63638",
                "fix(konnectivity): resolve",
            ),
            ("[release-4.20] OCPBUGS-1, OCPBUGS-2: Fix it", "OCPBUGS-1 OCPBUGS-2", "Fix it"),
            ("fix: nothing is named", "", "fix: nothing is named"),
            ("No colon OCPBUGS-1", "", "No colon OCPBUGS-1"),
            ("", "", ""),
        ];
        for (text, tickets, rest) in table {
            let found: Vec<String> = named(text).iter().map(ToString::to_string).collect();
            assert_eq!(found.join(" "), tickets, "{text}");
            let derived = Derived { titles: vec![text.to_owned()], ..Derived::default() };
            assert_eq!(title(&derived).unwrap_or_default(), rest, "{text}");
        }
    }
}
