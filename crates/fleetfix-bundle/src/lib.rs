//! `fleetfix-bundle`: writes the fix bundle, the one artifact whose digest people approve.
//!
//! It names every patched image of a plan and where it applies, and demands what must lie beside
//! each. Whether signatures and attestations are good is judged by publish and verify, which have
//! a policy; here they must be there. The same plan and images give the same bundle, byte for byte.
//!
//! | module | what it holds |
//! |---|---|
//! | [`input`] | request and plan, and whether they belong together |
//! | [`image`] | a patched image, held against the plan |
//! | [`evidence`] | what lies beside it |
//! | [`document`] | the bundle document |
//! | [`artifact`] | its OCI form |
//! | [`error`] | what can go wrong |

use std::path::PathBuf;

use bytes::Bytes;
use clap::Parser;
use fleetfix_model::name::{RepositoryPath, Tag};
use fleetfix_model::{Class, Repository, fleet, media};
use fleetfix_registry::{Body, Client, RegistryArgs, Store, Written};
use fleetfix_task::{Context, Failure, Outcome, ResultPath, Task, file};
use fleetfix_trust::PublicKey;
use serde_json::json;

use crate::artifact::Artifact;
use crate::document::Part;
use crate::evidence::Evidence;
use crate::image::Image;
use crate::input::Input;

pub mod artifact;
pub mod document;
pub mod error;
pub mod evidence;
pub mod image;
pub mod input;

pub use error::Error;

/// Largest public key file that is read, in bytes: RSA with 4096 bits takes less than one of these KiB.
const MAX_KEY: u64 = 16 << 10;

/// Write the fix bundle of a plan whose images are patched, signed and attested.
#[derive(Clone, Debug, Parser)]
#[command(name = "fleetfix-bundle", version)]
pub struct Args {
    /// Fix plan
    #[arg(long, value_name = "FILE", env = "FLEETFIX_PLAN")]
    pub plan: PathBuf,
    /// Fix request that the plan was made from
    #[arg(long, value_name = "FILE", env = "FLEETFIX_REQUEST")]
    pub request: PathBuf,
    /// Where the patched images are: PLACE/COMPONENT
    #[arg(long, value_name = "PLACE", env = "FLEETFIX_FROM")]
    pub from: Repository,
    /// Where the bundle goes, to PLACE/bundles; default: beside the patched images, where publish
    /// looks for them
    #[arg(long, value_name = "PLACE", env = "FLEETFIX_TO")]
    pub to: Option<Repository>,
    /// Registry and path that clusters will pull from: as given to fleetfix-sign
    #[arg(long, value_name = "REGISTRY/PATH", env = "FLEETFIX_FLEET")]
    pub fleet: Repository,
    /// Public key of a builder: only statements that one of these keys signed count; default: all
    #[arg(
        long = "builder-key",
        value_name = "FILE",
        env = "FLEETFIX_BUILDER_KEY",
        value_delimiter = ','
    )]
    pub builder_keys: Vec<PathBuf>,
    /// File for the bundle's digest
    #[arg(long, value_name = "FILE", env = "FLEETFIX_RESULT_BUNDLE_DIGEST")]
    pub result_bundle_digest: Option<ResultPath>,
    /// File for the bundle's reference, by digest
    #[arg(long, value_name = "FILE", env = "FLEETFIX_RESULT_BUNDLE_REF")]
    pub result_bundle_ref: Option<ResultPath>,
    /// Registries.
    #[command(flatten)]
    pub registry: RegistryArgs,
}

impl Task for Args {
    async fn run(self, context: &Context) -> Result<Outcome, Failure> {
        if self.fleet.layout_dir().is_some() {
            return Err(Error::Fleet { fleet: self.fleet }.into());
        }
        let builders = self.builders()?;
        let input = Input::read(&self.request, &self.plan, context.now)?;
        let client = self.registry.client()?;
        let parts = self.parts(context, &client, &input, &builders).await?;
        let bundle = document::bundle(&input, &self.fleet, parts)?;
        let tag = bundle.tag().ok_or_else(|| Error::NoTag { id: bundle.id.clone() })?;
        let artifact = Artifact::new(&bundle, &input).map_err(Error::Canonical)?;
        let digest = artifact.digest();
        let bundles = fleet::BUNDLES.parse().map_err(|e| Failure::new(Class::Bug, e))?;
        let to = self.to.as_ref().unwrap_or(&self.from).below(&bundles);
        context.step(format_args!("writing {}@{digest}", to.tagged(tag.clone())));
        write(&client.store(&to), &tag, artifact).await?;
        let reference = to.at(digest);
        Ok(Outcome::json(&json!({ "bundle": reference, "digest": digest, "tag": tag }))?
            .result(self.result_bundle_digest.as_ref(), digest)
            .result(self.result_bundle_ref.as_ref(), &reference))
    }
}

impl Args {
    /// The keys whose statements count.
    fn builders(&self) -> Result<Vec<PublicKey>, Failure> {
        let read = |path: &PathBuf| -> Result<PublicKey, Failure> {
            let bytes = file::read_bounded(path, MAX_KEY)?;
            let key = PublicKey::from_pem(&String::from_utf8_lossy(&bytes));
            Ok(key.map_err(|source| Error::BuilderKey { path: path.clone(), source })?)
        };
        self.builder_keys.iter().filter(|path| !path.as_os_str().is_empty()).map(read).collect()
    }

    /// Finds the patched image of every base, with all that has to lie beside it.
    async fn parts<'a>(
        &self,
        context: &Context,
        client: &Client,
        input: &'a Input,
        builders: &[PublicKey],
    ) -> Result<Vec<Part<'a>>, Failure> {
        let component: RepositoryPath = input.component()?;
        let store = client.store(&self.from.below(&component));
        let called = self.fleet.below(&component);
        let mut parts = Vec::new();
        for base in &input.plan.bases {
            let image = Image::find(&store, &input.plan, base).await?;
            context.step(format_args!(
                "{}: looking for signatures and attestations; whose they are is judged by publish",
                store.repository().tagged(image.tag.clone()),
            ));
            let identity = called.tagged(image.tag.clone()).to_string();
            let evidence =
                Evidence::find(&store, &image, &identity, input.plan_digest, builders).await?;
            parts.push(Part { base, image, evidence });
        }
        Ok(parts)
    }
}

/// Writes the artifact under its tag, content before manifest. The same bundle again changes
/// nothing; another one under the same tag is refused.
async fn write(store: &Store, tag: &Tag, artifact: Artifact) -> Result<Written, Failure> {
    for (descriptor, bytes) in artifact.blobs {
        store.put_blob(&descriptor, Body::Bytes(Bytes::from(bytes))).await?;
    }
    Ok(store.put_immutable_tag(tag, media::OCI_MANIFEST, &artifact.manifest).await?)
}
