//! The keys of a publisher: several files, one password file.

use std::path::{Path, PathBuf};

use fleetfix_signer::{KeyArgs, SigningKey};
use fleetfix_task::Failure;
use fleetfix_trust::Sign;

/// Where the password of encrypted keys comes from.
#[derive(Clone, Debug, Default, clap::Args)]
pub struct PasswordArgs {
    /// File with the password of the keys, where they are encrypted; else `COSIGN_PASSWORD`.
    #[arg(long, env = "FLEETFIX_KEY_PASSWORD_FILE", value_name = "FILE")]
    pub key_password_file: Option<PathBuf>,
}

/// Keys that were read.
#[derive(Debug)]
pub struct Keys(Vec<SigningKey>);

impl PasswordArgs {
    /// Reads key files. A key given twice counts once.
    pub fn read(&self, files: &[PathBuf]) -> Result<Keys, Failure> {
        let mut keys: Vec<SigningKey> = Vec::new();
        for file in files {
            let key = self.read_one(file)?;
            if !keys.iter().any(|there| there.public_key() == key.public_key()) {
                keys.push(key);
            }
        }
        Ok(Keys(keys))
    }

    /// Reads one key file.
    pub fn read_one(&self, file: &Path) -> Result<SigningKey, Failure> {
        let args = KeyArgs { key: None, key_password_file: self.key_password_file.clone() };
        let password = args.password()?;
        Ok(SigningKey::from_pem_file(file, password.as_ref().map(|p| p.as_slice()))?)
    }
}

impl Keys {
    /// The keys as signers.
    pub fn signers(&self) -> Vec<&dyn Sign> {
        self.0.iter().map(|key| key as &dyn Sign).collect()
    }

    /// How many.
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// True if there is none.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}
