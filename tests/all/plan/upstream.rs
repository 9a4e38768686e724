//! Release images, component images and a graph to plan with: small, so that a test makes its own.

use std::fs;
use std::path::PathBuf;

use fleetfix_tests::binary::Workbench;
use fleetfix_tests::child::Output;
use fleetfix_tests::image::{Family, LayerWriter, Layout, put_image, put_index};
use serde_json::{Value, json};

/// Where the names of release images and components start.
pub(crate) const ORIGIN: &str = "quay.io/openshift-release-dev";
/// The commit of the images of a payload, where a test does not care.
pub(crate) const RELEASED: &str = "1111111111111111111111111111111111111111";
/// The commit of the fix, where a test does not care.
pub(crate) const FIX: &str = "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa";
/// The labels that HyperShift's operator reads, of which a payload's image has these.
pub(crate) const LABELS: [&str; 3] = [
    "control-plane-operator-skips-haproxy",
    "control-plane-operator-subcommands",
    "restricted-psa",
];

const ROOT: (u32, u32, u32) = (0o644, 0, 0);

/// A component's image.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Image<'a> {
    /// Its content, and its tag.
    pub(crate) name: &'a str,
    /// The commit that its label names; empty: it has no such label.
    pub(crate) commit: &'a str,
    /// Its architectures.
    pub(crate) architectures: &'a [&'a str],
    /// Its labels, after `io.openshift.hypershift.`.
    pub(crate) labels: &'a [&'a str],
}

impl<'a> Image<'a> {
    /// An image as a release has it.
    pub(crate) fn new(name: &'a str, commit: &'a str) -> Self {
        Self { name, commit, architectures: &["amd64", "arm64"], labels: &LABELS }
    }
}

/// Layouts below one directory, which the mirror leads to, and a directory for requests.
#[derive(Debug)]
pub(crate) struct Upstream {
    pub(crate) bench: Workbench,
    releases: Layout,
    components: Layout,
    fixes: Layout,
}

impl Upstream {
    pub(crate) fn new() -> Self {
        let bench = Workbench::new();
        fs::write(bench.path("app"), "fixed").unwrap();
        let layout = |name: &str| Layout::create(&bench.path("mirror").join(name));
        let (releases, components, fixes) =
            (layout("ocp-release"), layout("ocp-v4.0-art-dev"), layout("fixes"));
        Self { bench, releases, components, fixes }
    }

    /// Payloads of these versions, with one image of each component for each release line.
    pub(crate) fn with(versions: &[&str]) -> Self {
        let upstream = Self::new();
        for version in versions {
            let (line, _) = version.rsplit_once('.').unwrap();
            let image = upstream.component(Image::new(line, RELEASED));
            upstream.payload(version, &image, RELEASED);
        }
        upstream
    }

    /// Writes a component's image beside those of releases; its digest.
    pub(crate) fn component(&self, image: Image<'_>) -> String {
        write(&self.components, image)
    }

    /// Writes a finished fix; its reference by digest.
    pub(crate) fn fix(&self, image: Image<'_>) -> String {
        format!("{ORIGIN}/fixes@{}", write(&self.fixes, image))
    }

    /// A payload for several architectures, with the image for `hypershift`, `etcd` and `hyperkube`.
    pub(crate) fn payload(&self, version: &str, image: &str, commit: &str) {
        let tags = ["etcd", "hyperkube", "hypershift"].map(|tag| (tag, image, commit));
        self.payload_of(version, &format!("{version}-multi"), &["amd64", "arm64"], &tags);
    }

    /// A payload under a tag of its own; of one architecture it is no index.
    pub(crate) fn payload_of(
        &self,
        version: &str,
        tag: &str,
        architectures: &[&str],
        components: &[(&str, &str, &str)],
    ) {
        let stream = |(name, image, commit): &(&str, &str, &str)| {
            json!({
                "name": name,
                "annotations": {"io.openshift.build.commit.id": commit},
                "from": {"kind": "DockerImage", "name": format!("{ORIGIN}/ocp-v4.0-art-dev@{image}")},
            })
        };
        let references = json!({
            "kind": "ImageStream", "apiVersion": "image.openshift.io/v1", "metadata": {"name": version},
            "spec": {"tags": components.iter().map(stream).collect::<Vec<_>>()},
        });
        let metadata = json!({"kind": "cincinnati-metadata-v0", "version": version});
        let layer = LayerWriter::default()
            .file("release-manifests/image-references", ROOT, references.to_string().as_bytes())
            .file("release-manifests/release-metadata", ROOT, metadata.to_string().as_bytes())
            .finish(&self.releases);
        let image = |architecture: &str| {
            let config = json!({"architecture": architecture, "os": "linux"});
            put_image(&self.releases, Family::Docker, config, std::slice::from_ref(&layer))
        };
        let descriptor = match architectures {
            [one] => image(one),
            several => {
                let child = |architecture: &&str| {
                    (image(architecture), json!({"architecture": architecture, "os": "linux"}))
                };
                let children: Vec<_> = several.iter().map(child).collect();
                put_index(&self.releases, Family::Docker, &children)
            }
        };
        self.releases.tag(tag, descriptor);
    }

    /// Where the layouts lie.
    pub(crate) fn mirror(&self) -> PathBuf {
        self.bench.path("mirror")
    }

