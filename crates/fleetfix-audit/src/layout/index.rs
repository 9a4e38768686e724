//! `oci-layout` and `index.json`: nothing signs them, so they must have the one spelling that we
//! write, in which each byte means something that is compared with what it names.

use std::io::Read;
use std::path::Path;

use fleetfix_model::canonical::from_bounded_json;
use fleetfix_model::name::Tag;
use fleetfix_model::{Descriptor, media};
use fleetfix_oci::manifest::RawDescriptor;
use serde_json::{Value, json};

use super::files::{open, unreadable};
use crate::Error;
use crate::judgement::Judged;

/// `oci-layout` as we write it (image-spec v1.1, image-layout.md).
const MARKER: &[u8] = br#"{"imageLayoutVersion":"1.0.0"}"#;
/// Largest `index.json` that is read, in bytes.
const MAX_INDEX: u64 = fleetfix_model::canonical::MAX_SIZE as u64;

/// An `index.json` in its one spelling.
pub(crate) struct Index {
    /// The entries in their order.
    pub(crate) entries: Vec<Entry>,
}

/// One entry.
pub(crate) struct Entry {
    /// What it names.
    pub(crate) descriptor: Descriptor,
    /// Under which tag.
    pub(crate) tag: Tag,
}

pub(super) fn check_marker(dir: &Path) -> Judged {
    match read(&dir.join("oci-layout")) {
        Ok(bytes) => Judged::when(bytes == MARKER, "ociLayout", "", ""),
        Err(error) => unreadable("ociLayout", "", &error),
    }
    .explained("not as we write it")
}

pub(super) fn check(dir: &Path) -> (Judged, Option<Index>) {
    let bytes = match read(&dir.join("index.json")) {
        Ok(bytes) => bytes,
        Err(error) => return (unreadable("index", "", &error), None),
    };
    match parse(&bytes) {
        Ok(index) => {
            let detail = format!("{} entries", index.entries.len());
            (Judged::holds("index", "", detail), Some(index))
        }
        Err(problem) => (Judged::refused("index", "", problem), None),
    }
}

/// Reads the entries and writes them again: other bytes are refused.
fn parse(bytes: &[u8]) -> Result<Index, String> {
    let value = from_bounded_json(bytes).map_err(|e| crate::judgement::chain(&e))?;
    let items = value.get("manifests").and_then(Value::as_array).ok_or("no list of manifests")?;
    let mut entries: Vec<Entry> = Vec::new();
    for (i, item) in items.iter().enumerate() {
        let raw = RawDescriptor::parse("index.json", &format!("manifests[{i}]"), item)
            .map_err(|e| e.to_string())?;
        let tag =
            raw.annotation(media::REF_NAME).ok_or_else(|| format!("manifests[{i}] has no tag"))?;
        let tag: Tag = tag.parse().map_err(|e| format!("manifests[{i}]: {e}"))?;
        if entries.iter().any(|other| other.tag == tag) {
            return Err(format!("tag `{tag}` twice"));
        }
        entries.push(Entry { descriptor: raw.descriptor(), tag });
    }
    let again = json!({
        "schemaVersion": 2,
        "mediaType": media::OCI_INDEX,
        "manifests": entries.iter().map(|entry| json!({
            "mediaType": entry.descriptor.media_type,
            "digest": entry.descriptor.digest,
            "size": entry.descriptor.size,
            "annotations": { media::REF_NAME: entry.tag.as_str() },
        })).collect::<Vec<_>>(),
    });
    if again.to_string().as_bytes() == bytes {
        Ok(Index { entries })
    } else {
        Err("not as we write it: another spelling, or fields that we do not use".into())
    }
}

fn read(path: &Path) -> Result<Vec<u8>, Error> {
    let file = open(path)?;
    let mut bytes = Vec::new();
    file.take(MAX_INDEX + 1).read_to_end(&mut bytes).map_err(Error::file("read", path))?;
    Ok(bytes)
}

impl Judged {
    /// Says why, where it does not hold.
    fn explained(self, why: &str) -> Self {
        if self.is_good() { self } else { self.detail(why) }
    }
}
