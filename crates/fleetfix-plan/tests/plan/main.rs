//! `fleetfix-plan` as a program, over payloads in OCI layouts made here.

#![expect(clippy::unwrap_used, clippy::indexing_slicing, reason = "a test fails by panicking")]

mod material;

use std::io::Read;
use std::net::TcpListener;
use std::path::Path;
use std::process::{Command, Output, Stdio};

use fleetfix_model::Digest;
use fleetfix_model::document::{self, FixPlan};
use serde_json::Value;

use material::{Material, REQUEST, Upstream};

fn command(dir: &Path) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_fleetfix-plan"));
    command.current_dir(dir).env_clear().env("HOME", dir);
    command
}

/// Runs the program on `request.yaml` in `dir`; the mirror leads to the material.
fn plan(material: &Material, dir: &Path, request: &str, more: &[&str]) -> Output {
    std::fs::write(dir.join("request.yaml"), request).unwrap();
    let mut command = command(dir);
    command.args(["--request", "request.yaml", "--plan", "plan.json"]);
    command.args(["--mirror", &material.mirror()]).args(more);
    command.output().unwrap()
}

fn told(output: &Output) -> (i32, String, String) {
    let text = |bytes: &[u8]| String::from_utf8(bytes.to_vec()).unwrap();
    (output.status.code().unwrap(), text(&output.stdout), text(&output.stderr))
}

fn read(dir: &Path) -> FixPlan {
    let bytes = std::fs::read(dir.join("plan.json")).unwrap();
    document::from_canonical("plan.json", &bytes).unwrap()
}

fn ids(plan: &FixPlan) -> Vec<&str> {
    plan.findings.iter().map(|finding| finding.id.as_str()).collect()
}

#[test]
fn the_plan_of_a_request() {
    let material = Material::new(Upstream::default());
    let dir = material.request_dir();
    let (code, out, err) =
        told(&plan(&material, &dir, REQUEST, &["--result-plan-digest", "digest"]));
    assert_eq!(code, 0, "{err}");
    let bytes = std::fs::read(dir.join("plan.json")).unwrap();
    let digest = Digest::of(&bytes).to_string();
    let document: Value = serde_json::from_slice(&bytes).unwrap();
    let expected = serde_json::json!({
        "plan": "plan.json", "digest": digest, "covered": 4, "blocking": 0, "document": document,
    });
    assert_eq!(serde_json::from_str::<Value>(&out).unwrap(), expected);
    assert_eq!(std::fs::read_to_string(dir.join("digest")).unwrap(), digest);
    assert!(err.lines().all(|line| !line.starts_with("error")), "{err}");

    let golden = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/goldens/plan.json");
    if std::env::var_os("UPDATE_GOLDENS").is_some_and(|value| !value.is_empty()) {
        std::fs::write(&golden, &bytes).unwrap();
    }
    let golden = std::fs::read(&golden).unwrap_or_default();
    assert_eq!(
        String::from_utf8_lossy(&bytes),
        String::from_utf8_lossy(&golden),
        "another plan: look at the difference, then run this test with UPDATE_GOLDENS=1"
    );
}

#[test]
fn the_same_request_elsewhere_is_the_same_plan() {
    let one = Material::new(Upstream::default());
    let other = Material::new(Upstream::default());
    let (dir, elsewhere) = (one.request_dir(), other.request_dir().join("a/b"));
    std::fs::create_dir_all(&elsewhere).unwrap();
    material::write_files(&elsewhere);
    told(&plan(&one, &dir, REQUEST, &[]));
    // The spelling of the YAML does not matter, nor what a shell would set.
    let spelled = format!("# in a hurry\n{}", REQUEST.replace("4.20.1, 4.20.2", "4.20.1,  4.20.2"));
    std::fs::write(elsewhere.join("request.yaml"), spelled).unwrap();
    let script = format!(
        "umask 0077; exec {} --request {} --plan out.json --mirror '{}'",
        env!("CARGO_BIN_EXE_fleetfix-plan"),
        elsewhere.join("request.yaml").display(),
        other.mirror()
    );
    let run = Command::new("sh")
        .args(["-c", &script])
        .current_dir(&elsewhere)
        .env_clear()
        .envs([("LC_ALL", "tr_TR.UTF-8"), ("TZ", "Asia/Tokyo"), ("SOURCE_DATE_EPOCH", "1")])
        // What Tekton passes for parameters that nobody gave.
        .envs(
            [
                "FLEETFIX_OUTPUT",
                "FLEETFIX_RESULT_PLAN_DIGEST",
                "FLEETFIX_MIRROR",
                "REGISTRY_AUTH_FILE",
            ]
            .map(|name| (name, "")),
        )
        .output()
        .unwrap();
    assert_eq!(told(&run).0, 0, "{}", told(&run).2);
    let (a, b) = (dir.join("plan.json"), elsewhere.join("out.json"));
    assert_eq!(std::fs::read(a).unwrap(), std::fs::read(&b).unwrap());
    let mode =
        std::os::unix::fs::PermissionsExt::mode(&std::fs::metadata(b).unwrap().permissions());
    assert_eq!(mode & 0o777, 0o644);
}

