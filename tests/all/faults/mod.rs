//! Registries that fail and lie, seen from outside: the image is the same as without the fault, or
//! the error has the exit code of its kind and nothing half-written is left; and what is secret
//! reaches no other host.

mod credentials;
mod disk;
mod publish;
mod races;
mod reads;
mod registries;
mod writes;

use std::path::PathBuf;
use std::process::Command;
use std::sync::OnceLock;

use fleetfix_testkit::registry::{Behaviour, Fault, Registry, Reply, Server, TokenService};
use fleetfix_tests::base::ARCHITECTURES;
use fleetfix_tests::binary::Workbench;
use fleetfix_tests::child::{self, Output};
use fleetfix_tests::image::{Family, LayerWriter, Layout, put_image, put_index};
use serde_json::json;

use crate::refusals::one_line;

/// What documents call the place that bases are read from.
const NAME: &str = "quay.io/example/mirror";
/// Where images go.
const TO: &str = "build/app";
/// The tag that they get.
const TAG: &str = "fixed";
/// `robot:secret`, as it is sent.
const LOGIN: &str = "cm9ib3Q6c2VjcmV0";

/// What comes of a fault.
#[derive(Clone, Copy, Debug)]
enum Ends {
    /// As without it.
    Same,
    /// With this exit code and an error that says this.
    Fails(i32, &'static str),
}
use Ends::{Fails, Same};

/// A registry with a base and a login, another host, and an engineer's directory.
struct Place {
    registry: Registry,
    tokens: TokenService,
    /// Serves and takes the registry's blobs, and may see no secret.
    elsewhere: Server,
    bench: Workbench,
    base: String,
    /// Variables that say where the login is.
    login: Vec<(String, String)>,
}

impl Place {
    fn new() -> Self {
        Self::with_layer_of(200_000)
    }

    /// The same with a file of so many bytes in the base.
    fn with_layer_of(size: usize) -> Self {
        let registry = Registry::like(Behaviour { strict: true, ..Behaviour::default() });
        let tokens = TokenService::start();
        tokens.insist_on(&format!("Basic {LOGIN}"));
        registry.guard(&tokens);
        let bench = Workbench::new();
        let base = base_with(&bench, size);
        registry.load("mirror", &bench.path("base"));
        std::fs::create_dir_all(bench.path("files/opt/app")).unwrap();
        std::fs::write(bench.path("files/opt/app/data"), content(300_000, 7)).unwrap();
        let login = json!({"auths": {registry.host(): {"auth": LOGIN}}});
        std::fs::write(bench.path("auth.json"), login.to_string()).unwrap();
        let elsewhere = registry.second_host();
        let login = vec![("REGISTRY_AUTH_FILE".to_owned(), "auth.json".to_owned())];
        Self { registry, tokens, elsewhere, bench, base, login }
    }

    /// A place where the base was patched before: its metadata is remembered, and the image is gone
    /// again.
    fn warm() -> Self {
        Self::new().warmed()
    }

    fn warmed(self) -> Self {
        self.patch().success();
        let mut content = self.registry.content();
        content.manifests.retain(|(repository, _), _| repository != TO);
        content.blobs.retain(|(repository, _), _| repository != TO);
        drop(content);
        self.registry.server.forget();
        self.tokens.server.forget();
        self.elsewhere.forget();
        self
    }

    fn faults(&self, faults: Vec<Fault>) {
        for fault in faults {
            self.registry.fault(fault);
        }
    }

    fn patch(&self) -> Output {
        self.patch_with(&["--registry-timeout=20s"])
    }

    fn patch_with(&self, more: &[&str]) -> Output {
        self.patch_base(&format!("{NAME}@{}", self.base), more)
    }

    fn patch_base(&self, base: &str, more: &[&str]) -> Output {
        let to = format!("{}:{TAG}", self.registry.repository(TO));
        child::run(&mut self.command(base, &to, more))
    }

    /// The same with the image somewhere else.
    fn patch_to(&self, to: &str, more: &[&str]) -> Output {
        child::run(&mut self.command(&format!("{NAME}@{}", self.base), to, more))
    }

    fn command(&self, base: &str, to: &str, more: &[&str]) -> Command {
        let mirror = format!("--mirror={NAME}={}", self.registry.repository("mirror"));
        let own = ["--base-image", base, "--files", "files", "--image", to, &mirror];
        let args = [&own[..], &["--retry-wait=1ms"], more].concat();
        let mut command = self.bench.command("fleetfix-patch", args);
        command.envs(self.login.iter().map(|(name, value)| (name, value)));
        command
    }

