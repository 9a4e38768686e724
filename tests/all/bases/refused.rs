//! Bases that are refused, seen from outside: by a named error, and before anything is written.

use std::fs;
use std::io::Read;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};

use fleetfix_testkit::base::{Archive, Blobs, Entry, Family, ImageRecipe, Layer, digest};
use fleetfix_testkit::registry::{Fault, Registry, Reply};
use fleetfix_tests::base::{ARCHITECTURES, program};
use fleetfix_tests::binary::Workbench;
use fleetfix_tests::child::{self, Output};
use serde_json::{Value, json};

use super::many::{UPSTREAM, plan};

pub(super) const APP: &str = "usr/bin/app";
const APP_NAME: &str = "upstream.test/app";

/// A layer with one file.
pub(super) fn layer(path: &str, content: impl AsRef<[u8]>) -> Layer {
    Layer::gzip(Archive::of([
        Entry::dir("usr", 0o755),
        Entry::dir("usr/bin", 0o755),
        Entry::file(path, 0o755, content),
    ]))
}

/// Holds what `blobs` made in a repository, and tags `tops`.
pub(super) fn load(registry: &Registry, repository: &str, blobs: &Blobs, tops: &[(&str, &Value)]) {
    for bytes in blobs.blobs.values() {
        registry.put_blob(repository, bytes);
    }
    for (n, (media_type, bytes)) in blobs.manifests.iter().enumerate() {
        let digest = digest(bytes);
        let tag = tops.iter().find(|(_, top)| top["digest"] == digest.as_str());
        let other = format!("other-{n}");
        registry.put_manifest(repository, tag.map_or(&other, |(tag, _)| tag), media_type, bytes);
    }
}

/// One image of three layers, the program in the top one.
fn image(blobs: &mut Blobs) -> (Vec<Layer>, Value) {
    let layers =
        vec![layer("etc/lowest", "1"), layer("etc/middle", "2"), layer(APP, "#!/bin/sh\n")];
    let mut top = blobs.image(&ImageRecipe::new(Family::Oci, "amd64", layers.clone()));
    top.as_object_mut().unwrap().remove("platform");
    (layers, top)
}

/// The command line that patches `app:<tag>` of a registry. The base's name stands in the image, so
/// it has one that no port is in.
fn args(registry: &Registry, tag: &str, to: &str) -> [String; 8] {
    let (base, mirror) = (format!("{APP_NAME}:{tag}"), registry.repository("app"));
    let mirror = format!("--mirror={APP_NAME}={mirror}");
    ["--base-image", &base, "--files", "files", "--image", to, &mirror, "--retry-wait=1ms"]
        .map(str::to_owned)
}

/// Lays the new file out.
fn lay_out(bench: &Workbench, text: &str) {
    fs::create_dir_all(bench.path("files/usr/bin")).unwrap();
    fs::write(bench.path("files").join(APP), text).unwrap();
}

/// Patches `app:<tag>` of a registry with a file, into the same repository or another one.
pub(super) fn patch(
    bench: &Workbench,
    registry: &Registry,
    tag: &str,
    to: &str,
    text: &str,
) -> Output {
    lay_out(bench, text);
    bench.run("fleetfix-patch", args(registry, tag, to))
}

