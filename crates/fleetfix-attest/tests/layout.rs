//! Attesting images in a layout: what is written, and that doing it again writes nothing.

#![expect(clippy::unwrap_used, clippy::indexing_slicing, reason = "a test fails by panicking")]

use std::collections::BTreeMap;
use std::io::Write as _;
use std::path::{Path, PathBuf};

use clap::Parser as _;
use fleetfix_attest::{Args, provenance::LOCAL_BUILDER};
use fleetfix_model::document::{Fix, FixPlan, from_canonical};
use fleetfix_model::{
    Class, Classify, Descriptor, Digest, Repository, Timestamp, ToCanonical, media,
};
use fleetfix_registry::attach::{self, Attachment, Kind};
use fleetfix_registry::{Body, RegistryArgs, Store};
use fleetfix_signer::{KeyArgs, SigningKey};
use fleetfix_task::{Context, Failure, Task};
use fleetfix_trust::Sign;
use fleetfix_trust::dsse::Envelope;
use fleetfix_trust::statement::Statement;
use serde_json::{Value, json};

const PLAN: &[u8] = include_bytes!("../../fleetfix-model/tests/goldens/fix-plan.json");

/// The name of the base's repository in the plan.
const BASE: &str = "quay.io/openshift-release-dev/ocp-v4.0-art-dev";
/// The file that the plan replaces.
const APP: &str = "usr/bin/control-plane-operator";

fn put(store: &Store, media_type: &str, bytes: &[u8]) -> Value {
    let descriptor = Descriptor::of(media_type, bytes);
    block(store.put_blob(&descriptor, Body::Bytes(bytes.to_vec().into()))).unwrap();
    json!(descriptor)
}

/// A layer with files of this content, and its archive's digest.
fn layer(files: &[(&str, &str)]) -> (Vec<u8>, Digest) {
    let mut tar = tar::Builder::new(Vec::new());
    for (path, content) in files {
        let mut header = tar::Header::new_ustar();
        header.set_mode(0o755);
        header.set_size(content.len() as u64);
        tar.append_data(&mut header, path, content.as_bytes()).unwrap();
    }
    let tar = tar.into_inner().unwrap();
    let mut gzip = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    gzip.write_all(&tar).unwrap();
    (gzip.finish().unwrap(), Digest::of(tar))
}

