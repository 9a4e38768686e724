//! Which files a commit changes against the branch that it came into.

use std::collections::{BTreeMap, BTreeSet};

use fleetfix_model::name::Commit;
use gix_hash::{Kind, ObjectId};
use gix_object::{CommitRefIter, Find, TreeRefIter};
use gix_odb::Header;

use crate::repository::object_id;
use crate::{Error, Repository};

/// Most files that are listed. More than that is no fix.
const MAX_FILES: usize = 10_000;
/// Most directories that are read for one commit.
const MAX_DIRECTORIES: usize = 50_000;
/// Most bytes of one directory: some 100,000 entries.
const MAX_DIRECTORY: u64 = 8 << 20;

/// What stands under a name: whether it is a directory, and its object.
type Entries = BTreeMap<Vec<u8>, (bool, ObjectId)>;

impl Repository {
    /// The files that a commit changes, adds or removes against its first parent, which for a merge is
    /// the branch; paths as far as they are UTF-8.
    ///
    /// `None`: that cannot be told, because the repository lacks the commit or a directory of it (a
    /// clone may leave them out), or because there is more of it than is read.
    pub fn changed(&mut self, commit: &Commit) -> Result<Option<BTreeSet<String>>, Error> {
        let id = object_id(commit)?;
        let Some(node) = self.node(&id)? else { return Ok(None) };
        let Some(new) = self.root_of(&id) else { return Ok(None) };
        let old = match node.parents.first() {
            Some(parent) => match self.root_of(parent) {
                Some(root) => Some(root),
                None => return Ok(None),
            },
            None => None,
        };
        Ok(self.compared(old, new))
    }

    fn compared(&mut self, old: Option<ObjectId>, new: ObjectId) -> Option<BTreeSet<String>> {
        let mut files = BTreeSet::new();
        let mut todo = vec![(Vec::new(), old, Some(new))];
        let mut read = 0;
        while let Some((path, old, new)) = todo.pop() {
            read += 1;
            if files.len() > MAX_FILES || read > MAX_DIRECTORIES {
                return None;
            }
            if old == new {
                continue;
            }
            let (old, new) = (self.entries_of(old)?, self.entries_of(new)?);
            for name in old.keys().chain(new.keys()).collect::<BTreeSet<_>>() {
                let (before, after) = (old.get(name), new.get(name));
                if before == after {
                    continue;
                }
                let below = [path.as_slice(), name.as_slice()].concat();
                if [before, after].into_iter().flatten().any(|(directory, _)| !directory) {
                    files.insert(String::from_utf8_lossy(&below).into_owned());
                }
                let directory = |entry: Option<&(bool, ObjectId)>| {
                    entry.filter(|(directory, _)| *directory).map(|(_, id)| *id)
                };
                let (before, after) = (directory(before), directory(after));
                if before.is_some() || after.is_some() {
                    todo.push(([below.as_slice(), b"/"].concat(), before, after));
                }
            }
        }
        Some(files)
    }

    /// The root directory of a commit.
    fn root_of(&mut self, commit: &ObjectId) -> Option<ObjectId> {
        let bytes = self.object(commit, gix_object::Kind::Commit)?;
        CommitRefIter::from_bytes(&bytes, Kind::Sha1).tree_id().ok()
    }

    fn entries_of(&mut self, directory: Option<ObjectId>) -> Option<Entries> {
        let Some(directory) = directory else { return Some(Entries::new()) };
        let bytes = self.object(&directory, gix_object::Kind::Tree)?;
        let mut entries = Entries::new();
        for entry in TreeRefIter::from_bytes(&bytes, Kind::Sha1) {
            let entry = entry.ok()?;
            entries.insert(entry.filename.to_vec(), (entry.mode.is_tree(), entry.oid.to_owned()));
        }
        Some(entries)
    }

    /// An object of a kind; `None`: it is not there, damaged or too large.
    fn object(&mut self, id: &ObjectId, kind: gix_object::Kind) -> Option<Vec<u8>> {
        let header = self.objects.try_header(id).ok()??;
        if header.kind() != kind || header.size() > MAX_DIRECTORY {
            return None;
        }
        let mut bytes = Vec::new();
        self.objects.try_find(id, &mut bytes).ok()??;
        Some(bytes)
    }
}
