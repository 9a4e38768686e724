//! Attestations beside an image or a bundle, judged by the policy: those that the bundle demands
//! and those that the policy demands.

use std::collections::BTreeSet;

use fleetfix_model::document::bundle::{PatchedImage, RequiredAttestation};
use fleetfix_model::document::fix::{FixedFile, FixedPlatform};
use fleetfix_model::document::policy::{Artefact, Role};
use fleetfix_model::document::{Fix, FixBundle, FixPlan};
use fleetfix_model::name::{PrincipalName, RepositoryPath};
use fleetfix_model::{Digest, Repository, canonical, media};
use fleetfix_registry::Store;
use fleetfix_registry::attach::{self, Attachment, Kind};
use fleetfix_trust::dsse::Envelope;
use fleetfix_trust::policy::{Attested, Claim, Place};
use fleetfix_trust::statement::{self, Statement};
use serde_json::Value;

use crate::bundle::Evidence;
use crate::judgement::{Judged, chain, parts_of};
use crate::{Error, Rules, image};

/// Name of the check of all attestations of one artefact.
pub const CHECK: &str = "attestations";

/// What was found about one artefact.
#[derive(Clone, Debug)]
pub struct Found {
    /// The check.
    pub judged: Judged,
    /// Who attested in the role of a builder.
    pub builders: BTreeSet<PrincipalName>,
    /// What was counted, and what each is about.
    counted: Vec<(Digest, Attachment)>,
}

impl Found {
    /// What was counted, beside what lies in `repository`.
    pub(crate) fn evidence(&self, repository: &RepositoryPath) -> Vec<Evidence> {
        let evidence = |(subject, attachment): &(Digest, Attachment)| Evidence {
            subject: *subject,
            repository: repository.clone(),
            kind: Kind::Attestation,
            attachment: attachment.clone(),
        };
        self.counted.iter().map(evidence).collect()
    }
}

/// DSSE envelopes as they lie beside a digest.
pub(crate) struct Envelopes(Vec<Attachment>);

impl Envelopes {
    /// Reads what is attached to `subject`.
    pub(crate) async fn read(store: &Store, subject: Digest) -> Result<Self, Error> {
        let attached = attach::candidates(store, subject, Kind::Attestation).await?;
        let envelopes = attached.into_iter().filter(|one| one.media_type == media::DSSE);
        Ok(Self(envelopes.collect()))
    }

    /// Those that claim `predicate_type`, and those that cannot be read. The claim is not signed
    /// for yet: this only spares people the list of all that was never meant.
    pub(crate) fn of_type(&self, predicate_type: &str) -> Vec<Vec<u8>> {
        let meant = |bytes: &&Vec<u8>| {
            Envelope::parse(bytes)
                .ok()
                .and_then(|envelope| statement::predicate_type(envelope.payload()).ok())
                .is_none_or(|found| found == predicate_type)
        };
        self.0.iter().map(|one| &one.payload).filter(meant).cloned().collect()
    }

    /// What was attached, of the envelopes with these digests.
    fn with<'a>(&'a self, digests: &'a BTreeSet<Digest>) -> impl Iterator<Item = &'a Attachment> {
        self.0.iter().filter(|one| digests.contains(&Digest::of(&one.payload)))
    }
}

/// Checks everything that must be attested about the image of `subject`, which lies in `store`.
pub(crate) async fn image(store: &Store, subject: &image::Subject<'_>, rules: &Rules<'_>) -> Found {
    let image::Subject { bundle, plan, image, .. } = *subject;
    let repository = bundle.fleet.below(&image.repository);
    let place = Place {
        channel: rules.channel,
        component: Some(&bundle.component),
        repository: Some(&repository),
    };
    let required = merged(image.attestations.iter().cloned().chain(by_policy(
        rules,
        Artefact::Image,
        image.index.digest,
    )));
    let check = |attested: &Attested| about_image(attested, bundle, plan, image);
    let meant = |bytes: &[u8]| !names_other_plan(bytes, bundle);
    all(store, image.index.digest, &required, place, rules, meant, check).await
}

/// Checks everything that the policy demands about the bundle whose manifest is `subject`.
pub(crate) async fn bundle(
    store: &Store,
    fleet: &Repository,
    bundle: &FixBundle,
    subject: Digest,
    rules: &Rules<'_>,
) -> Found {
    let place = Place {
        channel: rules.channel,
        component: Some(&bundle.component),
        repository: Some(fleet),
    };
    let required = merged(by_policy(rules, Artefact::Bundle, subject));
    all(store, subject, &required, place, rules, |_| true, |_| Vec::new()).await
}

