//! Our signatures and attestations in front of cosign and of skopeo, which checks as CRI-O does.

use std::fs;

use fleetfix_tests::base::{self, Base};
use fleetfix_tests::binary::Workbench;
use fleetfix_tests::client::Clients;
use fleetfix_tests::image::Layout;
use fleetfix_tests::keys::{self, KeyPair};
use fleetfix_tests::payload::BASE_420;
use fleetfix_tests::registry::{KINDS, Kind, Registry};

/// An image in a registry, with all that signs and checks.
struct Scene {
    bench: Workbench,
    clients: Clients,
    registry: Registry,
    base: Base,
}

impl Scene {
    fn new(kind: Kind) -> Self {
        let (clients, registry) = (Clients::new(), Registry::start(kind));
        let layout = Layout::create(&clients.path("component"));
        let base = base::write(&layout, BASE_420);
        let from = format!("oci:{}:{}", layout.dir().display(), BASE_420.name);
        for tag in ["one", "two"] {
            clients.copy(&from, &format!("{}:{tag}", registry.repository("fleet/hypershift")));
        }
        Self { bench: Workbench::new(), clients, registry, base }
    }

    fn repository(&self) -> String {
        self.registry.repository("fleet/hypershift")
    }

    /// `fleetfix-sign` or `fleetfix-attest` with a key.
    fn run(&self, program: &str, key: &KeyPair, args: &[&str]) -> fleetfix_tests::child::Output {
        let flags = keys::flags(&self.clients, key);
        self.bench.run(program, args.iter().map(|arg| (*arg).to_owned()).chain(flags))
    }
}

#[test]
fn clusters_and_cosign_take_the_signature() {
    for (kind, encrypted) in KINDS.into_iter().zip([true, false, true]) {
        let scene = Scene::new(kind);
        let make = if encrypted { keys::cosign } else { keys::plain };
        let (key, other) = (make(&scene.clients, "release"), keys::plain(&scene.clients, "other"));
        let (repository, clients) = (scene.repository(), &scene.clients);
        let one = format!("{repository}:one");
        clients.copy_signed(&repository, &key, &one).refused().says("signature was required");

        let signed = scene.run("fleetfix-sign", &key, &["--image", &one]).success();
        assert_eq!(
            signed.json()["signed"].as_array().unwrap().len(),
            3,
            "index and two manifests: {signed}"
        );
        for digest in [&scene.base.digest, &scene.base.manifests[0], &scene.base.manifests[1]] {
            clients.verify(&key, &format!("{repository}@{digest}")).success();
        }
        clients.verify(&other, &one).refused();
        clients.copy_signed(&repository, &key, &one).success();
        clients
            .copy_signed(&repository, &key, &format!("{repository}@{}", scene.base.digest))
            .success();
        clients.copy_signed(&repository, &other, &one).refused();
        // The same bytes under a tag that nobody signed.
        clients
            .copy_signed(&repository, &key, &format!("{repository}:two"))
            .refused()
            .says("not accepted");

        // Again: nothing is added. A second key: added beside the first.
        let manifest = || {
            clients.crane(&["manifest", &signature_of(&repository, &scene.base.digest)]).success()
        };
        let before = manifest().stdout;
        scene.run("fleetfix-sign", &key, &["--image", &one]).success();
        assert_eq!(manifest().stdout, before, "signed again: {kind:?}");
        scene.run("fleetfix-sign", &other, &["--image", &one]).success();
        for key in [&key, &other] {
            clients.copy_signed(&repository, key, &one).success();
            clients.verify(key, &one).success();
        }
    }
}

fn signature_of(repository: &str, digest: &str) -> String {
    format!("{repository}:{}.sig", digest.replace(':', "-"))
}

#[test]
fn cosign_takes_the_attestation_and_its_type() {
    let scene = Scene::new(Kind::Docker);
    let (key, other) =
        (keys::cosign(&scene.clients, "builder"), keys::plain(&scene.clients, "other"));
    fs::write(scene.bench.path("predicate.json"), r#"{"note": "tested"}"#).unwrap();
    let (one, clients) = (format!("{}:one", scene.repository()), &scene.clients);
    let predicate_type = "https://example.com/test/v1";
    let args =
        ["--image", &one, "--predicate", "predicate.json", "--predicate-type", predicate_type];
    scene.run("fleetfix-attest", &key, &args).success();
    clients.verify_attestation(&key, predicate_type, &one).success();
    clients.verify_attestation(&key, "https://example.com/other/v1", &one).refused();
    clients.verify_attestation(&other, predicate_type, &one).refused();
}

#[test]
fn cosigns_own_signature_stays_beside_ours() {
    let scene = Scene::new(Kind::Distribution);
    let (ours, theirs) =
        (keys::plain(&scene.clients, "ours"), keys::cosign(&scene.clients, "theirs"));
    let (one, clients) = (format!("{}:one", scene.repository()), &scene.clients);
    let by_digest = format!("{}@{}", scene.repository(), scene.base.digest);
    let legacy =
        ["--new-bundle-format=false", "--use-signing-config=false", "--tlog-upload=false", "--yes"];
    let sign = ["sign", "--key", &theirs.private()];
    clients.cosign(&[&sign[..], &legacy, &[&by_digest]].concat()).success();
    scene.run("fleetfix-sign", &ours, &["--image", &one]).success();
    for key in [&ours, &theirs] {
        clients.verify(key, &by_digest).success();
    }
}
