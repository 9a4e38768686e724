//! Signatures of images. Release signatures are what clusters check before they run an image: the index
//! has one and each of its manifests has one, because CRI-O looks at the manifest that it runs. Before
//! anybody released it, builders signed the same digests by the same name.

use std::collections::BTreeSet;

use fleetfix_model::document::bundle::PatchedImage;
use fleetfix_model::document::policy::Role;
use fleetfix_model::name::PrincipalName;
use fleetfix_model::{Digest, Repository, media};
use fleetfix_registry::Store;
use fleetfix_registry::attach::{self, Attachment, Kind};
use fleetfix_trust::PublicKey;
use fleetfix_trust::policy::{Place, Speaker};
use fleetfix_trust::simple_signing::{Candidate, Good, judge};
use futures_util::stream::{self, StreamExt};

use crate::judgement::{Judged, chain};
use crate::{Error, PARALLEL, Rules};

/// Name of the check of one digest.
pub const CHECK: &str = "releaseSignature";
/// Name of the check of one digest by those who built it.
pub const BUILDER_CHECK: &str = "builderSignature";

/// What the signature of an image of `fleet` calls it: what clusters pull.
pub fn docker_reference(fleet: &Repository, image: &PatchedImage) -> String {
    fleet.below(&image.repository).tagged(image.tag.clone()).to_string()
}

/// The digests of an image that need a signature: its index and its manifests.
pub fn digests(image: &PatchedImage) -> BTreeSet<Digest> {
    let manifests = image.platforms.iter().map(|platform| platform.manifest.digest);
    manifests.chain([image.index.digest]).collect()
}

/// Checks that each of `digests` is signed as `docker_reference` by one of `keys`.
pub async fn check(
    store: &Store,
    digests: &BTreeSet<Digest>,
    docker_reference: &str,
    keys: &[PublicKey],
) -> Judged {
    Attached::read(store, digests).await.released(docker_reference, keys)
}

/// What is attached to the digests of an image, read once: whoever released and whoever built it is
/// judged by the same bytes.
pub(crate) struct Attached(Vec<(Digest, Result<Vec<Attachment>, Error>)>);

/// What was found about those who built an image.
pub(crate) struct Built {
    /// Whether enough builders signed.
    pub(crate) judged: Judged,
    /// Everybody whose key signed, builder by the policy or not: no two parts in one bundle.
    pub(crate) builders: BTreeSet<PrincipalName>,
    /// The signatures that were counted, and what each is about.
    pub(crate) counted: Vec<(Digest, Attachment)>,
}

impl Attached {
    /// Reads what is attached to each of `digests`.
    pub(crate) async fn read(store: &Store, digests: &BTreeSet<Digest>) -> Self {
        let read = digests.iter().map(|digest| async move {
            let attached = attach::candidates(store, *digest, Kind::Signature).await;
            (*digest, attached.map_err(Error::from))
        });
        Self(stream::iter(read).buffered(PARALLEL).collect().await)
    }

    /// Whether each digest is signed as `docker_reference` by one of `keys`.
    pub(crate) fn released(&self, docker_reference: &str, keys: &[PublicKey]) -> Judged {
        let one = |(digest, attached): &(Digest, Result<Vec<Attachment>, Error>)| match attached {
            Ok(attached) => released(attached, *digest, docker_reference, keys),
            Err(error) => Judged::error(CHECK, digest, error),
        };
        Judged::all("releaseSignatures", docker_reference, self.0.iter().map(one).collect())
    }

    /// Whether each digest is signed as `docker_reference` by as many builders as the policy wants.
    pub(crate) fn by_builders(
        &self,
        docker_reference: &str,
        place: &Place<'_>,
        rules: &Rules<'_>,
    ) -> Built {
        let (mut parts, mut builders, mut counted) = (Vec::new(), BTreeSet::new(), Vec::new());
        for (digest, attached) in &self.0 {
            match attached {
                Ok(attached) => {
                    let one = built(attached, *digest, docker_reference, place, rules);
                    parts.push(one.judged);
                    builders.extend(one.builders);
                    counted.extend(one.counted);
                }
                Err(error) => parts.push(Judged::error(BUILDER_CHECK, digest, error)),
            }
        }
        let judged = Judged::all("builderSignatures", docker_reference, parts);
        Built { judged, builders, counted }
    }
}

