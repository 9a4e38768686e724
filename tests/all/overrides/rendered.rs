//! Bundles and channels as entries of HyperShift's file.

use std::collections::BTreeSet;
use std::fs;
use std::path::PathBuf;

use fleetfix_tests::chain::Chain;
use fleetfix_tests::child::Output;
use fleetfix_tests::lab::Place;
use fleetfix_tests::registry::Kind;
use fleetfix_tests::request;

use super::{HyperShift, entries};
use crate::plan::upstream::{
    Image, Upstream, but, finding, finished, graph, request as short_request,
};
use crate::refusals::one_line;

const TESTING: &str = "quay.io/openshift-release-dev/ocp-release:{version}-x86_64";

/// `fleetfix render overrides` of the chain's channel into `overrides.yaml`.
fn render(chain: &Chain, more: &[&str]) -> Output {
    let channel = chain.channel();
    let args = ["render", "overrides", "--channels", &channel, "--root", "root.json"];
    chain.lab.bench.run("fleetfix", [&args[..], &["--into", "overrides.yaml"], more].concat())
}

fn file(chain: &Chain) -> PathBuf {
    chain.lab.bench.path("overrides.yaml")
}

#[test]
fn a_channel_is_merged_into_hypershifts_file() {
    let chain = Chain::new(Place::Layout);
    let bundle = chain.build();
    chain.release(&bundle);
    let bench = &chain.lab.bench;
    let hypershift = HyperShift::new(bench.dir());
    let own = fs::read_to_string(hypershift.own_file()).unwrap();
    fs::write(file(&chain), &own).unwrap();

    let more = ["--testing", TESTING, "--pull-request", "pull-request.md"];
    let rendered = render(&chain, &more).success().json();
    let changes = rendered["changes"].as_array().unwrap();
    let versions: Vec<&str> = changes.iter().map(|c| c["version"].as_str().unwrap()).collect();
    assert_eq!(versions, ["4.20.1", "4.20.2", "4.21.0"]);
    let images: Vec<&str> = changes.iter().map(|c| c["after"].as_str().unwrap()).collect();
    let published: BTreeSet<String> = chain
        .published()
        .into_iter()
        .map(|(_, digest)| format!("{}/hypershift@{digest}", chain.fleet()))
        .collect();
    assert_eq!(images.iter().map(|i| (*i).to_owned()).collect::<BTreeSet<_>>(), published);
    let wants = |minor: &str, number: u64| {
        format!("branch: {minor} wants: https://github.com/openshift/hypershift/pull/{number}")
    };
    let lines = [wants("4.20", 7110), wants("4.21", 7111)];
    assert_eq!(rendered["branches"], serde_json::json!(lines));
    let text = fs::read_to_string(bench.path("pull-request.md")).unwrap();
    for line in &lines {
        assert!(text.lines().any(|l| l == line), "{text}");
    }

    // Every line of HyperShift's is there, in its order, but for the tests of both platforms.
    let after = fs::read_to_string(file(&chain)).unwrap();
    let releases = ["latest:", "previous:", "runTests:"];
    let others = |line: &&str| !releases.iter().any(|key| line.trim().starts_with(key));
    let mut rest = after.lines().filter(others);
    for line in own.lines().filter(others) {
        assert!(rest.any(|l| l == line), "`{line}` is not there any more, or not in its place");
    }
    let markers = [
        "# Beginning of OCPBUGS-61296 overrides 4.20 section",
        "# End of OCPBUGS-61296 overrides 4.20 section",
    ];
    for marker in markers {
        assert_eq!(after.lines().filter(|line| line.trim() == marker).count(), 1, "{marker}");
    }
    let aws: Vec<String> =
        entries(&after).into_iter().filter(|e| e.0 == "aws").map(|e| e.1).collect();
    // HyperShift's list is not in the order of versions: ours come after the highest that is lower.
    let at = aws.iter().position(|version| version == "4.17.43").unwrap();
    assert_eq!(aws[at + 1..at + 4], ["4.20.1", "4.20.2", "4.21.0"]);

    // A second run changes nothing, not even the file's time.
    let time = fs::metadata(file(&chain)).unwrap().modified().unwrap();
    let again = render(&chain, &more).success().says("there already").json();
    assert_eq!(again["changes"], serde_json::json!([]));
    assert_eq!(fs::read_to_string(file(&chain)).unwrap(), after);
    assert_eq!(fs::read_to_string(bench.path("pull-request.md")).unwrap(), text);
    assert_eq!(fs::metadata(file(&chain)).unwrap().modified().unwrap(), time);

    // HyperShift's own code: its tests, our images, its other images, nothing for versions outside.
    hypershift.tests(&file(&chain)).success();
    let mut questions: Vec<String> = versions.iter().map(|v| format!("AWS {v}")).collect();
    let mut expected: Vec<String> = images.iter().map(|i| (*i).to_owned()).collect();
    for (platform, version, image) in entries(&own) {
        questions.push(format!("{platform} {version}"));
        expected.push(image);
    }
    for outside in ["AWS 4.20.0", "AWS 4.20.3", "AWS 4.21.1", "AWS 4.20.1-rc.1", "KubeVirt 4.20.1"]
    {
        questions.push(outside.to_owned());
        expected.push("-".to_owned());
    }
    questions.push("testing aws".to_owned());
    let release = |version: &str| TESTING.replace("{version}", version);
    expected.push(format!("{} {} true", release("4.21.0"), release("4.20.2")));
    let azure = hypershift.answers(&file(&chain), &["testing azure".to_owned()]);
    assert!(azure[0].ends_with(" false"), "{azure:?}");
    assert_eq!(hypershift.answers(&file(&chain), &questions), expected);

    // One bundle of the channel, printed.
    let digest = bundle.split_once('@').unwrap().1;
    let there = format!("{}@{digest}", chain.lab.at("fleet/bundles"));
    let args = ["render", "overrides", "--bundle", &there, "--root", "root.json"];
    let printed = bench.run("fleetfix", args).success();
    let only: Vec<_> =
        entries(&after).into_iter().filter(|e| images.contains(&e.2.as_str())).collect();
    assert_eq!(entries(&printed.stdout), only);
    // And by policy alone.
    let policy = chain.people.policy.display().to_string();
    let args =
        ["render", "overrides", "--bundle", &there, "--policy", &policy, "--channel", "stable"];
    assert_eq!(bench.run("fleetfix", args).success().stdout, printed.stdout);
}

