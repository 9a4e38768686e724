//! A state as one OCI artifact: a layer for each role file and target, so that moving one tag moves
//! the whole state at once.

use std::collections::BTreeMap;

use fleetfix_model::{Descriptor, Digest, ToCanonical, media};
use fleetfix_oci::manifest::{Manifest, RawDescriptor};
use fleetfix_registry::{RawManifest, Store};
use fleetfix_trust::tuf::TufState;
use futures_util::stream::{self, StreamExt, TryStreamExt};
use serde::Serialize;

use super::{Kind, MAX_FILE, MAX_LAYERS, is_plain};
use crate::{Error, PARALLEL};

/// The bytes of an artifact's config that has none (image-spec v1.1, manifest.md, "Guidance for an
/// Empty Descriptor").
const EMPTY: &[u8] = b"{}";

/// A state as it goes to a registry. The same files give the same bytes.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Artifact {
    /// The config and the layers, in the order of the manifest.
    pub blobs: Vec<(Descriptor, Vec<u8>)>,
    /// The manifest.
    pub manifest: Vec<u8>,
}

impl Artifact {
    /// Media type, digest and size of the manifest.
    pub fn descriptor(&self) -> Descriptor {
        Descriptor::of(media::OCI_MANIFEST, &self.manifest)
    }
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Wire {
    schema_version: u8,
    media_type: &'static str,
    artifact_type: &'static str,
    config: Descriptor,
    layers: Vec<Layer>,
}

#[derive(Serialize)]
struct Layer {
    #[serde(flatten)]
    descriptor: Descriptor,
    annotations: BTreeMap<&'static str, String>,
}

/// Puts a state into an artifact.
pub fn artifact(state: &TufState) -> Result<Artifact, Error> {
    let metadata = state.metadata.iter().map(|file| (media::TUF_METADATA, file));
    let targets = state.targets.iter().map(|file| (media::TUF_TARGET, file));
    let config = Descriptor::of(media::OCI_EMPTY, EMPTY);
    let mut blobs = vec![(config.clone(), EMPTY.to_vec())];
    let mut layers = Vec::new();
    for (media_type, (name, bytes)) in metadata.chain(targets) {
        if !is_plain(name) {
            return Err(not_a_state("the new state", format!("`{name}` is no plain file name")));
        }
        let descriptor = Descriptor::of(media_type, bytes);
        layers.push(Layer {
            descriptor: descriptor.clone(),
            annotations: [(media::TUF_FILENAME, name.clone())].into(),
        });
        blobs.push((descriptor, bytes.clone()));
    }
    // What nobody could read must not become the newest state.
    if let Some(problem) = too_many(layers.len()) {
        return Err(not_a_state("the new state", problem));
    }
    let manifest = Wire {
        schema_version: 2,
        media_type: media::OCI_MANIFEST,
        artifact_type: media::TUF_REPOSITORY,
        config,
        layers,
    };
    Ok(Artifact { blobs, manifest: manifest.to_canonical().map_err(Error::NoForm)? })
}

/// Takes a state out of an artifact; every blob is hashed.
pub async fn from_artifact(store: &Store, raw: &RawManifest) -> Result<TufState, Error> {
    let subject = store.repository().at(raw.digest).to_string();
    let files = files(&subject, raw)?;
    let read = files.into_iter().map(|file| async move {
        let bytes = store.blob(file.digest, MAX_FILE).await?;
        Ok::<_, Error>((file, bytes))
    });
    let mut read = stream::iter(read).buffered(PARALLEL);
    let mut state = TufState { metadata: BTreeMap::new(), targets: BTreeMap::new() };
    while let Some((file, bytes)) = read.try_next().await? {
        if bytes.len() as u64 != file.size {
            let (expected, found) = (file.size, bytes.len());
            let problem = format!("`{}` has {found} bytes, expected {expected}", file.name);
            return Err(not_a_state(&subject, problem));
        }
        match file.kind {
            Kind::Metadata => state.metadata.insert(file.name, bytes),
            Kind::Target => state.targets.insert(file.name, bytes),
        };
    }
    Ok(state)
}

/// One file of the state, as its layer describes it.
struct File {
    kind: Kind,
    name: String,
    digest: Digest,
    size: u64,
}

/// Reads the manifest: only what we write is a state.
fn files(subject: &str, raw: &RawManifest) -> Result<Vec<File>, Error> {
    let refuse = |problem: String| not_a_state(subject, problem);
    let broken = |e| Error::Manifest { subject: subject.to_owned(), source: Box::new(e) };
    let manifest = Manifest::parse(Some(&raw.media_type), &raw.bytes).map_err(broken)?;
    if manifest.media_type != media::OCI_MANIFEST {
        return Err(refuse(format!("media type `{}`", manifest.media_type)));
    }
    if manifest.artifact_type() != Some(media::TUF_REPOSITORY) {
        let found = manifest.artifact_type().unwrap_or("none");
        return Err(refuse(format!("artifact type {found}, expected {}", media::TUF_REPOSITORY)));
    }
    if manifest.config().map_err(broken)?.descriptor() != Descriptor::of(media::OCI_EMPTY, EMPTY) {
        return Err(refuse("its config is not the empty one".into()));
    }
    let layers = manifest.layers().map_err(broken)?;
    if let Some(problem) = too_many(layers.len()) {
        return Err(refuse(problem));
    }
    let mut files: Vec<File> = Vec::new();
    for layer in &layers {
        let file = file(layer).map_err(refuse)?;
        if files.iter().any(|other| other.name == file.name) {
            return Err(refuse(format!("file `{}` twice", file.name)));
        }
        files.push(file);
    }
    Ok(files)
}

fn file(layer: &RawDescriptor) -> Result<File, String> {
    let kind = match layer.media_type.as_str() {
        media::TUF_METADATA => Kind::Metadata,
        media::TUF_TARGET => Kind::Target,
        other => return Err(format!("a layer of media type `{other}`")),
    };
    let name = layer.annotation(media::TUF_FILENAME).unwrap_or_default();
    if !is_plain(name) {
        return Err(format!("`{name}` is no plain file name"));
    }
    if layer.size > MAX_FILE {
        return Err(format!("`{name}` has {} bytes, at most {MAX_FILE} are read", layer.size));
    }
    Ok(File { kind, name: name.to_owned(), digest: layer.digest, size: layer.size })
}

fn too_many(files: usize) -> Option<String> {
    (files > MAX_LAYERS).then(|| format!("{files} files, at most {MAX_LAYERS} are read"))
}

fn not_a_state(subject: &str, problem: String) -> Error {
    Error::NotAState { subject: subject.to_owned(), problem }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn state() -> TufState {
        TufState {
            metadata: [("1.root.json", "r"), ("timestamp.json", "t")]
                .map(|(name, text)| (name.to_owned(), text.as_bytes().to_vec()))
                .into(),
            targets: [("ab.policy.json".to_owned(), b"p".to_vec())].into(),
        }
    }

    fn raw(text: &str) -> RawManifest {
        let bytes = text.as_bytes().to_vec();
        RawManifest {
            media_type: media::OCI_MANIFEST.into(),
            digest: Digest::of(&bytes),
            bytes: bytes.into(),
        }
    }

    #[test]
    fn a_state_has_one_form() {
        let artifact = artifact(&state()).unwrap();
        assert_eq!(artifact, super::artifact(&state()).unwrap());
        let names: Vec<_> = files("x", &raw(std::str::from_utf8(&artifact.manifest).unwrap()))
            .unwrap()
            .into_iter()
            .map(|file| (file.kind, file.name))
            .collect();
        assert_eq!(
            names,
            [
                (Kind::Metadata, "1.root.json".to_owned()),
                (Kind::Metadata, "timestamp.json".to_owned()),
                (Kind::Target, "ab.policy.json".to_owned()),
            ]
        );
        assert_eq!(artifact.blobs.len(), 4);
    }

    #[test]
    fn a_state_of_many_channels_is_read_and_what_nobody_reads_is_not_written() {
        let with = |count: usize| {
            let target = |i| (format!("ab.channel.c{i}.json"), b"{}".to_vec());
            TufState { targets: (0..count).map(target).collect(), ..state() }
        };
        let artifact = artifact(&with(500)).unwrap();
        let raw = raw(std::str::from_utf8(&artifact.manifest).unwrap());
        assert_eq!(files("x", &raw).unwrap().len(), 502);
        assert!(matches!(super::artifact(&with(MAX_LAYERS)), Err(Error::NotAState { .. })));
    }

    #[test]
    fn only_what_we_write_is_a_state() {
        let artifact = artifact(&state()).unwrap();
        let good = String::from_utf8(artifact.manifest).unwrap();
        let changes = [
            ("vnd.fleetfix.tuf", "vnd.fleetfix.tug"),
            ("1.root.json", "../root.json"),
            ("1.root.json", ".root.json"),
            ("1.root.json", "timestamp.json"),
            ("1.root.json", ""),
            ("tuf.io/filename", "tuf.io/filenam_"),
            ("tuf.target", "tuf.tarot"),
            ("oci.empty", "oci.full"),
            ("\"size\":1", "\"size\":8388609"),
            ("\"size\":2", "\"size\":3"),
        ];
        assert!(files("x", &raw(&good)).is_ok());
        for (from, to) in changes {
            let bad = good.replacen(from, to, 1);
            assert_ne!(bad, good, "{from}");
            assert!(files("x", &raw(&bad)).is_err(), "{from} -> {to}");
        }
    }

    #[test]
    fn names_that_are_no_plain_file_names_are_not_written() {
        for name in ["", "..", "a/b", "/a", "a\\b", ".a", "a b"] {
            let mut state = state();
            state.targets.insert(name.into(), Vec::new());
            assert!(super::artifact(&state).is_err(), "{name:?}");
        }
    }
}
