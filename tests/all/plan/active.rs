//! Plans beside a channel that is active: what it put in place is patched, and two fixes never take
//! one place unless one says that it holds the other.

use fleetfix_tests::chain::Chain;
use fleetfix_tests::lab::Place;
use fleetfix_tests::request;
use serde_json::json;

use super::upstream::{but, refused};

#[test]
fn an_active_fix_for_the_same_place() {
    let chain = Chain::new(Place::Layout);
    let bundle = chain.build();
    chain.release(&bundle);
    let bench = &chain.lab.bench;
    let other = but(&request::text(), request::FIX_ID, "OCPBUGS-70000");
    let fleet = format!("--mirror={}={}", chain.fleet(), chain.lab.at("fleet"));
    let channel = chain.channel();
    let plan = |text: &str, trust: &[&str]| {
        std::fs::write(bench.path("other.yaml"), text).unwrap();
        let args = ["--request", "other.yaml", "--plan", "other.json", "--channels", &channel];
        let mirrors = [chain.lab.mirror(), fleet.clone()];
        let mirrors: Vec<&str> = mirrors.iter().map(String::as_str).collect();
        bench.run("fleetfix-plan", [&args[..], &mirrors, trust].concat())
    };
    let root = ["--root", "root.json"];
    let says = ["is active for `hypershift` on AWS 4.20.1 to 4.20.2", "in `supersedes`"];
    refused(plan(&other, &root), "conflict/ocpbugs-61296", &says);

    let supersedes = format!("{other}supersedes: [{{id: {}}}]\n", request::FIX_ID);
    plan(&supersedes, &root).success();
    let made = chain.lab.json("other.json");
    for base in made["bases"].as_array().unwrap() {
        assert_eq!(base["origin"], "bundle");
    }
    assert_eq!(made["bases"].as_array().unwrap().len(), 2);
    assert_eq!(made["inputs"][0]["name"], "channel stable");
    // The revision that is there, and none that comes later.
    assert_eq!(made["supersedes"], json!([{"id": request::FIX_ID, "revision": 1}]));

    // A channel is never read without a trust root, and another root trusts nothing of it.
    plan(&supersedes, &[]).code(2);
    let stranger = Chain::new(Place::Layout);
    stranger.init().success();
    let root = stranger.lab.bench.path("root.json");
    plan(&supersedes, &["--root", root.to_str().unwrap()]).code(10);
}
