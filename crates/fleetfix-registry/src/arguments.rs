//! Flags that every command with registries has.

use std::path::PathBuf;

use crate::{Client, Error, Mirror};

/// Flags of a client.
#[derive(Clone, Debug, Default, clap::Args)]
pub struct RegistryArgs {
    /// Read NAME and all below it from PLACE: quay.io/a/b=oci:DIR or quay.io/a/b=registry/path.
    #[arg(long = "mirror", value_name = "NAME=PLACE", env = "FLEETFIX_MIRROR", value_delimiter = ',')]
    pub mirrors: Vec<Mirror>,
    /// Credentials, as podman and docker write them.
    #[arg(long, value_name = "FILE", env = "REGISTRY_AUTH_FILE")]
    pub authfile: Option<PathBuf>,
    /// Speak plain HTTP with HOST[:PORT]. Loopback needs no permission.
    #[arg(long, value_name = "HOST", env = "FLEETFIX_PLAIN_HTTP", value_delimiter = ',')]
    pub plain_http: Vec<String>,
}

impl RegistryArgs {
    /// A client with these flags and the environment's credentials and certificates.
    pub fn client(&self) -> Result<Client, Error> {
        todo!()
    }
}
