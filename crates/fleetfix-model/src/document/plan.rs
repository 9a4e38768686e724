//! The fix plan: what a request resolves to, pinned. It is to the request what a lock file is to a
//! manifest, and it is what approvers read.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::delivery::{Delivery, Impact};
use super::finding::{Finding, PlanCheck};
use super::request::{FileMode, Severity};
use super::rollout::{FixReference, HealthGate, RetireWhen, Rollout, Targets};
use super::{
    MAX_TEXT, Rule, document, line, not_empty, not_our_own, shared, sorted_unique, text, unique,
};
use crate::name::{Commit, ComponentTag, FixId, ImagePath, PrincipalName, Tag, Ticket};
use crate::terminal::forges;
use crate::{Digest, HostedPlatform, Minor, Platform, Reference, Repository, Timestamp, Version};

document! {
    /// What tooling resolved from a request, once.
    FixPlan, FixPlanKind {
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
        /// Digest of the request's canonical form.
        request: Digest,
        /// Digest of the update graph's canonical form; absent: planned without one.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        graph: Option<Digest>,
        /// What else the plan was made from, sorted by name.
        #[serde(default, skip_serializing_if = "Vec::is_empty")]
        inputs: Vec<PlanInput>,
        /// Who asked for the fix.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        requester: Option<PrincipalName>,
        /// The payload tag.
        component: ComponentTag,
        /// The fix, one entry per release line, sorted.
        fixes: Vec<PlannedFix>,
        /// The images to patch, sorted by digest.
        bases: Vec<BaseImage>,
        /// Every version, sorted by platform and version.
        rows: Vec<Row>,
        /// The first version with the fix of each release line where it is not released yet, sorted.
        #[serde(default, skip_serializing_if = "Vec::is_empty")]
        frontier: Vec<Version>,
        /// The delivery, sorted by platform and release line.
        delivery: Vec<Delivery>,
        /// The impact, sorted by platform and release line.
        impact: Vec<Impact>,
        /// The checks, made and not made, sorted by name.
        checks: Vec<PlanCheck>,
        /// What they found, sorted by id.
        findings: Vec<Finding>,
        /// Fixes that this one replaces, sorted.
        #[serde(default, skip_serializing_if = "Vec::is_empty")]
        supersedes: Vec<FixReference>,
        /// Fixes that must not be active beside this one, sorted.
        #[serde(default, skip_serializing_if = "Vec::is_empty")]
        conflicts: Vec<FixReference>,
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
        not_our_own("component", this.component.as_str())?;
        shared::revision("revision", this.revision)?;
        this.check_texts()?;
        not_empty("fixes", &this.fixes)?;
        not_empty("bases", &this.bases)?;
        sorted_unique("inputs", &this.inputs, |i| i.name.clone())?;
        sorted_unique("fixes", &this.fixes, |f| f.minor)?;
        sorted_unique("bases", &this.bases, |b| b.digest)?;
        sorted_unique("rows", &this.rows, |r| (r.platform, r.version.clone()))?;
        sorted_unique("delivery", &this.delivery, |d| (d.platform, d.minor))?;
        sorted_unique("impact", &this.impact, |i| (i.platform, i.minor))?;
        sorted_unique("checks", &this.checks, |c| c.name.clone())?;
        sorted_unique("findings", &this.findings, |f| f.id.clone())?;
        for (i, fix) in this.fixes.iter().enumerate() {
            sorted_unique(&format!("fixes[{i}].files"), &fix.files, |f| f.path.clone())?;
            sorted_unique(&format!("fixes[{i}].remove"), &fix.remove, Clone::clone)?;
            for (j, file) in fix.files.iter().enumerate() {
                sorted_unique(&format!("fixes[{i}].files[{j}].contents"), &file.contents, |c| c.architecture.clone())?;
            }
        }
        for (i, base) in this.bases.iter().enumerate() {
            unique(&format!("bases[{i}].platforms"), &base.platforms, |p| p.platform.clone())?;
            if !this.fixes.iter().any(|fix| fix.minor == base.minor) {
                return Err(Rule::new(format!("bases[{i}].minor"), "no fix is named for this release line"));
            }
        }
        for (i, row) in this.rows.iter().enumerate() {
            let known = row.base.is_none_or(|digest| this.bases.iter().any(|b| b.digest == digest));
            if !known || (row.status == Status::Covered && row.base.is_none()) {
                return Err(Rule::new(format!("rows[{i}].base"), "a covered row names one of `bases`"));
            }
        }
        Ok(())
    }
}

