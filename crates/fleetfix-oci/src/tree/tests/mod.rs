mod hostile;

use std::io::Write;

use fleetfix_model::{Class, Classify};
use tar::{EntryType, Header};

use super::*;
use crate::Error;
use crate::metadata::Mtime;

/// A tar archive in the making, by the `tar` crate's headers.
#[derive(Clone, Default)]
struct Tar(Vec<u8>);

impl Tar {
    fn header(mut self, mut header: Header, name: &[u8], content: &[u8]) -> Self {
        header.as_old_mut().name[..name.len()].copy_from_slice(name);
        header.set_cksum();
        self.0.extend_from_slice(header.as_bytes());
        self.0.extend_from_slice(content);
        self.0.resize(self.0.len().next_multiple_of(512), 0);
        self
    }

    fn add(self, kind: EntryType, path: &str, mode: u32, content: &[u8]) -> Self {
        let mut header = Header::new_ustar();
        header.set_entry_type(kind);
        header.set_mode(mode);
        header.set_uid(1);
        header.set_gid(2);
        header.set_mtime(3);
        header.set_size(content.len() as u64);
        self.header(header, path.as_bytes(), content)
    }

    fn dir(self, path: &str, mode: u32) -> Self {
        self.add(EntryType::Directory, path, mode, b"")
    }

    fn file(self, path: &str, mode: u32) -> Self {
        self.add(EntryType::Regular, path, mode, b"old content")
    }

    fn link(self, kind: EntryType, path: &str, to: &str) -> Self {
        let mut header = Header::new_ustar();
        header.set_entry_type(kind);
        header.set_mode(0o777);
        header.set_uid(0);
        header.set_gid(0);
        header.set_size(0);
        header.set_link_name_literal(to).unwrap();
        self.header(header, path.as_bytes(), b"")
    }

    fn symlink(self, path: &str, to: &str) -> Self {
        self.link(EntryType::Symlink, path, to)
    }

    fn hard_link(self, path: &str, to: &str) -> Self {
        self.link(EntryType::Link, path, to)
    }

    fn pax(self, records: &[(&str, &[u8])]) -> Self {
        let mut body = Vec::new();
        for (key, value) in records {
            let rest = key.len() + value.len() + 3;
            let mut length = rest + 1;
            while length != rest + length.to_string().len() {
                length = rest + length.to_string().len();
            }
            write!(body, "{length} {key}=").unwrap();
            body.extend_from_slice(value);
            body.push(b'\n');
        }
        self.add(EntryType::XHeader, "pax", 0o644, &body)
    }

    fn end(mut self) -> Vec<u8> {
        self.0.extend_from_slice(&[0; 1024]);
        self.0
    }

    fn index(self) -> LayerIndex {
        read(&self.end()).unwrap()
    }
}

fn tar() -> Tar {
    Tar::default()
}

fn read(bytes: &[u8]) -> Result<LayerIndex, Error> {
    LayerIndex::read("layer", bytes, &Limits::default())
}

/// All paths, sorted.
fn paths(index: &LayerIndex) -> Vec<Vec<u8>> {
    (0..index.len()).map(|at| index.path(at).unwrap().to_vec()).collect()
}

fn tree(layers: impl IntoIterator<Item = Tar>) -> Tree {
    let mut tree = Tree::new();
    for layer in layers {
        tree.push(layer.index());
    }
    tree.complete();
    tree
}

fn resolve(tree: &Tree, path: &str) -> Resolved {
    tree.resolve(path.as_bytes(), Final::Follow).unwrap().expect("all layers are there")
}

fn mode(tree: &Tree, path: &str) -> u32 {
    match resolve(tree, path).target {
        Target::File { metadata, .. } => metadata.mode,
        other => panic!("{path}: {other:?}"),
    }
}

fn parents(resolved: &Resolved) -> Vec<(String, u32)> {
    let name = |p: &Parent| String::from_utf8(p.path.clone()).unwrap();
    resolved.parents.iter().map(|p| (name(p), p.metadata.mode)).collect()
}

#[test]
fn metadata_of_a_file_and_all_its_parents() {
    let base = tar()
        .dir("./", 0o700)
        .dir("./usr/", 0o2775)
        .dir("/usr/bin", 0o755)
        .file("usr/bin/app", 0o4711);
    let tree = tree([base]);
    let found = resolve(&tree, "/usr/bin/app");
    assert_eq!(parents(&found), [("usr".into(), 0o2775), ("usr/bin".into(), 0o755)]);
    let Target::File { metadata, hard_links, .. } = found.target else { panic!() };
    assert_eq!((metadata.mode, metadata.uid, metadata.gid), (0o4711, 1, 2));
    assert_eq!(metadata.mtime, Mtime { seconds: 3, nanos: 0 });
    assert_eq!(hard_links, Vec::<Vec<u8>>::new());
    assert_eq!(resolve(&tree, "/usr").target, Target::Directory);
    assert_eq!(parents(&resolve(&tree, "/usr/bin")), [("usr".into(), 0o2775)]);
}

