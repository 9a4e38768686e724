//! A bundle at a fleet: the artifact and its documents, everything they lead to, and the people who
//! approved it. Works with the entry of a channel, and without one before there is any; at a fleet, and
//! where it was built before anything of it is copied.

mod approval;
mod documents;

use fleetfix_model::document::bundle::PatchedImage;
use fleetfix_model::document::channel::ChannelBundle;
use fleetfix_model::document::{Channel, FixBundle, FixPlan, FixRequest};
use fleetfix_model::name::RepositoryPath;
use fleetfix_model::{Descriptor, Digest, Repository, Timestamp};
use fleetfix_registry::attach::{Attachment, Kind};
use fleetfix_registry::{Client, Store};
use fleetfix_trust::Verified;
use fleetfix_trust::policy::Approvals;
use futures_util::stream::{self, StreamExt};

use crate::agreement::{self, Documents};
use crate::image::{self, ImageAudit};
use crate::judgement::Judged;
use crate::{Error, Rules, Stage, attestation};

pub use approval::approvers;
pub use documents::{Contents, read};

/// Name of the check of one bundle.
pub const CHECK: &str = "bundle";
/// Images that are verified at a time.
const IMAGES: usize = 4;

/// A bundle to verify.
#[derive(Clone, Copy, Debug)]
pub struct Subject<'a> {
    /// What reads it.
    pub client: &'a Client,
    /// Where the fleet lies, or where it was built: images and the bundle are below it.
    pub fleet: &'a Repository,
    /// The bundle's repository below the fleet.
    pub repository: &'a RepositoryPath,
    /// The bundle's manifest.
    pub manifest: &'a Descriptor,
    /// The channel that names the bundle, and its entry there; absent before it is in one.
    pub listed: Option<(&'a Channel, &'a ChannelBundle)>,
}

/// A bundle that holds in every respect. Only [`verify`] makes one.
#[derive(Debug)]
pub struct VerifiedBundle {
    manifest: Descriptor,
    contents: Contents,
    approvals: Verified<Approvals>,
    evidence: Vec<Evidence>,
}

/// What was counted for an image, or for the bundle itself: all of this, and nothing else that lies
/// beside it, is worth a copy.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Evidence {
    /// The index, manifest or bundle that it is about.
    pub subject: Digest,
    /// Where it lies, below the fleet or the place of the build.
    pub repository: RepositoryPath,
    /// Signature or attestation.
    pub kind: Kind,
    /// What was attached.
    pub attachment: Attachment,
}

impl VerifiedBundle {
    /// The manifest: its digest is what was approved.
    pub const fn manifest(&self) -> &Descriptor {
        &self.manifest
    }

    /// The bundle.
    pub const fn document(&self) -> &FixBundle {
        &self.contents.bundle
    }

    /// The plan that approvers read.
    pub const fn plan(&self) -> &FixPlan {
        &self.contents.plan
    }

    /// The request.
    pub const fn request(&self) -> &FixRequest {
        &self.contents.request
    }

    /// The approvals that were counted.
    pub const fn approvals(&self) -> &Verified<Approvals> {
        &self.approvals
    }

    /// The signatures of builders and the attestations that were counted. Release signatures and
    /// approvals are not among them.
    pub fn evidence(&self) -> &[Evidence] {
        &self.evidence
    }
}

/// What was found about a bundle.
#[derive(Debug)]
pub struct BundleAudit {
    /// The checks.
    pub judged: Judged,
    /// The bundle, if all of them hold.
    pub verified: Option<VerifiedBundle>,
    /// When it ended, where it is over: nothing else of it is checked then.
    pub ended: Option<Timestamp>,
}

impl BundleAudit {
    /// The bundle, for whoever cannot go on without it.
    ///
    /// # Errors
    /// [`Error::DoesNotHold`], about `subject`.
    pub fn holding(self, subject: &impl ToString) -> Result<VerifiedBundle, Error> {
        self.verified.ok_or_else(|| self.judged.error_about(subject))
    }
}

/// Verifies a bundle with all that it leads to.
pub async fn verify(subject: &Subject<'_>, rules: &Rules<'_>) -> BundleAudit {
    let store = subject.client.store(&subject.fleet.below(subject.repository));
    let digest = subject.manifest.digest;
    let contents = match read(&store, subject.manifest).await {
        Ok(contents) => contents,
        Err(judged) => {
            let judged = Judged::all(CHECK, store.repository().at(digest), vec![judged]);
            return BundleAudit { judged, verified: None, ended: None };
        }
    };
    let Contents { bundle, plan, request } = &contents;
    let name =
        format!("{} revision {}, {}", bundle.id, bundle.revision, store.repository().at(digest));
    if let Some(end) = bundle.expires.filter(|end| *end <= rules.now) {
        let detail = format!("ended at {end}, it is {}", rules.now);
        let judged = Judged::all(CHECK, name, vec![Judged::refused("expiry", "", detail)]);
        return BundleAudit { judged, verified: None, ended: Some(end) };
    }
    let mut parts = vec![
        Judged::holds("documents", "", "bundle, request and plan, each in its canonical form"),
        identity(subject, bundle, rules),
        tag(&store, bundle, digest).await,
        revocation(subject, bundle),
        expiry(bundle),
        counted(rules),
        bases(bundle, rules),
        agreement::check(Documents { request, plan, bundle }, rules.counted),
    ];
    let images = images(subject, &contents, rules).await;
    let builders = images.iter().flat_map(|image| image.builders.iter().cloned()).collect();
    let attested = attestation::bundle(&store, &bundle.fleet, bundle, digest, rules).await;
    let approvals = approval::check(&store, subject, &contents, &builders, rules).await;
    let mut evidence = attested.evidence(subject.repository);
    for image in images {
        parts.push(image.judged);
        evidence.extend(image.evidence);
    }
    parts.push(attested.judged);
    let approvals = match approvals {
        Ok((judged, approvals)) => {
            parts.push(judged);
            Some(approvals)
        }
        Err(judged) => {
            parts.push(judged);
            None
        }
    };
    let judged = Judged::all(CHECK, name, parts);
    let verified = approvals.filter(|_| judged.is_good()).map(|approvals| VerifiedBundle {
        manifest: subject.manifest.clone(),
        contents,
        approvals,
        evidence,
    });
    BundleAudit { judged, verified, ended: None }
}

