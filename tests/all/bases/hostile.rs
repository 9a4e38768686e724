//! Bases that nobody should build, seen from outside: each is refused with its exit code and a line
//! that says what is wrong, and nothing is written.

use fleetfix_testkit::base::{
    Archive, Blobs, Compression, Entry, Family, ImageRecipe, Layer, digest,
};
use fleetfix_testkit::registry::Registry;
use fleetfix_tests::binary::Workbench;
use serde_json::{Value, json};

use super::refused::{APP, layer, load, patch};

const OCI_INDEX: &str = "application/vnd.oci.image.index.v1+json";
const OCI_MANIFEST: &str = "application/vnd.oci.image.manifest.v1+json";

/// Patches the base that `top` describes; what is refused and where is all the same to a registry
/// that is the base's own and to another repository.
fn refused(fact: &str, blobs: &Blobs, top: &Value, code: i32, says: &str) {
    let registry = Registry::start();
    load(&registry, "app", blobs, &[("v1", top)]);
    for to in ["app", "elsewhere"] {
        let to = format!("{}:fix", registry.repository(to));
        let output = patch(&Workbench::new(), &registry, "v1", &to, "#!/bin/sh\nnew\n");
        assert_eq!(output.code, Some(code), "{fact}: {output}");
        assert!(output.stderr.contains(says), "{fact}: {output}");
        assert!(output.stdout.is_empty(), "{fact}: {output}");
    }
    assert_eq!(registry.writes(), [""; 0], "{fact}");
}

/// A layer whose bytes are these, whatever they are.
fn of_bytes(bytes: Vec<u8>, compression: Compression) -> Layer {
    Layer { diff_id: digest(&bytes), bytes, compression }
}

fn cut(mut whole: Layer, length: usize) -> Layer {
    whole.bytes.truncate(length);
    whole
}

fn plain(entries: impl IntoIterator<Item = Entry>) -> Layer {
    Layer::new(Archive::of(entries), Compression::None)
}

/// The digest of each is right: only reading it shows what it is.
#[test]
fn layers() {
    let good = || layer(APP, "#!/bin/sh\n".repeat(200));
    let whole = good().bytes.len();
    let file = |path: &str| Entry::file(path, 0o755, "x");
    // A window of 2 GiB (RFC 8878, section 3.1.1.1.2) around one empty block.
    let window = [&[0x28, 0xb5, 0x2f, 0xfd, 0, 21 << 3][..], &[1, 0, 0]].concat();
    let table = [
        ("gzip that ends early", cut(good(), whole / 2), "layer"),
        ("gzip without its sum", cut(good(), whole - 4), "layer"),
        ("an archive that ends in an entry", cut(plain([file(APP)]), 700), "layer"),
        ("xz", of_bytes(b"\xfd7zXZ\0\0".to_vec(), Compression::Gzip), "xz"),
        ("bzip2", of_bytes(b"BZh91AY&SY".to_vec(), Compression::Gzip), "bzip2"),
        ("a window of 2 GiB", of_bytes(window, Compression::Zstd), "layer"),
        ("`..`", plain([file("usr/../../etc/passwd")]), "usr/../../etc/passwd"),
        ("a hard link out", plain([Entry::hard_link(APP, "../../etc/passwd")]), "etc/passwd"),
        ("a file below a file", plain([file("usr"), file("usr/bin")]), "usr/bin"),
        ("a file below a link", plain([Entry::symlink("usr", "/"), file("usr/bin")]), "usr/bin"),
        ("no archive", of_bytes(vec![b'x'; 1024], Compression::None), "layer"),
    ];
    for (fact, top, says) in table {
        let mut blobs = Blobs::default();
        let layers = vec![layer("etc/lowest", "1"), top];
        let mut image = blobs.image(&ImageRecipe::new(Family::Oci, "amd64", layers));
        image.as_object_mut().unwrap().remove("platform");
        refused(fact, &blobs, &image, 11, says);
    }
}

