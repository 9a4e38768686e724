//! Payloads in layouts, made here.

use std::io::Write;

use fleetfix_model::media::{
    OCI_CONFIG, OCI_INDEX, OCI_LAYER, OCI_LAYER_GZIP, OCI_LAYER_ZSTD, OCI_MANIFEST,
};
use fleetfix_model::{Class, Classify, Descriptor, Repository};
use fleetfix_oci::layout::Layout;
use fleetfix_registry::Options;
use fleetfix_testkit::base::{Archive, Entry};
use serde_json::{Value, json};

use super::*;

const REFERENCES: &str = "release-manifests/image-references";
const METADATA: &str = "release-manifests/release-metadata";

/// A layout to put payloads into.
struct Factory {
    dir: tempfile::TempDir,
    layout: Layout,
}

impl Factory {
    fn new() -> Self {
        let dir = tempfile::tempdir().unwrap();
        let layout = Layout::create(dir.path()).unwrap();
        Self { dir, layout }
    }

    fn put(&self, media_type: &str, bytes: &[u8]) -> Descriptor {
        self.layout.put(media_type, bytes).unwrap()
    }

    fn layer(&self, files: &[(&str, &str)]) -> Descriptor {
        let mut gzip = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
        gzip.write_all(&Archive::of_files(files).finish()).unwrap();
        self.put(OCI_LAYER_GZIP, &gzip.finish().unwrap())
    }

    fn image(&self, architecture: &str, layers: &[Descriptor]) -> Descriptor {
        let config = json!({ "os": "linux", "architecture": architecture });
        let config = self.put(OCI_CONFIG, config.to_string().as_bytes());
        let manifest = json!({ "schemaVersion": 2, "mediaType": OCI_MANIFEST, "config": config, "layers": layers });
        self.put(OCI_MANIFEST, manifest.to_string().as_bytes())
    }

    fn index(&self, children: &[(&str, &Descriptor)]) -> Descriptor {
        let entry = |(architecture, child): &(&str, &Descriptor)| {
            let mut entry = serde_json::to_value(child).unwrap();
            entry["platform"] = json!({ "os": "linux", "architecture": architecture });
            entry
        };
        let manifests: Vec<Value> = children.iter().map(entry).collect();
        let index = json!({ "schemaVersion": 2, "mediaType": OCI_INDEX, "manifests": manifests });
        self.put(OCI_INDEX, index.to_string().as_bytes())
    }

    fn read(&self, top: &Descriptor) -> Result<Payload, Error> {
        let client = Client::new(Options::default()).unwrap();
        let place = Repository::Layout(self.dir.path().to_owned());
        let reference = if self.layout.set_tag(&"p".parse().unwrap(), top).is_ok() {
            place.tagged("p".parse().unwrap())
        } else {
            place.at(top.digest)
        };
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(read(&client, &reference))
    }

    fn blob(&self, digest: Digest) -> std::path::PathBuf {
        self.layout.blob_path(digest)
    }
}

fn references(version: &str, hypershift: char) -> String {
    let image = |name: &str, c: char| {
        let digest = c.to_string().repeat(64);
        let pullspec = format!("quay.io/openshift-release-dev/ocp-v4.0-art-dev@sha256:{digest}");
        json!({ "name": name, "from": { "kind": "DockerImage", "name": pullspec } })
    };
    let tags = [image("hypershift", hypershift), image("etcd", 'e')];
    json!({ "kind": "ImageStream", "metadata": { "name": version }, "spec": { "tags": tags } })
        .to_string()
}

fn metadata(version: &str) -> String {
    json!({ "kind": "cincinnati-metadata-v0", "version": version }).to_string()
}

impl Factory {
    fn release(&self, version: &str, hypershift: char) -> Descriptor {
        self.layer(&[
            (REFERENCES, &references(version, hypershift)),
            (METADATA, &metadata(version)),
        ])
    }
}

