//! One image, patched from a directory.

use std::path::Path;

use crate::place::{COMMIT, LABEL, OCI, Place, Root, SINGLE, manifests, now, run, unpack};
use clap::Parser;
use fleetfix_model::{Class, Classify, Digest, media};
use fleetfix_oci::layout::Layout;
use fleetfix_patch::Args;
use serde_json::Value;

/// A place with a base and no files of a plan.
fn place() -> Place {
    let place = Place::new();
    place.base("a", OCI, "");
    place.base("s", SINGLE, "");
    std::fs::remove_dir_all(place.path().join("files")).unwrap();
    place
}

fn roots(layout: &Layout, tag: &str) -> Vec<Root> {
    let top = layout.resolve(&tag.parse().unwrap()).unwrap().unwrap();
    manifests(layout, top.digest).iter().map(|manifest| unpack(layout, manifest)).collect()
}

fn content(root: &Root, path: &str) -> String {
    String::from_utf8(root[Path::new(path)].content.clone()).unwrap()
}

#[test]
fn one_tree_for_all_architectures() {
    let place = place();
    place.file("bin/app", "new");
    let mut args = place.with_base("base/a:v1", "out:fixed");
    args.labels = vec![("tier".into(), "a=b".into())];
    args.commit = Some(COMMIT.parse().unwrap());
    args.remove = vec!["/etc/conf".parse().unwrap()];
    let report = run(args.clone()).unwrap();
    let out = place.layout("out");
    for root in roots(&out, "fixed") {
        assert_eq!(content(&root, "usr/bin/app"), "new");
        assert_eq!(root[Path::new("usr/bin")].mode, 0o2775);
        assert!(!root.contains_key(Path::new("etc/conf")) && root.contains_key(Path::new("etc")));
    }
    let top: Digest = report["images"][0]["digest"].as_str().unwrap().parse().unwrap();
    for manifest in manifests(&out, top) {
        let config = out.read_blob(manifest.config().unwrap().digest, 1 << 20).unwrap();
        let labels = serde_json::from_slice::<Value>(&config).unwrap()["config"]["Labels"].clone();
        assert_eq!(
            (&labels["tier"], &labels["vcs-ref"], &labels[LABEL]),
            (&"a=b".into(), &COMMIT.into(), &"true".into())
        );
        let text = labels.to_string();
        assert!(
            !text.contains(&place.path().display().to_string()),
            "no path of this host: {text}"
        );
    }
    assert_eq!(run(args).unwrap(), report);
    place.file("bin/app", "newer");
    let error = run(place.with_base("base/a:v1", "out:fixed")).unwrap_err();
    assert_eq!(error.class(), Class::Refused, "a tag keeps its content: {error}");
}

#[test]
fn a_tree_for_each_architecture() {
    let place = place();
    place.file("amd64/usr/bin/app", "x86");
    place.file("arm64/usr/bin/app", "arm");
    run(place.with_base("base/a:v1", "out:fixed")).unwrap();
    let roots = roots(&place.layout("out"), "fixed");
    let found: Vec<_> = roots.iter().map(|root| content(root, "usr/bin/app")).collect();
    assert_eq!(found, ["x86", "arm"]);
    // An image without an index, which has no arm64.
    let error = run(place.with_base("base/s:v1", "out:single")).unwrap_err();
    assert_eq!(error.class(), Class::Refused);
    assert!(error.line().contains("not arm64"), "{error}");
    std::fs::remove_dir_all(place.path().join("files/arm64")).unwrap();
    run(place.with_base("base/s:v1", "out:single")).unwrap();
    let error = run(place.with_base("base/a:v1", "out:more")).unwrap_err();
    assert!(error.line().contains("has arm64"), "{error}");
}

#[test]
fn new_files_only_where_they_are_meant() {
    let place = place();
    let path = place.file("opt/tool", "tool");
    std::fs::set_permissions(path, std::os::unix::fs::PermissionsExt::from_mode(0o700)).unwrap();
    place.file("opt/text", "text");
    let args = place.with_base("base/a:v1", "out:fixed");
    let error = run(args.clone()).unwrap_err();
    assert_eq!(
        (error.class(), place.path().join("out").exists()),
        (Class::Input, false),
        "{error}"
    );
    let report = run(Args { create: true, ..args }).unwrap();
    let root = &roots(&place.layout("out"), "fixed")[0];
    let modes = ["opt", "opt/tool", "opt/text"].map(|path| root[Path::new(path)].mode);
    assert_eq!(modes, [0o755, 0o755, 0o644]);
    assert!(report["images"][0]["notes"].to_string().contains("no directory /opt"), "{report}");
}

