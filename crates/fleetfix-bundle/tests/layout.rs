//! Bundling what lies in a layout: what has to be there, and that doing it again writes nothing.

#![expect(clippy::unwrap_used, clippy::indexing_slicing, reason = "a test fails by panicking")]

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use fleetfix_bundle::Args;
use fleetfix_model::document::{FixBundle, FixPlan, FixRequest, from_canonical, from_yaml};
use fleetfix_model::{
    Class, Classify, Descriptor, Digest, Repository, Timestamp, ToCanonical, media,
};
use fleetfix_registry::attach::{self, Attachment, Kind};
use fleetfix_registry::{Body, RegistryArgs, Store};
use fleetfix_signer::SigningKey;
use fleetfix_task::{Context, Failure, Task};
use fleetfix_trust::Sign;
use fleetfix_trust::dsse::{self, Envelope};
use fleetfix_trust::simple_signing::{self, Payload};
use fleetfix_trust::statement::Statement;
use serde_json::{Value, json};

const REQUEST: &[u8] = include_bytes!("../../fleetfix-model/tests/data/request.yaml");
const PLAN: &[u8] = include_bytes!("../../fleetfix-model/tests/goldens/fix-plan.json");
const FLEET: &str = "quay.io/fleet";

/// A patched image, and what was put beside it.
struct Place {
    dir: tempfile::TempDir,
    key: SigningKey,
    plan: FixPlan,
    /// The index, then its manifests.
    digests: Vec<Digest>,
}

impl Place {
    /// An image made from the plan's base, with nothing beside it.
    fn unsigned() -> Self {
        Self::with(&["amd64", "arm64"])
    }

    /// An image for `architectures`.
    fn with(architectures: &[&str]) -> Self {
        let dir = tempfile::tempdir().unwrap();
        let request: FixRequest = from_yaml("request.yaml", REQUEST).unwrap();
        let mut plan: FixPlan = from_canonical("plan", PLAN).unwrap();
        plan.request = request.canonical_digest().unwrap();
        std::fs::write(dir.path().join("request.yaml"), REQUEST).unwrap();
        std::fs::write(dir.path().join("plan.json"), plan.to_canonical().unwrap()).unwrap();
        let key = SigningKey::generate().unwrap();
        let mut place = Self { dir, key, plan, digests: Vec::new() };
        place.digests = block(place.put_image(architectures));
        place
    }

    /// An image with everything beside it.
    fn ready() -> Self {
        let place = Self::unsigned();
        for digest in &place.digests {
            place.sign(*digest, FLEET);
        }
        place.attest(&place.fix());
        place.attest(&place.sbom());
        place.attest(&place.provenance());
        place
    }

    fn store(&self) -> Store {
        let repository = Repository::Layout(self.dir.path().join("build/hypershift"));
        RegistryArgs::default().client().unwrap().store(&repository)
    }

    fn tag(&self) -> fleetfix_model::name::Tag {
        self.plan.image_tag(self.plan.bases[0].digest).unwrap()
    }

    async fn put_image(&self, architectures: &[&str]) -> Vec<Digest> {
        let store = self.store();
        let lineage = json!({ media::BASE_DIGEST: self.plan.bases[0].digest });
        let mut entries = Vec::new();
        for architecture in architectures {
            let config =
                json!({"os": "linux", "architecture": architecture, "config": {"Labels": lineage}});
            let config = config.to_string().into_bytes();
            let descriptor = Descriptor::of(media::OCI_CONFIG, &config);
            store.put_blob(&descriptor, Body::Bytes(config.into())).await.unwrap();
            let manifest = json!({
                "schemaVersion": 2, "mediaType": media::OCI_MANIFEST, "config": descriptor,
                "layers": [], "annotations": lineage
            })
            .to_string();
            store.put_manifest(media::OCI_MANIFEST, manifest.as_bytes()).await.unwrap();
            entries.push(json!({
                "mediaType": media::OCI_MANIFEST, "size": manifest.len(),
                "digest": Digest::of(&manifest),
                "platform": {"os": "linux", "architecture": architecture}
            }));
        }
        let manifests = entries.iter().map(|e| e["digest"].as_str().unwrap().parse().unwrap());
        let manifests: Vec<Digest> = manifests.collect();
        let index = json!({
            "schemaVersion": 2, "mediaType": media::OCI_INDEX, "manifests": entries,
            "annotations": lineage
        })
        .to_string();
        store.put_immutable_tag(&self.tag(), media::OCI_INDEX, index.as_bytes()).await.unwrap();
        [vec![Digest::of(index)], manifests].concat()
    }