#[test]
fn layers_are_asked_for_only_while_needed() {
    let app = tar().dir("usr", 0o755).dir("usr/bin", 0o755).file("usr/bin/app", 0o755);
    let mut tree = Tree::new();
    assert_eq!(tree.resolve(b"/usr/bin/app", Final::Follow).unwrap(), None);
    tree.push(app.index());
    assert!(tree.resolve(b"/usr/bin/app", Final::Follow).unwrap().is_some());
    assert_eq!(tree.resolve(b"/usr/bin/other", Final::Follow).unwrap(), None);
    // The file is there, its parent is not described yet.
    let mut tree = Tree::new();
    tree.push(tar().file("usr/bin/app", 0o755).index());
    assert_eq!(tree.resolve(b"/usr/bin/app", Final::Follow).unwrap(), None);
    tree.push(tar().dir("usr", 0o711).dir("usr/bin", 0o711).index());
    let found = tree.resolve(b"/usr/bin/app", Final::Follow).unwrap().unwrap();
    assert_eq!(parents(&found), [("usr".into(), 0o711), ("usr/bin".into(), 0o711)]);
}

#[test]
fn the_upper_layer_wins() {
    let lower = tar().dir("d", 0o700).file("d/a", 0o600).file("d/b", 0o600);
    let upper = tar().dir("d", 0o755).file("d/a", 0o644);
    let tree = tree([upper, lower]);
    assert_eq!((mode(&tree, "/d/a"), mode(&tree, "/d/b")), (0o644, 0o600));
    assert_eq!(parents(&resolve(&tree, "/d/b")), [("d".into(), 0o755)]);
}

#[test]
fn whiteouts_and_opaque_directories() {
    let lower = || tar().dir("d", 0o700).file("d/a", 0o600).dir("d/e", 0o700).file("d/e/f", 0o600);
    let absent =
        |upper: Tar, path: &str| resolve(&tree([upper, lower()]), path).target == Target::Absent;
    assert!(absent(tar().file("d/.wh.a", 0), "/d/a"));
    assert!(absent(tar().file(".wh.d", 0), "/d/a"));
    assert!(absent(tar().file(".wh.d", 0), "/d/e/f"));
    assert!(absent(tar().file("d/.wh..wh..opq", 0), "/d/a"));
    assert!(absent(tar().file("d/.wh..wh..opq", 0), "/d/e/f"));
    assert!(absent(tar().file(".wh..wh..opq", 0), "/d/a"));
}

#[test]
fn what_a_whiteout_leaves_alone() {
    let lower = || tar().dir("d", 0o711).file("d/a", 0o600).file("d/ab", 0o600);
    let over = |upper: Tar| tree([upper, lower()]);
    assert_eq!(mode(&over(tar().file("d/.wh.a", 0)), "/d/ab"), 0o600);
    assert_eq!(mode(&over(tar().file("d/.wh..wh.plnk", 0)), "/d/a"), 0o600, "AUFS' own names");
    // Removed and written in one layer: the new one is seen, whatever the order.
    let again = over(tar().file("d/a", 0o644).file("d/.wh.a", 0));
    assert_eq!(mode(&again, "/d/a"), 0o644);
    // An opaque directory keeps what its own layer has, and the metadata from below.
    let opaque = over(tar().file("d/.wh..wh..opq", 0).file("d/new", 0o640));
    assert_eq!(mode(&opaque, "/d/new"), 0o640);
    assert_eq!(parents(&resolve(&opaque, "/d/new")), [("d".into(), 0o711)]);
}

#[test]
fn directories_that_nobody_describes() {
    let found = resolve(&tree([tar().file("a/b/c", 0o644)]), "/a/b/c");
    assert_eq!(parents(&found), [("a".into(), 0o755), ("a/b".into(), 0o755)]);
    assert_eq!(found.parents[0].metadata, Metadata::implied_directory());
    // It takes the place of a lower link of the same name, as in containers/storage.
    let tree =
        tree([tar().file("bin/x", 0o700), tar().symlink("bin", "usr/bin").dir("usr", 0o755)]);
    assert_eq!(resolve(&tree, "/bin/x").path, b"bin/x");
    let Target::File { metadata, .. } = resolve(&tree, "/bin/x").target else { panic!() };
    assert_eq!(metadata.mode, 0o700);
}

