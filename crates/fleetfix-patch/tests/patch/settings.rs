//! Compressions, what is remembered between runs, many bases, entries that are no images.

use std::collections::BTreeSet;

use fleetfix_model::{Class, Classify, Digest, media};
use fleetfix_oci::layout::Layout;
use fleetfix_patch::Args;
use fleetfix_patch::settings::{CompressionName, OtherManifestsName};

use crate::place::{DOCKER, OCI, Place, SINGLE, manifests, run, unpack};

/// A place with bases of both families, and one file that is compressed by itself and one that is
/// not.
fn place() -> Place {
    let place = Place::new();
    place.base("a", OCI, "");
    place.base("d", DOCKER, "");
    place.base("s", SINGLE, "");
    std::fs::remove_dir_all(place.path().join("files")).unwrap();
    let line = "a line of a large file\n";
    place.file("usr/bin/app", &line.repeat((3 << 20) / line.len()));
    place.file("etc/conf", "small");
    place
}

fn top(place: &Place, out: &str) -> (Layout, Digest) {
    let layout = place.layout(out);
    let top = layout.resolve(&"fixed".parse().unwrap()).unwrap().unwrap();
    (layout, top.digest)
}

fn with(args: Args, compression: CompressionName, level: Option<u32>) -> Args {
    let mut args = args;
    (args.settings.compression, args.settings.compression_level) = (compression, level);
    args
}

#[test]
fn compressions() {
    let place = place();
    let mut diff_ids = BTreeSet::new();
    let table = [
        ("gzip2", CompressionName::Gzip, None, media::OCI_LAYER_GZIP),
        ("gzip9", CompressionName::Gzip, Some(9), media::OCI_LAYER_GZIP),
        ("zstd", CompressionName::Zstd, None, media::OCI_LAYER_ZSTD),
        ("none", CompressionName::None, None, media::OCI_LAYER),
    ];
    for (name, compression, level, media_type) in table {
        let args = place.with_base("base/a:v1", &format!("{name}:fixed"));
        run(with(args, compression, level)).unwrap();
        let (layout, digest) = top(&place, name);
        for manifest in manifests(&layout, digest) {
            assert_eq!(manifest.layers().unwrap().last().unwrap().media_type, media_type);
            let config = layout.read_blob(manifest.config().unwrap().digest, 1 << 20).unwrap();
            let config = fleetfix_oci::config::Config::parse(&config).unwrap();
            diff_ids.insert(*config.diff_ids().unwrap().last().unwrap());
            if compression == CompressionName::Gzip {
                let root = unpack(&layout, &manifest);
                let app = &root[std::path::Path::new("usr/bin/app")];
                assert!(app.content.starts_with(b"a line") && app.content.len() > 3_000_000);
                assert_eq!(app.mode, 0o4751);
            }
        }
        // A patched image can be patched, whatever its layers are compressed with.
        run(place.with_base(&format!("{name}:fixed"), "again:fixed")).unwrap();
        std::fs::remove_dir_all(place.path().join("again")).unwrap();
    }
    assert_eq!(diff_ids.len(), 1, "the archive is the same whatever it is compressed with");
}

#[test]
fn levels_and_families_that_do_not_go_together() {
    let place = place();
    let args = || place.with_base("base/d:v1", "out:fixed");
    for (compression, level, class, says) in [
        (CompressionName::Gzip, Some(10), Class::Usage, "1 to 9"),
        (CompressionName::Zstd, Some(20), Class::Usage, "1 to 19"),
        (CompressionName::None, Some(1), Class::Usage, "none has no level 1"),
        (CompressionName::Zstd, None, Class::Input, "Docker"),
    ] {
        let error = run(with(args(), compression, level)).unwrap_err();
        assert_eq!(error.class(), class, "{error}");
        assert!(error.line().contains(says), "{error}");
        assert!(!place.path().join("out").exists());
    }
    run(with(args(), CompressionName::None, None)).unwrap();
    let (layout, digest) = top(&place, "out");
    let layer = manifests(&layout, digest)[0].layers().unwrap().pop().unwrap();
    assert_eq!(layer.media_type, media::DOCKER_LAYER);
}

