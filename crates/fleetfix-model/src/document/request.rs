//! The fix request: what an engineer writes.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::delivery::DeliveryMethod;
use super::finding::Waiver;
use super::rollout::{FixReference, HealthGate, RetireWhen, Rollout, Targets};
use super::{Rule, document, line, not_empty, shared, unique};
use crate::name::{Commit, ComponentTag, FixId, ImagePath, PrincipalName, Ticket};
use crate::{HostedPlatform, Minor, Reference, Timestamp, Version};

document! {
    /// What is broken, which commits fix it, which files to replace, what is affected. Written in
    /// five minutes in an incident: only `tickets`, `component`, `fixes` and `affected` are
    /// required, all else has a default or is inferred.
    FixRequest, FixRequestKind {
        /// Identity of the fix; default: the first ticket.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        id: Option<FixId>,
        /// Revision of the fix, from 1; default 1.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        revision: Option<u32>,
        /// One line for people.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        title: Option<String>,
        /// Tickets; the first is the leading one.
        tickets: Vec<Ticket>,
        /// How bad it is.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        severity: Option<Severity>,
        /// Identity of the incident.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        incident: Option<String>,
        /// Whom to ask.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        contact: Option<String>,
        /// Who asks for the fix: this principal cannot approve it.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        requester: Option<PrincipalName>,
        /// The payload tag, or the workload's name.
        component: ComponentTag,
        /// The fix, one entry per release line.
        fixes: Vec<MinorFix>,
        /// What is affected, one entry per platform and release line.
        affected: Vec<Affected>,
        /// Release lines that upgrades may lead to and that need no fix.
        #[serde(default, skip_serializing_if = "Vec::is_empty")]
        unaffected: Vec<Unaffected>,
        /// Release images, where they do not follow from a template.
        #[serde(default, skip_serializing_if = "Vec::is_empty")]
        payloads: Vec<PayloadImage>,
        /// Templates for release images with `{version}` in them, tried after `payloads`.
        #[serde(default, skip_serializing_if = "Vec::is_empty")]
        payload_templates: Vec<String>,
        /// The delivery to prefer; default: the safest that the component allows.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        delivery: Option<DeliveryMethod>,
        /// Fixes that this one replaces.
        #[serde(default, skip_serializing_if = "Vec::is_empty")]
        supersedes: Vec<FixReference>,
        /// Fixes that must not be active beside this one.
        #[serde(default, skip_serializing_if = "Vec::is_empty")]
        conflicts: Vec<FixReference>,
        /// Findings that somebody accepts.
        #[serde(default, skip_serializing_if = "Vec::is_empty")]
        waivers: Vec<Waiver>,
        /// Which clusters are meant.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        targets: Option<Targets>,
        /// Waves.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        rollout: Option<Rollout>,
        /// Conditions that must hold afterwards.
        #[serde(default, skip_serializing_if = "Vec::is_empty")]
        health_gates: Vec<HealthGate>,
        /// Why the fix cannot be taken back, where it cannot.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        irreversible: Option<String>,
        /// When the bundle is no longer good.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        expires: Option<Timestamp>,
        /// When the fix is no longer needed.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        retire_when: Option<RetireWhen>,
    }
    check(this) {
        shared::revision("revision", this.revision())?;
        not_empty("tickets", &this.tickets)?;
        unique("tickets", &this.tickets, Clone::clone)?;
        not_empty("fixes", &this.fixes)?;
        unique("fixes", &this.fixes, |fix| fix.minor)?;
        not_empty("affected", &this.affected)?;
        unique("affected", &this.affected, |a| (a.platform, a.introduced.minor()))?;
        for (i, line) in this.unaffected.iter().enumerate() {
            line.check(&format!("unaffected[{i}]"), &this.affected)?;
        }
        unique("payloads", &this.payloads, |p| (p.version.clone(), p.image.clone()))?;
        unique("waivers", &this.waivers, |w| w.finding.clone())?;
        for (i, waiver) in this.waivers.iter().enumerate() {
            line(&format!("waivers[{i}].reason"), &waiver.reason)?;
        }
        for (field, text) in [("title", &this.title), ("incident", &this.incident), ("contact", &this.contact), ("irreversible", &this.irreversible)] {
            shared::optional_line(field, text.as_ref())?;
        }
        for (i, template) in this.payload_templates.iter().enumerate() {
            if template.matches("{version}").count() != 1 {
                return Err(Rule::new(format!("payloadTemplates[{i}]"), "must hold `{version}` once"));
            }
        }
        for (i, fix) in this.fixes.iter().enumerate() {
            fix.check(&format!("fixes[{i}]"))?;
        }
        for (i, affected) in this.affected.iter().enumerate() {
            affected.check(&format!("affected[{i}]"))?;
        }
        shared::rollout(this.targets.as_ref(), this.rollout.as_ref(), &this.health_gates)
    }
}

