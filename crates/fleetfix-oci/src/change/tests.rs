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
            let xattrs: [(&str, &[u8]); 2] =
                [("SCHILY.xattr.security.capability", b"\n"), ("SCHILY.xattr.security.ima", b"x")];
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
        placed
            .notes
            .contains(&Note::Symlink { asked: "/bin/alias".into(), real: "/usr/bin/app".into() })
    );
    let removed = super::place(&tree(), &[remove("/bin/alias")]).unwrap().unwrap();
    assert!(items(&removed).contains_key("/usr/bin/.wh.alias"), "the link goes, not its target");
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
        placed(&[created("/bin/new/deep/file", 0o600), created("/usr/bin/app", 0o700)]).unwrap();
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
