use fleetfix_model::{canonical, media};
use serde_json::{Value, json};

use super::*;

fn digest(name: &str) -> Digest {
    Digest::of(name)
}

fn request() -> Value {
    json!({
        "apiVersion": "fleetfix.openshift.io/v1alpha1", "kind": "FixRequest", "id": "FIX-1",
        "tickets": ["OCPBUGS-1"], "component": "etcd",
        "fixes": [{"minor": "4.20", "commit": "1111111111111111111111111111111111111111",
            "files": [{"path": "/usr/bin/etcd", "from": "etcd"}]}],
        "affected": [{"platform": "AWS", "introduced": "4.20.0", "fixedIn": "4.20.9"}],
        "requester": "rae",
        "waivers": [{"finding": "delivery/x", "by": "ann", "reason": "x"}],
    })
}

fn base() -> Value {
    json!({"digest": digest("base"), "repository": "quay.io/payload/etcd", "mediaType": media::OCI_INDEX,
        "minor": "4.20", "origin": "payload", "platforms": [{"platform": "linux/amd64", "digest": digest("base amd64")}]})
}

fn plan() -> Value {
    json!({
        "apiVersion": "fleetfix.openshift.io/v1alpha1", "kind": "FixPlan", "id": "FIX-1", "revision": 1,
        "tickets": ["OCPBUGS-1"], "request": digest("request"), "component": "etcd",
        "requester": "rae",
        "fixes": [{"minor": "4.20", "commit": "1111111111111111111111111111111111111111",
            "files": [{"path": "/usr/bin/etcd", "contents": []}]}],
        "bases": [base()],
        "rows": [
            {"platform": "AWS", "version": "4.20.1", "status": "covered", "base": digest("base")},
            {"platform": "AWS", "version": "4.20.2", "status": "covered", "base": digest("base")},
            {"platform": "AWS", "version": "4.20.9", "status": "fixedInPayload"},
        ],
        "delivery": [], "impact": [], "checks": [],
        "findings": [{"id": "coverage/4.20", "level": "warning", "message": "look"}],
    })
}

/// What each index must have, sorted by predicate type.
fn demands() -> Value {
    let demand = |predicate_type: &str| {
        json!({"subject": digest("index"), "predicateType": predicate_type, "role": "builder", "count": 1,
            "statement": digest(predicate_type)})
    };
    let mut provenance = demand(media::PROVENANCE_PREDICATE);
    provenance.as_object_mut().unwrap().remove("statement");
    json!([demand(media::SBOM_PREDICATE), demand(media::FIX_PREDICATE), provenance])
}

fn bundle() -> Value {
    let tag = format!("fix-1-r1-{}", digest("base").short());
    let descriptor = |name: &str, media_type: &str| json!({"mediaType": media_type, "digest": digest(name), "size": 7});
    json!({
        "apiVersion": "fleetfix.openshift.io/v1alpha1", "kind": "FixBundle", "id": "FIX-1", "revision": 1,
        "tickets": ["OCPBUGS-1"], "component": "etcd", "request": digest("request"), "plan": digest("plan"),
        "fleet": "quay.io/fleet",
        "images": [{"minor": "4.20", "repository": "etcd", "tag": tag, "index": descriptor("index", media::OCI_INDEX),
            "platforms": [{"platform": "linux/amd64", "manifest": descriptor("amd64", media::OCI_MANIFEST)}],
            "base": {"repository": "quay.io/payload/etcd", "digest": digest("base")},
            "commit": "1111111111111111111111111111111111111111",
            "attestations": demands()}],
        "affects": [{"platform": "AWS", "minor": "4.20", "introduced": "4.20.0", "fixedIn": "4.20.9",
            "versions": [{"version": "4.20.1", "image": digest("index")}, {"version": "4.20.2", "image": digest("index")}]}],
        "delivery": [], "impact": [],
        "rollback": {"possible": true, "reason": "x", "previous": [{"image": digest("index"), "base": digest("base")}]},
    })
}

fn judge(request: Value, plan: Value, bundle: Value) -> Judged {
    check(
        Documents {
            request: &canonical::typed(request).unwrap(),
            plan: &canonical::typed(plan).unwrap(),
            bundle: &canonical::typed(bundle).unwrap(),
        },
        "2026-06-01T00:00:00Z".parse().unwrap(),
    )
}

