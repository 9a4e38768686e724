//! What a patched image is: its index, its manifests, their configurations and layers, byte by
//! byte as the bundle says, under its immutable tag.

use fleetfix_model::document::bundle::{PatchedImage, PatchedPlatform};
use fleetfix_model::document::plan::BaseImage;
use fleetfix_model::{Descriptor, Digest, Platform};
use fleetfix_oci::manifest::{Kind, Manifest, RawDescriptor};
use fleetfix_registry::Store;
use futures_util::stream::{self, StreamExt};
use serde_json::Value;

use super::lineage;
use crate::judgement::Judged;
use crate::{Error, PARALLEL};

/// Largest image configuration that is read, in bytes.
const MAX_CONFIG: u64 = 8 << 20;
/// Most layers of one image; runtimes stop far below (overlayfs takes about 500).
const MAX_LAYERS: usize = 1000;

/// Checks everything that the digest of the index leads to. `base` is the plan's entry for what
/// the image was made from, where there is a plan.
pub async fn check(store: &Store, image: &PatchedImage, base: Option<&BaseImage>) -> Judged {
    let mut parts = vec![tag(store, image).await];
    match manifest("index", store, &image.index).await {
        Err(judged) => parts.push(judged),
        Ok(index) => {
            parts.push(Judged::holds("index", image.index.digest, ""));
            parts.push(platforms(&index, image));
            parts.push(others(store, &index).await);
            if index.kind == Kind::Index {
                parts.push(lineage::index(&index, image));
            }
            let children = image.platforms.iter().map(|p| child(store, image, p, base));
            parts.extend(stream::iter(children).buffered(PARALLEL).collect::<Vec<_>>().await);
        }
    }
    Judged::all("content", image.index.digest, parts)
}

/// Registries delete what has no tag, so the image must still have its own.
async fn tag(store: &Store, image: &PatchedImage) -> Judged {
    let reference = store.repository().tagged(image.tag.clone());
    match store.resolve(&image.tag).await {
        Ok(Some(found)) => Judged::equal("tag", reference, &image.index.digest, &found.digest),
        Ok(None) => Judged::refused("tag", reference, "is gone: registries delete what has no tag"),
        Err(error) => Judged::error("tag", reference, &Error::from(error)),
    }
}

/// Reads what a descriptor names; all three of its fields must be right.
pub(crate) async fn manifest(
    name: &str,
    store: &Store,
    expected: &Descriptor,
) -> Result<Manifest, Judged> {
    let digest = expected.digest;
    let error = |error: Error| Judged::error(name, digest, &error);
    let raw = store.find_manifest(digest).await.map_err(|e| error(e.into()))?;
    let raw = raw.ok_or_else(|| {
        Judged::refused(name, digest, format!("is not in {}", store.repository()))
    })?;
    if raw.bytes.len() as u64 != expected.size {
        let detail = format!("expected {} bytes, found {}", expected.size, raw.bytes.len());
        return Err(Judged::refused(name, digest, detail));
    }
    // What the manifest calls itself decides; a registry's header proves nothing.
    Manifest::parse(Some(&expected.media_type), &raw.bytes).map_err(|e| {
        let subject = store.repository().at(digest).to_string();
        error(Error::Manifest { subject, source: Box::new(e) })
    })
}

/// The images of the index are exactly those that the bundle names, in their order.
fn platforms(index: &Manifest, image: &PatchedImage) -> Judged {
    let expected: Vec<_> =
        image.platforms.iter().map(|p| (Some(p.platform.clone()), p.manifest.clone())).collect();
    let found: Vec<_> = match index.kind {
        Kind::Index => match index.children() {
            Ok(children) => children
                .into_iter()
                .filter(RawDescriptor::is_image)
                .map(|child| (child.platform(), child.descriptor()))
                .collect(),
            Err(error) => return Judged::refused("platforms", "", error),
        },
        // A manifest has no platform of its own; its configuration is compared below.
        Kind::Image => {
            let platform = image.platforms.first().map(|p| p.platform.clone());
            vec![(platform, index.descriptor())]
        }
        Kind::Other => {
            return Judged::refused("platforms", "", format!("{} is no image", index.media_type));
        }
    };
    let names = |list: &[(Option<Platform>, Descriptor)]| {
        let one = |(platform, descriptor): &(Option<Platform>, Descriptor)| match platform {
            Some(platform) => format!("{platform} {}", descriptor.digest.short()),
            None => format!("no platform {}", descriptor.digest.short()),
        };
        list.iter().map(one).collect::<Vec<_>>().join(", ")
    };
    if expected == found {
        Judged::holds("platforms", "", names(&found))
    } else {
        let detail = format!("expected {}; found {}", names(&expected), names(&found));
        Judged::refused("platforms", "", detail)
    }
}

