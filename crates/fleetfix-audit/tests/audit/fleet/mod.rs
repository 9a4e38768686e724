//! A small fleet in layouts, made by a recipe that a test can change at any step: two platforms, one
//! fix, two approvals, one TUF state. Each step follows from what the steps before it made, so a
//! change is signed for unless the test says otherwise.

mod documents;
mod images;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use fleetfix_audit::channel::{Anchor, ChannelAudit, Target, verify};
use fleetfix_audit::{ChannelPlace, Error, state};
use fleetfix_model::verdict::{Check, Status};
use fleetfix_model::{Descriptor, Digest, Repository, Timestamp, ToCanonical, media};
use fleetfix_registry::attach::{self, Attachment, Kind};
use fleetfix_registry::{Body, Client, Options, Store};
use fleetfix_signer::SigningKey;
use fleetfix_trust::dsse::{self, Envelope};
use fleetfix_trust::simple_signing::{self, Payload};
use fleetfix_trust::statement::Statement;
use fleetfix_trust::tuf::TufState;
use fleetfix_trust::tuf::edit::{Authority, Changes, Current, Draft, PerRole, Role};
use fleetfix_trust::{PublicKey, Sign};
use serde_json::{Value, json};

pub(crate) use images::Shape;

/// The name that signatures give the fleet.
pub(crate) const FLEET: &str = "quay.io/fleet";
/// When it is.
pub(crate) const NOW: &str = "2026-06-01T00:00:00Z";

/// Whose key.
#[derive(Clone, Copy, Debug, Eq, Ord, PartialEq, PartialOrd)]
pub(crate) enum Who {
    Release,
    Builder,
    Ann,
    Bob,
    /// Requester, and an approver by the policy.
    Rae,
    /// Author, and an approver by the policy.
    Art,
    /// A second key of Ann's.
    AnnAgain,
    /// In no policy.
    Stranger,
    Root,
    Online,
}

/// A release signature in the making.
#[derive(Clone, Debug)]
pub(crate) struct Signature {
    /// What it is attached to.
    pub(crate) on: Digest,
    /// What it says it is about.
    pub(crate) digest: Digest,
    pub(crate) reference: String,
    pub(crate) by: Who,
}

/// An attestation or approval in the making.
#[derive(Clone, Debug)]
pub(crate) struct Attestation {
    /// What it is attached to.
    pub(crate) on: Digest,
    /// What it says it is about.
    pub(crate) subject: Digest,
    pub(crate) predicate_type: String,
    pub(crate) predicate: Value,
    pub(crate) by: Who,
}

/// What a test may change. Each function gets what would be written, and what was made so far.
#[derive(Clone, Copy)]
pub(crate) struct Recipe {
    pub(crate) shape: Shape,
    pub(crate) policy: fn(&mut Value),
    pub(crate) request: fn(&mut Value),
    pub(crate) config: fn(&mut Value),
    pub(crate) manifest: fn(&mut Value),
    pub(crate) index: fn(&mut Value),
    pub(crate) plan: fn(&mut Value),
    pub(crate) bundle: fn(&mut Value),
    pub(crate) artifact: fn(&mut Value),
    pub(crate) signatures: fn(&mut Vec<Signature>),
    /// What the builder says of the first platform: the bundle names the statement by its digest.
    pub(crate) said: fn(&mut Value),
    pub(crate) attestations: fn(&mut Vec<Attestation>),
    pub(crate) approvals: fn(&mut Vec<Attestation>),
    pub(crate) channel: fn(&mut Value, &Made),
    pub(crate) pause: fn(&Made) -> Option<Value>,
}

impl Default for Recipe {
    fn default() -> Self {
        Self {
            shape: Shape::Index,
            policy: |_| {},
            request: |_| {},
            config: |_| {},
            manifest: |_| {},
            index: |_| {},
            plan: |_| {},
            bundle: |_| {},
            artifact: |_| {},
            signatures: |_| {},
            said: |_| {},
            attestations: |_| {},
            approvals: |_| {},
            channel: |_, _| {},
            pause: |_| None,
        }
    }
}

/// What was made.
#[derive(Clone, Debug)]
pub(crate) struct Made {
    pub(crate) index: Descriptor,
    pub(crate) children: Vec<Descriptor>,
    pub(crate) tag: String,
    pub(crate) bundle: Descriptor,
    /// Envelopes of approvals, in their order.
    pub(crate) approvals: Vec<Digest>,
}

pub(crate) struct Fleet {
    pub(crate) temp: tempfile::TempDir,
    pub(crate) client: Client,
    pub(crate) keys: BTreeMap<Who, SigningKey>,
    pub(crate) made: Made,
    pub(crate) root: Vec<u8>,
    pub(crate) state: TufState,
    /// The policy's bytes.
    pub(crate) policy: Vec<u8>,
}

