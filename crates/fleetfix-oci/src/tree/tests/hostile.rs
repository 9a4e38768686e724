//! Archives that nobody should write, and compressions.

use std::io::Write;

use flate2::Compression;
use flate2::write::GzEncoder;
use fleetfix_model::{Class, Classify};
use proptest::prelude::*;
use tar::{EntryType, Header};

use super::super::*;
use super::{Tar, paths, read, tar, tree};
use crate::Error;

fn gzip(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::new(1));
    encoder.write_all(bytes).unwrap();
    encoder.finish().unwrap()
}

#[test]
fn compressions() {
    let plain = tar().file("a", 0o644).file("b", 0o600).end();
    let index = read(&plain).unwrap();
    assert_eq!(read(&gzip(&plain)).unwrap(), index);
    let (one, two) = plain.split_at(700);
    assert_eq!(read(&[gzip(one), gzip(two)].concat()).unwrap(), index, "several members");
    assert_eq!(read(&plain[..plain.len() - 1024]).unwrap(), index, "no end mark");
    assert_eq!(read(b"").unwrap().len(), 0);
    let zstd = |bytes: &[u8]| zstd::encode_all(bytes, 3).unwrap();
    assert_eq!(read(&zstd(&plain)).unwrap(), index);
    assert_eq!(read(&[zstd(one), zstd(two)].concat()).unwrap(), index, "several frames");
    let skipped = [&[0x5e, 0x2a, 0x4d, 0x18, 3, 0, 0, 0, 1, 2, 3][..], &zstd(&plain)].concat();
    assert_eq!(read(&skipped).unwrap(), index, "a frame to pass over");
    for (magic, name) in [(&b"\xfd7zXZ\0"[..], "xz"), (b"BZh91AY", "bzip2")] {
        match read(magic) {
            Err(Error::UnsupportedCompression { compression, .. }) => assert_eq!(compression, name),
            other => panic!("{other:?}"),
        }
    }
}

#[test]
fn broken_zstd() {
    let good = zstd::encode_all(&tar().file("a", 0o644).end()[..], 3).unwrap();
    let mut wrong = good.clone();
    wrong[6] ^= 0xff;
    for bytes in [&good[..good.len() - 3], b"\x28\xb5\x2f\xfd....", &wrong] {
        let error = read(bytes).unwrap_err();
        assert_eq!(error.class(), Class::Input, "{error:?}");
    }
    // A window of 2 GiB (RFC 8878, section 3.1.1.1.2): nobody gives it that memory.
    let mut window = good;
    (window[4], window[5]) = (0, 21 << 3);
    assert_eq!(read(&window).unwrap_err().class(), Class::Input);
}

#[test]
fn the_reader_is_read_to_its_end() {
    let plain = [tar().file("a", 0o644).end(), b"more".to_vec()].concat();
    let wrong = fleetfix_model::Digest::of(b"other");
    for bytes in [plain.clone(), gzip(&plain)] {
        let reader = crate::checked::CheckedReader::new(&bytes[..], "layer", wrong, None);
        let error = LayerIndex::read("layer", reader, &Limits::default()).unwrap_err();
        assert_eq!(error.class(), Class::Refused);
    }
}

#[test]
fn a_tampered_layer_is_refused_by_its_digest_whatever_it_broke() {
    let good = tar().file("a", 0o644).file("b", 0o600).end();
    let expected = fleetfix_model::Digest::of(&good);
    for at in [0, 1, 150, 600] {
        let mut bytes = good.clone();
        bytes[at] ^= 1;
        let reader = crate::checked::CheckedReader::new(&bytes[..], "layer", expected, None);
        let error = LayerIndex::read("layer", reader, &Limits::default()).unwrap_err();
        assert!(matches!(error, Error::WrongDigest { .. }), "{at}: {error:?}");
    }
    let zstd = b"\x28\xb5\x2f\xfd....";
    let reader = crate::checked::CheckedReader::new(&zstd[..], "layer", expected, None);
    let error = LayerIndex::read("layer", reader, &Limits::default()).unwrap_err();
    assert!(matches!(error, Error::WrongDigest { .. }), "{error:?}");
}

#[test]
fn extended_headers_without_an_entry_are_charged() {
    let limits = Limits { memory: 10_000, ..Limits::default() };
    let mut archive = tar();
    for n in 0..20 {
        let key = format!("SCHILY.xattr.user.{n}");
        archive = archive.pax(&[(key.as_str(), &[b'x'; 600])]);
    }
    match LayerIndex::read("layer", &archive.end()[..], &limits) {
        Err(Error::LayerLimit { what, .. }) => assert_eq!(what, "bytes of names and attributes"),
        other => panic!("{other:?}"),
    }
}

