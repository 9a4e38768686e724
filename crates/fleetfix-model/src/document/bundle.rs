//! The fix bundle: the immutable artifact that names every patched image and where it applies.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::delivery::{Delivery, Impact};
use super::policy::Role;
use super::request::{Excluded, Severity};
use super::rollout::{FixReference, HealthGate, RetireWhen, Rollback, Rollout, Targets};
use super::{Rule, document, line, not_empty, not_our_own, shared, sorted_unique, text, unique};
use crate::name::{Commit, ComponentTag, FixId, RepositoryPath, Tag, Ticket};
use crate::{Descriptor, Digest, HostedPlatform, Minor, Platform, Repository, Timestamp, Version};

document! {
    /// The digest of the OCI manifest around this document is the identity that people approve.
    /// Repositories are named relative to the fleet's prefix, so a mirror of the whole tree needs
    /// no rewriting.
    FixBundle, FixBundleKind {
        /// Identity of the fix.
        id: FixId,
        /// Revision of the fix.
        revision: u32,
        /// One line for people.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        title: Option<String>,
        /// Tickets.
        tickets: Vec<Ticket>,
        /// How bad it is.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        severity: Option<Severity>,
        /// Identity of the incident.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        incident: Option<String>,
        /// The payload tag.
        component: ComponentTag,
        /// Digest of the request's canonical form, a layer of the artifact.
        request: Digest,
        /// Digest of the plan, a layer of the artifact.
        plan: Digest,
        /// Registry and path below which the fleet finds all of it; the identity in signatures.
        fleet: Repository,
        /// The patched images, sorted by index digest.
        images: Vec<PatchedImage>,
        /// Where they apply, sorted by platform and release line.
        affects: Vec<Affects>,
        /// Which clusters are meant.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        targets: Option<Targets>,
        /// The delivery, sorted by platform and release line.
        delivery: Vec<Delivery>,
        /// The impact, sorted by platform and release line.
        impact: Vec<Impact>,
        /// Waves.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        rollout: Option<Rollout>,
        /// Conditions that must hold afterwards.
        #[serde(default, skip_serializing_if = "Vec::is_empty")]
        health_gates: Vec<HealthGate>,
        /// How to go back.
        rollback: Rollback,
        /// Fixes that this one replaces, sorted.
        #[serde(default, skip_serializing_if = "Vec::is_empty")]
        supersedes: Vec<FixReference>,
        /// Fixes that must not be active beside this one, sorted.
        #[serde(default, skip_serializing_if = "Vec::is_empty")]
        conflicts: Vec<FixReference>,
        /// When the bundle is no longer good.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        expires: Option<Timestamp>,
        /// When the fix is no longer needed.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        retire_when: Option<RetireWhen>,
    }
    check(this) {
        if this.fleet.layout_dir().is_some() {
            return Err(Rule::new("fleet", "must be a registry and a path: it is the identity in signatures"));
        }
        not_our_own("component", this.component.as_str())?;
        shared::revision("revision", this.revision)?;
        this.check_texts()?;
        for own in [crate::fleet::BUNDLES, crate::fleet::CHANNELS] {
            room(&this.fleet, "fleet", own.parse().ok().as_ref())?;
        }
        not_empty("images", &this.images)?;
        sorted_unique("images", &this.images, |i| i.index.digest)?;
        unique("images", &this.images, |i| (i.repository.clone(), i.tag.clone()))?;
        sorted_unique("affects", &this.affects, |a| (a.platform, a.minor))?;
        sorted_unique("delivery", &this.delivery, |d| (d.platform, d.minor))?;
        sorted_unique("impact", &this.impact, |i| (i.platform, i.minor))?;
        for (i, image) in this.images.iter().enumerate() {
            not_our_own(&format!("images[{i}].repository"), image.repository.as_str())?;
            room(&this.fleet, &format!("images[{i}].repository"), Some(&image.repository))?;
            not_empty(&format!("images[{i}].platforms"), &image.platforms)?;
            unique(&format!("images[{i}].platforms"), &image.platforms, |p| p.platform.clone())?;
            sorted_unique(&format!("images[{i}].attestations"), &image.attestations, |a| (a.subject, a.predicate_type.clone()))?;
        }
        for (i, affects) in this.affects.iter().enumerate() {
            sorted_unique(&format!("affects[{i}].versions"), &affects.versions, |v| v.version.clone())?;
            for (j, version) in affects.versions.iter().enumerate() {
                if !this.images.iter().any(|image| image.index.digest == version.image) {
                    return Err(Rule::new(format!("affects[{i}].versions[{j}].image"), "is none of `images`"));
                }
            }
        }
        Ok(())
    }
}

