//! What the demo works on: release images and a two-architecture component image, small, synthetic
//! and the same on every machine.
//!
//! The shapes are real: a release image keeps `release-manifests/image-references` (an `ImageStream`)
//! and `release-manifests/release-metadata` in its top layer, as `oc adm release new` writes them;
//! the component image has the labels that HyperShift reads, a history, and directories whose mode
//! and group a careless patch would lose.

use std::io::Write as _;
use std::path::Path;

use fleetfix_model::{Descriptor, Digest, media};
use fleetfix_oci::layout::Layout;
use fleetfix_task::{Failure, file};
use serde_json::{Value, json};

/// Where the payloads and their components seem to come from.
pub(super) const SOURCE: &str = "quay.io/openshift-release-dev";
/// The commit that the demo's base image says it was built from.
const BASE_COMMIT: &str = "b7f0c5d1e2a3948576b7f0c5d1e2a3948576b7f0";
/// The commit of the demo's fix.
const FIX_COMMIT: &str = "f1e2d3c4b5a69788f1e2d3c4b5a69788f1e2d3c4";
/// The component's program.
const PROGRAM: &str = "usr/bin/control-plane-operator";
/// Versions whose payloads are made. They share one component image.
const VERSIONS: &[&str] = &["4.20.1", "4.20.2"];
const ARCHITECTURES: &[&str] = &["amd64", "arm64"];

/// Writes `sources/` (layouts that stand for the source registry) and `request/` below `dir`.
pub(super) fn write(dir: &Path) -> Result<(), Failure> {
    let sources = dir.join("sources");
    let components = Layout::create(sources.join("ocp-v4.0-art-dev"))?;
    let component = component_image(&components)?;
    let releases = Layout::create(sources.join("ocp-release"))?;
    for version in VERSIONS {
        release_image(&releases, version, component)?;
    }
    request(&dir.join("request"))
}

/// The request, and the files of the fix.
fn request(dir: &Path) -> Result<(), Failure> {
    for arch in ARCHITECTURES {
        let out = dir.join("out").join(arch);
        std::fs::create_dir_all(&out)
            .map_err(|source| fleetfix_task::Error::Write { path: out.clone(), source })?;
        file::write_atomic(&out.join("control-plane-operator"), &program(arch, FIX_COMMIT))?;
    }
    let versions = VERSIONS.join(", ");
    let text = format!(
        "apiVersion: fleetfix.openshift.io/v1alpha1\n\
         kind: FixRequest\n\
         id: FIX-2026-0001\n\
         title: A demo fix of the control plane operator\n\
         tickets: [DEMO-1]\n\
         severity: critical\n\
         requester: rita\n\
         component: hypershift\n\
         fixes:\n\
         - minor: \"4.20\"\n\
         \x20 source: https://github.com/openshift/hypershift\n\
         \x20 commit: {FIX_COMMIT}\n\
         \x20 pullRequests: [1]\n\
         \x20 authors: [amir]\n\
         \x20 files:\n\
         \x20 - path: /{PROGRAM}\n\
         \x20   from: out/{{arch}}/control-plane-operator\n\
         affected:\n\
         - platform: AWS\n\
         \x20 introduced: 4.20.1\n\
         \x20 fixedIn: 4.20.3\n\
         \x20 versions: [{versions}]\n\
         payloadTemplates:\n\
         - {SOURCE}/ocp-release:{{version}}-multi\n"
    );
    file::write_atomic(&dir.join("fix.yaml"), text.as_bytes())?;
    Ok(())
}

/// Bytes that compress like a program and differ by architecture and commit.
fn program(arch: &str, commit: &str) -> Vec<u8> {
    let mut bytes = format!("control-plane-operator linux/{arch} {commit}\n").into_bytes();
    let mut state =
        u64::from_le_bytes(*Digest::of(&bytes).as_bytes().first_chunk().unwrap_or(&[1; 8])) | 1;
    while bytes.len() < 256 * 1024 {
        // xorshift64: four random bytes, then four that repeat.
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        bytes.extend(state.to_le_bytes().iter().take(4));
        bytes.extend(b"code");
    }
    bytes
}

/// The component image, an index of two architectures; gives back the index's digest.
fn component_image(layout: &Layout) -> Result<Digest, Failure> {
    let root = layer(&[
        ("etc/", 0o755, 0, b""),
        ("etc/passwd", 0o664, 0, b"root:x:0:0:root:/root:/bin/sh\n"),
        ("usr/", 0o755, 0, b""),
        ("usr/bin/", 0o555, 0, b""),
        // OpenShift runs images under any user id, in group 0.
        ("var/lib/hypershift/", 0o775, 0, b""),
    ])?;
    let mut children = Vec::new();
    for arch in ARCHITECTURES {
        let app = layer(&[(PROGRAM, 0o755, 0, &program(arch, BASE_COMMIT))])?;
        let labels = json!({
            "io.openshift.hypershift.control-plane-operator-skips-haproxy": "true",
            "io.openshift.hypershift.restricted-psa": "true",
            "vcs-ref": BASE_COMMIT,
        });
        let config = json!({ "Entrypoint": [format!("/{PROGRAM}")], "Labels": labels });
        children.push((*arch, image(layout, arch, &config, &[&root, &app])?));
    }
    index(layout, &children, None)
}