    fn sign(&self, digest: Digest, fleet: &str) {
        let name = format!("{fleet}/hypershift:{}", self.tag());
        let signed = simple_signing::sign(&Payload::new(name, digest), &self.key).unwrap();
        let annotations = signed.annotations();
        let layer = Attachment {
            media_type: media::SIMPLE_SIGNING.into(),
            payload: signed.payload,
            annotations,
        };
        block(attach::attach(&self.store(), digest, Kind::Signature, &[layer])).unwrap();
    }

    fn statement(&self, predicate_type: &str, predicate: Value) -> Statement<Value> {
        Statement::new(self.digests[0], predicate_type, predicate)
    }

    fn plan_digest(&self) -> Digest {
        self.plan.canonical_digest().unwrap()
    }

    fn fix(&self) -> Statement<Value> {
        let golden = include_bytes!("../../fleetfix-model/tests/goldens/fix.json");
        let mut fix: Value = serde_json::from_slice(golden).unwrap();
        fix["plan"] = json!(self.plan_digest());
        self.statement(media::FIX_PREDICATE, fix)
    }

    fn sbom(&self) -> Statement<Value> {
        let property = json!({"name": media::SBOM_PLAN, "value": self.plan_digest()});
        let sbom = json!({"bomFormat": "CycloneDX", "metadata": {"properties": [property]}});
        self.statement(media::SBOM_PREDICATE, sbom)
    }

    fn provenance(&self) -> Statement<Value> {
        let parameters = json!({"plan": self.plan_digest()});
        let provenance = json!({"buildDefinition": {"externalParameters": parameters}});
        self.statement(media::PROVENANCE_PREDICATE, provenance)
    }

    fn attest(&self, statement: &Statement<Value>) {
        let mut envelope = Envelope::new(statement.to_bytes().unwrap());
        envelope.sign_with(&self.key).unwrap();
        let layer = Attachment {
            media_type: media::DSSE.into(),
            payload: envelope.to_bytes().unwrap(),
            annotations: dsse::annotations(&statement.predicate_type),
        };
        let subject = self.digests[0];
        block(attach::attach(&self.store(), subject, Kind::Attestation, &[layer])).unwrap();
    }

    fn args(&self) -> Args {
        let at = |name: &str| self.dir.path().join(name);
        Args {
            plan: at("plan.json"),
            request: at("request.yaml"),
            from: Repository::Layout(at("build")),
            to: None,
            fleet: FLEET.parse().unwrap(),
            builder_keys: Vec::new(),
            result_bundle_digest: None,
            result_bundle_ref: None,
            registry: RegistryArgs::default(),
        }
    }

