//! A publisher that dies in the middle: the channel is the old state or the new one, always valid,
//! and doing it again ends well. The same of a patch, whose tag names a whole image or nothing.

use std::fs;

use fleetfix_testkit::registry::{Behaviour, Registry as InProcess};
use fleetfix_tests::binary::Workbench;
use fleetfix_tests::chain::Chain;
use fleetfix_tests::child;
use fleetfix_tests::lab::Place;
use fleetfix_tests::proxy::{Moment, Proxy, Request};
use fleetfix_tests::registry::{Kind, Registry};
use fleetfix_tests::request;
use fleetfix_tests::tools::tool;
use fleetfix_tests::tree::copy;
use serde_json::Value;

use crate::faults;

/// Dies before each write, and after the last one. Some go out side by side, so "before the N-th" is
/// after some of those before it, and not always after all.
#[test]
fn killed_at_each_write_of_publish() {
    let mut chain = Chain::new(Place::Registry(Kind::Distribution));
    // One release line: half the writes, each of them of every kind.
    fs::write(chain.lab.bench.path("request.yaml"), request::text_420()).unwrap();
    let bundle = chain.build();
    chain.init().success();
    chain.approve_both(&bundle, &[]);
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
    chain.approve_both(&bundle, &[]);
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

/// A registry with a base, and what it holds of the patched image.
struct Target(InProcess);

impl Target {
    fn new(bench: &Workbench) -> Self {
        let registry = InProcess::like(Behaviour { strict: true, ..Behaviour::default() });
        registry.load("mirror", &bench.path("base"));
        Self(registry)
    }

    /// What is in the image's repository: names of manifests, digests of blobs.
    fn holds(&self) -> Vec<String> {
        let content = self.0.content();
        let names = content.manifests.keys().chain(content.blobs.keys());
        let own = names.filter(|(repository, _)| repository == "build/app");
        own.map(|(_, name)| name.clone()).collect()
    }

    /// Tags of the image, after a look at whether a manifest names what is not there.
    #[track_caller]
    fn tags(&self, what: &str) -> Vec<String> {
        let content = self.0.content();
        let missing = content.missing("build/app");
        assert!(missing.is_empty(), "{what}: manifests without {missing:?}");
        content.tags("build/app")
    }
}

/// Dies before each write and after each: a tag is there with the whole image or not at all, and the
/// same again makes what a run makes that nobody disturbs.
#[test]
fn killed_at_each_write_of_patch() {
    let bench = Workbench::new();
    let base = faults::base(&bench);
    fs::create_dir_all(bench.path("files/opt/app")).unwrap();
    fs::write(bench.path("files/opt/app/data"), faults::content(300_000, 7)).unwrap();
    let first = Target::new(&bench);
    let proxy = Proxy::start(first.0.server.address());
    let host = proxy.host();
    let image = format!("{host}/build/app:fixed");
    let (base, mirror) = (format!("up.test/m@{base}"), format!("up.test/m={host}/mirror"));
    let args = ["--base-image", &base, "--files", "files", "--image", &image, "--mirror", &mirror];
    let command = || bench.command("fleetfix-patch", args);
    let report = child::run(&mut command()).success().json();
    let expected = first.holds();
    assert_eq!(first.tags("undisturbed"), ["fixed"]);
    let writes = proxy.requests().iter().filter(|request| request.is_write()).count();
    assert!(writes > 10, "{writes} writes are no image of two architectures");

    for write in 1..=writes {
        for moment in [Moment::Before, Moment::After] {
            let what = format!("killed {moment:?} write {write} of {writes}");
            let target = Target::new(&bench);
            proxy.forward_to(target.0.server.address());
            proxy.kill_at(write, moment);
            let process = child::spawn(&mut command());
            proxy.victim(process.id());
            let killed = child::wait(process, what.clone());
            assert_eq!(killed.code, None, "{what}: {killed}");
            let is_done = (write, moment) == (writes, Moment::After);
            let tags = target.tags(&what);
            assert_eq!(tags, if is_done { vec!["fixed"] } else { Vec::new() }, "{what}");

            proxy.let_live();
            let again = child::run(&mut command()).success().json();
            assert_eq!(again, report, "{what}");
            assert_eq!(target.tags(&what), ["fixed"]);
            assert_eq!(target.holds(), expected, "{what}");
        }
    }
}