#[test]
fn one_architecture() {
    let factory = Factory::new();
    let top = factory.image("s390x", &[factory.release("4.20.1", 'a')]);
    let payload = factory.read(&top).unwrap();
    assert_eq!((payload.digest, payload.stream), (top.digest, Stream::Single));
    assert_eq!(payload.version.to_string(), "4.20.1");
    assert_eq!(payload.read_from, Platform::linux("s390x"));
    assert_eq!(payload.platforms, [Platform::linux("s390x")]);
    let tags: Vec<&str> = payload.components.keys().map(ComponentTag::as_str).collect();
    assert_eq!(tags, ["etcd", "hypershift"]);
    assert!(payload.differing.is_empty());
}

#[test]
fn several_architectures_share_one_layer() {
    let factory = Factory::new();
    let release = factory.release("4.20.1", 'a');
    let [arm, amd] = ["arm64", "amd64"].map(|a| factory.image(a, std::slice::from_ref(&release)));
    let payload = factory.read(&factory.index(&[("arm64", &arm), ("amd64", &amd)])).unwrap();
    assert_eq!(payload.stream, Stream::Multi);
    assert_eq!(payload.read_from, Platform::linux("amd64"));
    assert_eq!(payload.platforms, [Platform::linux("arm64"), Platform::linux("amd64")]);
    assert!(payload.differing.is_empty());
}

#[test]
fn architectures_that_differ() {
    let factory = Factory::new();
    let amd = factory.image("amd64", &[factory.release("4.20.1", 'a')]);
    let arm = factory.image("arm64", &[factory.release("4.20.1", 'b')]);
    let payload = factory.read(&factory.index(&[("arm64", &arm), ("amd64", &amd)])).unwrap();
    assert_eq!(payload.differing, ["hypershift".parse().unwrap()].into());
    let hypershift = &payload.components[&"hypershift".parse().unwrap()];
    assert_eq!(hypershift.pullspec.digest.unwrap().short(), "aaaaaaaaaaaa", "that of amd64");

    let other = factory.image("arm64", &[factory.release("4.20.2", 'a')]);
    let mixed = factory.read(&factory.index(&[("arm64", &other), ("amd64", &amd)]));
    assert!(matches!(mixed, Err(Error::Mixed { .. })), "{mixed:?}");
}

#[test]
fn no_more_layers_than_needed() {
    let factory = Factory::new();
    let below = factory.release("4.19.0", 'b');
    let top = factory.release("4.20.1", 'a');
    let image = factory.image("amd64", &[below.clone(), top]);
    // What lies below is not even looked for.
    std::fs::remove_file(factory.blob(below.digest)).unwrap();
    assert_eq!(factory.read(&image).unwrap().version.to_string(), "4.20.1");
}

#[test]
fn upper_layers_decide() {
    let factory = Factory::new();
    let below = factory.release("4.20.1", 'a');
    let newer = factory.layer(&[(REFERENCES, &references("4.20.1", 'b'))]);
    let payload = factory.read(&factory.image("amd64", &[below.clone(), newer])).unwrap();
    let hypershift = &payload.components[&"hypershift".parse().unwrap()];
    assert_eq!(hypershift.pullspec.digest.unwrap().short(), "bbbbbbbbbbbb");

    for whiteout in [
        "release-manifests/.wh.image-references",
        "release-manifests/.wh..wh..opq",
        ".wh.release-manifests",
    ] {
        let hiding = factory.layer(&[(whiteout, "")]);
        let hidden = factory.read(&factory.image("amd64", &[below.clone(), hiding]));
        assert!(
            matches!(hidden, Err(Error::NotARelease { path: REFERENCES, .. })),
            "{whiteout}: {hidden:?}"
        );
    }
}

