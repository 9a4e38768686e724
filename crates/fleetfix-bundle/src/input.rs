//! The documents that a bundle is written from, and whether they belong together.

use std::path::Path;

use fleetfix_model::document::{FixPlan, FixRequest, from_canonical, from_yaml};
use fleetfix_model::name::RepositoryPath;
use fleetfix_model::{Digest, Timestamp, ToCanonical, canonical, yaml};
use fleetfix_task::{Failure, file};

use crate::Error;

/// A request, and the plan that follows from it.
#[derive(Clone, Debug)]
pub struct Input {
    /// The request.
    pub request: FixRequest,
    /// The plan.
    pub plan: FixPlan,
    /// Digest of the plan's canonical bytes.
    pub plan_digest: Digest,
}

impl Input {
    /// Reads the files. `now` is when waivers are judged.
    pub fn read(request: &Path, plan: &Path, now: Timestamp) -> Result<Self, Failure> {
        let name = |path: &Path| path.display().to_string();
        let bytes = file::read_bounded(request, yaml::MAX_SIZE as u64)?;
        let request = from_yaml(&name(request), &bytes)?;
        let bytes = file::read_bounded(plan, canonical::MAX_SIZE as u64)?;
        let plan = from_canonical(&name(plan), &bytes)?;
        Ok(Self::new(request, plan, now)?)
    }

    /// The plan must follow from this very request, and nothing in it may stop it now.
    pub fn new(request: FixRequest, plan: FixPlan, now: Timestamp) -> Result<Self, Error> {
        let given = request.canonical_digest().map_err(Error::Canonical)?;
        if given != plan.request {
            return Err(Error::OtherRequest { id: plan.id, planned: plan.request, given });
        }
        if request.fix_id().as_ref() != Some(&plan.id) || request.revision() != plan.revision {
            return Err(Error::OtherFix { id: plan.id, revision: plan.revision });
        }
        let findings: Vec<String> = plan.stopping(now).map(|f| f.id.to_string()).collect();
        if !findings.is_empty() {
            return Err(Error::Blocked { id: plan.id, findings: findings.join(", ") });
        }
        let plan_digest = plan.canonical_digest().map_err(Error::Canonical)?;
        Ok(Self { request, plan, plan_digest })
    }

    /// The component as a repository below a prefix.
    pub fn component(&self) -> Result<RepositoryPath, Error> {
        let component = &self.plan.component;
        component
            .as_str()
            .parse()
            .map_err(|source| Error::Component { component: component.clone(), source })
    }
}
