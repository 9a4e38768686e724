//! The artifact of a bundle: a manifest with the bundle, the request and the plan as layers.

use fleetfix_model::document::{self, Document, FixBundle, FixPlan, FixRequest};
use fleetfix_model::{Descriptor, canonical, media};
use fleetfix_oci::manifest::{Manifest, RawDescriptor};
use fleetfix_registry::Store;

use crate::image::content;
use crate::judgement::Judged;
use crate::{Error, judgement};

/// Name of the check of the artifact.
const CHECK: &str = "artifact";

/// The documents of a bundle, each read from its canonical bytes. Nobody vouches for them yet.
#[derive(Clone, Debug)]
pub struct Contents {
    /// What is published.
    pub bundle: FixBundle,
    /// What it was made from.
    pub request: FixRequest,
    /// What was resolved from the request.
    pub plan: FixPlan,
}

/// Reads the artifact whose manifest is `descriptor`, and its documents.
pub async fn read(store: &Store, descriptor: &Descriptor) -> Result<Contents, Judged> {
    let manifest = content::manifest(CHECK, store, descriptor).await?;
    let layers =
        layers(&manifest).map_err(|problem| Judged::refused(CHECK, descriptor.digest, problem))?;
    let [bundle, request, plan] = layers.as_slice() else {
        let detail = format!("expected 3 layers, found {}", layers.len());
        return Err(Judged::refused(CHECK, descriptor.digest, detail));
    };
    let contents = Contents {
        bundle: document(store, bundle, media::FIX_BUNDLE).await?,
        request: document(store, request, media::FIX_REQUEST).await?,
        plan: document(store, plan, media::FIX_PLAN).await?,
    };
    for (name, layer, named) in
        [("request", request, contents.bundle.request), ("plan", plan, contents.bundle.plan)]
    {
        if layer.digest != named {
            let detail =
                format!("the bundle names {name} {named}, the artifact holds {}", layer.digest);
            return Err(Judged::refused(CHECK, descriptor.digest, detail));
        }
    }
    Ok(contents)
}

fn layers(manifest: &Manifest) -> Result<Vec<RawDescriptor>, String> {
    if manifest.media_type != media::OCI_MANIFEST {
        return Err(format!("media type `{}`", manifest.media_type));
    }
    if manifest.artifact_type() != Some(media::FIX_BUNDLE) {
        let found = manifest.artifact_type().unwrap_or("none");
        return Err(format!("artifact type {found}, expected {}", media::FIX_BUNDLE));
    }
    let config = manifest.config().map_err(|e| judgement::chain(&e))?;
    if config.descriptor() != Descriptor::of(media::OCI_EMPTY, b"{}") {
        return Err("its config is not the empty one".into());
    }
    manifest.layers().map_err(|e| judgement::chain(&e))
}

async fn document<T: Document>(
    store: &Store,
    layer: &RawDescriptor,
    media_type: &str,
) -> Result<T, Judged> {
    let refuse = |detail: String| Judged::refused("document", layer.digest, detail);
    if layer.media_type != media_type {
        return Err(refuse(format!("media type `{}`, expected `{media_type}`", layer.media_type)));
    }
    let max = canonical::MAX_SIZE as u64;
    let bytes = store.blob(layer.digest, max).await.map_err(|error| {
        if error.is_absent() {
            refuse(format!("is not in {}", store.repository()))
        } else {
            Judged::error("document", layer.digest, &Error::from(error))
        }
    })?;
    if bytes.len() as u64 != layer.size {
        return Err(refuse(format!("expected {} bytes, found {}", layer.size, bytes.len())));
    }
    document::from_canonical(T::KIND, &bytes).map_err(|error| refuse(judgement::chain(&error)))
}
