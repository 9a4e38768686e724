//! No cluster runs older code than before, and the fix holds what it claims.
//!
//! The fix's commit must descend from the commit of every image that it replaces. Those are the
//! effective images, which may be newer than the payload's: 195 pairs of platform and version ran an
//! image of `overrides.yaml` at openshift/hypershift 3ee9615567.
//!
//! This module asks questions and judges answers; a git repository answers them (`fleetfix-source`).

use std::collections::{BTreeMap, BTreeSet};

use fleetfix_model::document::finding::{Finding, FindingLevel};
use fleetfix_model::document::plan::{AlongCommit, Origin};
use fleetfix_model::name::Commit;
use fleetfix_model::{Digest, HostedPlatform, Minor, Version};

use crate::Error;
use crate::coverage::range::listed;
use crate::finding::{finding, refusal};

/// How many titles of commits the finding about them quotes.
const QUOTED: usize = 3;

/// The answers: whether the first commit is an ancestor of the second, or that commit itself.
/// `None`: the repository lacks one of the two.
pub type Ancestry = BTreeMap<(Commit, Commit), Option<bool>>;

/// The fix of one release line and what it replaces.
#[derive(Clone, Debug)]
pub struct Replacement {
    /// Release line.
    pub minor: Minor,
    /// The commit that the fix is built from; `None`: nobody named one.
    pub fix: Option<Commit>,
    /// What the fix claims to hold.
    pub claims: Vec<Claim>,
    /// The images that it replaces.
    pub replaced: Vec<Replaced>,
}

/// Something that the fix claims to hold.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Claim {
    /// How people name it, such as `#7113`.
    pub name: String,
    /// Its commit in the release line's branch; `None`: it was not found there.
    pub commit: Option<Commit>,
    /// The commit that takes it back in the fix's own history, if one does.
    pub reverted: Option<AlongCommit>,
}

/// An image that the fix replaces.
#[derive(Clone, Debug)]
pub struct Replaced {
    /// Its digest.
    pub digest: Digest,
    /// What made it the effective image.
    pub origin: Origin,
    /// The commit that it was built from.
    pub commit: Option<Commit>,
    /// Where it runs.
    pub places: BTreeSet<(HostedPlatform, Version)>,
}

/// Commits that come along beyond the claimed ones.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct Along {
    /// How many there are.
    pub total: usize,
    /// The oldest of them.
    pub commits: Vec<AlongCommit>,
}

impl Replacement {
    /// What has to be known to judge it.
    pub fn questions(&self) -> impl Iterator<Item = (Commit, Commit)> {
        let replaced = self.replaced.iter().filter_map(|image| image.commit.as_ref());
        let claimed = self.claims.iter().filter_map(|claim| claim.commit.as_ref());
        let fix = self.fix.iter();
        fix.flat_map(move |fix| {
            replaced.clone().chain(claimed.clone()).map(|older| (older.clone(), fix.clone()))
        })
    }

    /// Judges it. Without answers, that is without a repository, nothing is said: the plan lists the
    /// check as not made.
    pub fn judge(&self, ancestry: &Ancestry) -> Result<Vec<Finding>, Error> {
        let minor = self.minor;
        let Some(fix) = &self.fix else {
            let message = format!(
                "no commit is named for the fix of {minor}: whether it holds older code than what runs cannot be told; name `commit`"
            );
            let path = format!("downgrade/{minor}/no-commit");
            return Ok(vec![finding(FindingLevel::Blocking, &path, message)?]);
        };
        let mut findings = Vec::new();
        for image in &self.replaced {
            findings.extend(self.about_image(fix, image, ancestry)?);
        }
        for claim in &self.claims {
            findings.extend(self.about_claim(fix, claim, ancestry)?);
        }
        Ok(findings)
    }

