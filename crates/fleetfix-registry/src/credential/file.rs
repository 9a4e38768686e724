//! One file of credentials.

use std::collections::BTreeMap;
use std::fs;
use std::io::{self, Read};
use std::path::{Path, PathBuf};

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde::Deserialize;

use super::{Credential, Secret, helper};
use crate::Error;
use crate::options::AuthFile;

/// Largest file that is read, in bytes.
const MAX_FILE: u64 = 1 << 20;

/// Docker Hub's name in references, and in `config.json` since its first version.
const HUB: &str = "docker.io";
const HUB_LEGACY_KEY: &str = "https://index.docker.io/v1/";
const HUB_LEGACY_HOST: &str = "index.docker.io";

/// The parts of the format that say who we are (docker/cli `cli/config/configfile/file.go`,
/// containers-auth.json(5)); there are others.
#[derive(Deserialize)]
struct Content {
    #[serde(default)]
    auths: BTreeMap<String, Entry>,
    #[serde(default, rename = "credHelpers")]
    helpers: BTreeMap<String, String>,
    #[serde(default, rename = "credsStore")]
    store: Option<String>,
}

#[derive(Clone, Default, Deserialize)]
struct Entry {
    #[serde(default)]
    auth: Option<String>,
    #[serde(default, rename = "identitytoken")]
    identity_token: Option<String>,
    // Kubernetes writes these into its secrets, with or without `auth`.
    #[serde(default)]
    username: Option<String>,
    #[serde(default)]
    password: Option<String>,
}

/// A parsed file. No `Debug` of its fields: they hold secrets.
pub(super) struct File {
    path: PathBuf,
    content: Content,
}

impl std::fmt::Debug for File {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("File").field("path", &self.path).finish_non_exhaustive()
    }
}

impl File {
    /// `None`: it is not there, and need not be.
    pub(super) fn read(file: &AuthFile) -> Result<Option<Self>, Error> {
        let fail = |source| Error::AuthFile { path: file.path.clone(), source };
        let bytes = match read_bounded(&file.path) {
            Ok(bytes) => bytes,
            Err(e) if e.kind() == io::ErrorKind::NotFound && !file.required => return Ok(None),
            Err(e) => return Err(fail(e)),
        };
        // An empty file is what `touch` and a secret not filled in yet leave.
        if bytes.trim_ascii().is_empty() {
            return Ok(None);
        }
        let content = serde_json::from_slice(&bytes).map_err(|e| {
            // Not the parser's own words: they may quote a password.
            let at =
                format!("not a file of credentials, at line {} column {}", e.line(), e.column());
            fail(io::Error::new(io::ErrorKind::InvalidData, at))
        })?;
        Ok(Some(Self { path: file.path.clone(), content }))
    }

    pub(super) async fn find(
        &self,
        registry: &str,
        path: &str,
    ) -> Result<Option<Credential>, Error> {
        let server = if registry == HUB { HUB_LEGACY_KEY } else { registry };
        let named = [registry, server].into_iter().find_map(|key| self.content.helpers.get(key));
        if let Some(name) = named {
            return helper::get(name, server).await;
        }
        if let Some((key, entry)) = self.entry(registry, path)
            && let Some(found) = self.decode(key, entry)?
        {
            return Ok(Some(found));
        }
        match self.content.store.as_deref() {
            Some(name) if !name.is_empty() => helper::get(name, server).await,
            _ => Ok(None),
        }
    }

    fn entry(&self, registry: &str, path: &str) -> Option<(&String, &Entry)> {
        let mut key = format!("{registry}/{path}");
        loop {
            if let Some(found) = self.content.auths.get_key_value(&key) {
                return Some(found);
            }
            let Some((parent, _)) = key.rsplit_once('/') else { break };
            key.truncate(parent.len());
        }
        // Keys that are URLs, as older logins wrote them, name a host.
        let host = |key: &str| {
            let (_, rest) = key.split_once("://")?;
            let host = rest.split('/').next()?;
            Some(if host == HUB_LEGACY_HOST { HUB } else { host }.to_owned())
        };
        self.content.auths.iter().find(|(key, _)| {
            host(key).as_deref() == Some(registry) || (registry == HUB && *key == HUB_LEGACY_HOST)
        })
    }

    fn decode(&self, key: &str, entry: &Entry) -> Result<Option<Credential>, Error> {
        let some = |text: &Option<String>| text.clone().filter(|text| !text.is_empty());
        if let Some(token) = some(&entry.identity_token) {
            return Ok(Some(Credential::IdentityToken(Secret::new(token))));
        }
        let Some(auth) = some(&entry.auth) else {
            return Ok(match (some(&entry.username), some(&entry.password)) {
                (Some(user), Some(password)) => {
                    Some(Credential::Password { user, password: Secret::new(password) })
                }
                _ => None,
            });
        };
        let decoded =
            STANDARD.decode(auth.trim()).ok().and_then(|bytes| String::from_utf8(bytes).ok());
        let Some((user, password)) = decoded.as_deref().and_then(|pair| pair.split_once(':'))
        else {
            let problem = format!("`auth` of {key} is not base64 of `user:password`");
            let source = io::Error::new(io::ErrorKind::InvalidData, problem);
            return Err(Error::AuthFile { path: self.path.clone(), source });
        };
        // Docker pads with NUL (docker/cli `configfile.decodeAuth`).
        let password = Secret::new(password.trim_matches('\0'));
        Ok(Some(Credential::Password { user: user.to_owned(), password }))
    }
}

fn read_bounded(path: &Path) -> io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    fs::File::open(path)?.take(MAX_FILE + 1).read_to_end(&mut bytes)?;
    if bytes.len() as u64 > MAX_FILE {
        return Err(io::Error::new(
            io::ErrorKind::InvalidData,
            format!("larger than {MAX_FILE} bytes"),
        ));
    }
    Ok(bytes)
}
