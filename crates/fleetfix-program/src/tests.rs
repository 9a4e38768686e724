//! Programs from outside: of every form, real ones, and broken ones.

use std::io::{Cursor, Read};
use std::process::Command;

use fleetfix_tests::tools::tool;
use proptest::prelude::*;

use super::*;
use crate::elf::{Class, Kind, Order};
use crate::fixture::{Fixture, Go};

fn program(fixture: &Fixture) -> Program {
    read("app", Cursor::new(fixture.bytes())).unwrap().unwrap()
}

#[test]
fn every_size_order_and_form() {
    let expected = [
        (Class::Bits64, Order::Little, 62, "amd64"),
        (Class::Bits64, Order::Big, 22, "s390x"),
        (Class::Bits64, Order::Little, 21, "ppc64le"),
        (Class::Bits32, Order::Little, 40, "arm"),
        (Class::Bits32, Order::Big, 8, "mips"),
        (Class::Bits64, Order::Little, 8, "mips64le"),
    ];
    for (class, order, machine, name) in expected {
        for (pointers, sections) in [(false, false), (false, true), (true, false), (true, true)] {
            let mut go = Go::new("go1.17.3 X:boringcrypto", &[("-tags", "b,a")]);
            go.pointers = pointers;
            let fixture = Fixture {
                class,
                order,
                machine,
                sections,
                kind: 3,
                interpreter: Some("/lib/ld.so.1"),
                libraries: vec!["libb.so.1", "liba.so"],
                go: Some(go),
            };
            let found = program(&fixture);
            let streamed = stream(&fixture.bytes());
            assert_eq!(streamed.as_deref(), (!pointers).then_some("example.test"));
            let elf = &found.elf;
            assert_eq!((elf.class, elf.order, elf.kind), (class, order, Kind::Shared));
            assert_eq!(elf.architecture(), Some(name));
            assert_eq!(elf.interpreter.as_deref(), Some("/lib/ld.so.1"));
            assert_eq!(elf.libraries, ["libb.so.1", "liba.so"]);
            assert_eq!(elf.gnu_build_id.as_deref(), Some("abcd0001"));
            assert_eq!(elf.go_build_id.as_deref(), Some("a/bc"));
            let go = found.go.unwrap();
            assert_eq!(
                (go.version.as_str(), go.package.as_str()),
                ("go1.17.3", "example.test/cmd/app")
            );
            assert_eq!(go.experiments.iter().collect::<Vec<_>>(), ["boringcrypto"]);
            assert_eq!(go.tags().into_iter().collect::<Vec<_>>(), ["a", "b"]);
        }
    }
}

/// The main module of a program that can be read once only.
fn stream(bytes: &[u8]) -> Option<String> {
    main_module(bytes, bytes.len() as u64).unwrap()
}

#[test]
fn what_is_no_program_of_go() {
    let script = read("app", Cursor::new(b"#!/bin/sh\n")).unwrap();
    assert_eq!(script, None);
    assert_eq!(stream(b"#!/bin/sh\n"), None);
    assert_eq!(stream(b""), None);
    assert_eq!(read("app", Cursor::new(b"")).unwrap(), None);
    assert_eq!(read("app", Cursor::new(b"\x7fEL")).unwrap(), None);
    for sections in [false, true] {
        let found = program(&Fixture { go: None, sections, ..Fixture::default() });
        assert_eq!(found.go, None);
        assert!(!found.elf.dynamic);
        assert_eq!(stream(&Fixture { go: None, sections, ..Fixture::default() }.bytes()), None);
    }
}