    fn about_image(
        &self,
        fix: &Commit,
        image: &Replaced,
        ancestry: &Ancestry,
    ) -> Result<Option<Finding>, Error> {
        let path = format!("downgrade/{}/{}", self.minor, image.digest.short());
        let whose = image.described();
        let Some(commit) = &image.commit else {
            let message = format!(
                "{whose} does not say which commit it was built from: whether the fix holds older code cannot be told"
            );
            return finding(FindingLevel::Blocking, &format!("{path}/unknown"), message).map(Some);
        };
        match ancestry.get(&(commit.clone(), fix.clone())).copied().flatten() {
            Some(true) => Ok(None),
            Some(false) => refusal(
                &path,
                format!(
                    "the fix's commit {fix} does not descend from {commit}, of which {whose} was built: clusters would run older code; build the fix on a commit that holds both"
                ),
            )
            .map(Some),
            None => {
                let message = format!(
                    "the repository lacks {commit}, of which {whose} was built, or the fix's commit {fix}: whether clusters would run older code cannot be told; fetch both"
                );
                finding(FindingLevel::Blocking, &format!("{path}/unknown"), message).map(Some)
            }
        }
    }

    fn about_claim(
        &self,
        fix: &Commit,
        claim: &Claim,
        ancestry: &Ancestry,
    ) -> Result<Option<Finding>, Error> {
        let Claim { name, commit, reverted } = claim;
        let path = format!("ancestry/{}/{}", self.minor, name.trim_start_matches('#'));
        let message = match commit {
            None => format!(
                "{name} was not found in the source: nothing shows that the fix of {} holds it; fetch its branch, or name the backport",
                self.minor
            ),
            Some(commit) => match ancestry.get(&(commit.clone(), fix.clone())).copied().flatten() {
                Some(true) => return self.about_revert(name, reverted.as_ref()),
                Some(false) => format!(
                    "{name} ({commit}) is not in the fix's commit {fix}: build the fix on a commit that holds it"
                ),
                None => format!(
                    "the repository lacks {name} ({commit}) or the fix's commit {fix}: fetch both"
                ),
            },
        };
        finding(FindingLevel::Blocking, &path, message).map(Some)
    }

    /// An ancestor that was taken back is in the history and not in the code.
    fn about_revert(
        &self,
        name: &str,
        reverted: Option<&AlongCommit>,
    ) -> Result<Option<Finding>, Error> {
        let Some(AlongCommit { commit, title }) = reverted else { return Ok(None) };
        let message = format!(
            "{name} is in the history of the fix and was taken back since by {commit} (\"{title}\"): build the fix on a commit that holds it, or claim what brought it back"
        );
        let path = format!("ancestry/{}/{}/reverted", self.minor, name.trim_start_matches('#'));
        finding(FindingLevel::Blocking, &path, message).map(Some)
    }

    /// What comes along beyond the claims, for approvers to look at.
    pub fn along(&self, along: &Along) -> Result<Option<Finding>, Error> {
        if along.total == 0 {
            return Ok(None);
        }
        let quoted: Vec<String> =
            along.commits.iter().take(QUOTED).map(|c| format!("\"{}\"", c.title)).collect();
        let more = if along.total > quoted.len() { ", ..." } else { "" };
        let message = format!(
            "{} {} along with the fix of {} beyond what it claims: {}{more}",
            along.total,
            if along.total == 1 { "commit comes" } else { "commits come" },
            self.minor,
            quoted.join(", ")
        );
        let path = format!("ancestry/{}/along", self.minor);
        finding(FindingLevel::Warning, &path, message).map(Some)
    }
}

impl Replaced {
    fn described(&self) -> String {
        let origin = match self.origin {
            Origin::Payload => "the payload's image",
            Origin::OverridesYaml => "the image of the deployed overrides.yaml",
            Origin::Bundle => "the image of an active bundle",
            Origin::Annotation => "the image of an annotation",
        };
        let versions: BTreeSet<&Version> = self.places.iter().map(|(_, version)| version).collect();
        let platforms: BTreeSet<&str> = self.places.iter().map(|(p, _)| p.as_str()).collect();
        let platforms: Vec<&str> = platforms.into_iter().collect();
        format!(
            "{origin} {} ({} {})",
            self.digest,
            platforms.join(" and "),
            listed(versions.into_iter())
        )
    }
}