#[test]
fn nothing_is_rendered_without_trust() {
    let chain = Chain::new(Place::Layout);
    let bundle = chain.build();
    chain.release(&bundle);
    let bench = &chain.lab.bench;
    let channel = chain.channel();
    let run = |args: &[&str]| bench.run("fleetfix", [&["render", "overrides"], args].concat());
    one_line(&run(&[]), 2, "--root");
    one_line(&run(&["--channels", &channel]), 2, "--root");
    one_line(&run(&["--root", "root.json"]), 2, "--channels");
    let policy = chain.people.policy.display().to_string();
    one_line(&run(&["--channels", &channel, "--policy", &policy]), 2, "--root");
    // A bundle that nobody approved yet, where it was built.
    let output = run(&["--bundle", &bundle, "--policy", &policy, "--channel", "stable"]);
    one_line(&output, 10, "signed by none");
    one_line(
        &run(&["--channels", &channel, "--root", "root.json", "--testing", "x"]),
        2,
        "{version}",
    );
    // A byte of the fleet that changed.
    let tampered = bench.path("images/fleet/hypershift/index.json");
    let text = fs::read_to_string(&tampered).unwrap();
    fs::write(&tampered, text.replacen("sha256:", "sha256:0", 1)).unwrap();
    let output = run(&["--channels", &channel, "--root", "root.json"]);
    one_line(&output, 10, "is not a digest");
}

