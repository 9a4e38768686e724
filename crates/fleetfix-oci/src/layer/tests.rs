use std::collections::BTreeMap;
use std::num::NonZeroUsize;

use flate2::bufread::GzDecoder;
use proptest::prelude::*;
use zlib_rs::crc32::crc32;

use super::*;
use crate::metadata::{Metadata, Mtime};

fn metadata(mode: u32) -> Metadata {
    Metadata { mode, ..Metadata::default() }
}

fn options(threads: usize) -> Options {
    let threads = NonZeroUsize::new(threads).unwrap();
    Options { compression: Compression::default(), threads }
}

/// Writes `items` with contents by path.
fn layer(
    items: &Items,
    contents: &BTreeMap<Vec<u8>, Vec<u8>>,
    threads: usize,
) -> Result<(Layer, Vec<u8>), Error> {
    let mut out = Vec::new();
    let open = |item: &Item| {
        let content = contents.get(&item.path).cloned();
        let content = content.ok_or_else(|| io::Error::from(io::ErrorKind::NotFound))?;
        Ok(Box::new(io::Cursor::new(content)) as Box<dyn Read>)
    };
    write(items, open, &mut out, &options(threads)).map(|layer| (layer, out))
}

fn unpacked(mut bytes: &[u8]) -> Vec<u8> {
    let mut out = Vec::new();
    GzDecoder::new(&mut bytes).read_to_end(&mut out).unwrap();
    assert!(bytes.is_empty(), "one member and nothing after it");
    out
}

type Found = (Vec<u8>, u8, u32, u64, u64, u64, Vec<u8>);

/// What the `tar` crate, somebody else's reader, sees.
fn entries(archive: &[u8]) -> Vec<Found> {
    let mut archive = tar::Archive::new(archive);
    archive
        .entries()
        .unwrap()
        .map(|entry| {
            let mut entry = entry.unwrap();
            let mut content = Vec::new();
            entry.read_to_end(&mut content).unwrap();
            let header = entry.header();
            (
                entry.path_bytes().to_vec(),
                header.entry_type().as_byte(),
                header.mode().unwrap(),
                header.uid().unwrap(),
                header.gid().unwrap(),
                header.mtime().unwrap(),
                content,
            )
        })
        .collect()
}

fn add(items: &mut Items, contents: &mut BTreeMap<Vec<u8>, Vec<u8>>, path: &str, content: &[u8]) {
    let (path, size) = (path.as_bytes(), content.len() as u64);
    items.file(path, metadata(0o755), size, Digest::of(content)).unwrap();
    contents.insert(path.to_vec(), content.to_vec());
}

#[test]
fn a_small_layer_entry_by_entry() {
    let (mut items, mut contents) = (Items::default(), BTreeMap::new());
    add(&mut items, &mut contents, "usr/bin/app", b"new");
    let sticky = Metadata {
        mode: 0o1775,
        uid: 1000,
        gid: 5,
        mtime: Mtime { seconds: 1_700_000_000, nanos: 0 },
        ..Metadata::default()
    };
    items.directory(b"usr", metadata(0o755)).unwrap();
    items.directory(b"usr/bin", sticky).unwrap();
    items.remove(b"usr/bin/old").unwrap();
    items.remove(b"gone").unwrap();

    let (layer, bytes) = layer(&items, &contents, 2).unwrap();
    let archive = unpacked(&bytes);
    assert_eq!(layer.digest, Digest::of(&bytes));
    assert_eq!(layer.size, bytes.len() as u64);
    assert_eq!(layer.diff_id, Digest::of(&archive));
    assert_eq!(layer.archive_size, archive.len() as u64);
    let expected: [Found; 5] = [
        (b".wh.gone".into(), b'0', 0o644, 0, 0, 0, vec![]),
        (b"usr/".into(), b'5', 0o755, 0, 0, 0, vec![]),
        (b"usr/bin/".into(), b'5', 0o1775, 1000, 5, 1_700_000_000, vec![]),
        (b"usr/bin/.wh.old".into(), b'0', 0o644, 0, 0, 0, vec![]),
        (b"usr/bin/app".into(), b'0', 0o755, 0, 0, 0, b"new".into()),
    ];
    assert_eq!(entries(&archive), expected);
    // Plain headers, nothing of this host: five headers, one block of content, two at the end.
    assert_eq!(archive.len(), 8 * 512);
    assert!(archive.chunks(512).take(5).all(|block| block[257..265] == *b"ustar\x0000"));
    assert!(archive.chunks(512).take(5).all(|block| block[265..329].iter().all(|b| *b == 0)));
}

