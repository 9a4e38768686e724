//! Who approved a bundle: the envelopes beside it, counted by the policy.

use std::collections::BTreeSet;

use fleetfix_model::document::finding::Waiver;
use fleetfix_model::document::policy::Role;
use fleetfix_model::name::{ComponentTag, PrincipalName, RepositoryPath};
use fleetfix_model::{Digest, media};
use fleetfix_registry::Store;
use fleetfix_trust::Verified;
use fleetfix_trust::policy::{Approvals, Asked, People, Place};

use super::{Contents, Subject};
use crate::attestation::Envelopes;
use crate::channel::VerifiedChannel;
use crate::judgement::{Judged, parts_of};
use crate::{Rules, Stage};

/// Name of the check of all approvals.
const CHECK: &str = "approvals";

/// Who may approve a fix of `component` for `channel`, by its policy.
pub fn approvers(channel: &VerifiedChannel, component: &ComponentTag) -> BTreeSet<PrincipalName> {
    let document = channel.document();
    let path = component.as_str().parse().ok();
    let repository = path.map(|path: RepositoryPath| document.fleet.below(&path));
    let place = Place {
        channel: Some(&document.name),
        component: Some(component),
        repository: repository.as_ref(),
    };
    channel.policy().holders(Role::Approver, &place)
}

/// Counts the approvals. Those that the channel names must be among them.
pub(super) async fn check(
    store: &Store,
    subject: &Subject<'_>,
    contents: &Contents,
    builders: &BTreeSet<PrincipalName>,
    rules: &Rules<'_>,
) -> Result<(Judged, Verified<Approvals>), Judged> {
    let bundle = subject.manifest.digest;
    let mut candidates = match rules.stage {
        Stage::Build { approvals } => approvals.to_vec(),
        Stage::Fleet => Envelopes::read(store, bundle)
            .await
            .map_err(|error| Judged::error(CHECK, bundle, &error))?
            .of_type(media::APPROVAL_PREDICATE),
    };
    if candidates.is_empty() {
        return Err(Judged::nothing(CHECK, bundle, "no approval is there"));
    }
    let named: &[Digest] = subject.listed.map_or(&[], |(_, entry)| &entry.approvals);
    // One principal counts once, with the first approval that is good. Somebody may have given a
    // second one since, and that must not hide the one that the channel names.
    candidates.sort_by_key(|bytes| !named.contains(&Digest::of(bytes)));
    let plan = &contents.plan;
    let waivers: Vec<Waiver> =
        plan.findings.iter().filter_map(|finding| finding.waiver.clone()).collect();
    let authors: Vec<PrincipalName> =
        plan.fixes.iter().flat_map(|fix| fix.authors.iter().cloned()).collect();
    let builders: Vec<PrincipalName> = builders.iter().cloned().collect();
    // Rules are for repositories of images, of which a bundle has one: the agreement says so.
    let mut repositories = contents.bundle.images.iter().map(|image| &image.repository);
    let repository = repositories
        .next()
        .map(|repository| contents.bundle.fleet.below(repository))
        .ok_or_else(|| Judged::refused(CHECK, bundle, "the bundle has no image"))?;
    let asked = Asked {
        bundle,
        request: contents.bundle.request,
        plan: contents.bundle.plan,
        waivers: &waivers,
        place: Place {
            channel: rules.channel,
            component: Some(&contents.bundle.component),
            repository: Some(&repository),
        },
        people: People {
            requester: plan.requester.as_ref(),
            authors: &authors,
            builders: &builders,
        },
        time: rules.counted,
    };
    let approvals = rules.policy.approvals(&asked, &candidates).map_err(|refusal| {
        Judged::all(CHECK, bundle, parts_of(refusal.check().clone())).detail(refusal).refuse()
    })?;
    let counted = approvals.envelopes();
    let missing = named.iter().filter(|digest| !counted.contains(digest));
    let mut parts: Vec<Judged> = missing
        .map(|digest| {
            Judged::refused("named", digest, "the channel names it, and it is not counted")
        })
        .collect();
    parts.splice(0..0, parts_of(approvals.check()));
    let judged = Judged::all(CHECK, bundle, parts);
    if judged.is_good() { Ok((judged, approvals)) } else { Err(judged) }
}
