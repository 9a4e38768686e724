//! The arguments that name a key.

use std::path::PathBuf;

use zeroize::Zeroizing;

use crate::error::Error;
use crate::file;
use crate::key::SigningKey;

/// Environment variable that cosign reads a key's password from. Set and empty means the empty
/// password, as for cosign.
const COSIGN_PASSWORD: &str = "COSIGN_PASSWORD";

/// The key to sign with. Secrets come by file, never by flag value.
#[derive(Clone, Debug, Default, clap::Args)]
pub struct KeyArgs {
    /// Private key to sign with: cosign's encrypted PEM or PKCS #8 PEM, ECDSA P-256
    #[arg(long, value_name = "FILE", env = "FLEETFIX_KEY")]
    pub key: Option<PathBuf>,
    /// File with the key's password; without it the environment variable `COSIGN_PASSWORD` is used
    #[arg(long, value_name = "FILE", env = "FLEETFIX_KEY_PASSWORD_FILE")]
    pub key_password_file: Option<PathBuf>,
}

impl KeyArgs {
    /// Reads the key.
    pub fn signing_key(&self) -> Result<SigningKey, Error> {
        self.signing_key_with(std::env::var_os(COSIGN_PASSWORD))
    }

    /// The password: of the file, else of the environment.
    pub fn password(&self) -> Result<Option<Zeroizing<Vec<u8>>>, Error> {
        self.password_with(std::env::var_os(COSIGN_PASSWORD))
    }

    fn signing_key_with(&self, from_env: Option<std::ffi::OsString>) -> Result<SigningKey, Error> {
        let path = self.key.as_ref().ok_or(Error::NoKey)?;
        let password = self.password_with(from_env)?;
        SigningKey::from_pem_file(path, password.as_ref().map(|p| p.as_slice()))
    }

    fn password_with(
        &self,
        from_env: Option<std::ffi::OsString>,
    ) -> Result<Option<Zeroizing<Vec<u8>>>, Error> {
        match &self.key_password_file {
            Some(path) => file::password(path).map(Some),
            None => Ok(from_env.map(|p| Zeroizing::new(p.into_encoded_bytes()))),
        }
    }
}

#[cfg(test)]
mod tests;
