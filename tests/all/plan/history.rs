//! Plans with the source's history: older code is refused, and what comes along is shown.

use fleetfix_testkit::git::Git;

use super::upstream::{Image, Upstream, but, not_made, refused, request, waiving};

const AFFECTED: &str = "{platform: AWS, introduced: 4.20.5, fixedIn: 4.20.6}";

/// Two releases of 4.20, a hotfix that is not in them, and a fix that lacks the hotfix.
pub(super) struct World {
    pub(super) upstream: Upstream,
    pub(super) source: Git,
    pub(super) released: String,
    pub(super) hotfix: String,
    pub(super) fix: String,
}

pub(super) fn world() -> World {
    let upstream = Upstream::new();
    let mut source = Git::init(&upstream.bench.path("source"));
    source.commit("Start");
    source.checkout(&["-b", "release-4.20"]);
    let released = source.commit("Release 4.20.5");
    source.checkout(&["-b", "hotfix"]);
    let hotfix = source.commit("An earlier hotfix");
    source.checkout(&["release-4.20"]);
    source.commit("Something else \u{202e}entirely");
    let fix = source.merge(7110, "amir/fix", "Fix LDAP logins");
    let image = upstream.component(Image::new("4.20", &released));
    upstream.payload("4.20.5", &image, &released);
    World { upstream, source, released, hotfix, fix }
}

pub(super) fn request_for(commit: &str) -> String {
    but(&request(AFFECTED), super::upstream::FIX, commit)
}

/// A line may have two branches: one that the other holds is only behind.
#[test]
fn a_branch_that_another_one_of_its_line_holds() {
    let World { upstream, source, released, fix, .. } = world();
    let unmerged = |branch: &str, at: &str| {
        source.run(&["branch", "--force", branch, at]);
        upstream.plan(&request_for(&fix), &["--git", "source"]).success();
        let findings = upstream.written()["findings"].to_string();
        findings.contains("commit/4.20/unmerged")
    };
    assert!(!unmerged("openshift-4.20", &released));
    // What is in neither is not merged.
    source.checkout(&["--detach", &fix]);
    source.run(&["branch", "--force", "release-4.20", &released]);
    assert!(unmerged("openshift-4.20", &released));
}

/// The fix is newer than the payload's image, and older than what runs.
#[test]
fn a_fix_that_lacks_what_runs() {
    let World { upstream, mut source, hotfix, fix, .. } = world();
    let image = upstream.fix(Image::new("hotfix", &hotfix));
    let short = &image.rsplit_once(':').unwrap().1[..12];
    let overrides = format!(
        "platforms:\n  aws:\n    overrides:\n    - version: 4.20.5\n      cpoImage: {image}\n"
    );
    upstream.file("overrides.yaml", &overrides);
    // Against the payload's image alone it would pass.
    upstream.plan(&request_for(&fix), &["--git", "source"]).success();
    let given = ["--git", "source", "--overrides", "overrides.yaml"];
    let id = format!("downgrade/4.20/{short}");
    let says = ["does not descend from", "clusters would run older code", "no waiver helps"];
    refused(upstream.plan(&request_for(&fix), &given), &id, &says);
    refused(upstream.plan(&waiving(&request_for(&fix), &id), &given), &id, &says);

    source.checkout(&["-b", "both", &fix]);
    source.run(&["merge", "--quiet", "--no-ff", "--message", "Both", "hotfix"]);
    let both = source.commit("Built from this");
    upstream.plan(&request_for(&both), &given).success();
}

#[test]
fn what_comes_along_is_listed_and_what_is_claimed_is_there() {
    let World { upstream, fix, released, .. } = world();
    upstream.plan(&request_for(&fix), &["--git", "source"]).success();
    let plan = upstream.written();
    let along = plan["fixes"][0]["along"].as_array().unwrap();
    let titles: Vec<&str> = along.iter().map(|c| c["title"].as_str().unwrap()).collect();
    assert_eq!(titles, ["Something else entirely"], "{plan:#}");

    // A commit that is in the repository and lacks the pull request.
    let output = upstream.plan(&request_for(&released), &["--git", "source"]);
    refused(output, "ancestry/4.20/7110", &["is not in the fix's commit"]);
    // One that nobody has.
    let nowhere = upstream.plan(&request_for(&"f".repeat(40)), &["--git", "source"]);
    refused(nowhere, "downgrade/4.20/", &["the repository lacks", "fetch both"]);
    let without = upstream.plan(&request_for(&fix), &["--git", "nowhere"]).code(11);
    assert!(without.stderr.contains("nowhere is no git repository"), "{without}");
}

/// Fixes for Azure once went under AWS (openshift/hypershift #9009, #9010).
#[test]
fn a_fix_under_the_wrong_platform() {
    let World { upstream, mut source, .. } = world();
    source.checkout(&["release-4.20"]);
    let fix = source.merge(9009, "amir/fix", "ARO: tolerate a missing subnet");
    let aws = but(&request_for(&fix), "[7110]", "[7110, 9009]");
    let given = ["--git", "source"];
    let says = ["names Azure, and the request is for AWS", "name the platform that is affected"];
    refused(upstream.plan(&aws, &given), "platform/9009", &says);
    upstream.plan(&but(&aws, "platform: AWS", "platform: Azure"), &given).success();
    upstream.plan(&waiving(&aws, "platform/9009"), &given).success();
}

