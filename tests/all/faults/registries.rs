//! Blobs that go from one registry to another as they come.

use std::fs;
use std::process::Command;
use std::sync::{Arc, Mutex, OnceLock};

use fleetfix_testkit::registry::reply::Ending;
use fleetfix_testkit::registry::{Fault, Registry, Reply, Request};
use fleetfix_tests::child;
use fleetfix_tests::image::digest;

use super::{NAME, Place, TAG, TO, content, later};

/// The digest of the base's layer with the large file.
fn large_layer(place: &Place) -> String {
    let content = place.registry.content();
    let of_mirror = content.blobs.iter().filter(|((repository, _), _)| repository == "mirror");
    let ((_, digest), _) = of_mirror.max_by_key(|(_, bytes)| bytes.len()).unwrap();
    digest.clone()
}

/// The source breaks off in the middle of a blob and asks for more patience than the target is
/// given: nobody was silent.
#[test]
fn a_source_that_is_busy_is_not_the_targets_silence() {
    let (place, other) = (Place::with_layer_of(2_000_000).warmed(), Registry::start());
    let part = format!("/mirror/blobs/{}", large_layer(&place));
    let broken = |_: &Request, reply: Reply| reply.ending(Ending::Reset(1_500_000));
    place.registry.fault(Fault::change("GET", &part, broken).times(1));
    place.registry.fault(Fault::answer("GET", &part, later(429, "4")).times(1));
    // A tenth of it is the longest silence, and five tries are made at most.
    let to = format!("{}:{TAG}", other.repository(TO));
    place.registry.server.forget();
    let output = place.patch_to(&to, &["--registry-timeout=5s"]).success();
    let asked = place.registry.server.log();
    let answers: Vec<u16> =
        asked.iter().filter(|a| a.request.path().ends_with(&part)).map(|a| a.status).collect();
    assert_eq!(answers.len(), 3, "broken off, sent away, whole: {answers:?}");
    assert_eq!(answers.iter().filter(|status| **status == 429).count(), 1, "{answers:?}");
    let made = output.json()["images"][0]["digest"].as_str().unwrap().to_owned();
    assert_eq!(digest(&other.manifest(TO, TAG).unwrap()), made);
    assert!(other.content().missing(TO).is_empty());
}

/// Most memory that a run may take, in KiB. A debug build takes some 30 MiB; a file or a layer in
/// memory would be 54 MB more.
const MOST: u64 = 48 << 10;

/// A run's peak of memory in KiB, looked up when the last thing is written.
fn peak_of(mut command: Command, registry: &Registry) -> u64 {
    let (process, peak) = (Arc::new(OnceLock::<u32>::new()), Arc::new(Mutex::new(0)));
    let (id, found) = (Arc::clone(&process), Arc::clone(&peak));
    let look = move |_: &Request, honest: &dyn Fn() -> Reply| {
        *found.lock().unwrap() = high_water(*id.wait());
        honest()
    };
    registry.fault(Fault::around("PUT", &format!("/manifests/{TAG}"), look));
    let running = child::spawn(&mut command);
    process.set(running.id()).unwrap();
    child::wait(running, child::describe(&command)).success();
    *peak.lock().unwrap()
}

/// `VmHWM` of a process (`proc_pid_status(5)`).
fn high_water(process: u32) -> u64 {
    let status = fs::read_to_string(format!("/proc/{process}/status")).unwrap();
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).unwrap();
    line.trim().trim_end_matches(" kB").parse().unwrap()
}

#[test]
fn memory_does_not_grow_with_a_file() {
    let place = Place::new();
    fs::write(place.bench.path("files/opt/app/data"), content(54_000_000, 7)).unwrap();
    let to = format!("{}:{TAG}", place.registry.repository(TO));
    let peak = peak_of(place.command(&format!("{NAME}@{}", place.base), &to, &[]), &place.registry);
    assert!(peak > 0 && peak < MOST, "{peak} KiB");
}

#[test]
fn memory_does_not_grow_with_a_layer_between_two_registries() {
    let (place, other) = (Place::with_layer_of(54_000_000), Registry::start());
    let to = format!("{}:{TAG}", other.repository(TO));
    let peak = peak_of(place.command(&format!("{NAME}@{}", place.base), &to, &[]), &other);
    assert!(peak > 0 && peak < MOST, "{peak} KiB");
    assert!(other.content().missing(TO).is_empty());
}
