//! `fleetfix build`: a request through the whole chain, into layouts below one directory.
//!
//! ```text
//! DIR/keys/        keys and policy, made here unless given
//! DIR/plan.json    the plan
//! DIR/build/       patched images and the bundle, before anybody approved
//! DIR/approvals/   one signed approval per approver
//! DIR/root.json    the trust root: the one file that a verifier needs
//! DIR/fleet/       what the fleet reads: images, bundles, channels
//! DIR/tuf/         the channel as an ordinary TUF repository
//! DIR/state/       what the verifier remembers
//! DIR/publisher-state/  what the publisher remembers
//! ```

use std::collections::BTreeSet;
use std::fmt::Write as _;
use std::path::{Path, PathBuf};

use fleetfix_model::document::{self, FixPlan, FixRequest};
use fleetfix_model::name::{ChannelName, PrincipalName};
use fleetfix_model::{Reference, Repository};
use fleetfix_task::{Context, Failure, Outcome, file};
use serde_json::{Value, json};

use crate::chain::{Chain, flags};
use crate::keys::KeyDirectory;

/// The fleet that images are signed for where none is named. `.example` never resolves (RFC 2606).
pub const DEFAULT_FLEET: &str = "fleet.example/fleetfix";

/// Plan to publish on one machine, into layouts, with no server.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// The fix request, YAML.
    #[arg(value_name = "REQUEST")]
    pub request: PathBuf,
    /// Directory to write to.
    #[arg(long, env = "FLEETFIX_DIR", value_name = "DIR")]
    pub dir: PathBuf,
    /// Directory of keys and `policy.yaml`; default: throwaway ones made in `DIR/keys`.
    #[arg(long, env = "FLEETFIX_KEYS", value_name = "DIR")]
    pub keys: Option<PathBuf>,
    /// File with the password of the keys, where they are encrypted.
    #[arg(long, env = "FLEETFIX_KEY_PASSWORD_FILE", value_name = "FILE", requires = "keys")]
    pub key_password_file: Option<PathBuf>,
    /// Registry and path under which the fleet will find all of it: the identity in signatures.
    #[arg(long, env = "FLEETFIX_FLEET", value_name = "REGISTRY/PATH", default_value = DEFAULT_FLEET)]
    pub fleet: Repository,
    /// The channel to publish to.
    #[arg(long, env = "FLEETFIX_CHANNEL", value_name = "NAME", default_value = "stable")]
    pub channel: ChannelName,
    /// Read NAME and all below it from PLACE: `quay.io/a/b=oci:DIR` or `quay.io/a/b=registry/path`.
    #[arg(long, env = "FLEETFIX_MIRROR", value_delimiter = ',', value_name = "NAME=PLACE")]
    pub mirror: Vec<String>,
}

/// What a build made.
#[derive(Debug)]
pub struct Built {
    result: Value,
    program: String,
    commands: Vec<String>,
}

impl Built {
    /// What was done and how to go on, for people; the last line is the result as JSON.
    pub fn story(&self, dir: &Path) -> String {
        let mut text = String::from("What was run:\n\n");
        // Writing to a string does not fail.
        for command in &self.commands {
            let _ = writeln!(text, "  {command}");
        }
        let get = |name: &str| self.result.get(name).and_then(Value::as_str).unwrap_or_default();
        let _ = write!(
            text,
            "\nAll of it lies in {}. To go on, verify it again, down from the root file:\n\n  \
             {program} verify channel {channel} --root {root} --output table\n  \
             {program} verify image {image} --root {root} --output table\n\n",
            dir.display(),
            program = self.program,
            channel = get("channel"),
            image = get("image"),
            root = get("root"),
        );
        let _ = writeln!(text, "{}", self.result);
        text
    }
}

impl Args {
    /// Runs the chain.
    pub async fn run(self, context: &Context) -> Result<Outcome, Failure> {
        let built = Box::pin(self.build(context)).await?;
        Ok(Outcome::json(&built.result)?)
    }