/// No title says it: the files are all of another platform.
#[test]
fn a_fix_of_files_of_another_platform() {
    let World { upstream, mut source, .. } = world();
    source.checkout(&["release-4.20"]);
    let file = |source: &Git, path: &str| {
        let path = upstream.bench.path("source").join(path);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, "package azure\n").unwrap();
        source.run(&["add", "--all"]);
    };
    file(&source, "internal/platform/azure/azure.go");
    file(&source, "docs/content.md");
    let fix = source.merge(9009, "amir/fix", "Tolerate a missing subnet");
    let aws = but(&request_for(&fix), "[7110]", "[7110, 9009]");
    let given = ["--git", "source"];
    let says = ["changes files of Azure only, such as internal/platform/azure/azure.go"];
    refused(upstream.plan(&aws, &given), "platform/9009/files", &says);
    upstream.plan(&but(&aws, "platform: AWS", "platform: Azure"), &given).success();
    file(&source, "support/util/util.go");
    let general = source.merge(9010, "amir/fix", "Tolerate more");
    let aws = but(&request_for(&general), "[7110]", "[7110, 9010]");
    upstream.plan(&aws, &given).success();
}

/// The pull request is enough: its merge is in the release branch, and the first z-stream whose
/// development cutoff follows it has the fix.
#[test]
fn a_pull_request_and_cutoffs_are_enough() {
    let World { upstream, fix, .. } = world();
    let graph = super::upstream::graph(&[&["4.20.5"], &["4.21.0"]], &[]);
    upstream.file("graph.json", &graph);
    let cutoffs = "4.20.6: 2025-12-01T00:00:00Z\n4.20.7: 2026-02-01T00:00:00Z\n";
    upstream.file("cutoffs.yaml", cutoffs);
    let commit = format!("  commit: {}\n", super::upstream::FIX);
    let open = but(&but(&request(AFFECTED), &commit, ""), ", fixedIn: 4.20.6", "");
    let given = ["--git", "source", "--graph", "graph.json"];
    refused(upstream.plan(&open, &given), "coverage/aws/4.20/open-end", &["development cutoff"]);
    upstream.plan(&open, &[&given[..], &["--cutoffs", "cutoffs.yaml"]].concat()).success();
    let plan = upstream.written();
    assert_eq!(plan["fixes"][0]["commit"], fix.as_str());
    assert_eq!(plan["frontier"], serde_json::json!(["4.20.7"]));
    assert_eq!(upstream.versions("unreleased"), ["4.20.6"]);
}

/// A commit that was reverted is in the history and not in the code.
#[test]
fn a_fix_that_was_taken_back() {
    let World { upstream, mut source, fix, .. } = world();
    let message = format!("Revert \"Fix LDAP logins\"\n\nThis reverts commit {fix}.");
    let reverted = source.commit(&message);
    let given = ["--git", "source"];
    refused(
        upstream.plan(&request_for(&reverted), &given),
        "ancestry/4.20/7110/reverted",
        &["was taken back since by", "build the fix on a commit that holds it"],
    );
    // The fix itself holds it, and no release after it will.
    let id = "commit/4.20/7110/taken-back";
    refused(
        upstream.plan(&request_for(&fix), &given),
        id,
        &["was taken back in release-4.20 by", "merge it there again"],
    );
    upstream.plan(&waiving(&request_for(&fix), id), &given).success();
    let again = format!("Reapply \"Fix LDAP logins\"\n\nThis reverts commit {reverted}.");
    let again = source.commit(&again);
    upstream.plan(&request_for(&again), &given).success();
    upstream.plan(&request_for(&fix), &given).success();
}

/// A fork holds reverts of what has the number in the repository that it was made from.
#[test]
fn a_revert_of_that_number_in_another_repository() {
    let World { upstream, mut source, fix, .. } = world();
    source.commit("Revert \"Something\"\n\nReverts amir/fork#7110");
    let given = ["--git", "source"];
    let id = "commit/4.20/7110/taken-back";
    // Nobody says which repository this is.
    refused(upstream.plan(&request_for(&fix), &given), id, &["was taken back in release-4.20"]);
    let of = |url: &str| {
        let named = format!("  source: {url}\n  commit:");
        upstream.plan(&but(&request_for(&fix), "  commit:", &named), &given)
    };
    of("https://github.com/openshift/hypershift").success();
    refused(of("https://github.com/Amir/fork.git"), id, &["was taken back"]);
    // The source is a fork, whose history has the reverts of where it was made from.
    source.commit("Take it back\n\nReverts openshift/hypershift#7110");
    refused(of("https://github.com/amir/hypershift"), id, &["was taken back in release-4.20"]);
}

