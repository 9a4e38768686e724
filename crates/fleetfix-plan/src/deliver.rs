//! How the fix gets to each platform and release line, and what that touches.

use std::collections::BTreeSet;

use fleetfix_hypershift::coverage::Coverage;
use fleetfix_hypershift::delivery::{self, Place};
use fleetfix_hypershift::{Catalogue, impact};
use fleetfix_model::document::delivery::{Delivery, DeliveryMethod, Impact};
use fleetfix_model::document::finding::Finding;
use fleetfix_model::document::plan::Status;
use fleetfix_model::document::request::FixRequest;
use fleetfix_model::name::ComponentTag;
use fleetfix_model::{HostedPlatform, Minor};

/// Deliveries and impacts, sorted by platform and release line.
#[derive(Debug, Default)]
pub struct Delivered {
    /// The deliveries.
    pub deliveries: Vec<Delivery>,
    /// The impacts.
    pub impacts: Vec<Impact>,
    /// What was found.
    pub findings: Vec<Finding>,
}

/// Decides for each platform and release line with a covered version.
pub fn decide(
    request: &FixRequest,
    tag: &ComponentTag,
    coverage: &Coverage,
    catalogue: &Catalogue,
) -> Result<Delivered, fleetfix_hypershift::Error> {
    let mut delivered = Delivered::default();
    let (class, said) = impact::class(tag, catalogue)?;
    delivered.findings.extend(said);
    let covered = coverage.iter().filter(|(_, covered)| covered.status == Status::Covered);
    let lines: BTreeSet<(HostedPlatform, Minor)> =
        covered.map(|((platform, version), _)| (*platform, version.minor())).collect();
    for (platform, minor) in lines {
        let place = Place { tag, class, platform, minor };
        let (delivery, said) = delivery::choose(place, request.delivery)?;
        delivered.findings.extend(said);
        let method = delivery.as_ref().map(|delivery| delivery.method);
        let (touched, said) = impact::assess(tag, class, platform, minor, method, catalogue)?;
        delivered.findings.extend(said);
        if let Some(delivery) = &delivery {
            let (rollout, targets) = (request.rollout.as_ref(), request.targets.as_ref());
            delivered.findings.extend(delivery::judge_rollout(delivery, rollout, targets)?);
        }
        delivered.deliveries.extend(delivery);
        delivered.impacts.push(touched);
    }
    Ok(delivered)
}

impl Delivered {
    /// True if the fix gets there as an entry that is looked up by version: then the annotation of a
    /// cluster keeps it away.
    pub fn is_by_version(&self, platform: HostedPlatform, minor: Minor) -> bool {
        self.deliveries.iter().any(|delivery| {
            (delivery.platform, delivery.minor) == (platform, minor)
                && delivery.method == DeliveryMethod::OverridesYaml
        })
    }
}