#[test]
fn the_main_module_where_go_does_not_name_it() {
    let table = [
        ("mod\texample.test/a\tv1.0.0\n", Some("example.test/a")),
        ("path\tgithub.com/owner/name/deep/cmd/x\n", Some("github.com/owner/name")),
        ("path\tgithub.com/owner/name\n", Some("github.com/owner/name")),
        ("path\texample.test/b/cmd/x\n", Some("example.test/b")),
        ("path\texample.test/b/c\n", Some("example.test/b/c")),
        ("path\tcmd/go\n", Some("cmd")),
        ("path\tcommand-line-arguments\n", None),
        ("dep\texample.test/d\tv1.0.0\n", None),
        ("path\texample.test/\x1b[31m\n", None),
    ];
    for (modules, expected) in table {
        let mut go = Go::new("go1.26.8", &[]);
        // More than is read: what stands first counts.
        go.modules = format!("{modules}{}", "dep\texample.test/e\tv1.0.0\n".repeat(1000));
        let fixture = Fixture { go: Some(go), ..Fixture::default() };
        assert_eq!(stream(&fixture.bytes()).as_deref(), expected, "{modules}");
    }
    let mut long = Go::new("go1.26.8", &[]);
    long.modules = format!("path\t{}\n", "a".repeat(513));
    assert_eq!(stream(&Fixture { go: Some(long), ..Fixture::default() }.bytes()), None);
}

#[test]
fn versions_and_experiments() {
    let table = [
        ("go1.26.8", "", "go1.26.8", ""),
        ("go1.26.8-X:jsonv2,boringcrypto", "", "go1.26.8", "boringcrypto jsonv2"),
        (
            "go1.22.9 (Red Hat 1.22.9-2.el9_5) X:strictfipsruntime",
            "strictfipsruntime",
            "go1.22.9 (Red Hat 1.22.9-2.el9_5)",
            "strictfipsruntime",
        ),
        (
            "devel go1.27-abcdef Mon Jan 1",
            "rangefunc",
            "devel go1.27-abcdef Mon Jan 1",
            "rangefunc",
        ),
    ];
    for (said, setting, version, experiments) in table {
        let go = Go::new(said, &[("GOEXPERIMENT", setting)]);
        let go = program(&Fixture { go: Some(go), ..Fixture::default() }).go.unwrap();
        assert_eq!(go.version, version);
        assert_eq!(go.experiments.into_iter().collect::<Vec<_>>().join(" "), experiments);
    }
}

/// Changes one number of a program, of `size` bytes at `offset`, little-endian.
fn with(mut bytes: Vec<u8>, offset: usize, size: usize, value: u64) -> Vec<u8> {
    bytes[offset..offset + size].copy_from_slice(&value.to_le_bytes()[..size]);
    bytes
}

#[test]
fn broken_files_are_named_by_what_is_broken() {
    let whole = Fixture {
        interpreter: Some("/lib/ld.so"),
        libraries: vec!["liba.so"],
        ..Fixture::default()
    };
    let bytes = whole.bytes();
    // Segments in their order: interpreter, notes, dynamic section, code, data; 56 bytes each.
    let segment = |n: usize| 64 + 56 * n;
    let table: [(Vec<u8>, &str); 17] = [
        (bytes[..10].to_vec(), "the identification at byte 0 ends after the file"),
        (with(bytes.clone(), 4, 1, 3), "the identification at byte 4 has an unknown class"),
        (with(bytes.clone(), 5, 1, 0), "the identification at byte 5 has an unknown order"),
        (with(bytes.clone(), 6, 1, 2), "the identification at byte 6 has an unknown version"),
        (bytes[..60].to_vec(), "the header at byte 0 ends after the file"),
        (with(bytes.clone(), 32, 8, u64::MAX), "the table of segments at byte"),
        (with(bytes.clone(), 54, 2, 57), "has entries of another size"),
        (with(bytes.clone(), 56, 2, 0xffff), "the table of segments of 3669960, more than 65536"),
        (with(bytes.clone(), 40, 8, u64::MAX), "the table of sections at byte"),
        (with(bytes.clone(), 60, 2, 20_000), "the table of sections of 20000, more than 10000"),
        (with(bytes.clone(), segment(0) + 32, 8, 5000), "the interpreter's path of 5000"),
        (
            with(bytes.clone(), segment(0) + 32, 8, 4),
            "the interpreter's path at byte 1024 does not",
        ),
        (with(bytes.clone(), segment(1) + 32, 8, 70_000), "the notes of 70000, more than 65536"),
        (with(bytes.clone(), segment(2) + 32, 8, 2 << 20), "the dynamic section of 2097152"),
        (with(bytes.clone(), segment(2) + 8, 8, u64::MAX), "the dynamic section at byte"),
        (with(bytes.clone(), segment(3) + 32, 8, u64::MAX), "a segment at byte 0 ends after"),
        (bytes[..bytes.len() - 1].to_vec(), "the table of sections at byte"),
    ];
    for (bytes, expected) in table {
        let error = read("app", Cursor::new(&bytes)).unwrap_err().to_string();
        assert!(error.contains(expected), "{expected}: {error}");
    }
}

