//! What was remarked of the contents of a layer while it was read, and which paths of an image show a
//! content of which something was remarked.

use std::collections::BTreeMap;

use super::{EntryKind, Found, Place, Tree};

/// What one remark takes in memory beside its text, in bytes.
const OVERHEAD: u64 = 64;

/// Remarks by where the header before the content starts in the unpacked archive.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub(super) struct Remarks {
    all: BTreeMap<u64, String>,
    memory: u64,
}

impl Remarks {
    /// Adds one; false if there is one of that content already.
    pub(super) fn add(&mut self, offset: u64, remark: String) -> bool {
        self.memory += OVERHEAD + remark.len() as u64;
        self.all.insert(offset, remark).is_none()
    }

    /// Adds those of contents that there are none of yet.
    pub(super) fn extend(&mut self, remarks: impl IntoIterator<Item = (u64, String)>) {
        for (offset, remark) in remarks {
            self.add(offset, remark);
        }
    }

    /// About how much memory they take, in bytes.
    pub(super) fn memory(&self) -> u64 {
        self.memory
    }

    pub(super) fn len(&self) -> usize {
        self.all.len()
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = (u64, &str)> {
        self.all.iter().map(|(offset, remark)| (*offset, remark.as_str()))
    }

    fn get(&self, offset: u64) -> Option<&str> {
        self.all.get(&offset).map(String::as_str)
    }
}

impl Tree {
    /// What was remarked of a content.
    pub fn remark(&self, place: &Place) -> Option<&str> {
        self.layers.get(place.layer)?.remarks.get(place.content.offset)
    }

    /// The paths in the layers that were read under which the image shows a content of which `remark`
    /// was remarked, sorted; those of the contents `but` are left out.
    pub fn remarked(&self, remark: &str, but: &[Place]) -> Vec<Vec<u8>> {
        let mut paths = Vec::new();
        for (number, layer) in self.layers.iter().enumerate() {
            let is_out = |offset: u64| {
                but.iter().any(|place| (place.layer, place.content.offset) == (number, offset))
            };
            let is_meant = |offset| layer.remarks.get(offset) == Some(remark) && !is_out(offset);
            // Mostly there are none: the entries are not gone through.
            if !layer.remarks.iter().any(|(offset, _)| is_meant(offset)) {
                continue;
            }
            let entries = (0..layer.len()).filter_map(|at| layer.at(at));
            let meant = entries.filter(|(_, entry)| match &entry.kind {
                EntryKind::File(content) => is_meant(content.offset),
                _ => false,
            });
            let shown = meant.filter(
                |(path, _)| matches!(self.find(path, 0), Found::Entry(at, _) if at == number),
            );
            paths.extend(shown.map(|(path, _)| path.to_vec()));
        }
        paths.sort();
        paths
    }
}

#[cfg(test)]
mod tests {
    use super::super::{Final, LayerIndex, Limits, Target};
    use super::*;
    use crate::Error;

    /// A layer of files, each with its content; the remark on a file is its content.
    fn layer(entries: &[(&str, &str)]) -> LayerIndex {
        let mut archive = tar::Builder::new(Vec::new());
        for (path, content) in entries {
            let mut header = tar::Header::new_ustar();
            header.set_mode(0o755);
            header.set_size(content.len() as u64);
            if let Some(target) = content.strip_prefix("-> ") {
                header.set_entry_type(tar::EntryType::Link);
                header.set_size(0);
                archive.append_link(&mut header, path, target).unwrap();
            } else {
                archive.append_data(&mut header, path, content.as_bytes()).unwrap();
            }
        }
        read(&archive.into_inner().unwrap(), &Limits::default()).unwrap()
    }

    fn read(bytes: &[u8], limits: &Limits) -> Result<LayerIndex, Error> {
        LayerIndex::read_showing("layer", bytes, limits, |mut file| {
            let text = std::io::read_to_string(&mut file)?;
            Ok((!text.is_empty() && file.mode & 0o111 != 0).then_some(text))
        })
    }

    fn tree(layers: &[&[(&str, &str)]]) -> Tree {
        let mut tree = Tree::new();
        for entries in layers {
            let read = layer(entries);
            let again = LayerIndex::from_bytes(read.as_bytes().to_vec()).unwrap();
            assert_eq!(again, read);
            tree.push(again);
        }
        tree.complete();
        tree
    }

    fn place(tree: &Tree, path: &str) -> Place {
        match tree.resolve(path.as_bytes(), Final::Follow).unwrap().unwrap().target {
            Target::File { content, .. } => content,
            other => panic!("{other:?}"),
        }
    }

    fn remarked(tree: &Tree, but: &[Place]) -> Vec<String> {
        let paths = tree.remarked("m", but).into_iter();
        paths.map(|path| String::from_utf8(path).unwrap()).collect()
    }

    #[test]
    fn only_what_the_image_shows() {
        let tree = tree(&[
            &[("bin/a", "m"), ("bin/.wh.gone", ""), ("dir", "n"), ("bin/over", "n")],
            &[("bin/gone", "m"), ("dir/below", "m"), ("bin/over", "m"), ("bin/b", "m")],
        ]);
        assert_eq!(remarked(&tree, &[]), ["bin/a", "bin/b"]);
        let a = place(&tree, "bin/a");
        assert_eq!(tree.remark(&a), Some("m"));
        assert_eq!(remarked(&tree, &[a]), ["bin/b"]);
    }

    #[test]
    fn names_of_one_content_go_together() {
        let tree = tree(&[&[("a", "m"), ("b", "-> a"), ("a", "n"), ("c", "m")]]);
        assert_eq!(remarked(&tree, &[]), ["b", "c"]);
        assert_eq!(remarked(&tree, &[place(&tree, "b")]), ["c"]);
        assert_eq!(remarked(&tree, &[place(&tree, "c"), place(&tree, "b")]), [""; 0]);
    }

    #[test]
    fn remarks_are_capped() {
        let mut archive = tar::Builder::new(Vec::new());
        for n in 0..20 {
            let mut header = tar::Header::new_ustar();
            header.set_mode(0o755);
            header.set_size(100);
            archive.append_data(&mut header, n.to_string(), &[b'm'; 100][..]).unwrap();
        }
        let bytes = archive.into_inner().unwrap();
        let limits = |memory| Limits { memory, ..Limits::default() };
        read(&bytes, &limits(20 * 164)).unwrap();
        let error = read(&bytes, &limits(20 * 164 - 1)).unwrap_err();
        assert!(matches!(error, Error::LayerLimit { .. }), "{error}");
    }
}
