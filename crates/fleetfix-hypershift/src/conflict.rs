//! Two active bundles for one component, version and platform.
//!
//! One image runs in one place, so that the second would take the first one's fix away. That is
//! right only where the second holds the first, says so in `supersedes`, and covers all of it;
//! whether it holds it is judged with the images that it replaces ([`crate::downgrade`]).

use std::collections::BTreeSet;

use fleetfix_model::document::FixBundle;
use fleetfix_model::document::delivery::{Delivery, DeliveryMethod};
use fleetfix_model::document::finding::{Finding, FindingLevel};
use fleetfix_model::document::plan::Status;
use fleetfix_model::document::rollout::{FixReference, Targets};
use fleetfix_model::name::{ComponentTag, FixId};
use fleetfix_model::{HostedPlatform, Version};

use crate::Error;
use crate::coverage::Coverage;
use crate::coverage::range::listed;
use crate::delivery::Reach;
use crate::finding::{finding, refusal, spelled};

/// The fix that is planned.
#[derive(Clone, Copy, Debug)]
pub struct Ours<'a> {
    /// Its identity.
    pub id: &'a FixId,
    /// Its revision.
    pub revision: u32,
    /// The payload tag.
    pub component: &'a ComponentTag,
    /// What it covers.
    pub coverage: &'a Coverage,
    /// Which clusters it is for.
    pub targets: Option<&'a Targets>,
    /// How it gets there.
    pub delivery: &'a [Delivery],
    /// What it replaces.
    pub supersedes: &'a [FixReference],
    /// What must not be active beside it.
    pub conflicts: &'a [FixReference],
}

/// Holds the fix against every bundle that is active.
pub fn judge<'a>(
    ours: Ours<'_>,
    active: impl IntoIterator<Item = &'a FixBundle>,
) -> Result<Vec<Finding>, Error> {
    let mut findings = Vec::new();
    for bundle in active {
        findings.extend(against(ours, bundle)?);
    }
    Ok(findings)
}

fn against(ours: Ours<'_>, bundle: &FixBundle) -> Result<Vec<Finding>, Error> {
    let told = format!("{} revision {}", bundle.id, bundle.revision);
    let path = format!("conflict/{}", bundle.id);
    let same = bundle.id == *ours.id;
    if same && bundle.revision >= ours.revision {
        let message = format!(
            "{told} is active: the plan's revision {} is not above it; name a higher `revision`",
            ours.revision
        );
        return Ok(vec![refusal(&format!("{path}/revision"), message)?]);
    }
    let replaced = same || names(ours.supersedes, &bundle.id, bundle.revision);
    let excluded = names(ours.conflicts, &bundle.id, bundle.revision)
        || names(&bundle.conflicts, ours.id, ours.revision);
    if !replaced && excluded {
        let message = format!(
            "{told} is active, and one of the two says that they must not be active together: withdraw it, or supersede it"
        );
        return Ok(vec![refusal(&path, message)?]);
    }
    if replaced {
        let status = |platform, version: &Version| {
            ours.coverage.get(&(platform, version.clone())).map(|covered| covered.status)
        };
        let Ours { id, component, targets, delivery, .. } = ours;
        let lost = uncovered(bundle, Successor { id, component, targets, delivery }, status);
        let finding = lost.map(|lost| {
            let message = format!(
                "{told} is superseded and covers `{}` on {}, which the plan does not, or not for all of its clusters: they would lose its fix; cover them as well",
                bundle.component,
                lost.places()
            );
            finding(FindingLevel::Blocking, &lost.finding, message)
        });
        return finding.into_iter().collect();
    }
    let both = both(ours, bundle);
    if both.is_empty() {
        return Ok(Vec::new());
    }
    let message = format!(
        "{told} is active for `{}` on {} as well: one image would take the other's fix away; put both fixes into one, and name {} in `supersedes`",
        ours.component,
        places(&both),
        bundle.id
    );
    Ok(vec![refusal(&path, message)?])
}

/// True if a reference of the list means this revision of the fix.
fn names(references: &[FixReference], id: &FixId, revision: u32) -> bool {
    references.iter().any(|reference| reference.means(id, revision))
}

type Places = BTreeSet<(HostedPlatform, Version)>;

