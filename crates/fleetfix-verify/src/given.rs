//! What trust starts from, as it was given: a root file, or a policy. One of the two, and none by
//! default.

use std::path::{Path, PathBuf};

use fleetfix_audit::Error;
use fleetfix_audit::channel::Anchor;
use fleetfix_model::document::TrustPolicy;
use fleetfix_model::{Timestamp, document, yaml};
use fleetfix_task::{Failure, file};
use fleetfix_trust::TrustArgs;
use fleetfix_trust::policy::Policy;

/// Largest root file that is read, in bytes.
const MAX_ROOT: u64 = fleetfix_audit::state::MAX_FILE;
/// Why nothing is verified without one of the two.
const NEITHER: &str = "nothing is trusted by default [give --root FILE, the root file of the fleet's channel, or --policy FILE]";

/// A root file.
#[derive(Clone, Debug)]
pub struct Root {
    path: PathBuf,
    bytes: Vec<u8>,
}

/// What was given.
#[derive(Debug)]
pub enum Given {
    /// A root file: the policy comes with the channel.
    Root(Root),
    /// A policy, and no channel.
    Policy(Box<Policy>),
}

impl Root {
    fn read(path: &Path) -> Result<Self, Failure> {
        let bytes = file::read_bounded(path, MAX_ROOT)?;
        Ok(Self { path: path.to_owned(), bytes })
    }

    /// What to follow a channel from.
    pub fn anchor<'a>(&'a self, trust: &'a TrustArgs, now: Timestamp) -> Anchor<'a> {
        Anchor { root: &self.bytes, state: trust.state.as_deref(), now }
    }

    /// Names the file where the root in it is at fault.
    pub fn blame(&self, error: Error) -> Failure {
        let about_root = matches!(error, Error::Root(_));
        let failure = Failure::from(error);
        if about_root { failure.about(self.path.display()) } else { failure }
    }
}

/// Root or policy, whichever was given.
pub fn read(trust: &TrustArgs) -> Result<Given, Failure> {
    match (&trust.root, &trust.policy) {
        (Some(root), None) => Root::read(root).map(Given::Root),
        (None, Some(policy)) => Ok(Given::Policy(Box::new(read_policy(policy)?))),
        (None, None) => Err(Failure::usage(NEITHER)),
        (Some(_), Some(_)) => Err(Failure::usage(
            "--root and --policy are both given: with a root file the policy comes with the channel [leave one of them out]",
        )),
    }
}

/// The root, for what has no meaning without a channel.
pub fn root_only(trust: &TrustArgs) -> Result<Root, Failure> {
    match (&trust.root, &trust.policy) {
        (Some(root), None) => Root::read(root),
        (None, None) => {
            Err(Failure::usage("a channel is never read without a trust root [give --root FILE]"))
        }
        (_, Some(_)) => Err(Failure::usage(
            "the policy comes with the channel [give --root FILE instead of --policy]",
        )),
    }
}

/// A policy as people write it, YAML, or as it stands in a channel, canonical JSON.
fn read_policy(path: &Path) -> Result<Policy, Failure> {
    let text = file::read_bounded(path, yaml::MAX_SIZE as u64)?;
    let name = path.display().to_string();
    let document: TrustPolicy = if text.starts_with(b"{") {
        document::from_canonical(&name, &text)?
    } else {
        document::from_yaml(&name, &text)?
    };
    Policy::new(document).map_err(|error| Failure::from(error).about(name))
}