fn with(mut document: Value, pointer: &str, to: Value) -> Value {
    let (parent, field) = pointer.rsplit_once('/').unwrap();
    let parent = document.pointer_mut(parent).unwrap();
    match parent {
        Value::Array(items) => items[field.parse::<usize>().unwrap()] = to,
        _ => parent[field] = to,
    }
    document
}

#[test]
fn documents_that_agree() {
    let judged = judge(request(), plan(), bundle());
    assert!(judged.is_good(), "{judged:#?}");
}

#[test]
#[expect(clippy::too_many_lines, reason = "one table")]
fn every_difference_is_found_and_named() {
    let version = json!([{"version": "4.20.1", "image": digest("index")}]);
    let more = json!([{"version": "4.20.1", "image": digest("index")}, {"version": "4.20.2", "image": digest("index")},
        {"version": "4.20.3", "image": digest("index")}]);
    let other_minor = json!([{"version": "4.20.1", "image": digest("index")}, {"version": "4.20.2", "image": digest("index")},
        {"version": "4.21.0", "image": digest("index")}]);
    let other_base = with(base(), "/digest", json!(digest("other")));
    // (document, what is changed, to what, check that must fail, what it says)
    let table: Vec<(&str, &str, Value, &str, &str)> = vec![
        ("bundle", "/id", json!("FIX-2"), "fields", "the bundle differs from its plan in id"),
        ("bundle", "/revision", json!(2), "fields", "revision"),
        ("bundle", "/title", json!("other"), "fields", "title"),
        ("bundle", "/tickets", json!(["OCPBUGS-2"]), "fields", "tickets"),
        ("bundle", "/severity", json!("low"), "fields", "severity"),
        ("bundle", "/incident", json!("I-1"), "fields", "incident"),
        ("bundle", "/component", json!("hypershift"), "fields", "component"),
        ("bundle", "/request", json!(digest("x")), "fields", "request"),
        ("bundle", "/targets", json!({"include": [{"region": "eu"}]}), "fields", "targets"),
        (
            "bundle",
            "/delivery",
            json!([{"platform": "AWS", "minor": "4.20", "method": "imageOverrides",
            "scope": "cluster", "endsWithUpgrade": false, "reason": "x"}]),
            "fields",
            "delivery",
        ),
        (
            "bundle",
            "/impact",
            json!([{"platform": "AWS", "minor": "4.20", "class": "shared", "restarts": [],
            "rollsEtcd": true, "rollsKubeApiserver": false}]),
            "fields",
            "impact",
        ),
        ("bundle", "/rollout", json!({"maxParallel": 9}), "fields", "rollout"),
        (
            "bundle",
            "/healthGates",
            json!([{"condition": "Available", "status": "True", "windowSeconds": 1}]),
            "fields",
            "healthGates",
        ),
        ("bundle", "/supersedes", json!([{"id": "FIX-0"}]), "fields", "supersedes"),
        ("bundle", "/conflicts", json!([{"id": "FIX-0"}]), "fields", "conflicts"),
        ("bundle", "/expires", json!("2027-01-01T00:00:00Z"), "fields", "expires"),
        (
            "bundle",
            "/retireWhen",
            json!({"allClustersAtOrAbove": ["4.20.9"]}),
            "fields",
            "retireWhen",
        ),
        ("request", "/id", json!("FIX-2"), "request", "the plan differs from its request in id"),
        ("request", "/revision", json!(3), "request", "revision"),
        ("plan", "/title", json!("other"), "request", "title"),
        ("request", "/tickets", json!(["OCPBUGS-3"]), "request", "tickets"),
        ("plan", "/severity", json!("low"), "request", "severity"),
        ("plan", "/incident", json!("I-1"), "request", "incident"),
        ("plan", "/requester", json!("ann"), "request", "requester"),
        ("plan", "/supersedes", json!([{"id": "FIX-0"}]), "request", "supersedes"),
        ("request", "/supersedes", json!([{"id": "FIX-0"}]), "request", "supersedes"),
        ("plan", "/conflicts", json!([{"id": "FIX-0", "revision": 2}]), "request", "conflicts"),
        ("plan", "/targets", json!({"include": [{"region": "eu"}]}), "request", "targets"),
        ("plan", "/rollout", json!({"maxParallel": 9}), "request", "rollout"),
        (
            "plan",
            "/healthGates",
            json!([{"condition": "Available", "status": "True", "windowSeconds": 1}]),
            "request",
            "healthGates",
        ),
        ("plan", "/irreversible", json!("etcd moved on"), "request", "irreversible"),
        ("request", "/expires", json!("2027-01-01T00:00:00Z"), "request", "expires"),
        (
            "request",
            "/retireWhen",
            json!({"allClustersAtOrAbove": ["4.20.9"]}),
            "request",
            "retireWhen",
        ),
        ("plan", "/component", json!("hypershift"), "request", "component"),
        ("plan", "/fixes/0/minor", json!("4.21"), "request", "fix for 4.21"),
        ("plan", "/fixes/0/source", json!("https://x/y"), "request", "source for 4.20"),
        (
            "plan",
            "/fixes/0/commit",
            json!("2222222222222222222222222222222222222222"),
            "request",
            "commit for 4.20",
        ),
        ("plan", "/fixes/0/pullRequests", json!([1]), "request", "pullRequests for 4.20"),
        ("plan", "/fixes/0/authors", json!(["bob"]), "request", "authors for 4.20"),
        ("plan", "/fixes/0/files/0/path", json!("/usr/bin/other"), "request", "files for 4.20"),
        ("plan", "/fixes/0/files/0/mode", json!("4755"), "request", "files for 4.20"),
        ("plan", "/fixes/0/remove", json!(["/etc/passwd"]), "request", "remove for 4.20"),
        ("plan", "/fixes/0/image", json!("quay.io/x/y:z"), "request", "image for 4.20"),
        (
            "plan",
            "/findings/0/waiver",
            json!({"finding": "coverage/4.20", "by": "bob", "reason": "x"}),
            "request",
            "waiver of coverage/4.20",
        ),
        (
            "request",
            "/affected/0/introduced",
            json!("4.20.2"),
            "request",
            "AWS 4.20.1, which is not affected",
        ),
        (
            "request",
            "/affected/0/fixedIn",
            json!("4.20.2"),
            "request",
            "AWS 4.20.2, which is not affected",
        ),
        (
            "request",
            "/affected/0/excluded",
            json!([{"version": "4.20.2", "reason": "x"}]),
            "request",
            "AWS 4.20.2, which is not affected",
        ),
        (
            "request",
            "/affected/0/versions",
            json!(["4.20.1"]),
            "request",
            "AWS 4.20.2, which is not affected",
        ),
        (
            "bundle",
            "/affects/0/excluded",
            json!([{"version": "4.20.3", "reason": "nobody runs it"}]),
            "coverage",
            "not what the request affects",
        ),
        ("bundle", "/rollback/possible", json!(false), "rollback", "not what the plan says"),
        ("plan", "/irreversible", json!("etcd moved on"), "rollback", "not what the plan says"),
        ("bundle", "/rollback/previous", json!([]), "rollback", "does not lead back"),
        ("bundle", "/images/0/attestations", json!([]), "demands", media::FIX_PREDICATE),
        (
            "bundle",
            "/images/0/attestations/1/role",
            json!("approver"),
            "demands",
            media::FIX_PREDICATE,
        ),
        ("bundle", "/images/0/attestations/0/count", json!(0), "demands", media::SBOM_PREDICATE),
        (
            "bundle",
            "/images/0/attestations/0/statement",
            Value::Null,
            "demands",
            media::SBOM_PREDICATE,
        ),
        (
            "bundle",
            "/images/0/attestations/2/subject",
            json!(digest("amd64")),
            "demands",
            media::PROVENANCE_PREDICATE,
        ),
        ("plan", "/findings/0/level", json!("blocking"), "findings", "coverage/4.20"),
        (
            "bundle",
            "/affects/0/versions",
            version,
            "coverage",
            "AWS 4.20.2 is planned and not in the bundle",
        ),
        (
            "bundle",
            "/affects/0/versions",
            more,
            "coverage",
            "AWS 4.20.3 is in the bundle and not covered",
        ),
        ("bundle", "/affects/0/versions", other_minor, "coverage", "4.21.0 is no 4.20 version"),
        (
            "bundle",
            "/affects/0/introduced",
            json!("4.20.1"),
            "coverage",
            "not what the request affects",
        ),
        (
            "bundle",
            "/affects/0/fixedIn",
            json!("4.20.8"),
            "coverage",
            "not what the request affects",
        ),
        (
            "bundle",
            "/affects/0/platform",
            json!("Azure"),
            "coverage",
            "Azure 4.20 is not what the request affects",
        ),
        (
            "bundle",
            "/images/0/base/digest",
            json!(digest("other")),
            "coverage",
            "another base than planned",
        ),
        ("bundle", "/images/0/base/digest", json!(digest("other")), "images", "is not planned"),
        (
            "plan",
            "/rows/0/status",
            json!("gap"),
            "coverage",
            "AWS 4.20.1 is in the bundle and not covered",
        ),
        ("plan", "/bases", json!([other_base, base()]), "images", "no image"),
        ("plan", "/bases/0/minor", json!("4.21"), "images", "minor"),
        (
            "bundle",
            "/images/0/base/repository",
            json!("quay.io/other/etcd"),
            "images",
            "base.repository",
        ),
        (
            "bundle",
            "/images/0/base/commit",
            json!("2222222222222222222222222222222222222222"),
            "images",
            "base.commit",
        ),
        (
            "bundle",
            "/images/0/commit",
            json!("2222222222222222222222222222222222222222"),
            "images",
            "commit",
        ),
        ("bundle", "/images/0/repository", json!("hypershift"), "images", "repository"),
        ("bundle", "/images/0/tag", json!("latest"), "images", "tag"),
        (
            "bundle",
            "/images/0/index/mediaType",
            json!(media::DOCKER_INDEX),
            "images",
            "index.mediaType",
        ),
        ("bundle", "/images/0/platforms/0/platform", json!("linux/arm64"), "images", "platforms"),
        (
            "bundle",
            "/images/0/attestations/0/subject",
            json!(digest("else")),
            "images",
            "attestations",
        ),
        (
            "bundle",
            "/rollback/previous/0/base",
            json!(digest("else")),
            "rollback",
            "does not lead back",
        ),
    ];
    for (document, pointer, to, name, says) in table {
        let change = |here: &str, value: Value| {
            if here == document { with(value, pointer, to.clone()) } else { value }
        };
        let judged =
            judge(change("request", request()), change("plan", plan()), change("bundle", bundle()));
        let part = judged.check.checks.iter().find(|part| part.name == name).unwrap();
        assert!(!part.holds(), "{document} {pointer}: {judged:#?}");
        assert!(part.detail.contains(says), "{document} {pointer}: {}", part.detail);
        assert_eq!(judged.answer, crate::judgement::Answer::Refused);
    }
}

