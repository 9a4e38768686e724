//! `fleetfix import`: what others wrote by hand, as requests.

use std::collections::BTreeMap;
use std::path::PathBuf;

use clap::Subcommand;
use fleetfix_hypershift::catalogue::HYPERSHIFT;
use fleetfix_hypershift::overrides::{self, Entry, Overrides};
use fleetfix_model::document::{self, FixRequest};
use fleetfix_model::name::Ticket;
use fleetfix_model::{HostedPlatform, Minor, Reference, Version};
use fleetfix_plan::yaml::render;
use fleetfix_task::{Context, Failure, Outcome, file};
use serde_json::{Value, json};

use crate::overrides_file::OverridesFile;

/// Turn a file of others into requests.
#[derive(Debug, clap::Args)]
pub struct Args {
    #[command(subcommand)]
    what: What,
}

#[derive(Debug, Subcommand)]
enum What {
    /// The HyperShift operator's overrides.yaml: one request for each ticket, with finished images
    Overrides(OverridesArgs),
}

#[derive(Debug, clap::Args)]
struct OverridesArgs {
    #[command(flatten)]
    file: OverridesFile,
    /// Directory to write the requests to, `ID.yaml` each
    #[arg(long, env = "FLEETFIX_DIR", value_name = "DIR")]
    dir: PathBuf,
    /// Ticket of the entries that no comment names one for
    #[arg(long, env = "FLEETFIX_TICKET", value_name = "TICKET")]
    ticket: Option<Ticket>,
}

/// Annotation of a request: what the comments around its entries say.
const REMARKS: &str = "fleetfix.openshift.io/remarks";

impl Args {
    /// Imports.
    pub fn run(self, context: &Context) -> Result<Outcome, Failure> {
        match self.what {
            What::Overrides(args) => args.run(context),
        }
    }
}

/// The entries of one request: at most one image in a release line.
#[derive(Debug, Default)]
struct Group {
    tickets: Vec<Ticket>,
    images: BTreeMap<Minor, Reference>,
    versions: BTreeMap<(HostedPlatform, Minor), Vec<Version>>,
    remarks: Vec<String>,
}

impl OverridesArgs {
    fn run(self, context: &Context) -> Result<Outcome, Failure> {
        let overrides = self.file.read()?;
        let groups = self.groups(&overrides)?;
        std::fs::create_dir_all(&self.dir)
            .map_err(|e| Failure::input(format!("{}: {}", self.dir.display(), e.kind())))?;
        let mut written = Vec::new();
        for (id, group) in named(groups) {
            let request = group.request(&id);
            let text = render(&request);
            let path = self.dir.join(format!("{id}.yaml"));
            // What is written is a request, or it is not written.
            document::from_yaml::<FixRequest>(&path.display().to_string(), text.as_bytes())?;
            written.push((path, text, group.versions.values().map(Vec::len).sum::<usize>()));
        }
        let mut files = Vec::new();
        for (path, text, entries) in written {
            file::write_atomic(&path, text.as_bytes())?;
            context.step(format_args!("{}: {entries} entries", path.display()));
            files.push(json!({"file": path.display().to_string(), "entries": entries}));
        }
        let findings = overrides::lint(&overrides, None)?;
        for finding in &findings {
            context.step(format_args!("{}: {}", finding.level, finding.message));
        }
        Ok(Outcome::json(&json!({"requests": files, "findings": findings}))?)
    }