#[test]
fn the_second_patch_on_a_base_reads_none_of_its_layers() {
    let place = place();
    run(place.with_base("base/a:v1", "base/a:one")).unwrap();
    let layout = place.layout("base/a");
    let top = layout.resolve(&"v1".parse().unwrap()).unwrap().unwrap().digest;
    // The layers cannot be read any more, and nobody tries.
    for manifest in manifests(&layout, top) {
        for layer in manifest.layers().unwrap() {
            let nothing = vec![0; usize::try_from(layer.size).unwrap()];
            std::fs::write(layout.blob_path(layer.digest), nothing).unwrap();
        }
    }
    place.file("etc/conf", "other");
    run(place.with_base("base/a:v1", "base/a:two")).unwrap();
    // What is remembered and was damaged is not believed, but read again.
    let kept: Vec<_> = place.snapshot("cache/layers-4").into_keys().collect();
    assert_eq!(kept.len(), 3, "two layers of one architecture, one of the other: {kept:?}");
    for path in &kept {
        let path = place.path().join(path);
        let mut bytes = std::fs::read(&path).unwrap();
        let last = bytes.len() - 1;
        bytes[last] ^= 1;
        std::fs::write(&path, bytes).unwrap();
    }
    let error = run(place.with_base("base/a:v1", "base/a:three")).unwrap_err();
    assert_eq!(error.class(), Class::Refused, "{error}");
}

/// What is remembered of a layer says nothing of whether it is there.
#[test]
fn a_base_whose_layer_is_gone_gets_no_new_manifest() {
    let place = place();
    run(place.with_base("base/a:v1", "base/a:one")).unwrap();
    let layout = place.layout("base/a");
    let top = layout.resolve(&"v1".parse().unwrap()).unwrap().unwrap().digest;
    let lowest = manifests(&layout, top)[0].layers().unwrap().swap_remove(0);
    let path = layout.blob_path(lowest.digest);
    place.file("etc/conf", "other");
    for (content, class, says) in
        [(Some("cut"), Class::Refused, "bytes, found 3"), (None, Class::Input, "is not in")]
    {
        match content {
            Some(content) => std::fs::write(&path, content).unwrap(),
            None => std::fs::remove_file(&path).unwrap(),
        }
        let before = place.snapshot("base/a");
        let error = run(place.with_base("base/a:v1", "base/a:two")).unwrap_err();
        assert_eq!(error.class(), class, "{error}");
        assert!(error.line().contains(says), "{error}");
        assert!(error.line().contains(&lowest.digest.to_string()), "{error}");
        assert!(place.snapshot("base/a") == before, "nothing was written");
    }
}

#[test]
fn a_cache_that_cannot_be_written_is_no_reason_to_fail() {
    let place = place();
    let mut args = place.with_base("base/a:v1", "out:fixed");
    let file = place.file("../file", "");
    args.settings.cache_dir = Some(file);
    run(args).unwrap();
}

#[test]
fn what_is_remembered_changes_no_byte() {
    let place = place();
    run(place.with_base("base/a:v1", "one:fixed")).unwrap();
    run(place.with_base("base/a:v1", "two:fixed")).unwrap();
    assert_eq!(top(&place, "one").1, top(&place, "two").1);
}

#[test]
fn a_layer_of_many_bases_is_written_once() {
    let place = Place::new();
    let large = "large ".repeat(400_000);
    for architecture in ["amd64", "arm64"] {
        place.file(&format!("out/{architecture}/app"), &format!("{large}{architecture}"));
    }
    let bases = (0..12).map(|n| place.base("a", OCI, &n.to_string())).collect();
    let plan = place.plan(bases);
    let report = run(place.with_plan(&plan)).unwrap();
    let images = report["images"].as_array().unwrap();
    assert_eq!(images.len(), 12);
    let built = place.built();
    let mut new = BTreeSet::new();
    for image in images {
        let digest = image["digest"].as_str().unwrap().parse().unwrap();
        for manifest in manifests(&built, digest) {
            new.insert(manifest.layers().unwrap().last().unwrap().digest);
        }
    }
    assert_eq!(new.len(), 2, "one for each architecture");
}

