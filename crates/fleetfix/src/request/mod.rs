//! `fleetfix request new`: a fix request from a few flags and a git repository.
//!
//! What a repository knows is not typed in again: in which release branches the pull requests
//! landed, as which commits, who wrote them, which lines have them from the start. The rest has
//! defaults that stand in the file, to be read and mended.

mod derive;
mod document;

use std::path::PathBuf;
use std::str::FromStr;

use clap::Subcommand;
use fleetfix_model::document::FixRequest;
use fleetfix_model::name::{Commit, ComponentTag, FixId, ImagePath, PrincipalName, Ticket};
use fleetfix_model::{HostedPlatform, Minor, Reference, Version};
use fleetfix_task::{Context, Failure, Outcome, file};
use serde::Deserialize;
use serde::de::IntoDeserializer;
use serde::de::value::Error as Unknown;
use serde_json::json;

use derive::Derived;

/// Requests.
#[derive(Debug, clap::Args)]
pub struct Args {
    #[command(subcommand)]
    what: What,
}

#[derive(Debug, Subcommand)]
enum What {
    /// Write a request from a git repository and a few flags
    New(Box<NewArgs>),
}

/// What a request is derived from.
#[derive(Debug, clap::Args)]
struct NewArgs {
    /// Pull request that the fix is; its backports are found; repeatable
    #[arg(
        long = "pr",
        env = "FLEETFIX_PR",
        value_name = "NUMBER",
        value_delimiter = ',',
        required_unless_present = "commits"
    )]
    numbers: Vec<u64>,
    /// Commit to build a line's fix from, where it is not the merge of the pull requests; repeatable
    #[arg(long = "minor-commit", env = "FLEETFIX_MINOR_COMMIT", value_name = "MINOR=COMMIT", value_delimiter = ',', value_parser = keyed::<Minor, Commit>)]
    commits: Vec<(Minor, Commit)>,
    /// Platform that is affected; repeatable
    #[arg(long = "platform", env = "FLEETFIX_PLATFORM", value_name = "PLATFORM", value_delimiter = ',', value_parser = platform, required = true)]
    platforms: Vec<HostedPlatform>,
    /// The payload tag, or the workload's name
    #[arg(long, value_name = "TAG", env = "FLEETFIX_COMPONENT")]
    component: ComponentTag,
    /// Git repository of the component's source; bare is enough
    #[arg(long, value_name = "DIR", env = "FLEETFIX_GIT")]
    git: PathBuf,
    /// Branch that release branches are made from; default: main, else master
    #[arg(long, env = "FLEETFIX_MAIN", value_name = "BRANCH")]
    main: Option<String>,
    /// File to replace, and where its content lies: `/usr/bin/app=out/{minor}/{arch}/app`; repeatable
    #[arg(long = "file", env = "FLEETFIX_FILE", value_name = "PATH=FROM", value_delimiter = ',', value_parser = keyed::<ImagePath, String>)]
    files: Vec<(ImagePath, String)>,
    /// Finished image of a line, instead of files; repeatable
    #[arg(long = "minor-image", env = "FLEETFIX_MINOR_IMAGE", value_name = "MINOR=REF", value_delimiter = ',', value_parser = keyed::<Minor, Reference>, conflicts_with = "files")]
    images: Vec<(Minor, Reference)>,
    /// Only these release lines; default: every one that the pull requests landed in
    #[arg(long = "minor", env = "FLEETFIX_MINOR", value_name = "MINOR", value_delimiter = ',')]
    minors: Vec<Minor>,
    /// First affected version of a line; default: its `.0`; repeatable
    #[arg(long, env = "FLEETFIX_INTRODUCED", value_name = "VERSION", value_delimiter = ',')]
    introduced: Vec<Version>,
    /// First version of a line whose payload has the fix, where it is known; repeatable
    #[arg(long, env = "FLEETFIX_FIXED_IN", value_name = "VERSION", value_delimiter = ',')]
    fixed_in: Vec<Version>,
    /// Ticket; default: those that the titles of the pull requests start with; repeatable
    #[arg(long = "ticket", env = "FLEETFIX_TICKET", value_name = "TICKET", value_delimiter = ',')]
    tickets: Vec<Ticket>,
    /// Identity of the fix; default: the first ticket
    #[arg(long, env = "FLEETFIX_ID", value_name = "ID")]
    id: Option<FixId>,
    /// One line for people; default: the title of the first pull request
    #[arg(long, env = "FLEETFIX_TITLE", value_name = "TEXT")]
    title: Option<String>,
    /// Who asks for the fix
    #[arg(long, env = "FLEETFIX_REQUESTER", value_name = "NAME")]
    requester: Option<PrincipalName>,
    /// URL of the source repository; reverts that name a pull request of an unrelated one do not count then
    #[arg(long, env = "FLEETFIX_SOURCE", value_name = "URL")]
    source: Option<String>,
    /// Release image of a version, `{version}` in it; repeatable
    #[arg(long = "payload-template", value_name = "REF", env = "FLEETFIX_PAYLOAD_TEMPLATE")]
    payload_templates: Vec<String>,
    /// Days from today for which the bundle is good
    #[arg(long, env = "FLEETFIX_VALID_DAYS", value_name = "N", default_value_t = 90, value_parser = clap::value_parser!(u16).range(1..=3650))]
    valid_days: u16,
    /// Where the request is written, YAML; a file that is there is not overwritten
    #[arg(long, value_name = "FILE", env = "FLEETFIX_REQUEST")]
    request: PathBuf,
}