#[test]
fn what_blocks_is_written_and_refused() {
    let material = Material::new(Upstream::default());
    let dir = material.request_dir();
    let etcd = REQUEST.replace("component: hypershift", "component: etcd");
    let (code, out, err) = told(&plan(&material, &dir, &etcd, &[]));
    assert_eq!(code, 10, "{err}");
    assert_eq!(serde_json::from_str::<Value>(&out).unwrap()["blocking"], 3);
    let last = err.lines().last().unwrap();
    assert!(last.starts_with("error: plan.json: delivery/aws/4.20/survives-upgrade: "), "{err}");
    assert!(ids(&read(&dir)).contains(&"delivery/aws/4.21/survives-upgrade"));

    let waive = |expires: &str| {
        let one = |line: &str| {
            format!(
                "- {{finding: delivery/{line}/survives-upgrade, by: lena, reason: guarded{expires}}}\n"
            )
        };
        let all: String = ["aws/4.20", "aws/4.21", "azure/4.21"].map(one).concat();
        format!("{etcd}waivers:\n{all}- {{finding: gone, by: lena, reason: x}}\n")
    };
    let (code, _, err) = told(&plan(&material, &dir, &waive(""), &[]));
    assert_eq!(code, 0, "{err}");
    let waived = read(&dir);
    assert_eq!(waived.stopping("2026-06-01T00:00:00Z".parse().unwrap()).count(), 0);
    assert!(ids(&waived).contains(&"waiver/gone"));
    // A waiver that is over does not change the plan, only what is made of it.
    let (code, _, err) =
        told(&plan(&material, &dir, &waive(", expires: '2020-01-01T00:00:00Z'"), &[]));
    assert_eq!(code, 10, "{err}");
    assert!(err.contains("survives-upgrade (its waiver ended 2020-01-01T00:00:00Z)"), "{err}");
}

#[test]
fn what_cannot_be_resolved_leaves_no_plan() {
    let material = Material::new(Upstream::default());
    let dir = material.request_dir();
    let replaced = |from: &str, to: &str| {
        assert!(REQUEST.contains(from), "{from}");
        REQUEST.replace(from, to)
    };
    let table = [
        (
            replaced("component: hypershift", "component: hyperschift"),
            "request.yaml: no payload has a component `hyperschift`",
            "[did you mean `hypershift`?]",
        ),
        (
            replaced("component: hypershift", "component: only-420"),
            "has no component `only-420`",
            "4.21.0-multi",
        ),
        (
            replaced("fixedIn: 4.20.3\n  versions: [4.20.1, 4.20.2]", "versions: [4.20.1, 4.20.5]"),
            "request.yaml: version 4.20.5 has no payload: not found quay.io/openshift-release-dev/ocp-release:4.20.5-x86_64, quay.io/",
            "[name one in `payloads`",
        ),
        (
            replaced(
                "payloadTemplates:",
                "payloads: [{version: 4.20.2, image: 'quay.io/openshift-release-dev/ocp-release:4.20.1-multi'}]\npayloadTemplates:",
            ),
            "payload quay.io/openshift-release-dev/ocp-release:4.20.1-multi is version 4.20.1, expected 4.20.2",
            "",
        ),
        (
            replaced("out/4.20/{arch}/app", "out/4.19/{arch}/app"),
            "request.yaml: field `fixes[1].files[0].from`: cannot read out/4.19/amd64/app",
            "",
        ),
        (
            replaced("'out/4.20/{arch}/app'", "out"),
            "field `fixes[1].files[0].from`: out is not a file",
            "",
        ),
        (
            replaced("- minor: '4.21'", "- minor: '4.22'"),
            "AWS 4.21 is affected and `fixes` has no entry for 4.21",
            "",
        ),
        (
            replaced("tickets: [OCPBUGS-61296]", "tickets: OCPBUGS-61296"),
            "request.yaml:4:",
            "field `tickets`",
        ),
        (replaced("introduced: 4.20.1", "introduced: 4.20"), "field `affected[0].introduced`", ""),
        (
            replaced("component: hypershift", "component: hypershift\ncolour: red"),
            "request.yaml:6:",
            "colour",
        ),
        (
            replaced(
                "versions: [4.20.1, 4.20.2]",
                "versions: [4.20.1]\n  excluded: [{version: 4.20.1, reason: x}]",
            )
            .replace(
                "introduced: 4.21.0",
                "introduced: 4.21.0\n  excluded: [{version: 4.21.0, reason: x}]",
            ),
            "field `affected`: no version is left to cover",
            "",
        ),
        (
            replaced("component: hypershift", "component: twice"),
            "in 4.20.1 and in 4.21.0",
            "two release lines",
        ),
    ];
    for (request, text, more) in table {
        let (code, out, err) = told(&plan(&material, &dir, &request, &[]));
        assert_eq!((code, out.as_str()), (11, ""), "{text}: {err}");
        let last = err.lines().last().unwrap();
        assert!(
            last.starts_with("error: ") && last.contains(text) && last.contains(more),
            "{text}: {err}"
        );
        assert_eq!(err.matches("error: ").count(), 1, "{err}");
        assert!(!dir.join("plan.json").exists(), "{text}");
    }
    let (code, _, err) = told(
        &command(&dir).args(["--request", "none.yaml", "--plan", "plan.json"]).output().unwrap(),
    );
    assert!(code == 11 && err.starts_with("error: cannot read none.yaml: "), "{err}");
    let (code, _, err) = told(
        &command(&dir).args(["--plan", "plan.json"]).env("FLEETFIX_REQUEST", "").output().unwrap(),
    );
    assert!(code == 2 && err.contains("--request <FILE>"), "{err}");
    let left: Vec<_> = std::fs::read_dir(&dir).unwrap().map(|e| e.unwrap().file_name()).collect();
    assert_eq!(left.len(), 2, "request and files only: {left:?}");
}

