//! cosign's attachments: signatures and attestations as layers of a manifest whose tag is made of
//! the digest that they are about (cosign `specs/SIGNATURE_SPEC.md`, `pkg/oci/static/signature.go`).
//!
//! A registry has no compare-and-swap. What others attached is kept by reading before and after
//! each write; two writers at the same moment can still lose something, so there should be one
//! writer per digest, and whoever relies on an attachment reads it back.

use std::collections::BTreeMap;
use std::time::Duration;

use bytes::Bytes;
use fleetfix_model::name::Tag;
use fleetfix_model::{Descriptor, Digest, media};
use fleetfix_oci::manifest::{Kind as ManifestKind, Manifest, RawDescriptor};
use futures_util::stream::{self, StreamExt, TryStreamExt};
use serde_json::{Map, Value, json};

use crate::store::Body;
use crate::{Error, Store, Written};

/// Most attachments that are read (cosign `pkg/oci/layout` and policies of others stop there too).
pub const MAX_ATTACHMENTS: usize = 1000;
/// Largest attachment, in bytes.
pub const MAX_ATTACHMENT: u64 = 8 << 20;
/// Most bytes of all attachments of one subject.
pub const MAX_BYTES: u64 = 64 << 20;
/// How often is written before giving up against other writers.
const MAX_WRITES: u32 = 5;
/// Attachments that are read at a time.
const PARALLEL: usize = 4;
/// cosign's `created`: Go's zero time. No clock goes into our bytes.
const NO_TIME: &str = "0001-01-01T00:00:00Z";

/// Which tag.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Kind {
    /// `sha256-<hex>.sig`: simple-signing payloads.
    Signature,
    /// `sha256-<hex>.att`: DSSE envelopes.
    Attestation,
}

impl Kind {
    const fn suffix(self) -> &'static str {
        match self {
            Self::Signature => "sig",
            Self::Attestation => "att",
        }
    }

    /// The tag of `subject`'s attachments. It has a tag's alphabet and 75 characters: that this
    /// fails would be a defect.
    pub fn tag(self, subject: Digest) -> Result<Tag, Error> {
        format!("sha256-{}.{}", subject.hex(), self.suffix()).parse().map_err(Error::Tag)
    }
}

/// One layer of an attachment manifest.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Attachment {
    /// Media type of the layer.
    pub media_type: String,
    /// Content of the layer.
    pub payload: Vec<u8>,
    /// Annotations of the layer.
    pub annotations: BTreeMap<String, String>,
}

impl Attachment {
    fn is(&self, layer: &RawDescriptor) -> bool {
        layer.size == self.payload.len() as u64
            && layer.digest == Digest::of(&self.payload)
            && layer.annotations() == self.annotations
    }

    fn layer(&self) -> Value {
        let mut layer = Map::new();
        layer.insert("mediaType".into(), self.media_type.as_str().into());
        layer.insert("size".into(), self.payload.len().into());
        layer.insert("digest".into(), Digest::of(&self.payload).to_string().into());
        if !self.annotations.is_empty() {
            layer.insert("annotations".into(), json!(self.annotations));
        }
        Value::Object(layer)
    }
}

/// All attachments of `subject`, in their order. None there is an empty list; a registry that cannot
/// be asked is an error.
pub async fn candidates(
    store: &Store,
    subject: Digest,
    kind: Kind,
) -> Result<Vec<Attachment>, Error> {
    let tag = kind.tag(subject)?;
    let Some(attached) = Attached::read(store, &tag).await? else { return Ok(Vec::new()) };
    let what =
        |layer: &RawDescriptor| format!("attachment {}", store.repository().at(layer.digest));
    // Signatures of one payload by several keys share its blob.
    let mut blobs = BTreeMap::new();
    for layer in &attached.layers {
        if layer.size > MAX_ATTACHMENT {
            return Err(Error::TooLarge { what: what(layer), max: MAX_ATTACHMENT });
        }
        blobs.insert(layer.digest, layer.size);
    }
    let payloads: BTreeMap<Digest, Vec<u8>> =
        stream::iter(blobs)
            .map(|(digest, size)| async move {
                Ok::<_, Error>((digest, store.blob(digest, size).await?))
            })
            .buffered(PARALLEL)
            .try_collect()
            .await?;
    let mut found = Vec::with_capacity(attached.layers.len());
    for layer in attached.layers {
        let payload = payloads.get(&layer.digest).cloned().unwrap_or_default();
        let (expected, actual) = (layer.size, payload.len() as u64);
        if actual != expected {
            return Err(Error::SizeMismatch { what: what(&layer), expected, actual });
        }
        let annotations = layer.annotations();
        found.push(Attachment { media_type: layer.media_type, payload, annotations });
    }
    Ok(found)
}