impl FixRequest {
    /// The identity: what the request says, or its first ticket.
    pub fn fix_id(&self) -> Option<FixId> {
        self.id.clone().or_else(|| self.tickets.first().and_then(|t| t.as_str().parse().ok()))
    }

    /// The revision: what the request says, or 1.
    pub fn revision(&self) -> u32 {
        self.revision.unwrap_or(1)
    }

    /// True if the request says that a release line needs no fix.
    pub fn is_unaffected(&self, platform: HostedPlatform, minor: Minor) -> bool {
        self.unaffected.iter().any(|line| line.is(platform, minor))
    }
}

/// How bad it is.
#[derive(
    Clone, Copy, Debug, Deserialize, Eq, JsonSchema, Ord, PartialEq, PartialOrd, Serialize,
)]
#[serde(rename_all = "camelCase")]
pub enum Severity {
    /// Can wait for a z-stream.
    Low,
    /// Should not wait for long.
    Moderate,
    /// Hurts customers.
    Important,
    /// Customers are down, or open to attack.
    Critical,
}

/// The fix of one release line: commits, and the files that they change or an image that holds
/// them.
#[derive(Clone, Debug, Deserialize, Eq, JsonSchema, PartialEq, Serialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct MinorFix {
    /// Release line.
    pub minor: Minor,
    /// URL of the source repository.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub source: Option<String>,
    /// The commit that the files are built from. May be inferred from the pull request.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub commit: Option<Commit>,
    /// Numbers of the pull requests that the fix is.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub pull_requests: Vec<u64>,
    /// Who wrote the fix: these principals cannot approve it.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub authors: Vec<PrincipalName>,
    /// Files to replace.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub files: Vec<FileChange>,
    /// Paths to remove.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub remove: Vec<ImagePath>,
    /// A finished image instead of files.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub image: Option<Reference>,
}

impl MinorFix {
    fn check(&self, field: &str) -> Result<(), Rule> {
        // A finished image says in its labels what it was built from.
        if self.commit.is_none() && self.pull_requests.is_empty() && self.image.is_none() {
            return Err(Rule::new(format!("{field}.commit"), "name a commit or pull requests"));
        }
        let changes = !self.files.is_empty() || !self.remove.is_empty();
        if changes == self.image.is_some() {
            return Err(Rule::new(
                format!("{field}.files"),
                "name either files or a finished image",
            ));
        }
        if let Some(source) = &self.source {
            line(&format!("{field}.source"), source)?;
        }
        unique(&format!("{field}.files"), &self.files, |f| f.path.clone())?;
        unique(&format!("{field}.remove"), &self.remove, Clone::clone)?;
        if let Some(i) =
            self.remove.iter().position(|path| self.files.iter().any(|f| f.path == *path))
        {
            return Err(Rule::new(format!("{field}.remove[{i}]"), "is replaced and removed"));
        }
        for (i, file) in self.files.iter().enumerate() {
            file.check(&format!("{field}.files[{i}]"))?;
        }
        Ok(())
    }
}

/// One file to replace. Mode, owner and extended attributes are the base file's unless said here.
#[derive(Clone, Debug, Deserialize, Eq, JsonSchema, PartialEq, Serialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct FileChange {
    /// Path in the image.
    pub path: ImagePath,
    /// The new content: a path relative to the request's file, `{arch}` standing for the
    /// architecture (`amd64`, `arm64`, ...).
    pub from: String,
    /// True if the base does not have the file.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub create: bool,
    /// Mode as four octal digits, such as `"0755"`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub mode: Option<FileMode>,
    /// Owner's number.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub uid: Option<u32>,
    /// Group's number.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub gid: Option<u32>,
}

impl FileChange {
    fn check(&self, field: &str) -> Result<(), Rule> {
        let from = &self.from;
        let bad = from.is_empty()
            || from.starts_with('/')
            || from.split('/').any(|part| part == "..")
            || from.contains('\0');
        if bad {
            return Err(Rule::new(
                format!("{field}.from"),
                "must be a path below the request's directory, without `..`",
            ));
        }
        if self.create && self.mode.is_none() {
            return Err(Rule::new(
                format!("{field}.mode"),
                "a created file has no base to take its mode from",
            ));
        }
        Ok(())
    }
}

/// Permission bits, written as four octal digits.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct FileMode(u32);