/// What is remembered of a layer says nothing of whether it is there, nor does a manifest.
#[test]
fn layers_that_are_gone_or_of_another_size_in_the_same_repository() {
    let (registry, bench, mut blobs) = (Registry::start(), Workbench::new(), Blobs::default());
    let (layers, top) = image(&mut blobs);
    let mut lies: Value = serde_json::from_slice(&blobs.manifests[0].1).unwrap();
    lies["layers"][0]["size"] = json!(layers[0].bytes.len() + 1);
    let lies = ("application/vnd.oci.image.manifest.v1+json", lies.to_string().into_bytes());
    load(&registry, "app", &blobs, &[("v1", &top)]);
    registry.put_manifest("app", "lies", lies.0, &lies.1);
    let to = |tag: &str| format!("{}:{tag}", registry.repository("app"));
    patch(&bench, &registry, "v1", &to("warm"), "one").success();
    assert!(!registry.writes().is_empty());

    let lowest = digest(&layers[0].bytes);
    registry.server.forget();
    let found_out = patch(&bench, &registry, "lies", &to("fix"), "two").code(10);
    found_out.says(&lowest).says("bytes, found");
    let key = ("app".to_owned(), lowest.clone());
    registry.content().blobs.insert(key.clone(), b"cut".to_vec());
    let cut = patch(&bench, &registry, "v1", &to("fix"), "two").code(10);
    cut.says(&lowest).says("bytes, found 3");
    registry.content().blobs.remove(&key);
    let gone = patch(&bench, &registry, "v1", &to("fix"), "two").code(11);
    gone.says(&lowest).says("is not in");
    assert_eq!(registry.writes(), [""; 0]);

    // Another repository mounts what a digest names, whatever size the manifest says.
    registry.put_blob("app", &layers[0].bytes);
    let elsewhere = format!("{}:fix", registry.repository("elsewhere"));
    for bench in [&bench, &Workbench::new()] {
        let found_out = patch(bench, &registry, "lies", &elsewhere, "two").code(10);
        found_out.says(&lowest).says("bytes, found");
        assert!(registry.content().tags("elsewhere").is_empty());
        let written = registry.writes();
        assert!(written.iter().all(|line| !line.contains("/manifests/")), "{written:?}");
        registry.content().blobs.retain(|(repository, _), _| repository == "app");
    }

    // One small request for each layer, and no more.
    registry.server.forget();
    patch(&bench, &registry, "v1", &to("fix"), "two").success();
    for layer in &layers {
        let path = format!("/blobs/{}", digest(&layer.bytes));
        let all = registry.server.lines();
        let asked: Vec<_> = all.iter().filter(|line| line.contains(&path)).collect();
        assert!(asked.len() == 1 && asked[0].contains("HEAD"), "{asked:?}");
    }
}

/// Patches bases as a plan has them, a program for each architecture.
fn patch_all(
    bench: &Workbench,
    registry: &Registry,
    bases: &[(Value, Vec<Value>)],
    to: &str,
    kind: &str,
) -> Output {
    let content = |architecture: &str| program(kind, architecture);
    fs::create_dir_all(bench.path("out")).unwrap();
    for architecture in ARCHITECTURES {
        fs::write(bench.path("out").join(architecture), content(architecture)).unwrap();
    }
    let plan = plan(bases, &format!("/{APP}"), content, &json!([]));
    fs::write(bench.path("plan.json"), plan).unwrap();
    let mirror = format!("{UPSTREAM}={}", registry.repository("app"));
    let args = ["--plan", "plan.json", "--files", ".", "--to", to, "--mirror", &mirror];
    bench.run("fleetfix-patch", [&args[..], &["--retry-wait=1ms"]].concat())
}

/// An index of both architectures whose layers are `more`'s above one with the program, or without.
fn index(blobs: &mut Blobs, has_program: bool, note: &str, more: usize) -> (Value, Vec<Value>) {
    let images: Vec<Value> = ARCHITECTURES
        .iter()
        .map(|architecture| {
            let lowest = if has_program {
                layer(APP, program("base", architecture))
            } else {
                layer("usr/bin/other", "#!/bin/sh\n")
            };
            let upper = (0..more).map(|n| layer("etc/note", format!("{note} {n}")));
            let layers = std::iter::once(lowest).chain(upper).collect();
            blobs.image(&ImageRecipe::new(Family::Oci, architecture, layers))
        })
        .collect();
    (blobs.index(Family::Oci, &images), images)
}

/// The first of two bases could be written while the second is still read.
#[test]
fn one_base_of_two_is_refused_before_anything_is_written() {
    let (registry, bench, mut blobs) = (Registry::start(), Workbench::new(), Blobs::default());
    let good = index(&mut blobs, true, "good", 1);
    let lacks = index(&mut blobs, false, "lacks", 12);
    let taken = index(&mut blobs, true, "taken", 2);
    load(&registry, "app", &blobs, &[]);
    let to = registry.repository("build");
    let first = patch_all(&bench, &registry, std::slice::from_ref(&taken), &to, "base").success();
    let tag = first.json()["images"][0]["tag"].as_str().unwrap().to_owned();

    registry.server.forget();
    let both = [good.clone(), lacks];
    patch_all(&bench, &registry, &both, &to, "fixed").code(11).says(APP);
    let both = [good, taken];
    patch_all(&bench, &registry, &both, &to, "fixed").code(10).says(&tag);
    assert_eq!(registry.writes(), [""; 0]);
}