    /// Runs the chain; every step is a task with the flags that a shell would give it.
    pub(crate) async fn build(&self, context: &Context) -> Result<Built, Failure> {
        let dir = &self.dir;
        let path = |name: &str| dir.join(name).display().to_string();
        // What is wrong with the request is said before anything is written.
        let yaml = file::read_bounded(&self.request, fleetfix_model::yaml::MAX_SIZE as u64)?;
        let asked: FixRequest = document::from_yaml(&self.request.display().to_string(), &yaml)?;
        let keys = match &self.keys {
            Some(keys) => KeyDirectory::open(keys)?,
            None => KeyDirectory::create(&dir.join("keys"), &named(&asked))?,
        };
        for name in ["build", "approvals", "fleet"] {
            std::fs::create_dir_all(dir.join(name))
                .map_err(|source| fleetfix_task::Error::Write { path: dir.join(name), source })?;
        }
        let mirrors: Vec<String> = self.mirror.iter().map(|m| format!("--mirror={m}")).collect();
        let request = self.request.display().to_string();
        let files = match self.request.parent() {
            Some(parent) if !parent.as_os_str().is_empty() => parent.display().to_string(),
            _ => ".".to_owned(),
        };
        let mut chain = Chain::new(context);

        let mut args = flags(&[("--request", request.clone()), ("--plan", path("plan.json"))]);
        args.extend(mirrors.iter().cloned());
        chain.step::<fleetfix_plan::Args>("plan", &args).await?;
        let plan = file::read_bounded(&dir.join("plan.json"), document_cap())?;
        let plan: FixPlan = document::from_canonical(&path("plan.json"), &plan)?;

        let images = format!("oci:{}", path("build"));
        let fleet = format!("oci:{}", path("fleet"));
        let plan_file = ("--plan", path("plan.json"));
        let from = ("--from", images.clone());

        let mut args = flags(&[plan_file.clone(), ("--files", files), ("--to", images.clone())]);
        args.extend(mirrors.iter().cloned());
        let patched = chain.step::<fleetfix_patch::Args>("patch", &args).await?;

        for (_, builder) in keys.of("builder")? {
            let key = ("--key", builder);
            let mut args = flags(&[
                plan_file.clone(),
                from.clone(),
                ("--fleet", self.fleet.to_string()),
                key.clone(),
            ]);
            args.extend(self.password());
            chain.step::<fleetfix_sign::Args>("sign", &args).await?;
            let mut args = flags(&[plan_file.clone(), from.clone(), key]);
            args.extend(mirrors.iter().cloned());
            args.extend(self.password());
            chain.step::<fleetfix_attest::Args>("attest", &args).await?;
        }

        let args =
            flags(&[plan_file, ("--request", request), from, ("--fleet", self.fleet.to_string())]);
        let bundle = chain.step::<fleetfix_bundle::Args>("bundle", &args).await?;
        let bundle = text(&bundle, "/bundle")?;
        let reference: Reference =
            bundle.parse().map_err(|e| Failure::new(fleetfix_model::Class::Bug, e))?;
        let digest = reference
            .digest
            .ok_or_else(|| Failure::new(fleetfix_model::Class::Bug, "no digest"))?;

        let approvals = self.approve(&mut chain, &keys, &bundle, &digest.short()).await?;
        self.publish(&mut chain, &keys, &bundle, approvals, &fleet).await?;

        let channel = format!("{fleet}/channels:current");
        let root = path("root.json");
        let args = [
            vec!["channel".to_owned(), channel.clone()],
            flags(&[("--root", root.clone()), ("--state", path("state"))]),
        ]
        .concat();
        let verdict = chain.step::<fleetfix_verify::Args>("verify", &args).await?;

        let fleet: Repository =
            fleet.parse().map_err(|e| Failure::new(fleetfix_model::Class::Bug, e))?;
        let bundle = below(&fleet, "bundles")?.at(digest).to_string();
        let image = text(&patched, "/images/0/digest")?;
        let image = format!("{}@{image}", below(&fleet, plan.component.as_str())?);
        let result = json!({
            "root": root, "channel": channel, "bundle": bundle, "image": image,
            "outcome": verdict.get("outcome"), "tuf": path("tuf"), "dir": dir.display().to_string(),
        });
        Ok(Built {
            result,
            program: chain.program().to_owned(),
            commands: chain.commands().to_vec(),
        })
    }

