//! `fleetfix-sign`: signs images, so that clusters may run them.
//!
//! Signed are the index and every image manifest below it, because CRI-O checks the manifest that
//! it runs. Signing again with the same key writes nothing. A reference is resolved once: what was
//! read is what is signed, wherever its tag points later.
//!
//! | module | what it holds |
//! |---|---|
//! | [`identity`] | what the signature calls the image |
//! | [`signing`] | one signature on one digest |
//! | [`target`] | the images that are meant |
//! | [`error`] | what can go wrong |

use std::path::PathBuf;

use clap::{ArgGroup, Parser};
use fleetfix_model::{Reference, Repository};
use fleetfix_registry::RegistryArgs;
use fleetfix_signer::KeyArgs;
use fleetfix_task::{Context, Failure, Outcome, Task};
use serde_json::json;

pub mod error;
pub mod identity;
pub mod signing;
pub mod target;

pub use error::Error;

/// Sign every patched image of a plan, or one image: index and manifests.
#[derive(Clone, Debug, Parser)]
#[command(name = "fleetfix-sign", version)]
#[command(group(ArgGroup::new("what").required(true).args(["plan", "image"])))]
pub struct Args {
    /// Fix plan whose patched images are signed
    #[arg(long, value_name = "FILE", env = "FLEETFIX_PLAN", requires_all = ["from", "fleet"])]
    pub plan: Option<PathBuf>,
    /// Where the patched images are: PLACE/COMPONENT
    #[arg(long, value_name = "PLACE", env = "FLEETFIX_FROM")]
    pub from: Option<Repository>,
    /// Registry and path that clusters will pull from: signatures name FLEET/COMPONENT:TAG
    #[arg(long, value_name = "REGISTRY/PATH", env = "FLEETFIX_FLEET")]
    pub fleet: Option<Repository>,
    /// Image to sign: registry/path:tag, registry/path@digest or oci:DIR:TAG
    #[arg(long, value_name = "REF", env = "FLEETFIX_IMAGE")]
    pub image: Option<Reference>,
    /// Name that clusters will pull the image by; default: the image's own name and tag
    #[arg(long, value_name = "REPO:TAG", env = "FLEETFIX_DOCKER_REFERENCE", requires = "image")]
    pub docker_reference: Option<Reference>,
    /// The key.
    #[command(flatten)]
    pub key: KeyArgs,
    /// Registries.
    #[command(flatten)]
    pub registry: RegistryArgs,
}

impl Task for Args {
    async fn run(self, context: &Context) -> Result<Outcome, Failure> {
        let chosen = target::Chosen::new(&self, context.now)?;
        let key = self.key.signing_key()?;
        let client = self.registry.client()?;
        let mut signed = Vec::new();
        for target in chosen.find(&client).await? {
            context.step(format_args!(
                "signing {} as {}: index and manifests, {} in all",
                target.place,
                target.identity,
                target.digests.len()
            ));
            for digest in target.digests {
                signed.push(signing::sign(&target.store, digest, &target.identity, &key).await?);
            }
        }
        Ok(Outcome::json(&json!({ "signed": signed }))?)
    }
}