#[test]
fn what_is_no_payload() {
    let factory = Factory::new();
    let image = |layer: Descriptor| factory.image("amd64", &[layer]);
    let xz = factory.put(OCI_LAYER_GZIP, b"\xfd7zXZ\0");
    let linked = Archive::of([Entry::symlink(REFERENCES, "elsewhere")]).finish();
    let linked = factory.put(OCI_LAYER, &linked);
    let other = |text: &str| factory.layer(&[(REFERENCES, text), (METADATA, &metadata("4.20.1"))]);
    let table: [(Descriptor, &str); 10] = [
        (
            image(factory.layer(&[("etc/passwd", "")])),
            "is not a release payload: no layer has `release-manifests/image-references`",
        ),
        (
            image(factory.layer(&[(REFERENCES, &references("4.20.1", 'a'))])),
            "no layer has `release-manifests/release-metadata`",
        ),
        (image(other("{")), "release-manifests/image-references"),
        (
            image(other(&references("4.20.1", 'a').replace("sha256:", ""))),
            "field `spec.tags[0].from.name`",
        ),
        (
            image(other(&references("4.20.2", 'a'))),
            "image-references says version `4.20.2`, release-metadata `4.20.1`",
        ),
        (image(xz), "compression `xz`"),
        (image(factory.put(OCI_LAYER_GZIP, b"no gzip")), "layer sha256:"),
        (image(linked), "is not a regular file"),
        (factory.index(&[]), "holds no image to run"),
        (factory.put("application/vnd.example.other+json", b"{}"), "holds no image to run"),
    ];
    for (top, text) in table {
        let error = factory.read(&top).unwrap_err();
        let source = std::error::Error::source(&error).map(ToString::to_string);
        let whole = format!("{error}: {}", source.unwrap_or_default());
        assert!(whole.contains(text), "{whole}");
        assert_eq!(error.class(), Class::Input, "{error}");
        assert!(!error.is_absent(), "{error}");
    }
}

/// A media type says little about how a layer is compressed; its first bytes do.
#[test]
fn layers_in_every_compression() {
    let factory = Factory::new();
    let text = references("4.20.1", 'a');
    let files = [(REFERENCES, text.as_str()), (METADATA, &metadata("4.20.1"))];
    let plain = Archive::of_files(&files).finish();
    let zstd = zstd::encode_all(&plain[..], 3).unwrap();
    for (media_type, bytes) in
        [(OCI_LAYER, &plain), (OCI_LAYER_ZSTD, &zstd), (OCI_LAYER_GZIP, &zstd)]
    {
        let image = factory.image("amd64", &[factory.put(media_type, bytes)]);
        assert_eq!(factory.read(&image).unwrap().version.to_string(), "4.20.1", "{media_type}");
    }
}

#[test]
fn absent_is_told_from_broken() {
    let factory = Factory::new();
    let client = Client::new(Options::default()).unwrap();
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let missing = Repository::Layout(factory.dir.path().to_owned()).tagged("none".parse().unwrap());
    let error = runtime.block_on(read(&client, &missing)).unwrap_err();
    assert!(error.is_absent(), "{error:?}");
    let nowhere = Repository::Layout(factory.dir.path().join("none")).tagged("p".parse().unwrap());
    assert!(runtime.block_on(read(&client, &nowhere)).unwrap_err().is_absent());

    // A changed layer is refused, whatever it says.
    let release = factory.release("4.20.1", 'a');
    let top = factory.image("amd64", std::slice::from_ref(&release));
    let blob = factory.blob(release.digest);
    let mut bytes = std::fs::read(&blob).unwrap();
    let last = bytes.len() - 1;
    bytes[last] ^= 1;
    let mut permissions = std::fs::metadata(&blob).unwrap().permissions();
    #[expect(clippy::permissions_set_readonly_false, reason = "a temporary file of this test")]
    permissions.set_readonly(false);
    std::fs::set_permissions(&blob, permissions).unwrap();
    std::fs::write(&blob, bytes).unwrap();
    let error = factory.read(&top).unwrap_err();
    assert_eq!(error.class(), Class::Refused, "{error:?}");
    assert!(!error.is_absent());
}