pub(crate) fn time(text: &str) -> Timestamp {
    text.parse().unwrap()
}

pub(crate) fn canonical(value: &Value) -> Vec<u8> {
    value.to_canonical().unwrap()
}

pub(crate) fn descriptor(descriptor: &Descriptor) -> Value {
    serde_json::to_value(descriptor).unwrap()
}

pub(crate) fn keys() -> BTreeMap<Who, SigningKey> {
    use Who as W;
    [
        W::Release,
        W::Builder,
        W::Ann,
        W::Bob,
        W::Rae,
        W::Art,
        W::AnnAgain,
        W::Stranger,
        W::Root,
        W::Online,
    ]
    .map(|who| (who, SigningKey::generate().unwrap()))
    .into()
}

pub(crate) fn envelope(one: &Attestation, keys: &BTreeMap<Who, SigningKey>) -> Vec<u8> {
    let statement = Statement::new(one.subject, &one.predicate_type, one.predicate.clone());
    let mut envelope = Envelope::new(statement.to_bytes().unwrap());
    envelope.sign_with(&keys[&one.by]).unwrap();
    envelope.to_bytes().unwrap()
}

async fn attest(
    store: &Store,
    all: &[Attestation],
    keys: &BTreeMap<Who, SigningKey>,
) -> Vec<Digest> {
    let mut digests = Vec::new();
    for one in all {
        let payload = envelope(one, keys);
        digests.push(Digest::of(&payload));
        let annotations = dsse::annotations(&one.predicate_type);
        let attachment = Attachment { media_type: media::DSSE.into(), payload, annotations };
        attach::attach(store, one.on, Kind::Attestation, &[attachment]).await.unwrap();
    }
    digests
}

async fn sign(store: &Store, all: &[Signature], keys: &BTreeMap<Who, SigningKey>) {
    for one in all {
        let payload = Payload::new(one.reference.clone(), one.digest);
        let candidate = simple_signing::sign(&payload, &keys[&one.by]).unwrap();
        let annotations = candidate.annotations();
        let attachment = Attachment {
            media_type: media::SIMPLE_SIGNING.into(),
            payload: candidate.payload,
            annotations,
        };
        attach::attach(store, one.on, Kind::Signature, &[attachment]).await.unwrap();
    }
}

pub(crate) async fn put(store: &Store, media_type: &str, bytes: &[u8]) -> Descriptor {
    let descriptor = Descriptor::of(media_type, bytes);
    store.put_blob(&descriptor, Body::Bytes(bytes.to_vec().into())).await.unwrap();
    descriptor
}

impl Fleet {
    pub(crate) async fn new() -> Self {
        Self::make(&Recipe::default()).await
    }

    pub(crate) async fn make(recipe: &Recipe) -> Self {
        let temp = tempfile::tempdir().unwrap();
        let client = Client::new(Options::default()).unwrap();
        let keys = keys();
        let prefix = Repository::Layout(temp.path().join("fleet"));
        let at = |name: &str| client.store(&prefix.below(&name.parse().unwrap()));

        let mut request = documents::request();
        (recipe.request)(&mut request);
        let request = canonical(&request);
        let mut plan = documents::plan(recipe.shape, Digest::of(&request));
        (recipe.plan)(&mut plan);
        let plan = canonical(&plan);

        let app = at("etcd");
        let image = images::put(&app, recipe).await;
        let reference = format!("{FLEET}/etcd:{}", image.tag);
        let all = image.children.iter().chain([&image.index]).map(|d| d.digest);
        let signature =
            |on| Signature { on, digest: on, reference: reference.clone(), by: Who::Release };
        let mut signatures: Vec<_> = all.map(signature).collect();
        (recipe.signatures)(&mut signatures);
        sign(&app, &signatures, &keys).await;
        let mut attestations = documents::attestations(&image, Digest::of(&plan));
        (recipe.said)(&mut attestations[1].predicate["platforms"][0]);
        let named = attestations.iter().map(|one| {
            let statement = Statement::new(one.subject, &one.predicate_type, one.predicate.clone());
            (one.predicate_type.clone(), Digest::of(statement.to_bytes().unwrap()))
        });
        let mut bundle =
            documents::bundle(&image, Digest::of(&request), Digest::of(&plan), named.collect());
        (recipe.attestations)(&mut attestations);
        attest(&app, &attestations, &keys).await;

        (recipe.bundle)(&mut bundle);
        let bundles = at("bundles");
        let bundle =
            documents::put_bundle(&bundles, &canonical(&bundle), &request, &plan, recipe).await;
        let mut approvals =
            documents::approvals(bundle.digest, Digest::of(&request), Digest::of(&plan));
        (recipe.approvals)(&mut approvals);
        let approvals = attest(&bundles, &approvals, &keys).await;

        let made = Made {
            index: image.index,
            children: image.children,
            tag: image.tag,
            bundle,
            approvals,
        };
        let mut channel = documents::channel(&made);
        (recipe.channel)(&mut channel, &made);
        let mut policy = documents::policy(&keys);
        (recipe.policy)(&mut policy);
        let mut targets: BTreeMap<String, Vec<u8>> = [
            ("channel.stable.json".to_owned(), canonical(&channel)),
            ("policy.json".to_owned(), canonical(&policy)),
        ]
        .into();
        targets.extend(
            (recipe.pause)(&made).map(|pause| ("pause.stable.json".into(), canonical(&pause))),
        );
        let authority = |role: Role| {
            let who = if matches!(role, Role::Snapshot | Role::Timestamp) {
                Who::Online
            } else {
                Who::Root
            };
            Authority::one(PublicKey::clone(keys[&who].public_key()))
        };
        let draft = Draft::init(&PerRole::from_fn(authority), &expires(), targets).unwrap();
        let state = seal(draft, &keys).await;
        let root = state.metadata["1.root.json"].clone();
        let policy = canonical(&policy);
        let fleet = Self { temp, client, keys, made, root, state, policy };
        fleet.put_state(&fleet.state).await;
        fleet
    }