#[test]
fn what_a_plain_header_cannot_hold() {
    let (mut items, mut contents) = (Items::default(), BTreeMap::new());
    let split = format!("{}/{}", "d".repeat(150), "f".repeat(90));
    let long = format!("{}/{}", "d".repeat(150), "g".repeat(120));
    add(&mut items, &mut contents, &split, b"1");
    add(&mut items, &mut contents, &long, b"2");
    add(&mut items, &mut contents, "ümlaut", b"3");
    let odd = Metadata {
        mode: 0o644,
        uid: 1 << 40,
        gid: 0o10_000_000,
        mtime: Mtime { seconds: -1, nanos: 500_000_000 },
        xattrs: [(b"security.capability".to_vec(), b"\x01\x00\x0a\n=\x00".to_vec())].into(),
    };
    items.directory(b"z", odd).unwrap();
    let (_, bytes) = layer(&items, &contents, 1).unwrap();
    let archive = unpacked(&bytes);

    let mut names = vec![];
    let mut reader = tar::Archive::new(&archive[..]);
    for entry in reader.entries().unwrap() {
        names.push(String::from_utf8(entry.unwrap().path_bytes().to_vec()).unwrap());
    }
    assert_eq!(names, [split, long, "z/".to_owned(), "ümlaut".to_owned()]);
    let pax = |key: &str| {
        let found = archive.windows(key.len()).filter(|w| *w == key.as_bytes()).count();
        assert_eq!(found, 1, "{key}");
    };
    pax("21 uid=1099511627776\n");
    pax("15 gid=2097152\n");
    pax("14 mtime=-0.5\n");
    pax("SCHILY.xattr.security.capability=\u{1}\u{0}\n\n=\u{0}\n");
    let extended = archive.chunks(512).filter(|b| b[156] == b'x' && &b[257..262] == b"ustar");
    assert_eq!(extended.count(), 3, "the name that can be cut needs none");
}

#[test]
fn content_must_be_what_was_declared() {
    let declared = |content: &[u8], size: u64, digest: Digest| {
        let mut items = Items::default();
        items.file(b"app", metadata(0o755), size, digest).unwrap();
        let contents = [(b"app".to_vec(), content.to_vec())].into();
        layer(&items, &contents, 2).map(|_| ())
    };
    declared(b"abc", 3, Digest::of(b"abc")).unwrap();
    assert!(matches!(declared(b"abd", 3, Digest::of(b"abc")), Err(Error::WrongDigest { .. })));
    assert!(matches!(declared(b"ab", 3, Digest::of(b"abc")), Err(Error::WrongSize { .. })));
    assert!(matches!(declared(b"abcd", 3, Digest::of(b"abc")), Err(Error::WrongSize { .. })));
    let mut items = Items::default();
    items.file(b"absent", metadata(0o755), 0, Digest::of(b"")).unwrap();
    assert!(matches!(layer(&items, &BTreeMap::new(), 1), Err(Error::Read { .. })));
}

#[test]
fn a_full_disk_is_told() {
    struct Full;
    impl Write for Full {
        fn write(&mut self, _: &[u8]) -> io::Result<usize> {
            Err(io::ErrorKind::StorageFull.into())
        }
        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }
    let open = |_: &Item| Ok(Box::new(io::empty()) as Box<dyn Read>);
    let error = write(&Items::default(), open, Full, &options(2)).unwrap_err();
    assert_eq!(fleetfix_model::Classify::class(&error), fleetfix_model::Class::Environment);
}

