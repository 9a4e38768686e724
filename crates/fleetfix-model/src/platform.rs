//! Platforms of images, and platforms that clusters are hosted on.

use std::fmt;
use std::str::FromStr;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// What an image runs on, written `os/architecture[/variant]` with Go's names
/// (image-spec v1.1 image-index.md).
#[derive(Clone, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub struct Platform {
    /// Operating system, `linux` for all of OpenShift's images.
    pub os: String,
    /// CPU architecture, such as `amd64`.
    pub architecture: String,
    /// CPU variant, such as `v8`, where the image says one.
    pub variant: Option<String>,
}

/// A string that is not a platform.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
#[error("`{found}` is not a platform; expected `os/architecture` or `os/architecture/variant`")]
pub struct NotAPlatform {
    /// What stood there.
    pub found: String,
}

impl Platform {
    /// `linux` on `architecture`.
    pub fn linux(architecture: impl Into<String>) -> Self {
        Self { os: "linux".into(), architecture: architecture.into(), variant: None }
    }
}

impl fmt::Display for Platform {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.os, self.architecture)?;
        match &self.variant {
            Some(variant) => write!(f, "/{variant}"),
            None => Ok(()),
        }
    }
}

impl FromStr for Platform {
    type Err = NotAPlatform;

    fn from_str(s: &str) -> Result<Self, NotAPlatform> {
        let refuse = || NotAPlatform { found: s.chars().take(100).collect() };
        let word = |part: &str| {
            let spelled = !part.is_empty()
                && part
                    .bytes()
                    .all(|b| b.is_ascii_alphanumeric() || matches!(b, b'.' | b'_' | b'-'));
            spelled.then(|| part.to_owned()).ok_or_else(refuse)
        };
        let mut parts = s.split('/');
        let os = word(parts.next().unwrap_or_default())?;
        let architecture = word(parts.next().unwrap_or_default())?;
        let variant = parts.next().map(word).transpose()?;
        if parts.next().is_some() {
            return Err(refuse());
        }
        Ok(Self { os, architecture, variant })
    }
}

crate::name::string_form!(
    Platform,
    "Platform",
    "^[A-Za-z0-9._-]+/[A-Za-z0-9._-]+(/[A-Za-z0-9._-]+)?$",
    "Platform of an image, os/architecture[/variant]."
);

/// The infrastructure a hosted cluster stands on: `spec.platform.type` of a HostedCluster, in
/// HyperShift's own spelling (`api/hypershift/v1beta1/hostedcluster_types.go`, `PlatformType`).
#[derive(
    Clone, Copy, Debug, Deserialize, Eq, Hash, JsonSchema, Ord, PartialEq, PartialOrd, Serialize,
)]
pub enum HostedPlatform {
    /// Amazon Web Services (ROSA).
    #[serde(rename = "AWS")]
    Aws,
    /// Microsoft Azure (ARO).
    Azure,
    /// Google Cloud.
    #[serde(rename = "GCP")]
    Gcp,
    /// Agents on bare metal.
    Agent,
    /// IBM Cloud.
    #[serde(rename = "IBMCloud")]
    IbmCloud,
    /// KubeVirt virtual machines.
    KubeVirt,
    /// No provider integration.
    None,
    /// OpenStack.
    OpenStack,
    /// IBM Power VS.
    #[serde(rename = "PowerVS")]
    PowerVs,
}

impl HostedPlatform {
    /// HyperShift's spelling.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Aws => "AWS",
            Self::Azure => "Azure",
            Self::Gcp => "GCP",
            Self::Agent => "Agent",
            Self::IbmCloud => "IBMCloud",
            Self::KubeVirt => "KubeVirt",
            Self::None => "None",
            Self::OpenStack => "OpenStack",
            Self::PowerVs => "PowerVS",
        }
    }
}

impl fmt::Display for HostedPlatform {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn round_trip() {
        for s in ["linux/amd64", "linux/arm64/v8"] {
            assert_eq!(s.parse::<Platform>().unwrap().to_string(), s);
        }
        for s in ["", "linux", "linux/", "/amd64", "linux/arm64/v8/x", "linux/a b"] {
            assert!(s.parse::<Platform>().is_err(), "{s:?}");
        }
    }

    #[test]
    fn wire_name_is_the_display_name() {
        use HostedPlatform as P;
        for p in [
            P::Aws,
            P::Azure,
            P::Gcp,
            P::Agent,
            P::IbmCloud,
            P::KubeVirt,
            P::None,
            P::OpenStack,
            P::PowerVs,
        ] {
            assert_eq!(serde_json::to_value(p).unwrap(), p.as_str());
        }
    }
}