/// Adds `new` to what is attached to `subject`. What is there already, by payload and annotations,
/// is not added again; if all is, nothing is written. Layers of others stay as they are.
pub async fn attach(
    store: &Store,
    subject: Digest,
    kind: Kind,
    new: &[Attachment],
) -> Result<Written, Error> {
    let tag = kind.tag(subject)?;
    let reference = || Box::new(store.repository().tagged(tag.clone()));
    let mut writes = 0;
    loop {
        let before = Attached::read(store, &tag).await?;
        let layers = before.as_ref().map_or(&[][..], |attached| &attached.layers);
        let mut missing: Vec<&Attachment> = Vec::new();
        for one in new {
            if !layers.iter().any(|layer| one.is(layer)) && !missing.contains(&one) {
                missing.push(one);
            }
        }
        if missing.is_empty() {
            return Ok(if writes == 0 { Written::AlreadyThere } else { Written::New });
        }
        if writes == MAX_WRITES {
            return Err(Error::AttachmentLost { reference: reference(), tries: writes });
        }
        if layers.len() + missing.len() > MAX_ATTACHMENTS {
            let problem = format!("more than {MAX_ATTACHMENTS} attachments");
            return Err(Error::NotAttachments { reference: reference(), problem });
        }
        let bytes = missing.iter().fold(total(layers), |sum, one| sum + one.payload.len() as u64);
        if bytes > MAX_BYTES {
            let problem = format!("more than {MAX_BYTES} bytes of attachments");
            return Err(Error::NotAttachments { reference: reference(), problem });
        }
        if writes > 0 {
            tokio::time::sleep(turn(writes, new)).await;
        }
        write(store, &tag, before, &missing).await?;
        writes += 1;
    }
}

/// Writers that met once should not meet again: each waits for a time of its own.
fn turn(writes: u32, new: &[Attachment]) -> Duration {
    let own = new.first().map_or(0, |one| Digest::of(&one.payload).as_bytes()[0]);
    Duration::from_millis(20 * u64::from(writes) + u64::from(own))
}

async fn write(
    store: &Store,
    tag: &Tag,
    before: Option<Attached>,
    missing: &[&Attachment],
) -> Result<(), Error> {
    for one in missing {
        let (size, max) = (one.payload.len() as u64, MAX_ATTACHMENT);
        if size > max {
            let what = format!("attachment for {}", store.repository().tagged(tag.clone()));
            return Err(Error::TooLarge { what, max });
        }
        let blob = Descriptor {
            media_type: one.media_type.clone(),
            digest: Digest::of(&one.payload),
            size,
        };
        store.put_blob(&blob, Body::Bytes(Bytes::copy_from_slice(&one.payload))).await?;
    }
    let mut raw = before.map_or_else(empty, |attached| attached.raw);
    let media_type =
        raw.get("mediaType").and_then(Value::as_str).unwrap_or(media::OCI_MANIFEST).to_owned();
    let mut layers = match raw.get_mut("layers").map(Value::take) {
        Some(Value::Array(layers)) => layers,
        _ => Vec::new(),
    };
    layers.extend(missing.iter().map(|one| one.layer()));

    let config = config(&layers).to_string().into_bytes();
    let config_type = raw
        .get("config")
        .and_then(|config| config.get("mediaType"))
        .and_then(Value::as_str)
        .unwrap_or(media::OCI_CONFIG);
    let config_blob = Descriptor::of(config_type, &config);
    store.put_blob(&config_blob, Body::Bytes(Bytes::from(config))).await?;
    raw.insert(
        "config".into(),
        json!({
            "mediaType": config_blob.media_type,
            "size": config_blob.size,
            "digest": config_blob.digest,
        }),
    );
    raw.insert("layers".into(), Value::Array(layers));
    let bytes = Value::Object(raw).to_string().into_bytes();
    store.put_tag(tag, &media_type, &bytes).await?;
    Ok(())
}

fn empty() -> Map<String, Value> {
    let mut raw = Map::new();
    raw.insert("schemaVersion".into(), 2.into());
    raw.insert("mediaType".into(), media::OCI_MANIFEST.into());
    raw
}

/// The configuration that cosign writes: payloads are their own diff ids, and there is as much
/// history as there are layers, which Quay counts.
fn config(layers: &[Value]) -> Value {
    let digests: Vec<&Value> = layers.iter().filter_map(|layer| layer.get("digest")).collect();
    let history = vec![json!({ "created": NO_TIME }); layers.len()];
    json!({
        "architecture": "",
        "created": NO_TIME,
        "history": history,
        "os": "",
        "rootfs": { "type": "layers", "diff_ids": digests },
        "config": {},
    })
}

/// Bytes of all attachments, as their descriptors say.
fn total(layers: &[RawDescriptor]) -> u64 {
    layers.iter().fold(0, |sum, layer| sum.saturating_add(layer.size))
}

/// What is attached now.
struct Attached {
    raw: Map<String, Value>,
    layers: Vec<RawDescriptor>,
}

impl Attached {
    async fn read(store: &Store, tag: &Tag) -> Result<Option<Self>, Error> {
        let Some(found) = store.find_tag(tag).await? else { return Ok(None) };
        let reference = || store.repository().tagged(tag.clone());
        let bad = |e| Error::manifest(reference(), e);
        let refuse = |problem: String| {
            Err(Error::NotAttachments { reference: Box::new(reference()), problem })
        };
        let manifest = Manifest::parse(Some(&found.media_type), &found.bytes).map_err(bad)?;
        if manifest.kind != ManifestKind::Image {
            return refuse(format!("its media type is {}", manifest.media_type));
        }
        let layers = manifest.layers().map_err(bad)?;
        if layers.len() > MAX_ATTACHMENTS {
            return refuse(format!("more than {MAX_ATTACHMENTS} attachments"));
        }
        if total(&layers) > MAX_BYTES {
            return refuse(format!("more than {MAX_BYTES} bytes of attachments"));
        }
        let mut raw = manifest.raw;
        // Where the manifest does not say what it is, it stays what it was served as.
        raw.entry("mediaType").or_insert(Value::String(found.media_type));
        Ok(Some(Self { raw, layers }))
    }
}
