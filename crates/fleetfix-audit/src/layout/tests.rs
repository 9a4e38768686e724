use std::fs;

use fleetfix_model::{Descriptor, Digest, media};
use fleetfix_oci::layout::Layout;
use serde_json::json;

use super::*;
use crate::judgement::Answer;

/// A fleet with one bundle, one image, its signature and one TUF state.
struct Fleet {
    temp: tempfile::TempDir,
}

fn put(layout: &Layout, tag: &str, media_type: &str, bytes: &[u8]) -> Digest {
    let manifest = layout.put(media_type, bytes).unwrap();
    layout.set_tag(&tag.parse().unwrap(), &manifest).unwrap();
    manifest.digest
}

fn manifest(layout: &Layout, artifact_type: &str, name: &str, layer: &[u8]) -> Vec<u8> {
    let layer = layout.put("application/octet-stream", layer).unwrap();
    json!({
        "schemaVersion": 2, "mediaType": media::OCI_MANIFEST, "artifactType": artifact_type,
        "config": layer,
        "layers": [{"mediaType": layer.media_type, "digest": layer.digest, "size": layer.size,
            "annotations": {media::TUF_FILENAME: name}}],
    })
    .to_string()
    .into_bytes()
}

impl Fleet {
    fn new() -> Self {
        let temp = tempfile::tempdir().unwrap();
        let dir = temp.path();
        let app = Layout::create(dir.join("etcd")).unwrap();
        let image = manifest(&app, "none", "", b"layer");
        let image_digest = put(&app, "fix-1-r1-aaaa", media::OCI_MANIFEST, &image);
        let signature = manifest(&app, "none", "", b"signature");
        let tag = format!("sha256-{}.sig", image_digest.hex());
        put(&app, &tag, media::OCI_MANIFEST, &signature);

        let bundles = Layout::create(dir.join("bundles")).unwrap();
        let document = fleetfix_model::ToCanonical::to_canonical(&bundle(image_digest)).unwrap();
        let artifact = manifest(&bundles, media::FIX_BUNDLE, "", &document);
        put(&bundles, "fix-1-r1", media::OCI_MANIFEST, &artifact);

        let channels = Layout::create(dir.join("channels")).unwrap();
        let old = br#"{"signed":{"version":1}}"#;
        let old = manifest(&channels, media::TUF_REPOSITORY, "timestamp.json", old);
        put(&channels, &own_tag(1, &old), media::OCI_MANIFEST, &old);
        let new = br#"{"signed":{"version":2}}"#;
        let new = manifest(&channels, media::TUF_REPOSITORY, "timestamp.json", new);
        put(&channels, &own_tag(2, &new), media::OCI_MANIFEST, &new);
        put(&channels, "current", media::OCI_MANIFEST, &new);
        Self { temp }
    }

    fn dir(&self) -> &Path {
        self.temp.path()
    }

    fn check(&self) -> Judged {
        check(&Scope::Fleet { dir: self.dir().to_owned() })
    }
}

fn bundle(image: Digest) -> serde_json::Value {
    json!({
        "apiVersion": "fleetfix.openshift.io/v1alpha1", "kind": "FixBundle", "id": "FIX-1", "revision": 1,
        "tickets": ["A-1"], "component": "etcd", "request": image, "plan": image, "fleet": "quay.io/fleet",
        "images": [{"minor": "4.20", "repository": "etcd", "tag": "fix-1-r1-aaaa",
            "index": {"mediaType": media::OCI_MANIFEST, "digest": image, "size": 1},
            "platforms": [{"platform": "linux/amd64", "manifest": {"mediaType": media::OCI_MANIFEST, "digest": image, "size": 1}}],
            "base": {"repository": "quay.io/a/b", "digest": image}, "attestations": []}],
        "affects": [], "delivery": [], "impact": [], "rollback": {"possible": false, "reason": "x"},
    })
}

fn files(dir: &Path) -> Vec<PathBuf> {
    let mut files = Vec::new();
    for entry in fs::read_dir(dir).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() { files.extend(self::files(&path)) } else { files.push(path) }
    }
    files.sort();
    files
}

