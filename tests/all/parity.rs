//! New programs that are not built as those that they replace.

use std::collections::BTreeSet;
use std::fs;

use fleetfix_testkit::base::{Archive, Blobs, Entry, Family, ImageRecipe, Layer};
use fleetfix_tests::base::{ARCHITECTURES, program};
use fleetfix_tests::binary::Workbench;
use fleetfix_tests::child::Output;
use fleetfix_tests::client::Clients;
use fleetfix_tests::image::Layout;
use fleetfix_tests::registry::{Kind, Registry};
use fleetfix_tests::tools::tool;
use serde_json::{Value, json};

use crate::bases::many::{UPSTREAM, plan};

const PATH: &str = "usr/bin/app";

/// A base of two architectures with a real program under two names, and a script.
struct Place {
    bench: Workbench,
    layers: BTreeSet<String>,
    /// The index and its images.
    base: (Value, Vec<Value>),
}

impl Place {
    fn new() -> Self {
        Self::of(|architecture| {
            vec![
                Entry::file("usr/bin/real", 0o755, program("base", architecture)),
                Entry::hard_link(PATH, "usr/bin/real"),
                Entry::file("usr/bin/script", 0o755, "#!/bin/sh\n"),
                Entry::file("usr/bin/notes", 0o644, "notes\n"),
            ]
        })
    }

    /// A base of two architectures with these entries in `/usr/bin`.
    fn of(entries: impl Fn(&str) -> Vec<Entry>) -> Self {
        let mut blobs = Blobs::default();
        let mut layers = BTreeSet::new();
        let image = |architecture: &&'static str| {
            let above = [Entry::dir("usr", 0o755), Entry::dir("usr/bin", 0o755)];
            let upper = Archive::of(above.into_iter().chain(entries(architecture)));
            ImageRecipe::new(Family::Oci, architecture, vec![Layer::gzip(upper)])
        };
        let images: Vec<Value> = ARCHITECTURES
            .iter()
            .map(image)
            .map(|recipe| {
                layers
                    .extend(recipe.layers.iter().map(|l| fleetfix_tests::image::digest(&l.bytes)));
                blobs.image(&recipe)
            })
            .collect();
        let top = blobs.index(Family::Oci, &images);
        let bench = Workbench::new();
        let layout = Layout::create(&bench.path("base"));
        blobs.blobs.values().for_each(|bytes| drop(layout.put("", bytes)));
        blobs.manifests.iter().for_each(|(kind, bytes)| drop(layout.put(kind, bytes)));
        layout.tag("1", top.clone());
        Self { bench, layers, base: (top, images) }
    }

    /// Lays out a file for each architecture.
    fn file(&self, path: &str, content: impl Fn(&str) -> Vec<u8>) {
        for architecture in ARCHITECTURES {
            let path = self.bench.path("files").join(architecture).join(path);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, content(architecture)).unwrap();
        }
    }

    fn patch(&self, name: &str, more: &[&str]) -> Output {
        let base = format!("oci:{}:1", self.bench.path("base").display());
        let image = format!("oci:{}:{name}", self.bench.path("patched").display());
        let args = ["--base-image", &base, "--files", "files", "--image", &image];
        self.bench.run("fleetfix-patch", [&args[..], more].concat())
    }
}

/// Names of the findings of a report.
fn findings(report: &Value) -> Vec<&str> {
    let findings = report["images"][0]["findings"].as_array();
    findings.into_iter().flatten().map(|finding| finding["finding"].as_str().unwrap()).collect()
}

#[test]
fn the_same_build_passes_without_a_word() {
    let place = Place::new();
    place.file(PATH, |architecture| program("fixed", architecture));
    place.file("usr/bin/script", |_| b"#!/bin/sh\nexec true\n".to_vec());
    place.file("usr/bin/notes", |_| b"other notes\n".to_vec());
    let report = place.patch("fixed", &[]).success().json();
    assert_eq!(findings(&report), [""; 0]);
}

#[test]
fn another_architecture_is_refused_whatever_is_accepted() {
    let place = Place::new();
    place.file(PATH, |_| program("fixed", "arm64"));
    let accept = ["--accept", "parity/architecture", "--accept", "parity/go-processor"];
    let said = place.patch("other", &accept).code(10);
    said.says("linux/amd64: /usr/bin/app: architecture: arm64, in the base amd64");
    assert!(!place.bench.path("patched/index.json").exists(), "nothing is written");
    // A new file is held against the image itself.
    let place = Place::new();
    place.file("usr/bin/new", |_| program("fixed", "amd64"));
    place.patch("new", &["--create"]).code(10).says("linux/arm64: /usr/bin/new: architecture");
}

