//! Publishing to a fleet that is not as it should be: what is refused leaves nothing behind, and of
//! two who publish at once one does.

use std::fs;

use fleetfix_tests::chain::Chain;
use fleetfix_tests::child;
use fleetfix_tests::lab::Place;
use fleetfix_tests::proxy::Request;
use fleetfix_tests::registry::{Kind, Registry};
use fleetfix_tests::request;
use fleetfix_tests::tree::{copy, files};

use crate::refusals::one_line;

/// A bundle that both approvers signed, and a fleet with an empty channel.
fn approved(place: Place) -> (Chain, String) {
    let chain = Chain::new(place);
    let bundle = chain.build();
    chain.approve_both(&bundle, &[]);
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

    // What a run with other keys or thresholds promises is not there.
    let init = |change: fn(&Chain, &mut Vec<String>)| {
        let mut args = chain.init_args();
        change(&chain, &mut args);
        chain.lab.bench.run("fleetfix-publish", args)
    };
    let other: [fn(&Chain, &mut Vec<String>); 3] = [
        |_, args| args.push("--publisher-threshold=1".to_owned()),
        |chain, args| args.push(format!("--policy-key={}", chain.people.rita.private())),
        |chain, args| {
            let at = args.iter().position(|arg| arg == "--pause-key").unwrap();
            args[at + 1] = chain.people.rita.private();
        },
    ];
    for change in other {
        one_line(&init(change), 10, "publisher, policy or pause keys");
    }
    init(|_, args| args.push("--publisher-threshold=2".to_owned())).success();
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
    let memory = |args: Vec<String>, instead: &[&str]| {
        let mut args = args;
        let at = args.iter().position(|arg| arg == "--state").unwrap();
        args.splice(at..at + 2, instead.iter().map(|arg| (*arg).to_owned()));
        args
    };
    let publish_args =
        |chain: &Chain| chain.publish_args(&bundle, &["alice", "bob"], &chain.people.publishers);
    let run = |chain: &Chain, args: Vec<String>| chain.lab.bench.run("fleetfix-publish", args);
    run(&chain, publish_args(&chain)).success().says("the first state that --state sees");
    let old = Registry::over(Kind::Distribution, |store| copy(&saved, store));
    chain.lab.replace_registry(old);
    for args in [publish_args(&chain), chain.refresh_args()] {
        chain.lab.proxy().forget();
        one_line(&run(&chain, args.clone()), 10, "version");
        // Without a memory nobody could see it: that has to be said, not left out.
        for (instead, says) in [(&[][..], "--no-memory"), (&["--state=a", "--no-memory"], "one of")]
        {
            one_line(&run(&chain, memory(args.clone(), instead)), 2, says);
        }
        let writes = chain.lab.proxy().requests().into_iter().filter(Request::is_write).count();
        assert_eq!(writes, 0, "a refusal writes nothing");
    }
    let blind = memory(publish_args(&chain), &["--no-memory"]);
    run(&chain, blind).success().says("not checked: rollback");
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
        let at = args.iter().position(|arg| arg == "--state").unwrap();
        args[at + 1] = format!("{name}-state");
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

#[test]
fn a_refresh_renews_what_the_given_keys_fill_and_says_how_the_rest_is() {
    let chain = Chain::new(Place::Layout);
    chain.init().success();
    let people = &chain.people;
    // By these lifetimes all that people sign is in its last third.
    let refresh = |keys: &[&fleetfix_tests::keys::KeyPair]| {
        let mut args = chain.refresh_args();
        args.extend(["--root-days=3650", "--channel-days=3650"].map(str::to_owned));
        args.extend(keys.iter().map(|key| format!("--role-key={}", key.private())));
        let output = chain.lab.bench.run("fleetfix-publish", args).success();
        let left = output.json()["endingSoon"].as_array().unwrap().clone();
        (output, left.iter().map(|role| role.as_str().unwrap().to_owned()).collect::<Vec<_>>())
    };
    let [pat, quinn] = &people.publishers;
    let all = ["root", "targets", "publishers", "policy", "pause"];
    assert_eq!(refresh(&[]).1, all);
    // One of two publishers is no publisher, and keeps nothing from being fresh.
    assert_eq!(refresh(&[pat]).1, all);
    let (output, left) = refresh(&[pat, quinn]);
    assert_eq!(left, ["root", "targets", "policy", "pause"]);
    output
        .says("role root ends soon: whoever holds the root keys")
        .says("renew it with --role-key");
    assert_eq!(refresh(&[&people.policy_owner, &people.pause]).1, ["root", "targets"]);
    assert_eq!(refresh(&[&people.root]).1, ["root"]);
    chain.verify("channel", &chain.channel(), &[]).success();
}

#[test]
fn a_revision_that_leaves_a_version_without_its_fix_is_not_published() {
    let (chain, bundle) = approved(Place::Layout);
    chain.publish(&bundle, &["alice", "bob"]).success();
    let fleet = chain.lab.bench.path("images/fleet");
    let before = files(&fleet);
    let next = |revision: u32, from: &str, to: &str| {
        let head = format!("kind: FixRequest\nrevision: {revision}");
        let text = request::text().replacen("kind: FixRequest", &head, 1).replace(from, to);
        fs::write(chain.lab.bench.path("request.yaml"), text).unwrap();
        let bundle = chain.build();
        chain.approve_both(&bundle, &[]);
        chain.publish(&bundle, &["alice", "bob"])
    };
    let (wide, narrow) = ("versions: [4.20.1, 4.20.2]", "versions: [4.20.1]");
    let lost = next(2, wide, narrow);
    one_line(&lost, 10, "AWS 4.20.2 has its `hypershift` only from that one");
    assert!(files(&fleet) == before, "the fleet changed");
    next(3, narrow, wide).success();
}