#[test]
fn an_extended_header_replaces_the_one_before_it() {
    let archive = tar()
        .pax(&[("SCHILY.xattr.user.a", b"1"), ("path", b"one"), ("uid", b"7")])
        .pax(&[("SCHILY.xattr.user.b", b"2")])
        .file("two", 0o644);
    let index = read(&archive.end()).unwrap();
    let metadata = &index.get(b"two").unwrap().metadata;
    assert_eq!(metadata.xattrs.keys().collect::<Vec<_>>(), [b"user.b"]);
    assert_ne!(metadata.uid, 7);
}

#[test]
fn a_size_record_is_for_the_entry_not_for_a_header_between() {
    let body = |kind: EntryType, content: &[u8]| {
        let archive = tar().pax(&[("size", b"0")]).add(kind, "long", 0, content).dir("b", 0o755);
        paths(&read(&archive.end()).unwrap())
    };
    assert_eq!(body(EntryType::GNULongName, b"name\0"), [b"name".to_vec()]);
    assert_eq!(body(EntryType::GNULongLink, b"name\0"), [b"b".to_vec()]);
    assert_eq!(body(EntryType::XHeader, b"10 path=c\n"), [b"c".to_vec()]);
    assert_eq!(body(EntryType::XGlobalHeader, b"10 path=c\n"), [b"b".to_vec()]);
}

#[test]
fn long_names_win_over_records() {
    let archive = tar()
        .add(EntryType::GNULongName, "long", 0, b"gnu\0")
        .pax(&[("path", b"pax")])
        .file("own", 0o644);
    assert!(read(&archive.end()).unwrap().get(b"gnu").is_some());
}

#[test]
fn hostile_archives() {
    let huge = {
        let mut header = Header::new_ustar();
        header.set_entry_type(EntryType::XHeader);
        header.set_mode(0);
        header.set_size(1 << 40);
        tar().header(header, b"pax", b"")
    };
    let negative = {
        let mut header = Header::new_ustar();
        header.set_mode(0);
        header.as_old_mut().size = [0xff; 12];
        tar().header(header, b"a", b"")
    };
    let no_sum = {
        let mut bytes = tar().file("a", 0o644);
        bytes.0[0] = b'b';
        bytes
    };
    let gap = {
        let mut bytes = tar().file("a", 0o644);
        bytes.0.extend_from_slice(&[0; 512]);
        bytes.file("b", 0o644)
    };
    let table = [
        ("`..`", tar().file("a/../../b", 0o644)),
        ("`..` in a hard link", tar().hard_link("a", "../b")),
        ("below a link", tar().symlink("a", "b").file("a/c", 0o644)),
        ("below a file", tar().file("a", 0o644).file("a/c", 0o644)),
        ("empty whiteout", tar().file("a/.wh.", 0)),
        ("whiteout of `..`", tar().file("a/.wh...", 0)),
        ("NUL in a name", tar().pax(&[("path", b"a\0b")]).file("a", 0o644)),
        ("broken record", tar().add(EntryType::XHeader, "pax", 0, b"99 path=a\n").file("a", 0o644)),
        ("record that is no number", tar().pax(&[("uid", b"-1")]).file("a", 0o644)),
        ("huge extension", huge),
        ("negative size", negative),
        ("wrong checksum", no_sum),
        ("one empty block", gap),
    ];
    for (fact, archive) in table {
        let error = read(&archive.end()).unwrap_err();
        assert!(
            matches!(error, Error::Archive { .. } | Error::LayerLimit { .. }),
            "{fact}: {error:?}"
        );
        assert_eq!(error.class(), Class::Input, "{fact}");
    }
}

#[test]
fn caps() {
    let limits = Limits { entries: 2, memory: 10, extension: 600, archive: 4096 };
    let capped =
        |archive: Tar, what: &str| match LayerIndex::read("layer", &archive.end()[..], &limits) {
            Err(Error::LayerLimit { what: found, .. }) => assert_eq!(found, what),
            other => panic!("{what}: {other:?}"),
        };
    capped(tar().dir("a", 0).dir("b", 0).dir("c", 0), "entries");
    capped(tar().dir("a2345678901", 0), "bytes of names and attributes");
    capped(tar().pax(&[("comment", &[b'x'; 600])]).dir("a", 0), "bytes in an extended header");
    capped(tar().add(EntryType::Regular, "a", 0, &[0; 4096]), "bytes when unpacked");
    // What is small when packed, and what comes behind the end.
    let zeros = gzip(&tar().add(EntryType::Regular, "a", 0, &vec![0; 1 << 20]).end());
    let behind = gzip(&[tar().dir("a", 0).end(), vec![0; 1 << 20]].concat());
    for bomb in [zeros, behind] {
        assert!(bomb.len() < 50_000);
        let limits = Limits { archive: 100_000, ..Limits::default() };
        match LayerIndex::read("layer", &bomb[..], &limits) {
            Err(Error::LayerLimit { what, .. }) => assert_eq!(what, "bytes when unpacked"),
            other => panic!("{other:?}"),
        }
    }
    let long = "a".repeat(5000);
    let archive = tar().pax(&[("path", long.as_bytes())]).dir("a", 0).end();
    assert!(matches!(read(&archive), Err(Error::LayerLimit { what: "bytes in a path", .. })));
}