#[test]
fn directories_that_are_no_patch() {
    let place = place();
    let fails = |class: Class, says: &str| {
        let error = run(place.with_base("base/a:v1", "out:fixed")).unwrap_err();
        assert_eq!(error.class(), class, "{error}");
        assert!(error.line().contains(says), "{error}");
        assert!(!place.path().join("out").exists());
    };
    let files = place.path().join("files");
    fails(Class::Input, "files");
    std::fs::create_dir(&files).unwrap();
    fails(Class::Input, "no files");
    place.file("amd64/usr/bin/app", "x");
    std::fs::create_dir_all(files.join("arm64/usr")).unwrap();
    fails(Class::Input, "no files");
    place.file("usr/bin/app", "x");
    fails(Class::Input, "mixes");
    std::fs::remove_dir_all(files.join("amd64")).unwrap();
    std::fs::remove_dir_all(files.join("arm64")).unwrap();
    std::os::unix::fs::symlink("app", files.join("usr/bin/link")).unwrap();
    fails(Class::Input, "neither a file nor a directory");
    std::fs::remove_file(files.join("usr/bin/link")).unwrap();
    place.file("usr/bin/.wh.app", "x");
    fails(Class::Input, ".wh.");
    std::fs::remove_file(files.join("usr/bin/.wh.app")).unwrap();
    place.file("bin/app", "y");
    fails(Class::Input, "changed twice");
}

#[test]
fn command_lines() {
    let parse = |line: &str| Args::try_parse_from(line.split(' '));
    for good in [
        "x --plan p --files d --to quay.io/a/b",
        "x --base-image quay.io/a/b:v1 --files d --image oci:x:v1 --label a=b --label c=d=e --commit aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa",
    ] {
        parse(good).unwrap();
    }
    for bad in [
        "x --files d --to quay.io/a/b",
        "x --plan p --base-image quay.io/a/b:v1 --files d --to quay.io/a/b",
        "x --plan p --to quay.io/a/b",
        "x --plan p --files d",
        "x --plan p --files d --to quay.io/a/b --label a=b",
        "x --base-image quay.io/a/b:v1 --files d --image oci:x:v1 --label a",
        "x --base-image quay.io/a/b:v1 --files d --image oci:x:v1 --commit abc",
        "x --base-image b --files d --image oci:x:v1",
        "x --base-image quay.io/a/b:v1 --files d --to quay.io/a/b",
        "x --plan p --files d --image oci:x:v1",
        "x --plan p --files d --to quay.io/a/b:v1",
    ] {
        assert!(parse(bad).is_err(), "{bad}");
    }
    let class = |args: Args| run(args).unwrap_err().class();
    let place = place();
    place.file("bin/app", "new");
    assert_eq!(class(place.with_base("base/a:v1", "out")), Class::Usage, "no tag");
    assert_eq!(class(place.with_base("base/a", "out:v1")), Class::Usage, "no base");
    assert_eq!(class(place.with_base("base/a:v2", "out:v1")), Class::Input, "no such tag");
    let mut args = place.with_base("base/a:v1", "out:v1");
    args.labels = vec![(LABEL.into(), "false".into())];
    assert_eq!(class(args), Class::Refused, "steers HyperShift");
    for label in [media::VCS_REF, media::REVISION, media::BASE_NAME, media::BASE_DIGEST] {
        let mut args = place.with_base("base/a:v1", "out:v1");
        args.labels = vec![(label.into(), "x".into())];
        let error = args.jobs(now()).unwrap_err();
        assert!(matches!(error, fleetfix_patch::Error::LabelOfOrigin { .. }), "{error:?}");
    }
}

#[test]
fn an_index_without_images_is_refused() {
    let place = place();
    place.file("bin/app", "new");
    let layout = place.layout("base/a");
    let empty = br#"{"schemaVersion":2,"manifests":[]}"#;
    let index = layout.put(media::OCI_INDEX, empty).unwrap();
    layout.set_tag(&"empty".parse().unwrap(), &index).unwrap();
    let error = run(place.with_base("base/a:empty", "out:v1")).unwrap_err();
    assert_eq!(error.class(), Class::Input, "{error}");
    assert!(error.line().contains(&index.digest.to_string()), "{error}");
}