impl FixPlan {
    /// Approvers read these in a terminal: one line each, so that none looks like another.
    fn check_texts(&self) -> Result<(), Rule> {
        let fields = [
            ("title", &self.title),
            ("incident", &self.incident),
            ("irreversible", &self.irreversible),
        ];
        for (field, said) in fields {
            said.iter().try_for_each(|said| line(field, said))?;
        }
        for (i, input) in self.inputs.iter().enumerate() {
            line(&format!("inputs[{i}].name"), &input.name)?;
        }
        for (i, fix) in self.fixes.iter().enumerate() {
            let field = format!("fixes[{i}].source");
            fix.source.iter().try_for_each(|source| line(&field, source))?;
            for (j, along) in fix.along.iter().enumerate() {
                text(&format!("fixes[{i}].along[{j}].title"), &along.title)?;
            }
        }
        for (i, row) in self.rows.iter().enumerate() {
            row.reason.iter().try_for_each(|said| text(&format!("rows[{i}].reason"), said))?;
        }
        shared::deliveries(&self.delivery)?;
        shared::impacts(&self.impact)?;
        shared::rollout(self.targets.as_ref(), self.rollout.as_ref(), &self.health_gates)?;
        for (i, check) in self.checks.iter().enumerate() {
            text(&format!("checks[{i}].name"), &check.name)?;
            check.reason.iter().try_for_each(|said| text(&format!("checks[{i}].reason"), said))?;
        }
        for (i, finding) in self.findings.iter().enumerate() {
            text(&format!("findings[{i}].message"), &finding.message)?;
            if let Some(waiver) = &finding.waiver {
                if waiver.finding != finding.id {
                    let field = format!("findings[{i}].waiver.finding");
                    return Err(Rule::new(field, "is a waiver of another finding"));
                }
                line(&format!("findings[{i}].waiver.reason"), &waiver.reason)?;
            }
        }
        Ok(())
    }

    /// The findings that stop the plan at a time. The plan itself does not depend on it: whoever works
    /// on a plan asks anew.
    pub fn stopping(&self, now: Timestamp) -> impl Iterator<Item = &Finding> {
        self.findings.iter().filter(move |finding| finding.stops(now))
    }

    /// The fix of a release line.
    pub fn fix(&self, minor: Minor) -> Option<&PlannedFix> {
        self.fixes.iter().find(|fix| fix.minor == minor)
    }

    /// The tag of the image patched from `base`, in the build repository and in the fleet's: it
    /// follows from identity, revision and base, so each task finds it without being told.
    pub fn image_tag(&self, base: Digest) -> Option<Tag> {
        image_tag(&self.id, self.revision, base)
    }
}

/// See [`FixPlan::image_tag`].
pub(super) fn image_tag(id: &FixId, revision: u32, base: Digest) -> Option<Tag> {
    format!("{}-r{revision}-{}", id.as_str().to_ascii_lowercase(), base.short()).parse().ok()
}

/// The base's digest, shortened, in a tag that [`FixPlan::image_tag`] may have made.
pub fn base_of_image_tag(tag: &Tag) -> Option<&str> {
    let (name, base) = tag.as_str().rsplit_once('-')?;
    let (_, revision) = name.rsplit_once("-r")?;
    revision.parse::<u32>().ok()?;
    let hex = |c: u8| c.is_ascii_digit() || (b'a'..=b'f').contains(&c);
    (base.len() == Digest::SHORT && base.bytes().all(hex)).then_some(base)
}

