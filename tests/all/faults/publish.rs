//! Faults while a bundle is published: the channel stays where it is, and the same again ends well.

use std::fs;

use fleetfix_tests::chain::Chain;
use fleetfix_tests::child;
use fleetfix_tests::lab::Place;
use fleetfix_tests::proxy::Fault;
use fleetfix_tests::registry::Kind;
use fleetfix_tests::request;

use crate::refusals::one_line;

#[test]
fn a_channel_stays_where_it_is_until_all_is_written() {
    let chain = Chain::new(Place::Registry(Kind::Distribution));
    fs::write(chain.lab.bench.path("request.yaml"), request::text_420()).unwrap();
    let bundle = chain.build();
    chain.init().success();
    chain.approve_both(&bundle, &[]);
    let channel = chain.channel();
    let stands_at = || chain.lab.clients.crane(&["digest", &channel]).success().text().to_owned();
    let before = stands_at();
    let publish = || {
        let args = chain.publish_args(&bundle, &["alice", "bob"], &chain.people.publishers);
        let mut command = chain.lab.bench.command("fleetfix-publish", args);
        child::run(command.env("FLEETFIX_RETRY_WAIT", "1ms"))
    };
    for (method, path, status, code) in [
        ("GET", "/build/", 401, 11),
        ("GET", "/build/", 503, 12),
        ("GET", "/fleet/channels/manifests/", 500, 12),
        ("POST", "/fleet/", 403, 11),
        ("POST", "/fleet/", 429, 12),
        ("PUT", "/fleet/hypershift/manifests/sha256:", 403, 11),
        ("PUT", "/fleet/hypershift/manifests/", 500, 12),
        ("PUT", "/fleet/bundles/manifests/", 507, 12),
        ("PUT", "/fleet/channels/blobs/", 500, 12),
        ("PUT", "/fleet/channels/manifests/current", 403, 11),
        ("PUT", "/fleet/channels/manifests/current", 500, 12),
    ] {
        chain.lab.proxy().fail(Fault { method, path: path.to_owned(), status });
        let output = publish();
        chain.lab.proxy().heal();
        one_line(&output, code, &status.to_string());
        assert_eq!(stands_at(), before, "{method} {path} {status}: {output}");
    }
    chain.verify("channel", &channel, &[]).success();
    publish().success();
    assert_ne!(stands_at(), before);
    chain.verify("channel", &channel, &[]).success();
}
