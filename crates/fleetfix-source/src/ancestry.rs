//! Is one commit an ancestor of another.
//!
//! Exact walks over all ancestors: dates of commits may be wrong, so none is left out for its date.
//! Several questions about one descendant cost one walk.

use std::collections::{BTreeMap, BTreeSet, HashSet};

use fleetfix_model::name::Commit;
use gix_hash::ObjectId;

use crate::repository::object_id;
use crate::{Error, Repository};

/// Answers by (ancestor, descendant). `None`: the repository lacks one of the two.
pub type Answers = BTreeMap<(Commit, Commit), Option<bool>>;

impl Repository {
    /// Whether the first commit of each pair is an ancestor of the second, or that commit itself.
    pub fn ancestry(
        &mut self,
        questions: impl IntoIterator<Item = (Commit, Commit)>,
    ) -> Result<Answers, Error> {
        let mut by_descendant: BTreeMap<Commit, BTreeSet<Commit>> = BTreeMap::new();
        for (ancestor, descendant) in questions {
            by_descendant.entry(descendant).or_default().insert(ancestor);
        }
        let mut answers = Answers::new();
        for (descendant, ancestors) in by_descendant {
            let reached = self.ancestors(&object_id(&descendant)?)?;
            for ancestor in ancestors {
                let id = object_id(&ancestor)?;
                let answer = match &reached {
                    Some(reached) if reached.contains(&id) => Some(true),
                    Some(_) => self.node(&id)?.map(|_| false),
                    None => None,
                };
                answers.insert((ancestor, descendant.clone()), answer);
            }
        }
        Ok(answers)
    }

    /// A commit with all its ancestors; `None`: the repository lacks it.
    pub(crate) fn ancestors(&mut self, of: &ObjectId) -> Result<Option<HashSet<ObjectId>>, Error> {
        if self.node(of)?.is_none() {
            return Ok(None);
        }
        let mut reached = HashSet::new();
        self.walk(*of, &mut reached, |_| {})?;
        Ok(Some(reached))
    }

    /// Goes from a commit to all ancestors that are not in `reached`, and puts them there.
    pub(crate) fn walk(
        &mut self,
        from: ObjectId,
        reached: &mut HashSet<ObjectId>,
        mut visit: impl FnMut(ObjectId),
    ) -> Result<(), Error> {
        let mut todo = vec![from];
        while let Some(id) = todo.pop() {
            if !reached.insert(id) {
                continue;
            }
            visit(id);
            let Some(node) = self.node(&id)? else {
                return Err(Error::Missing { commit: crate::repository::name(&id)? });
            };
            todo.extend(node.parents.iter().filter(|parent| !reached.contains(*parent)));
        }
        Ok(())
    }
}
