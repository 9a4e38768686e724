//! The component's images as a release has them: a Debian root shared by two architectures, and a
//! layer of each with a real program and metadata that is easy to lose.

use std::fs;

use fleetfix_testkit::base::Entry;
use serde_json::{Value, json};

use crate::image::{Family, Layer, LayerWriter, Layout, put_image, put_index};
use crate::tools::tool;

/// The component's program in the image.
pub const PROGRAM: &str = "/usr/bin/control-plane-operator";

/// The architectures of every base.
pub const ARCHITECTURES: [&str; 2] = ["amd64", "arm64"];

/// `CAP_NET_BIND_SERVICE=ep` as the kernel stores it (`vfs_cap_data`, revision 2).
pub const CAPABILITY: [u8; 20] = [1, 0, 0, 2, 0, 4, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0];

/// What tells one base from another.
#[derive(Clone, Copy, Debug)]
pub struct Recipe {
    /// Tag in its layout, and the content of `/etc/component-release`.
    pub name: &'static str,
    /// Source commit.
    pub commit: &'static str,
    /// Media types.
    pub family: Family,
    /// What is below the component's own layer.
    pub root: Root,
}

/// The file system below the component's own layer.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Root {
    /// A Debian root in two layers.
    Debian,
    /// Nothing: for tests that are not about images, and quick.
    Empty,
}

/// A base image.
#[derive(Clone, Debug)]
pub struct Base {
    /// What it was made from.
    pub recipe: Recipe,
    /// Digest of the index.
    pub digest: String,
    /// Digests of the manifests, in the order of [`ARCHITECTURES`].
    pub manifests: Vec<String>,
}

/// Writes a base into a layout, tagged with its name.
pub fn write(layout: &Layout, recipe: Recipe) -> Base {
    let root = match recipe.root {
        Root::Debian => debian_root(layout),
        Root::Empty => Vec::new(),
    };
    let children: Vec<(Value, Value)> = ARCHITECTURES
        .iter()
        .map(|architecture| {
            let layers = [&root[..], &[app_layer(layout, recipe, architecture)]].concat();
            let image = put_image(layout, recipe.family, config(recipe, architecture), &layers);
            (image, platform(architecture))
        })
        .collect();
    let index = put_index(layout, recipe.family, &children);
    let digest = |descriptor: &Value| descriptor["digest"].as_str().expect("a digest").to_owned();
    let base = Base {
        recipe,
        digest: digest(&index),
        manifests: children.iter().map(|(image, _)| digest(image)).collect(),
    };
    layout.tag(recipe.name, index);
    base
}

/// The component's program: `base` as released, `fixed` with the fix.
pub fn program(version: &str, architecture: &str) -> Vec<u8> {
    fs::read(tool(&format!("component-{version}-{architecture}"))).expect("the component's program")
}

/// The layers that `cargo xtask tools` made, from the bottom up.
fn debian_root(layout: &Layout) -> Vec<Layer> {
    let dir = tool("debian-root");
    let list = fs::read(dir.join("layers.json")).expect("the list of layers");
    let list: Vec<Value> = serde_json::from_slice(&list).expect("a list of layers");
    let text = |layer: &Value, field: &str| layer[field].as_str().expect("a digest").to_owned();
    list.iter()
        .map(|layer| {
            let digest = text(layer, "digest");
            layout.adopt(&dir.join(&digest), &digest);
            Layer {
                digest,
                size: layer["size"].as_u64().expect("a size"),
                diff_id: text(layer, "diffId"),
            }
        })
        .collect()
}

fn app_layer(layout: &Layout, recipe: Recipe, architecture: &str) -> Layer {
    let directory = "usr/libexec/control-plane";
    LayerWriter::default()
        .dir("etc", (0o755, 0, 0))
        .file("etc/component-release", (0o644, 0, 0), recipe.name.as_bytes())
        .file("etc/.wh.motd", (0o644, 0, 0), b"")
        // The group of root may write: pods run with any user and that group.
        .dir("opt/app", (0o775, 1001, 0))
        .file("opt/app/a.conf", (0o664, 1001, 0), b"mode: a\n")
        .entry(Entry::hard_link("opt/app/b.conf", "opt/app/a.conf"))
        .dir("usr", (0o755, 0, 0))
        .dir("usr/bin", (0o755, 0, 0))
        .file(&PROGRAM[1..], (0o755, 0, 0), &program("base", architecture))
        .dir(directory, (0o750, 0, 1001))
        .entry(
            Entry::file(format!("{directory}/netbind"), 0o750, b"#!/bin/sh\n")
                .owner(0, 1001)
                .xattr("security.capability", &CAPABILITY),
        )
        .entry(Entry::symlink(format!("{directory}/cpo"), "../../bin/control-plane-operator"))
        .dir("var/lib/control-plane", (0o2775, 1001, 1001))
        .file("var/lib/control-plane/state", (0o664, 1001, 1001), b"none\n")
        .finish(layout)
}

fn platform(architecture: &str) -> Value {
    if architecture == "arm64" {
        return json!({"architecture": architecture, "os": "linux", "variant": "v8"});
    }
    json!({"architecture": architecture, "os": "linux"})
}

/// As release builds write it, with a field that no specification knows.
fn config(recipe: Recipe, architecture: &str) -> Value {
    let step = |by: &str| json!({"created": "2025-06-01T12:00:00Z", "created_by": by});
    let mut config = json!({
        "architecture": architecture,
        "os": "linux",
        "created": "2025-06-01T12:00:00Z",
        "docker_version": "24.0",
        "config": {
            "Env": ["PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"],
            "Entrypoint": [PROGRAM],
            "User": "1001",
            "Labels": {
                "io.hypershift.example/kept": "yes",
                "io.openshift.build.commit.id": recipe.commit,
                "io.openshift.build.source-location": "https://github.com/openshift/hypershift",
                "io.openshift.hypershift.control-plane-operator-subcommands": "true",
                "io.openshift.hypershift.restricted-psa": "true",
                "io.openshift.release.operator": "false",
                "org.opencontainers.image.revision": recipe.commit,
                "vcs-ref": recipe.commit,
            },
        },
        "history": [
            {"created": "2025-06-01T12:00:00Z", "created_by": "USER 1001", "empty_layer": true},
            step("COPY control-plane-operator"),
        ],
    });
    if recipe.root == Root::Debian {
        let history = config["history"].as_array_mut().expect("a list");
        history.splice(0..0, [step("ADD root"), step("ADD usr")]);
    }
    if let Some(variant) = platform(architecture).get("variant") {
        config["variant"] = variant.clone();
    }
    config
}
