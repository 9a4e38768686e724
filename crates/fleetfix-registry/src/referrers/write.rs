//! Writes artifacts, and keeps the index under the subject's tag where nobody else does.

use std::time::Duration;

use bytes::Bytes;
use fleetfix_model::{Descriptor, Digest, media};
use fleetfix_oci::manifest::Manifest;
use serde_json::{Map, Value, json};

use super::artifact::{self, Artifact, EMPTY};
use super::list::{Index, by_api};
use super::{MAX_REFERRERS, artifact_type, tag};
use crate::store::{Body, Place};
use crate::{Error, Store, Written};

/// How often the index is written before giving up against other writers.
const MAX_WRITES: u32 = 5;

/// Writes `artifact` about `subject`, with its content, unless it is there. Returns its digest.
pub async fn attach_artifact(
    store: &Store,
    subject: &Descriptor,
    artifact: &Artifact,
) -> Result<(Digest, Written), Error> {
    let manifest = artifact.manifest(subject);
    let empty = (artifact::empty(), EMPTY);
    let layers = artifact.layers.iter();
    let layers = layers.map(|l| (Descriptor::of(&l.media_type, &l.content), &l.content[..]));
    for (blob, content) in std::iter::once(empty).chain(layers) {
        store.put_blob(&blob, Body::Bytes(Bytes::copy_from_slice(content))).await?;
    }
    let written = put_referrer(store, media::OCI_MANIFEST, &manifest).await?;
    Ok((Digest::of(&manifest), written))
}

/// Writes a manifest with a `subject`, and sees to it that it is listed; what it names must be
/// there. [`Written::AlreadyThere`]: it was listed before, and nothing was written.
pub async fn put_referrer(store: &Store, media_type: &str, bytes: &[u8]) -> Result<Written, Error> {
    let digest = Digest::of(bytes);
    let at = || store.repository().at(digest);
    let bad = |e| Error::manifest(at(), e);
    let manifest = Manifest::parse(Some(media_type), bytes).map_err(bad)?;
    let Some(subject) = manifest.subject_descriptor().map_err(bad)? else {
        let problem = "it has no subject".to_owned();
        return Err(Error::NotReferrers { reference: Box::new(at()), problem });
    };
    if is_listed(store, subject.digest, digest).await? && store.has_manifest(digest).await? {
        return Ok(Written::AlreadyThere);
    }
    if let Place::Remote(remote) = &store.place {
        let sent = Bytes::copy_from_slice(bytes);
        let announced = remote.put_manifest(&digest.to_string(), media_type, &sent).await?;
        if announced.is_some_and(|said| said == subject.digest.to_string()) {
            return Ok(Written::New);
        }
        // Quay lists it and does not say so.
        if let Some(listed) = by_api(store, subject.digest, None).await? {
            if listed.iter().any(|one| one.descriptor.digest == digest) {
                return Ok(Written::New);
            }
            return Err(Error::NotListed { reference: Box::new(at()), subject: subject.digest });
        }
    } else {
        store.put_manifest(media_type, bytes).await?;
    }
    list(store, subject.digest, &manifest).await?;
    Ok(Written::New)
}

async fn is_listed(store: &Store, subject: Digest, digest: Digest) -> Result<bool, Error> {
    if let Some(listed) = by_api(store, subject, None).await? {
        return Ok(listed.iter().any(|one| one.descriptor.digest == digest));
    }
    // In a layout too: what only `index.json` lists is not seen by whoever reads the tag.
    let index = Index::read(store, subject).await?;
    Ok(index.is_some_and(|index| has(&index.manifest.raw, digest)))
}

/// Puts `manifest` into the index under the subject's tag. Entries of others stay as they are.
async fn list(store: &Store, subject: Digest, manifest: &Manifest) -> Result<(), Error> {
    let tag = tag(subject)?;
    let digest = manifest.digest();
    let mut writes = 0;
    loop {
        let before = Index::read(store, subject).await?;
        if before.as_ref().is_some_and(|index| has(&index.manifest.raw, digest)) {
            return Ok(());
        }
        let reference = || Box::new(store.repository().tagged(tag.clone()));
        if writes == MAX_WRITES {
            return Err(Error::AttachmentLost { reference: reference(), tries: writes });
        }
        if writes > 0 {
            tokio::time::sleep(turn(writes, digest)).await;
        }
        let (media_type, mut raw) = match before {
            Some(Index { manifest }) => (manifest.media_type, manifest.raw),
            None => (media::OCI_INDEX.to_owned(), empty_index()),
        };
        let mut entries = match raw.get_mut("manifests").map(Value::take) {
            Some(Value::Array(entries)) => entries,
            _ => Vec::new(),
        };
        if entries.len() >= MAX_REFERRERS {
            let problem = format!("more than {MAX_REFERRERS} of them");
            return Err(Error::NotReferrers { reference: reference(), problem });
        }
        entries.push(entry(manifest));
        // Sorted: writers that know the same entries write the same bytes.
        entries.sort_by(|a, b| name(a).cmp(&name(b)));
        entries.dedup_by(|a, b| name(a).is_some() && name(a) == name(b));
        raw.insert("manifests".into(), Value::Array(entries));
        let bytes = Value::Object(raw).to_string().into_bytes();
        store.put_tag(&tag, &media_type, &bytes).await?;
        writes += 1;
    }
}

/// Writers that met once should not meet again: each waits for a time of its own.
fn turn(writes: u32, digest: Digest) -> Duration {
    Duration::from_millis(20 * u64::from(writes) + u64::from(digest.as_bytes()[0]))
}

fn has(index: &Map<String, Value>, digest: Digest) -> bool {
    let entries = index.get("manifests").and_then(Value::as_array);
    let digest = digest.to_string();
    entries.is_some_and(|all| all.iter().any(|entry| name(entry) == Some(digest.as_str())))
}

fn name(entry: &Value) -> Option<&str> {
    entry.get("digest")?.as_str()
}

fn empty_index() -> Map<String, Value> {
    let mut index = Map::new();
    index.insert("schemaVersion".into(), 2.into());
    index.insert("mediaType".into(), media::OCI_INDEX.into());
    index
}

/// How an index lists a manifest (distribution-spec v1.1, "Unavailable Referrers API").
fn entry(manifest: &Manifest) -> Value {
    let mut entry = artifact::descriptor(&manifest.descriptor());
    if let Some(artifact_type) = artifact_type(manifest) {
        entry.insert("artifactType".into(), artifact_type.into());
    }
    match manifest.annotations() {
        Ok(annotations) if !annotations.is_empty() => {
            entry.insert("annotations".into(), json!(annotations));
        }
        _ => {}
    }
    Value::Object(entry)
}
