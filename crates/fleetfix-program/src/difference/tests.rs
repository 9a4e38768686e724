//! Each difference by itself, and what is none.

use std::io::Cursor;

use super::*;
use crate::fixture::{Fixture, Go};
use crate::read;

const DECLARED: &str = "0123456789abcdef0123456789abcdef01234567";
const OTHER: &str = "ffffffffffffffffffffffffffffffffffffffff";

fn program(fixture: &Fixture) -> Program {
    read("app", Cursor::new(fixture.bytes())).unwrap().unwrap()
}

fn go(version: &'static str, settings: &[(&str, &str)]) -> Program {
    program(&Fixture { go: Some(Go::new(version, settings)), ..Fixture::default() })
}

/// Findings as `name: expected -> actual`.
fn found(base: &Program, new: &Program) -> Vec<String> {
    let declared = DECLARED.parse().unwrap();
    compare(Some(base), Some(new), Some(&declared))
        .iter()
        .map(|d| {
            format!("{}: {} -> {}", d.finding().unwrap(), shown(&d.expected), shown(&d.actual))
        })
        .collect()
}

#[test]
fn of_go() {
    type Settings<'a> = &'a [(&'a str, &'a str)];
    let table: &[(&'static str, Settings<'_>, &'static str, Settings<'_>, &[&str])] = &[
        ("go1.26.8", &[], "go1.26.8", &[], &[]),
        ("go1.23.1", &[], "go1.26.8", &[], &["parity/go-version: go1.23.1 -> go1.26.8"]),
        (
            "go1.26.8-X:boringcrypto,jsonv2",
            &[],
            "go1.26.8",
            &[],
            &[
                "parity/go-fips: GOEXPERIMENT=boringcrypto -> none",
                "parity/go-experiment: jsonv2 -> none",
            ],
        ),
        (
            "go1.26.8",
            &[("-tags", "strictfipsruntime,providerless")],
            "go1.26.8",
            &[("-tags", "no_openssl")],
            &[
                "parity/go-fips: -tags=strictfipsruntime -> -tags=no_openssl",
                "parity/go-tags: providerless -> none",
            ],
        ),
        (
            "go1.26.8",
            &[("GOFIPS140", "v1.0.0"), ("DefaultGODEBUG", "asynctimerchan=1,fips140=on")],
            "go1.26.8",
            &[("GOFIPS140", "off"), ("DefaultGODEBUG", "fips140=off")],
            &["parity/go-fips: GODEBUG=fips140=on GOFIPS140=v1.0.0 -> none"],
        ),
        ("go1.26.8", &[("-tags", "a,b")], "go1.26.8", &[("-tags", "b,a")], &[]),
        (
            "go1.26.8",
            &[("CGO_ENABLED", "1")],
            "go1.26.8",
            &[("CGO_ENABLED", "0")],
            &["parity/go-cgo: 1 -> 0"],
        ),
        ("go1.26.8", &[("GOAMD64", "v1")], "go1.26.8", &[], &[]),
        (
            "go1.26.8",
            &[("GOAMD64", "v1")],
            "go1.26.8",
            &[("GOAMD64", "v3")],
            &["parity/go-processor: none -> GOAMD64=v3"],
        ),
        (
            "go1.26.8",
            &[],
            "go1.26.8",
            &[("-race", "true")],
            &["parity/go-sanitizer: none -> -race=true"],
        ),
        (
            "go1.26.8",
            &[],
            "go1.26.8",
            &[("-buildmode", "exe"), ("-gcflags", "-N")],
            &["parity/go-mode: none -> -gcflags=-N"],
        ),
        ("go1.26.8", &[("-ldflags", "-s")], "go1.26.8", &[("-ldflags", "-w")], &[]),
        ("go1.26.8", &[], "go1.26.8", &[("vcs.revision", DECLARED)], &[]),
        (
            "go1.26.8",
            &[("vcs.revision", OTHER)],
            "go1.26.8",
            &[("vcs.revision", OTHER), ("vcs.modified", "true")],
            &[
                &format!("parity/commit: {DECLARED} -> {OTHER}"),
                "parity/modified: as committed -> changed since the commit",
            ],
        ),
        (
            "go1.26.8",
            &[("vcs.revision", OTHER), ("vcs.modified", "true")],
            "go1.26.8",
            &[("vcs.modified", "true")],
            &[&format!("parity/commit: {DECLARED} -> none")],
        ),
    ];
    for (old_version, old, new_version, new, expected) in table {
        let differences = found(&go(old_version, old), &go(new_version, new));
        assert_eq!(&differences, expected, "{old:?} {new:?}");
    }
}

#[test]
fn another_package() {
    let base = go("go1.26.8", &[]);
    let mut other = base.clone();
    other.go.as_mut().unwrap().package = "example.test/cmd/other".into();
    let expected = ["parity/go-package: example.test/cmd/app -> example.test/cmd/other"];
    assert_eq!(found(&base, &other), expected);
}

