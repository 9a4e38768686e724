//! What a patch does to a base, and the layer's entries that come of it.

use fleetfix_model::Digest;
use fleetfix_model::name::ImagePath;

use crate::Error;
use crate::layer::{Items, display};
use crate::metadata::{Metadata, Mtime, is_of_content};
use crate::tree::{Final, Resolved, Target, Tree};

/// One change of a patch.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Change {
    /// The path in the image, as people write it.
    pub path: ImagePath,
    /// What happens there.
    pub action: Action,
}

/// What happens at a path.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Action {
    /// The file gets new content. All else is the base file's, but for what is given here.
    Write {
        /// Size of the content in bytes.
        size: u64,
        /// Digest of the content.
        digest: Digest,
        /// Permission bits of a file that the base does not have. `None`: such a file is refused.
        create: Option<u32>,
        /// Permission bits, whether the base has the file or not.
        mode: Option<u32>,
        /// Owner.
        uid: Option<u32>,
        /// Group.
        gid: Option<u32>,
        /// Time of the last change: a fixed one, so that the same patch gives the same bytes.
        mtime: Mtime,
    },
    /// The path goes, with all that is below it.
    Remove,
}

/// The entries of a layer, and what a person should know about them.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct Placed {
    /// The entries.
    pub items: Items,
    /// What is not as it looks, in the order of the changes.
    pub notes: Vec<Note>,
}

/// Something about a change that its path does not show. Paths are those of the image, lossily.
#[derive(Clone, Debug, Eq, Ord, PartialEq, PartialOrd)]
pub enum Note {
    /// The path leads through a symbolic link.
    Symlink {
        /// The path that was asked for.
        asked: String,
        /// The path that is changed.
        real: String,
    },
    /// The file has other names in the base, which keep the old content.
    HardLinks {
        /// The path that is changed.
        path: String,
        /// The other names.
        others: Vec<String>,
    },
    /// A parent directory that the base does not have.
    NewDirectory {
        /// Its path.
        path: String,
    },
}

/// Places `changes` on a base. `None`: the tree needs its next lower layer first.
pub fn place(tree: &Tree, changes: &[Change]) -> Result<Option<Placed>, Error> {
    let mut found = Vec::with_capacity(changes.len());
    for change in changes {
        let last = match change.action {
            Action::Write { .. } => Final::Follow,
            Action::Remove => Final::Keep,
        };
        found.push(tree.resolve(change.path.as_str().as_bytes(), last)?);
    }
    let Some(found) = found.into_iter().collect::<Option<Vec<Resolved>>>() else {
        return Ok(None);
    };
    let mut placed = Placed::default();
    for (change, resolved) in changes.iter().zip(found) {
        placed.add(change, resolved)?;
    }
    Ok(Some(placed))
}

impl Placed {
    fn add(&mut self, change: &Change, resolved: Resolved) -> Result<(), Error> {
        let real = display(&resolved.path);
        if real != change.path.as_str() {
            let asked = change.path.to_string();
            self.notes.push(Note::Symlink { asked, real: real.clone() });
        }
        for parent in resolved.parents {
            if !parent.in_base {
                self.note_new(&parent.path);
            }
            self.items.directory(&parent.path, parent.metadata)?;
        }
        match (&change.action, resolved.target) {
            (Action::Write { create: None, .. }, Target::Absent) => {
                Err(Error::NotInBase { path: change.path.to_string() })
            }
            (Action::Remove, Target::Absent) => {
                Err(Error::NothingToRemove { path: change.path.to_string() })
            }
            (Action::Write { size, digest, create, mode, uid, gid, mtime }, target) => {
                let new = Metadata { mode: create.unwrap_or(0o644), ..Metadata::default() };
                let base = self.base_metadata(&real, target, new)?;
                let metadata = Metadata {
                    mode: mode.unwrap_or(base.mode),
                    uid: uid.map_or(base.uid, u64::from),
                    gid: gid.map_or(base.gid, u64::from),
                    mtime: *mtime,
                    xattrs: base.xattrs,
                };
                self.items.file(&resolved.path, metadata, *size, *digest)
            }
            (Action::Remove, _) => self.items.remove(&resolved.path),
        }
    }

    /// The metadata that a written file starts from.
    fn base_metadata(
        &mut self,
        path: &str,
        target: Target,
        new: Metadata,
    ) -> Result<Metadata, Error> {
        let kind = match target {
            Target::Absent => return Ok(new),
            Target::File { mut metadata, hard_links, .. } => {
                if !hard_links.is_empty() {
                    let others = hard_links.iter().map(|name| display(name)).collect();
                    self.notes.push(Note::HardLinks { path: path.to_owned(), others });
                }
                metadata.xattrs.retain(|name, _| !is_of_content(name));
                return Ok(metadata);
            }
            Target::Directory => "a directory",
            Target::Symlink => "a symbolic link",
            Target::Special(kind) => kind,
        };
        Err(Error::NotAFile { path: path.to_owned(), kind })
    }

    fn note_new(&mut self, path: &[u8]) {
        let note = Note::NewDirectory { path: display(path) };
        if !self.notes.contains(&note) {
            self.notes.push(note);
        }
    }
}

impl std::fmt::Display for Note {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Symlink { asked, real } => {
                write!(f, "{asked} leads through a symbolic link to {real}, which is what changes")
            }
            Self::HardLinks { path, others } => write!(
                f,
                "{path} is hard-linked in the base; these names keep the old content: {}",
                others.join(", ")
            ),
            Self::NewDirectory { path } => write!(f, "the base has no directory {path}"),
        }
    }
}

#[cfg(test)]
mod tests;
