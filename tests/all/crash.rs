//! A publisher that dies in the middle: the channel is the old state or the new one, always valid,
//! and doing it again ends well.

use std::fs;
use std::path::Path;
use std::process::Command;

use fleetfix_tests::chain::Chain;
use fleetfix_tests::child;
use fleetfix_tests::lab::Place;
use fleetfix_tests::proxy::{Moment, Request};
use fleetfix_tests::registry::{Kind, Registry};
use fleetfix_tests::request;

/// Before the N-th write is after the one before it, so that one moment is enough but at the end.
#[test]
fn killed_at_each_write_of_publish() {
    let mut chain = Chain::new(Place::Registry(Kind::Distribution));
    // One release line: half the writes, each of them of every kind.
    fs::write(chain.lab.bench.path("request.yaml"), request::text_420()).unwrap();
    let bundle = chain.build();
    chain.init().success();
    chain.approve(&bundle, "alice", &chain.people.alice).success();
    chain.approve(&bundle, "bob", &chain.people.bob).success();
    let channel = chain.channel();
    let old = outcome(&chain, &channel);
    let saved = chain.lab.clients.path("saved");
    copy(&chain.lab.registry().store(), &saved);

    chain.lab.proxy().forget();
    chain.publish(&bundle, &["alice", "bob"]).success();
    let new = outcome(&chain, &channel);
    assert_ne!(old, new);
    let writes = chain.lab.proxy().requests().iter().filter(|request| request.is_write()).count();
    assert!(writes > 10, "{writes} writes are no publication");

    let mut after_kill = [0, 0];
    for write in 1..=writes {
        let moment = if write == writes { Moment::After } else { Moment::Before };
        chain.lab.replace_registry(Registry::over(Kind::Distribution, |store| copy(&saved, store)));
        let _ = fs::remove_dir_all(chain.lab.bench.path("tuf"));
        chain.lab.proxy().kill_at(write, moment);
        let args = chain.publish_args(&bundle, &["alice", "bob"], &chain.people.publishers);
        let process = child::spawn(&mut chain.lab.bench.command("fleetfix-publish", args));
        chain.lab.proxy().victim(process.id());
        let killed = child::wait(process, format!("publish, killed at write {write}"));
        assert_eq!(killed.code, None, "write {write}: {killed}");
        let there = outcome(&chain, &channel);
        assert!(there == old || there == new, "write {write}: {there}");
        after_kill[usize::from(there == new)] += 1;

        chain.lab.proxy().let_live();
        chain.publish(&bundle, &["alice", "bob"]).success();
        // It ended well after checks of its own; ours on top for some.
        if write % 8 == 0 || write == writes {
            assert_eq!(outcome(&chain, &channel), new, "write {write}");
        }
    }
    assert!(after_kill[0] > 0 && after_kill[1] > 0, "{after_kill:?}: both states are seen");
    eprintln!(
        "killed at each of {writes} writes: {} times the old state, {} times the new",
        after_kill[0], after_kill[1]
    );
    let left = chain.lab.proxy().requests().iter().filter(|r: &&Request| r.status == 0).count();
    assert!(left > 0);
}

/// What the channel says, after all its checks: the bundles in it.
fn outcome(chain: &Chain, channel: &str) -> String {
    let verdict = chain.verify("channel", channel, &[]).success().json();
    let checks = verdict["checks"].as_array().unwrap().iter();
    let bundles =
        checks.filter(|check| check["name"] == "bundle").map(|check| check["subject"].to_string());
    format!("{} {:?}", verdict["outcome"], bundles.collect::<Vec<_>>())
}

fn copy(from: &Path, to: &Path) {
    let status =
        Command::new("cp").arg("--archive").arg("--no-target-directory").args([from, to]).status();
    assert!(status.unwrap().success(), "{}", from.display());
}