/// One release image for all architectures, tagged `<version>-multi`.
fn release_image(layout: &Layout, version: &str, component: Digest) -> Result<(), Failure> {
    let references = json!({
        "kind": "ImageStream", "apiVersion": "image.openshift.io/v1",
        "metadata": { "name": version },
        "spec": { "lookupPolicy": { "local": false }, "tags": [{
            "name": "hypershift",
            "annotations": {
                "io.openshift.build.commit.id": BASE_COMMIT,
                "io.openshift.build.source-location": "https://github.com/openshift/hypershift",
            },
            "from": { "kind": "DockerImage", "name": format!("{SOURCE}/ocp-v4.0-art-dev@{component}") },
        }] },
    });
    let metadata = json!({ "kind": "cincinnati-metadata-v0", "version": version, "previous": [] });
    let manifests = layer(&[
        ("release-manifests/", 0o755, 0, b""),
        ("release-manifests/image-references", 0o644, 0, &pretty(&references)),
        ("release-manifests/release-metadata", 0o644, 0, &pretty(&metadata)),
    ])?;
    let mut children = Vec::new();
    for arch in ARCHITECTURES {
        let config = json!({ "Labels": { "io.openshift.release": version } });
        children.push((*arch, image(layout, arch, &config, &[&manifests])?));
    }
    index(layout, &children, Some(&format!("{version}-multi")))?;
    Ok(())
}

/// A layer: its gzip bytes and the digest of the tar in them.
struct Layer {
    gzip: Vec<u8>,
    diff_id: Digest,
}

fn layer(entries: &[(&str, u32, u64, &[u8])]) -> Result<Layer, Failure> {
    let failed = |e: std::io::Error| Failure::new(fleetfix_model::Class::Bug, e);
    let mut builder = tar::Builder::new(Vec::new());
    for (path, mode, gid, content) in entries {
        let mut header = tar::Header::new_ustar();
        let directory = path.ends_with('/');
        header.set_entry_type(if directory {
            tar::EntryType::Directory
        } else {
            tar::EntryType::Regular
        });
        header.set_mode(*mode);
        header.set_gid(*gid);
        header.set_uid(0);
        header.set_mtime(1_735_689_600); // 2025-01-01
        header.set_size(content.len() as u64);
        builder.append_data(&mut header, path, *content).map_err(failed)?;
    }
    let plain = builder.into_inner().map_err(failed)?;
    let mut gzip = flate2::GzBuilder::new().write(Vec::new(), flate2::Compression::new(6));
    gzip.write_all(&plain).map_err(failed)?;
    Ok(Layer { gzip: gzip.finish().map_err(failed)?, diff_id: Digest::of(&plain) })
}

fn pretty(value: &Value) -> Vec<u8> {
    serde_json::to_vec_pretty(value).unwrap_or_default()
}

/// An image; gives back the descriptor of its manifest.
fn image(
    layout: &Layout,
    arch: &str,
    config: &Value,
    layers: &[&Layer],
) -> Result<Descriptor, Failure> {
    let created = "2025-01-01T00:00:00Z";
    let diff_ids: Vec<_> = layers.iter().map(|layer| layer.diff_id).collect();
    let history: Vec<_> =
        layers.iter().map(|_| json!({ "created": created, "created_by": "demo" })).collect();
    let config = json!({
        "created": created, "architecture": arch, "os": "linux", "config": config,
        "rootfs": { "type": "layers", "diff_ids": diff_ids }, "history": history,
    });
    let mut descriptors = Vec::new();
    for layer in layers {
        descriptors.push(layout.put(media::OCI_LAYER_GZIP, &layer.gzip)?);
    }
    let manifest = json!({
        "schemaVersion": 2, "mediaType": media::OCI_MANIFEST,
        "config": layout.put(media::OCI_CONFIG, config.to_string().as_bytes())?,
        "layers": descriptors,
    });
    Ok(layout.put(media::OCI_MANIFEST, manifest.to_string().as_bytes())?)
}

/// An index over images, tagged if a tag is given; gives back its digest.
fn index(
    layout: &Layout,
    children: &[(&str, Descriptor)],
    tag: Option<&str>,
) -> Result<Digest, Failure> {
    let manifests: Vec<Value> = children
        .iter()
        .map(|(arch, descriptor)| {
            let mut descriptor = json!(descriptor);
            if let Some(map) = descriptor.as_object_mut() {
                map.insert("platform".into(), json!({ "architecture": arch, "os": "linux" }));
            }
            descriptor
        })
        .collect();
    let index =
        json!({ "schemaVersion": 2, "mediaType": media::OCI_INDEX, "manifests": manifests })
            .to_string();
    let descriptor = layout.put(media::OCI_INDEX, index.as_bytes())?;
    let tag = tag.map_or_else(|| descriptor.digest.hex(), str::to_owned);
    let tag = tag.parse().map_err(|e| Failure::new(fleetfix_model::Class::Bug, e))?;
    layout.set_tag(&tag, &descriptor)?;
    Ok(descriptor.digest)
}