#[test]
fn a_fleet_as_we_write_it() {
    let judged = Fleet::new().check();
    assert!(judged.is_good(), "{judged:#?}");
}

#[test]
fn any_byte_of_any_file_changed_is_refused() {
    let fleet = Fleet::new();
    let mut tried = 0;
    for path in files(fleet.dir()) {
        let good = fs::read(&path).unwrap();
        // A hash sees any bit; where a parser decides, the case of a letter is another matter.
        let is_blob = path.components().any(|part| part.as_os_str() == "blobs");
        let flips: &[u8] = if is_blob { &[0x01] } else { &[0x01, 0x20] };
        for at in 0..good.len() {
            for flip in flips {
                let mut bad = good.clone();
                bad[at] ^= flip;
                fs::write(&path, &bad).unwrap();
                let judged = fleet.check();
                assert_eq!(
                    judged.answer,
                    Answer::Refused,
                    "{} byte {at}: {judged:#?}",
                    path.display()
                );
                tried += 1;
            }
        }
        fs::write(&path, good).unwrap();
    }
    assert!(tried > 1000, "{tried}");
    assert!(fleet.check().is_good());
}

#[test]
fn files_cut_short_or_made_longer_are_refused() {
    let fleet = Fleet::new();
    for path in files(fleet.dir()) {
        let good = fs::read(&path).unwrap();
        for bad in [&good[..good.len() - 1], &[], &[good.as_slice(), b" "].concat()] {
            fs::write(&path, bad).unwrap();
            assert_eq!(fleet.check().answer, Answer::Refused, "{}", path.display());
        }
        fs::write(&path, good).unwrap();
    }
}

/// The tag that a state keeps.
fn own_tag(version: u64, manifest: &[u8]) -> String {
    crate::state::tag(version, Digest::of(manifest)).unwrap().to_string()
}

/// The older state, with its tag.
fn first_state(channels: &Layout) -> (String, Descriptor) {
    let tags = channels.tags().unwrap();
    let tag = tags.iter().find(|tag| tag.as_str().starts_with("state-1-")).unwrap();
    (tag.to_string(), channels.resolve(tag).unwrap().unwrap().descriptor())
}