/// Text of others made fit for a plan: one line of at most as many bytes as its texts may have, with a
/// space for each run of characters that a terminal would act on.
pub fn cleaned(text: &str) -> String {
    const CUT: char = '…';
    let mut out = String::with_capacity(text.len().min(MAX_TEXT));
    let mut gap = false;
    for c in text.trim().chars() {
        if forges(c) {
            gap = true;
            continue;
        }
        if std::mem::take(&mut gap) && !out.is_empty() && !out.ends_with(' ') {
            out.push(' ');
        }
        if out.len() + c.len_utf8() > MAX_TEXT - CUT.len_utf8() {
            out.push(CUT);
            break;
        }
        // What is taken away before it leaves its own spaces behind.
        if !(out.is_empty() && c.is_whitespace()) {
            out.push(c);
        }
    }
    out.truncate(out.trim_end().len());
    out
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde hands out a reference")]
const fn is_zero(value: &u64) -> bool {
    *value == 0
}

/// Something that a plan was made from: a file or a channel.
#[derive(Clone, Debug, Deserialize, Eq, JsonSchema, PartialEq, Serialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct PlanInput {
    /// What it is, such as `overrides`.
    pub name: String,
    /// Digest of its bytes.
    pub digest: Digest,
}

/// The fix of one release line, with the digests of its files.
#[derive(Clone, Debug, Deserialize, Eq, JsonSchema, PartialEq, Serialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct PlannedFix {
    /// Release line.
    pub minor: Minor,
    /// URL of the source repository.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub source: Option<String>,
    /// The commit that the files are built from; absent: nobody resolved it yet.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub commit: Option<Commit>,
    /// Numbers of the pull requests.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub pull_requests: Vec<u64>,
    /// Who wrote the fix.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub authors: Vec<PrincipalName>,
    /// Commits that come along beyond the claimed ones, oldest first.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub along: Vec<AlongCommit>,
    /// How many more come along than are listed.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub along_more: u64,
    /// Files to replace, sorted by path.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub files: Vec<PlannedFile>,
    /// Paths to remove, sorted.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub remove: Vec<ImagePath>,
    /// A finished image instead of files.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub image: Option<Reference>,
}

/// A commit that comes along.
#[derive(Clone, Debug, Deserialize, Eq, JsonSchema, PartialEq, Serialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct AlongCommit {
    /// The commit.
    pub commit: Commit,
    /// First line of its message.
    pub title: String,
}

/// One file to replace.
#[derive(Clone, Debug, Deserialize, Eq, JsonSchema, PartialEq, Serialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct PlannedFile {
    /// Path in the image.
    pub path: ImagePath,
    /// The new content of each architecture, sorted.
    pub contents: Vec<FileContent>,
    /// True if the base does not have the file.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub create: bool,
    /// Mode, where not the base's.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub mode: Option<FileMode>,
    /// Owner, where not the base's.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub uid: Option<u32>,
    /// Group, where not the base's.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub gid: Option<u32>,
}

impl PlannedFile {
    /// The content for an architecture, in Go's names.
    pub fn content(&self, architecture: &str) -> Option<&FileContent> {
        self.contents.iter().find(|content| content.architecture == architecture)
    }
}

/// The content of a file for one architecture.
#[derive(Clone, Debug, Deserialize, Eq, JsonSchema, PartialEq, Serialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct FileContent {
    /// Architecture, in Go's names.
    pub architecture: String,
    /// Where the content lies, relative to the request's directory.
    pub from: String,
    /// Digest of the content.
    pub digest: Digest,
    /// Size of the content in bytes.
    pub size: u64,
}