#[test]
fn what_runs_is_not_replaced_by_what_was_not_made_from_it() {
    let chain = Chain::new(Place::Layout);
    let bundle = chain.build();
    chain.release(&bundle);
    let other = format!("quay.io/a/b@sha256:{}", "3".repeat(64));
    let entry = |image: &str| {
        format!(
            "platforms:\n  aws:\n    overrides:\n    - version: 4.20.1\n      cpoImage: {image}\n"
        )
    };
    fs::write(file(&chain), entry(&other)).unwrap();
    one_line(&render(&chain, &[]), 10, "fixes could be lost");
    assert_eq!(fs::read_to_string(file(&chain)).unwrap(), entry(&other));
    render(&chain, &["--replaces", &other]).success().says("1 replaced");
    // What it was made from may go.
    let base = format!(
        "quay.io/openshift-release-dev/ocp-v4.0-art-dev@{}",
        chain.lab.upstream.base_420.digest
    );
    fs::write(file(&chain), entry(&base)).unwrap();
    render(&chain, &[]).success().says("2 entries added, 1 replaced");
}

/// Publishes a fix that takes the place of the first one, with more in its request.
fn supersede(chain: &Chain, more: &str) {
    let path = chain.lab.bench.path("request.yaml");
    let text = fs::read_to_string(&path).unwrap();
    let text = text.replace(&format!("[{}]", request::FIX_ID), "[OCPBUGS-2]");
    // The commit stands in the image, so that 4.20 gets another one; 4.21 gets the same.
    let text = text.replace(request::COMMIT_420, &"c".repeat(40));
    let text = format!("{text}supersedes: [{{id: {}}}]\n{more}", request::FIX_ID);
    fs::write(path, text).unwrap();
    let second = chain.build();
    chain.approve_both(&second, &[]);
    chain.publish(&second, &["alice", "bob"]).success();
}

/// A fix that takes the place of another: it needs nobody's word that it may replace the other's
/// images, though it was made from what ran before them.
#[test]
fn what_supersedes_another_replaces_its_entries() {
    let chain = Chain::new(Place::Layout);
    let first = chain.build();
    chain.release(&first);
    let base = format!(
        "quay.io/openshift-release-dev/ocp-v4.0-art-dev@{}",
        chain.lab.upstream.base_421.digest
    );
    let before = format!(
        "platforms:\n  aws:\n    overrides:\n    # kept\n    - version: 4.19.1\n      cpoImage: {base}\n"
    );
    fs::write(file(&chain), &before).unwrap();
    render(&chain, &[]).success().says("3 entries added, 0 replaced, 0 taken away");
    let old = fs::read_to_string(file(&chain)).unwrap();

    supersede(&chain, "");
    render(&chain, &[]).success().says("0 entries added, 2 replaced, 0 taken away");
    let new = fs::read_to_string(file(&chain)).unwrap();
    let versions = |text: &str| entries(text).into_iter().map(|e| e.1).collect::<Vec<_>>();
    assert_eq!(versions(&new), versions(&old));
    let changed = entries(&old).into_iter().zip(entries(&new)).filter(|(old, new)| old != new);
    assert_eq!(changed.count(), 2, "{old}\n{new}");
    assert!(new.contains("    # kept\n    - version: 4.19.1\n"), "{new}");
    render(&chain, &[]).success().says("there already");
}

