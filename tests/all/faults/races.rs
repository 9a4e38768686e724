//! Two processes that write one immutable tag at the same moment.

use std::sync::Barrier;
use std::thread;

use fleetfix_testkit::registry::{Fault, Reply, Request};
use fleetfix_tests::binary::Workbench;
use fleetfix_tests::child::Output;

use super::{Place, TAG, TO, base, content};

/// Two engineers with different files and one tag.
fn both(bench: &Workbench, args: &[String]) -> Vec<Output> {
    for n in 0..2 {
        std::fs::create_dir_all(bench.path(&format!("files-{n}/opt/app"))).unwrap();
        std::fs::write(bench.path(&format!("files-{n}/opt/app/data")), content(1000, n)).unwrap();
    }
    thread::scope(|scope| {
        let run = |n| {
            let files = format!("files-{n}");
            let own = ["--files", &files, "--retry-wait=1ms"].map(str::to_owned);
            bench.run("fleetfix-patch", args.iter().cloned().chain(own))
        };
        let threads = [0, 1].map(|n| scope.spawn(move || run(n)));
        threads.map(|thread| thread.join().unwrap()).into()
    })
}

/// One has made the tag; the other one was told. Returns the digest of the one.
#[track_caller]
fn one_wins(outputs: &[Output]) -> String {
    let (won, lost): (Vec<_>, Vec<_>) = outputs.iter().partition(|output| output.code == Some(0));
    assert_eq!((won.len(), lost.len()), (1, 1), "{outputs:?}");
    assert_eq!(lost[0].code, Some(10), "{outputs:?}");
    assert!(lost[0].stderr.contains("already names"), "{outputs:?}");
    won[0].json()["images"][0]["digest"].as_str().unwrap().to_owned()
}

#[test]
fn in_a_layout_one_of_two_wins() {
    let bench = Workbench::new();
    let digest = base(&bench);
    for round in 0..5 {
        let to = format!("oci:build-{round}:{TAG}");
        let args =
            ["--base-image", &format!("oci:base@{digest}"), "--image", &to].map(str::to_owned);
        let won = one_wins(&both(&bench, &args));
        let index = std::fs::read(bench.path(&format!("build-{round}/index.json"))).unwrap();
        let index: serde_json::Value = serde_json::from_slice(&index).unwrap();
        let tagged: Vec<_> = index["manifests"].as_array().unwrap().iter().collect();
        assert_eq!(tagged.len(), 1, "{index}");
        assert_eq!(tagged[0]["digest"], won.as_str(), "{index}");
    }
}

/// Both found the tag free, and both have written it before either hears of it.
#[test]
fn in_a_registry_the_slower_one_stays_and_the_other_is_told() {
    let place = Place::new();
    let barrier = Barrier::new(2);
    // Neither is written before both are sent, and none is answered before both are written.
    let both_at_once = move |_: &Request, honest: &dyn Fn() -> Reply| {
        barrier.wait();
        let reply = honest();
        barrier.wait();
        reply
    };
    place.registry.fault(Fault::around("PUT", "/build/app/manifests/fixed", both_at_once));
    let base = format!("{}@{}", place.registry.repository("mirror"), place.base);
    let to = format!("{}:{TAG}", place.registry.repository(TO));
    let auth = "--authfile=auth.json";
    let args = ["--base-image", &base, "--image", &to, auth].map(str::to_owned);
    let won = one_wins(&both(&place.bench, &args));
    let there = place.registry.manifest(TO, TAG).unwrap();
    assert_eq!(fleetfix_tests::image::digest(&there), won);
    assert!(place.registry.content().missing(TO).is_empty());
}