#[test]
fn broken_build_information() {
    let find = |bytes: &[u8]| bytes.windows(16).rposition(|w| w.starts_with(b"\xff Go buildinf:"));
    let inline = Fixture::default().bytes();
    let at = find(&inline).unwrap();
    let long = [&[0xff_u8; 3][..], &[0x7f]].concat();
    let mut too_long = inline.clone();
    too_long[at + 32..at + 36].copy_from_slice(&long);
    let mut endless = inline.clone();
    endless[at + 32..].fill(0xff);
    let sections = Fixture { sections: false, ..Fixture::default() };
    let mut cut = sections.bytes();
    let end = cut.len();
    cut[end - 17] = b'!';
    let mut not_text = inline.clone();
    not_text[at + 34] = 0xff;
    let go = Go { pointers: true, ..Go::new("go1.17", &[]) };
    let by_pointers = Fixture { go: Some(go), ..Fixture::default() }.bytes();
    let at = find(&by_pointers).unwrap();
    let length = u64::from_le_bytes(by_pointers[at + 16..at + 24].try_into().unwrap());
    let header = usize::try_from(length - 0x0040_0000).unwrap();
    let table = [
        (too_long, "Go's build information of 268435455, more than 4096"),
        (with(by_pointers.clone(), at + 14, 1, 3), "pointers of an unknown size"),
        (with(by_pointers.clone(), header + 8, 8, u64::MAX), "more than 4096"),
        (with(by_pointers.clone(), header + 8, 8, 4000), "is cut short"),
        (not_text, "is not UTF-8"),
    ];
    for (bytes, expected) in table {
        let error = read("app", Cursor::new(&bytes)).unwrap_err().to_string();
        assert!(error.contains(expected), "{expected}: {error}");
    }
    // Pointers that lead nowhere: Go reads these as no program of its own.
    let nowhere = with(by_pointers, at + 16, 8, u64::MAX - 3);
    assert_eq!(read("app", Cursor::new(nowhere)).unwrap().unwrap().go, None);
}

#[test]
fn it_is_the_same_after_a_way_through_json() {
    let found = program(&Fixture { interpreter: Some("/lib/ld.so"), ..Fixture::default() });
    let text = serde_json::to_string(&found).unwrap();
    assert_eq!(serde_json::from_str::<Program>(&text).unwrap(), found);
}

/// Counts what is read: a large program is not read whole.
struct Counting<R>(R, u64);

impl<R: Read> Read for Counting<R> {
    fn read(&mut self, buffer: &mut [u8]) -> std::io::Result<usize> {
        let n = self.0.read(buffer)?;
        self.1 += n as u64;
        Ok(n)
    }
}

impl<R: Seek> Seek for Counting<R> {
    fn seek(&mut self, to: std::io::SeekFrom) -> std::io::Result<u64> {
        self.0.seek(to)
    }
}

