//! What comes along beyond what is claimed.

use std::collections::HashSet;
use std::sync::Arc;

use fleetfix_model::document::plan::AlongCommit;
use fleetfix_model::name::Commit;
use gix_hash::ObjectId;

use crate::repository::{name, object_id};
use crate::{Error, Repository};

/// Commits that come along.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct Along {
    /// How many there are.
    pub total: usize,
    /// The oldest of them, oldest first.
    pub commits: Vec<AlongCommit>,
}

impl Repository {
    /// The commits of `fix` that at least one of `replaced` lacks, without what is claimed: the
    /// claimed commits, and, where one is a merge, what it merged. At most `listed` are listed.
    ///
    /// `None`: the repository lacks the fix's commit. What is replaced and not there is passed over;
    /// [`Repository::ancestry`] tells of it.
    pub fn along(
        &mut self,
        fix: &Commit,
        replaced: &[Commit],
        claimed: &[Commit],
        listed: usize,
    ) -> Result<Option<Along>, Error> {
        let fix = object_id(fix)?;
        let Some(mut new) = self.ancestors(&fix)? else { return Ok(None) };
        if let Some(old) = self.common(replaced)? {
            new.retain(|id| !old.contains(id));
        } else {
            // Nothing is known of what is replaced: all of history would come along.
            new.clear();
        }
        for claim in claimed {
            for id in self.merged_by(&object_id(claim)?)?.iter() {
                new.remove(id);
            }
        }
        let mut ordered = Vec::with_capacity(new.len());
        for id in new {
            let time = self.node(&id)?.map(|node| node.time).unwrap_or_default();
            ordered.push((time, id));
        }
        ordered.sort_unstable();
        let mut commits = Vec::new();
        for (_, id) in ordered.iter().take(listed) {
            let title = self.info(id)?.map(|info| info.title).unwrap_or_default();
            commits.push(AlongCommit { commit: name(id)?, title });
        }
        Ok(Some(Along { total: ordered.len(), commits }))
    }

    /// What all of the commits have among their ancestors.
    fn common(&mut self, commits: &[Commit]) -> Result<Option<HashSet<ObjectId>>, Error> {
        let mut common: Option<HashSet<ObjectId>> = None;
        for commit in commits {
            let Some(reached) = self.ancestors(&object_id(commit)?)? else { continue };
            common = Some(match common {
                None => reached,
                Some(mut known) => {
                    known.retain(|id| reached.contains(id));
                    known
                }
            });
        }
        Ok(common)
    }

    /// A commit, and what it brought into the branch of its first parent.
    pub(crate) fn merged_by(&mut self, id: &ObjectId) -> Result<Arc<[ObjectId]>, Error> {
        if let Some(known) = self.merged.get(id) {
            return Ok(Arc::clone(known));
        }
        let mut merged = vec![*id];
        let node = self.node(id)?;
        let parents = node.as_ref().and_then(|node| node.parents.split_first());
        if let Some((main, others)) = parents.filter(|(_, others)| !others.is_empty()) {
            merged.extend(self.beyond(others, main)?);
        }
        let merged: Arc<[ObjectId]> = merged.into();
        self.merged.insert(*id, Arc::clone(&merged));
        Ok(merged)
    }
}