/// An image to patch.
#[derive(Clone, Debug, Deserialize, Eq, JsonSchema, PartialEq, Serialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct BaseImage {
    /// Digest of the index or manifest that the payload, or whatever overrides it, names.
    pub digest: Digest,
    /// The repository that it was named in.
    pub repository: Repository,
    /// Media type of the index or manifest.
    pub media_type: String,
    /// Release line whose fix goes onto it.
    pub minor: Minor,
    /// What made it the effective image.
    pub origin: Origin,
    /// The source commit it was built from, as payload or label say.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub commit: Option<Commit>,
    /// Its images, in the order of the index.
    pub platforms: Vec<BasePlatform>,
    /// Names of its labels that HyperShift reads, sorted: they must survive.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub hypershift_labels: Vec<String>,
}

/// One image of a base.
#[derive(Clone, Debug, Deserialize, Eq, JsonSchema, PartialEq, Serialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct BasePlatform {
    /// Its platform.
    pub platform: Platform,
    /// Digest of its manifest.
    pub digest: Digest,
}

/// What made an image the effective one.
#[derive(Clone, Copy, Debug, Deserialize, Eq, JsonSchema, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub enum Origin {
    /// The release payload names it.
    Payload,
    /// The deployed operator's `overrides.yaml` names it.
    OverridesYaml,
    /// An active bundle names it.
    Bundle,
    /// An annotation names it.
    Annotation,
}

/// What the fix means for one version on one platform.
#[derive(Clone, Debug, Deserialize, Eq, JsonSchema, PartialEq, Serialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Row {
    /// Platform.
    pub platform: HostedPlatform,
    /// Version.
    pub version: Version,
    /// What the fix means there.
    pub status: Status,
    /// Digest of the release image that was read.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub payload: Option<Digest>,
    /// Digest of the image to patch, one of `bases`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub base: Option<Digest>,
    /// Why, where it is not obvious.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
}

/// What a fix means for a version.
#[derive(Clone, Copy, Debug, Deserialize, Eq, JsonSchema, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub enum Status {
    /// The fix covers it.
    Covered,
    /// Its payload has the fix.
    FixedInPayload,
    /// It is not affected.
    NotAffected,
    /// It is affected and left out.
    Gap,
    /// It is affected and not released yet. Only a finished image can be named for it before it is.
    Unreleased,
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn the_tag_of_an_image_says_its_base() {
        let base = Digest::of("base");
        let made = image_tag(&"OCPBUGS-1".parse().unwrap(), 3, base).unwrap();
        assert_eq!(base_of_image_tag(&made), Some(base.short().as_str()));
        let table = [
            ("x-r1-0123456789ab", Some("0123456789ab")),
            ("x-1-0123456789ab", None),
            ("x-rone-0123456789ab", None),
            ("x-r1-0123456789aB", None),
            ("x-r1-0123456789a", None),
            ("x-r99999999999-0123456789ab", None),
            ("latest", None),
        ];
        for (tag, base) in table {
            assert_eq!(base_of_image_tag(&tag.parse().unwrap()), base, "{tag}");
        }
    }

    #[test]
    fn text_of_others_is_one_short_line() {
        let table = [
            ("", ""),
            (" a b ", "a b"),
            ("a\r\n\tb", "a b"),
            ("a \u{1b}[31mb\u{202e}c", "a [31mb c"),
            ("\u{1b}", ""),
        ];
        for (given, expected) in table {
            assert_eq!(cleaned(given), expected, "{given:?}");
        }
        let long = cleaned(&"é".repeat(MAX_TEXT));
        assert!(long.len() <= MAX_TEXT && long.ends_with('…'), "{} bytes", long.len());
    }

    proptest! {
        #[test]
        fn what_is_cleaned_may_stand_in_a_plan(given in ".*", tail in prop::collection::vec(any::<char>(), 0..20)) {
            let given = format!("{given}{}", tail.into_iter().collect::<String>());
            prop_assert!(text("field", &cleaned(&given)).is_ok());
            prop_assert_eq!(cleaned(&cleaned(&given)), cleaned(&given));
        }
    }
}
