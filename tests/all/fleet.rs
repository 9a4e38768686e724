//! Publishing to a fleet that is not as it should be: what is refused leaves nothing behind, and of
//! two who publish at once one does.

use std::fs;

use fleetfix_tests::chain::Chain;
use fleetfix_tests::child;
use fleetfix_tests::lab::Place;
use fleetfix_tests::proxy::Request;
use fleetfix_tests::registry::{Kind, Registry};
use fleetfix_tests::tree::{copy, files};

use crate::refusals::one_line;

/// A bundle that both approvers signed, and a fleet with an empty channel.
fn approved(place: Place) -> (Chain, String) {
    let chain = Chain::new(place);
    let bundle = chain.build();
    for (name, key) in [("alice", &chain.people.alice), ("bob", &chain.people.bob)] {
        chain.approve(&bundle, name, key).success();
    }
    chain.init().success();
    (chain, bundle)
}

#[test]
fn a_refusal_changes_no_byte_of_the_fleet_and_says_why_an_approval_does_not_count() {
    let (chain, bundle) = approved(Place::Layout);
    chain.approve(&bundle, "rita", &chain.people.rita).success();
    let fleet = chain.lab.bench.path("images/fleet");
    let (before, tuf) = (files(&fleet), files(&chain.lab.bench.path("tuf")));
    assert!(before.len() > 5, "{:?}", before.keys());
    let publish = |args: Vec<String>| chain.lab.bench.run("fleetfix-publish", args);
    let with = |approvals: &[&str], flag: &str, value: &str| {
        let mut args = chain.publish_args(&bundle, approvals, &chain.people.publishers);
        let at = args.iter().position(|arg| arg == flag).unwrap();
        args[at + 1] = value.to_owned();
        args
    };
    let stranger = chain.people.rita.private();
    let table = [
        (with(&["alice", "rita"], "--channel", "stable"), 10, "rita is requester of this bundle"),
        (with(&["alice", "alice"], "--channel", "stable"), 10, "alice was counted already"),
        (with(&["alice", "bob"], "--channel", "canary"), 11, "canary"),
        (with(&["alice", "bob"], "--release-key", &stranger), 10, "is no release key"),
        (with(&["alice", "bob"], "--online-key", &stranger), 10, "snapshot"),
        (with(&["alice", "bob"], "--root", "none.json"), 11, "none.json"),
        (with(&["alice", "bob"], "--release-key", "none.pem"), 11, "none.pem"),
        (with(&["alice", "none"], "--channel", "stable"), 11, "none.approval"),
    ];
    for (args, code, part) in table {
        one_line(&publish(args), code, part);
        assert!(files(&fleet) == before, "{part}: the fleet changed");
        assert!(files(&chain.lab.bench.path("tuf")) == tuf, "{part}: the repository changed");
    }
    chain.publish(&bundle, &["alice", "bob"]).success();
}

#[test]
fn a_fleet_is_made_once() {
    let mut chain = Chain::new(Place::Layout);
    chain.init().success();
    let fleet = chain.lab.bench.path("images/fleet");
    let root = fs::read(chain.lab.bench.path("root.json")).unwrap();
    let before = files(&fleet);
    // The same again changes nothing, and brings back a root file that was lost.
    let again = chain.init().success().json();
    assert_eq!(again["written"], false, "{again}");
    fs::remove_file(chain.lab.bench.path("root.json")).unwrap();
    chain.init().success();
    assert_eq!(fs::read(chain.lab.bench.path("root.json")).unwrap(), root);
    assert!(files(&fleet) == before, "the fleet changed");

    // Other people's root is none of this fleet.
    let others = Chain::new(Place::Layout);
    chain.people = others.people.clone();
    fs::rename(chain.lab.bench.path("root.json"), chain.lab.bench.path("first.json")).unwrap();
    one_line(&chain.init(), 10, "another root");
    assert!(!chain.lab.bench.path("root.json").exists(), "a root file was left behind");
    assert!(files(&fleet) == before, "the fleet changed");
}

#[test]
fn a_policy_that_is_none_makes_no_fleet() {
    let chain = Chain::new(Place::Layout);
    let good = fs::read_to_string(&chain.people.policy).unwrap();
    let table = [
        (good[..good.len() / 2].to_owned(), "policy.yaml"),
        (good.replace("threshold: 2", "treshold: 2"), "treshold"),
        (good.replace("MFkw", "MFkx"), "publicKey"),
        (String::new(), "policy.yaml"),
    ];
    for (text, part) in table {
        assert_ne!(text, good, "{part}");
        fs::write(&chain.people.policy, text).unwrap();
        one_line(&chain.init(), 11, part);
    }
    fs::remove_file(&chain.people.policy).unwrap();
    one_line(&chain.init(), 11, "policy.yaml");
    for left in ["root.json", "tuf", "images/fleet"] {
        assert!(!chain.lab.bench.path(left).exists(), "{left} was left behind");
    }
    fs::write(&chain.people.policy, good).unwrap();
    chain.init().success();
}

