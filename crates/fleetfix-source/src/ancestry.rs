//! Is one commit an ancestor of another.
//!
//! Exact walks over all ancestors: dates of commits may be wrong, so none is left out for its date.
//! Several questions about one descendant cost one walk.

use std::collections::{BTreeMap, BTreeSet, BinaryHeap, HashMap, HashSet};

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

    /// The longest way from a commit down to a first one, in commits: it is above that of every
    /// ancestor, whatever the dates. Where a damaged commit graph leads in a circle, it is any number.
    pub(crate) fn height(&mut self, of: &ObjectId) -> Result<u32, Error> {
        let mut open = HashSet::new();
        let mut todo = vec![*of];
        while let Some(id) = todo.last().copied() {
            if self.heights.contains_key(&id) {
                todo.pop();
                continue;
            }
            let Some(node) = self.node(&id)? else {
                return Err(Error::Missing { commit: crate::repository::name(&id)? });
            };
            if open.insert(id) {
                let unknown = |parent: &&ObjectId| !self.heights.contains_key(*parent);
                let unknown = node.parents.iter().filter(unknown);
                todo.extend(unknown.filter(|parent| !open.contains(*parent)));
            } else {
                let below = node.parents.iter().filter_map(|parent| self.heights.get(parent));
                let height = below.max().map_or(0, |below| below.saturating_add(1));
                self.heights.insert(id, height);
                todo.pop();
            }
        }
        Ok(self.heights.get(of).copied().unwrap_or_default())
    }

    /// Whether a commit has another one among its ancestors, or is it.
    pub(crate) fn descends(&mut self, id: &ObjectId, from: &ObjectId) -> Result<bool, Error> {
        let lowest = self.height(from)?;
        let (mut todo, mut seen) = (vec![*id], HashSet::new());
        while let Some(id) = todo.pop() {
            if id == *from {
                return Ok(true);
            }
            if self.height(&id)? > lowest && seen.insert(id) {
                todo.extend(self.node(&id)?.iter().flat_map(|node| &node.parents));
            }
        }
        Ok(false)
    }

    /// The commits with all their ancestors, without another commit and its ancestors. Only what lies
    /// above what both have is walked.
    pub(crate) fn beyond(
        &mut self,
        of: &[ObjectId],
        without: &ObjectId,
    ) -> Result<Vec<ObjectId>, Error> {
        // Of each commit that was reached, whether `without` reaches it. All that reach a commit are
        // above it, so that this is settled once its turn comes.
        let mut reached: HashMap<ObjectId, bool> = HashMap::new();
        let mut queue = BinaryHeap::new();
        let mut found = Vec::new();
        let mut open = 0_usize;
        let first = of.iter().map(|id| (*id, false)).chain([(*without, true)]);
        let mut next: Vec<(ObjectId, bool)> = first.collect();
        loop {
            for (id, old) in next.drain(..) {
                match reached.get_mut(&id) {
                    None => {
                        reached.insert(id, old);
                        queue.push((self.height(&id)?, id));
                        open += usize::from(!old);
                    }
                    Some(known) if old && !*known => {
                        *known = true;
                        open = open.saturating_sub(1);
                    }
                    Some(_) => {}
                }
            }
            let Some((_, id)) = queue.pop().filter(|_| open > 0) else { return Ok(found) };
            let old = reached.get(&id).copied().unwrap_or_default();
            if !old {
                open -= 1;
                found.push(id);
            }
            let node = self.node(&id)?;
            next.extend(node.iter().flat_map(|node| &node.parents).map(|parent| (*parent, old)));
        }
    }
}