#[test]
fn entries_that_are_no_images() {
    let place = place();
    let entries = |out: &str| {
        let (layout, digest) = top(&place, out);
        let bytes = layout.read_blob(digest, 1 << 20).unwrap();
        let index = fleetfix_oci::manifest::Manifest::parse(None, &bytes).unwrap();
        index.children().unwrap().len()
    };
    let args = |out: &str, what| {
        let mut args = place.with_base("base/a:v1", &format!("{out}:fixed"));
        args.settings.other_manifests = what;
        args
    };
    let report = run(args("keep", OtherManifestsName::Keep)).unwrap();
    assert_eq!(report["images"][0]["dropped"].as_array().unwrap().len(), 1);
    run(args("drop", OtherManifestsName::Drop)).unwrap();
    assert_eq!((entries("keep"), entries("drop")), (2, 2), "it is about an image as it was");
    let error = run(args("refuse", OtherManifestsName::Refuse)).unwrap_err();
    assert_eq!(error.class(), Class::Refused, "{error}");
    assert!(!place.path().join("refuse").exists());
}

#[test]
fn a_large_file_that_is_not_what_the_plan_says_leaves_nothing_behind() {
    let place = Place::new();
    for architecture in ["amd64", "arm64"] {
        let content = format!("{}{architecture}", "x".repeat(2 << 20));
        place.file(&format!("out/{architecture}/app"), &content);
    }
    let plan = place.plan(vec![place.base("a", OCI, "")]);
    for (content, says) in
        [("y".repeat((2 << 20) + 5), "has digest"), ("x".repeat(3 << 20), "has ")]
    {
        place.file("out/arm64/app", &content);
        let error = run(place.with_plan(&plan)).unwrap_err();
        assert_eq!(error.class(), Class::Refused, "{error}");
        assert!(error.line().contains(says), "{error}");
        assert!(place.snapshot("build").is_empty());
    }
}

#[test]
fn a_file_out_of_another_image() {
    let place = place();
    run(place.with_base("base/a:v1", "other:fixed")).unwrap();
    let from = |image: &str, path: &str, to: &str| {
        let mut args = place.with_base("base/d:v1", to);
        args.files = format!("oci:{}/{image}:{path}", place.path().display()).into();
        args
    };
    run(from("other:fixed", "/bin/app", "out:fixed")).unwrap();
    let (layout, digest) = top(&place, "out");
    for manifest in manifests(&layout, digest) {
        let root = unpack(&layout, &manifest);
        let app = &root[std::path::Path::new("usr/bin/app")];
        assert!(app.content.starts_with(b"a line") && app.content.len() > 3_000_000);
        assert_eq!((app.mode, app.owner), (0o4751, (1001, 0)), "as in the base");
        let conf = &root[std::path::Path::new("etc/conf")];
        assert_eq!(conf.content, b"conf", "only that file");
    }
    // Small files, and those of the lowest layer, lie there as well.
    run(from("base/a:v1", "/etc/conf", "small:fixed")).unwrap();
    for (image, path, says) in [
        ("other:fixed", "/usr/bin", "is no file"),
        ("other:fixed", "/usr/bin/absent", "is no file"),
        ("other:absent", "/usr/bin/app", "absent"),
    ] {
        let error = run(from(image, path, "no:fixed")).unwrap_err();
        assert_eq!(error.class(), Class::Input, "{error}");
        assert!(error.line().contains(says), "{error}");
    }
    let mut args = from("other:fixed", "/bin/app", "single:fixed");
    args.base_image = place.with_base("base/s:v1", "single:fixed").base_image;
    assert_eq!(run(args).unwrap_err().class(), Class::Refused, "the base has no arm64");
}
