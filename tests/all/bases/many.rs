//! Many bases in one repository: what goes up, and what comes down.

use std::collections::BTreeSet;
use std::fs;

use fleetfix_testkit::base::{Archive, Blobs, Entry, Family, ImageRecipe, Layer};
use fleetfix_tests::base::{ARCHITECTURES, program};
use fleetfix_tests::binary::Workbench;
use fleetfix_tests::canonical::canonical;
use fleetfix_tests::client::Clients;
use fleetfix_tests::image::{Layout, digest};
use fleetfix_tests::registry::{Kind, Registry};
use fleetfix_tests::rootfs::{self, differences};
use serde_json::{Value, json};

use super::unpack;

/// The repository of the bases, whatever their place.
pub(crate) const UPSTREAM: &str = "upstream.test/many";
const PROGRAM: &str = "/usr/bin/control-plane-operator";

/// Ten bases that share nothing but their directories and the program; each architecture of a fix
/// makes one layer for all of them.
fn bases() -> (Blobs, Vec<(Value, Vec<Value>)>) {
    let mut blobs = Blobs::default();
    let one = |n: usize, blobs: &mut Blobs| {
        let family = if n.is_multiple_of(2) { Family::Oci } else { Family::Docker };
        let image = |architecture: &&'static str| {
            let lower = Archive::of([
                Entry::dir("etc", 0o755),
                Entry::file("etc/release", 0o644, format!("{n}\n")),
            ]);
            let upper = Archive::of([
                Entry::dir("usr", 0o755),
                Entry::dir("usr/bin", 0o755),
                Entry::file(&PROGRAM[1..], 0o755, program("base", architecture)),
                Entry::file(format!("etc/{n}"), 0o644, architecture),
            ]);
            let layers = vec![Layer::gzip(lower), Layer::gzip(upper)];
            ImageRecipe::new(family, architecture, layers)
        };
        let images: Vec<Value> =
            ARCHITECTURES.iter().map(image).map(|recipe| blobs.image(&recipe)).collect();
        (blobs.index(family, &images), images)
    };
    let all = (0..10).map(|n| one(n, &mut blobs)).collect();
    (blobs, all)
}

/// A plan that puts one file onto all of some bases, which are indexes with their images. Its
/// contents are `out/<architecture>`.
pub(crate) fn plan(
    bases: &[(Value, Vec<Value>)],
    path: &str,
    content: impl Fn(&str) -> Vec<u8>,
    findings: &Value,
) -> String {
    let mut planned: Vec<Value> = bases
        .iter()
        .map(|(top, images)| {
            let platform = |image: &Value| {
                let architecture = image["platform"]["architecture"].as_str().unwrap();
                json!({"digest": image["digest"], "platform": format!("linux/{architecture}")})
            };
            json!({
                "digest": top["digest"],
                "repository": UPSTREAM,
                "mediaType": top["mediaType"],
                "minor": "4.20",
                "origin": "payload",
                "platforms": images.iter().map(platform).collect::<Vec<_>>(),
            })
        })
        .collect();
    planned.sort_by_key(|base| base["digest"].to_string());
    let content = |architecture: &&str| {
        let bytes = content(architecture);
        json!({
            "architecture": architecture,
            "from": format!("out/{architecture}"),
            "digest": digest(&bytes),
            "size": bytes.len(),
        })
    };
    let contents: Vec<Value> = ARCHITECTURES.iter().map(content).collect();
    let plan = json!({
        "apiVersion": "fleetfix.openshift.io/v1alpha1",
        "kind": "FixPlan",
        "id": "OCPBUGS-1",
        "revision": 1,
        "tickets": ["OCPBUGS-1"],
        "request": digest(b"a request"),
        "component": "hypershift",
        "fixes": [{"minor": "4.20", "files": [{"path": path, "contents": contents}]}],
        "bases": planned,
        "rows": [], "delivery": [], "impact": [], "checks": [],
        "findings": findings,
    });
    canonical(&plan)
}

/// Method and path of each request in a registry's access log, from a line on.
fn requests(registry: &Registry, from: usize) -> Vec<(String, String)> {
    let parse = |line: &String| {
        // `... "GET /v2/ HTTP/1.1" 200 ...`
        let request = line.split('"').find(|part| part.ends_with(" HTTP/1.1"))?;
        let mut words = request.split(' ');
        Some((words.next()?.to_owned(), words.next()?.replace("%3A", ":")))
    };
    registry.log().iter().skip(from).filter_map(parse).collect()
}

