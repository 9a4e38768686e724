//! Payloads, component images and files to plan with.

use std::path::{Path, PathBuf};

use fleetfix_model::media::{OCI_CONFIG, OCI_INDEX, OCI_LAYER, OCI_MANIFEST};
use fleetfix_model::{Descriptor, Digest};
use fleetfix_oci::layout::Layout;
use fleetfix_testkit::base::Archive;
use serde_json::{Value, json};

/// A request for two release lines and two platforms.
pub(crate) const REQUEST: &str = "\
apiVersion: fleetfix.openshift.io/v1alpha1
kind: FixRequest
title: LDAP logins fail after the certificate rotation
tickets: [OCPBUGS-61296]
component: hypershift
requester: rita
fixes:
- minor: '4.21'
  commit: bbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbb
  pullRequests: [7111]
  files:
  - {path: /usr/bin/app, from: 'out/4.21/{arch}/app'}
  - {path: /etc/app.conf, from: out/app.conf, create: true, mode: '0644'}
- minor: '4.20'
  source: https://github.com/openshift/hypershift
  commit: aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa
  authors: [amir]
  files: [{path: /usr/bin/app, from: 'out/4.20/{arch}/app'}]
affected:
- platform: AWS
  introduced: 4.20.1
  fixedIn: 4.20.3
  versions: [4.20.1, 4.20.2]
- platform: AWS
  introduced: 4.21.0
  fixedIn: 4.21.1
  versions: [4.21.0]
- platform: Azure
  introduced: 4.21.0
  fixedIn: 4.21.1
payloadTemplates:
- quay.io/openshift-release-dev/ocp-release:{version}-x86_64
- quay.io/openshift-release-dev/ocp-release:{version}-multi
";

const NAMES: &str = "quay.io/openshift-release-dev";
/// The commit that [`REQUEST`] names for 4.20.
const FIX_COMMIT: &str = "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa";
const BASE_COMMIT: &str = "1111111111111111111111111111111111111111";

/// What is odd about the payloads.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Upstream {
    /// The 4.21 image is for amd64 only.
    pub(crate) amd64_only: bool,
    /// The 4.20 image's label names another commit than the payload.
    pub(crate) other_label: bool,
    /// arm64 of the 4.20 image lacks a label.
    pub(crate) uneven_labels: bool,
    /// arm64 of the 4.21 payload names another image.
    pub(crate) differing: bool,
}

/// A directory of layouts, and a directory for requests.
pub(crate) struct Material {
    dir: tempfile::TempDir,
}

impl Material {
    pub(crate) fn new(upstream: Upstream) -> Self {
        let dir = tempfile::tempdir().unwrap();
        let sources = dir.path().join("sources");
        let components = Layout::create(sources.join("ocp-v4.0-art-dev")).unwrap();
        let releases = Layout::create(sources.join("ocp-release")).unwrap();
        let fixes = Layout::create(sources.join("fixes")).unwrap();

        let label = if upstream.other_label { "2".repeat(40) } else { BASE_COMMIT.to_owned() };
        let of_420 =
            component(&components, "4.20", &["amd64", "arm64"], &label, upstream.uneven_labels)
                .digest;
        let both: &[&str] = if upstream.amd64_only { &["amd64"] } else { &["amd64", "arm64"] };
        let of_421 = component(&components, "4.21", both, BASE_COMMIT, false).digest;
        let shared =
            component(&components, "shared", &["amd64", "arm64"], BASE_COMMIT, false).digest;
        for version in ["4.20.1", "4.20.2"] {
            let tags =
                [("hypershift", of_420), ("etcd", of_420), ("only-420", of_420), ("twice", shared)];
            let release = release(&releases, version, &tags);
            payload(&releases, version, &[("amd64", &release), ("arm64", &release)]);
        }
        let tags = [("hypershift", of_421), ("etcd", of_421), ("twice", shared)];
        let amd = release(&releases, "4.21.0", &tags);
        let other = [("hypershift", of_420), ("etcd", of_421), ("twice", shared)];
        let arm =
            if upstream.differing { release(&releases, "4.21.0", &other) } else { amd.clone() };
        payload(&releases, "4.21.0", &[("arm64", &arm), ("amd64", &amd)]);

        for (tag, architectures) in [
            ("both", &["amd64", "arm64"][..]),
            ("amd64", &["amd64"]),
            ("bare", &["amd64", "arm64"]),
        ] {
            let image = component(&fixes, tag, architectures, FIX_COMMIT, tag == "bare");
            fixes.set_tag(&tag.parse().unwrap(), &image).unwrap();
        }
        Self { dir }
    }

