//! A repository on disk, and the commits in it.

use std::collections::{BTreeSet, HashMap};
use std::io::Read;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use fleetfix_model::Timestamp;
use fleetfix_model::name::Commit;
use gix_hash::{Kind, ObjectId};
use gix_object::{CommitRefIter, Find};
use gix_odb::Header;

use crate::backport::Said;
use crate::error::Cause;
use crate::{Error, title};

/// Most commits that are read. Kubernetes has some 130,000, Linux 1,300,000.
pub const MAX_COMMITS: usize = 3_000_000;
/// Most bytes of one commit object.
pub const MAX_COMMIT: u64 = 1 << 20;
/// Most bytes that the object store may take at once for one object.
const MAX_ALLOCATION: usize = 64 << 20;
/// Most bytes of the file `.git` of a work tree, and of `commondir`.
const MAX_POINTER: u64 = 4096;

/// A repository.
pub struct Repository {
    pub(crate) path: PathBuf,
    pub(crate) references: gix_ref::file::Store,
    pub(crate) objects: gix_odb::Handle,
    /// The commit graph file, where there is one: parents without unpacking objects.
    graph: Option<gix_commitgraph::Graph>,
    /// What it is called where it is hosted, such as `openshift/hypershift`, as far as it was said.
    pub(crate) sources: BTreeSet<String>,
    /// What was read of commits; `None`: the repository lacks it.
    known: HashMap<ObjectId, Option<Arc<Node>>>,
    /// The longest way from a commit down to a first one.
    pub(crate) heights: HashMap<ObjectId, u32>,
    /// What commits say about pull requests; `None`: nothing, or the repository lacks them.
    pub(crate) messages: HashMap<ObjectId, Option<Arc<Said>>>,
    /// What commits brought into their branch.
    pub(crate) merged: HashMap<ObjectId, Arc<[ObjectId]>>,
    buffer: Vec<u8>,
}

/// What walks need of a commit.
#[derive(Debug)]
pub(crate) struct Node {
    pub(crate) parents: Vec<ObjectId>,
    /// When it was committed, in seconds since 1970.
    pub(crate) time: i64,
}

/// One commit.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct CommitInfo {
    /// Its identity.
    pub id: Commit,
    /// Its parents in their order; the first is the branch that others were merged into.
    pub parents: Vec<Commit>,
    /// When it was committed; for a merge, when it was merged.
    pub committed: Timestamp,
    /// Mail address of who wrote it.
    pub author: String,
    /// First line of its message, cleaned.
    pub title: String,
    /// The whole message, as far as it is UTF-8.
    pub message: String,
}

impl std::fmt::Debug for Repository {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Repository")
            .field("path", &self.path)
            .field("commit_graph", &self.has_commit_graph())
            .field("known", &self.known.len())
            .finish_non_exhaustive()
    }
}

impl Repository {
    /// Opens the repository at `path`: a bare one, or a directory with `.git` in it.
    pub fn open(path: &Path) -> Result<Self, Error> {
        let git_dir = git_dir(path)?;
        let common = match pointer(&git_dir.join("commondir"))? {
            Some(common) => git_dir.join(common.trim()),
            None => git_dir.clone(),
        };
        let objects_dir = common.join("objects");
        let options = gix_odb::store::init::Options {
            alloc_limit_bytes: Some(MAX_ALLOCATION),
            ..Default::default()
        };
        let objects = gix_odb::at_opts(objects_dir.clone(), Kind::Sha1, None, options)
            .map_err(|source| Error::Objects { path: path.to_owned(), source })?;
        let references = if common == git_dir {
            gix_ref::file::Store::at(git_dir, Kind::Sha1)
        } else {
            gix_ref::file::Store::for_linked_worktree(git_dir, common, Kind::Sha1)
        };
        // It only saves time: where it is damaged or absent, objects say the same.
        let graph =
            gix_commitgraph::at(objects_dir.join("info"), Kind::Sha1, Some(MAX_ALLOCATION)).ok();
        Ok(Self {
            path: path.to_owned(),
            references,
            objects,
            graph,
            sources: BTreeSet::new(),
            known: HashMap::new(),
            heights: HashMap::new(),
            messages: HashMap::new(),
            merged: HashMap::new(),
            buffer: Vec::new(),
        })
    }

    /// Says where the repository is hosted, such as `https://github.com/openshift/hypershift`:
    /// messages that name a pull request of an unrelated one are then not about it.
    pub fn is_source(&mut self, url: &str) {
        self.sources.extend(hosted(url));
        // They were read with the names known so far.
        self.messages.clear();
    }

    /// True if the repository has a commit graph file, so that walks are quick.
    pub fn has_commit_graph(&self) -> bool {
        self.graph.is_some()
    }

    /// One commit; `None`: the repository lacks it.
    pub fn commit(&mut self, commit: &Commit) -> Result<Option<CommitInfo>, Error> {
        self.info(&object_id(commit)?)
    }

    pub(crate) fn info(&mut self, id: &ObjectId) -> Result<Option<CommitInfo>, Error> {
        if !load(&self.objects, id, &mut self.buffer)? {
            return Ok(None);
        }
        let tokens = CommitRefIter::from_bytes(&self.buffer, Kind::Sha1);
        let message = tokens.message().map_err(|e| damaged(id, e))?;
        let author = tokens.author().map_err(|e| damaged(id, e))?;
        let node = node(tokens, id)?;
        Ok(Some(CommitInfo {
            id: name(id)?,
            parents: node.parents.iter().map(name).collect::<Result<_, _>>()?,
            committed: time(id, node.time)?,
            author: title::clean(author.email.as_ref()),
            title: title::clean(message.as_ref()),
            message: String::from_utf8_lossy(message.as_ref()).into_owned(),
        }))
    }