#[test]
fn of_the_file() {
    let linked = || Fixture {
        interpreter: Some("/lib64/ld.so.2"),
        libraries: vec!["libc.so.6", "libdl.so.2"],
        ..Fixture::default()
    };
    let base = linked();
    let table = [
        (Fixture { libraries: vec!["libdl.so.2", "libc.so.6"], ..linked() }, vec![]),
        (
            Fixture { libraries: vec!["libc.so.6"], ..linked() },
            vec!["parity/libraries: libc.so.6 libdl.so.2 -> libc.so.6"],
        ),
        (
            Fixture { interpreter: Some("/lib/ld-musl.so.1"), ..linked() },
            vec!["parity/interpreter: /lib64/ld.so.2 -> /lib/ld-musl.so.1"],
        ),
        (
            Fixture::default(),
            vec!["parity/linkage: dynamic by /lib64/ld.so.2 with libc.so.6 libdl.so.2 -> static"],
        ),
        (Fixture { kind: 3, ..linked() }, vec!["parity/position: a fixed address -> any address"]),
        (Fixture { machine: 183, ..linked() }, vec!["parity/architecture: amd64 -> arm64"]),
        (Fixture { go: None, ..linked() }, vec!["parity/go: go1.26.8 -> something else than Go"]),
        (
            Fixture { kind: 1, ..linked() },
            vec!["parity/format: a program -> an ELF file of type 1"],
        ),
    ];
    for (new, expected) in table {
        assert_eq!(found(&program(&base), &program(&new)), expected);
    }
}

#[test]
fn programs_and_others() {
    let some = go("go1.26.8", &[]);
    assert_eq!(compare(None, None, None), []);
    let [difference] = &compare(Some(&some), None, None)[..] else { panic!("one difference") };
    assert_eq!(difference.to_string(), "format: no ELF file, in the base an ELF file");
    assert_eq!(compare(None, Some(&some), None).len(), 1);
}

#[test]
fn only_what_cannot_run_is_always_refused() {
    let other = program(&Fixture { machine: 22, ..Fixture::default() });
    let [difference] =
        &compare(Some(&go("go1.26.8", &[("CGO_ENABLED", "0")])), Some(&other), None)[..]
    else {
        panic!("one difference")
    };
    assert_eq!(difference.severity(), Severity::Refused);
    let json = serde_json::json!({
        "finding": "parity/architecture",
        "severity": "refused",
        "expected": "amd64",
        "actual": "machine 22 of 64 bits, little-endian",
    });
    assert_eq!(serde_json::to_value(difference).unwrap(), json);
}

#[test]
fn a_program_for_another_machine_than_the_image() {
    let amd64 = go("go1.26.8", &[]);
    assert_eq!(for_architecture(&amd64, "amd64"), None);
    let difference = for_architecture(&amd64, "arm64").unwrap();
    assert_eq!((difference.expected.as_str(), difference.actual.as_str()), ("arm64", "amd64"));
    let bpf = program(&Fixture { machine: 247, kind: 1, go: None, ..Fixture::default() });
    assert_eq!(for_architecture(&bpf, "arm64"), None, "nobody starts it");
}

#[test]
fn a_program_by_itself() {
    type Settings<'a> = &'a [(&'a str, &'a str)];
    type Case<'a> = (&'a str, Settings<'a>, bool, &'a [&'a str], &'a [Subject]);
    let (architecture, commit, modified) =
        ("parity/architecture", "parity/commit", "parity/modified");
    let all = [Subject::Architecture, Subject::Commit, Subject::Modified];
    let silent = [Subject::Architecture, Subject::Modified];
    let table: [Case<'_>; 6] = [
        ("amd64", &[("vcs.revision", DECLARED)], true, &[], &all),
        ("amd64", &[("vcs.revision", OTHER)], true, &[commit], &all),
        ("arm64", &[("vcs.revision", OTHER)], false, &[architecture], &silent),
        ("amd64", &[], true, &[], &silent),
        ("amd64", &[("vcs.modified", "true")], false, &[modified], &silent),
        (
            "arm64",
            &[("vcs.revision", OTHER), ("vcs.modified", "true")],
            true,
            &[architecture, commit, modified],
            &all,
        ),
    ];
    let declared = DECLARED.parse().unwrap();
    for (platform, settings, is_declared, expected, compared) in table {
        let program = go("go1.26.8", settings);
        let found = alone(&program, platform, Some(&declared).filter(|_| is_declared));
        let ids: Vec<String> =
            found.differences.iter().map(|d| d.finding().unwrap().to_string()).collect();
        assert_eq!(ids, expected, "{platform} {settings:?}");
        assert_eq!(found.compared.into_iter().collect::<Vec<_>>(), compared);
    }
    let bpf = program(&Fixture { machine: 247, kind: 1, go: None, ..Fixture::default() });
    assert_eq!(alone(&bpf, "amd64", Some(&declared)), Alone::default());
}

#[test]
fn what_programs_say_is_one_short_line() {
    let mut base = go("go1.26.8", &[]);
    base.go.as_mut().unwrap().version = format!("go1\n\u{1b}[2J\u{202e}{}", "x".repeat(1000));
    let text = compare(Some(&base), Some(&go("go1.26.8", &[])), None)[0].to_string();
    assert!(text.contains("go1\\u{a}\\u{1b}[2J\\u{202e}xxx"), "{text}");
    assert!(text.chars().count() < 400, "{text}");
}
