//! A publisher that dies in the middle: the channel is the old state or the new one, always valid,
//! and doing it again ends well.

use std::fs;

use fleetfix_tests::chain::Chain;
use fleetfix_tests::child;
use fleetfix_tests::lab::Place;
use fleetfix_tests::proxy::{Moment, Request};
use fleetfix_tests::registry::{Kind, Registry};
use fleetfix_tests::request;
use fleetfix_tests::tools::tool;
use fleetfix_tests::tree::copy;
use serde_json::Value;

/// Dies before each write, and after the last one. Some go out side by side, so "before the N-th" is
/// after some of those before it, and not always after all.
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
        // What the one before remembered is of a registry that is gone; of this one it starts anew.
        for name in ["tuf", "publisher-state"] {
            let _ = fs::remove_dir_all(chain.lab.bench.path(name));
        }
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
        assert_eq!(outcome(&chain, &channel), new, "write {write}");
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
    bundles(&chain.verify("channel", channel, &[]).success().json())
}

/// The bundles in a verdict about a channel.
fn bundles(verdict: &Value) -> String {
    let checks = verdict["checks"].as_array().unwrap().iter();
    let bundles =
        checks.filter(|check| check["name"] == "bundle").map(|check| check["subject"].to_string());
    format!("{} {:?}", verdict["outcome"], bundles.collect::<Vec<_>>())
}

/// A publisher's process, killed as it enters its `count`-th call that puts a file in its place.
fn killed_at_file(chain: &Chain, bundle: &str, count: usize) -> child::Output {
    let log = chain.lab.clients.path("strace").display().to_string();
    let inject = format!("--inject={PLACING}:signal=KILL:when={count}");
    let trace = format!("--trace={PLACING}");
    let strace = tool("strace").display().to_string();
    let words = [strace.as_str(), "--follow-forks", "--output", &log, &trace, &inject];
    publish_under(chain, bundle, &words)
}

/// The system calls that put a file in its place.
const PLACING: &str = "rename,renameat,renameat2,link,linkat";

fn publish_under(chain: &Chain, bundle: &str, words: &[&str]) -> child::Output {
    let args = chain.publish_args(bundle, &["alice", "bob"], &chain.people.publishers);
    let publish = chain.lab.bench.command("fleetfix-publish", args);
    let mut command = child::command(words[0], chain.lab.bench.dir());
    command.current_dir(chain.lab.bench.dir()).args(&words[1..]);
    command.arg(publish.get_program()).args(publish.get_args());
    child::run(&mut command)
}

/// The same at some of its files, with the fleet, the TUF repository for HTTP and the publisher's
/// memory on disk.
#[test]
fn killed_at_files_of_publish() {
    let chain = Chain::new(Place::Layout);
    fs::write(chain.lab.bench.path("request.yaml"), request::text_420()).unwrap();
    let bundle = chain.build();
    chain.init().success();
    chain.approve(&bundle, "alice", &chain.people.alice).success();
    chain.approve(&bundle, "bob", &chain.people.bob).success();
    let path = |name: &str| chain.lab.bench.path(name);
    let written = ["images/fleet", "tuf"];
    let both = || {
        let repository = format!("tuf:{}", path("tuf").display());
        let from = ["--from", &chain.lab.at("fleet")];
        let served = chain.verify("channel", &repository, &from).success().json();
        [outcome(&chain, &chain.channel()), bundles(&served)]
    };
    let old = both();
    let saved = |name: &str| chain.lab.clients.path(&name.replace('/', "-"));
    for name in written {
        copy(&path(name), &saved(name));
    }

    chain.publish(&bundle, &["alice", "bob"]).success();
    let new = both();
    assert!(old[0] != new[0] && old[1] != new[1]);

    let mut seen = [[0, 0], [0, 0]];
    // The calls of each thread are counted: the first one that gets so far dies with all others, and
    // the last calls of a run with many threads are not reached.
    for file in 1.. {
        for name in written {
            fs::remove_dir_all(path(name)).unwrap();
            copy(&saved(name), &path(name));
        }
        let _ = fs::remove_dir_all(path("publisher-state"));
        let killed = killed_at_file(&chain, &bundle, file);
        if killed.code == Some(0) {
            assert!(file > 10, "{file} files are no publication");
            break;
        }
        assert_eq!(killed.code, None, "file {file}: {killed}");
        for (at, there) in both().into_iter().enumerate() {
            assert!(there == old[at] || there == new[at], "file {file}: {there}");
            seen[at][usize::from(there == new[at])] += 1;
        }
        chain.publish(&bundle, &["alice", "bob"]).success();
        assert_eq!(both(), new, "file {file}");
    }
    assert!(seen[0][0] > 5 && seen[1][0] > 5, "{seen:?}: the old state is seen");
}