/// A small archive with something of everything.
fn of_everything() -> Vec<u8> {
    tar()
        .dir("usr", 0o755)
        .pax(&[("SCHILY.xattr.security.capability", b"\n\x00\n"), ("mtime", b"1.5")])
        .file("usr/app", 0o755)
        .symlink("bin", "usr")
        .hard_link("usr/other", "usr/app")
        .file("usr/.wh.gone", 0)
        .end()
}

#[test]
fn truncated_anywhere() {
    let plain = of_everything();
    let whole = read(&plain).unwrap();
    for length in 0..plain.len() {
        match read(&plain[..length]) {
            // Without its end mark an archive may end after any entry.
            Ok(index) => assert!(length % 512 == 0 && index.len() <= whole.len()),
            Err(error) => assert_eq!(error.class(), Class::Input, "{length}: {error:?}"),
        }
    }
    let packed = gzip(&plain);
    for length in 4..packed.len() {
        let error = read(&packed[..length]).unwrap_err();
        assert_eq!(error.class(), Class::Input, "{length}: {error:?}");
    }
}

proptest! {
    #[test]
    fn a_changed_byte_is_read_or_refused(at in any::<prop::sample::Index>(), to in any::<u8>(), path in "[a-z/.]{0,12}") {
        let mut bytes = of_everything();
        let i = at.index(bytes.len());
        bytes[i] = to;
        if let Ok(index) = read(&bytes) {
            let mut tree = Tree::new();
            tree.push(index);
            let _ = tree.resolve(path.as_bytes(), Final::Follow);
            tree.complete();
            for path in [path.as_str(), "/bin/app", "/usr/other", "/usr/gone"] {
                if let Ok(found) = tree.resolve(path.as_bytes(), Final::Keep) {
                    prop_assert!(found.is_some(), "a complete tree knows");
                }
            }
        }
        let mut packed = gzip(&of_everything());
        let i = at.index(packed.len());
        packed[i] = to;
        let _ = read(&packed);
    }

    #[test]
    fn any_bytes_are_read_or_refused(bytes in prop::collection::vec(any::<u8>(), 0..1600)) {
        let _ = read(&bytes);
    }

    /// Looking a path up is the same as unpacking all layers in order, for trees without links.
    #[test]
    fn a_tree_is_its_layers_unpacked(layers in prop::collection::vec(prop::collection::vec(("[ab](/[ab]){0,2}", 0..4_u8, 0..0o1000_u32), 0..6), 1..4)) {
        let mut unpacked = std::collections::BTreeMap::<String, (bool, u32)>::new();
        let mut archives = Vec::new();
        for layer in &layers {
            let mut archive = tar();
            let mut own = std::collections::BTreeMap::new();
            // One entry for each path, parents first and all of them directories.
            for (path, kind, mode) in layer {
                if path.match_indices('/').all(|(i, _)| own.get(&path[..i]).is_some_and(|(kind, _)| *kind == 1)) {
                    own.entry(path.clone()).or_insert((*kind, *mode));
                }
            }
            for (path, (kind, mode)) in &own {
                let below = format!("{path}/");
                let name = path.rsplit_once('/').map_or(path.as_str(), |(_, name)| name);
                let parent = &path[..path.len() - name.len()];
                archive = match kind {
                    0 => archive.file(path, *mode),
                    1 => archive.dir(path, *mode),
                    2 => archive.file(&format!("{parent}.wh.{name}"), 0),
                    _ => archive,
                };
                if matches!(kind, 0 | 2) {
                    unpacked.retain(|other, _| other != path && !other.starts_with(&below));
                }
                match kind {
                    0 => { unpacked.insert(path.clone(), (true, *mode)); }
                    1 => {
                        unpacked.insert(path.clone(), (false, *mode));
                    }
                    _ => {}
                }
            }
            archives.push(archive);
        }
        let tree = tree(archives.into_iter().rev());
        for path in ["a", "b", "a/a", "a/b", "b/a", "a/a/a", "a/b/a", "b/b/b"] {
            let seen = match tree.resolve(path.as_bytes(), Final::Follow) {
                Ok(Some(Resolved { target: Target::File { metadata, .. }, .. })) => Some((true, metadata.mode)),
                Ok(Some(Resolved { target: Target::Directory, .. })) => unpacked.get(path).copied().filter(|(file, _)| !file),
                Ok(Some(Resolved { target: Target::Absent, .. })) | Err(Error::ThroughFile { .. }) => None,
                other => panic!("{other:?}"),
            };
            prop_assert_eq!(seen, unpacked.get(path).copied(), "{}", path);
        }
    }
}
