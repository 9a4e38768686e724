//! `index.json` of a layout, edited as JSON so that what others wrote into it survives.

use std::path::Path;
use std::sync::{Mutex, MutexGuard, PoisonError};

use fleetfix_model::name::Tag;
use fleetfix_model::{Descriptor, media};
use serde_json::{Value, json};

use crate::Error;
use crate::manifest::RawDescriptor;

/// The index of a layout without images.
pub(super) const EMPTY: &str =
    r#"{"schemaVersion":2,"mediaType":"application/vnd.oci.image.index.v1+json","manifests":[]}"#;

/// Holds the right to change an index. One lock for all layouts: changes are short.
pub(super) fn turn() -> MutexGuard<'static, ()> {
    static TURN: Mutex<()> = Mutex::new(());
    TURN.lock().unwrap_or_else(PoisonError::into_inner)
}

/// The entries in their order.
pub(super) fn entries(index: &Value, dir: &Path) -> Result<Vec<RawDescriptor>, Error> {
    let subject = dir.join("index.json").display().to_string();
    let Some(Value::Array(items)) = index.get("manifests") else {
        return Err(Error::field(subject, "manifests", "is not a list"));
    };
    let parse = |(i, item)| RawDescriptor::parse(&subject, &format!("manifests[{i}]"), item);
    items.iter().enumerate().map(parse).collect()
}

fn ref_name(entry: &RawDescriptor) -> Option<&str> {
    entry.annotation(media::REF_NAME)
}

/// The entry that `tag` stands at.
pub(super) fn resolve(
    index: &Value,
    dir: &Path,
    tag: &Tag,
) -> Result<Option<RawDescriptor>, Error> {
    let mut found =
        entries(index, dir)?.into_iter().filter(|entry| ref_name(entry) == Some(tag.as_str()));
    let first = found.next();
    // The specification leaves open what several entries of one name mean.
    match (&first, found.find(|other| Some(other.digest) != first.as_ref().map(|f| f.digest))) {
        (Some(_), Some(_)) => Err(Error::AmbiguousTag { dir: dir.to_owned(), tag: tag.clone() }),
        _ => Ok(first),
    }
}

/// All reference names that are tags, sorted.
pub(super) fn tags(index: &Value, dir: &Path) -> Result<Vec<Tag>, Error> {
    let entries = entries(index, dir)?;
    let mut tags: Vec<Tag> =
        entries.iter().filter_map(ref_name).filter_map(|name| name.parse().ok()).collect();
    tags.sort();
    tags.dedup();
    Ok(tags)
}

/// The index with `tag` at `descriptor`; `None` if that is what it says already. An entry keeps its
/// place; the fields of the old one that spoke about other content go with it.
pub(super) fn with_tag(
    mut index: Value,
    dir: &Path,
    tag: &Tag,
    descriptor: &Descriptor,
) -> Result<Option<Value>, Error> {
    let entries = entries(&index, dir)?;
    let places: Vec<usize> = (0..)
        .zip(&entries)
        .filter(|(_, entry)| ref_name(entry) == Some(tag.as_str()))
        .map(|(i, _)| i)
        .collect();
    if let [one] = places.as_slice()
        && entries.get(*one).map(RawDescriptor::descriptor).as_ref() == Some(descriptor)
    {
        return Ok(None);
    }
    let entry = json!({
        "mediaType": descriptor.media_type,
        "digest": descriptor.digest,
        "size": descriptor.size,
        "annotations": { media::REF_NAME: tag.as_str() },
    });
    if let Some(Value::Array(items)) = index.get_mut("manifests") {
        let place = places.first().copied().unwrap_or(items.len());
        for i in places.into_iter().rev() {
            items.remove(i);
        }
        items.insert(place, entry);
    }
    Ok(Some(index))
}