/// What else the index names, such as build attestations, must be there: a copy of the whole index
/// fails where one is missing. Nothing runs it, so nothing more is asked of it.
async fn others(store: &Store, index: &Manifest) -> Judged {
    let children = if index.kind == Kind::Index { index.children() } else { Ok(Vec::new()) };
    let others: Vec<Digest> = match children {
        Ok(children) => children.into_iter().filter(|c| !c.is_image()).map(|c| c.digest).collect(),
        Err(error) => return Judged::refused("otherManifests", "", error),
    };
    let count = others.len();
    let ask = others.into_iter().map(|digest| async move {
        match store.has_manifest(digest).await {
            Ok(true) => None,
            Ok(false) => Some(Judged::refused("manifest", digest, "is not there")),
            Err(error) => Some(Judged::error("manifest", digest, &Error::from(error))),
        }
    });
    let asked: Vec<Option<Judged>> = stream::iter(ask).buffered(PARALLEL).collect().await;
    let missing = asked.into_iter().flatten().collect();
    Judged::all("otherManifests", "", missing).detail(format!("{count} of them"))
}

/// One manifest with its configuration and layers.
async fn child(
    store: &Store,
    image: &PatchedImage,
    platform: &PatchedPlatform,
    base: Option<&BaseImage>,
) -> Judged {
    let subject = format!("{} {}", platform.platform, platform.manifest.digest);
    let parts = match manifest("manifest", store, &platform.manifest).await {
        Err(judged) => vec![judged],
        Ok(manifest) => {
            let mut parts = vec![Judged::holds("manifest", platform.manifest.digest, "")];
            match config(store, &manifest).await {
                Err(judged) => parts.push(judged),
                Ok(config) => {
                    parts.push(config_platform(&config, &platform.platform));
                    parts.push(lineage::image(&manifest, &config, image, platform, base));
                }
            }
            parts.push(layers(store, &manifest).await);
            parts
        }
    };
    Judged::all("platform", subject, parts)
}

async fn config(store: &Store, manifest: &Manifest) -> Result<Value, Judged> {
    let descriptor =
        manifest.config().map_err(|error| Judged::refused("config", manifest.digest(), error))?;
    let subject = descriptor.digest;
    let bytes = match store.blob(subject, MAX_CONFIG).await {
        Ok(bytes) => bytes,
        Err(error) if error.is_absent() => {
            return Err(Judged::refused("config", subject, "is not there"));
        }
        Err(error) => return Err(Judged::error("config", subject, &Error::from(error))),
    };
    if bytes.len() as u64 != descriptor.size {
        let detail = format!("expected {} bytes, found {}", descriptor.size, bytes.len());
        return Err(Judged::refused("config", subject, detail));
    }
    fleetfix_model::canonical::from_bounded_json(&bytes)
        .map_err(|error| Judged::refused("config", subject, crate::judgement::chain(&error)))
}

/// The platform of the configuration, which runtimes believe, is the one that the index says.
/// Where only one of the two names a variant, that is no contradiction: many bases do so.
fn config_platform(config: &Value, expected: &Platform) -> Judged {
    let text = |name: &str| config.get(name).and_then(Value::as_str).unwrap_or_default();
    let variant = Some(text("variant")).filter(|v| !v.is_empty());
    let same_variant = match (variant, expected.variant.as_deref()) {
        (Some(found), Some(expected)) => found == expected,
        (None, _) | (_, None) => true,
    };
    let same = text("os") == expected.os && text("architecture") == expected.architecture;
    let found = format!("{}/{}", text("os"), text("architecture"));
    let detail = format!("expected {expected}, its configuration says {found}");
    if same && same_variant {
        Judged::holds("configPlatform", "", "")
    } else {
        Judged::refused("configPlatform", "", detail)
    }
}

/// Every layer is there. Their bytes are hashed by whoever runs the image, and on a layout by us.
async fn layers(store: &Store, manifest: &Manifest) -> Judged {
    let layers = match manifest.layers() {
        Ok(layers) if layers.len() <= MAX_LAYERS => layers,
        Ok(layers) => {
            let detail = format!("{} of them, at most {MAX_LAYERS} are read", layers.len());
            return Judged::refused("layers", "", detail);
        }
        Err(error) => return Judged::refused("layers", "", error),
    };
    let count = layers.len();
    let ask = layers.into_iter().filter(|layer| !layer.is_foreign()).map(|layer| async move {
        match store.has_blob(layer.digest).await {
            Ok(true) => None,
            Ok(false) => Some(Judged::refused("layer", layer.digest, "is not there")),
            Err(error) => Some(Judged::error("layer", layer.digest, &Error::from(error))),
        }
    });
    let missing = stream::iter(ask).buffered(PARALLEL).filter_map(async |judged| judged);
    Judged::all("layers", "", missing.collect().await).detail(format!("{count} of them"))
}