#[test]
fn tags_that_are_written_are_named_when_another_one_is_not() {
    let (registry, bench, mut blobs) = (Registry::start(), Workbench::new(), Blobs::default());
    let bases: Vec<_> = (1..4).map(|n| index(&mut blobs, true, &n.to_string(), n)).collect();
    load(&registry, "app", &blobs, &[]);
    let elsewhere = registry.repository("elsewhere");
    let known = patch_all(&bench, &registry, &bases, &elsewhere, "fixed").success().json();
    let known = known["images"].clone();
    let tags: Vec<&str> =
        known.as_array().unwrap().iter().map(|image| image["tag"].as_str().unwrap()).collect();
    let path = format!("/build/hypershift/manifests/{}", tags[1]);
    registry.fault(Fault::answer("PUT", &path, Reply::new(500)).times(100));
    let to = registry.repository("build");
    let output = patch_all(&bench, &registry, &bases, &to, "fixed").code(12);
    let written = registry.content().tags("build/hypershift");
    assert!(!written.is_empty() && !written.contains(&tags[1].to_owned()), "{written:?}");
    let said = output.stderr.split("is not [do it again").next().unwrap();
    for tag in tags {
        let is_named = said.contains(&format!("build/hypershift:{tag}"));
        assert_eq!(is_named, written.contains(&tag.to_owned()), "{tag}: {output}");
    }
}

/// Layers that cannot be read are no trouble where they need not be.
#[test]
fn layers_that_lie_elsewhere_or_are_encrypted() {
    let registry = Registry::start();
    let bench = Workbench::new();
    let foreign = |layer: &mut Value| {
        layer["mediaType"] = json!("application/vnd.oci.image.layer.nondistributable.v1.tar+gzip");
        layer["urls"] = json!(["https://elsewhere.test/layer"]);
    };
    let encrypted = |layer: &mut Value| {
        layer["mediaType"] = json!("application/vnd.oci.image.layer.v1.tar+gzip+encrypted");
    };
    for (name, says) in [("foreign", "lies elsewhere"), ("encrypted", "is encrypted")] {
        for (place, at) in [("lowest", 0), ("top", 2)] {
            let mut blobs = Blobs::default();
            let (layers, _) = image(&mut blobs);
            let mut manifest: Value = serde_json::from_slice(&blobs.manifests[0].1).unwrap();
            let layer = &mut manifest["layers"][at];
            if name == "foreign" {
                foreign(layer);
            } else {
                encrypted(layer);
            }
            load(&registry, "app", &blobs, &[]);
            if name == "foreign" {
                let key = ("app".to_owned(), digest(&layers[at].bytes));
                registry.content().blobs.remove(&key);
            }
            let tag = format!("{name}-{place}");
            let media_type = Family::Oci.manifest();
            registry.put_manifest("app", &tag, media_type, manifest.to_string().as_bytes());
            registry.server.forget();
            let to = format!("{}:{tag}", registry.repository("build"));
            let output = patch(&bench, &registry, &tag, &to, "new");
            if place == "top" {
                output.code(11).says(says).says(&digest(&layers[at].bytes));
                assert_eq!(registry.writes(), [""; 0], "{tag}");
            } else {
                output.success();
                let patched = registry.manifest("build", &tag).unwrap();
                let patched: Value = serde_json::from_slice(&patched).unwrap();
                assert_eq!(patched["layers"][0], manifest["layers"][0], "{tag}: it stays as it is");
            }
        }
    }
}

