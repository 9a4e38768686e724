//! From request to channel, in every place: what clusters, cosign and our verifier say of it.

use fleetfix_tests::chain::{CHANNEL, Chain};
use fleetfix_tests::lab::{Lab, Place};
use fleetfix_tests::people::REQUIRED;
use fleetfix_tests::proxy::Request;
use fleetfix_tests::registry::Kind;
use fleetfix_tests::request::FIX_ID;
use fleetfix_tests::tree::files;

#[test]
fn in_docker_registry() {
    from_request_to_cluster(Kind::Docker);
}

#[test]
fn in_distribution() {
    from_request_to_cluster(Kind::Distribution);
}

#[test]
fn in_olareg() {
    from_request_to_cluster(Kind::Olareg);
}

fn from_request_to_cluster(kind: Kind) {
    let chain = Chain::in_lab(Lab::with_debian(Place::Registry(kind)));
    let (clients, people) = (&chain.lab.clients, &chain.people);
    let bundle = chain.build();
    let images = chain.published();
    let (built, fleet) = (chain.lab.at("build/hypershift"), chain.lab.at("fleet/hypershift"));
    for (tag, _) in &images {
        // The builder's signature is good at the build place, for a cluster of the fleet it is none.
        let built_image = format!("{built}:{tag}");
        clients
            .copy_signed(&built, &people.release, &built_image)
            .refused()
            .says("invalid signature");
    }
    chain.release(&bundle);
    verified(&chain, &bundle);

    for (tag, digest) in &images {
        let image = format!("{fleet}:{tag}");
        assert_eq!(clients.crane(&["digest", &image]).success().text(), digest);
        clients.crane(&["validate", "--remote", &image]).success();
        clients.copy_signed(&fleet, &people.release, &image).success();
        clients.copy_signed(&fleet, &people.bob, &image).refused().says("invalid signature");
        clients.verify(&people.release, &image).success();
        for predicate in REQUIRED {
            clients.verify_attestation(&people.builder, predicate, &image).success();
            let other = clients.verify_attestation(&people.release, predicate, &image).refused();
            other.says("do not match threshold");
        }
        // Other content in the image's place, with the image's own signatures beside it.
        let tampered = &chain.lab.upstream.base_421;
        let base = format!("{}@{}", chain.lab.at("mirror/ocp-v4.0-art-dev"), tampered.digest);
        let signatures = |digest: &str| format!("{fleet}:{}.sig", digest.replace(':', "-"));
        clients.crane(&["copy", &base, &image]).success();
        for to in tampered.manifests.iter().chain([&tampered.digest]) {
            clients.crane(&["copy", &signatures(digest), &signatures(to)]).success();
        }
        clients.copy_signed(&fleet, &people.release, &image).refused().says("does not match");
        clients.verify(&people.release, &image).refused().says("no matching signatures");
        chain.verify("image", &image, &[]).code(10);
    }
}

/// Our verifier's word on channel, bundle and images, with and without a memory.
fn verified(chain: &Chain, bundle: &str) {
    let channel = chain.channel();
    let verdict = chain.verify("channel", &channel, &["--state", "state"]).success().json();
    assert!(verdict.to_string().contains(bundle.split_once('@').unwrap().1), "{verdict}");
    // Whoever has seen the channel before knows that it did not go back; a layout is offline.
    let again = chain.verify("channel", &channel, &["--state", "state"]).success().json();
    let outcome = if chain.lab.has_registry() { "verified" } else { "verifiedFreshnessUnknown" };
    assert_eq!(again["outcome"], outcome, "{again:#}");
    let digest = bundle.split_once('@').unwrap().1;
    let there = format!("{}@{digest}", chain.lab.at("fleet/bundles"));
    chain.verify("bundle", &there, &[]).success();
    for (_, digest) in chain.published() {
        chain
            .verify("image", &format!("{}@{digest}", chain.lab.at("fleet/hypershift")), &[])
            .success();
    }
    // A base image is nobody's fix.
    let base = format!(
        "{}@{}",
        chain.lab.at("mirror/ocp-v4.0-art-dev"),
        chain.lab.upstream.base_420.digest
    );
    chain.verify("image", &base, &["--channels", &channel]).code(10).says("no active bundle");
}