/// The next revision of a fix, planned on the file that is deployed, is made from the images that stand
/// there: nobody has to say that it may replace them.
#[test]
fn a_revision_that_was_planned_on_what_runs_replaces_it() {
    let chain = Chain::new(Place::Registry(Kind::Distribution));
    let bench = &chain.lab.bench;
    let first = chain.build();
    chain.release(&first);
    fs::write(file(&chain), "platforms:\n  aws:\n    overrides: []\n").unwrap();
    render(&chain, &[]).success().says("3 entries added");

    let text = fs::read_to_string(bench.path("request.yaml")).unwrap();
    let text = text.replace(request::COMMIT_420, &"c".repeat(40));
    fs::write(bench.path("request.yaml"), format!("{text}revision: 2\n")).unwrap();
    let plan = ["--request", "request.yaml", "--plan", "plan.json"];
    let given = ["--overrides", "overrides.yaml", &chain.lab.mirror()];
    bench.run("fleetfix-plan", [&plan[..], &given].concat()).success();
    chain.lab.patch().success();
    chain.sign().success();
    chain.attest().success();
    let second = chain.bundle().success().json()["bundle"].as_str().unwrap().to_owned();
    chain.approve_both(&second, &[]);
    chain.publish(&second, &["alice", "bob"]).success();
    render(&chain, &[]).success().says("0 entries added, 3 replaced, 0 taken away");
    render(&chain, &[]).success().says("there already");
}

#[test]
fn a_plan_with_finished_images_is_rendered_while_its_waivers_hold() {
    let upstream = Upstream::with(&["4.20.5", "4.20.6"]);
    let image = upstream.fix(Image::new("fixed", crate::plan::upstream::FIX));
    let affected =
        "{platform: AWS, introduced: 4.20.5, fixedIn: 4.20.7, versions: [4.20.5, 4.20.6]}";
    let files = "files: [{path: /usr/bin/app, from: app}]";
    let good = but(&short_request(affected), files, &format!("image: '{image}'"));
    let render = |more: &[&str]| {
        let args = ["render", "overrides", "--plan", "plan.json", "--into", "o.yaml"];
        upstream.bench.run("fleetfix", [&args[..], more].concat())
    };
    upstream.plan(&good, &[]).success();
    render(&["--pull-request", "pull.md"]).success().says("2 entries added");
    let there = fs::read_to_string(upstream.bench.path("o.yaml")).unwrap();
    let expected = ["4.20.5", "4.20.6"].map(|v| ("aws".to_owned(), v.to_owned(), image.clone()));
    assert_eq!(entries(&there), expected);
    let pull = fs::read_to_string(upstream.bench.path("pull.md")).unwrap();
    let wants = "branch: 4.20 wants: https://github.com/openshift/hypershift/pull/7110";
    assert!(pull.lines().any(|line| line == wants), "{pull}");
    render(&[]).success().says("there already");

    // A blocking finding: refused, but for a waiver that holds.
    let titled = format!("{good}title: 'ARO: logins'\n");
    let finding = "platform/the-request";
    upstream.plan(&titled, &[]).code(10).says(finding);
    let refused = |says: &[&str]| {
        let output = render(&[]);
        for says in says {
            one_line(&output, 10, says);
        }
        assert_eq!(fs::read_to_string(upstream.bench.path("o.yaml")).unwrap(), there);
    };
    refused(&[finding]);
    let waived = |more: &str| {
        format!("{titled}waivers:\n- {{finding: {finding}, by: lena, reason: known{more}}}\n")
    };
    upstream.plan(&waived(", expires: 2026-01-01T00:00:00Z"), &[]).code(10);
    refused(&[finding, "its waiver ended 2026-01-01T00:00:00Z"]);
    upstream.plan(&waived(", expires: 2199-01-01T00:00:00Z"), &[]).success();
    render(&[]).success();
    // Another component's plan, and one that names files.
    upstream.plan(&but(&good, "component: hypershift", "component: etcd"), &[]);
    one_line(&render(&[]), 11, "not of `etcd`");
    upstream.plan(&short_request(affected), &[]).success();
    one_line(&render(&[]), 11, "no finished image is named for 4.20");
}