#[test]
fn another_build_is_refused_unless_every_difference_is_accepted() {
    let place = Place::new();
    // Both architectures: only the one of this program is looked at further.
    let registry = fs::read(tool("docker-registry")).unwrap();
    place.file(PATH, |architecture| {
        if architecture == "amd64" { registry.clone() } else { program("fixed", architecture) }
    });
    let said = place.patch("other", &[]).code(10);
    for name in ["parity/linkage", "parity/go-version", "parity/go-cgo", "parity/go-package"] {
        assert!(said.stderr.contains(name), "{name}: {said}");
    }
    assert!(said.stderr.contains("version of Go: go1.19"), "{said}");
    let names = said.stderr.split("by name: ").nth(1).unwrap().trim().trim_end_matches(']');
    let names: Vec<String> = names.split(", ").map(str::to_owned).collect();
    let accept: Vec<&str> = names.iter().flat_map(|name| ["--accept", name.as_str()]).collect();
    place.patch("all-but-one", &accept[2..]).code(10).says(&names[0]);
    let report = place.patch("all", &accept).success();
    report.clone().says("accepted: ");
    let report = report.json();
    let found: BTreeSet<&str> = findings(&report).into_iter().collect();
    assert_eq!(found, names.iter().map(String::as_str).collect());
    let finding = &report["images"][0]["findings"][0];
    assert_eq!(
        (&finding["platform"], &finding["path"]),
        (&"linux/amd64".into(), &"/usr/bin/app".into())
    );
    assert_eq!((&finding["accepted"], &finding["severity"]), (&true.into(), &"waivable".into()));
}

#[test]
fn a_program_that_is_none() {
    let place = Place::new();
    place.file(PATH, |_| b"#!/bin/sh\n".to_vec());
    place.patch("script", &[]).code(10).says("format: no ELF file, in the base an ELF file");
    place.patch("accepted", &["--accept", "parity/format"]).success();
    let place = Place::new();
    place.file(PATH, |architecture| program("fixed", architecture)[..100_000].to_vec());
    place.patch("cut", &[]).code(11).says("is no whole ELF file");
}

#[test]
fn a_plan_says_what_is_accepted() {
    let place = Place::new();
    let script = |_: &str| b"#!/bin/sh\n".to_vec();
    fs::create_dir(place.bench.path("out")).unwrap();
    for architecture in ARCHITECTURES {
        fs::write(place.bench.path("out").join(architecture), script(architecture)).unwrap();
    }
    let patch = |findings: &Value| {
        let bases = std::slice::from_ref(&place.base);
        let plan = plan(bases, "/usr/bin/app", script, findings);
        fs::write(place.bench.path("plan.json"), plan).unwrap();
        let mirror = format!("{UPSTREAM}=oci:{}", place.bench.path("base").display());
        let to = format!("oci:{}", place.bench.path("build").display());
        let args = ["--plan", "plan.json", "--files", ".", "--to", &to, "--mirror", &mirror];
        place.bench.run("fleetfix-patch", args)
    };
    let waived = |finding: &str| {
        let waiver = json!({"finding": finding, "by": "alice", "reason": "a script now"});
        json!([{"id": finding, "level": "blocking", "message": "later", "waiver": waiver}])
    };
    patch(&json!([])).code(10).says("accepted by name: parity/format");
    patch(&waived("parity/linkage")).code(10).says("accepted by name: parity/format");
    let report = patch(&waived("parity/format")).success().json();
    assert_eq!(findings(&report), ["parity/format"; 2]);
}

/// What is known of a base's program is known the next time, whatever the new one is.
#[test]
fn a_base_is_read_for_it_once() {
    let place = Place::new();
    let registry = Registry::start(Kind::Distribution);
    let from = format!("oci:{}:1", place.bench.path("base").display());
    let base = format!("{}:1", registry.repository("base"));
    Clients::new().copy(&from, &base);
    let downloads = |start: usize| {
        let log = registry.log();
        let of_layer = |line: &&String| {
            line.contains("\"GET ") && place.layers.iter().any(|layer| line.contains(layer))
        };
        log.iter().skip(start).filter(of_layer).count()
    };
    let patch = |name: &str| {
        let image = format!("{}:{name}", registry.repository("patched"));
        let args = ["--base-image", &base, "--files", "files", "--image", &image];
        place.bench.run("fleetfix-patch", args)
    };
    place.file(PATH, |architecture| program("fixed", architecture));
    let start = registry.log().len();
    patch("first").success();
    assert!(downloads(start) >= 2, "each architecture's layer");
    place.file(PATH, |architecture| program("base", architecture));
    let start = registry.log().len();
    patch("second").success();
    place.file(PATH, |_| b"#!/bin/sh\n".to_vec());
    patch("third").code(10).says("parity/format");
    assert_eq!(downloads(start), 0, "{:?}", registry.log());
}

