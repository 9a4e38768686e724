//! Attesting images in a layout: what is written, and that doing it again writes nothing.

#![expect(clippy::unwrap_used, clippy::indexing_slicing, reason = "a test fails by panicking")]

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use fleetfix_attest::{Args, provenance::LOCAL_BUILDER};
use fleetfix_model::document::{Fix, FixPlan, from_canonical};
use fleetfix_model::{
    Class, Classify, Descriptor, Digest, Repository, Timestamp, ToCanonical, media,
};
use fleetfix_registry::attach::{self, Attachment, Kind};
use fleetfix_registry::{RegistryArgs, Store};
use fleetfix_signer::{KeyArgs, SigningKey};
use fleetfix_task::{Context, Failure, Task};
use fleetfix_trust::Sign;
use fleetfix_trust::dsse::Envelope;
use fleetfix_trust::statement::Statement;
use serde_json::{Value, json};

const PLAN: &[u8] = include_bytes!("../../fleetfix-model/tests/goldens/fix-plan.json");

/// A directory with a key and a plan in it.
struct Place {
    dir: tempfile::TempDir,
    key: SigningKey,
    plan: FixPlan,
}

impl Place {
    fn new() -> Self {
        let dir = tempfile::tempdir().unwrap();
        let key = SigningKey::generate().unwrap();
        std::fs::write(dir.path().join("key"), key.to_pkcs8_pem().as_bytes()).unwrap();
        std::fs::write(dir.path().join("plan.json"), PLAN).unwrap();
        Self { dir, key, plan: from_canonical("plan", PLAN).unwrap() }
    }

    fn store(&self) -> Store {
        let repository = Repository::Layout(self.dir.path().join("build/hypershift"));
        RegistryArgs::default().client().unwrap().store(&repository)
    }

    fn args(&self) -> Args {
        Args {
            plan: Some(self.dir.path().join("plan.json")),
            from: Some(Repository::Layout(self.dir.path().join("build"))),
            builder_id: LOCAL_BUILDER.into(),
            image: None,
            predicate: None,
            predicate_type: None,
            key: KeyArgs { key: Some(self.dir.path().join("key")), key_password_file: None },
            registry: RegistryArgs::default(),
        }
    }

    fn image(&self, predicate: &str) -> Args {
        let file = self.dir.path().join("predicate.json");
        std::fs::write(&file, predicate).unwrap();
        let tag = self.plan.image_tag(self.plan.bases[0].digest).unwrap();
        Args {
            plan: None,
            from: None,
            image: Some(self.store().repository().tagged(tag)),
            predicate: Some(file),
            predicate_type: Some("https://example.com/scan/v1".into()),
            ..self.args()
        }
    }

    /// Writes the patched image with manifests for `architectures`; returns the index's digest.
    fn put_image(&self, architectures: &[&str]) -> Digest {
        let config = Descriptor::of(media::OCI_CONFIG, b"{}");
        let manifests: Vec<String> = architectures
            .iter()
            .map(|architecture| {
                json!({
                    "schemaVersion": 2, "mediaType": media::OCI_MANIFEST, "config": config,
                    "layers": [], "annotations": {"name": architecture}
                })
                .to_string()
            })
            .collect();
        let entries: Vec<Value> = architectures
            .iter()
            .zip(&manifests)
            .map(|(architecture, bytes)| {
                json!({
                    "mediaType": media::OCI_MANIFEST, "size": bytes.len(), "digest": Digest::of(bytes),
                    "platform": {"os": "linux", "architecture": architecture}
                })
            })
            .collect();
        let index =
            json!({"schemaVersion": 2, "mediaType": media::OCI_INDEX, "manifests": entries})
                .to_string();
        let tag = self.plan.image_tag(self.plan.bases[0].digest).unwrap();
        let store = self.store();
        block(async {
            for bytes in &manifests {
                store.put_manifest(media::OCI_MANIFEST, bytes.as_bytes()).await.unwrap();
            }
            store.put_immutable_tag(&tag, media::OCI_INDEX, index.as_bytes()).await.unwrap();
        });
        Digest::of(index)
    }

    fn attached(&self, index: Digest) -> Vec<Attachment> {
        block(attach::candidates(&self.store(), index, Kind::Attestation)).unwrap()
    }
}

fn block<T>(future: impl Future<Output = T>) -> T {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(future)
}