/// Gets a good image and its manifest, and returns the descriptor of the base.
type Change = fn(&mut Blobs, Value, Value) -> Value;

#[test]
fn configurations() {
    documents(&[
        (
            "a configuration of another size",
            |blobs, _, mut manifest| {
                manifest["config"]["size"] = json!(7);
                put(blobs, OCI_MANIFEST, &manifest)
            },
            10,
            "the configuration of",
        ),
        (
            "a configuration that is no JSON",
            |blobs, _, mut manifest| {
                manifest["config"] =
                    blobs.blob("application/vnd.oci.image.config.v1+json", b"{".to_vec());
                put(blobs, OCI_MANIFEST, &manifest)
            },
            11,
            "configuration",
        ),
        (
            "a configuration that is not there",
            |blobs, _, mut manifest| {
                manifest["config"]["digest"] = json!(digest(b"nowhere"));
                put(blobs, OCI_MANIFEST, &manifest)
            },
            11,
            "404",
        ),
    ]);
}

#[test]
fn indexes() {
    documents(&[
        (
            "an index with another architecture",
            |blobs, mut image, _| {
                image["platform"]["architecture"] = json!("arm64");
                blobs.index(Family::Oci, &[image])
            },
            11,
            "linux/amd64",
        ),
        (
            "a child of another size",
            |blobs, mut image, _| {
                image["size"] = json!(7);
                blobs.index(Family::Oci, &[image])
            },
            10,
            "7 bytes",
        ),
        (
            "an index in an index",
            |blobs, image, _| {
                let inner = blobs.index(Family::Oci, &[image]);
                blobs.index(Family::Oci, &[inner])
            },
            11,
            "index",
        ),
        (
            "an index without an image",
            |blobs, _, _| {
                put(
                    blobs,
                    OCI_INDEX,
                    &json!({"schemaVersion": 2,
                "mediaType": OCI_INDEX, "manifests": []}),
                )
            },
            11,
            "without any image",
        ),
    ]);
}

#[test]
fn manifests() {
    documents(&[
        (
            "a manifest of Docker's first schema",
            |blobs, _, _| {
                let kind = "application/vnd.docker.distribution.manifest.v1+prettyjws";
                put(blobs, kind, &json!({"schemaVersion": 1, "fsLayers": []}))
            },
            11,
            "manifest.v1+prettyjws",
        ),
        (
            "a manifest of an unknown type",
            |blobs, _, _| {
                let kind = "application/vnd.example.thing+json";
                put(blobs, kind, &json!({"schemaVersion": 2, "mediaType": kind}))
            },
            11,
            "vnd.example.thing+json",
        ),
        (
            "a manifest that is no JSON",
            |blobs, _, _| {
                let bytes = b"{\"schemaVersion\":2,".to_vec();
                blobs.manifests.push((OCI_MANIFEST.to_owned(), bytes.clone()));
                json!({"mediaType": OCI_MANIFEST, "digest": digest(&bytes), "size": bytes.len()})
            },
            11,
            "manifest",
        ),
    ]);
}

/// Documents that lie, or are something else.
fn documents(table: &[(&str, Change, i32, &str)]) {
    for (fact, change, code, says) in table {
        let mut blobs = Blobs::default();
        let layers = vec![layer("etc/lowest", "1"), layer(APP, "#!/bin/sh\n")];
        let image = blobs.image(&ImageRecipe::new(Family::Oci, "amd64", layers));
        let manifest = serde_json::from_slice(&blobs.manifests[0].1).unwrap();
        let top = change(&mut blobs, image, manifest);
        refused(fact, &blobs, &top, *code, says);
    }
}

fn put(blobs: &mut Blobs, media_type: &str, document: &Value) -> Value {
    let bytes = document.to_string().into_bytes();
    blobs.manifests.push((media_type.to_owned(), bytes.clone()));
    json!({"mediaType": media_type, "digest": digest(&bytes), "size": bytes.len()})
}