    /// Parents and time of a commit; `None`: the repository lacks it.
    pub(crate) fn node(&mut self, id: &ObjectId) -> Result<Option<Arc<Node>>, Error> {
        if let Some(known) = self.known.get(id) {
            return Ok(known.clone());
        }
        if self.known.len() >= MAX_COMMITS {
            return Err(Error::TooMany { max: MAX_COMMITS });
        }
        let read = match self.graph_node(id) {
            Some(node) => Some(node),
            None if load(&self.objects, id, &mut self.buffer)? => {
                Some(node(CommitRefIter::from_bytes(&self.buffer, Kind::Sha1), id)?)
            }
            None => None,
        };
        let read = read.map(Arc::new);
        self.known.insert(*id, read.clone());
        Ok(read)
    }

    /// `None` also where the commit graph contradicts itself: then the object decides.
    fn graph_node(&self, id: &ObjectId) -> Option<Node> {
        let graph = self.graph.as_ref()?;
        let commit = graph.commit_by_id(id)?;
        let mut parents = Vec::new();
        for parent in commit.iter_parents() {
            let position = parent.ok().filter(|position| position.0 < graph.num_commits())?;
            parents.push(graph.id_at(position).to_owned());
        }
        let time = i64::try_from(commit.committer_timestamp()).ok()?;
        Some(Node { parents, time })
    }
}

/// Reads an object that should be a commit; `false`: it is not there.
fn load(objects: &gix_odb::Handle, id: &ObjectId, buffer: &mut Vec<u8>) -> Result<bool, Error> {
    let Some(header) = objects.try_header(id).map_err(|e| damaged(id, e))? else {
        return Ok(false);
    };
    if header.kind() != gix_object::Kind::Commit {
        return Err(Error::NotACommit { commit: name(id)?, kind: header.kind().to_string() });
    }
    if header.size() > MAX_COMMIT {
        let (size, max) = (header.size(), MAX_COMMIT);
        return Err(Error::TooLarge { commit: name(id)?, size, max });
    }
    buffer.clear();
    let found = objects.try_find(id, buffer).map_err(|e| damaged(id, e))?;
    Ok(found.is_some())
}

fn node(tokens: CommitRefIter<'_>, id: &ObjectId) -> Result<Node, Error> {
    let mut parents = Vec::new();
    for token in tokens {
        match token.map_err(|e| damaged(id, e))? {
            gix_object::commit::ref_iter::Token::Parent { id } => parents.push(id),
            gix_object::commit::ref_iter::Token::Committer { signature } => {
                return Ok(Node { parents, time: signature.seconds() });
            }
            _ => {}
        }
    }
    Err(damaged(id, "it has no committer"))
}

fn damaged(id: &ObjectId, source: impl Into<Cause>) -> Error {
    match name(id) {
        Ok(commit) => Error::Damaged { commit, source: source.into() },
        Err(error) => error,
    }
}

/// The name of a commit as documents spell it.
pub(crate) fn name(id: &ObjectId) -> Result<Commit, Error> {
    let text = id.to_string();
    text.parse().map_err(|_| Error::Identifier { found: text })
}

pub(crate) fn object_id(commit: &Commit) -> Result<ObjectId, Error> {
    ObjectId::from_hex(commit.as_str().as_bytes())
        .map_err(|_| Error::Identifier { found: commit.to_string() })
}

pub(crate) fn time(id: &ObjectId, seconds: i64) -> Result<Timestamp, Error> {
    Timestamp::from_unix(seconds).map_err(|e| damaged(id, e))
}

/// Owner and name at the end of a URL or of such a pair itself, in small letters.
pub(crate) fn hosted(url: &str) -> Option<String> {
    let url = url.trim().trim_end_matches('/');
    let mut parts = url.strip_suffix(".git").unwrap_or(url).rsplit(['/', ':']);
    let (name, owner) = (parts.next()?, parts.next()?);
    let whole = !name.is_empty() && !owner.is_empty();
    whole.then(|| format!("{owner}/{name}").to_ascii_lowercase())
}

/// The directory with `HEAD` and `objects` (gitrepository-layout).
fn git_dir(path: &Path) -> Result<PathBuf, Error> {
    let is_git = |dir: &Path| dir.join("objects").is_dir() && dir.join("HEAD").exists();
    let inside = path.join(".git");
    if is_git(path) {
        return Ok(path.to_owned());
    }
    if is_git(&inside) {
        return Ok(inside);
    }
    let linked = pointer(&inside)?;
    let linked = linked.as_deref().and_then(|text| text.trim().strip_prefix("gitdir:"));
    let dir = linked.map(|text| path.join(text.trim()));
    dir.filter(|dir| dir.join("HEAD").exists())
        .ok_or_else(|| Error::NoRepository { path: path.to_owned() })
}

/// The content of a file that points elsewhere; `None`: there is none.
fn pointer(path: &Path) -> Result<Option<String>, Error> {
    let failed = |source| Error::File { path: path.to_owned(), source };
    if !path.is_file() {
        return Ok(None);
    }
    let mut text = String::new();
    let file = std::fs::File::open(path).map_err(failed)?;
    file.take(MAX_POINTER).read_to_string(&mut text).map_err(failed)?;
    Ok(Some(text))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn where_it_is_hosted() {
        let table = [
            ("https://github.com/openshift/hypershift", Some("openshift/hypershift")),
            ("https://github.com/OpenShift/hypershift.git/", Some("openshift/hypershift")),
            ("git@github.com:openshift/hypershift.git", Some("openshift/hypershift")),
            ("openshift/hypershift", Some("openshift/hypershift")),
            ("hypershift", None),
            ("", None),
        ];
        for (url, name) in table {
            assert_eq!(hosted(url).as_deref(), name, "{url}");
        }
    }
}
