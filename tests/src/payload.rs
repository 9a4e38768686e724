//! Release payloads: images that say which component images make up a version. The names in them
//! are those of the public registry; mirrors lead to where the images really are.

use std::fmt::Write as _;
use std::path::Path;

use serde_json::json;

use crate::base::{self, ARCHITECTURES, Base, Recipe, Root};
use crate::client::Clients;
use crate::image::{Family, LayerWriter, Layout, put_image, put_index};

/// Where names of payloads and components start; what mirrors replace.
pub const ORIGIN: &str = "quay.io/openshift-release-dev";

/// The repository of payloads below [`ORIGIN`].
pub const RELEASES: &str = "ocp-release";

/// The repository of component images below [`ORIGIN`].
pub const COMPONENTS: &str = "ocp-v4.0-art-dev";

/// The base of 4.20.1 and 4.20.2.
pub const BASE_420: Recipe = Recipe {
    name: "base-4.20",
    commit: "1111111111111111111111111111111111111111",
    family: Family::Docker,
    root: Root::Debian,
};

/// The base of 4.21.0.
pub const BASE_421: Recipe = Recipe {
    name: "base-4.21",
    commit: "2222222222222222222222222222222222222222",
    family: Family::Oci,
    root: Root::Debian,
};

/// Payloads and the component images that they name, in layouts on disk.
#[derive(Debug)]
pub struct Upstream {
    /// The base of the 4.20 payloads.
    pub base_420: Base,
    /// The base of the 4.21 payload.
    pub base_421: Base,
    releases: Layout,
    components: Layout,
}

impl Upstream {
    /// Version and predecessor of each payload.
    const VERSIONS: [(&'static str, &'static str); 3] =
        [("4.20.1", "4.20.0"), ("4.20.2", "4.20.1"), ("4.21.0", "4.20.2")];

    /// Writes all of it below a directory: mirror [`ORIGIN`] to `oci:DIR`.
    pub fn write(dir: &Path, root: Root) -> Self {
        let releases = Layout::create(&dir.join(RELEASES));
        let components = Layout::create(&dir.join(COMPONENTS));
        let base_420 = base::write(&components, Recipe { root, ..BASE_420 });
        let base_421 = base::write(&components, Recipe { root, ..BASE_421 });
        for (version, previous) in Self::VERSIONS {
            let base = if version.starts_with("4.20.") { &base_420 } else { &base_421 };
            write_payload(&releases, version, previous, base);
        }
        Self { base_420, base_421, releases, components }
    }

    /// Copies all of it into a registry: mirror [`ORIGIN`] to `place`, a prefix such as
    /// `127.0.0.1:5000/mirror`.
    pub fn push(&self, clients: &Clients, place: &str) {
        let tags = Self::VERSIONS.map(|(version, _)| tag(version));
        for tag in &tags {
            let from = format!("oci:{}:{tag}", self.releases.dir().display());
            clients.copy(&from, &format!("{place}/{RELEASES}:{tag}"));
        }
        for base in [&self.base_420, &self.base_421] {
            let name = base.recipe.name;
            let from = format!("oci:{}:{name}", self.components.dir().display());
            clients.copy(&from, &format!("{place}/{COMPONENTS}:{name}"));
        }
    }

    /// The layout of component images.
    pub fn components(&self) -> &Layout {
        &self.components
    }
}

/// The tag of a version's payload.
pub fn tag(version: &str) -> String {
    format!("{version}-multi")
}

fn write_payload(layout: &Layout, version: &str, previous: &str, base: &Base) {
    let owned = (0o644, 0, 0);
    let directory = "release-manifests";
    let layer = LayerWriter::default()
        .dir(directory, (0o755, 0, 0))
        .file(&format!("{directory}/0000_50_operator.yaml"), owned, b"kind: Namespace\n")
        .file(
            &format!("{directory}/image-references"),
            owned,
            image_references(version, base).as_bytes(),
        )
        .file(
            &format!("{directory}/release-metadata"),
            owned,
            metadata(version, previous).as_bytes(),
        )
        .finish(layout);
    let image = |architecture: &str| {
        let config = json!({
            "architecture": architecture,
            "os": "linux",
            "config": {"Labels": {"io.openshift.release": version}},
        });
        put_image(layout, Family::Docker, config, std::slice::from_ref(&layer))
    };
    // Payloads come as one image and, of several architectures, as an index.
    let descriptor = if version == "4.20.1" {
        image("amd64")
    } else {
        let child = |architecture: &&str| {
            (image(architecture), json!({"architecture": architecture, "os": "linux"}))
        };
        put_index(layout, Family::Docker, &ARCHITECTURES.iter().map(child).collect::<Vec<_>>())
    };
    layout.tag(&tag(version), descriptor);
}

/// An `ImageStream`, as `oc adm release new` writes it.
fn image_references(version: &str, base: &Base) -> String {
    let tag = |name: &str, digest: &str, commit: &str| {
        json!({
            "name": name,
            "annotations": {
                "io.openshift.build.commit.id": commit,
                "io.openshift.build.commit.ref": "",
                "io.openshift.build.source-location": format!("https://github.com/openshift/{name}"),
            },
            "from": {"kind": "DockerImage", "name": format!("{ORIGIN}/{COMPONENTS}@{digest}")},
            "generation": 2,
            "importPolicy": {},
            "referencePolicy": {"type": "Source"},
        })
    };
    let text = json!({
        "kind": "ImageStream",
        "apiVersion": "image.openshift.io/v1",
        "metadata": {
            "name": version,
            "creationTimestamp": "2025-06-01T12:00:00Z",
            "annotations": {"release.openshift.io/from-release": ""},
        },
        "spec": {
            "lookupPolicy": {"local": false},
            "tags": [
                tag("etcd", &base.digest, base.recipe.commit),
                tag("hyperkube", &base.digest, base.recipe.commit),
                tag("hypershift", &base.digest, base.recipe.commit),
            ],
        },
        "status": {"dockerImageRepository": ""},
    });
    format!("{text:#}\n")
}

fn metadata(version: &str, previous: &str) -> String {
    let metadata = json!({
        "kind": "cincinnati-metadata-v0",
        "version": version,
        "previous": [previous],
        "metadata": {"url": "https://access.redhat.com/errata/RHBA-2025:0000"},
    });
    let mut text = metadata.to_string();
    let _ = writeln!(text);
    text
}