#[test]
fn a_waiver_covers_a_finding_until_it_ends() {
    let waived = |expires: Value| {
        let mut waiver = json!({"finding": "coverage/4.20", "by": "ann", "reason": "x"});
        if !expires.is_null() {
            waiver["expires"] = expires;
        }
        let plan = with(plan(), "/findings/0/level", json!("blocking"));
        let request = with(request(), "/waivers", json!([waiver]));
        judge(request, with(plan, "/findings/0/waiver", waiver), bundle())
    };
    assert!(waived(Value::Null).is_good());
    assert!(waived(json!("2026-06-01T00:00:01Z")).is_good());
    assert!(!waived(json!("2026-06-01T00:00:00Z")).is_good());
}

#[test]
fn long_lists_are_cut() {
    let versions: Vec<_> = (10..60)
        .map(|z| json!({"version": format!("4.20.{z}"), "image": digest("index")}))
        .collect();
    let judged = judge(request(), plan(), with(bundle(), "/affects/0/versions", json!(versions)));
    let coverage = judged.check.checks.iter().find(|part| part.name == "coverage").unwrap();
    assert!(coverage.detail.ends_with("and 42 more"), "{}", coverage.detail);
}

#[test]
fn what_follows_from_a_request_is_no_difference() {
    let asked = json!([{"id": "FIX-0"}]);
    let pinned = json!([{"id": "FIX-0", "revision": 3}]);
    let mapped =
        json!([{"id": "component/control-plane-operator", "level": "info", "message": "etcd"}]);
    let inferred = json!([{"minor": "4.20", "pullRequests": [7],
        "files": [{"path": "/usr/bin/etcd", "from": "etcd"}]}]);
    let plan = with(with(plan(), "/supersedes", pinned.clone()), "/findings", mapped);
    let plan = with(plan, "/fixes/0/pullRequests", json!([7]));
    let plan = with(plan, "/retireWhen", json!({"allClustersAtOrAbove": ["4.20.9"]}));
    let request = with(with(request(), "/supersedes", asked), "/fixes", inferred);
    let request = with(request, "/component", json!("control-plane-operator"));
    let bundle = with(bundle(), "/supersedes", pinned);
    let bundle = with(bundle, "/retireWhen", json!({"allClustersAtOrAbove": ["4.20.9"]}));
    let judged = judge(request, plan, bundle);
    assert!(judged.is_good(), "{judged:#?}");
}