#[test]
fn paths_that_cannot_be_and_changes_that_meet() {
    let mut items = Items::default();
    let bad: [&[u8]; 9] =
        [b"", b"/a", b"a/", b"a//b", b"a/../b", b"./a", b"a\0b", b"a/.wh.b", b".wh..wh..opq"];
    for path in bad {
        assert!(matches!(items.directory(path, metadata(0)), Err(Error::BadPath { .. })));
        assert!(matches!(items.remove(path), Err(Error::BadPath { .. })));
    }
    let long = vec![b'a'; items::MAX_PATH + 1];
    assert!(matches!(items.directory(&long, metadata(0)), Err(Error::BadPath { .. })));

    let empty = Digest::of(b"");
    items.directory(b"a", metadata(0o755)).unwrap();
    items.directory(b"a", metadata(0o755)).unwrap();
    assert!(matches!(items.directory(b"a", metadata(0o700)), Err(Error::Conflict { .. })));
    items.file(b"a/b", metadata(0o644), 0, empty).unwrap();
    assert!(matches!(items.file(b"a/b", metadata(0o644), 0, empty), Err(Error::Conflict { .. })));
    assert!(matches!(items.remove(b"a/b"), Err(Error::Conflict { .. })));
    assert!(matches!(items.remove(b"a"), Err(Error::Conflict { .. })));
    items.remove(b"a/c").unwrap();
    assert!(matches!(items.remove(b"a/c"), Err(Error::Conflict { .. })));
    assert!(matches!(items.file(b"a/c/d", metadata(0), 0, empty), Err(Error::Conflict { .. })));
    items.file(b"a/cd", metadata(0), 0, empty).unwrap();
}

/// Text of four letters, which compresses a little.
fn sample(length: usize, seed: u64) -> Vec<u8> {
    let mut state = seed | 1;
    let mut letter = || {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        b"ACGT"[usize::from(state.to_le_bytes()[2] & 3)]
    };
    (0..length).map(|_| letter()).collect()
}

/// Two large contents, one of them at two paths, with small ones between them.
fn large() -> (Items, BTreeMap<Vec<u8>, Vec<u8>>) {
    let (mut items, mut contents) = (Items::default(), BTreeMap::new());
    let (one, two) = (sample((2 << 20) + 12_345, 99), sample(1 << 20, 7));
    add(&mut items, &mut contents, "a/one", &one);
    add(&mut items, &mut contents, "a/small", b"small");
    add(&mut items, &mut contents, "b/one", &one);
    add(&mut items, &mut contents, "b/two", &two);
    add(&mut items, &mut contents, "b/nearly", &two[1..]);
    items.directory(b"a", metadata(0o755)).unwrap();
    (items, contents)
}

/// The digest of a layer is a function of compressor, level and block size. A new version of the
/// compressor may change it: then these values change, and the changelog says so.
#[test]
fn bytes_of_this_version() {
    let (items, contents) = large();
    let mut found = Vec::new();
    let all =
        [(Algorithm::Gzip, 2), (Algorithm::Gzip, 6), (Algorithm::Zstd, 3), (Algorithm::None, 0)];
    for (algorithm, level) in all {
        let compression = Compression::new(algorithm, Some(level)).unwrap();
        let mut digests = Vec::new();
        for threads in [1, 2, 5] {
            let threads = NonZeroUsize::new(threads).unwrap();
            let mut out = Vec::new();
            let open = |item: &Item| {
                Ok(Box::new(io::Cursor::new(contents[&item.path].clone())) as Box<dyn Read>)
            };
            let layer = write(&items, open, &mut out, &Options { compression, threads }).unwrap();
            assert_eq!((layer.digest, layer.size), (Digest::of(&out), out.len() as u64));
            assert_eq!(check("it", &items, &out[..]).unwrap(), layer);
            let archive = match algorithm {
                Algorithm::Gzip => unpacked(&out),
                Algorithm::Zstd => zstd::decode_all(&out[..]).unwrap(),
                Algorithm::None => out,
            };
            assert_eq!(
                (layer.diff_id, layer.archive_size),
                (Digest::of(&archive), archive.len() as u64)
            );
            let entries = entries(&archive);
            assert_eq!(entries.len(), 6);
            for entry in entries.iter().filter(|entry| entry.1 == b'0') {
                assert!(entry.6 == contents[&entry.0]);
            }
            digests.push(layer.digest);
        }
        assert!(digests.iter().all(|digest| *digest == digests[0]), "any number of threads");
        found.push((algorithm.name(), level, digests[0].hex()));
    }
    let expected = [
        ("gzip", 2, "2547d1ac897f093d2877d9db50e254b1257660e02fe324c082c531074c0b8407".to_owned()),
        ("gzip", 6, "ba8470e198c756ab6bc79f38914e2ec747b838b1914ace34e4cd2f7195b2fe61".to_owned()),
        ("zstd", 3, "d67d87837ef77b31ffca35a186bfa87fe84a7a46b3c22fd368924c0393c87f5e".to_owned()),
        ("none", 0, "1e7b11361ca31d89d6bc02260a6c5ad1afc84b854ad7fbc994b426c758b902ea".to_owned()),
    ];
    assert_eq!(found, expected);
}