fn by_policy(
    rules: &Rules<'_>,
    artefact: Artefact,
    subject: Digest,
) -> impl Iterator<Item = RequiredAttestation> {
    let required = rules.policy.document().required.iter();
    required.filter(move |one| one.artefact == artefact).map(move |one| RequiredAttestation {
        subject,
        predicate_type: one.predicate_type.clone(),
        role: one.role,
        count: one.count,
        statement: None,
    })
}

/// Two demands for the same are one: the higher count, and the digest of the statement where one of
/// them names it.
fn merged(all: impl Iterator<Item = RequiredAttestation>) -> Vec<RequiredAttestation> {
    let mut merged: Vec<RequiredAttestation> = Vec::new();
    for one in all {
        let same = merged.iter_mut().find(|other| {
            (other.subject, &other.predicate_type, other.role)
                == (one.subject, &one.predicate_type, one.role)
                && (other.statement.is_none() || one.statement.is_none())
        });
        match same {
            Some(other) => {
                other.count = other.count.max(one.count);
                other.statement = other.statement.or(one.statement);
            }
            None => merged.push(one),
        }
    }
    merged
}

async fn all(
    store: &Store,
    about: Digest,
    required: &[RequiredAttestation],
    place: Place<'_>,
    rules: &Rules<'_>,
    meant: impl Fn(&[u8]) -> bool,
    check: impl Fn(&Attested) -> Vec<Judged>,
) -> Found {
    let mut builders = BTreeSet::new();
    let mut counted: Vec<(Digest, Attachment)> = Vec::new();
    let mut parts = Vec::new();
    let subjects: BTreeSet<Digest> = required.iter().map(|one| one.subject).collect();
    for subject in subjects {
        let envelopes = match Envelopes::read(store, subject).await {
            Ok(envelopes) => envelopes,
            Err(error) => {
                parts.push(Judged::error("attestation", subject, &error));
                continue;
            }
        };
        for one in required.iter().filter(|one| one.subject == subject) {
            let candidates = envelopes.of_type(&one.predicate_type);
            if candidates.is_empty() {
                let detail = format!("no attestation of type {} is there", one.predicate_type);
                parts.push(Judged::nothing("attestation", subject, detail));
                continue;
            }
            // One index may be part of another revision as well; what is said for that one takes
            // nothing away from this one, and adds nothing to it.
            let (candidates, others): (Vec<_>, Vec<_>) =
                candidates.into_iter().partition(|bytes| meant(bytes));
            let others = others.iter().map(|bytes| {
                let detail = "not counted: provenance of another plan";
                Judged::not_made("attestation", Digest::of(bytes), detail)
            });
            let others: Vec<_> = others.collect();
            if candidates.is_empty() {
                let detail = "all that is there names another plan";
                let failed = Judged::refused("provenance", subject, detail);
                let parts_of_one = others.into_iter().chain([failed]).collect();
                parts.push(Judged::all("attestation", &one.predicate_type, parts_of_one));
                continue;
            }
            let claim = Claim {
                subject,
                predicate_type: &one.predicate_type,
                role: one.role,
                count: one.count,
                statement: one.statement,
                place,
                time: rules.counted,
            };
            match rules.policy.attested(&claim, &candidates) {
                Ok(attested) => {
                    if one.role == Role::Builder {
                        builders.extend(attested.principals());
                    }
                    let digests = attested.statements.iter().map(|s| s.envelope).collect();
                    for attachment in envelopes.with(&digests) {
                        let new = (subject, attachment.clone());
                        if !counted.contains(&new) {
                            counted.push(new);
                        }
                    }
                    let mut made = parts_of(attested.check());
                    made.extend(check(&attested));
                    made.extend(others);
                    parts.push(Judged::all("attestation", &one.predicate_type, made));
                }
                Err(refusal) => {
                    let made = parts_of(refusal.check().clone());
                    let judged = Judged::all("attestation", &one.predicate_type, made);
                    parts.push(judged.detail(refusal).refuse());
                }
            }
        }
    }
    let judged = if required.is_empty() {
        Judged::not_made(CHECK, about, "neither bundle nor policy demands any")
    } else {
        Judged::all(CHECK, about, parts)
    };
    Found { judged, builders, counted }
}