#[test]
fn in_layouts() {
    let chain = Chain::new(Place::Layout);
    let bundle = chain.build();
    chain.release(&bundle);
    verified(&chain, &bundle);
    let table = chain.verify("channel", &chain.channel(), &["--output", "table"]).success();
    for part in [CHANNEL, "hypershift", "alice", "bob"] {
        assert!(table.stdout.contains(part), "no `{part}` in {table}");
    }
}

#[test]
fn publishing_again_writes_nothing() {
    let chain = Chain::new(Place::Registry(Kind::Distribution));
    let bundle = chain.build();
    chain.release(&bundle);
    let state = chain.lab.clients.crane(&["digest", &chain.channel()]).success().stdout;
    chain.lab.proxy().forget();
    chain.publish(&bundle, &["alice", "bob"]).success();
    let writes: Vec<_> =
        chain.lab.proxy().requests().into_iter().filter(Request::is_write).collect();
    assert!(writes.is_empty(), "{writes:#?}");
    assert_eq!(chain.lab.clients.crane(&["digest", &chain.channel()]).success().stdout, state);

    // A new timestamp moves the state, and the channel stays good.
    chain.refresh().success();
    assert_ne!(chain.lab.clients.crane(&["digest", &chain.channel()]).success().stdout, state);
    verified(&chain, &bundle);
}

#[test]
fn publishing_again_writes_nothing_in_layouts() {
    let chain = Chain::new(Place::Layout);
    let bundle = chain.build();
    chain.release(&bundle);
    let all = || ["images", "tuf"].map(|dir| files(&chain.lab.bench.path(dir)));
    let before = all();
    chain.publish(&bundle, &["alice", "bob"]).success();
    assert!(all() == before, "a file changed");
}

#[test]
fn approvals_that_do_not_count() {
    let chain = Chain::new(Place::Layout);
    let people = &chain.people;
    let bundle = chain.build();
    chain.init().success();
    let approve = |name: &str, key| chain.approve(&bundle, name, key).success();
    approve("alice", &people.alice);
    approve("rita", &people.rita);
    let before = chain.verify("channel", &chain.channel(), &[]).success().json();

    chain.publish(&bundle, &[]).code(2).says("--approval");
    chain.publish(&bundle, &["alice"]).code(10).says("1 of 2");
    chain.publish(&bundle, &["alice", "alice"]).code(10).says("alice was counted already");
    // Rita asked for the fix; and bob's name with another's key is not bob.
    chain.publish(&bundle, &["alice", "rita"]).code(10).says("1 of 2");
    approve("bob", &people.pause);
    chain.publish(&bundle, &["alice", "bob"]).code(10).says("1 of 2");
    approve("bob", &people.alice);
    chain.publish(&bundle, &["alice", "bob"]).code(10).says("1 of 2");
    let envelope = std::fs::read_to_string(chain.lab.bench.path("alice.approval")).unwrap();
    std::fs::write(chain.lab.bench.path("bob.approval"), &envelope[..envelope.len() / 2]).unwrap();
    chain.publish(&bundle, &["alice", "bob"]).code(11).says("bob.approval");
    chain.publish(&bundle, &["alice", "carol"]).code(11).says("carol.approval");

    let after = chain.verify("channel", &chain.channel(), &[]).success().json();
    assert_eq!(before["subject"], after["subject"], "the channel did not move");
    assert!(!chain.lab.bench.path("images/fleet/hypershift").exists(), "nothing was copied");

    approve("bob", &people.bob);
    chain.publish(&bundle, &["alice", "bob"]).success();
    assert!(chain.lab.bench.path("images/fleet/hypershift").exists());
}

