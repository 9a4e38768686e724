//! Plans beside a channel that is active: what it put in place is patched, and two fixes never take
//! one place unless one says that it holds the other.

use fleetfix_testkit::git::Git;
use fleetfix_tests::chain::Chain;
use fleetfix_tests::child::Output;
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

    // What must not be active beside it must not be so in later revisions either.
    let conflicts = format!("{supersedes}conflicts: [{{id: {}}}]\n", request::FIX_ID);
    plan(&conflicts, &root).success();
    assert_eq!(chain.lab.json("other.json")["conflicts"], json!([{"id": request::FIX_ID}]));

    // A channel is never read without a trust root, and another root trusts nothing of it.
    plan(&supersedes, &[]).code(2);
    let stranger = Chain::new(Place::Layout);
    stranger.init().success();
    let root = stranger.lab.bench.path("root.json");
    plan(&supersedes, &["--root", root.to_str().unwrap()]).code(10);
}

/// A channel with a fix in it for one release line, and a repository in which one later fix holds that
/// one and another does not.
struct Active {
    chain: Chain,
    /// On the branch that the active fix is not in.
    aside: String,
    /// On top of the active fix.
    above: String,
}

impl Active {
    fn new() -> Self {
        let chain = Chain::new(Place::Layout);
        let mut source = Git::init(&chain.lab.bench.path("source"));
        source.commit("Start");
        source.run(&["branch", "aside"]);
        source.checkout(&["-b", "release-4.20"]);
        let active = source.merge(7110, "amir/fix", "Fix LDAP logins");
        let above = source.merge(7300, "amir/fix", "Fix LDAP logins again");
        source.checkout(&["aside"]);
        let aside = source.commit("Fix LDAP logins differently");
        let request = but(&request::text_420(), request::COMMIT_420, &active);
        std::fs::write(chain.lab.bench.path("request.yaml"), request).unwrap();
        let bundle = chain.build();
        chain.release(&bundle);
        Self { chain, aside, above }
    }

    /// A request of another ticket that supersedes the active fix.
    fn request(commit: &str) -> String {
        let request = but(&request::text_420(), request::COMMIT_420, commit);
        let request = but(&request, request::FIX_ID, "OCPBUGS-70000");
        let request = but(&request, "  pullRequests: [7110]\n", "");
        format!("{request}supersedes: [{{id: {}}}]\n", request::FIX_ID)
    }

    fn plan(&self, request: &str, more: &[&str]) -> Output {
        let bench = &self.chain.lab.bench;
        std::fs::write(bench.path("other.yaml"), request).unwrap();
        let fleet = format!("--mirror={}={}", self.chain.fleet(), self.chain.lab.at("fleet"));
        let (channel, mirror) = (self.chain.channel(), self.chain.lab.mirror());
        let args = ["--request", "other.yaml", "--plan", "other.json", "--git", "source"];
        let channel = ["--channels", &channel, "--root", "root.json", &mirror, &fleet];
        bench.run("fleetfix-plan", [&args[..], &channel, more].concat())
    }
}

#[test]
fn a_fix_supersedes_only_what_it_holds() {
    let active = Active::new();
    let says = ["does not descend from", "the image of an active bundle", "older code"];
    refused(active.plan(&Active::request(&active.aside), &[]), "downgrade/4.20/", &says);
    active.plan(&Active::request(&active.above), &[]).success();
    let made = active.chain.lab.json("other.json");
    assert_eq!(made["bases"][0]["origin"], "bundle");
    assert_eq!(made["fixes"][0]["along"][0]["title"], "Fix LDAP logins again", "{made:#}");
}

/// All that a plan can be given: none of it brings the day into it.
#[test]
fn everything_given_another_day_the_same_digest() {
    let mut active = Active::new();
    let bench = &active.chain.lab.bench;
    let image = format!("quay.io/a/b@sha256:{}", "1".repeat(64));
    let files = [
        (
            "overrides.yaml",
            format!(
                "platforms:\n  aws:\n    overrides:\n    - version: 4.20.9\n      cpoImage: {image}\n"
            ),
        ),
        (
            "graph.json",
            super::upstream::graph(&[&["4.20.1", "4.20.2", "4.20.3"], &["4.21.0"]], &[]),
        ),
        ("cutoffs.yaml", "4.20.3: 2026-02-01T00:00:00Z\n".to_owned()),
        (
            "clusters.json",
            serde_json::json!({
                "kind": "HostedCluster",
                "metadata": {"namespace": "ocm", "name": "a", "annotations": {
                    "hypershift.openshift.io/control-plane-operator-image": image,
                }},
                "spec": {"release": {"image": "x"}, "platform": {"type": "AWS"}},
                "status": {"version": {"history": [{"version": "4.20.2", "state": "Completed"}]}},
            })
            .to_string(),
        ),
    ];
    for (name, text) in files {
        std::fs::write(bench.path(name), text).unwrap();
    }
    let given: Vec<&str> = [
        ["--overrides", "overrides.yaml"],
        ["--graph", "graph.json"],
        ["--cutoffs", "cutoffs.yaml"],
        ["--clusters", "clusters.json"],
    ]
    .concat();
    let request = Active::request(&active.above);
    let first = active.plan(&request, &given).success().json();
    let inputs: Vec<_> =
        first["document"]["inputs"].as_array().unwrap().iter().map(|i| &i["name"]).collect();
    assert_eq!(inputs, ["channel stable", "clusters", "cutoffs", "overrides"]);
    let lab = &mut active.chain.lab;
    lab.bench = std::mem::take(&mut lab.bench).at_time("tomorrow");
    let second = active.plan(&request, &given).success().json();
    assert_eq!(second["digest"], first["digest"]);
}