    fn refused(&self, class: Class, part: &str) {
        let failure = run(self.args()).unwrap_err();
        assert_eq!(failure.class(), class, "{failure}");
        assert!(failure.line().contains(part), "{failure}");
        assert!(!self.dir.path().join("build/bundles").exists(), "nothing is written");
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
fn one_bundle_whoever_asks() {
    let place = Place::ready();
    let result = run(place.args()).unwrap();
    let to = place.args().from.below(&"bundles".parse().unwrap());
    let digest: Digest = result["digest"].as_str().unwrap().parse().unwrap();
    assert_eq!(
        result,
        json!({"bundle": to.at(digest), "digest": digest, "tag": "fix-2026-0007-r1"})
    );
    let store = RegistryArgs::default().client().unwrap().store(&to);
    let found = block(store.resolve(&"fix-2026-0007-r1".parse().unwrap())).unwrap().unwrap();
    assert_eq!((found.digest, found.media_type.as_str()), (digest, media::OCI_MANIFEST));
    let manifest: Value =
        serde_json::from_slice(&block(store.manifest(digest)).unwrap().bytes).unwrap();
    assert_eq!(manifest["artifactType"], media::FIX_BUNDLE);
    let layer = manifest["layers"][0]["digest"].as_str().unwrap().parse().unwrap();
    let bundle: FixBundle =
        from_canonical("bundle", &block(store.blob(layer, 1 << 20)).unwrap()).unwrap();
    let image = &bundle.images[0];
    assert_eq!(image.index.digest, place.digests[0]);
    let manifests: Vec<_> = image.platforms.iter().map(|p| p.manifest.digest).collect();
    assert_eq!(manifests, place.digests[1..]);
    let statements: Vec<_> = image.attestations.iter().map(|a| a.statement).collect();
    let digest = |s: Statement<Value>| Some(Digest::of(s.to_bytes().unwrap()));
    assert_eq!(statements, [digest(place.sbom()), digest(place.fix()), None]);

    let before = files(place.dir.path());
    assert_eq!(run(place.args()).unwrap(), result);
    assert_eq!(files(place.dir.path()), before);
}

#[test]
fn another_bundle_under_the_same_tag_is_refused() {
    let place = Place::ready();
    run(place.args()).unwrap();
    for digest in &place.digests {
        place.sign(*digest, "quay.io/other");
    }
    let before = files(&place.dir.path().join("build/bundles"));
    let failure =
        run(Args { fleet: "quay.io/other".parse().unwrap(), ..place.args() }).unwrap_err();
    assert_eq!(failure.class(), Class::Refused, "{failure}");
    let after = files(&place.dir.path().join("build/bundles"));
    for (path, bytes) in before {
        assert_eq!(after[&path], bytes, "{}", path.display());
    }
}

#[test]
fn what_is_not_signed_is_not_bundled() {
    let place = Place::unsigned();
    place.refused(Class::Refused, "fleetfix-sign");
    place.sign(place.digests[0], FLEET);
    place.sign(place.digests[1], FLEET);
    place.sign(place.digests[2], "quay.io/other");
    place.refused(Class::Refused, &place.digests[2].to_string());
    place.sign(place.digests[2], FLEET);
    place.refused(Class::Refused, "fleetfix-attest");
}

#[test]
fn what_is_not_attested_is_not_bundled() {
    let place = Place::unsigned();
    for digest in &place.digests {
        place.sign(*digest, FLEET);
    }
    let mut other_plan = place.fix();
    other_plan.predicate["plan"] = json!(Digest::of("another plan"));
    let mut other_image = place.fix();
    other_image.subject = Digest::of("another image");
    for other in [other_plan, other_image, place.sbom(), place.provenance()] {
        place.attest(&other);
        place.refused(Class::Refused, media::FIX_PREDICATE);
    }
    place.attest(&place.fix());
    let mut second = place.fix();
    second.predicate["tickets"] = json!(["OCPBUGS-1"]);
    place.attest(&second);
    place.refused(Class::Refused, "2 different statements");
}

#[test]
fn a_strangers_statement_does_not_block_the_bundle() {
    let mut place = Place::ready();
    let file = place.dir.path().join("builder.pub");
    std::fs::write(&file, place.key.public_key().to_pem()).unwrap();
    let builder = std::mem::replace(&mut place.key, SigningKey::generate().unwrap());
    let mut forged = place.fix();
    forged.predicate["tickets"] = json!(["OCPBUGS-1"]);
    place.attest(&forged);
    place.refused(Class::Refused, "--builder-key");
    run(Args { builder_keys: vec![file.clone()], ..place.args() }).unwrap();
    // A builder who said nothing does not make a stranger's statement count.
    std::fs::write(&file, SigningKey::generate().unwrap().public_key().to_pem()).unwrap();
    let failure = run(Args { builder_keys: vec![file.clone()], ..place.args() }).unwrap_err();
    assert!(failure.line().contains("fleetfix-attest"), "{failure}");
    std::fs::write(&file, builder.to_pkcs8_pem().as_bytes()).unwrap();
    let failure = run(Args { builder_keys: vec![file], ..place.args() }).unwrap_err();
    assert!(failure.line().contains("builder key"), "{failure}");
}

#[test]
fn the_bill_and_the_provenance_are_of_this_plan() {
    let place = Place::unsigned();
    for digest in &place.digests {
        place.sign(*digest, FLEET);
    }
    place.attest(&place.fix());
    let mut sbom = place.sbom();
    sbom.predicate["metadata"]["properties"][0]["value"] = json!(Digest::of("another plan"));
    place.attest(&sbom);
    place.refused(Class::Refused, media::SBOM_PREDICATE);
    place.attest(&place.sbom());
    place.refused(Class::Refused, media::PROVENANCE_PREDICATE);
    place.attest(&place.provenance());
    run(place.args()).unwrap();
}

#[test]
fn the_platforms_are_those_of_the_base() {
    let short = Place::with(&["amd64"]);
    short.refused(Class::Input, "linux/arm64");
    let long = Place::with(&["amd64", "arm64", "s390x"]);
    long.refused(Class::Input, "linux/s390x");
    std::fs::remove_dir_all(long.dir.path().join("build")).unwrap();
    long.refused(Class::Input, "fleetfix-patch");
}

#[test]
fn a_manifest_that_was_changed_is_refused() {
    let place = Place::ready();
    let blobs = place.dir.path().join("build/hypershift/blobs/sha256");
    std::fs::write(blobs.join(place.digests[1].hex()), "changed").unwrap();
    place.refused(Class::Refused, &place.digests[1].to_string());
}

#[test]
fn a_directory_is_no_fleet() {
    let place = Place::ready();
    let failure = run(Args { fleet: "oci:fleet".parse().unwrap(), ..place.args() }).unwrap_err();
    assert_eq!(failure.class(), Class::Usage, "{failure}");
}
