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
            Target::File { mut metadata, hard_links } => {
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
mod tests {
    use std::collections::BTreeMap;

    use tar::{Builder, EntryType, Header};

    use super::*;
    use crate::layer::{Item, Kind};
    use crate::tree::{LayerIndex, Limits};

    fn base(entries: &[(EntryType, &str, &str)]) -> LayerIndex {
        let mut archive = Builder::new(Vec::new());
        for (kind, path, link) in entries {
            let mut header = Header::new_ustar();
            header.set_entry_type(*kind);
            header.set_mode(if kind.is_dir() { 0o2755 } else { 0o751 });
            header.set_uid(1000);
            header.set_gid(0);
            header.set_mtime(1_700_000_000);
            header.set_size(0);
            if kind.is_file() {
                let xattrs: [(&str, &[u8]); 2] = [
                    ("SCHILY.xattr.security.capability", b"\n"),
                    ("SCHILY.xattr.security.ima", b"x"),
                ];
                archive.append_pax_extensions(xattrs).unwrap();
            }
            if link.is_empty() {
                archive.append_data(&mut header, path, &b""[..]).unwrap();
            } else {
                archive.append_link(&mut header, path, link).unwrap();
            }
        }
        let bytes = archive.into_inner().unwrap();
        LayerIndex::read("layer", &bytes[..], &Limits::default()).unwrap()
    }

    fn tree() -> Tree {
        let mut tree = Tree::new();
        tree.push(base(&[
            (EntryType::Directory, "usr", ""),
            (EntryType::Directory, "usr/bin", ""),
            (EntryType::Regular, "usr/bin/app", ""),
            (EntryType::Link, "usr/bin/twin", "usr/bin/app"),
            (EntryType::Symlink, "usr/bin/alias", "app"),
            (EntryType::Symlink, "bin", "usr/bin"),
        ]));
        tree.complete();
        tree
    }

    fn write(path: &str) -> Change {
        let action = Action::Write {
            size: 3,
            digest: Digest::of(b"new"),
            create: None,
            mode: None,
            uid: None,
            gid: None,
            mtime: Mtime::default(),
        };
        Change { path: path.parse().unwrap(), action }
    }

    fn created(path: &str, mode: u32) -> Change {
        let mut change = write(path);
        if let Action::Write { create, .. } = &mut change.action {
            *create = Some(mode);
        }
        change
    }

    fn remove(path: &str) -> Change {
        Change { path: path.parse().unwrap(), action: Action::Remove }
    }

    fn placed(changes: &[Change]) -> Result<Placed, Error> {
        place(&tree(), changes).map(|placed| placed.expect("the tree is complete"))
    }

    fn items(placed: &Placed) -> BTreeMap<String, Item> {
        placed.items.iter().map(|item| (item.display(), item.clone())).collect()
    }

    #[test]
    fn a_replaced_file_keeps_what_is_the_bases() {
        let placed = placed(&[write("/usr/bin/app")]).unwrap();
        let items = items(&placed);
        assert_eq!(items.keys().collect::<Vec<_>>(), ["/usr", "/usr/bin", "/usr/bin/app"]);
        let directory = &items["/usr/bin"];
        assert_eq!((&directory.kind, directory.metadata.mode), (&Kind::Directory, 0o2755));
        assert_eq!(directory.metadata.mtime.seconds, 1_700_000_000);
        let file = &items["/usr/bin/app"].metadata;
        assert_eq!((file.mode, file.uid, file.gid), (0o751, 1000, 0));
        assert_eq!(file.mtime, Mtime::default());
        let capability = [(b"security.capability".to_vec(), b"\n".to_vec())];
        assert_eq!(file.xattrs, capability.into(), "what vouches for the old content is gone");
        let note =
            Note::HardLinks { path: "/usr/bin/app".into(), others: vec!["/usr/bin/twin".into()] };
        assert_eq!(placed.notes, [note]);
    }

    #[test]
    fn links_lead_to_what_changes() {
        let placed = placed(&[write("/bin/alias"), remove("/bin/twin")]).unwrap();
        let names: Vec<String> = items(&placed).into_keys().collect();
        assert_eq!(names, ["/usr", "/usr/bin", "/usr/bin/.wh.twin", "/usr/bin/app"]);
        assert!(
            placed.notes.contains(&Note::Symlink {
                asked: "/bin/alias".into(),
                real: "/usr/bin/app".into()
            })
        );
        let removed = super::place(&tree(), &[remove("/bin/alias")]).unwrap().unwrap();
        assert!(
            items(&removed).contains_key("/usr/bin/.wh.alias"),
            "the link goes, not its target"
        );
    }

    #[test]
    fn what_the_request_says_wins() {
        let mut change = write("/usr/bin/app");
        if let Action::Write { mode, uid, gid, mtime, .. } = &mut change.action {
            (*mode, *uid, *gid) = (Some(0o4755), Some(0), Some(7));
            mtime.seconds = 5;
        }
        let file = items(&placed(&[change]).unwrap())["/usr/bin/app"].metadata.clone();
        assert_eq!((file.mode, file.uid, file.gid, file.mtime.seconds), (0o4755, 0, 7, 5));
    }

    #[test]
    fn new_files_and_directories() {
        let placed =
            placed(&[created("/bin/new/deep/file", 0o600), created("/usr/bin/app", 0o700)])
                .unwrap();
        let items = items(&placed);
        assert_eq!(
            items["/usr/bin/new/deep/file"].metadata,
            Metadata { mode: 0o600, ..Metadata::default() }
        );
        assert_eq!(items["/usr/bin/new/deep"].metadata, Metadata::implied_directory());
        let there = &items["/usr/bin/app"].metadata;
        assert_eq!((there.mode, there.uid), (0o751, 1000), "it was there: all stays");
        let new = |path: &str| Note::NewDirectory { path: path.into() };
        assert!(
            placed.notes.contains(&new("/usr/bin/new"))
                && placed.notes.contains(&new("/usr/bin/new/deep"))
        );
    }

    #[test]
    fn refusals() {
        let table = [
            (vec![write("/usr/bin/absent")], "NotInBase"),
            (vec![write("/absent/file")], "NotInBase"),
            (vec![remove("/usr/absent")], "NothingToRemove"),
            (vec![write("/usr/bin")], "NotAFile"),
            (vec![write("/usr/bin/app/x")], "ThroughFile"),
            (vec![write("/bin/app"), write("/usr/bin/app")], "Conflict"),
            (vec![write("/bin/alias"), write("/usr/bin/app")], "Conflict"),
            (vec![remove("/usr/bin"), write("/usr/bin/app")], "Conflict"),
            (vec![write("/usr/bin/app"), remove("/bin/app")], "Conflict"),
            (vec![created("/usr/.wh.x", 0o600)], "BadPath"),
        ];
        for (changes, expected) in table {
            let error = format!("{:?}", placed(&changes).unwrap_err());
            assert!(error.starts_with(expected), "{expected}: {error}");
        }
    }

    #[test]
    fn it_waits_for_the_layer_that_decides() {
        let mut tree = Tree::new();
        tree.push(base(&[(EntryType::Directory, "usr", ""), (EntryType::Regular, "usr/a", "")]));
        assert!(place(&tree, &[write("/usr/a")]).unwrap().is_some());
        assert_eq!(place(&tree, &[write("/usr/a"), write("/usr/b")]).unwrap(), None);
        tree.push(base(&[(EntryType::Regular, "usr/b", "")]));
        assert!(place(&tree, &[write("/usr/a"), write("/usr/b")]).unwrap().is_some());
        tree.complete();
        assert!(place(&tree, &[write("/usr/c")]).is_err());
    }
}