#[test]
fn payloads_that_contradict_themselves_are_found() {
    let upstream = Upstream {
        amd64_only: true,
        other_label: true,
        uneven_labels: true,
        ..Upstream::default()
    };
    let material = Material::new(upstream);
    let dir = material.request_dir();
    let (code, _, err) = told(&plan(&material, &dir, REQUEST, &[]));
    assert_eq!(code, 0, "{err}");
    let plan = read(&dir);
    let short = |minor: &str| {
        let base = plan.bases.iter().find(|base| base.minor.to_string() == minor).unwrap();
        base.digest.short()
    };
    for id in ["architecture/4.21.0", "commit/4.20.1/differs", &format!("labels/{}", short("4.20"))]
    {
        assert!(ids(&plan).contains(&id), "{id}: {:?}", ids(&plan));
    }
    let base = plan.bases.iter().find(|base| base.minor.to_string() == "4.21").unwrap();
    assert_eq!(base.platforms.len(), 1);
}

#[test]
fn architectures_of_a_payload_with_different_images_block() {
    let material = Material::new(Upstream { differing: true, ..Upstream::default() });
    let dir = material.request_dir();
    let (code, _, err) = told(&plan(&material, &dir, REQUEST, &[]));
    assert_eq!(code, 10, "{err}");
    assert!(ids(&read(&dir)).contains(&"payload/4.21.0/differing"));
}

#[test]
fn for_people() {
    let material = Material::new(Upstream::default());
    let dir = material.request_dir();
    let lines: [&str; 8] = [
        "OCPBUGS-61296 revision 1, hypershift: LDAP logins fail after the certificate rotation",
        "Nothing blocks this plan. 0 waived, 3 warnings, 12 checks not made.",
        "  AWS       4.20  4.20.1 to 4.20.2 (2)  4.20.3",
        "  4.20  4.20.1 to 4.20.2 (2)  quay.io/openshift-release-dev/ocp-v4.0-art-dev@",
        "      replaces /usr/bin/app (amd64, arm64)",
        "  AWS 4.20, AWS 4.21, Azure 4.21  overridesYaml, ends with the customer's upgrade: keyed by platform and exact version",
        "  impact/aws/4.20/customer-nodes  `hypershift` reaches customer nodes: ",
        "  upgrade  no update graph was given: ",
    ];
    let (code, out, err) = told(&plan(&material, &dir, REQUEST, &["--output", "table"]));
    assert_eq!(code, 0, "{err}");
    for line in lines {
        assert!(out.lines().any(|found| found.starts_with(line)), "{line}\n{out}");
    }
    let (code, out, err) = told(&plan(&material, &dir, REQUEST, &["--output", "markdown"]));
    assert_eq!(code, 0, "{err}");
    for line in [
        "## OCPBUGS-61296 revision 1, hypershift: LDAP logins",
        "**Nothing blocks",
        "| AWS | 4.20 | 4.20.1 to 4.20.2 (2) | 4.20.3 |",
    ] {
        assert!(out.lines().any(|found| found.starts_with(line)), "{line}\n{out}");
    }
    let (code, out, err) = told(&plan(&material, &dir, REQUEST, &["--output", "yaml"]));
    assert_eq!(code, 0, "{err}");
    let read: Value = fleetfix_model::yaml::from_yaml("out", out.as_bytes()).unwrap();
    let written: Value =
        serde_json::from_slice(&std::fs::read(dir.join("plan.json")).unwrap()).unwrap();
    assert_eq!(read["document"], written);
}