#[test]
fn one_publisher_of_two_cannot_move_the_channel() {
    let chain = Chain::new(Place::Layout);
    let bundle = chain.build();
    chain.init().success();
    chain.approve_both(&bundle, &[]);
    let current = chain.lab.bench.path("images/fleet/channels/index.json");
    let before = std::fs::read(&current).unwrap();
    let [pat, _] = &chain.people.publishers;
    let stranger = &chain.people.rita;
    for publishers in
        [vec![pat.clone()], vec![pat.clone(), pat.clone()], vec![pat.clone(), stranger.clone()]]
    {
        let args = chain.publish_args(&bundle, &["alice", "bob"], &publishers);
        chain.lab.bench.run("fleetfix-publish", args).code(10).says("publishers");
        assert_eq!(std::fs::read(&current).unwrap(), before, "the channel did not move");
    }
    chain.publish(&bundle, &["alice", "bob"]).success();
}

/// Evidence comes after what it is about: that of one image is not moved with another one.
#[test]
fn no_signature_or_attestation_comes_before_its_image() {
    let chain = Chain::new(Place::Registry(Kind::Distribution));
    let bundle = chain.build();
    assert!(chain.published().len() > 1, "several images");
    chain.lab.proxy().forget();
    chain.release(&bundle);
    let writes = chain.lab.proxy().requests().into_iter().filter(Request::is_write);
    let mut there = std::collections::BTreeSet::new();
    let mut evidence = 0;
    for write in writes {
        let Some((_, name)) = write.path.split_once("fleet/hypershift/manifests/") else {
            continue;
        };
        let about = name.strip_suffix(".att").or_else(|| name.strip_suffix(".sig"));
        if let Some(subject) = about.and_then(|about| about.strip_prefix("sha256-")) {
            assert!(there.contains(&format!("sha256:{subject}")), "{name} before its subject");
            evidence += 1;
        }
        there.insert(name.to_owned());
    }
    assert!(evidence >= 4, "{evidence} pieces of evidence");
}

#[test]
fn a_bundle_is_read_before_it_is_signed_and_signed_by_its_digest() {
    let chain = Chain::new(Place::Layout);
    let bundle = chain.build();
    let digest = bundle.split_once('@').unwrap().1;
    let tagged = format!("{}:{}-r1", chain.lab.at("build/bundles"), FIX_ID.to_lowercase());
    // Read by its tag: the whole text, its digest and what to name, and nothing is written.
    let read = chain.lab.bench.run("fleetfix", ["approve", "--bundle", &tagged]).success();
    for part in
        ["fleetfix approval, text 2", "requested by rita", "written for 4.21 by amir", digest]
    {
        assert!(read.stdout.contains(part), "no `{part}` in {read}");
    }
    let end = read.stdout.lines().last().unwrap();
    let shown = end.strip_prefix("read as ").and_then(|rest| rest.split(';').next()).unwrap();
    assert!(end.ends_with(&format!("--bundle {bundle}")), "{end}");
    // A tag may have moved since.
    chain.approve(&tagged, "alice", &chain.people.alice).code(2).says(digest).says("never signed");
    assert!(!chain.lab.bench.path("alice.approval").exists());
    let signed = chain.approve(&bundle, "alice", &chain.people.alice).success().json();
    assert_eq!((&signed["shown"], &signed["bundle"]), (&shown.into(), &digest.into()));
}

#[test]
fn whoever_the_policy_does_not_know_cannot_be_kept_apart() {
    let chain = Chain::new(Place::Layout);
    let path = chain.lab.bench.path("request.yaml");
    let request = std::fs::read_to_string(&path).unwrap();
    let publish = |revision: u32, requester: &str, author: &str| {
        let requester = format!("requester: {requester}\nrevision: {revision}");
        let request = request.replace("requester: rita", &requester);
        std::fs::write(&path, request.replace("[amir]", &format!("[{author}]"))).unwrap();
        let bundle = chain.build();
        chain.approve_both(&bundle, &[]);
        chain.publish(&bundle, &["alice", "bob"])
    };
    chain.init().success();
    // Bob's mail, which the policy does not have: bob would approve what he asked for.
    let unknown = publish(1, "bob@example.com", "amir").code(10);
    unknown.says("requester bob@example.com is no principal of the policy");
    publish(2, "bob", "amir").code(10).says("bob is requester of this bundle");
    publish(3, "rita", "amir.k").code(10).says("author amir.k is no principal of the policy");
    // As Git names him: the policy has it as an identity of his.
    publish(4, "rita", "amir@example.com").success();
}
