//! Provenance of a patched image: SLSA v1 (slsa.dev/spec/v1.0/provenance).
//!
//! It claims what this builder did and no more: it put these files onto that base, following that
//! plan. How the files were built is for whoever built them to say.

use std::collections::BTreeSet;

use serde_json::{Value, json};

use crate::locate;
use crate::patched::Patched;

/// What `buildType` says: the parameters are a plan, and what follows is a patched image.
pub const BUILD_TYPE: &str = "https://fleetfix.openshift.io/patch/v1";
/// The builder where nobody says another: a person's machine, which proves nothing.
pub const LOCAL_BUILDER: &str = "https://fleetfix.openshift.io/builders/local";

/// The provenance of `patched`, built by `builder`.
pub fn provenance(patched: &Patched<'_>, builder: &str) -> Value {
    json!({
        "buildDefinition": {
            "buildType": BUILD_TYPE,
            "externalParameters": {
                "plan": patched.plan_digest,
                "request": patched.plan.request,
                "component": patched.plan.component,
                "minor": patched.base.minor,
            },
            "resolvedDependencies": dependencies(patched),
        },
        "runDetails": {"builder": {"id": builder}},
    })
}

/// The base, the source commit, then each file, once per content.
fn dependencies(patched: &Patched<'_>) -> Vec<Value> {
    let base = patched.base;
    let name = locate::last_component(&base.repository);
    let mut all = vec![json!({
        "uri": locate::image(&name, base.digest, Some(&base.repository)),
        "digest": {"sha256": base.digest.hex()},
    })];
    if let Some(commit) = &patched.fix.commit {
        let mut source = json!({"digest": {"gitCommit": commit}});
        let uri = patched.fix.source.as_deref().and_then(|s| locate::commit(s, commit));
        if let (Some(uri), Some(source)) = (uri, source.as_object_mut()) {
            source.insert("uri".into(), json!(uri));
        }
        all.push(source);
    }
    let files: BTreeSet<_> = patched
        .platforms
        .iter()
        .flat_map(|p| p.files.iter().map(|f| (f.path, &f.content.architecture, f.content.digest)))
        .collect();
    all.extend(files.into_iter().map(|(path, architecture, digest)| {
        json!({
            "name": path,
            "digest": {"sha256": digest.hex()},
            "annotations": {"architecture": architecture},
        })
    }));
    all
}