    /// The mirror that leads to the layouts.
    pub(crate) fn mirror(&self) -> String {
        format!("{NAMES}=oci:{}", self.dir.path().join("sources").display())
    }

    /// A directory with the files of [`REQUEST`].
    pub(crate) fn request_dir(&self) -> PathBuf {
        let dir = self.dir.path().join("request");
        std::fs::create_dir_all(&dir).unwrap();
        write_files(&dir);
        dir
    }
}

/// Writes the files that [`REQUEST`] names.
pub(crate) fn write_files(dir: &Path) {
    for minor in ["4.20", "4.21"] {
        for architecture in ["amd64", "arm64"] {
            let out = dir.join("out").join(minor).join(architecture);
            std::fs::create_dir_all(&out).unwrap();
            std::fs::write(out.join("app"), format!("{minor} {architecture}")).unwrap();
        }
    }
    std::fs::write(dir.join("out/app.conf"), "x = 1\n").unwrap();
}

fn layer(layout: &Layout, files: &[(&str, &str)]) -> Descriptor {
    // Not compressed: the golden must not depend on a compressor.
    layout.put(OCI_LAYER, &Archive::of_files(files).finish()).unwrap()
}

fn image(layout: &Layout, config: &Value, layer: &Descriptor) -> Descriptor {
    let config = layout.put(OCI_CONFIG, config.to_string().as_bytes()).unwrap();
    let manifest = json!({ "schemaVersion": 2, "mediaType": OCI_MANIFEST, "config": config, "layers": [layer] });
    layout.put(OCI_MANIFEST, manifest.to_string().as_bytes()).unwrap()
}

fn index(layout: &Layout, children: &[(&str, Descriptor)]) -> Descriptor {
    let entry = |(architecture, child): &(&str, Descriptor)| {
        let mut entry = serde_json::to_value(child).unwrap();
        entry["platform"] = json!({ "os": "linux", "architecture": architecture });
        entry
    };
    let manifests: Vec<Value> = children.iter().map(entry).collect();
    let index = json!({ "schemaVersion": 2, "mediaType": OCI_INDEX, "manifests": manifests });
    layout.put(OCI_INDEX, index.to_string().as_bytes()).unwrap()
}

/// A component's image; `name` makes it another one.
fn component(
    layout: &Layout,
    name: &str,
    architectures: &[&str],
    commit: &str,
    uneven: bool,
) -> Descriptor {
    let child = |architecture: &&str| {
        let layer = layer(layout, &[("usr/bin/app", &format!("{name} {architecture} {commit}"))]);
        let mut labels = json!({
            "vcs-ref": commit,
            "io.openshift.hypershift.restricted-psa": "true",
            "io.k8s.description": "the component",
        });
        if !uneven || *architecture == "amd64" {
            labels["io.openshift.hypershift.control-plane-operator-skips-haproxy"] = json!("true");
        }
        let config =
            json!({ "os": "linux", "architecture": architecture, "config": { "Labels": labels } });
        image(layout, &config, &layer)
    };
    let children: Vec<_> = architectures.iter().map(|a| (*a, child(a))).collect();
    index(layout, &children)
}

fn release(layout: &Layout, version: &str, tags: &[(&str, Digest)]) -> Descriptor {
    let tag = |(name, digest): &(&str, Digest)| {
        json!({
            "name": name,
            "annotations": {
                "io.openshift.build.commit.id": BASE_COMMIT,
                "io.openshift.build.source-location": "https://github.com/openshift/hypershift",
            },
            "from": { "kind": "DockerImage", "name": format!("{NAMES}/ocp-v4.0-art-dev@{digest}") },
        })
    };
    let tags: Vec<Value> = tags.iter().map(tag).collect();
    let references =
        json!({ "kind": "ImageStream", "metadata": { "name": version }, "spec": { "tags": tags } });
    let metadata = json!({ "kind": "cincinnati-metadata-v0", "version": version });
    layer(
        layout,
        &[
            ("release-manifests/image-references", &references.to_string()),
            ("release-manifests/release-metadata", &metadata.to_string()),
        ],
    )
}

fn payload(layout: &Layout, version: &str, releases: &[(&'static str, &Descriptor)]) {
    let child = |(architecture, release): &(&'static str, &Descriptor)| {
        let config = json!({ "os": "linux", "architecture": architecture });
        (*architecture, image(layout, &config, release))
    };
    let children: Vec<_> = releases.iter().map(child).collect();
    let top = index(layout, &children);
    layout.set_tag(&format!("{version}-multi").parse().unwrap(), &top).unwrap();
}