    /// `fleetfix-plan` on this request; writes `plan.json`.
    pub(crate) fn plan(&self, request: &str, more: &[&str]) -> Output {
        self.file("request.yaml", request);
        let mirror = format!("{ORIGIN}=oci:{}", self.mirror().display());
        let args = ["--request", "request.yaml", "--plan", "plan.json", "--mirror", &mirror];
        self.bench.run("fleetfix-plan", [&args[..], more].concat())
    }

    /// Writes a file for a request or a flag.
    pub(crate) fn file(&self, name: &str, text: &str) {
        fs::write(self.bench.path(name), text).unwrap();
    }

    /// The plan that was written last.
    pub(crate) fn written(&self) -> Value {
        serde_json::from_slice(&fs::read(self.bench.path("plan.json")).unwrap()).unwrap()
    }

    /// Versions of a status, of all platforms.
    pub(crate) fn versions(&self, status: &str) -> Vec<String> {
        let plan = self.written();
        let rows = plan["rows"].as_array().unwrap().iter().filter(|row| row["status"] == status);
        rows.map(|row| row["version"].as_str().unwrap().to_owned()).collect()
    }
}

fn write(layout: &Layout, image: Image<'_>) -> String {
    let Image { name, commit, architectures, labels } = image;
    let mut map = if commit.is_empty() { json!({}) } else { json!({"vcs-ref": commit}) };
    for label in labels {
        map[format!("io.openshift.hypershift.{label}")] = json!("true");
    }
    let child = |architecture: &&str| {
        let content = format!("{name} {commit} {architecture}");
        let layer =
            LayerWriter::default().file("usr/bin/app", ROOT, content.as_bytes()).finish(layout);
        let config =
            json!({"architecture": architecture, "os": "linux", "config": {"Labels": map}});
        let image = put_image(layout, Family::Oci, config, &[layer]);
        (image, json!({"architecture": architecture, "os": "linux"}))
    };
    let children: Vec<_> = architectures.iter().map(child).collect();
    let index = put_index(layout, Family::Oci, &children);
    let digest = index["digest"].as_str().unwrap().to_owned();
    layout.tag(name, index);
    digest
}

/// A graph as Cincinnati serves it: every version with an edge to each later one of its line, and the
/// further edges.
pub(crate) fn graph(lines: &[&[&str]], more: &[(&str, &str)]) -> String {
    let versions: Vec<&str> = lines.iter().flat_map(|line| line.iter().copied()).collect();
    let index = |version: &str| versions.iter().position(|v| *v == version).unwrap();
    let mut edges = Vec::new();
    for line in lines {
        for (i, from) in line.iter().enumerate() {
            edges.extend(line[i + 1..].iter().map(|to| [index(from), index(to)]));
        }
    }
    edges.extend(more.iter().map(|(from, to)| [index(from), index(to)]));
    let nodes: Vec<Value> =
        versions.iter().map(|v| json!({"version": v, "metadata": {}})).collect();
    json!({"version": 1, "nodes": nodes, "edges": edges, "conditionalEdges": []}).to_string()
}

/// A request for one release line of one platform, as short as can be.
pub(crate) fn request(affected: &str) -> String {
    format!(
        "apiVersion: fleetfix.openshift.io/v1alpha1
kind: FixRequest
tickets: [OCPBUGS-61296]
component: hypershift
requester: rita
fixes:
- minor: '4.20'
  commit: {FIX}
  pullRequests: [7110]
  files: [{{path: /usr/bin/app, from: app}}]
affected:
- {affected}
payloadTemplates: ['{ORIGIN}/ocp-release:{{version}}-multi']
"
    )
}

/// The request with a waiver for one finding.
pub(crate) fn waiving(request: &str, finding: &str) -> String {
    format!(
        "{request}waivers:\n- {{finding: {finding}, by: lena, reason: looked at and accepted}}\n"
    )
}

/// The request with another text in place of one that is there.
pub(crate) fn but(request: &str, from: &str, to: &str) -> String {
    assert!(request.contains(from), "no `{from}` in {request}");
    request.replace(from, to)
}

/// The request with a finished image instead of files.
pub(crate) fn finished(request: &str, image: &str) -> String {
    but(request, "files: [{path: /usr/bin/app, from: app}]", &format!("image: {image}"))
}

/// A finding of a plan, by its name.
#[track_caller]
pub(crate) fn finding(plan: &Value, id: &str) -> Value {
    let findings = plan["findings"].as_array().unwrap();
    let ids: Vec<&str> = findings.iter().map(|f| f["id"].as_str().unwrap()).collect();
    let found = findings.iter().find(|finding| finding["id"] == id);
    assert!(found.is_some(), "{id} is not among {ids:?}");
    found.unwrap().clone()
}

/// Why a check was not made; `None`: it was.
#[track_caller]
pub(crate) fn not_made(plan: &Value, name: &str) -> Option<String> {
    let check = plan["checks"].as_array().unwrap().iter().find(|check| check["name"] == name);
    let check = check.unwrap_or_else(|| panic!("no check {name}"));
    (check["state"] == "notMade").then(|| check["reason"].as_str().unwrap().to_owned())
}

/// The refusal names the finding and says what to do.
#[track_caller]
pub(crate) fn refused(output: Output, finding: &str, says: &[&str]) -> Output {
    let output = output.code(10);
    let line = output.stderr.lines().last().unwrap();
    assert!(line.starts_with("error: "), "{output}");
    for text in [&[finding][..], says].concat() {
        assert!(line.contains(text), "no `{text}`: {output}");
    }
    output
}
