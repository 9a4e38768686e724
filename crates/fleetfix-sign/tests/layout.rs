//! Signing images in a layout: what is signed, and that doing it again writes nothing.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use fleetfix_model::document::{FixPlan, from_canonical};
use fleetfix_model::{Class, Classify, Descriptor, Digest, Repository, Timestamp, media};
use fleetfix_registry::attach::{self, Kind};
use fleetfix_registry::{RegistryArgs, Store};
use fleetfix_sign::Args;
use fleetfix_signer::{KeyArgs, SigningKey};
use fleetfix_task::{Context, Failure, Task};
use fleetfix_trust::Sign;
use fleetfix_trust::simple_signing::{Candidate, judge};
use serde_json::{Value, json};

const NAME: &str = "quay.io/fleet/app:v1";
const PLAN: &[u8] = include_bytes!("../../fleetfix-model/tests/goldens/fix-plan.json");

/// A directory with a key in it.
struct Place {
    dir: tempfile::TempDir,
    key: SigningKey,
}

impl Place {
    fn new() -> Self {
        let dir = tempfile::tempdir().unwrap();
        let key = SigningKey::generate().unwrap();
        std::fs::write(dir.path().join("key"), key.to_pkcs8_pem().as_bytes()).unwrap();
        Self { dir, key }
    }

    fn repository(&self, name: &str) -> Repository {
        Repository::Layout(self.dir.path().join(name))
    }

    fn store(&self, name: &str) -> Store {
        RegistryArgs::default().client().unwrap().store(&self.repository(name))
    }

    fn args(&self) -> Args {
        Args {
            plan: None,
            from: None,
            fleet: None,
            image: None,
            docker_reference: None,
            key: KeyArgs { key: Some(self.dir.path().join("key")), key_password_file: None },
            registry: RegistryArgs::default(),
        }
    }

    fn image(&self, reference: &str) -> Args {
        let image = format!("oci:{}/{reference}", self.dir.path().display());
        Args {
            image: Some(image.parse().unwrap()),
            docker_reference: Some(NAME.parse().unwrap()),
            ..self.args()
        }
    }

    fn plan(&self, plan: &[u8]) -> Args {
        let file = self.dir.path().join("plan.json");
        std::fs::write(&file, plan).unwrap();
        Args {
            plan: Some(file),
            from: Some(self.repository("build")),
            fleet: Some("quay.io/fleet".parse().unwrap()),
            ..self.args()
        }
    }
}

/// Runs a task and returns its JSON.
fn run(args: Args) -> Result<Value, Failure> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let context = Context::silent(Timestamp::from_unix(1_800_000_000).unwrap());
    let outcome = runtime.block_on(args.run(&context))?;
    Ok(outcome.value().unwrap().clone())
}

fn block<T>(future: impl Future<Output = T>) -> T {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(future)
}

/// Writes an index of two images and a build attestation, and returns what has to be signed: the
/// index and the two images.
fn put_index(store: &Store, tag: &str) -> Vec<Digest> {
    let config = Descriptor::of(media::OCI_CONFIG, b"{}");
    let manifest = |name: &str| {
        json!({
            "schemaVersion": 2, "mediaType": media::OCI_MANIFEST, "config": config, "layers": [],
            "annotations": {"name": name}
        })
        .to_string()
    };
    let children = [("amd64", "linux"), ("arm64", "linux"), ("unknown", "unknown")];
    let entries: Vec<Value> = children
        .iter()
        .map(|(architecture, os)| {
            let bytes = manifest(architecture);
            let platform = json!({"os": os, "architecture": architecture});
            json!({
                "mediaType": media::OCI_MANIFEST, "size": bytes.len(),
                "digest": Digest::of(&bytes), "platform": platform
            })
        })
        .collect();
    let index = json!({"schemaVersion": 2, "mediaType": media::OCI_INDEX, "manifests": entries})
        .to_string();
    block(async {
        for (architecture, _) in children {
            let bytes = manifest(architecture);
            store.put_manifest(media::OCI_MANIFEST, bytes.as_bytes()).await.unwrap();
        }
        let tag = tag.parse().unwrap();
        store.put_immutable_tag(&tag, media::OCI_INDEX, index.as_bytes()).await.unwrap();
    });
    vec![Digest::of(index), Digest::of(manifest("amd64")), Digest::of(manifest("arm64"))]
}

