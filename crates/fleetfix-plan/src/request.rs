//! The request with its digest and its directory.

use std::path::{Path, PathBuf};

use fleetfix_model::document::{self, FixRequest, Rule};
use fleetfix_model::name::FixId;
use fleetfix_model::{Digest, Reference, Repository, ToCanonical, yaml};
use fleetfix_task::file;

use crate::Error;

/// A fix request as it was read.
#[derive(Debug)]
pub struct Request {
    /// The file, as the user named it: for messages.
    pub file: String,
    /// The directory that the paths in it are relative to.
    pub dir: PathBuf,
    /// The document.
    pub document: FixRequest,
    /// Digest of its canonical form, which the spelling of the YAML does not change.
    pub digest: Digest,
    /// Identity of the fix.
    pub id: FixId,
}

/// Reads a request.
pub fn read(path: &Path) -> Result<Request, Error> {
    let file = path.display().to_string();
    let text = file::read_bounded(path, yaml::MAX_SIZE as u64)?;
    let document: FixRequest = document::from_yaml(&file, &text)?;
    let digest = document
        .canonical_digest()
        .map_err(|source| Error::Canonical { file: file.clone(), source })?;
    let id = document.fix_id().ok_or_else(|| Error::Rule {
        file: file.clone(),
        source: Rule::new("id", "the first ticket is too long for one: name one"),
    })?;
    let dir = path.parent().map(Path::to_owned).unwrap_or_default();
    Ok(Request { file, dir, document, digest, id })
}

impl Request {
    /// Where a path of the request lies.
    pub fn path(&self, relative: &str) -> PathBuf {
        self.dir.join(relative)
    }

    /// A reference of the request as it is read: a relative layout lies below the request's
    /// directory, as its files do.
    pub fn located(&self, reference: &Reference) -> Reference {
        match &reference.repository {
            Repository::Layout(dir) => Reference {
                repository: Repository::Layout(self.dir.join(dir)),
                ..reference.clone()
            },
            Repository::Registry { .. } => reference.clone(),
        }
    }
    /// The same for a template, which is a reference with a gap in it.
    pub fn located_template(&self, template: &str) -> String {
        match template.strip_prefix("oci:") {
            Some(dir) => format!("oci:{}", self.dir.join(dir).display()),
            None => template.to_owned(),
        }
    }
}