/// No image is patched for what has no payload: plan, pull request and report say so, and none calls it
/// covered.
#[test]
fn versions_that_are_not_released_get_no_entry_of_a_bundle() {
    let chain = Chain::new(Place::Layout);
    let bench = &chain.lab.bench;
    let text = but(&request::text_420(), "  versions: [4.20.1, 4.20.2]\n", "");
    let text = but(&text, "fixedIn: 4.20.3", "fixedIn: 4.20.5");
    fs::write(bench.path("request.yaml"), text).unwrap();
    fs::write(bench.path("graph.json"), graph(&[&["4.20.1", "4.20.2"], &["4.21.0"]], &[])).unwrap();
    let plan = ["--request", "request.yaml", "--plan", "plan.json", "--graph", "graph.json"];
    let planned = bench.run("fleetfix-plan", [&plan[..], &[&chain.lab.mirror()]].concat());
    let said = finding(&planned.success().json()["document"], "coverage/aws/4.20/frontier");
    assert_eq!(said["level"], "warning");
    let says = "not released yet: 4.20.3 to 4.20.4; nothing of this plan is for that";
    assert!(said["message"].as_str().unwrap().starts_with(says), "{said}");
    chain.lab.patch().success();
    chain.sign().success();
    chain.attest().success();
    let bundle = chain.bundle().success().json()["bundle"].as_str().unwrap().to_owned();
    chain.release(&bundle);

    let rendered = render(&chain, &["--pull-request", "pull-request.md"]).success();
    let none = "OCPBUGS-61296: no entry for AWS 4.20.3 to 4.20.4, not released yet: plan the fix again after the release";
    let rendered = rendered.says(none);
    let place = |version: &str| serde_json::json!({"fix": request::FIX_ID, "platform": "AWS", "version": version});
    let waiting = [place("4.20.3"), place("4.20.4")];
    assert_eq!(rendered.json()["unreleased"], serde_json::json!(waiting));
    let pull = fs::read_to_string(bench.path("pull-request.md")).unwrap();
    assert!(pull.lines().any(|line| line == none), "{pull}");
    let there = entries(&fs::read_to_string(file(&chain)).unwrap());
    let versions: Vec<&str> = there.iter().map(|entry| entry.1.as_str()).collect();
    assert_eq!(versions, ["4.20.1", "4.20.2"]);
}

/// As HyperShift's own file has them: the image of the line, for each version up to the first fixed one.
#[test]
fn a_finished_image_has_entries_before_the_release() {
    let upstream = Upstream::with(&["4.20.5"]);
    let image = upstream.fix(Image::new("fixed", crate::plan::upstream::FIX));
    let request = short_request("{platform: AWS, introduced: 4.20.5, fixedIn: 4.20.7}");
    upstream.file("graph.json", &graph(&[&["4.20.5"], &["4.21.0"]], &[]));
    upstream.plan(&finished(&request, &image), &["--graph", "graph.json"]).success();
    let said = finding(&upstream.written(), "coverage/aws/4.20/frontier");
    assert_eq!(said["level"], "info");
    let args = ["render", "overrides", "--plan", "plan.json", "--into", "o.yaml"];
    let rendered = upstream.bench.run("fleetfix", args).success().says("2 entries added").json();
    assert_eq!(rendered["unreleased"], serde_json::json!([]));
    let there = entries(&fs::read_to_string(upstream.bench.path("o.yaml")).unwrap());
    let expected = ["4.20.5", "4.20.6"].map(|v| ("aws".to_owned(), v.to_owned(), image.clone()));
    assert_eq!(there, expected);
    // An annotation is written to clusters, of which none is on it yet.
    let single = but(
        &request,
        "component: hypershift",
        "component: hypershift\ndelivery: controlPlaneOperatorImage",
    );
    upstream.plan(&finished(&single, &image), &["--graph", "graph.json"]).code(10);
    let said = finding(&upstream.written(), "coverage/aws/4.20/frontier");
    assert_eq!(said["level"], "warning");
}

fn in_an_hour() -> String {
    let end = std::process::Command::new("date")
        .args(["--utc", "--date=+1 hour", "+%Y-%m-%dT%H:%M:%SZ"])
        .output()
        .unwrap();
    String::from_utf8(end.stdout).unwrap()
}