    /// The same place with its programs run in another way.
    fn run_by(mut self, change: impl FnOnce(Workbench) -> Workbench) -> Self {
        self.bench = change(self.bench);
        self
    }

    /// Holds `output` and what is in the registry to what the fault may do.
    #[track_caller]
    fn check(&self, what: &str, output: &Output, ends: Ends) {
        let content = self.registry.content();
        let missing = content.missing(TO);
        assert!(missing.is_empty(), "{what}: manifests without {missing:?}: {output}");
        let tags = content.tags(TO);
        drop(content);
        match ends {
            Same => {
                assert_eq!(output.code, Some(0), "{what}: {output}");
                assert_eq!(output.json()["images"][0]["digest"], expected(), "{what}");
                assert_eq!(tags, [TAG], "{what}");
                let there = self.registry.manifest(TO, TAG).unwrap();
                assert_eq!(fleetfix_tests::image::digest(&there), expected(), "{what}");
            }
            Fails(code, part) => {
                assert_eq!(output.code, Some(code), "{what}: {output}");
                one_line(output, code, part);
                assert_eq!(tags, <[&str; 0]>::default(), "{what}: a tag was left behind");
            }
        }
        let told: Vec<String> = self
            .elsewhere
            .log()
            .iter()
            .filter(|access| access.has_secret())
            .map(ToString::to_string)
            .collect();
        assert!(told.is_empty(), "{what}: another host was told a secret: {told:?}");
        assert!(!output.stderr.contains("secret"), "{what}: {output}");
    }
}

/// The digest that a registry without faults gets.
fn expected() -> &'static str {
    static DIGEST: OnceLock<String> = OnceLock::new();
    DIGEST.get_or_init(|| {
        let output = Place::new().patch().success();
        output.json()["images"][0]["digest"].as_str().unwrap().to_owned()
    })
}

/// Bytes that do not compress.
pub(crate) fn content(size: usize, seed: u64) -> Vec<u8> {
    let mut state = seed;
    let next = |_| {
        // A linear congruential generator with Knuth's constants (MMIX).
        state =
            state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        state.to_be_bytes()[0]
    };
    (0..size).map(next).collect()
}

/// Writes a base of two architectures. Returns the digest of its index.
pub(crate) fn base(bench: &Workbench) -> String {
    base_with(bench, 200_000)
}

/// The same with a file of `size` bytes.
fn base_with(bench: &Workbench, size: usize) -> String {
    let path: PathBuf = bench.path("base");
    let layout = Layout::create(&path);
    let root = LayerWriter::default().dir("opt", (0o755, 0, 0)).finish(&layout);
    let app = LayerWriter::default()
        .dir("opt/app", (0o755, 0, 0))
        .file("opt/app/data", (0o640, 0, 7), &content(size, 1))
        .finish(&layout);
    let child = |architecture: &&str| {
        let platform = json!({"os": "linux", "architecture": architecture});
        let image = put_image(&layout, Family::Oci, platform.clone(), &[root.clone(), app.clone()]);
        (image, platform)
    };
    let children: Vec<_> = ARCHITECTURES.iter().map(child).collect();
    let index = put_index(&layout, Family::Oci, &children);
    layout.tag("v1", index.clone());
    index["digest"].as_str().unwrap().to_owned()
}

/// Runs `test` where nothing is known of the base, and where it was patched before.
fn cold_and_warm(test: impl Fn(&str, Place)) {
    test("cold", Place::new());
    test("warm", Place::warm());
}

/// Runs each row in places of its own, cold and warm.
#[track_caller]
fn each(table: Vec<(&str, Vec<Fault>, Ends)>) {
    for (what, faults, ends) in table {
        cold_and_warm(|known, place| {
            place.faults(faults.clone());
            let output = place.patch();
            place.check(&format!("{what}, {known}"), &output, ends);
            let idle = place.registry.server.idle_faults();
            assert!(idle.is_empty(), "{what}, {known}: nothing went wrong: {idle:?}");
        });
    }
}

/// A reply that says when to come back.
fn later(status: u16, when: &str) -> Reply {
    Reply::error(status, "TOOMANYREQUESTS").with("retry-after", when)
}
