//! The same request gives the same bytes: wherever, whenever and on whatever it is run.

use std::fs;

use fleetfix_tests::chain::Chain;
use fleetfix_tests::lab::{Lab, Place};

/// Everything that must not differ.
#[derive(Debug, Eq, PartialEq)]
struct Made {
    plan: Vec<u8>,
    images: Vec<(String, String)>,
    bundle: String,
}

fn make(chain: &Chain) -> Made {
    let bundle = chain.build();
    Made {
        plan: fs::read(chain.lab.bench.path("plan.json")).unwrap(),
        images: chain.published(),
        bundle: bundle.split_once('@').unwrap().1.to_owned(),
    }
}

#[test]
fn directory_clock_umask_locale_and_cores_change_nothing() {
    let here = Chain::new(Place::Layout);
    let expected = make(&here);

    let mut there = Chain::new(Place::Layout);
    there.people = here.people.clone();
    there.lab = elsewhere(there.lab);
    let made = make(&there);
    assert_eq!(String::from_utf8_lossy(&made.plan), String::from_utf8_lossy(&expected.plan));
    assert_eq!(made, expected);
}

/// The same with another clock, umask, locale, time zone, build epoch and number of cores.
fn elsewhere(mut lab: Lab) -> Lab {
    let bench = std::mem::take(&mut lab.bench);
    lab.bench = bench
        .with("LC_ALL", "tr_TR.UTF-8")
        .with("LANG", "tr_TR.UTF-8")
        .with("TZ", "Asia/Kathmandu")
        .with("SOURCE_DATE_EPOCH", "1")
        .with("FAKETIME_DONT_FAKE_MONOTONIC", "1")
        .under(&["sh", "-c", "umask 077; exec \"$@\"", "sh", "taskset", "--cpu-list", &first_cpu()])
        .under(&[fleetfix_tests::tools::tool("faketime").to_str().unwrap(), "2031-02-03 04:05:06"]);
    lab
}

/// One core, of those that we may use: there are more of them, or the test says nothing about cores.
fn first_cpu() -> String {
    let status = fs::read_to_string("/proc/self/status").unwrap();
    let list = status.lines().find_map(|line| line.strip_prefix("Cpus_allowed_list:")).unwrap();
    let list = list.trim();
    assert!(list.contains([',', '-']), "one core only: {list}");
    list.split([',', '-']).next().unwrap().to_owned()
}

#[test]
fn registries_and_layouts_make_no_difference_to_images() {
    let made: Vec<_> = [Place::Layout, Place::Registry(fleetfix_tests::registry::Kind::Olareg)]
        .into_iter()
        .map(|place| {
            let lab = Lab::new(place);
            lab.plan().success();
            let images = lab.patch().success().json()["images"].clone();
            let digests: Vec<_> =
                images.as_array().unwrap().iter().map(|image| image["digest"].clone()).collect();
            (fs::read(lab.bench.path("plan.json")).unwrap(), digests)
        })
        .collect();
    assert_eq!(made[0], made[1]);
}