#[test]
fn a_finished_image_takes_the_place_of_what_runs() {
    let material = Material::new(Upstream::default());
    let dir = material.request_dir();
    let with = |image: &str| {
        let files = "  files: [{path: /usr/bin/app, from: 'out/4.20/{arch}/app'}]\n";
        assert!(REQUEST.contains(files));
        REQUEST.replace(files, &format!("  image: quay.io/openshift-release-dev/fixes{image}\n"))
    };
    let (code, _, err) = told(&plan(&material, &dir, &with(":both"), &[]));
    assert!(code == 10 && err.contains("image/4.20/mutable: "), "{err}");
    let made = read(&dir);
    let pinned = made.fixes[0].image.as_ref().unwrap();
    assert!(pinned.tag.is_none());
    let digest = pinned.digest.unwrap();

    let (code, _, err) = told(&plan(&material, &dir, &with(&format!("@{digest}")), &[]));
    assert_eq!(code, 0, "{err}");
    let (code, _, err) = told(&plan(&material, &dir, &with(":amd64"), &[]));
    assert!(code == 10 && err.contains("lacks linux/arm64"), "{err}");
    let (code, _, err) = told(&plan(&material, &dir, &with(":bare"), &[]));
    let haproxy = "control-plane-operator-skips-haproxy";
    assert!(code == 10 && err.contains(haproxy) && err.contains("every customer node"), "{err}");
}

#[test]
fn a_layout_that_the_request_names_lies_below_its_directory() {
    let material = Material::new(Upstream::default());
    let dir = material.request_dir();
    let elsewhere = tempfile::tempdir().unwrap();
    let named = |version: &str| {
        format!("- {{version: {version}, image: 'oci:../sources/ocp-release:{version}-multi'}}\n")
    };
    let (head, _) = REQUEST.split_once("payloadTemplates:").unwrap();
    let payloads: String = ["4.20.1", "4.20.2", "4.21.0"].map(named).concat();
    std::fs::write(dir.join("request.yaml"), format!("{head}payloads:\n{payloads}")).unwrap();
    let output = command(elsewhere.path())
        .arg("--request")
        .arg(dir.join("request.yaml"))
        .args(["--plan", "plan.json", "--mirror", &material.mirror()])
        .output()
        .unwrap();
    assert_eq!(told(&output).0, 0, "{}", told(&output).2);
    let text = std::fs::read_to_string(elsewhere.path().join("plan.json")).unwrap();
    assert!(!text.contains("oci:") && !text.contains(dir.to_str().unwrap()), "{text}");
}

/// A registry that takes the connection and says nothing: the program is then told to stop.
#[test]
fn sigterm_leaves_nothing_and_says_how_to_go_on() {
    let material = Material::new(Upstream::default());
    let dir = material.request_dir();
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let place = listener.local_addr().unwrap();
    std::fs::write(dir.join("request.yaml"), REQUEST).unwrap();
    let mut child = command(&dir)
        .args(["--request", "request.yaml", "--plan", "plan.json"])
        .args(["--mirror", &format!("quay.io/openshift-release-dev={place}")])
        .stderr(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let connection = listener.accept().unwrap();
    let killed = Command::new("kill").args(["-TERM", &child.id().to_string()]).status().unwrap();
    assert!(killed.success());
    let status = child.wait().unwrap();
    drop(connection);
    let mut err = String::new();
    child.stderr.take().unwrap().read_to_string(&mut err).unwrap();
    assert_eq!(status.code(), Some(12), "{err}");
    let last = err.lines().last().unwrap();
    assert_eq!(last, "error: interrupted: run the same command again to go on");
    assert_eq!(std::fs::read_dir(&dir).unwrap().count(), 2, "request and files only");
}