    pub(crate) fn dir(&self) -> PathBuf {
        self.temp.path().join("fleet")
    }

    pub(crate) fn prefix(&self) -> Repository {
        Repository::Layout(self.dir())
    }

    pub(crate) fn store(&self, name: &str) -> Store {
        self.client.store(&self.prefix().below(&name.parse().unwrap()))
    }

    pub(crate) fn place(&self) -> ChannelPlace {
        format!("oci:{}/channels:current", self.dir().display()).parse().unwrap()
    }

    /// Puts a state into the fleet as publishers do.
    pub(crate) async fn put_state(&self, tuf: &TufState) {
        let store = self.store("channels");
        let artifact = state::artifact(tuf).unwrap();
        let version = state::version(tuf).unwrap();
        let own = state::tag(version, artifact.descriptor().digest).unwrap();
        for (descriptor, bytes) in artifact.blobs {
            store.put_blob(&descriptor, Body::Bytes(bytes.into())).await.unwrap();
        }
        for tag in [own, "current".parse().unwrap()] {
            store.put_tag(&tag, media::OCI_MANIFEST, &artifact.manifest).await.unwrap();
        }
    }

    /// The next state, with these targets changed.
    pub(crate) async fn next_state(&self, targets: BTreeMap<String, Option<Vec<u8>>>) -> TufState {
        let current = Current::open(&self.root, &self.state).await.unwrap();
        let changes = Changes { targets, renew: [Role::Timestamp].into(), expires: expires() };
        seal(Draft::change(&current, &changes).unwrap(), &self.keys).await
    }

    pub(crate) async fn verify(&self) -> Result<ChannelAudit, Error> {
        self.verify_at(&self.place(), None, NOW).await
    }

    pub(crate) async fn verify_at(
        &self,
        place: &ChannelPlace,
        state: Option<&Path>,
        now: &str,
    ) -> Result<ChannelAudit, Error> {
        let prefix = self.prefix();
        let target = Target { place, fleet: Some(&prefix), name: None };
        verify(&self.client, &target, &Anchor { root: &self.root, state, now: time(now) }).await
    }
}

pub(crate) fn expires() -> PerRole<Timestamp> {
    PerRole::from_fn(|role| match role {
        Role::Timestamp => time("2026-06-02T00:00:00Z"),
        _ => time("2027-06-01T00:00:00Z"),
    })
}

async fn seal(mut draft: Draft, keys: &BTreeMap<Who, SigningKey>) -> TufState {
    draft.sign(&keys[&Who::Root]).unwrap();
    draft.seal(&[&keys[&Who::Online]], time(NOW)).await.unwrap()
}

/// Every file below `dir`, sorted.
pub(crate) fn files(dir: &Path) -> Vec<PathBuf> {
    let mut files = Vec::new();
    for entry in std::fs::read_dir(dir).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() { files.extend(self::files(&path)) } else { files.push(path) }
    }
    files.sort();
    files
}

pub(crate) fn public(keys: &BTreeMap<Who, SigningKey>, who: Who) -> Value {
    json!({"publicKey": keys[&who].public_key().to_pem()})
}

/// A check of this name, wherever it stands.
pub(crate) fn find<'a>(checks: &'a [Check], name: &str) -> Option<&'a Check> {
    checks.iter().find_map(|c| if c.name == name { Some(c) } else { find(&c.checks, name) })
}

/// Whether a check of this name failed, wherever it stands.
pub(crate) fn has_failed(checks: &[Check], name: &str) -> bool {
    checks.iter().any(|check| {
        (check.name == name && check.status == Status::Failed) || has_failed(&check.checks, name)
    })
}