/// Judges what is attached. Anybody who may write there can attach anything, so one good signature
/// is enough, and each of the others is told with the reason why it does not count.
fn released(
    attached: &[Attachment],
    digest: Digest,
    docker_reference: &str,
    keys: &[PublicKey],
) -> Judged {
    if attached.is_empty() {
        return Judged::nothing(CHECK, digest, "no signature is there");
    }
    let results = results(attached, digest, docker_reference, keys);
    let good = results.iter().find_map(|(_, result)| result.as_ref().ok());
    let good = good.map(|good| format!("by key {}", good.key.key_id()));
    let reasons = results.into_iter().filter_map(|(_, result)| result.err()).collect();
    concluded(CHECK, digest, good, reasons)
}

fn built(
    attached: &[Attachment],
    digest: Digest,
    docker_reference: &str,
    place: &Place<'_>,
    rules: &Rules<'_>,
) -> Built {
    let (mut builders, mut principals) = (BTreeSet::new(), BTreeSet::new());
    let (mut reasons, mut counted) = (Vec::new(), Vec::new());
    let holders = rules.policy.holders(Role::Builder, place);
    let keys = rules.policy.principal_keys();
    for (attachment, result) in results(attached, digest, docker_reference, keys) {
        let good = match result {
            Ok(good) => good,
            Err(reason) => {
                reasons.push(reason);
                continue;
            }
        };
        let Some(Speaker { principal, key_is_good }) =
            rules.policy.speaker(&good.key, rules.counted)
        else {
            continue;
        };
        builders.insert(principal.clone());
        if !key_is_good {
            reasons.push(format!("the key of {principal} is not good at {}", rules.counted));
        } else if holders.contains(&principal) {
            principals.insert(principal);
            counted.push((digest, attachment.clone()));
        } else {
            reasons.push(format!("{principal} is no {} here", Role::Builder));
        }
    }
    let judged = if attached.is_empty() {
        Judged::nothing(BUILDER_CHECK, digest, "no signature is there")
    } else {
        let count = rules.policy.count(Role::Builder, place, &principals);
        let details: Vec<_> = count.checks(&[]).into_iter().map(|check| check.detail).collect();
        if !count.holds() {
            reasons.splice(0..0, details.iter().cloned());
        }
        concluded(BUILDER_CHECK, digest, count.holds().then(|| details.join("; ")), reasons)
    };
    Built { judged, builders, counted }
}

/// Each attachment with what came of it: a good signature, or the reason why it is none.
fn results<'a>(
    attached: &'a [Attachment],
    digest: Digest,
    docker_reference: &str,
    keys: &[PublicKey],
) -> Vec<(&'a Attachment, Result<Good, String>)> {
    let (signatures, others): (Vec<_>, Vec<_>) =
        attached.iter().partition(|a| a.media_type == media::SIMPLE_SIGNING);
    let candidates: Vec<Candidate> = signatures
        .iter()
        .map(|a| Candidate::from_layer(a.payload.clone(), &a.annotations))
        .collect();
    let judged = judge(&candidates, keys, digest, docker_reference);
    let judged = judged.into_iter().map(|result| result.map_err(|error| chain(&error)));
    let mut results: Vec<_> = signatures.into_iter().zip(judged).collect();
    results.extend(
        others
            .into_iter()
            .map(|other| (other, Err(format!("a layer of media type `{}`", other.media_type)))),
    );
    results
}

/// A check of one digest. What does not count fails nothing by itself; where nothing counts, the
/// digest is what failed, and the reasons say why.
fn concluded(name: &str, digest: Digest, good: Option<String>, reasons: Vec<String>) -> Judged {
    /// As many reasons as a person reads on one line.
    const SHOWN: usize = 3;
    let mut judged = if let Some(good) = good {
        Judged::holds(name, digest, good)
    } else {
        let mut detail = reasons.iter().take(SHOWN).cloned().collect::<Vec<_>>().join("; ");
        if reasons.len() > SHOWN {
            detail = format!("{detail}; {} more", reasons.len() - SHOWN);
        }
        Judged::refused(name, digest, format!("none of the signatures counts: {detail}"))
    };
    let skipped = reasons.into_iter().map(|r| Judged::not_made("candidate", "", r).check);
    judged.check.checks = skipped.collect();
    judged
}