#[test]
fn a_large_content_is_compressed_once_for_layers_that_differ_around_it() {
    let dir = std::env::temp_dir();
    let compressor = Compressor::new(&options(2));
    let content = sample((1 << 20) + 5, 3);
    let digest = Digest::of(&content);
    let size = content.len() as u64;
    let compressed = compressor.content("it", &content[..], size, digest, &dir).unwrap();
    let contents = [(digest, compressed)].into();
    for mode in [0o755, 0o700] {
        let mut items = Items::default();
        items.file(b"app", metadata(mode), size, digest).unwrap();
        let open = |_: &Item| Ok(Box::new(io::Cursor::new(content.clone())) as Box<dyn Read>);
        let laid_out = compressor.lay_out(&items, open, &dir).unwrap();
        assert_eq!(laid_out.lacks().collect::<Vec<_>>(), [digest]);
        let finished = laid_out.finish(&contents).unwrap();
        let mut out = Vec::new();
        let layer = write(&items, open, &mut out, &options(1)).unwrap();
        assert_eq!(finished.layer, layer);
        let mut bytes = Vec::new();
        finished.segments.reader().read_to_end(&mut bytes).unwrap();
        assert!(bytes == out);
    }
}

#[test]
fn a_file_that_changes_between_two_readings_is_told() {
    let dir = std::env::temp_dir();
    let compressor = Compressor::new(&options(2));
    let content = sample(1 << 20, 3);
    let (digest, size) = (Digest::of(&content), content.len() as u64);
    let compressed = compressor.content("it", &content[..], size, digest, &dir).unwrap();
    let mut items = Items::default();
    items.file(b"app", metadata(0o755), size, digest).unwrap();
    let lay_out = |content: Vec<u8>| {
        let open = |_: &Item| Ok(Box::new(io::Cursor::new(content.clone())) as Box<dyn Read>);
        compressor.lay_out(&items, open, &dir)
    };
    lay_out(content.clone()).unwrap().finish(&[(digest, compressed)].into()).unwrap();
    let mut other = content.clone();
    other[77] ^= 1;
    assert!(matches!(lay_out(other), Err(Error::WrongDigest { .. })));
    // Another content with the same length and CRC-32: a multiple of its polynomial is added.
    let mut tie = content.clone();
    for (byte, bits) in tie[77..].iter_mut().zip([0x41, 0x06, 0x71, 0xdb, 0x01]) {
        *byte ^= bits;
    }
    assert!(tie != content && crc32(0, &tie) == crc32(0, &content));
    assert!(matches!(lay_out(tie), Err(Error::WrongDigest { .. })));
    let error = lay_out(content.clone()).unwrap().finish(&BTreeMap::new()).unwrap_err();
    assert!(matches!(error, Error::Compressor { .. }), "{error}");
    let longer = [&content[..], b"x"].concat();
    assert!(matches!(lay_out(longer), Err(Error::WrongSize { .. })));
    assert!(matches!(lay_out(content[1..].to_vec()), Err(Error::WrongSize { .. })));
    let wrong = compressor.content("it", &content[1..], size, digest, &dir).unwrap_err();
    assert!(matches!(wrong, Error::WrongSize { .. }), "{wrong}");
    let wrong = compressor.content("it", &content[..], size, Digest::of(b""), &dir).unwrap_err();
    assert!(matches!(wrong, Error::WrongDigest { .. }), "{wrong}");
    let nowhere = compressor.content("it", &content[..], size, digest, &dir.join("absent/x"));
    assert!(matches!(nowhere, Err(Error::Write { .. })));
}

