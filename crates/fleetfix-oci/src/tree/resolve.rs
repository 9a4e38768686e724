//! Follows a path through the base as the kernel would inside the image.

use super::{Content, EntryKind, Found, Parent, Tree};
use crate::Error;
use crate::layer::display;
use crate::metadata::Metadata;

/// Most links followed on one path: Linux' `MAXSYMLINKS`.
const MAX_LINKS: usize = 40;

/// What to do about a symbolic link in the last component.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Final {
    /// Follow it: its target is meant.
    Follow,
    /// Stop at it: the link itself is meant.
    Keep,
}

/// Where a path leads.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Resolved {
    /// The path without symbolic links, without a slash at either end. Empty: the root.
    pub path: Vec<u8>,
    /// The directories that lead to it, the highest first, without the root.
    pub parents: Vec<Parent>,
    /// What is there.
    pub target: Target,
}

/// Where the content of a file lies.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Place {
    /// Number of the layer, counted from the top one, which is 0.
    pub layer: usize,
    /// Which of the layer's contents.
    pub content: Content,
}

/// What is at the end of a path.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Target {
    /// Nothing.
    Absent,
    /// A regular file.
    File {
        /// Its metadata; of a hard link, its target's.
        metadata: Metadata,
        /// Its other names in the same layer, which a patch does not reach.
        hard_links: Vec<Vec<u8>>,
        /// Where its content lies.
        content: Place,
    },
    /// A directory.
    Directory,
    /// A symbolic link that was not to be followed.
    Symlink,
    /// Something else, in words.
    Special(&'static str),
}

impl Tree {
    /// Follows `path`, which is absolute or relative to the root. `None`: the next lower layer must
    /// be read first.
    pub fn resolve(&self, path: &[u8], last: Final) -> Result<Option<Resolved>, Error> {
        let mut walk =
            Walk { asked: path, todo: Vec::new(), real: Vec::new(), parents: Vec::new() };
        walk.then(path);
        let mut links = 0;
        while let Some(component) = walk.todo.pop() {
            if component == b".." {
                walk.up();
                continue;
            }
            let candidate = walk.join(&component);
            let is_last = walk.todo.is_empty();
            let (layer, entry) = match self.find(&candidate, 0) {
                Found::Unknown => return Ok(None),
                Found::Absent => return walk.absent(candidate).map(Some),
                Found::Implied => {
                    walk.down(candidate, Metadata::implied_directory());
                    continue;
                }
                Found::Entry(layer, entry) => (layer, entry),
            };
            let target = match &entry.kind {
                EntryKind::Directory => {
                    walk.down(candidate, entry.metadata.clone());
                    continue;
                }
                EntryKind::Symlink(_) if is_last && last == Final::Keep => Target::Symlink,
                EntryKind::Symlink(text) => {
                    links += 1;
                    if links > MAX_LINKS {
                        return Err(walk.link_loop());
                    }
                    if text.starts_with(b"/") {
                        walk.real.clear();
                        walk.parents.clear();
                    }
                    walk.then(text);
                    continue;
                }
                _ if !is_last => return Err(walk.through(&candidate)),
                EntryKind::File(content) => {
                    let hard_links = self.other_names(layer, &candidate);
                    let content = Place { layer, content: *content };
                    Target::File { metadata: entry.metadata.clone(), hard_links, content }
                }
                EntryKind::HardLink(target) => {
                    let Some((content, metadata)) = self.linked(layer, target)? else {
                        return Ok(None);
                    };
                    let hard_links = self.other_names(layer, &candidate);
                    Target::File { metadata, hard_links, content }
                }
                EntryKind::Special(kind) => Target::Special(kind),
            };
            return Ok(Some(Resolved { path: candidate, parents: walk.parents, target }));
        }
        // The way ended at a directory, which is the last of its own parents.
        let path = walk.real;
        walk.parents.pop();
        Ok(Some(Resolved { path, parents: walk.parents, target: Target::Directory }))
    }

    fn other_names(&self, layer: usize, path: &[u8]) -> Vec<Vec<u8>> {
        self.layers.get(layer).map(|layer| layer.hard_links(path)).unwrap_or_default()
    }

    /// The file that a hard link of `layer` to a lower one leads to: some tools write such links.
    fn linked(&self, mut layer: usize, target: &[u8]) -> Result<Option<(Place, Metadata)>, Error> {
        let mut target = target.to_vec();
        loop {
            match self.find(&target, layer + 1) {
                Found::Unknown => return Ok(None),
                Found::Entry(at, entry) => match entry.kind {
                    EntryKind::File(content) => {
                        return Ok(Some((Place { layer: at, content }, entry.metadata)));
                    }
                    EntryKind::HardLink(next) => (layer, target) = (at, next),
                    EntryKind::Directory | EntryKind::Symlink(_) | EntryKind::Special(_) => break,
                },
                Found::Absent | Found::Implied => break,
            }
        }
        let kind = "the target of a hard link and no file";
        Err(Error::NotAFile { path: display(&target), kind })
    }
}

/// A path half gone.
struct Walk<'a> {
    asked: &'a [u8],
    /// Components still to go, the next one last.
    todo: Vec<Vec<u8>>,
    /// Where we are: a real directory.
    real: Vec<u8>,
    parents: Vec<Parent>,
}

impl Walk<'_> {
    /// Goes on with the components of `path`.
    fn then(&mut self, path: &[u8]) {
        let components = path.split(|b| *b == b'/').filter(|c| !matches!(*c, b"" | b"."));
        let start = self.todo.len();
        self.todo.extend(components.map(<[u8]>::to_vec));
        if let Some(new) = self.todo.get_mut(start..) {
            new.reverse();
        }
    }

    fn join(&self, component: &[u8]) -> Vec<u8> {
        let slash: &[u8] = if self.real.is_empty() { b"" } else { b"/" };
        [&self.real, slash, component].concat()
    }

    fn down(&mut self, path: Vec<u8>, metadata: Metadata) {
        self.parents.push(Parent { path: path.clone(), metadata, in_base: true });
        self.real = path;
    }

    /// The parent of the root is the root.
    fn up(&mut self) {
        self.parents.pop();
        self.real = self.parents.last().map(|parent| parent.path.clone()).unwrap_or_default();
    }

    /// Nothing is there: neither is what would be below it.
    fn absent(mut self, candidate: Vec<u8>) -> Result<Resolved, Error> {
        let mut path = candidate;
        while let Some(component) = self.todo.pop() {
            if component == b".." {
                return Err(Error::NotInBase { path: display(&path) });
            }
            let metadata = Metadata::implied_directory();
            self.parents.push(Parent { path: path.clone(), metadata, in_base: false });
            path = [&path[..], b"/", &component].concat();
        }
        Ok(Resolved { path, parents: self.parents, target: Target::Absent })
    }

    fn through(&self, candidate: &[u8]) -> Error {
        Error::ThroughFile { path: self.path(), through: display(candidate) }
    }

    fn link_loop(&self) -> Error {
        Error::LinkLoop { path: self.path(), limit: MAX_LINKS }
    }

    fn path(&self) -> String {
        display(self.asked.strip_prefix(b"/").unwrap_or(self.asked))
    }
}