impl Args {
    /// Writes the request.
    pub fn run(self, context: &Context) -> Result<Outcome, Failure> {
        match self.what {
            What::New(args) => args.run(context),
        }
    }
}

impl NewArgs {
    fn run(&self, context: &Context) -> Result<Outcome, Failure> {
        let name = self.request.display().to_string();
        if self.request.exists() {
            return Err(Failure::input("is there already")
                .about(&name)
                .hint("name another file, or take it away"));
        }
        context.step(format_args!("reading the history in {}", self.git.display()));
        let derived = Derived::read(self)?;
        let chosen = document::deliver(self, &derived)?;
        let notes: Vec<&String> = derived.notes.iter().chain(&chosen.notes).collect();
        for note in &notes {
            context.step(note);
        }
        let text = document::write(self, &derived, &chosen, context.now)?;
        // What is written is a request, or it is not written.
        let request: FixRequest = fleetfix_model::document::from_yaml(&name, text.as_bytes())?;
        file::write_atomic(&self.request, text.as_bytes())?;
        let minors: Vec<String> = derived.fixes.keys().map(ToString::to_string).collect();
        let unaffected: Vec<String> = derived.unaffected.keys().map(ToString::to_string).collect();
        Ok(Outcome::json(&json!({
            "request": name,
            "id": request.fix_id(),
            "minors": minors,
            "unaffected": unaffected,
            "notes": notes,
        }))?)
    }
}

/// `KEY=VALUE`.
fn keyed<K: FromStr, V: FromStr>(text: &str) -> Result<(K, V), String>
where
    K::Err: std::fmt::Display,
    V::Err: std::fmt::Display,
{
    let (key, value) = text.split_once('=').ok_or("expected KEY=VALUE")?;
    let key = key.parse().map_err(|e: K::Err| e.to_string())?;
    Ok((key, value.parse().map_err(|e: V::Err| e.to_string())?))
}

/// A platform in HyperShift's spelling, capital letters or not.
fn platform(text: &str) -> Result<HostedPlatform, String> {
    let all =
        ["AWS", "Azure", "GCP", "Agent", "IBMCloud", "KubeVirt", "None", "OpenStack", "PowerVS"];
    let known = all.into_iter().find(|known| known.eq_ignore_ascii_case(text));
    let known = known.ok_or_else(|| format!("expected one of {}", all.join(", ")))?;
    let read: Result<_, Unknown> = HostedPlatform::deserialize(known.into_deserializer());
    read.map_err(|e| e.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn platforms_in_any_case() {
        assert_eq!(platform("aws"), Ok(HostedPlatform::Aws));
        assert_eq!(platform("KUBEVIRT"), Ok(HostedPlatform::KubeVirt));
        assert!(platform("vmware").unwrap_err().contains("expected one of AWS, Azure"));
    }

    #[test]
    fn pairs() {
        let pair = keyed::<Minor, Commit>(&format!("4.20={}", "a".repeat(40))).unwrap();
        assert_eq!(pair.0.to_string(), "4.20");
        for bad in ["4.20", "4.20=", "=aa", "4=aaaa"] {
            assert!(keyed::<Minor, Commit>(bad).is_err(), "{bad}");
        }
        let file = keyed::<ImagePath, String>("/usr/bin/app=out/{minor}/a=b").unwrap();
        assert_eq!(file.1, "out/{minor}/a=b");
    }
}