#[test]
fn a_tag_of_the_fleet_with_other_content_stays() {
    for repository in ["hypershift", "bundles"] {
        let (chain, bundle) = approved(Place::Registry(Kind::Docker));
        let crane = |args: &[&str]| chain.lab.clients.crane(args).success().text().to_owned();
        let channel = crane(&["digest", &chain.channel()]);
        let tags = crane(&["ls", &chain.lab.at(&format!("build/{repository}"))]);
        let tag = tags.lines().find(|tag| !tag.starts_with("sha256-")).unwrap();
        let taken = format!("{}:{tag}", chain.lab.at(&format!("fleet/{repository}")));
        let base = &chain.lab.upstream.base_421.digest;
        let other = format!("{}@{base}", chain.lab.at("mirror/ocp-v4.0-art-dev"));
        crane(&["copy", &other, &taken]);
        one_line(&chain.publish(&bundle, &["alice", "bob"]), 10, tag);
        assert_eq!(crane(&["digest", &taken]), *base);
        assert_eq!(crane(&["digest", &chain.channel()]), channel, "the channel moved");
    }
}

#[test]
fn a_registry_that_was_rolled_back_is_refused_by_whoever_remembers() {
    let (mut chain, bundle) = approved(Place::Registry(Kind::Distribution));
    let saved = chain.lab.clients.path("saved");
    copy(&chain.lab.registry().store(), &saved);
    let publish = |chain: &Chain, more: &[&str]| {
        let mut args = chain.publish_args(&bundle, &["alice", "bob"], &chain.people.publishers);
        args.extend(more.iter().map(|arg| (*arg).to_owned()));
        chain.lab.bench.run("fleetfix-publish", args)
    };
    publish(&chain, &["--state", "publisher"]).success();
    let old = Registry::over(Kind::Distribution, |store| copy(&saved, store));
    chain.lab.replace_registry(old);
    chain.lab.proxy().forget();
    one_line(&publish(&chain, &["--state", "publisher"]), 10, "version");
    let writes = chain.lab.proxy().requests().into_iter().filter(Request::is_write).count();
    assert_eq!(writes, 0, "a refusal writes nothing");
    // Whoever remembers nothing cannot see it, and is told so.
    publish(&chain, &[]).success().says("not checked: rollback");
}

#[test]
fn of_two_publishers_at_once_in_layouts() {
    at_once(Place::Layout);
}

#[test]
fn of_two_publishers_at_once_in_olareg() {
    at_once(Place::Registry(Kind::Olareg));
}

/// One of them moves the channel; the other one hears of it, or comes late and finds all done.
fn at_once(place: Place) {
    let (chain, bundle) = approved(place);
    // Each writes a repository of its own for HTTP.
    let start = |name: &str| {
        let mut args = chain.publish_args(&bundle, &["alice", "bob"], &chain.people.publishers);
        let at = args.iter().position(|arg| arg == "--tuf-dir").unwrap();
        name.clone_into(&mut args[at + 1]);
        child::spawn(&mut chain.lab.bench.command("fleetfix-publish", args))
    };
    let both = [start("tuf-one"), start("tuf-two")];
    let both = both.map(|process| child::wait(process, "publish, one of two".to_owned()));
    for output in &both {
        match output.code {
            Some(0) => {}
            Some(12) => one_line(output, 12, "meanwhile"),
            _ => panic!("{output}"),
        }
    }
    let wrote = both.iter().filter(|o| o.code == Some(0) && o.json()["written"] == true).count();
    // A registry cannot compare and swap: within one round trip both may believe that they did.
    let most = if chain.lab.has_registry() { 2 } else { 1 };
    assert!((1..=most).contains(&wrote), "{wrote} of both moved the channel");
    let verdict = chain.verify("channel", &chain.channel(), &[]).success();
    assert!(verdict.stdout.contains(bundle.split_once('@').unwrap().1), "{verdict}");
    // And whoever lost does as told.
    let again = chain.publish(&bundle, &["alice", "bob"]).success().json();
    assert_eq!(again["written"], false, "{again}");
}
