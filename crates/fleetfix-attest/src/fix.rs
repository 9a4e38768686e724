//! The fix predicate, from plan and patched image.

use fleetfix_model::document::fix::{FixKind, FixedFile, FixedPlatform};
use fleetfix_model::document::{Annotations, ApiVersion, Fix};

use crate::patched::{Patched, PatchedPlatform};

/// What the builder says about the patched image: which plan it follows, what it was made from, and
/// the files in each of its manifests.
pub fn fix(patched: &Patched<'_>) -> Fix {
    let plan = patched.plan;
    Fix {
        api_version: ApiVersion::V1alpha1,
        kind: FixKind::Fix,
        annotations: Annotations::new(),
        requires: Vec::new(),
        id: plan.id.clone(),
        revision: plan.revision,
        tickets: plan.tickets.clone(),
        component: plan.component.clone(),
        minor: patched.base.minor,
        plan: patched.plan_digest,
        base_repository: patched.base.repository.clone(),
        base: patched.base.digest,
        commit: patched.fix.commit.clone(),
        platforms: patched.platforms.iter().map(|p| platform(patched, p)).collect(),
    }
}

fn platform(patched: &Patched<'_>, platform: &PatchedPlatform<'_>) -> FixedPlatform {
    FixedPlatform {
        platform: platform.base.platform.clone(),
        manifest: platform.manifest,
        base: platform.base.digest,
        files: platform.files.iter().map(|f| FixedFile::of(f.planned, f.content)).collect(),
        removed: patched.fix.remove.clone(),
    }
}
