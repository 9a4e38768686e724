//! What is about an image: by the API where there is one, else by the index under its tag and, in a
//! layout, by what `index.json` lists: oras lists an artifact there and nowhere else, regctl keeps
//! the tag.

use std::collections::BTreeSet;

use fleetfix_model::{Digest, Reference};
use fleetfix_oci::manifest::{Kind, Manifest, RawDescriptor};
use serde_json::Value;

use super::{MAX_BYTES, MAX_PAGES, MAX_REFERRERS, Referrer, artifact_type, tag};
use crate::remote::Remote;
use crate::store::Place;
use crate::{Error, RawManifest, Store};

/// All artifacts about `subject`, each once; with `artifact_type` only those of this type. None there
/// is an empty list; a registry that cannot be asked is an error.
pub async fn referrers(
    store: &Store,
    subject: Digest,
    artifact_type: Option<&str>,
) -> Result<Vec<Referrer>, Error> {
    if let Some(listed) = by_api(store, subject, artifact_type).await? {
        return Ok(listed);
    }
    let mut found = Vec::new();
    let mut seen = BTreeSet::new();
    let listed = match Index::read(store, subject).await? {
        Some(index) => entries(&index.manifest)?,
        None => Vec::new(),
    };
    for entry in listed {
        if !seen.insert(entry.digest) {
            continue;
        }
        let mut referrer = Referrer::of(&entry);
        if referrer.artifact_type.is_none() && artifact_type.is_some() {
            referrer.artifact_type = own_type(store, &entry).await?;
        }
        found.push(referrer);
    }
    for manifest in in_layout(store, subject).await? {
        if seen.insert(manifest.digest()) {
            found.push(Referrer::from(&manifest));
        }
    }
    if found.len() > MAX_REFERRERS {
        let problem = format!("more than {MAX_REFERRERS} of them");
        let reference = Box::new(store.repository().at(subject));
        return Err(Error::NotReferrers { reference, problem });
    }
    if artifact_type.is_some() {
        found.retain(|referrer| referrer.artifact_type.as_deref() == artifact_type);
    }
    Ok(found)
}

/// What a layout's `index.json` lists about `subject`; of a registry there is nothing like it.
async fn in_layout(store: &Store, subject: Digest) -> Result<Vec<Manifest>, Error> {
    let Place::Directory(directory) = &store.place else { return Ok(Vec::new()) };
    // One more than may be: whoever counts sees that there are too many.
    directory.blocking(move |directory| directory.about(subject, MAX_REFERRERS + 1)).await
}

/// The API's answer, all pages; `None`: there is no API.
pub(super) async fn by_api(
    store: &Store,
    subject: Digest,
    artifact_type: Option<&str>,
) -> Result<Option<Vec<Referrer>>, Error> {
    let Place::Remote(remote) = &store.place else { return Ok(None) };
    let place = || store.repository().at(subject);
    match pages(remote, subject, artifact_type, &place).await? {
        None => Ok(None),
        Some(mut listed) => {
            let mut seen = BTreeSet::new();
            listed.retain(|referrer| seen.insert(referrer.descriptor.digest));
            Ok(Some(listed))
        }
    }
}

async fn pages(
    remote: &Remote,
    subject: Digest,
    artifact_type: Option<&str>,
    place: &impl Fn() -> Reference,
) -> Result<Option<Vec<Referrer>>, Error> {
    let refuse = |problem: String| Error::NotReferrers { reference: Box::new(place()), problem };
    let Some(mut page) = remote.referrers(subject, artifact_type).await? else { return Ok(None) };
    let mut found = Vec::new();
    let (mut bytes, mut listed) = (0, 0);
    for _ in 0..MAX_PAGES {
        bytes += page.bytes.len();
        if bytes > MAX_BYTES {
            return Err(refuse(format!("more than {MAX_BYTES} bytes of them")));
        }
        let index = Manifest::parse(None, &page.bytes).map_err(|e| Error::manifest(place(), e))?;
        if index.kind != Kind::Index {
            return Err(refuse("the registry's answer is not an index".into()));
        }
        let entries = entries(&index)?;
        listed += entries.len();
        if listed > MAX_REFERRERS {
            return Err(refuse(format!("more than {MAX_REFERRERS} of them")));
        }
        let wanted = |referrer: &Referrer| match (artifact_type, &referrer.artifact_type) {
            (Some(wanted), Some(own)) => wanted == own,
            // Named by nobody: the registry looked, or it did not.
            (Some(_), None) => page.filtered,
            (None, _) => true,
        };
        found.extend(entries.iter().map(Referrer::of).filter(wanted));
        let Some(next) = page.next else { return Ok(Some(found)) };
        page = match remote.next_referrers(next).await? {
            Some(page) => page,
            None => return Err(refuse("a page of the registry's answer is not an index".into())),
        };
    }
    Err(refuse(format!("more than {MAX_PAGES} pages of them")))
}

/// The entries of an index. Those with a digest of another algorithm than ours are passed over:
/// their content could not be checked.
pub(super) fn entries(index: &Manifest) -> Result<Vec<RawDescriptor>, Error> {
    let subject = index.subject();
    let bad = |source| Error::Referrers { source };
    let Some(Value::Array(items)) = index.raw.get("manifests") else { return Ok(Vec::new()) };
    let mut entries = Vec::new();
    for (i, item) in items.iter().enumerate() {
        let digest = item.get("digest").and_then(Value::as_str);
        if digest.is_some_and(|d| d.split_once(':').is_some_and(|(name, _)| name != "sha256")) {
            continue;
        }
        let entry = RawDescriptor::parse(&subject, &format!("manifests[{i}]"), item);
        entries.push(entry.map_err(bad)?);
    }
    Ok(entries)
}

/// The type that the artifact itself names, where its entry names none.
async fn own_type(store: &Store, entry: &RawDescriptor) -> Result<Option<String>, Error> {
    let Some(raw) = store.find_manifest(entry.digest).await? else { return Ok(None) };
    let parsed = Manifest::parse(Some(&raw.media_type), &raw.bytes);
    Ok(parsed.ok().as_ref().and_then(artifact_type))
}

/// The index under a subject's tag.
pub(super) struct Index {
    pub(super) manifest: Manifest,
}

impl Index {
    pub(super) async fn read(store: &Store, subject: Digest) -> Result<Option<Self>, Error> {
        let tag = tag(subject)?;
        let Some(raw) = store.find_tag(&tag).await? else { return Ok(None) };
        let reference = || store.repository().tagged(tag.clone());
        Self::parse(&raw, &reference).map(|manifest| Some(Self { manifest }))
    }

    fn parse(raw: &RawManifest, reference: &impl Fn() -> Reference) -> Result<Manifest, Error> {
        let manifest = Manifest::parse(Some(&raw.media_type), &raw.bytes)
            .map_err(|e| Error::manifest(reference(), e))?;
        let refuse = |problem: String| {
            Err(Error::NotReferrers { reference: Box::new(reference()), problem })
        };
        if manifest.kind != Kind::Index {
            return refuse(format!("its media type is {}", manifest.media_type));
        }
        let count = manifest.raw.get("manifests").and_then(Value::as_array).map_or(0, Vec::len);
        if count > MAX_REFERRERS {
            return refuse(format!("more than {MAX_REFERRERS} of them"));
        }
        Ok(manifest)
    }
}