/// Writes a base and makes it that of `plan`, with contents in `dir/files`.
fn base(dir: &Path, plan: &mut FixPlan) {
    let place = Repository::Layout(dir.join("base"));
    let store = RegistryArgs::default().client().unwrap().store(&place);
    let mut entries = Vec::new();
    for platform in &mut plan.bases[0].platforms {
        let architecture = platform.platform.architecture.clone();
        let (bytes, diff_id) = layer(&[(APP, "old"), ("etc/os-release", &architecture)]);
        let config = json!({"os": "linux", "architecture": architecture,
            "config": {"Entrypoint": ["/usr/bin/control-plane-operator"], "Labels": {"io.openshift.hypershift.restricted-psa": "true"}},
            "rootfs": {"type": "layers", "diff_ids": [diff_id]}});
        let config = put(&store, media::OCI_CONFIG, config.to_string().as_bytes());
        let layer = put(&store, media::OCI_LAYER_GZIP, &bytes);
        let manifest = json!({"schemaVersion": 2, "mediaType": media::OCI_MANIFEST,
            "config": config, "layers": [layer]})
        .to_string();
        platform.digest =
            block(store.put_manifest(media::OCI_MANIFEST, manifest.as_bytes())).unwrap();
        entries.push(json!({"mediaType": media::OCI_MANIFEST, "size": manifest.len(),
            "digest": platform.digest, "platform": {"os": "linux", "architecture": architecture}}));
    }
    let index = json!({"schemaVersion": 2, "mediaType": media::OCI_INDEX, "manifests": entries});
    let index = index.to_string();
    let old = std::mem::replace(&mut plan.bases[0].digest, Digest::of(&index));
    block(store.put_tag(&"base".parse().unwrap(), media::OCI_INDEX, index.as_bytes())).unwrap();
    for row in plan.rows.iter_mut().filter(|row| row.base == Some(old)) {
        row.base = Some(Digest::of(&index));
    }
    for content in &mut plan.fixes[0].files[0].contents {
        let bytes = format!("new for {}", content.architecture);
        (content.digest, content.size) = (Digest::of(&bytes), bytes.len() as u64);
        let file = dir.join("files").join(&content.from);
        std::fs::create_dir_all(file.parent().unwrap()).unwrap();
        std::fs::write(file, bytes).unwrap();
    }
}

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
        let mut plan = from_canonical("plan", PLAN).unwrap();
        base(dir.path(), &mut plan);
        std::fs::write(dir.path().join("plan.json"), plan.to_canonical().unwrap()).unwrap();
        Self { dir, key, plan }
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
            registry: RegistryArgs {
                mirrors: vec![
                    format!("{BASE}=oci:{}", self.dir.path().join("base").display())
                        .parse()
                        .unwrap(),
                ],
                ..RegistryArgs::default()
            },
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

    /// The build tag of the patched image.
    fn tag(&self) -> fleetfix_model::name::Tag {
        self.plan.image_tag(self.plan.bases[0].digest).unwrap()
    }

    /// Patches the base as the plan says; returns the index's digest.
    fn patch(&self) -> Digest {
        let at = |name: &str| self.dir.path().join(name).display().to_string();
        let mirror = format!("{BASE}=oci:{}", at("base"));
        let build = format!("oci:{}", at("build"));
        let (plan, files) = (at("plan.json"), at("files"));
        let args = ["patch", "--plan", &plan, "--files", &files, "--to", &build];
        let args = [&args[..], &["--mirror", &mirror]].concat();
        let context = Context::silent(Timestamp::from_unix(1_800_000_000).unwrap());
        block(fleetfix_patch::Args::try_parse_from(args).unwrap().run(&context)).unwrap();
        block(self.store().resolve(&self.tag())).unwrap().unwrap().digest
    }

    fn json(&self, digest: Digest) -> Value {
        serde_json::from_slice(&block(self.store().manifest(digest)).unwrap().bytes).unwrap()
    }

    fn put(&self, media_type: &str, bytes: &[u8]) -> Value {
        put(&self.store(), media_type, bytes)
    }

    /// Puts another image under the tag: the patched one with the first manifest edited.
    fn swap(&self, index: Digest, edit: impl Fn(&mut Value)) {
        let mut index = self.json(index);
        let mut manifest =
            self.json(index["manifests"][0]["digest"].as_str().unwrap().parse().unwrap());
        edit(&mut manifest);
        let bytes = manifest.to_string().into_bytes();
        block(self.store().put_manifest(media::OCI_MANIFEST, &bytes)).unwrap();
        index["manifests"][0]["digest"] = json!(Digest::of(&bytes));
        index["manifests"][0]["size"] = json!(bytes.len());
        self.move_tag(&index);
    }

    fn move_tag(&self, index: &Value) {
        let bytes = index.to_string().into_bytes();
        block(self.store().put_tag(&self.tag(), media::OCI_INDEX, &bytes)).unwrap();
    }

    fn refused(&self, part: &str) {
        let failure = run(self.args()).unwrap_err();
        assert_eq!(failure.class(), Class::Refused, "{failure}: {}", failure.line());
        assert!(failure.line().contains(part), "{part}: {}", failure.line());
        let now = block(self.store().resolve(&self.tag())).unwrap().unwrap().digest;
        assert!(self.attached(now).is_empty(), "nothing is said about it");
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
    let index = place.patch();
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
    let index = place.patch();
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

    let index = place.patch();
    let mut short = place.json(index);
    short["manifests"].as_array_mut().unwrap().pop();
    place.move_tag(&short);
    let failure = run(place.args()).unwrap_err();
    assert_eq!(failure.class(), Class::Input, "{failure}");
    assert!(failure.line().contains("linux/arm64"), "{failure}");

    let mut bad_builder = place.args();
    bad_builder.builder_id = "local".into();
    assert_eq!(run(bad_builder).unwrap_err().class(), Class::Usage);

    let (mut unwaived, mut over) = (place.plan.clone(), place.plan.clone());
    for finding in &mut unwaived.findings {
        finding.waiver = None;
    }
    for waiver in over.findings.iter_mut().filter_map(|finding| finding.waiver.as_mut()) {
        waiver.expires = Some(Timestamp::from_unix(1_800_000_000).unwrap());
    }
    for blocked in [unwaived, over] {
        let bytes = blocked.to_canonical().unwrap();
        std::fs::write(place.dir.path().join("plan.json"), bytes).unwrap();
        let failure = run(place.args()).unwrap_err();
        assert_eq!(failure.class(), Class::Refused, "{failure}");
        assert!(failure.line().contains("coverage/4.20.7"), "{failure}");
    }
    assert!(place.attached(index).is_empty());
}

#[test]
fn a_predicate_of_others() {
    let place = Place::new();
    let index = place.patch();
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

/// The attack: whoever can move the build tag has another image signed for and released.
#[test]
fn an_image_swapped_under_the_tag_is_not_attested() {
    let place = Place::new();
    let index = place.patch();
    // Other content in the layer.
    let (evil, _) = layer(&[(APP, "evil"), ("usr/bin/backdoor", "too")]);
    let evil = place.put(media::OCI_LAYER_GZIP, &evil);
    place.swap(index, |manifest| manifest["layers"][1] = evil.clone());
    place.refused("not the layer of this patch");
    // A layer more.
    place.swap(index, |manifest| manifest["layers"].as_array_mut().unwrap().push(evil.clone()));
    place.refused("number of layers: expected 2, found 3");
    // A layer of the base that is another one.
    place.swap(index, |manifest| manifest["layers"][0] = evil.clone());
    place.refused("layer 0: expected");
    // The patch left out.
    place.swap(index, |manifest| drop(manifest["layers"].as_array_mut().unwrap().pop()));
    place.refused("number of layers: expected 2, found 1");
    // Right files, and another program to start.
    let config = place.put(media::OCI_CONFIG, b"{\"config\":{\"Entrypoint\":[\"/bin/sh\"]}}");
    place.swap(index, |manifest| manifest["config"] = config.clone());
    place.refused("configuration: expected");
    // A field more in the manifest, and in the index.
    place.swap(index, |manifest| manifest["annotations"]["x"] = json!("y"));
    place.refused("manifest: expected");
    let mut other = place.json(index);
    other["annotations"]["x"] = json!("y");
    place.move_tag(&other);
    place.refused("index: expected");
    place.move_tag(&place.json(index));
    run(place.args()).unwrap();
}
