//! The base image as a tree: finds the metadata of the paths that a patch touches, reading no more
//! layers than it must.
//!
//! A [`Tree`] is given layers from the top down. [`Tree::resolve`] says that it knows, or that it
//! needs the next lower layer, so the caller decides where layers come from and how they are read. A
//! [`LayerIndex`] is a function of the layer's digest alone, fit to be kept.

mod archive;
mod cache;
mod content;
mod field;
mod index;
mod named;
mod packed;
mod pax;
mod remarks;
mod resolve;

use std::sync::Arc;

pub use cache::LayerCache;
pub use content::{LayerFile, files};
pub use named::{Named, named};
pub use packed::{Content, Entry, EntryKind, LayerIndex};
pub use resolve::{Final, Place, Resolved, Target};

use crate::metadata::Metadata;

/// Most layers of one image: many times what any builder makes (Docker stops at 127).
pub const MAX_LAYERS: usize = 1000;
/// Most bytes of memory for all layers of one image.
pub const MAX_MEMORY: u64 = 256 << 20;

/// Caps on what is read of one layer. A hostile layer costs this much and no more.
#[derive(Clone, Debug)]
pub struct Limits {
    /// Entries.
    pub entries: u64,
    /// Bytes of all names and extended attributes.
    pub memory: u64,
    /// Bytes of one extended header or long name.
    pub extension: u64,
    /// Bytes of the unpacked archive.
    pub archive: u64,
}

impl Default for Limits {
    /// Several times what the largest OpenShift layers have.
    fn default() -> Self {
        Self { entries: 500_000, memory: 64 << 20, extension: 1 << 20, archive: 16 << 30 }
    }
}

/// The layers of a base that were read so far, the top one first.
#[derive(Clone, Debug, Default)]
pub struct Tree {
    layers: Vec<Arc<LayerIndex>>,
    complete: bool,
}

/// What the tree has at a path whose parents are real directories.
enum Found {
    /// It depends on a layer that was not read.
    Unknown,
    Absent,
    /// A directory that no layer describes.
    Implied,
    Entry(usize, Entry),
}

impl Tree {
    /// A tree of a base of which no layer was read.
    pub fn new() -> Self {
        Self::default()
    }

    /// Adds the next lower layer, which other trees may share.
    pub fn push(&mut self, layer: impl Into<Arc<LayerIndex>>) {
        self.layers.push(layer.into());
    }

    /// About how much memory the layers take, in bytes.
    pub fn memory(&self) -> u64 {
        self.layers.iter().fold(0, |sum, layer| sum.saturating_add(layer.memory()))
    }

    /// Says that the last layer was the lowest.
    pub fn complete(&mut self) {
        self.complete = true;
    }

    /// How many layers were read.
    pub fn depth(&self) -> usize {
        self.layers.len()
    }

    fn find(&self, path: &[u8], from: usize) -> Found {
        let mut implied = false;
        for (i, layer) in self.layers.iter().enumerate().skip(from) {
            match layer.get(path) {
                // The directory that a higher layer implies takes the place of what is not one.
                Some(entry) if implied && entry.kind != EntryKind::Directory => {
                    return Found::Implied;
                }
                Some(entry) => return Found::Entry(i, entry),
                None => {}
            }
            implied |= layer.implies(path);
            if layer.hides(path) {
                return if implied { Found::Implied } else { Found::Absent };
            }
        }
        match (self.complete, implied) {
            (false, _) => Found::Unknown,
            (true, true) => Found::Implied,
            (true, false) => Found::Absent,
        }
    }
}

/// A parent directory on the way to a path.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Parent {
    /// Its path, without a slash at either end.
    pub path: Vec<u8>,
    /// Its metadata.
    pub metadata: Metadata,
    /// False if the base does not have it.
    pub in_base: bool,
}

#[cfg(test)]
mod tests;
