//! Layers, plain and compressed.

use std::io::{Cursor, Read};
use std::num::NonZeroUsize;

use flate2::bufread::MultiGzDecoder;
use fleetfix_model::Digest;
use fleetfix_model::name::ImagePath;
use fleetfix_oci::change::{Action, Change, place};
use fleetfix_oci::layer::{self, Compression, Items, Options};
use fleetfix_oci::metadata::{Metadata, Mtime};
use fleetfix_oci::tree::{Final, LayerIndex, Limits, Target, Tree};

/// Small, so that the fuzzer meets them.
fn limits() -> Limits {
    Limits { entries: 500, memory: 1 << 18, extension: 1 << 14, archive: 1 << 22 }
}

/// Reads a layer that is not compressed, and patches what is in it.
pub fn tar(bytes: &[u8]) {
    let Ok(index) = LayerIndex::read("layer", bytes, &limits()) else { return };
    let kept = LayerIndex::from_bytes(index.as_bytes().to_vec());
    assert_eq!(kept.as_ref(), Some(&index), "it is the same after a way through the cache");
    let mut tree = Tree::new();
    tree.push(index);
    tree.complete();
    // The names that stand in headers, and in anything that looks like one.
    for block in bytes.chunks(512).take(40) {
        let name: Vec<u8> = block.iter().copied().take(100).take_while(|b| *b != 0).collect();
        resolved(&tree, &name);
    }
}

fn resolved(tree: &Tree, name: &[u8]) {
    for last in [Final::Follow, Final::Keep] {
        let Ok(found) = tree.resolve(name, last) else { continue };
        let Some(found) = found else { panic!("a complete tree knows every path") };
        let real = |path: &[u8]| {
            path.split(|b| *b == b'/').all(|c| !matches!(c, b"" | b"." | b"..") && !c.contains(&0))
        };
        assert!(found.path.is_empty() || real(&found.path), "{:?}", found.path);
        for parent in &found.parents {
            let inside = found.path.strip_prefix(&parent.path[..]);
            assert!(
                inside.is_some_and(|rest| rest.starts_with(b"/")),
                "a parent is above its path"
            );
        }
        if let (Target::File { metadata, .. }, Final::Follow) = (&found.target, last) {
            let parents = found.parents.iter().map(|p| (&p.path[..], &p.metadata)).collect();
            patched(tree, &found.path, metadata, parents);
        }
    }
}

/// Replaces a file: its metadata and that of the directories above it are as before.
fn patched(tree: &Tree, path: &[u8], metadata: &Metadata, parents: Vec<(&[u8], &Metadata)>) {
    let Ok(text) = std::str::from_utf8(path) else { return };
    let Ok(name) = format!("/{text}").parse::<ImagePath>() else { return };
    let action = Action::Write {
        size: 0,
        digest: Digest::of(b""),
        create: None,
        mode: None,
        uid: None,
        gid: None,
        mtime: Mtime::default(),
    };
    let Ok(Some(placed)) = place(tree, &[Change { path: name, action }]) else { return };
    let Some(bytes) = written(&placed.items) else { return };
    let read = LayerIndex::read("new layer", &bytes[..], &Limits::default());
    let Ok(new) = read else { panic!("a written layer is read: {read:?}") };
    let entry = |path| new.get(path).map(|entry| entry.metadata);
    let mut expected = metadata.clone();
    expected.mtime = Mtime::default();
    expected.xattrs.retain(|name, _| !matches!(&name[..], b"security.ima" | b"security.evm"));
    assert_eq!(entry(path), Some(expected), "{text:?}");
    for (parent, metadata) in parents {
        assert_eq!(entry(parent).as_ref(), Some(metadata), "{parent:?}");
    }
}

/// The compressed layer of entries whose files are empty.
fn written(items: &Items) -> Option<Vec<u8>> {
    let options = Options { compression: Compression::default(), threads: NonZeroUsize::MIN };
    let mut bytes = Vec::new();
    layer::write(items, |_| Ok(Box::new(std::io::empty())), &mut bytes, &options).ok()?;
    Some(bytes)
}

/// Reads a compressed layer.
pub fn layer(bytes: &[u8]) {
    let whole = LayerIndex::read("layer", bytes, &limits());
    if bytes.starts_with(&[0x1f, 0x8b]) {
        let mut plain = Vec::new();
        let decoder = MultiGzDecoder::new(bytes).take(limits().archive + 1);
        let ended = decoder.take(limits().archive + 1).read_to_end(&mut plain).is_ok();
        // What is not an archive of its own is read as something else: compressed twice.
        let compressed = plain.starts_with(&[0x1f, 0x8b])
            || plain.starts_with(b"BZh")
            || plain.starts_with(b"\xfd7zX")
            || plain.starts_with(&[0x28, 0xb5, 0x2f, 0xfd]);
        if ended && plain.len() as u64 <= limits().archive && !compressed {
            let again = LayerIndex::read("layer", Cursor::new(plain), &limits());
            assert_eq!(whole.ok(), again.ok(), "a layer is read as its archive is");
        }
    }
    let mut items = Items::default();
    let _ = items.directory(b"usr", Metadata { mode: 0o755, ..Metadata::default() });
    let _ = items.remove(b"usr/old");
    let Some(ours) = written(&items) else { return };
    if let Ok(found) = layer::check("layer", &items, bytes) {
        let own = layer::check("layer", &items, &ours[..]).map(|own| own.diff_id);
        assert_eq!(Some(found.diff_id), own.ok(), "another layer passes for the patch's");
    }
}
