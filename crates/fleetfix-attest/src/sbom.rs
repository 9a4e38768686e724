//! The bill of materials of a patched image: `CycloneDX` 1.6 JSON (ECMA-424, first edition).
//!
//! It lists what the patch put there and names the base by digest. What the base holds is in the
//! base's own bill of materials, so the composition says `incomplete`. There is neither a serial
//! number nor a time in it: both are optional, and the same patch has the same bytes.

use fleetfix_model::{Digest, media};
use serde_json::{Value, json};

use crate::locate;
use crate::patched::{Patched, PatchedFile, PatchedPlatform};

/// Property that holds a manifest's platform, `os/architecture[/variant]`.
pub const PLATFORM_PROPERTY: &str = "fleetfix.openshift.io/platform";

/// The bill of materials of `patched`.
pub fn sbom(patched: &Patched<'_>) -> Value {
    let subject = reference(patched.index);
    let mut component = json!({
        "type": "container",
        "bom-ref": subject,
        "name": patched.plan.component,
        "version": patched.tag,
        "purl": locate::image(patched.plan.component.as_str(), patched.index, None),
        "hashes": hashes(patched.index),
        "pedigree": pedigree(patched),
    });
    let source = patched.fix.source.as_deref().and_then(locate::source_url);
    if let (Some(source), Some(map)) = (source, component.as_object_mut()) {
        map.insert("externalReferences".into(), json!([{"type": "vcs", "url": source}]));
    }
    json!({
        "bomFormat": "CycloneDX",
        "specVersion": "1.6",
        "version": 1,
        "metadata": {
            "component": component,
            // Tells the bills of two plans about one image apart.
            "properties": [{"name": media::SBOM_PLAN, "value": patched.plan_digest}],
        },
        "components": patched.platforms.iter().map(|p| platform(patched, p)).collect::<Vec<_>>(),
        "compositions": [{"aggregate": "incomplete", "assemblies": [subject]}],
    })
}

/// What the image descends from: the base, and the commit that the files are built from.
fn pedigree(patched: &Patched<'_>) -> Value {
    let base = patched.base;
    let name = locate::last_component(&base.repository);
    let mut pedigree = json!({"ancestors": [{
        "type": "container",
        "bom-ref": reference(base.digest),
        "name": name,
        "version": base.digest,
        "purl": locate::image(&name, base.digest, Some(&base.repository)),
        "hashes": hashes(base.digest),
    }]});
    if let (Some(commit), Some(map)) = (&patched.fix.commit, pedigree.as_object_mut()) {
        map.insert("commits".into(), json!([{"uid": commit}]));
    }
    pedigree
}

fn platform(patched: &Patched<'_>, platform: &PatchedPlatform<'_>) -> Value {
    json!({
        "type": "container",
        "bom-ref": manifest_reference(patched, platform),
        "name": patched.plan.component,
        "version": patched.tag,
        "purl": locate::image(patched.plan.component.as_str(), platform.manifest, None),
        "hashes": hashes(platform.manifest),
        "properties": [{"name": PLATFORM_PROPERTY, "value": platform.base.platform}],
        "components": platform.files.iter().map(|f| file(patched, platform, f)).collect::<Vec<_>>(),
    })
}

fn file(patched: &Patched<'_>, platform: &PatchedPlatform<'_>, file: &PatchedFile<'_>) -> Value {
    json!({
        "type": "file",
        "bom-ref": format!("{}#{}", manifest_reference(patched, platform), file.path),
        "name": file.path,
        "hashes": hashes(file.content.digest),
    })
}

fn hashes(digest: Digest) -> Value {
    json!([{"alg": "SHA-256", "content": digest.hex()}])
}

/// Names an image inside the document.
fn reference(digest: Digest) -> String {
    digest.to_string()
}

/// Where the base is a manifest, the patched image is its own only manifest, and references inside
/// one document must differ.
fn manifest_reference(patched: &Patched<'_>, platform: &PatchedPlatform<'_>) -> String {
    if platform.manifest == patched.index {
        format!("{}#{}", platform.manifest, platform.base.platform)
    } else {
        reference(platform.manifest)
    }
}