/// How many signatures on `digest` by `key` call it `name`, and how many layers there are.
fn signatures(store: &Store, digest: Digest, key: &SigningKey, name: &str) -> (usize, usize) {
    let layers = block(attach::candidates(store, digest, Kind::Signature)).unwrap();
    let candidates: Vec<_> =
        layers.iter().map(|l| Candidate::from_layer(l.payload.clone(), &l.annotations)).collect();
    let keys = std::slice::from_ref(key.public_key());
    let good = judge(&candidates, keys, digest, name).iter().filter(|j| j.is_ok()).count();
    (good, layers.len())
}

/// Every file below `dir` with its content.
fn files(dir: &Path) -> BTreeMap<PathBuf, Vec<u8>> {
    let mut all = BTreeMap::new();
    for entry in std::fs::read_dir(dir).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            all.extend(files(&path));
        } else {
            all.insert(path.clone(), std::fs::read(&path).unwrap());
        }
    }
    all
}

#[test]
fn index_and_images_are_signed_once() {
    let place = Place::new();
    let store = place.store("app");
    let digests = put_index(&store, "v1");
    let result = run(place.image("app:v1")).unwrap();
    let expected: Vec<Value> = digests
        .iter()
        .map(|digest| json!({"reference": NAME, "digest": digest, "signature": "written"}))
        .collect();
    assert_eq!(result, json!({ "signed": expected }));
    for digest in &digests {
        assert_eq!(signatures(&store, *digest, &place.key, NAME), (1, 1));
    }

    let before = files(place.dir.path());
    let again = run(place.image(&format!("app@{}", digests[0]))).unwrap();
    assert!(again["signed"].as_array().unwrap().iter().all(|s| s["signature"] == "alreadyThere"));
    assert_eq!(files(place.dir.path()), before);
}

#[test]
fn another_key_and_another_name_add_signatures() {
    let place = Place::new();
    let store = place.store("app");
    let digests = put_index(&store, "v1");
    run(place.image("app:v1")).unwrap();
    let second = SigningKey::generate().unwrap();
    std::fs::write(place.dir.path().join("key"), second.to_pkcs8_pem().as_bytes()).unwrap();
    run(place.image("app:v1")).unwrap();
    let mut renamed = place.image("app:v1");
    renamed.docker_reference = Some("quay.io/fleet/app:v2".parse().unwrap());
    run(renamed).unwrap();
    for digest in digests {
        assert_eq!(signatures(&store, digest, &place.key, NAME), (1, 3));
        assert_eq!(signatures(&store, digest, &second, NAME), (1, 3));
        assert_eq!(signatures(&store, digest, &second, "quay.io/fleet/app:v2"), (1, 3));
    }
}

#[test]
fn a_signature_needs_a_name() {
    let place = Place::new();
    put_index(&place.store("app"), "v1");
    for (name, part) in [
        (None, "is a directory"),
        (Some("quay.io/fleet/app"), "bare repository"),
        (Some("oci:app:v1"), "is a directory"),
    ] {
        let mut args = place.image("app:v1");
        args.docker_reference = name.map(|n| n.parse().unwrap());
        let failure = run(args).unwrap_err();
        assert_eq!(failure.class(), Class::Usage, "{name:?}: {failure}");
        assert!(failure.line().contains(part), "{name:?}: {failure}");
    }
}

#[test]
fn a_plan_names_images_and_signatures() {
    let place = Place::new();
    let plan: FixPlan = from_canonical("plan", PLAN).unwrap();
    let tag = plan.image_tag(plan.bases[0].digest).unwrap();

    let failure = run(place.plan(PLAN)).unwrap_err();
    assert_eq!(failure.class(), Class::Input, "{failure}");
    let line = failure.line();
    assert!(line.contains(tag.as_str()) && line.contains("fleetfix-patch"), "{line}");

    let store = place.store("build/hypershift");
    let digests = put_index(&store, tag.as_str());
    run(place.plan(PLAN)).unwrap();
    for digest in digests {
        let name = format!("quay.io/fleet/hypershift:{tag}");
        assert_eq!(signatures(&store, digest, &place.key, &name), (1, 1));
    }
}

#[test]
fn an_image_that_is_not_whole_is_not_signed() {
    let place = Place::new();
    let store = place.store("app");
    let digests = put_index(&store, "v1");
    let blob = place.dir.path().join("app/blobs/sha256").join(digests[2].hex());
    std::fs::write(&blob, "changed").unwrap();
    let failure = run(place.image("app:v1")).unwrap_err();
    assert_eq!(failure.class(), Class::Refused, "{failure}");
    std::fs::remove_file(&blob).unwrap();
    let failure = run(place.image("app:v1")).unwrap_err();
    assert_eq!(failure.class(), Class::Input, "{failure}");
    for digest in digests {
        assert_eq!(signatures(&store, digest, &place.key, NAME), (0, 0));
    }
}
