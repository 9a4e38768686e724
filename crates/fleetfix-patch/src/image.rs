//! The patched image of one base: all of its documents, before anything is written.

use std::collections::BTreeMap;

use bytes::Bytes;
use fleetfix_model::name::Tag;
use fleetfix_model::{Descriptor, Digest, Platform, Repository, media};
use fleetfix_oci::config::Config;
use fleetfix_oci::edit::{self, ImagePatch, OtherManifests};
use fleetfix_oci::layer::{Algorithm, Items, Layer};
use fleetfix_oci::manifest::{Kind, RawDescriptor};

use crate::Error;
use crate::base::{Base, BaseImage};
use crate::compress::Layers;

/// A patched image.
#[derive(Clone, Debug)]
pub struct Patched {
    /// Digest of the base.
    pub base: Digest,
    /// Where it goes.
    pub to: Repository,
    /// Its tag there.
    pub tag: Tag,
    /// The index, or the manifest where there is none.
    pub top: Document,
    /// The manifests below the index.
    pub manifests: Vec<Document>,
    /// The configurations.
    pub configs: Vec<Document>,
    /// The new layers.
    pub layers: Vec<Descriptor>,
    /// Entries of the index that are no images and stay.
    pub kept: Vec<RawDescriptor>,
    /// Entries of the index that were about an image as it was, and went.
    pub dropped: Vec<RawDescriptor>,
    /// The patched manifests, in the order of the index.
    pub platforms: Vec<(Platform, Digest)>,
}

/// A small document with its descriptor.
#[derive(Clone, Debug)]
pub struct Document {
    /// Describes it.
    pub descriptor: Descriptor,
    /// Its bytes.
    pub bytes: Bytes,
}

/// Edits the documents of a base with a stand-in for its new layers, which `algorithm` compresses:
/// what is refused of them is known before there are any.
pub fn rehearse(base: &Base, algorithm: Algorithm, others: OtherManifests) -> Result<(), Error> {
    let digest = Digest::of(b"a layer that is not there yet");
    let layer = Layer { algorithm, digest, size: 0, diff_id: digest, archive_size: 0 };
    with_layers(base, |_| Some(&layer), others).map(drop)
}

/// Edits the documents of a base whose layers are finished.
pub fn assemble(base: &Base, layers: &Layers, others: OtherManifests) -> Result<Patched, Error> {
    with_layers(base, |items| Some(&layers.get(items)?.layer), others)
}

fn with_layers<'a>(
    base: &Base,
    layer_of: impl Fn(&Items) -> Option<&'a Layer>,
    others: OtherManifests,
) -> Result<Patched, Error> {
    let name = base.name();
    let failed = || Error::base(name.clone());
    hypershift_labels(base)?;
    // A directory means nothing to others, and would put the place of the build into a digest.
    let registry = match &base.job.base.repository {
        Repository::Registry { .. } => Some(base.job.base.repository.to_string()),
        Repository::Layout(_) => None,
    };
    let from = |digest| edit::Base { name: registry.as_deref(), digest };
    let mut replaced = BTreeMap::new();
    let (mut manifests, mut configs) = (Vec::new(), Vec::new());
    let (mut new_layers, mut platforms) = (Vec::new(), Vec::new());
    for image in &base.images {
        let layer = layer_of(&image.items);
        let patch = ImagePatch {
            layer: layer.ok_or(Error::Abandoned { what: "a new layer" })?,
            base: from(image.manifest.digest()),
            commit: base.job.commit.as_ref(),
            labels: &base.job.labels,
        };
        let patched = edit::image(&image.manifest, &image.config, patch).map_err(failed())?;
        same_hypershift_labels(&name, image, &patched.config_bytes)?;
        new_layers.push(patched.layer);
        replaced.insert(image.manifest.digest(), patched.manifest.clone());
        platforms.push((image.platform.clone(), patched.manifest.digest));
        configs.push(Document { descriptor: patched.config, bytes: patched.config_bytes.into() });
        let bytes = patched.manifest_bytes.into();
        manifests.push(Document { descriptor: patched.manifest, bytes });
    }
    let (top, kept, dropped) = if base.top.kind == Kind::Index {
        let commit = base.job.commit.as_ref();
        let from = from(base.digest());
        let new = edit::index_with(&base.top, &replaced, from, commit, others);
        let new = new.map_err(failed())?;
        (Document { descriptor: new.index, bytes: new.bytes.into() }, new.kept, new.dropped)
    } else {
        let only = manifests.pop().ok_or(Error::Abandoned { what: "a manifest" })?;
        (only, Vec::new(), Vec::new())
    };
    Ok(Patched {
        base: base.digest(),
        to: base.job.to.clone(),
        tag: base.job.tag.clone(),
        top,
        manifests,
        configs,
        layers: new_layers,
        kept,
        dropped,
        platforms,
    })
}

/// The labels that the plan counts on must be there.
fn hypershift_labels(base: &Base) -> Result<(), Error> {
    let mut labels = Vec::new();
    for image in &base.images {
        labels.extend(read_hypershift_labels(&base.name(), &image.config)?.into_keys());
    }
    let expected = base.job.pinned.iter().flat_map(|pinned| &pinned.labels);
    match expected.into_iter().find(|label| !labels.contains(label)) {
        Some(label) => Err(Error::LabelGone { base: base.name(), label: label.clone() }),
        None => Ok(()),
    }
}

/// They steer HyperShift's behaviour: a patch that changed one would change more than its files.
fn same_hypershift_labels(base: &str, image: &BaseImage, patched: &[u8]) -> Result<(), Error> {
    let before = read_hypershift_labels(base, &image.config)?;
    let after = read_hypershift_labels(base, patched)?;
    let differs = |label: &&String| before.get(*label) != after.get(*label);
    match before.keys().chain(after.keys()).find(differs) {
        Some(label) => Err(Error::LabelOfHypershift { label: label.clone() }),
        None => Ok(()),
    }
}

fn read_hypershift_labels(base: &str, config: &[u8]) -> Result<BTreeMap<String, String>, Error> {
    let labels = Config::parse(config).and_then(|config| config.labels());
    let mut labels = labels.map_err(Error::base(base))?;
    labels.retain(|label, _| label.starts_with(media::HYPERSHIFT_LABELS));
    Ok(labels)
}
