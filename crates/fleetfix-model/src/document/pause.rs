//! A pause: the quick brake of one channel.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{document, line, sorted_unique};
use crate::name::{ChannelName, PrincipalName};
use crate::{Digest, Timestamp};

document! {
    /// A TUF target, `pause.<name>.json`, whose role has a threshold of one: anybody on call may
    /// brake. An entry holds until a later channel, signed by the threshold, resumes it by name.
    Pause, PauseKind {
        /// The channel.
        channel: ChannelName,
        /// The bundles that wait, sorted by digest.
        bundles: Vec<PausedBundle>,
    }
    check(this) {
        sorted_unique("bundles", &this.bundles, |b| b.bundle)?;
        for (i, bundle) in this.bundles.iter().enumerate() {
            line(&format!("bundles[{i}].reason"), &bundle.reason)?;
        }
        Ok(())
    }
}

impl Pause {
    /// The name of the TUF target that holds the pauses of a channel.
    pub fn target_name(name: &ChannelName) -> String {
        format!("pause.{name}.json")
    }
}

/// One bundle that waits.
#[derive(Clone, Debug, Deserialize, Eq, JsonSchema, PartialEq, Serialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct PausedBundle {
    /// Digest of the bundle's manifest.
    pub bundle: Digest,
    /// Who braked.
    pub by: PrincipalName,
    /// Why.
    pub reason: String,
    /// When.
    pub issued: Timestamp,
}