    /// One approval per approver. One that was given is kept: a run again changes nothing.
    async fn approve(
        &self,
        chain: &mut Chain<'_>,
        keys: &KeyDirectory,
        bundle: &str,
        short: &str,
    ) -> Result<Vec<String>, Failure> {
        let mut approvals = Vec::new();
        for (name, key) in keys.of("approver")? {
            let approval = self.dir.join(format!("approvals/{name}-{short}.json"));
            approvals.push(approval.display().to_string());
            if approval.exists() {
                continue;
            }
            let mut args = flags(&[
                ("--bundle", bundle.to_owned()),
                ("--principal", name),
                ("--channel", self.channel.to_string()),
                ("--reason", "built and approved on one machine".to_owned()),
                ("--key", key),
                ("--approval", approval.display().to_string()),
            ]);
            args.extend(self.password());
            chain.step::<ApproveTask>("approve", &args).await?;
        }
        Ok(approvals)
    }

    async fn publish(
        &self,
        chain: &mut Chain<'_>,
        keys: &KeyDirectory,
        bundle: &str,
        approvals: Vec<String>,
        fleet: &str,
    ) -> Result<(), Failure> {
        let path = |name: &str| self.dir.join(name).display().to_string();
        let each = |flag: &str, role: &str| -> Result<Vec<String>, Failure> {
            Ok(keys.of(role)?.into_iter().map(|(_, file)| format!("{flag}={file}")).collect())
        };
        let common = flags(&[
            ("--to", fleet.to_owned()),
            ("--channel", self.channel.to_string()),
            ("--root", path("root.json")),
            ("--tuf-dir", path("tuf")),
            ("--online-key", keys.one("online")),
        ]);
        let publishers = each("--publisher-key", "publisher")?;
        // What is there already stays as it is.
        let args = [
            vec!["init".to_owned()],
            common.clone(),
            flags(&[("--fleet", self.fleet.to_string()), ("--policy", keys.policy())]),
            each("--root-key", "root")?,
            each("--policy-key", "policy")?,
            each("--pause-key", "pause")?,
            publishers.clone(),
            self.password(),
        ];
        chain.step::<fleetfix_publish::Args>("publish", &args.concat()).await?;
        let args = [
            vec!["bundle".to_owned()],
            common,
            flags(&[
                ("--bundle", bundle.to_owned()),
                ("--release-key", keys.one("release")),
                ("--state", path("publisher-state")),
            ]),
            approvals.into_iter().map(|file| format!("--approval={file}")).collect(),
            publishers,
            self.password(),
        ];
        chain.step::<fleetfix_publish::Args>("publish", &args.concat()).await?;
        Ok(())
    }

    fn password(&self) -> Vec<String> {
        let file = self.key_password_file.as_ref();
        file.map_or_else(Vec::new, |file| vec![format!("--key-password-file={}", file.display())])
    }
}

/// Whom the request names as having a part in the fix.
fn named(request: &FixRequest) -> BTreeSet<PrincipalName> {
    let authors = request.fixes.iter().flat_map(|fix| &fix.authors);
    request.requester.iter().chain(authors).cloned().collect()
}

/// `fleetfix approve` as a task of its own, so that the chain can parse its flags.
#[derive(Debug, clap::Parser)]
struct ApproveTask {
    #[command(flatten)]
    args: crate::approve::Args,
}

impl fleetfix_task::Task for ApproveTask {
    async fn run(self, context: &Context) -> Result<Outcome, Failure> {
        self.args.run(context).await
    }
}

fn document_cap() -> u64 {
    fleetfix_model::canonical::MAX_SIZE as u64
}

fn below(fleet: &Repository, path: &str) -> Result<Repository, Failure> {
    let path = path.parse().map_err(|e| Failure::new(fleetfix_model::Class::Bug, e))?;
    Ok(fleet.below(&path))
}

/// A string of a task's result.
fn text(value: &Value, pointer: &str) -> Result<String, Failure> {
    let found = value.pointer(pointer).and_then(Value::as_str).map(str::to_owned);
    found.ok_or_else(|| {
        Failure::new(fleetfix_model::Class::Bug, format!("no {pointer} in the result of a task"))
    })
}