/// Go's own tool is the judge: `go version -m` prints the text that we read.
#[test]
fn real_programs_say_what_go_says_of_them() {
    let tools = [
        "component-base-amd64",
        "component-fixed-arm64",
        "crane",
        "skopeo",
        "olareg",
        "docker-registry",
        "umoci",
    ];
    for name in tools {
        let path = tool(name);
        let mut file = Counting(std::fs::File::open(&path).unwrap(), 0);
        let found = read(name, &mut file).unwrap().unwrap();
        assert!(file.1 < 512 << 10, "{name}: {} bytes were read", file.1);
        let go = found.go.unwrap();
        let whole = std::fs::File::open(&path).unwrap();
        let size = whole.metadata().unwrap().len();
        let mut whole = Counting(whole, 0);
        let streamed = main_module(&mut whole, size).unwrap();
        assert_eq!(streamed.as_deref(), go.main_module(), "{name}");
        assert!(whole.1 < size, "{name}: reading stops where it is known");
        let output = Command::new("go").args(["version", "-m"]).arg(&path).output();
        let output = output.expect("go: what built the tools is there");
        let text = String::from_utf8(output.stdout).unwrap();
        let lines: Vec<&str> = text.lines().collect();
        let version = lines[0].rsplit_once(": ").unwrap().1;
        assert_eq!(go.version, version, "{name}");
        let with = |word: &str| {
            let start = format!("\t{word}\t");
            let lines = lines.iter().filter_map(move |line| line.strip_prefix(&start));
            lines.map(str::to_owned).collect::<Vec<String>>()
        };
        assert_eq!(vec![go.package], with("path"), "{name}");
        let module = go.module.map(|module| format!("{}\t{}", module.path, module.version));
        let modules = with("mod");
        assert_eq!(module.is_some(), !modules.is_empty(), "{name}");
        assert!(modules.iter().all(|line| line.starts_with(module.as_ref().unwrap())), "{name}");
        assert_eq!(go.dependencies, with("dep").len() as u64, "{name}");
        let settings: Vec<String> = go.settings.iter().map(|(k, v)| format!("{k}={v}")).collect();
        let mut expected = with("build");
        expected.sort();
        assert_eq!(settings, expected, "{name}");
    }
}

#[test]
fn real_programs_that_are_linked_with_libraries() {
    let read =
        |name: &str| read(name, std::fs::File::open(tool(name)).unwrap()).unwrap().unwrap().elf;
    let crane = read("component-base-arm64");
    assert_eq!(
        (crane.architecture(), crane.interpreter, crane.dynamic),
        (Some("arm64"), None, false)
    );
    assert!(crane.go_build_id.is_some());
    let registry = read("docker-registry");
    assert!(registry.interpreter.unwrap().contains("ld-linux"));
    assert!(registry.libraries.iter().any(|name| name.starts_with("libc.so.")));
    assert!(registry.gnu_build_id.is_some());
    let shell = std::fs::File::open("/bin/sh").unwrap();
    assert_eq!(super::read("sh", shell).unwrap().unwrap().go, None);
}

fn any_fixture() -> impl Strategy<Value = Vec<u8>> {
    (any::<bool>(), any::<bool>(), any::<bool>(), any::<bool>(), any::<bool>()).prop_map(
        |(wide, big, sections, pointers, dynamic)| {
            let mut go = Go::new("go1.26.8", &[("-tags", "a"), ("vcs.modified", "true")]);
            go.pointers = pointers;
            Fixture {
                class: if wide { Class::Bits64 } else { Class::Bits32 },
                order: if big { Order::Big } else { Order::Little },
                sections,
                interpreter: dynamic.then_some("/lib/ld.so"),
                libraries: if dynamic { vec!["liba.so"] } else { Vec::new() },
                go: Some(go),
                ..Fixture::default()
            }
            .bytes()
        },
    )
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 2000, ..ProptestConfig::default() })]

    #[test]
    fn mutated_and_cut_programs(
        mut bytes in any_fixture(),
        changes in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 0..6),
        cut in prop::option::of(any::<prop::sample::Index>()),
    ) {
        for (at, value) in changes {
            let at = at.index(bytes.len());
            bytes[at] = value;
        }
        if let Some(cut) = cut {
            bytes.truncate(cut.index(bytes.len()));
        }
        // Whatever it finds is fit to be printed.
        prop_assert!(stream(&bytes).is_none_or(|path| !path.contains(char::is_control)));
        if let Ok(Some(found)) = read("app", Cursor::new(bytes)) {
            let other = program(&Fixture::default());
            for difference in compare(Some(&other), Some(&found), None) {
                prop_assert!(difference.finding().is_some());
                prop_assert!(!difference.to_string().contains(char::is_control));
            }
        }
    }
}