/// The pull request is in the branch that the release branches are made from, and a trailer of the
/// release branch names its commit.
#[test]
fn a_main_branch_of_another_name() {
    let World { upstream, mut source, .. } = world();
    source.checkout(&["main"]);
    source.merge(7200, "amir/fix", "Fix something else");
    let picked = source.at("HEAD^2");
    source.run(&["branch", "--move", "main", "trunk"]);
    source.checkout(&["release-4.20"]);
    let fix = source.commit(&format!("Fix it\n\n(cherry picked from commit {picked})"));
    let commit = format!("  commit: {}\n", super::upstream::FIX);
    let open = but(&but(&request(AFFECTED), &commit, ""), "[7110]", "[7200]");
    let given = ["--git", "source"];
    upstream.plan(&open, &given);
    assert_eq!(upstream.written()["fixes"][0]["commit"], serde_json::Value::Null);
    upstream.plan(&open, &[&given[..], &["--main", "trunk"]].concat()).success();
    assert_eq!(upstream.written()["fixes"][0]["commit"], fix.as_str());
    let wrong = upstream.plan(&open, &[&given[..], &["--main", "nowhere"]].concat()).code(11);
    assert!(wrong.stderr.contains("there is no branch nowhere"), "{wrong}");
}

/// A line may have two branches that grew apart: releases are made from the one with the fix.
#[test]
fn two_branches_of_a_line_that_grew_apart() {
    let World { upstream, mut source, released, hotfix, fix } = world();
    source.checkout(&["-b", "openshift-4.20", &released]);
    source.commit("Only here");
    let given = ["--git", "source"];
    upstream.plan(&request_for(&fix), &given).success();
    let findings = upstream.written()["findings"].to_string();
    assert!(!findings.contains("commit/4.20/"), "{findings}");
    let id = "commit/4.20/branches";
    let says = ["several branches", "openshift-4.20, release-4.20", "name as `commit`"];
    let unnamed = but(&request_for(&fix), &format!("  commit: {fix}\n"), "");
    refused(upstream.plan(&unnamed, &given), id, &says);
    // In both of them, and in neither.
    refused(upstream.plan(&request_for(&released), &given), id, &says);
    let neither = but(&request_for(&hotfix), "  pullRequests: [7110]\n", "");
    refused(upstream.plan(&neither, &given), id, &says);
    upstream.plan(&waiving(&neither, id), &given).success();
    assert!(upstream.written()["findings"].to_string().contains("commit/4.20/unmerged"));
}

/// Of two commits only one was picked into the release branch.
#[test]
fn a_pull_request_that_was_picked_in_part() {
    let World { upstream, mut source, .. } = world();
    source.checkout(&["-b", "two", "main"]);
    let first = source.commit("Fix the first half");
    let second = source.commit("Fix the second half");
    source.checkout(&["main"]);
    let merge = "Merge pull request #7300 from amir/two\n\nFix both halves";
    source.run(&["merge", "--quiet", "--no-ff", "--message", merge, "two"]);
    source.checkout(&["release-4.20"]);
    let pick =
        |title: &str, commit: &str| format!("{title}\n\n(cherry picked from commit {commit})");
    let half = source.merge(7301, "amir/half", &pick("Fix the first half", &first));
    let request = |commit: &str| but(&request_for(commit), "[7110]", "[7110, 7300]");
    let (id, given) = ("commit/4.20/7300/partial", ["--git", "source"]);
    let says = ["only a part of #7300 was picked to release-4.20", &second, "pick the rest"];
    refused(upstream.plan(&request(&half), &given), id, &says);
    upstream.plan(&waiving(&request(&half), id), &given).success();
    let whole = source.merge(7302, "amir/rest", &pick("Fix the second half", &second));
    upstream.plan(&request(&whole), &given).success();
    // A part that was taken back is lacking again, whichever it is.
    for part in [&whole, &half] {
        let back = source.commit(&format!("Revert it\n\nThis reverts commit {part}."));
        refused(upstream.plan(&request(&back), &given), id, &["only a part of #7300"]);
        source.commit(&format!("Reapply it\n\nThis reverts commit {back}."));
    }
}

/// A clone may leave out what commits change: then nobody looked at it.
#[test]
fn files_that_the_repository_does_not_have() {
    let World { upstream, mut source, .. } = world();
    std::fs::write(source.dir().join("azure.go"), "package azure\n").unwrap();
    source.run(&["add", "--all"]);
    let fix = source.merge(9009, "amir/fix", "Tolerate a missing subnet");
    let request = but(&request_for(&fix), "[7110]", "[7110, 9009]");
    refused(upstream.plan(&request, &["--git", "source"]), "platform/9009/files", &[]);
    assert_eq!(not_made(&upstream.written(), "platform"), None);

    source.run(&["config", "uploadpack.allowFilter", "true"]);
    let url = format!("file://{}", source.dir().display());
    let clone = ["clone", "--quiet", "--bare", "--filter=tree:0", &url];
    let to = source.beside("treeless").display().to_string();
    source.run(&[&clone[..], &[&to]].concat());
    upstream.plan(&request, &["--git", "treeless"]).success();
    let why = not_made(&upstream.written(), "platform").unwrap();
    assert!(why.contains("does not have the files that #9009 change"), "{why}");
}
