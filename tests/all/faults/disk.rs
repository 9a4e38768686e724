//! Disks that are full and directories that may not be written: what is to be there afterwards is
//! there whole or not at all, and the same again ends well.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use fleetfix_testkit::registry::Registry;
use fleetfix_tests::binary::Workbench;
use fleetfix_tests::child::Output;
use fleetfix_tests::image::digest;
use fleetfix_tests::rootfs;
use serde_json::Value;

use super::{Fails, Place, Same, TAG, TO, cold_and_warm, content};
use crate::refusals::one_line;

/// No file may grow beyond so many bytes: a write that does not fit fails, as on a full disk, and no
/// privilege is needed for it.
fn full_beyond(bytes: u64) -> impl Fn(Workbench) -> Workbench {
    // The limit is in blocks of 512 bytes (POSIX, `ulimit`). Its signal would end the program.
    let script = format!("trap '' XFSZ; ulimit -f {}; exec \"$@\"", bytes / 512);
    move |bench| bench.under(&["sh", "-c", &script, "sh"])
}

/// Directories without a bit for writing are none to write to, for root neither.
fn without_privileges(bench: Workbench) -> Workbench {
    if rustix::process::geteuid().is_root() {
        return bench.under(&["setpriv", "--bounding-set=-all", "--inh-caps=-all"]);
    }
    bench
}

/// Takes the right to write away from a directory and all below it, or gives it back.
fn writable(dir: &Path, yes: bool) {
    let mut mode = fs::metadata(dir).unwrap().permissions().mode() | 0o200;
    fs::set_permissions(dir, PermissionsExt::from_mode(mode)).unwrap();
    for entry in fs::read_dir(dir).unwrap().map(Result::unwrap) {
        if entry.file_type().unwrap().is_dir() {
            writable(&entry.path(), yes);
        }
    }
    if !yes {
        mode &= !0o222;
    }
    fs::set_permissions(dir, PermissionsExt::from_mode(mode)).unwrap();
}

/// Where programs put what is not to stay.
fn with_tmp(place: Place) -> Place {
    fs::create_dir(place.bench.path("tmp")).unwrap();
    let tmp = place.bench.path("tmp").display().to_string();
    place.run_by(|bench| bench.with("TMPDIR", &tmp))
}

#[track_caller]
fn is_empty(dir: &Path) {
    let left: Vec<_> = fs::read_dir(dir).unwrap().map(|e| e.unwrap().path()).collect();
    assert!(left.is_empty(), "{left:?}");
}

/// Nothing of a layout is half there. Returns what its tags name.
#[track_caller]
fn tags_of(layout: &Path) -> Vec<String> {
    let blobs = layout.join("blobs/sha256");
    for blob in fs::read_dir(&blobs).unwrap().map(Result::unwrap) {
        let actual = digest(&fs::read(blob.path()).unwrap());
        assert_eq!(Path::new(&actual["sha256:".len()..]), blob.file_name());
    }
    let known = ["blobs", "index.json", "oci-layout"];
    for entry in fs::read_dir(layout).unwrap().map(Result::unwrap) {
        let expected = known.iter().any(|name| *name == entry.file_name());
        assert!(expected, "{}", entry.path().display());
    }
    let index = fs::read(layout.join("index.json")).unwrap();
    let index: Value = serde_json::from_slice(&index).unwrap();
    let entries = index["manifests"].as_array().unwrap().iter();
    entries.map(|entry| entry["digest"].as_str().unwrap().to_owned()).collect()
}

fn made(output: &Output) -> String {
    output.json()["images"][0]["digest"].as_str().unwrap().to_owned()
}

#[test]
fn no_room_for_temporary_files() {
    cold_and_warm(|known, place| {
        let place = with_tmp(place).run_by(full_beyond(100_000));
        let output = place.patch();
        place.check(&format!("a full disk, {known}"), &output, Fails(12, "the new layer"));
        one_line(&output, 12, &place.bench.path("tmp").display().to_string());
        is_empty(&place.bench.path("tmp"));
        let place = place.run_by(Workbench::now);
        let output = place.patch();
        place.check(&format!("the same with room, {known}"), &output, Same);
    });
}

#[test]
fn no_room_for_a_blob_between_two_registries() {
    let (place, other) = (with_tmp(Place::with_layer_of(2_000_000)), Registry::start());
    let place = place.warmed().run_by(full_beyond(1_000_000));
    let to = format!("{}:{TAG}", other.repository(TO));
    let output = place.patch_to(&to, &[]);
    one_line(&output, 12, &place.bench.path("tmp").display().to_string());
    assert!(other.content().tags(TO).is_empty());
    is_empty(&place.bench.path("tmp"));
    let place = place.run_by(Workbench::now);
    let output = place.patch_to(&to, &[]).success();
    assert_eq!(digest(&other.manifest(TO, TAG).unwrap()), made(&output));
    assert!(other.content().missing(TO).is_empty());
}

#[test]
fn no_room_in_a_layout() {
    // A new layer that would fit, below one of the base that does not.
    let place = Place::with_layer_of(2_000_000).run_by(full_beyond(1_000_000));
    let layout = place.bench.path("out");
    let to = format!("oci:out:{TAG}");
    let output = place.patch_to(&to, &[]);
    one_line(&output, 12, "out");
    assert_eq!(tags_of(&layout), <[&str; 0]>::default());
    let place = place.run_by(Workbench::now);
    let output = place.patch_to(&to, &[]).success();
    assert_eq!(tags_of(&layout), [made(&output)]);
}

/// What may not be written would not be allowed the next time either: bad input, as a place that is
/// not there.
#[test]
fn a_directory_for_temporary_files_that_may_not_be_written() {
    let place = with_tmp(Place::new()).run_by(without_privileges);
    let tmp = place.bench.path("tmp");
    writable(&tmp, false);
    let output = place.patch();
    place.check("a read-only TMPDIR", &output, Fails(11, "the new layer"));
    one_line(&output, 11, &tmp.display().to_string());
    writable(&tmp, true);
    let output = place.patch();
    place.check("the same, writable", &output, Same);
    is_empty(&tmp);
}

#[test]
fn a_layout_that_may_not_be_written() {
    let place = Place::new().run_by(without_privileges);
    let out = place.bench.path("out");
    fs::create_dir(&out).unwrap();
    writable(&out, false);
    let to = format!("oci:out/layout:{TAG}");
    one_line(&place.patch_to(&to, &[]), 11, "out/layout");
    is_empty(&out);
    writable(&out, true);
    let output = place.patch_to(&to, &[]).success();
    assert_eq!(tags_of(&out.join("layout")), [made(&output)]);

    // What is done is done; nothing else gets in.
    writable(&out, false);
    let before = rootfs::read(&out);
    let again = place.patch_to(&to, &[]).success();
    assert_eq!(made(&again), made(&output));
    fs::write(place.bench.path("files/opt/app/data"), content(1000, 3)).unwrap();
    one_line(&place.patch_to("oci:out/layout:other", &[]), 11, "out/layout");
    assert_eq!(rootfs::differences(&before, &rootfs::read(&out)), Vec::<String>::new());
    writable(&out, true);
    place.patch_to("oci:out/layout:other", &[]).success();
    assert_eq!(tags_of(&out.join("layout")).len(), 2);
}