/// What the clock ended stays where it is: taking it away would bring back what it fixes.
#[test]
fn a_fix_that_is_over_is_told_and_stays() {
    let mut chain = Chain::new(Place::Layout);
    let bench = &chain.lab.bench;
    let text = fs::read_to_string(bench.path("request.yaml")).unwrap();
    fs::write(bench.path("request.yaml"), format!("{text}expires: {}", in_an_hour())).unwrap();
    let bundle = chain.build();
    chain.release(&bundle);
    fs::write(file(&chain), "platforms:\n  aws:\n    overrides: []\n").unwrap();
    render(&chain, &[]).success();
    let before = fs::read_to_string(file(&chain)).unwrap();
    assert!(before.contains("4.20.1"), "{before}");

    chain.lab.bench = std::mem::take(&mut chain.lab.bench).at_time("+2 hours");
    chain.verify("channel", &chain.channel(), &[]).success().says("expired");
    let there = format!("{}@{}", chain.lab.at("fleet/bundles"), bundle.split_once('@').unwrap().1);
    chain.verify("bundle", &there, &[]).code(10).says("ended at");
    let rendered = render(&chain, &[]).success().says("has expired").json();
    assert_eq!(rendered["expired"].as_array().unwrap().len(), 1, "{rendered}");
    assert_eq!(fs::read_to_string(file(&chain)).unwrap(), before);
    let args = ["render", "overrides", "--bundle", &there, "--root", "root.json"];
    one_line(&chain.lab.bench.run("fleetfix", args), 10, "expired");
}

/// What superseded another and was over before anybody rendered it: the other's entries stay.
#[test]
fn what_a_fix_that_is_over_superseded_stays() {
    let mut chain = Chain::new(Place::Layout);
    let first = chain.build();
    chain.release(&first);
    render(&chain, &[]).success().says("3 entries added");
    let before = fs::read_to_string(file(&chain)).unwrap();
    supersede(&chain, &format!("expires: {}", in_an_hour()));

    chain.lab.bench = std::mem::take(&mut chain.lab.bench).at_time("+2 hours");
    let rendered = render(&chain, &[]).success().says("has expired").json();
    assert_eq!(rendered["changes"], serde_json::json!([]), "{rendered}");
    assert_eq!(fs::read_to_string(file(&chain)).unwrap(), before);
}

/// An entry knows platform and version of a cluster, and nothing else: that it reaches others than those
/// that are meant is found in the plan, and rendered where somebody accepted it.
#[test]
fn clusters_that_an_entry_cannot_tell_apart() {
    let chain = Chain::new(Place::Layout);
    let write = |text: &str| fs::write(chain.lab.bench.path("request.yaml"), text).unwrap();
    let finding = "delivery/aws/4.20/targets";
    for selector in ["region: eu-west-1", "managementCluster: m1", "clusterId: c1", "label: a=b"] {
        let text = format!("{}targets: {{include: [{{{selector}}}]}}\n", request::text_420());
        write(&text);
        chain.lab.plan().code(10).says(finding);
    }
    let targets =
        "targets: {minControlPlaneOperator: 4.20.2, exclude: [{region: us-gov-west-1}]}\n";
    let waiver = format!("waivers: [{{finding: {finding}, by: alice, reason: none there}}]\n");
    write(&format!("{}{targets}{waiver}", request::text_420()));
    let bundle = chain.build();
    chain.approve_both(&bundle, &["--accept", finding]);
    chain.init().success();
    chain.publish(&bundle, &["alice", "bob"]).success();
    // 4.20.1 runs an older control plane operator than the fix needs.
    let left = "AWS 4.20.1 is below control plane operator 4.20.2";
    render(&chain, &[]).success().says(left).says("1 entries added");
    let there = fs::read_to_string(file(&chain)).unwrap();
    assert_eq!(entries(&there).into_iter().map(|e| e.1).collect::<Vec<_>>(), ["4.20.2"]);
}