#[test]
fn symbolic_links_are_followed_inside_the_image() {
    let base = tar()
        .dir("usr", 0o755)
        .dir("usr/bin", 0o751)
        .file("usr/bin/real", 0o755)
        .symlink("bin", "usr/bin")
        .symlink("sbin", "/usr/../../usr/./bin//")
        .symlink("usr/bin/app", "real")
        .symlink("usr/bin/up", "../../bin/app");
    let tree = tree([base]);
    for path in ["/bin/real", "/sbin/real", "/usr/bin/app", "/bin/app", "/sbin/up"] {
        let found = resolve(&tree, path);
        assert_eq!(found.path, b"usr/bin/real", "{path}");
        assert_eq!(parents(&found), [("usr".into(), 0o755), ("usr/bin".into(), 0o751)], "{path}");
    }
    let kept = tree.resolve(b"/bin/up", Final::Keep).unwrap().unwrap();
    assert_eq!((kept.path.as_slice(), kept.target), (&b"usr/bin/up"[..], Target::Symlink));
}

#[test]
fn links_that_do_not_end_and_paths_through_files() {
    let base = tar()
        .symlink("a", "b")
        .symlink("b", "/a")
        .symlink("self", "self/x")
        .dir("d", 0o755)
        .file("d/f", 0o644)
        .symlink("through", "d/f/g")
        .hard_link("x", "y")
        .hard_link("y", "x")
        .hard_link("dir", "d")
        .hard_link("dangling", "nothing")
        .add(EntryType::Char, "null", 0o666, b"");
    let tree = tree([base]);
    let fails = |path: &str| tree.resolve(path.as_bytes(), Final::Follow).unwrap_err();
    assert!(matches!(fails("/a"), Error::LinkLoop { .. }));
    assert!(matches!(fails("/self"), Error::LinkLoop { .. }));
    assert!(matches!(fails("/d/f/g"), Error::ThroughFile { .. }));
    assert!(matches!(fails("/through"), Error::ThroughFile { .. }));
    assert!(matches!(fails("/null/x"), Error::ThroughFile { .. }));
    assert!(matches!(fails("/x"), Error::NotAFile { .. }));
    assert!(matches!(fails("/dangling"), Error::NotAFile { .. }));
    assert_eq!(resolve(&tree, "/null").target, Target::Special("a character device"));
    assert_eq!(resolve(&tree, "/dir").target, Target::Special("a hard link to a directory"));
    assert_eq!(fails("/a").class(), Class::Input);
}

#[test]
fn a_hard_link_has_its_targets_metadata_and_its_names_are_told() {
    let base = tar().file("one", 0o4755).hard_link("two", "one").hard_link("three", "./two");
    let lower = tar().file("lower", 0o640);
    let upper = tar().hard_link("upper", "lower");
    let tree = tree([upper, base, lower]);
    let names = |path: &str| match resolve(&tree, path).target {
        Target::File { metadata, hard_links, .. } => {
            let names = hard_links.iter().map(|n| String::from_utf8_lossy(n).into_owned());
            (metadata.mode, names.collect::<Vec<_>>())
        }
        other => panic!("{other:?}"),
    };
    assert_eq!(names("/one"), (0o4755, vec!["three".to_owned(), "two".to_owned()]));
    assert_eq!(names("/two").0, 0o4755);
    assert_eq!(names("/three").0, 0o4755);
    assert!(names("/two").1.contains(&"one".to_owned()));
    assert_eq!(names("/upper"), (0o640, vec!["lower".to_owned()]));
}

#[test]
fn a_hard_link_names_the_file_that_was_there_when_it_was_read() {
    let base = tar()
        .file("app", 0o4755)
        .hard_link("kept", "app")
        .add(EntryType::Regular, "app", 0o600, b"a new file in its place")
        .hard_link("late", "app")
        .symlink("link", "kept")
        .hard_link("same-link", "link");
    let bytes = base.clone().end();
    let found = |tree: &Tree, path: &str| match resolve(tree, path).target {
        Target::File { metadata, hard_links, content } => {
            let names = hard_links.iter().map(|n| String::from_utf8_lossy(n).into_owned());
            (metadata.mode, names.collect::<Vec<_>>().join(" "), content)
        }
        other => panic!("{path}: {other:?}"),
    };
    let read = |place: Place| {
        let mut content = Vec::new();
        let copy = |mut file: LayerFile<'_>| {
            if file.offset == place.content.offset {
                std::io::Read::read_to_end(&mut file, &mut content)?;
            }
            Ok(())
        };
        files("layer", &bytes[..], &Limits::default(), copy).unwrap();
        String::from_utf8(content).unwrap()
    };
    let lower = tar().file("app", 0o711);
    let tree = tree([base, lower]);
    for (path, mode, names, content) in [
        ("/kept", 0o4755, "", "old content"),
        ("/same-link", 0o4755, "", "old content"),
        ("/app", 0o600, "late", "a new file in its place"),
        ("/late", 0o600, "app", "a new file in its place"),
    ] {
        let (found_mode, found_names, place) = found(&tree, path);
        assert_eq!((found_mode, &found_names[..]), (mode, names), "{path}");
        assert_eq!(read(place), content, "{path}");
    }
    // Its target was not there yet, so it names the lower layer's.
    let early = super::tests::tree([
        tar().hard_link("early", "app").file("app", 0o600),
        tar().file("app", 0o711),
    ]);
    assert_eq!(found(&early, "/early").0, 0o711);
}