impl FileMode {
    /// The permission bits with setuid, setgid and sticky, `0o7777` at most.
    pub const fn bits(self) -> u32 {
        self.0
    }
}

impl std::fmt::Display for FileMode {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{:04o}", self.0)
    }
}

impl std::str::FromStr for FileMode {
    type Err = String;

    fn from_str(s: &str) -> Result<Self, String> {
        let digits = s.len() == 4 && s.bytes().all(|b| (b'0'..=b'7').contains(&b));
        let bits = u32::from_str_radix(s, 8).ok().filter(|_| digits);
        bits.map(Self).ok_or_else(|| {
            format!("`{s}` is not a mode; expected four octal digits such as \"0755\"")
        })
    }
}

crate::name::string_form!(FileMode, "FileMode", "^[0-7]{4}$", "Mode as four octal digits.");

/// The affected versions of one platform and release line.
#[derive(Clone, Debug, Deserialize, Eq, JsonSchema, PartialEq, Serialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Affected {
    /// Platform.
    pub platform: HostedPlatform,
    /// First affected version; it also names the release line.
    pub introduced: Version,
    /// First version whose payload has the fix.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub fixed_in: Option<Version>,
    /// The affected versions, where they do not follow from payloads and update graph.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub versions: Vec<Version>,
    /// Versions that are left out, each with its reason.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub excluded: Vec<Excluded>,
}

impl Affected {
    /// True if this version is affected and not left out: in range, listed where there is a list, and
    /// not excluded. The platform is the caller's to compare.
    pub fn means(&self, version: &Version) -> bool {
        self.in_range(version) && self.lists(version) && self.excluded(version).is_none()
    }

    /// True if the version is of the release line, from `introduced` to before `fixedIn`.
    pub fn in_range(&self, version: &Version) -> bool {
        version.minor() == self.introduced.minor()
            && *version >= self.introduced
            && self.fixed_in.as_ref().is_none_or(|fixed| version < fixed)
    }

    /// True if `versions` does not leave the version out: no list leaves none out.
    pub fn lists(&self, version: &Version) -> bool {
        self.versions.is_empty() || self.versions.contains(version)
    }

    /// The entry that leaves the version out.
    pub fn excluded(&self, version: &Version) -> Option<&Excluded> {
        self.excluded.iter().find(|excluded| excluded.version == *version)
    }

    fn check(&self, field: &str) -> Result<(), Rule> {
        let minor = self.introduced.minor();
        if self
            .fixed_in
            .as_ref()
            .is_some_and(|fixed| *fixed <= self.introduced || fixed.minor() != minor)
        {
            return Err(Rule::new(
                format!("{field}.fixedIn"),
                format!("must be a {minor} version after `introduced`"),
            ));
        }
        if let Some(i) = self.versions.iter().position(|version| !self.in_range(version)) {
            return Err(Rule::new(
                format!("{field}.versions[{i}]"),
                "is outside of `introduced` to `fixedIn`",
            ));
        }
        unique(&format!("{field}.versions"), &self.versions, Clone::clone)?;
        unique(&format!("{field}.excluded"), &self.excluded, |e| e.version.clone())?;
        shared::excluded(field, &self.excluded)
    }
}

/// A release line that needs no fix: it never had the defect, or had the fix from its first version
/// on.
#[derive(Clone, Debug, Deserialize, Eq, JsonSchema, PartialEq, Serialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Unaffected {
    /// Release line.
    pub minor: Minor,
    /// On these platforms; none: on all.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub platforms: Vec<HostedPlatform>,
    /// Why.
    pub reason: String,
}

impl Unaffected {
    fn is(&self, platform: HostedPlatform, minor: Minor) -> bool {
        self.minor == minor && (self.platforms.is_empty() || self.platforms.contains(&platform))
    }

    fn check(&self, field: &str, affected: &[Affected]) -> Result<(), Rule> {
        line(&format!("{field}.reason"), &self.reason)?;
        unique(&format!("{field}.platforms"), &self.platforms, Clone::clone)?;
        if affected.iter().any(|a| self.is(a.platform, a.introduced.minor())) {
            return Err(Rule::new(format!("{field}.minor"), "is in `affected` as well"));
        }
        Ok(())
    }
}

/// A version that is left out.
#[derive(Clone, Debug, Deserialize, Eq, JsonSchema, PartialEq, Serialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Excluded {
    /// The version.
    pub version: Version,
    /// Why.
    pub reason: String,
}

/// The release image of one version.
#[derive(Clone, Debug, Deserialize, Eq, JsonSchema, PartialEq, Serialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct PayloadImage {
    /// The version.
    pub version: Version,
    /// The release image.
    pub image: Reference,
}