#[test]
fn ten_bases_in_one_repository() {
    let (blobs, bases) = bases();
    let (bench, clients) = (Workbench::new(), Clients::new());
    let layout = Layout::create(&bench.path("many"));
    blobs.blobs.values().for_each(|bytes| drop(layout.put("", bytes)));
    blobs.manifests.iter().for_each(|(media_type, bytes)| drop(layout.put(media_type, bytes)));
    let registry = Registry::start(Kind::Distribution);
    for (n, (top, _)) in bases.iter().enumerate() {
        layout.tag(&format!("base-{n}"), top.clone());
        let from = format!("oci:{}:base-{n}", layout.dir().display());
        clients.copy(&from, &format!("{}:base-{n}", registry.repository("many")));
    }
    let plan = plan(&bases, PROGRAM, |architecture| program("fixed", architecture), &json!([]));
    fs::write(bench.path("plan.json"), plan).unwrap();
    fs::create_dir(bench.path("out")).unwrap();
    for architecture in ARCHITECTURES {
        fs::write(bench.path("out").join(architecture), program("fixed", architecture)).unwrap();
    }
    let mirror = format!("{UPSTREAM}={}", registry.repository("many"));
    let to = registry.repository("build");
    let args = ["--plan", "plan.json", "--files", ".", "--to", &to, "--mirror", &mirror];
    let patch = || bench.run("fleetfix-patch", args).success().json()["images"].clone();

    let start = registry.log().len();
    let images = patch();
    assert_eq!(images.as_array().unwrap().len(), 10);
    let first = requests(&registry, start);
    let base_layers: BTreeSet<String> = bases
        .iter()
        .flat_map(|(_, images)| images)
        .flat_map(|image| {
            let manifest = fs::read(layout.blob(image["digest"].as_str().unwrap())).unwrap();
            let manifest: Value = serde_json::from_slice(&manifest).unwrap();
            let layers = manifest["layers"].as_array().unwrap().clone();
            layers.into_iter().map(|layer| layer["digest"].as_str().unwrap().to_owned())
        })
        .collect();
    let sent = |requests: &[(String, String)]| {
        let uploads = requests.iter().filter(|(method, path)| {
            matches!(method.as_str(), "PUT" | "PATCH" | "POST")
                && path.contains("/blobs/uploads/")
                && path.contains("digest=")
        });
        uploads.map(|(_, path)| path.split("digest=").nth(1).unwrap()[..71].to_owned()).collect()
    };
    let uploaded: Vec<String> = sent(&first);
    let new_layers: BTreeSet<String> = new_layers(&clients, &to, &images);
    assert_eq!(new_layers.len(), 2, "one layer an architecture");
    for layer in &new_layers {
        let times = uploaded.iter().filter(|digest| *digest == layer).count();
        assert_eq!(times, 1, "{layer} goes up once for ten bases");
    }
    assert!(uploaded.iter().all(|digest| !base_layers.contains(digest)), "no base layer goes up");
    assert_eq!(uploaded.len(), 2 + 20, "two layers, and a configuration for each image");

    let start = registry.log().len();
    assert_eq!(patch(), images, "the same again gives the same");
    let second = requests(&registry, start);
    assert!(
        second.iter().all(|(method, _)| matches!(method.as_str(), "GET" | "HEAD")),
        "{second:?}"
    );
    let count = |requests: &[(String, String)], of: &str, part: &str| {
        requests.iter().filter(|(method, path)| method == of && path.contains(part)).count()
    };
    assert_eq!(
        count(&second, "GET", "/blobs/"),
        0,
        "nothing of a base comes down again: {second:?}"
    );

    // Somewhere else, where every tag is free: what has to be sent is not asked for.
    let start = registry.log().len();
    let elsewhere = registry.repository("elsewhere");
    let args = ["--plan", "plan.json", "--files", ".", "--to", &elsewhere, "--mirror", &mirror];
    bench.run("fleetfix-patch", args).success();
    let third = requests(&registry, start);
    assert_eq!(count(&third, "GET", "/blobs/"), 0, "{third:?}");
    assert_eq!(count(&third, "GET", "/many/manifests/"), 10, "the index of each: {third:?}");
    assert_eq!(count(&third, "HEAD", "/manifests/"), 0, "{third:?}");
    let asked = third.iter().filter(|(method, path)| method == "HEAD" && path.contains("/blobs/"));
    let layers: BTreeSet<_> = base_layers.union(&new_layers).collect();
    for (_, path) in asked {
        let digest = path.rsplit('/').next().unwrap().to_owned();
        assert!(layers.contains(&digest), "no layer: {path}");
    }

    judged(&clients, &registry, &images);
}