#[test]
fn extended_headers_hold_any_byte() {
    let capability: &[u8] = b"\x01\x00\x00\x02\x0a\x00\n10=\n\x00";
    let long = format!("{}/{}", "d".repeat(200), "f".repeat(200));
    let base = tar()
        .pax(&[
            ("path", long.as_bytes()),
            ("uid", b"4294967295"),
            ("gid", b"3000000"),
            ("mtime", b"1700000000.25"),
            ("SCHILY.xattr.security.capability", capability),
            ("SCHILY.xattr.security.selinux", b"host"),
            ("SCHILY.xattr.trusted.overlay.opaque", b"y"),
            ("SCHILY.xattr.user.empty", b""),
            ("comment", b"\n\n"),
        ])
        .file("short", 0o755)
        .file("next", 0o644);
    let tree = tree([base]);
    let Target::File { metadata, .. } = resolve(&tree, &format!("/{long}")).target else {
        panic!()
    };
    assert_eq!((metadata.uid, metadata.gid), (4_294_967_295, 3_000_000));
    assert_eq!(metadata.mtime, Mtime { seconds: 1_700_000_000, nanos: 250_000_000 });
    let xattrs = [(b"security.capability".to_vec(), capability.to_vec())];
    assert_eq!(metadata.xattrs, xattrs.into());
    let Target::File { metadata, .. } = resolve(&tree, "/next").target else { panic!() };
    assert_eq!((metadata.uid, metadata.xattrs.len()), (1, 0), "an extension is for one entry");
}

#[test]
fn dialects() {
    let long = format!("{}/{}", "a".repeat(120), "b".repeat(120));
    let gnu = |kind: u8, content: &[u8]| {
        let mut header = Header::new_gnu();
        header.set_entry_type(EntryType::new(kind));
        header.set_size(content.len() as u64);
        header.set_mode(0);
        header.set_uid(0);
        header.set_gid(0);
        (header, content.to_vec())
    };
    let (name, name_body) = gnu(b'L', format!("{long}\0").as_bytes());
    let (link, link_body) = gnu(b'K', format!("{}\0", "c/".repeat(80)).as_bytes());
    let mut empty = Header::new_old();
    empty.set_mode(0o640);
    empty.set_size(0);
    empty.as_old_mut().linkflag = [0];
    let mut sparse = Header::new_gnu();
    sparse.set_entry_type(EntryType::GNUSparse);
    sparse.set_mode(0o600);
    sparse.set_uid(0);
    sparse.set_gid(0);
    sparse.set_size(512);
    sparse.as_gnu_mut().unwrap().set_is_extended(true);
    let mut map = [0; 512];
    map[504] = 1;
    let base = tar()
        .header(name, b"././@LongLink", &name_body)
        .file("cut", 0o711)
        .header(link, b"././@LongLink", &link_body)
        .symlink("link", "cut")
        .header(empty, b"old", b"")
        .header(sparse, b"sparse", &[&map[..], &[0; 512], &[7; 512]].concat())
        .add(EntryType::XGlobalHeader, "pax", 0, b"15 path=ignored\n")
        .file("back\\slash", 0o604)
        .dir("c", 0o755)
        .file("last", 0o601);
    let index = base.clone().index();
    let tree = tree([base]);
    assert_eq!(mode(&tree, &format!("/{long}")), 0o711);
    let text = "c/".repeat(80).into_bytes();
    assert_eq!(index.get(b"link").unwrap().kind, EntryKind::Symlink(text));
    assert_eq!(mode(&tree, "/old"), 0o640, "fields of NULs are zero");
    assert_eq!(mode(&tree, "/sparse"), 0o600);
    assert_eq!(mode(&tree, "/back\\slash"), 0o604);
    assert_eq!(mode(&tree, "/last"), 0o601, "nothing before it was misread");
}

#[test]
fn a_size_in_a_pax_record_is_the_size() {
    let content = [b'x'; 700];
    let mut header = Header::new_ustar();
    header.set_entry_type(EntryType::Regular);
    header.set_mode(0o644);
    header.set_uid(0);
    header.set_gid(0);
    header.set_size(0);
    let base = tar().pax(&[("size", b"700")]).header(header, b"a", &content).file("b", 0o604);
    assert_eq!(mode(&tree([base]), "/b"), 0o604);
}