/// One thing at a time that makes it another layer, and what is said about it.
#[test]
fn layers_that_are_not_the_patchs() {
    let (mut items, mut contents) = (Items::default(), BTreeMap::new());
    add(&mut items, &mut contents, "usr/app", b"content");
    items.directory(b"usr", metadata(0o755)).unwrap();
    items.remove(b"gone").unwrap();
    let (good, bytes) = layer(&items, &contents, 1).unwrap();
    assert_eq!(check("it", &items, &bytes[..]).unwrap(), good);
    let archive = unpacked(&bytes);
    assert_eq!(check("it", &items, &archive[..]).unwrap().diff_id, good.diff_id, "plain");
    let zipped = |archive: &[u8]| {
        let mut gzip = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
        io::Write::write_all(&mut gzip, archive).unwrap();
        gzip.finish().unwrap()
    };
    let other = check("it", &items, &zipped(&archive)[..]).unwrap();
    assert_eq!((other.diff_id, other.archive_size), (good.diff_id, good.archive_size));
    assert_ne!(other.digest, good.digest, "compressed by another");

    // Offsets: .wh.gone, usr/, the header of usr/app, its content, its padding, the end.
    let table: [(usize, &str, &str); 6] = [
        (100, "/.wh.gone", "its entry"),
        (512 + 1, "/usr", "its entry"),
        (1024 + 107, "/usr/app", "its entry"),
        (1536, "/usr/app", "sha256:"),
        (1536 + 7, "/usr/app", "padding"),
        (2048 + 600, "the end", "its entry"),
    ];
    for (at, place, what) in table {
        let mut bad = archive.clone();
        bad[at] ^= 1;
        for bytes in [bad.clone(), zipped(&bad), zstd::encode_all(&bad[..], 1).unwrap()] {
            match check("it", &items, &bytes[..]) {
                Err(Error::OtherLayer { path, expected, .. }) => {
                    assert_eq!(path, place, "{at}");
                    assert!(expected.starts_with(what), "{at}: {expected}");
                }
                other => panic!("{at}: {other:?}"),
            }
        }
    }
    for length in [0, 1, 511, 512, 1024, 1537, 2047, archive.len() - 1] {
        let cut = &archive[..length];
        assert!(matches!(check("it", &items, cut), Err(Error::OtherLayer { .. })), "{length}");
    }
    let longer = [&archive[..], &[0]].concat();
    assert!(matches!(check("it", &items, &longer[..]), Err(Error::OtherLayer { .. })));
    for length in [11, bytes.len() / 2, bytes.len() - 1] {
        let cut = check("it", &items, &bytes[..length]);
        assert!(matches!(cut, Err(Error::OtherLayer { .. })), "{length}: {cut:?}");
    }
    let zstd = zstd::encode_all(&archive[..], 1).unwrap();
    for length in [5, zstd.len() / 2, zstd.len() - 1] {
        let cut = check("it", &items, &zstd[..length]);
        assert!(matches!(cut, Err(Error::OtherLayer { .. })), "{length}: {cut:?}");
    }
    let mut fewer = Items::default();
    fewer.remove(b"gone").unwrap();
    assert!(matches!(check("it", &fewer, &bytes[..]), Err(Error::OtherLayer { .. })));
}

#[test]
fn a_failing_reader_is_no_other_layer() {
    struct Failing;
    impl Read for Failing {
        fn read(&mut self, _: &mut [u8]) -> io::Result<usize> {
            Err(io::ErrorKind::ConnectionReset.into())
        }
    }
    let head = [0x1f, 0x8b, 8, 0];
    for reader in [Box::new(Failing) as Box<dyn Read>, Box::new(head.chain(Failing))] {
        let error = check("it", &Items::default(), reader).unwrap_err();
        assert_eq!(fleetfix_model::Classify::class(&error), fleetfix_model::Class::Environment);
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]
    #[test]
    fn another_reader_sees_what_was_written(
        files in prop::collection::btree_map("[a-zé]{1,9}(/[a-z][a-z.]{0,60}x){0,4}", (0_u32..0o10_000, 0_u64..5_000_000, prop::collection::vec(any::<u8>(), 0..2000)), 0..12),
    ) {
        let (mut items, mut contents) = (Items::default(), BTreeMap::new());
        for (path, (mode, uid, content)) in &files {
            let metadata = Metadata { mode: *mode, uid: *uid, ..Metadata::default() };
            items.file(path.as_bytes(), metadata, content.len() as u64, Digest::of(content)).unwrap();
            contents.insert(path.clone().into_bytes(), content.clone());
        }
        let (one, bytes) = layer(&items, &contents, 1).unwrap();
        for threads in [2, 4] {
            let (other, same) = layer(&items, &contents, threads).unwrap();
            prop_assert_eq!(&other, &one);
            prop_assert!(same == bytes);
        }
        let found = entries(&unpacked(&bytes));
        prop_assert_eq!(found.len(), files.len());
        for (entry, (path, (mode, _, content))) in found.iter().zip(&files) {
            prop_assert_eq!(&entry.0, path.as_bytes());
            prop_assert_eq!(entry.2, *mode);
            prop_assert_eq!(&entry.6, content);
        }
    }
}