/// Runs a task and returns its JSON.
fn run(args: Args) -> Result<Value, Failure> {
    let context = Context::silent(Timestamp::from_unix(1_800_000_000).unwrap());
    Ok(block(args.run(&context))?.value().unwrap().clone())
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
fn three_statements_once() {
    let place = Place::new();
    let index = place.put_image(&["amd64", "arm64"]);
    let result = run(place.args()).unwrap();
    let types = [media::FIX_PREDICATE, media::SBOM_PREDICATE, media::PROVENANCE_PREDICATE];
    let layers = place.attached(index);
    assert_eq!(layers.len(), types.len());
    for (i, predicate_type) in types.into_iter().enumerate() {
        let said = &result["attested"][i];
        let layer = layers.iter().find(|l| l.annotations["predicateType"] == predicate_type);
        let envelope = Envelope::parse(&layer.unwrap().payload).unwrap();
        assert_eq!(envelope.verify(std::slice::from_ref(place.key.public_key())).len(), 1);
        let statement = Statement::parse(envelope.payload(), predicate_type, index).unwrap();
        assert_eq!(
            *said,
            json!({
                "reference": place.store().repository().at(index), "digest": index,
                "predicateType": predicate_type, "statement": envelope.payload_digest(),
                "attestation": "written"
            })
        );
        if predicate_type == media::FIX_PREDICATE {
            let fix = statement.document::<Fix>().unwrap().predicate;
            assert_eq!(fix.plan, place.plan.canonical_digest().unwrap());
            assert_eq!(fix.platforms.len(), 2);
        }
    }

    let before = files(place.dir.path());
    let again = run(place.args()).unwrap();
    let states = again["attested"].as_array().unwrap().iter().map(|a| &a["attestation"]);
    assert!(states.eq(["alreadyThere"; 3].iter()));
    assert_eq!(files(place.dir.path()), before);
}

#[test]
fn what_is_missing_is_added_and_nothing_else() {
    let place = Place::new();
    let index = place.put_image(&["amd64", "arm64"]);
    run(place.args()).unwrap();
    let mut other_builder = place.args();
    other_builder.builder_id = "https://example.com/builder".into();
    let result = run(other_builder).unwrap();
    let states: Vec<_> =
        result["attested"].as_array().unwrap().iter().map(|a| a["attestation"].clone()).collect();
    assert_eq!(states, ["alreadyThere", "alreadyThere", "written"]);
    assert_eq!(place.attached(index).len(), 4);

    let second = SigningKey::generate().unwrap();
    std::fs::write(place.dir.path().join("key"), second.to_pkcs8_pem().as_bytes()).unwrap();
    run(place.args()).unwrap();
    assert_eq!(place.attached(index).len(), 7);
}

#[test]
fn what_cannot_be_attested() {
    let place = Place::new();
    let failure = run(place.args()).unwrap_err();
    assert_eq!(failure.class(), Class::Input, "{failure}");
    assert!(failure.line().contains("fleetfix-patch"), "{failure}");

    let index = place.put_image(&["amd64"]);
    let failure = run(place.args()).unwrap_err();
    assert_eq!(failure.class(), Class::Input, "{failure}");
    assert!(failure.line().contains("linux/arm64"), "{failure}");

    let mut bad_builder = place.args();
    bad_builder.builder_id = "local".into();
    assert_eq!(run(bad_builder).unwrap_err().class(), Class::Usage);

    let mut blocked = place.plan.clone();
    for finding in &mut blocked.findings {
        finding.waiver = None;
    }
    let bytes = blocked.to_canonical().unwrap();
    std::fs::write(place.dir.path().join("plan.json"), bytes).unwrap();
    let failure = run(place.args()).unwrap_err();
    assert_eq!(failure.class(), Class::Refused, "{failure}");
    assert!(failure.line().contains("coverage/4.20.7"), "{failure}");
    assert!(place.attached(index).is_empty());
}

#[test]
fn a_predicate_of_others() {
    let place = Place::new();
    let index = place.put_image(&["amd64"]);
    let result = run(place.image("{\"found\": [],\n \"by\": \"scanner\"}")).unwrap();
    assert_eq!(result["attested"][0]["attestation"], "written");
    let [layer] = place.attached(index).try_into().unwrap();
    let envelope = Envelope::parse(&layer.payload).unwrap();
    let statement =
        Statement::parse(envelope.payload(), "https://example.com/scan/v1", index).unwrap();
    assert_eq!(statement.predicate, json!({"found": [], "by": "scanner"}));

    let again = run(place.image("{\"by\":\"scanner\",\"found\":[]}")).unwrap();
    assert_eq!(again["attested"][0]["attestation"], "alreadyThere");
    let mut no_uri = place.image("{}");
    no_uri.predicate_type = Some("scan".into());
    assert_eq!(run(no_uri).unwrap_err().class(), Class::Usage);
}