/// Others take every image, and find two of them changed in the program alone.
fn judged(clients: &Clients, registry: &Registry, images: &Value) {
    for (n, image) in images.as_array().unwrap().iter().enumerate() {
        let at = |repository: &str, digest: &Value| {
            format!("{}@{}", registry.repository(repository), digest.as_str().unwrap())
        };
        let patched = at("build/hypershift", &image["digest"]);
        clients.crane(&["validate", "--remote", &patched]).success();
        if n > 1 {
            continue;
        }
        clients
            .copy(&patched, &format!("oci:{}:fix", clients.path(&format!("copy-{n}")).display()));
        for architecture in ARCHITECTURES {
            let unpack = |image: &str, name: &str| {
                let into = clients.path(&format!("unpacked-{n}/{architecture}/{name}"));
                rootfs::read(&unpack(clients, image, architecture, &into))
            };
            let base = unpack(&at("many", &image["base"]), "base");
            let found = differences(&base, &unpack(&patched, "patched"));
            assert_eq!(found, [format!("{PROGRAM}: content, mtime")], "{n} for {architecture}");
        }
    }
}

/// The topmost layers of patched images.
fn new_layers(clients: &Clients, to: &str, images: &Value) -> BTreeSet<String> {
    let images = images.as_array().unwrap().iter();
    let platforms = images.flat_map(|image| image["platforms"].as_array().unwrap());
    platforms
        .map(|platform| {
            let image = format!("{to}/hypershift@{}", platform["digest"].as_str().unwrap());
            let manifest = clients.crane(&["manifest", &image]).success().json();
            let layers = manifest["layers"].as_array().unwrap();
            layers.last().unwrap()["digest"].as_str().unwrap().to_owned()
        })
        .collect()
}

/// With a plan as without one.
#[test]
fn entries_that_are_no_images() {
    let mut blobs = Blobs::default();
    let image = |architecture: &&'static str, blobs: &mut Blobs| {
        let layer = Archive::of([
            Entry::dir("usr", 0o755),
            Entry::dir("usr/bin", 0o755),
            Entry::file(&PROGRAM[1..], 0o755, program("base", architecture)),
        ]);
        blobs.image(&ImageRecipe::new(Family::Oci, architecture, vec![Layer::gzip(layer)]))
    };
    let images: Vec<Value> = ARCHITECTURES.iter().map(|a| image(a, &mut blobs)).collect();
    let about = blobs.attestation(Family::Oci, &images[0]);
    // About an image that is not in the index.
    let other = json!({"digest": digest(b"another image")});
    let other = blobs.attestation(Family::Oci, &other);
    let top = blobs.index(Family::Oci, &[&images[..], &[about, other.clone()]].concat());
    let bench = Workbench::new();
    let layout = Layout::create(&bench.path("base"));
    blobs.blobs.values().for_each(|bytes| drop(layout.put("", bytes)));
    blobs.manifests.iter().for_each(|(kind, bytes)| drop(layout.put(kind, bytes)));
    layout.tag("1", top.clone());

    let plan =
        plan(&[(top, images)], PROGRAM, |architecture| program("fixed", architecture), &json!([]));
    fs::write(bench.path("plan.json"), plan).unwrap();
    fs::create_dir(bench.path("out")).unwrap();
    for architecture in ARCHITECTURES {
        let files = bench.path("files").join(architecture).join("usr/bin");
        fs::create_dir_all(&files).unwrap();
        fs::write(files.join("control-plane-operator"), program("fixed", architecture)).unwrap();
        fs::write(bench.path("out").join(architecture), program("fixed", architecture)).unwrap();
    }
    let place = |name: &str| format!("oci:{}", bench.path(name).display());
    let mirror = format!("{UPSTREAM}={}", place("base"));
    for (what, entries) in [("keep", Some(3)), ("drop", Some(2)), ("refuse", None)] {
        let (to, alone) = (place(&format!("{what}/build")), place(&format!("{what}/alone")));
        let (image, base) = (format!("{alone}:1"), format!("{}:1", place("base")));
        let with_plan = ["--plan", "plan.json", "--files", ".", "--to", &to, "--mirror", &mirror];
        let without = ["--base-image", &base, "--files", "files", "--image", &image];
        for (args, dir) in [(&with_plan[..], "build/hypershift"), (&without[..], "alone")] {
            let args = [args, &["--other-manifests", what]].concat();
            let output = bench.run("fleetfix-patch", args);
            let dir = bench.path(what).join(dir);
            let Some(entries) = entries else {
                output.code(10).says("is no image");
                assert!(!dir.join("index.json").exists(), "nothing is written");
                continue;
            };
            let digest = output.success().json()["images"][0]["digest"].clone();
            let blob = dir.join("blobs").join(digest.as_str().unwrap().replace(':', "/"));
            let index: Value = serde_json::from_slice(&fs::read(blob).unwrap()).unwrap();
            let found = index["manifests"].as_array().unwrap();
            assert_eq!(found.len(), entries, "{what}: {index}");
            assert_eq!(found.contains(&other), what == "keep", "{what}: {index}");
        }
    }
}