/// What both cover.
fn both(ours: Ours<'_>, bundle: &FixBundle) -> Places {
    let covered = |place: &(HostedPlatform, Version)| {
        let status = ours.coverage.get(place).map(|covered| covered.status);
        matches!(status, Some(Status::Covered | Status::Unreleased))
    };
    let places = of_bundle(bundle).filter(covered);
    places.filter(|_| bundle.component == *ours.component).collect()
}

fn of_bundle(bundle: &FixBundle) -> impl Iterator<Item = (HostedPlatform, Version)> {
    let affects = bundle.affects.iter();
    affects.flat_map(|a| a.versions.iter().map(|v| (a.platform, v.version.clone())))
}

/// What only a bundle covers that is to go: clusters there would run older code.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Uncovered {
    /// Name of the plan's finding that says so, which somebody may waive.
    pub finding: String,
    places: Places,
}

impl Uncovered {
    /// Platforms and versions, for people.
    pub fn places(&self) -> String {
        places(&self.places)
    }
}

/// The fix that takes the place of another.
#[derive(Clone, Copy, Debug)]
pub struct Successor<'a> {
    /// Its identity.
    pub id: &'a FixId,
    /// The payload tag.
    pub component: &'a ComponentTag,
    /// Which clusters it is for.
    pub targets: Option<&'a Targets>,
    /// How it gets there.
    pub delivery: &'a [Delivery],
}

/// What clusters would lose if `new`, whose rows have that `status`, took the place of `old`. A payload
/// with the fix needs no new revision of it; what another fix mended it need not have. What is not
/// released has no image yet. What `old` was not for it does not lose.
pub fn uncovered(
    old: &FixBundle,
    new: Successor<'_>,
    status: impl Fn(HostedPlatform, &Version) -> Option<Status>,
) -> Option<Uncovered> {
    let kept = |place: &(HostedPlatform, Version)| {
        let (platform, version) = place;
        Reach::at(old.targets.as_ref(), *platform, version) == Reach::None
            || match status(*platform, version) {
                Some(Status::Covered) => {
                    old.component == *new.component && reaches(new, old, place)
                }
                Some(Status::FixedInPayload) => old.id == *new.id,
                Some(Status::Gap | Status::NotAffected | Status::Unreleased) | None => false,
            }
    };
    let places: Places = of_bundle(old).filter(|place| !kept(place)).collect();
    let finding = spelled(&format!("conflict/{}/uncovered", old.id));
    (!places.is_empty()).then_some(Uncovered { finding, places })
}

/// True if `new` is for every cluster of a place that `old` is for. An entry by version is for all of
/// them, whatever else was wanted: that it is takes a waiver. Where either names clusters that an entry
/// does not know, both must name the same ones.
fn reaches(new: Successor<'_>, old: &FixBundle, place: &(HostedPlatform, Version)) -> bool {
    let (platform, version) = place;
    let by_entry = |delivery: &[Delivery]| {
        delivery.iter().any(|delivery| {
            (delivery.platform, delivery.minor) == (*platform, version.minor())
                && delivery.method == DeliveryMethod::OverridesYaml
        })
    };
    let reach = Reach::at(new.targets, *platform, version);
    if reach == Reach::None || by_entry(new.delivery) {
        return reach != Reach::None;
    }
    let (none, old_by_entry) = (Targets::default(), by_entry(&old.delivery));
    let (new, old) = (new.targets.unwrap_or(&none), old.targets.as_ref().unwrap_or(&none));
    let same = (&new.include, &new.exclude) == (&old.include, &old.exclude) && !old_by_entry;
    (reach == Reach::All || same) && new.min_hypershift_operator <= old.min_hypershift_operator
}

/// Versions on platforms, for people: neighbours as a range.
pub fn places(places: &BTreeSet<(HostedPlatform, Version)>) -> String {
    let platforms: BTreeSet<HostedPlatform> = places.iter().map(|(p, _)| *p).collect();
    let of = |platform: HostedPlatform| {
        let versions = places.iter().filter(move |(p, _)| *p == platform).map(|(_, v)| v);
        format!("{platform} {}", listed(versions))
    };
    platforms.into_iter().map(of).collect::<Vec<_>>().join("; ")
}