/// The bundle is for this fleet, and it is the one that the channel names.
fn identity(subject: &Subject<'_>, bundle: &FixBundle, rules: &Rules<'_>) -> Judged {
    let mut parts = vec![match (rules.stage, subject.fleet) {
        (Stage::Build { .. }, _) => Judged::not_made("fleet", &bundle.fleet, "it is not there yet"),
        (Stage::Fleet, Repository::Registry { .. }) => {
            Judged::equal("fleet", "where it lies", subject.fleet, &bundle.fleet)
        }
        (Stage::Fleet, Repository::Layout(_)) => {
            Judged::not_made("fleet", &bundle.fleet, "a directory can hold any fleet")
        }
    }];
    if let Some((channel, entry)) = subject.listed {
        parts.push(Judged::equal("fleet", "channel", &channel.fleet, &bundle.fleet));
        parts.push(Judged::equal("id", "channel", &entry.id, &bundle.id));
        parts.push(Judged::equal("revision", "channel", &entry.revision, &bundle.revision));
        let tag = bundle.tag();
        let same = tag.as_ref() == Some(&entry.tag);
        parts.push(Judged::when(same, "tag", "channel", &entry.tag));
    }
    Judged::all("identity", &bundle.fleet, parts)
}

/// Registries delete what has no tag, so the bundle must still have its own.
async fn tag(store: &Store, bundle: &FixBundle, digest: Digest) -> Judged {
    let Some(tag) = bundle.tag() else {
        return Judged::refused("tag", &bundle.id, "its id and revision make no tag");
    };
    let reference = store.repository().tagged(tag.clone());
    match store.resolve(&tag).await {
        Ok(Some(found)) => Judged::equal("tag", reference, &digest, &found.digest),
        Ok(None) => Judged::refused("tag", reference, "is gone: registries delete what has no tag"),
        Err(error) => Judged::error("tag", reference, &Error::from(error)),
    }
}

/// Nothing of it is revoked: not the bundle, not an index, not a manifest.
fn revocation(subject: &Subject<'_>, bundle: &FixBundle) -> Judged {
    let Some((channel, _)) = subject.listed else {
        return Judged::not_made("revocation", "", "no channel is asked");
    };
    let images = bundle.images.iter().flat_map(image::signature::digests);
    let revoked: Vec<_> = images
        .chain([subject.manifest.digest])
        .filter_map(|digest| channel.revokes(digest))
        .map(|revoked| Judged::refused("revoked", revoked.digest, &revoked.reason))
        .collect();
    Judged::all("revocation", "", revoked)
}

/// Of a bundle that is not over.
fn expiry(bundle: &FixBundle) -> Judged {
    let until = bundle.expires.map(|end| format!("good until {end}"));
    Judged::holds("expiry", "", until.as_deref().unwrap_or("it has none"))
}

/// Approvals are judged at the time that the channel states; one that is still to come is a mistake,
/// or an attempt to use what is not good yet.
fn counted(rules: &Rules<'_>) -> Judged {
    /// How far the publishers' clock may be ahead of ours, in seconds.
    const CLOCK_SKEW: i64 = 300;
    let good = rules.counted <= rules.now.plus_seconds(CLOCK_SKEW);
    let detail = if good { "approvals are judged at this time" } else { "is in the future" };
    Judged::when(good, "counted", rules.counted, detail)
}

/// Every image was made from a repository that the policy allows.
fn bases(bundle: &FixBundle, rules: &Rules<'_>) -> Judged {
    let one = |image: &PatchedImage| {
        let repository = image.base.repository.to_string();
        let allowed = rules.policy.allows_base(&repository);
        let detail = if allowed { "" } else { "no `baseImages` of the policy is above it" };
        Judged::when(allowed, "baseImage", repository, detail)
    };
    if rules.policy.document().base_images.is_empty() {
        return Judged::not_made("baseImages", "", "the policy allows any");
    }
    Judged::all("baseImages", "", bundle.images.iter().map(one).collect())
}

async fn images(subject: &Subject<'_>, contents: &Contents, rules: &Rules<'_>) -> Vec<ImageAudit> {
    let Contents { bundle, plan, .. } = contents;
    let audits = bundle.images.iter().map(|image| {
        let Subject { client, fleet, .. } = *subject;
        let subject = image::Subject { client, fleet, bundle, image, plan };
        async move { image::verify(&subject, rules).await }
    });
    stream::iter(audits).buffered(IMAGES).collect().await
}
