//! Other tools' logins: containers-auth.json(5) and Docker's `config.json`.

mod file;
mod helper;

use std::fmt;
use std::sync::OnceLock;

use file::File;

use crate::Error;
use crate::options::AuthFile;

/// Text that is never shown.
#[derive(Clone, Eq, PartialEq)]
pub(crate) struct Secret(String);

impl Secret {
    pub(crate) fn new(text: impl Into<String>) -> Self {
        Self(text.into())
    }

    /// The text, for the one place that sends it.
    pub(crate) fn reveal(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("***")
    }
}

/// What a registry or its token service is shown.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(crate) enum Credential {
    /// A user and a password, or a robot's name and token.
    Password { user: String, password: Secret },
    /// A refresh token, for the token service's `OAuth2` form only.
    IdentityToken(Secret),
}

/// All files of credentials, read when the first one is needed.
#[derive(Debug)]
pub(crate) struct Credentials {
    paths: Vec<AuthFile>,
    files: OnceLock<Vec<File>>,
}

impl Credentials {
    pub(crate) fn new(paths: Vec<AuthFile>) -> Self {
        Self { paths, files: OnceLock::new() }
    }

    /// The credential for `path` in `registry`: of the first file that has one, the one with the
    /// longest key that is the repository or a parent of it.
    pub(crate) async fn find(
        &self,
        registry: &str,
        path: &str,
    ) -> Result<Option<Credential>, Error> {
        for file in self.files()? {
            if let Some(found) = file.find(registry, path).await? {
                return Ok(Some(found));
            }
        }
        Ok(None)
    }

    fn files(&self) -> Result<&[File], Error> {
        if let Some(files) = self.files.get() {
            return Ok(files);
        }
        let read = self.paths.iter().filter_map(|path| File::read(path).transpose());
        let read = read.collect::<Result<Vec<_>, _>>()?;
        Ok(self.files.get_or_init(|| read))
    }
}

#[cfg(test)]
mod tests;