/// Killed at each blob that is read on its way into a layout, and run again.
#[test]
fn killed_while_a_layout_is_written() {
    let mut blobs = Blobs::default();
    let (_, top) = image(&mut blobs);
    let run = |kill_at: Option<usize>| {
        let (registry, bench) = (Registry::start(), Workbench::new());
        load(&registry, "app", &blobs, &[("v1", &top)]);
        let to = format!("oci:{}:fix", bench.path("out").display());
        if let Some(n) = kill_at {
            lay_out(&bench, "new");
            let victim = Arc::new(AtomicU32::new(0));
            let pid = Arc::clone(&victim);
            let kill = move |_: &_, honest: &dyn Fn() -> Reply| {
                while pid.load(Ordering::SeqCst) == 0 {
                    std::thread::yield_now();
                }
                child::kill(pid.load(Ordering::SeqCst)).unwrap();
                honest()
            };
            registry.fault(Fault::around("GET", "/app/blobs/", kill).skip(n).times(1));
            let mut process = bench.command("fleetfix-patch", args(&registry, "v1", &to));
            let process = child::spawn(&mut process);
            victim.store(process.id(), Ordering::SeqCst);
            let killed = child::wait(process, format!("patch, killed at blob {n}"));
            assert_eq!(killed.code, None, "{killed}");
            let index = fs::read_to_string(bench.path("out/index.json")).unwrap_or_default();
            assert!(!index.contains("sha256:"), "nothing is named before it is there: {index}");
        }
        let report = patch(&bench, &registry, "v1", &to, "new").success().json();
        let mut names = Vec::new();
        for entry in fs::read_dir(bench.path("out/blobs/sha256")).unwrap() {
            let path = entry.unwrap().path();
            let mut bytes = Vec::new();
            fs::File::open(&path).unwrap().read_to_end(&mut bytes).unwrap();
            let name = path.file_name().unwrap().to_string_lossy().into_owned();
            assert_eq!(format!("sha256:{name}"), digest(&bytes), "a blob is what its name says");
            names.push(name);
        }
        names.sort();
        let gets = registry.server.lines();
        let gets = gets.iter().filter(|line| line.contains("GET") && line.contains("/app/blobs/"));
        (report["images"][0]["digest"].clone(), names, gets.count())
    };
    let (digest, names, gets) = run(None);
    assert!(gets >= 4, "a configuration and three layers: {gets}");
    for n in 0..gets {
        let (again, blobs, _) = run(Some(n));
        assert_eq!((&again, &blobs), (&digest, &names), "killed at blob {n}");
    }
}

/// A cache that was damaged or cannot be made changes nothing.
#[test]
fn caches_that_are_damaged_or_cannot_be_written() {
    let (registry, bench, mut blobs) = (Registry::start(), Workbench::new(), Blobs::default());
    let base = index(&mut blobs, true, "base", 1);
    load(&registry, "app", &blobs, &[]);
    let bases = std::slice::from_ref(&base);
    let patch = |to: &str, cache: &str| {
        let bench = Workbench::new().with("FLEETFIX_CACHE_DIR", cache);
        let to = format!("oci:{}", bench.path(to).display());
        let output = patch_all(&bench, &registry, bases, &to, "fixed").success();
        output.json()["images"][0]["digest"].clone()
    };
    let cache = bench.path("cache").display().to_string();
    let expected = patch("out", &cache);
    let files = || {
        let mut files = Vec::new();
        for kind in ["documents-1", "layers-4", "programs-3"] {
            let found = fs::read_dir(bench.path("cache").join(kind)).unwrap();
            files.extend(found.map(|entry| entry.unwrap().path()));
        }
        files.sort();
        files
    };
    let good: Vec<_> = files().iter().map(|path| fs::read(path).unwrap()).collect();
    // Of each architecture a manifest, a configuration, a layer and a program.
    assert!(good.len() >= 8, "{:?}", files());
    for damage in ["", "not what was written"] {
        for path in files() {
            fs::write(path, damage).unwrap();
        }
        assert_eq!(patch("out", &cache), expected);
        let mended: Vec<_> = files().iter().map(|path| fs::read(path).unwrap()).collect();
        assert!(mended == good, "it is written anew");
    }
    // Nobody can make a directory there.
    assert_eq!(patch("out", "/proc/fleetfix"), expected);
}