/// Notes of a report.
fn notes(report: &Value) -> Vec<&str> {
    let notes = report["images"][0]["notes"].as_array();
    notes.into_iter().flatten().map(|note| note.as_str().unwrap()).collect()
}

/// Two programs of one Go module, what nobody runs of the same, and a program of another module.
fn two_of_one_module() -> Place {
    let olareg = fs::read(tool("olareg")).unwrap();
    Place::of(|architecture| {
        vec![
            Entry::file(PATH, 0o755, program("base", architecture)),
            Entry::file("usr/bin/other", 0o755, olareg.clone()),
            Entry::file("usr/bin/second", 0o755, program("fixed", architecture)),
            Entry::hard_link("usr/bin/third", "usr/bin/second"),
            Entry::file("usr/bin/unused", 0o644, program("fixed", architecture)),
        ]
    })
}

/// What is said where `replaced` is replaced and `staying` stays.
fn said_of_module(replaced: &str, staying: &str) -> [String; 2] {
    ARCHITECTURES.map(|architecture| {
        format!(
            "linux/{architecture}: of the programs of Go module fleetfix.test/tools/component, \
             {replaced} is replaced, and these stay as they are: {staying}"
        )
    })
}

/// Whatever the run before looked for: the layer is read once, and says the same of itself.
#[test]
fn other_programs_of_the_same_module_are_named_cold_and_warm() {
    let place = two_of_one_module();
    place.file(PATH, |architecture| program("fixed", architecture));
    let once = |more: &[&str]| {
        let output = place.patch("fixed", more).success();
        fs::remove_dir_all(place.bench.path("patched")).unwrap();
        output
    };
    let cold = once(&[]);
    let expected = said_of_module("/usr/bin/app", "/usr/bin/second, /usr/bin/third");
    assert_eq!(notes(&cold.json()), expected);
    for note in &expected {
        assert!(cold.stderr.contains(note), "{cold}");
    }
    let warm = once(&[]);
    assert_eq!((&warm.stdout, &warm.stderr), (&cold.stdout, &cold.stderr));
    // Another program: the layer is known, and was not read for that one.
    fs::remove_dir_all(place.bench.path("files")).unwrap();
    place.file("usr/bin/second", |architecture| program("base", architecture));
    let warm = once(&[]);
    let new_cache = once(&["--cache-dir", "another"]);
    assert_eq!(warm.stdout, new_cache.stdout);
    let report = warm.json();
    let found = notes(&report);
    for note in said_of_module("/usr/bin/second", "/usr/bin/app") {
        assert!(found.contains(&note.as_str()), "{found:?}");
    }
}

#[test]
fn nothing_is_said_where_no_program_of_the_module_stays() {
    let of_module = |report: &Value| {
        let notes = notes(report).into_iter().filter(|note| note.contains("module"));
        notes.map(str::to_owned).collect::<Vec<_>>()
    };
    let place = two_of_one_module();
    place.file(PATH, |architecture| program("fixed", architecture));
    let remove = ["--remove", "/usr/bin/second", "--remove", "/usr/bin/third"];
    let removed = place.patch("removed", &remove).success().json();
    assert_eq!(of_module(&removed), [""; 0]);
    place.file("usr/bin/second", |architecture| program("base", architecture));
    // Its other name has a note of its own: it keeps the old content.
    let both = place.patch("both", &[]).success().json();
    assert_eq!(of_module(&both), [""; 0]);
    assert!(notes(&both).iter().any(|note| note.contains("hard-linked")), "{both}");
    // What is replaced is of that module, and nobody runs it.
    let place = two_of_one_module();
    place.file("usr/bin/unused", |architecture| program("base", architecture));
    let unused = place.patch("unused", &[]).success().json();
    assert_eq!(of_module(&unused), [""; 0], "{unused}");
}
