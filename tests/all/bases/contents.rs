//! Files out of other images (`--files IMAGE:/path`), seen from outside.

use std::collections::BTreeMap;
use std::fs;
use std::io::Read;

use fleetfix_testkit::base::{Archive, Blobs, Entry, Family, ImageRecipe, Layer};
use fleetfix_tests::binary::Workbench;
use fleetfix_tests::child::Output;
use fleetfix_tests::image::Layout;
use serde_json::Value;

/// Where files are taken from, and a base that has one of them, each of one layer.
struct Place {
    bench: Workbench,
}

impl Place {
    fn new(source: Archive) -> Self {
        let bench = Workbench::new();
        let base = Archive::of([
            Entry::dir("usr", 0o755),
            Entry::dir("usr/bin", 0o755),
            Entry::file("usr/bin/app", 0o4711, "old").owner(3, 4),
        ]);
        for (name, archive) in [("source", source), ("base", base)] {
            let mut blobs = Blobs::default();
            let recipe = ImageRecipe::new(Family::Oci, "amd64", vec![Layer::gzip(archive)]);
            let mut top = blobs.image(&recipe);
            top.as_object_mut().unwrap().remove("platform");
            let layout = Layout::create(&bench.path(name));
            blobs.blobs.values().for_each(|bytes| drop(layout.put("", bytes)));
            blobs.manifests.iter().for_each(|(kind, bytes)| drop(layout.put(kind, bytes)));
            layout.tag("1", top);
        }
        Self { bench }
    }

    /// Puts `path` of the source into the base.
    fn patch(&self, path: &str, more: &[&str]) -> Output {
        let at = |name: &str| format!("oci:{}", self.bench.path(name).display());
        let (base, files) = (format!("{}:1", at("base")), format!("{}:1:{path}", at("source")));
        let image = format!("{}:fix", at("out"));
        let args = ["--base-image", &base, "--files", &files, "--image", &image];
        self.bench.run("fleetfix-patch", [&args[..], more].concat())
    }

    /// Mode, owner, group and content of the files of the new layer.
    fn layer(&self, output: &Output) -> BTreeMap<String, (u32, u64, u64, String)> {
        let blob = |digest: &Value| {
            let name = digest.as_str().unwrap().replace(':', "/");
            fs::read(self.bench.path("out/blobs").join(name)).unwrap()
        };
        let manifest = blob(&output.json()["images"][0]["digest"]);
        let manifest: Value = serde_json::from_slice(&manifest).unwrap();
        let layer = blob(&manifest["layers"].as_array().unwrap().last().unwrap()["digest"]);
        let mut archive = tar::Archive::new(flate2::read::GzDecoder::new(&layer[..]));
        let mut found = BTreeMap::new();
        for entry in archive.entries().unwrap() {
            let mut entry = entry.unwrap();
            let path = entry.path().unwrap().display().to_string();
            let mut content = String::new();
            entry.read_to_string(&mut content).unwrap();
            let header = entry.header();
            let (uid, gid) = (header.uid().unwrap(), header.gid().unwrap());
            if header.entry_type().is_file() {
                found.insert(path, (header.mode().unwrap(), uid, gid, content));
            }
        }
        found
    }
}

/// A set-id bit says whose rights a program has: without its owner it would say something else.
#[test]
fn a_new_file_has_no_set_id_bits_and_one_that_is_there_keeps_its_own() {
    let place = Place::new(Archive::of([
        Entry::dir("usr", 0o755),
        Entry::dir("usr/bin", 0o755),
        Entry::file("usr/bin/app", 0o755, "new").owner(8, 9),
        Entry::file("usr/bin/sudo", 0o6750, "set-id").owner(8, 9),
    ]));
    let output = place.patch("/usr/bin/app", &[]).success();
    let expected = (0o4711, 3, 4, "new".to_owned());
    assert_eq!(place.layer(&output), [("usr/bin/app".to_owned(), expected)].into());
    fs::remove_dir_all(place.bench.path("out")).unwrap();
    place.patch("/usr/bin/sudo", &[]).code(11).says("/usr/bin/sudo");
    let output = place.patch("/usr/bin/sudo", &["--create"]).success();
    let expected = (0o750, 0, 0, "set-id".to_owned());
    assert_eq!(place.layer(&output), [("usr/bin/sudo".to_owned(), expected)].into());
}

/// Of several entries of one path the last one counts, also where it cannot be read; a hard link
/// names what was there before.
#[test]
fn a_path_that_stands_in_a_layer_twice() {
    let twice = |second: Entry| {
        Place::new(Archive::of([
            Entry::dir("usr", 0o755),
            Entry::dir("usr/bin", 0o755),
            Entry::file("usr/bin/app", 0o755, "first"),
            Entry::hard_link("usr/bin/kept", "usr/bin/app"),
            second,
        ]))
    };
    let place = twice(Entry::file("usr/bin/app", 0o755, "second"));
    let output = place.patch("/usr/bin/app", &[]).success();
    assert_eq!(place.layer(&output)["usr/bin/app"].3, "second");
    fs::remove_dir_all(place.bench.path("out")).unwrap();
    let output = place.patch("/usr/bin/kept", &["--create"]).success();
    assert_eq!(place.layer(&output)["usr/bin/kept"].3, "first");
    for sparse in [
        Entry::gnu_sparse("usr/bin/app", 0o755, 4096, b"after a hole"),
        Entry::pax_sparse("usr/bin/app", 0o755, 4096, b"after a hole"),
    ] {
        let place = twice(sparse);
        place.patch("/usr/bin/app", &[]).code(11).says("/usr/bin/app").says("sparse");
        assert!(!place.bench.path("out").exists(), "nothing is written");
    }
}