/// Whether what was attested is what bundle and plan say.
fn about_image(
    attested: &Attested,
    bundle: &FixBundle,
    plan: &FixPlan,
    image: &PatchedImage,
) -> Vec<Judged> {
    let statements = attested.statements.iter().map(|one| &one.statement);
    match attested.predicate_type.as_str() {
        media::FIX_PREDICATE => {
            statements.map(|one| fix(one.clone(), bundle, plan, image)).collect()
        }
        media::PROVENANCE_PREDICATE => {
            let named = statements.filter(|one| plan_of(&one.predicate).is_some()).count();
            let detail = format!("{named} of {} name it", attested.statements.len());
            vec![Judged::when(named > 0, "provenance", format!("plan {}", bundle.plan), detail)]
        }
        _ => Vec::new(),
    }
}

fn fix(
    statement: Statement<Value>,
    bundle: &FixBundle,
    plan: &FixPlan,
    image: &PatchedImage,
) -> Judged {
    let fix: Fix = match statement.document() {
        Ok(statement) => statement.predicate,
        Err(error) => return Judged::refused("fix", "", chain(&error)),
    };
    let platforms = fix.platforms.iter().map(|p| (&p.platform, p.manifest));
    let named = image.platforms.iter().map(|p| (&p.platform, p.manifest.digest));
    let table = [
        ("id", fix.id == bundle.id),
        ("revision", fix.revision == bundle.revision),
        ("tickets", fix.tickets == bundle.tickets),
        ("component", fix.component == bundle.component),
        ("minor", fix.minor == image.minor),
        ("plan", fix.plan == bundle.plan),
        ("baseRepository", fix.base_repository == image.base.repository),
        ("base", fix.base == image.base.digest),
        ("commit", fix.commit == image.commit),
        ("platforms", platforms.eq(named)),
    ];
    let other = table.iter().filter(|(_, same)| !same).map(|(field, _)| (*field).to_owned());
    let mut other: Vec<String> = other.collect();
    for platform in &fix.platforms {
        let fields = not_planned(platform, plan, image).into_iter();
        other.extend(fields.map(|field| format!("{field} on {}", platform.platform)));
    }
    if other.is_empty() {
        Judged::holds("fix", "", "says what bundle and plan say")
    } else {
        let detail = format!("differs from bundle and plan in {}", other.join(", "));
        Judged::refused("fix", "", detail)
    }
}

/// What a builder put into one manifest, beside what approvers read that it would: the fields that
/// differ.
fn not_planned(fixed: &FixedPlatform, plan: &FixPlan, image: &PatchedImage) -> Vec<&'static str> {
    let bases = plan.bases.iter().filter(|base| base.digest == image.base.digest);
    let base = bases.flat_map(|base| &base.platforms).find(|p| p.platform == fixed.platform);
    let Some(planned) = plan.fix(image.minor) else { return vec!["minor"] };
    let architecture = &fixed.platform.architecture;
    let files: Option<Vec<FixedFile>> = planned
        .files
        .iter()
        .map(|file| {
            let content = file.content(architecture)?;
            Some(FixedFile::of(file, content))
        })
        .collect();
    let table = [
        ("base", base.is_some_and(|base| base.digest == fixed.base)),
        ("files", files.is_some_and(|files| files == fixed.files)),
        ("removed", planned.remove == fixed.removed),
    ];
    table.into_iter().filter(|(_, same)| !same).map(|(field, _)| field).collect()
}

/// The plan that provenance names. A build by us names its plan; builds of others need not.
fn plan_of(predicate: &Value) -> Option<&Value> {
    predicate.pointer("/buildDefinition/externalParameters/plan")
}

/// True if this is provenance that names another plan. Not signed for yet: this only leaves things out.
fn names_other_plan(bytes: &[u8], bundle: &FixBundle) -> bool {
    let plan = |envelope: &Envelope| {
        let value = canonical::from_bounded_json(envelope.payload()).ok()?;
        plan_of(value.get("predicate")?).cloned()
    };
    let is_provenance = |envelope: &Envelope| {
        let found = statement::predicate_type(envelope.payload());
        found.is_ok_and(|found| found == media::PROVENANCE_PREDICATE)
    };
    let envelope = Envelope::parse(bytes).ok().filter(is_provenance);
    let plan = envelope.as_ref().and_then(plan);
    plan.is_some_and(|plan| plan.as_str() != Some(bundle.plan.to_string().as_str()))
}