type Place = fn(&Fleet) -> Layout;
type Attack = (&'static str, fn(&Layout));

#[test]
fn tags_that_nothing_accounts_for() {
    let app = |fleet: &Fleet| Layout::open(fleet.dir().join("etcd")).unwrap();
    let channels = |fleet: &Fleet| Layout::open(fleet.dir().join("channels")).unwrap();
    let attacks: [(Place, Attack); 7] = [
        (
            app,
            ("an image under a tag of its own", |layout| {
                let image = manifest(layout, "none", "", b"evil");
                put(layout, "latest", media::OCI_MANIFEST, &image);
            }),
        ),
        (
            app,
            ("a signature of nothing that is here", |layout| {
                let signature = manifest(layout, "none", "", b"signature");
                let tag = format!("sha256-{}.sig", Digest::of("nothing").hex());
                put(layout, &tag, media::OCI_MANIFEST, &signature);
            }),
        ),
        (
            app,
            ("the image's tag on another image", |layout| {
                let image = manifest(layout, "none", "", b"evil");
                put(layout, "fix-1-r1-aaaa", media::OCI_MANIFEST, &image);
            }),
        ),
        (
            channels,
            ("a current state without its own tag", |layout| {
                let state = br#"{"signed":{"version":3}}"#;
                let state = manifest(layout, media::TUF_REPOSITORY, "timestamp.json", state);
                put(layout, "current", media::OCI_MANIFEST, &state);
            }),
        ),
        (
            channels,
            ("a state under the number of another", |layout| {
                let (tag, old) = first_state(layout);
                let tag = tag.replace("state-1", "state-7").parse().unwrap();
                layout.set_tag(&tag, &old).unwrap();
            }),
        ),
        (
            channels,
            ("a state under the digest of another", |layout| {
                let (tag, _) = first_state(layout);
                let state = br#"{"signed":{"version":1,"other":true}}"#;
                let state = manifest(layout, media::TUF_REPOSITORY, "timestamp.json", state);
                put(layout, &tag, media::OCI_MANIFEST, &state);
            }),
        ),
        (
            channels,
            ("a state under its number alone", |layout| {
                let (_, old) = first_state(layout);
                layout.set_tag(&"state-1".parse().unwrap(), &old).unwrap();
            }),
        ),
    ];
    for (layout, (name, attack)) in attacks {
        let fleet = Fleet::new();
        attack(&layout(&fleet));
        assert_eq!(fleet.check().answer, Answer::Refused, "{name}");
    }
}

/// A publisher died after an image and before its bundle.
#[test]
fn an_image_of_a_publication_that_did_not_end_is_named_and_harmless() {
    let fleet = Fleet::new();
    let app = Layout::open(fleet.dir().join("etcd")).unwrap();
    let base = Digest::of("base");
    let image = |base: Digest| {
        let image: serde_json::Value =
            serde_json::from_slice(&manifest(&app, "none", "", b"left")).unwrap();
        let mut image = image;
        image["annotations"] = json!({ media::BASE_DIGEST: base });
        image.to_string().into_bytes()
    };
    let left = format!("fix-2-r1-{}", base.short());
    put(&app, &left, media::OCI_MANIFEST, &image(base));
    let judged = fleet.check();
    assert!(judged.is_good(), "{judged:#?}");
    assert!(format!("{judged:?}").contains(&left), "{judged:#?}");
    for (tag, digest) in [
        ("latest", base),
        ("fix-2-rx-abc", base),
        (&left.replace("fix-2", "fix-3"), Digest::of("another base")),
        // The tag that a bundle has for its own image.
        ("fix-1-r1-aaaa", base),
    ] {
        let fleet = Fleet::new();
        let app = Layout::open(fleet.dir().join("etcd")).unwrap();
        let blob = manifest(&app, "none", "", b"left");
        let mut image: serde_json::Value = serde_json::from_slice(&blob).unwrap();
        image["annotations"] = json!({ media::BASE_DIGEST: digest });
        put(&app, tag, media::OCI_MANIFEST, image.to_string().as_bytes());
        assert_eq!(fleet.check().answer, Answer::Refused, "{tag}");
    }
}

#[test]
fn fields_that_nobody_compares_have_no_place_in_an_index() {
    let fleet = Fleet::new();
    let path = fleet.dir().join("etcd/index.json");
    let good = fs::read_to_string(&path).unwrap();
    for (from, to) in [
        ("{\"schemaVersion\"", "{\"annotations\":{},\"schemaVersion\""),
        ("\"annotations\":{", "\"annotations\":{\"a\":\"b\","),
        (",\"mediaType\"", ", \"mediaType\""),
        ("\"schemaVersion\":2", "\"schemaVersion\":2,\"schemaVersion\":2"),
        ("\"manifests\":[", "\"manifests\":[{},"),
    ] {
        let bad = good.replacen(from, to, 1);
        assert_ne!(bad, good, "{from}");
        fs::write(&path, bad).unwrap();
        assert_eq!(fleet.check().answer, Answer::Refused, "{to}");
    }
}

#[test]
fn what_claims_to_be_a_blob_is_one() {
    for name in ["blobs/sha256/x", "blobs/sha512/00", "blobs/x", "blobs/sha256/.new-1"] {
        let fleet = Fleet::new();
        let path = fleet.dir().join("etcd").join(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, "x").unwrap();
        assert_eq!(fleet.check().answer, Answer::Refused, "{name}");
    }
}

#[test]
fn a_file_that_nobody_reads_is_named_and_harmless() {
    let fleet = Fleet::new();
    fs::write(fleet.dir().join("etcd/.new-abc"), "left by a writer that died").unwrap();
    let judged = fleet.check();
    assert!(judged.is_good());
    let stray = judged.check.checks.iter().find(|check| check.name == "strayFiles").unwrap();
    assert!(stray.subject.ends_with(".new-abc"), "{stray:?}");
}

#[test]
fn a_layout_that_a_dead_writer_began_is_named_and_harmless() {
    let fleet = Fleet::new();
    let dir = fleet.dir().join("kube-apiserver");
    fs::create_dir_all(dir.join("blobs/sha256")).unwrap();
    fs::write(dir.join(".new-abc"), "{").unwrap();
    assert!(fleet.check().is_good(), "directories only");
    fs::copy(fleet.dir().join("etcd/index.json"), dir.join("index.json")).unwrap();
    assert!(!fleet.check().is_good(), "tags without a marker");
    let empty = r#"{"schemaVersion":2,"mediaType":"application/vnd.oci.image.index.v1+json","manifests":[]}"#;
    fs::write(dir.join("index.json"), empty).unwrap();
    assert!(fleet.check().is_good(), "no marker yet");
    fs::write(dir.join("blobs/sha256").join(Digest::of(b"x").hex()), "x").unwrap();
    assert!(!fleet.check().is_good(), "a blob without a marker");
}

#[test]
fn what_cannot_be_read_is_no_refusal() {
    let fleet = Fleet::new();
    let missing = Scope::Fleet { dir: fleet.dir().join("nowhere") };
    assert!(matches!(check(&missing).answer, Answer::CouldNotAsk(_)));
}

#[test]
fn a_layout_of_others_only_needs_its_blobs_right() {
    let fleet = Fleet::new();
    let dir = fleet.dir().join("etcd");
    let layout = Layout::open(&dir).unwrap();
    let image = manifest(&layout, "none", "", b"more");
    put(&layout, "latest", media::OCI_MANIFEST, &image);
    let scope = Scope::One { dir: dir.clone() };
    assert!(check(&scope).is_good());
    let blob = fs::read_dir(dir.join("blobs/sha256")).unwrap().next().unwrap().unwrap().path();
    fs::write(blob, "x").unwrap();
    assert_eq!(check(&scope).answer, Answer::Refused);
}

#[test]
fn a_layout_without_one_of_its_parts() {
    for part in ["oci-layout", "index.json", "blobs"] {
        let fleet = Fleet::new();
        let path = fleet.dir().join("etcd").join(part);
        if path.is_dir() {
            fs::remove_dir_all(path).unwrap();
        } else {
            fs::remove_file(path).unwrap();
        }
        assert_eq!(fleet.check().answer, Answer::Refused, "{part}");
    }
}

/// Both would be read without end.
#[test]
fn a_pipe_or_a_device_is_no_file_of_a_layout() {
    for part in ["oci-layout", "index.json", "blob"] {
        for device in [true, false] {
            let fleet = Fleet::new();
            let dir = fleet.dir().join("etcd");
            let blob =
                || fs::read_dir(dir.join("blobs/sha256")).unwrap().next().unwrap().unwrap().path();
            let path = if part == "blob" { blob() } else { dir.join(part) };
            fs::remove_file(&path).unwrap();
            if device {
                std::os::unix::fs::symlink("/dev/zero", &path).unwrap();
            } else {
                let made = std::process::Command::new("mkfifo").arg(&path).status().unwrap();
                assert!(made.success());
            }
            let judged = fleet.check();
            assert_eq!(judged.answer, Answer::Refused, "{part}: {judged:#?}");
        }
    }
}

#[test]
fn a_linked_directory_is_refused_and_not_followed() {
    let fleet = Fleet::new();
    for i in 0..8 {
        std::os::unix::fs::symlink(fleet.dir(), fleet.dir().join(format!("again-{i}"))).unwrap();
    }
    let judged = fleet.check();
    assert_eq!(judged.answer, Answer::Refused);
    let links = judged.check.checks.iter().filter(|check| check.name == "link").count();
    let layouts = judged.check.checks.iter().filter(|check| check.name == "files").count();
    assert_eq!((links, layouts), (8, 3), "{judged:#?}");
}