/// The name of a repository of the fleet can be read again.
fn room(fleet: &Repository, field: &str, path: Option<&RepositoryPath>) -> Result<(), Rule> {
    if path.is_some_and(|path| fleet.has_room_for(path)) {
        return Ok(());
    }
    Err(Rule::new(field, "is too long: the prefix of the fleet and it make no repository"))
}

impl FixBundle {
    /// Approvers read these in a terminal.
    fn check_texts(&self) -> Result<(), Rule> {
        for (field, said) in [("title", &self.title), ("incident", &self.incident)] {
            shared::optional_line(field, said.as_ref())?;
        }
        for (i, image) in self.images.iter().enumerate() {
            for (j, one) in image.attestations.iter().enumerate() {
                line(&format!("images[{i}].attestations[{j}].predicateType"), &one.predicate_type)?;
            }
        }
        for (i, affects) in self.affects.iter().enumerate() {
            shared::excluded(&format!("affects[{i}]"), &affects.excluded)?;
        }
        text("rollback.reason", &self.rollback.reason)?;
        shared::deliveries(&self.delivery)?;
        shared::impacts(&self.impact)?;
        shared::rollout(self.targets.as_ref(), self.rollout.as_ref(), &self.health_gates)
    }

    /// The tag that keeps the bundle alive in a registry.
    pub fn tag(&self) -> Option<Tag> {
        format!("{}-r{}", self.id.as_str().to_ascii_lowercase(), self.revision).parse().ok()
    }
}

/// One patched image.
#[derive(Clone, Debug, Deserialize, Eq, JsonSchema, PartialEq, Serialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct PatchedImage {
    /// Release line of the fix that is in it.
    pub minor: Minor,
    /// Repository relative to the fleet's prefix.
    pub repository: RepositoryPath,
    /// Its immutable tag there: registries delete what has none.
    pub tag: Tag,
    /// The patched index, or manifest where the base was one.
    pub index: Descriptor,
    /// Every patched manifest, in the order of the index.
    pub platforms: Vec<PatchedPlatform>,
    /// What it was made from.
    pub base: PatchedBase,
    /// The commit that the files are built from.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub commit: Option<Commit>,
    /// What must be attested, sorted by subject and predicate type.
    pub attestations: Vec<RequiredAttestation>,
}

/// One patched manifest.
#[derive(Clone, Debug, Deserialize, Eq, JsonSchema, PartialEq, Serialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct PatchedPlatform {
    /// Platform.
    pub platform: Platform,
    /// The manifest.
    pub manifest: Descriptor,
}

/// What a patched image was made from.
#[derive(Clone, Debug, Deserialize, Eq, JsonSchema, PartialEq, Serialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct PatchedBase {
    /// Repository that the base was named in.
    pub repository: Repository,
    /// Digest of the base index or manifest.
    pub digest: Digest,
    /// The source commit of the base.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub commit: Option<Commit>,
}

/// An attestation that must be there, so that one that was taken away is missed.
#[derive(Clone, Debug, Deserialize, Eq, JsonSchema, PartialEq, Serialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct RequiredAttestation {
    /// Digest of the index or manifest that it is about.
    pub subject: Digest,
    /// Predicate type, compared exactly.
    pub predicate_type: String,
    /// Role of who must have signed it.
    pub role: Role,
    /// How many different principals of that role.
    pub count: u32,
    /// Digest of the statement, where it is one of ours without a time in it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub statement: Option<Digest>,
}

/// Where the bundle applies on one platform and release line.
#[derive(Clone, Debug, Deserialize, Eq, JsonSchema, PartialEq, Serialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Affects {
    /// Platform.
    pub platform: HostedPlatform,
    /// Release line.
    pub minor: Minor,
    /// First affected version.
    pub introduced: Version,
    /// First version whose payload has the fix.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub fixed_in: Option<Version>,
    /// Every covered version with its image, sorted.
    pub versions: Vec<VersionImage>,
    /// Versions that are left out.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub excluded: Vec<Excluded>,
}

/// The image for one version.
#[derive(Clone, Debug, Deserialize, Eq, JsonSchema, PartialEq, Serialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct VersionImage {
    /// The exact version.
    pub version: Version,
    /// Digest of the patched index, one of `images`.
    pub image: Digest,
}