    fn groups(&self, overrides: &Overrides) -> Result<Vec<Group>, Failure> {
        let mut groups: Vec<Group> = Vec::new();
        let mut nameless = Vec::new();
        for entry in overrides.entries() {
            let (version, image) = parsed(overrides, entry)?;
            let tickets: Vec<Ticket> =
                entry.tickets.iter().filter_map(|ticket| ticket.parse().ok()).collect();
            let tickets = match (tickets.is_empty(), &self.ticket) {
                (false, _) => tickets,
                (true, Some(ticket)) => vec![ticket.clone()],
                (true, None) => {
                    nameless.push(entry.line.to_string());
                    continue;
                }
            };
            let minor = version.minor();
            let fits = |group: &Group| {
                group.tickets == tickets && group.images.get(&minor).is_none_or(|i| *i == image)
            };
            let at = groups.iter().position(fits).unwrap_or(groups.len());
            if at == groups.len() {
                groups.push(Group { tickets, ..Group::default() });
            }
            if let Some(group) = groups.get_mut(at) {
                group.add(entry, version, image);
            }
        }
        if !nameless.is_empty() {
            let lines = nameless.join(", ");
            return Err(Failure::input(format!(
                "{}: no comment names a ticket for the entries of lines {lines}",
                self.file.name()
            ))
            .hint("give one with --ticket"));
        }
        Ok(groups)
    }
}

/// The version and the image of an entry. What the operator would ignore is no fix that could be
/// imported.
fn parsed(overrides: &Overrides, entry: &Entry) -> Result<(Version, Reference), Failure> {
    let about = |field: &str, why: String| {
        let Entry { platform, version, line, .. } = entry;
        let file = overrides.file();
        Failure::input(format!("{file}:{line}: {platform} {version}: field `{field}`: {why}"))
            .hint("see `fleetfix lint overrides`")
    };
    let version: Version = entry.version.parse().map_err(|e| about("version", format!("{e}")))?;
    let image: Reference = entry.image.parse().map_err(|e| about("cpoImage", format!("{e}")))?;
    if version.to_string() != entry.version || image.to_string() != entry.image {
        return Err(about("version", "is not spelled as it is looked up".to_owned()));
    }
    let others = overrides.entries().iter();
    let same =
        others.filter(|e| e.platform == entry.platform && e.version == entry.version).count();
    if same > 1 {
        return Err(about("version", format!("stands there {same} times")));
    }
    Ok((version, image))
}

/// Each group with an id of its own: its first ticket, with a number where there are several.
fn named(groups: Vec<Group>) -> Vec<(String, Group)> {
    let mut used: BTreeMap<String, u32> = BTreeMap::new();
    let mut named = Vec::new();
    for group in groups {
        let Some(ticket) = group.tickets.first() else { continue };
        let count = used.entry(ticket.to_string()).or_default();
        *count += 1;
        let id = if *count == 1 { ticket.to_string() } else { format!("{ticket}-{count}") };
        named.push((id, group));
    }
    named
}

impl Group {
    fn add(&mut self, entry: &Entry, version: Version, image: Reference) {
        let minor = version.minor();
        self.images.insert(minor, image);
        self.versions.entry((entry.platform, minor)).or_default().push(version);
        for remark in &entry.remarks {
            if !self.remarks.contains(remark) {
                self.remarks.push(remark.clone());
            }
        }
    }

    fn request(&self, id: &str) -> Value {
        let fixes: Vec<Value> = self
            .images
            .iter()
            .map(|(minor, image)| json!({"minor": minor, "image": image}))
            .collect();
        let affected: Vec<Value> = self
            .versions
            .iter()
            .map(|((platform, _), versions)| {
                let mut versions = versions.clone();
                versions.sort();
                json!({"platform": platform, "introduced": versions.first(), "versions": versions})
            })
            .collect();
        let mut request = json!({
            "apiVersion": document::API_VERSION,
            "kind": "FixRequest",
        });
        if let Value::Object(fields) = &mut request {
            if !self.remarks.is_empty() {
                fields.insert("annotations".into(), json!({REMARKS: self.remarks.join("\n")}));
            }
            fields.insert("id".into(), id.into());
            fields.insert("tickets".into(), json!(self.tickets));
            fields.insert("component".into(), HYPERSHIFT.into());
            fields.insert("fixes".into(), fixes.into());
            fields.insert("affected".into(), affected.into());
        }
        request
    }
}
