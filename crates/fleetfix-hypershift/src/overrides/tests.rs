//! Reading, editing and checking, on small files.

use std::fmt::Write as _;

use fleetfix_model::document::finding::FindingLevel;
use fleetfix_model::{Class, Classify as _};
use proptest::prelude::*;

use super::*;
use crate::Graph;

const D1: &str =
    "quay.io/a/cpo@sha256:1111111111111111111111111111111111111111111111111111111111111111";
const D2: &str =
    "quay.io/a/cpo@sha256:2222222222222222222222222222222222222222222222222222222222222222";
const D3: &str =
    "quay.io/a/cpo@sha256:3333333333333333333333333333333333333333333333333333333333333333";

fn read(text: &str) -> Overrides {
    Overrides::read("o.yaml", text.as_bytes()).unwrap_or_else(|e| panic!("{e}\n{text}"))
}

/// A file in the two styles of indentation that HyperShift's own has, with what may stand between.
fn file() -> String {
    format!(
        "# Head.
platforms:
  azure:
    overrides:
      - version: 4.20.0 # first
        cpoImage: {D1}
      # Beginning of A-1/B-2 overrides 4.21 section
      # Supersedes the image before.
      - version: \"4.21.0\"
        cpoImage: '{D2}'  

      - version: 4.21.2
        cpoImage: {D2}
      # End of A-1/B-2 overrides 4.21 section
    testing:
      # Say which.
      latest: quay.io/r/release:4.21.2-x86_64
      previous: quay.io/r/release:4.20.0-x86_64
      runTests: true
  aws:
    overrides:
    # Beginning of C-3 overrides
    # Beginning of C-3 overrides 4.17 section
    - cpoImage: {D3} 
      version: 4.17.1
    # End of C-3 overrides 4.17 section
    # End of C-3 overrides
    testing:
    # Say which.
      runTests: no
"
    )
}

#[test]
fn what_stands_there() {
    let overrides = read(&file());
    let table = [
        (HostedPlatform::Azure, "4.20.0", Some(D1)),
        (HostedPlatform::Azure, "4.21.0", Some(D2)),
        (HostedPlatform::Azure, "4.21.2", Some(D2)),
        (HostedPlatform::Aws, "4.17.1", Some(D3)),
        (HostedPlatform::Aws, "4.20.0", None),
        (HostedPlatform::Azure, "4.20.0-rc.1", None),
        (HostedPlatform::Gcp, "4.20.0", None),
    ];
    for (platform, version, image) in table {
        let found = overrides.image(platform, &version.parse().unwrap());
        assert_eq!(found, image, "{platform} {version}");
    }
    let entry = &overrides.entries()[1];
    assert_eq!((entry.line, entry.version.as_str()), (9, "4.21.0"));
    assert_eq!(entry.tickets, ["A-1", "B-2"]);
    assert_eq!(entry.remarks, ["Supersedes the image before."]);
    assert!(overrides.entries()[0].tickets.is_empty());
    assert_eq!(overrides.entries()[3].tickets, ["C-3"]);
    let testing = overrides.testing(HostedPlatform::Azure).unwrap();
    assert_eq!(testing.latest.as_deref(), Some("quay.io/r/release:4.21.2-x86_64"));
    assert!(testing.run_tests);
    assert!(!overrides.testing(HostedPlatform::Aws).unwrap().run_tests);
}

#[test]
fn malformed_files_are_named_with_line_and_field() {
    let entry = |text: &str| format!("platforms:\n  aws:\n    overrides:\n{text}");
    let table = [
        ("platforms: [a\n".to_owned(), "o.yaml:1", ""),
        ("platforms: {aws: {}}\n".to_owned(), "o.yaml:1:12: field `platforms`", "flow collections"),
        ("platforms: x\n".to_owned(), "o.yaml:1:12: field `platforms`", "a mapping is expected"),
        ("platforms:\n  aws: x\n".to_owned(), "o.yaml:2:8: field `platforms.aws`", "a mapping"),
        ("platforms:\n  aws:\n  aws:\n".to_owned(), "o.yaml:3:3: field `platforms.aws`", "line 2"),
        (
            "platforms:\n  aws:\n    overrides: x\n".to_owned(),
            "field `platforms.aws.overrides`",
            "a list",
        ),
        (entry("    - x\n"), "o.yaml:4:7: field `platforms.aws.overrides[0]`", "a mapping"),
        (
            entry("    - version: 4.20.0\n      cpoImage:\n        a: b\n"),
            "o.yaml:6:9: field `platforms.aws.overrides[0].cpoImage`",
            "text is expected",
        ),
        (
            entry("    - version: 4.20.0\n       cpoImage: x\n"),
            "o.yaml:5:8: field `platforms.aws.overrides[0]`",
            "indented further",
        ),
        (
            entry("    - version: &v 4.20.0\n"),
            "field `platforms.aws.overrides[0].version`",
            "anchors",
        ),
        (entry("    - version: |\n        4.20.0\n"), "o.yaml:4", "block scalars"),
        (entry("    - version: \"4.20.0\n"), "o.yaml:4", "quote"),
        (entry("\t- version: 4.20.0\n"), "o.yaml:4", "tab"),
        ("a: b\n---\nc: d\n".to_owned(), "o.yaml:2", "documents"),
        (
            "platforms:\n  aws:\n    testing:\n      runTests: maybe\n".to_owned(),
            "o.yaml:4:17: field `platforms.aws.testing.runTests`",
            "`maybe` is neither",
        ),
        ("  a: b\nc: d\n".to_owned(), "o.yaml:2", ""),
    ];
    for (text, place, what) in table {
        let error = Overrides::read("o.yaml", text.as_bytes()).expect_err(&text);
        assert_eq!(error.class(), Class::Input);
        let error = error.to_string();
        assert!(error.contains(place) && error.contains(what), "{text}\n{error}");
    }
    assert!(Overrides::read("o.yaml", b"a: \xff").is_err());
    assert!(read("").entries().is_empty());
    assert!(read("---\n# nothing\n").entries().is_empty());
    assert!(read("platforms:\n  aws:\n    overrides: []\n").entries().is_empty());
}

fn wanted(platform: HostedPlatform, version: &str, image: Option<&str>, label: &str) -> Wanted {
    let (version, image) = (version.parse().unwrap(), image.map(str::to_owned));
    Wanted { platform, version, image, label: label.to_owned() }
}

/// What is wanted, the line that comes after it, the versions in order.
type Placed<'a> = (Vec<Wanted>, &'a str, Vec<&'a str>);

/// A file, and ids and levels of its findings.
type Linted<'a> = (String, &'a [(&'a str, FindingLevel)]);

/// Merges twice: the second time nothing changes.
fn merge(text: &str, wanted: &[Wanted], testing: &[TestReleases]) -> String {
    let merged = read(text).merge(wanted, testing).unwrap_or_else(|e| panic!("{e}\n{text}"));
    let again = read(&merged.text).merge(wanted, testing).unwrap();
    assert_eq!(again.text, merged.text, "a second run changes nothing");
    assert!(again.changes.is_empty(), "{:?}", again.changes);
    merged.text
}

/// Lines of `after` that `before` lacks, with a `+`, and the other way round.
fn difference(before: &str, after: &str) -> Vec<String> {
    let (old, new): (Vec<&str>, Vec<&str>) = (before.lines().collect(), after.lines().collect());
    let head = old.iter().zip(&new).take_while(|(a, b)| a == b).count();
    let (old, new) = (&old[head..], &new[head..]);
    let tail = old.iter().rev().zip(new.iter().rev()).take_while(|(a, b)| a == b).count();
    let gone = old[..old.len() - tail].iter().map(|line| format!("-{}", line.trim()));
    let come = new[..new.len() - tail].iter().map(|line| format!("+{}", line.trim()));
    gone.chain(come).collect()
}

#[test]
fn an_image_is_replaced_in_its_line() {
    let (before, azure) = (file(), HostedPlatform::Azure);
    let table = [
        ("4.20.0", format!("        cpoImage: {D1}\n"), format!("        cpoImage: {D3}\n")),
        ("4.21.0", format!("        cpoImage: '{D2}'  \n"), format!("        cpoImage: {D3}  \n")),
    ];
    for (version, old, new) in table {
        let after = merge(&before, &[wanted(azure, version, Some(D3), "F-1")], &[]);
        assert_eq!(after, before.replacen(&old, &new, 1), "{version}");
    }
    let after = merge(&before, &[wanted(HostedPlatform::Aws, "4.17.1", Some(D1), "F-1")], &[]);
    assert_eq!(
        after,
        before.replace(&format!("- cpoImage: {D3} \n"), &format!("- cpoImage: {D1} \n"))
    );
}

#[test]
fn new_entries_stand_in_order_and_in_their_own_section() {
    use HostedPlatform::{Aws, Azure};
    let before = file();
    let table: [Placed<'_>; 6] = [
        // Between two entries of another section.
        (
            vec![wanted(Azure, "4.21.1", Some(D3), "F-1")],
            "\n      - version: 4.21.2",
            vec!["4.21.1"],
        ),
        // After another section, not in it.
        (vec![wanted(Azure, "4.21.3", Some(D3), "F-1")], "    testing:", vec!["4.21.3"]),
        // Before the first entry, with its comments; a prerelease comes first.
        (
            vec![wanted(Azure, "4.20.0-rc.1", Some(D3), "F-1")],
            "      - version: 4.20.0 #",
            vec!["4.20.0-rc.1"],
        ),
        (
            vec![wanted(Azure, "4.20.1", Some(D3), "F-1")],
            "      # Beginning of A-1/B-2",
            vec!["4.20.1"],
        ),
        (
            vec![wanted(Aws, "4.16.9", Some(D3), "F-1")],
            "    # Beginning of C-3 overrides\n",
            vec!["4.16.9"],
        ),
        (
            vec![wanted(Aws, "4.18.10", Some(D3), "F-1"), wanted(Aws, "4.18.2", Some(D3), "F-1")],
            "    testing:\n    # Say which.",
            vec!["4.18.2", "4.18.10"],
        ),
    ];
    for (wanted, next, versions) in table {
        let after = merge(&before, &wanted, &[]);
        let minor = wanted[0].version.minor();
        let pad = " ".repeat(if wanted[0].platform == Azure { 6 } else { 4 });
        let mut lines = format!("{pad}# Beginning of F-1 overrides {minor} section\n");
        for version in versions {
            writeln!(lines, "{pad}- version: {version}\n{pad}  cpoImage: {D3}").unwrap();
        }
        writeln!(lines, "{pad}# End of F-1 overrides {minor} section").unwrap();
        assert_eq!(after, before.replacen(next, &format!("{lines}{next}"), 1), "{wanted:?}");

        // More of the same fix joins its section.
        let mut more = wanted[0].clone();
        more.version = format!("{minor}.99").parse().unwrap();
        if more.version.minor() == minor && wanted[0].platform == Aws {
            let joined = merge(&after, &[more.clone()], &[]);
            let diff = difference(&after, &joined);
            assert_eq!(diff.len(), 2, "{diff:?}");
        }
    }
}

#[test]
fn entries_go_with_their_section() {
    use HostedPlatform::Azure;
    let before = file();
    let add = [wanted(Azure, "4.21.3", Some(D3), "F-1"), wanted(Azure, "4.21.4", Some(D3), "F-1")];
    let with = merge(&before, &add, &[]);
    let one = merge(&with, &[wanted(Azure, "4.21.3", None, "F-1")], &[]);
    assert_eq!(difference(&with, &one).len(), 2);
    let none: Vec<Wanted> = add.iter().map(|w| Wanted { image: None, ..w.clone() }).collect();
    assert_eq!(merge(&with, &none, &[]), before, "what came and went leaves no trace");
    assert_eq!(merge(&one, &none, &[]), before);
    assert_eq!(merge(&before, &none, &[]), before);
}

#[test]
fn platforms_and_lists_that_are_not_there_yet() {
    use HostedPlatform::{Aws, Azure};
    let entries =
        [wanted(Azure, "4.20.1", Some(D1), "F-1"), wanted(Aws, "4.20.2", Some(D2), "F-1")];
    for text in [
        "",
        "# Only a comment.\n",
        "platforms:\n",
        "platforms: {} # none\n",
        "platforms:\n  aws:\n",
        "platforms:\n  aws:\n  azure: {}\n",
        "platforms:\n    aws:\n        overrides: []\n",
        "platforms:\n  aws:\n    overrides:\n    testing:\n      runTests: true\n",
        "platforms:\n  aws:\n    testing:\n      runTests: true\n",
        "platforms:\n  aws:\n    overrides: null\n  azure:",
        "platforms:\r\n  aws:\r\n    overrides:\r\n    - version: 4.20.3\r\n      cpoImage: x.io/a:b\r\n",
    ] {
        let after = merge(text, &entries, &[]);
        let overrides = read(&after);
        assert_eq!(overrides.image(Azure, &"4.20.1".parse().unwrap()), Some(D1), "{after}");
        assert_eq!(overrides.image(Aws, &"4.20.2".parse().unwrap()), Some(D2), "{after}");
        for line in text.lines().filter(|l| l.contains('#') && !l.contains('{')) {
            assert!(after.contains(line), "{line} in {after}");
        }
        assert_eq!(after.contains('\r'), text.contains('\r'), "{after:?}");
        let bare = after.replace("\r\n", "");
        assert!(
            !bare.contains('\r') && (!text.contains('\r') || !bare.contains('\n')),
            "{after:?}"
        );
    }
    let fresh = merge("", &entries, &[]);
    let expected = format!(
        "platforms:\n  aws:\n    overrides:\n      # Beginning of F-1 overrides 4.20 section\n      - version: 4.20.2\n        cpoImage: {D2}\n      # End of F-1 overrides 4.20 section\n  azure:\n    overrides:\n      # Beginning of F-1 overrides 4.20 section\n      - version: 4.20.1\n        cpoImage: {D1}\n      # End of F-1 overrides 4.20 section\n"
    );
    assert_eq!(fresh, expected);
}

#[test]
fn test_releases_change_in_place() {
    use HostedPlatform::{Aws, Azure};
    let before = file();
    let azure = TestReleases {
        platform: Azure,
        latest: Some("quay.io/r/release:4.21.3-x86_64".to_owned()),
        previous: None,
        run_tests: false,
    };
    let after = merge(&before, &[], &[azure]);
    let expected = before
        .replace("latest: quay.io/r/release:4.21.2", "latest: quay.io/r/release:4.21.3")
        .replace("runTests: true", "runTests: false");
    assert_eq!(after, expected);

    let aws = TestReleases {
        platform: Aws,
        latest: Some("quay.io/r/release:4.17.1-x86_64".to_owned()),
        previous: Some("quay.io/r/release:4.17.1-x86_64".to_owned()),
        run_tests: true,
    };
    let after = merge(&before, &[], std::slice::from_ref(&aws));
    assert!(after.ends_with(
        "      runTests: true\n      latest: quay.io/r/release:4.17.1-x86_64\n      previous: quay.io/r/release:4.17.1-x86_64\n"
    ));
    let bare = format!(
        "platforms:\n  aws:\n    overrides:\n      - version: 4.17.1\n        cpoImage: {D1}\n"
    );
    let after = merge(&bare, &[], std::slice::from_ref(&aws));
    assert!(after.starts_with(&bare) && after.contains("    testing:\n      latest: "), "{after}");
    let error = read("").merge(&[], &[aws]).unwrap_err();
    assert!(matches!(error, Error::NoTestReleases { .. }), "{error}");
}

#[test]
fn what_cannot_be_merged() {
    let doubled = format!(
        "platforms:\n  aws:\n    overrides:\n    - version: 4.20.1\n      cpoImage: {D1}\n    - version: 4.20.1\n      cpoImage: {D2}\n"
    );
    let error = read(&doubled)
        .merge(&[wanted(HostedPlatform::Aws, "4.20.1", Some(D3), "F-1")], &[])
        .unwrap_err();
    assert!(error.to_string().contains("lines 4, 6"), "{error}");
    // What nobody asks for stays as it is.
    let after = merge(&doubled, &[wanted(HostedPlatform::Aws, "4.20.2", Some(D3), "F-1")], &[]);
    assert!(after.starts_with(&doubled));
    let error =
        read("").merge(&[wanted(HostedPlatform::Gcp, "4.20.1", Some(D3), "F-1")], &[]).unwrap_err();
    assert_eq!(error.class(), Class::Refused);
    assert!(error.to_string().contains("GCP without a word"), "{error}");
}

fn linted(text: &str, graph: Option<&Graph>) -> Vec<(String, FindingLevel)> {
    let found = lint(&read(text), graph).unwrap();
    found.into_iter().map(|f| (f.id.to_string(), f.level)).collect()
}

#[test]
fn findings() {
    use FindingLevel::{Blocking, Info, Warning};
    let aws = |entries: &[(&str, &str)]| {
        let mut text = "platforms:\n  aws:\n    overrides:\n".to_owned();
        for (version, image) in entries {
            writeln!(text, "    - version: {version}\n      cpoImage: {image}").unwrap();
        }
        text
    };
    let gcp = format!("{}  gcp:\n    overrides:\n", aws(&[("4.20.1", D1)]));
    let misspelt = "platforms:\n  aws:\n    overrides:\n    - version: 4.20.1\n      cpoimage: x\n";
    let azure_420 = format!(
        "{}  azure:\n    overrides:\n    - version: 4.19.1\n      cpoImage: {D2}\n",
        aws(&[("4.17.1", D1)])
    );
    let untested = format!(
        "{}    testing:\n      latest: quay.io/r/release:4.20.2-x86_64\n      runTests: true\n",
        aws(&[("4.20.1", D1)])
    );
    let table: [Linted<'_>; 14] = [
        (aws(&[("4.20.1", D1), ("4.20.2", D1)]), &[]),
        (gcp, &[("ignored/platforms.gcp", Blocking)]),
        (
            misspelt.to_owned(),
            &[
                ("ignored/platforms.aws.overrides-0-.cpoimage", Blocking),
                ("no-image/aws/4.20.1", Blocking),
            ],
        ),
        (aws(&[("4.20.1", "quay.io/a/cpo:v1")]), &[("tag/aws/4.20.1", Blocking)]),
        (aws(&[("4.20.1", "cpo:v1")]), &[("not-an-image/aws/4.20.1", Blocking)]),
        (aws(&[("4.20.1", D1), ("4.20.1", D2)]), &[("doubled/aws/4.20.1/line-6", Blocking)]),
        (aws(&[("v4.20.1", D1)]), &[("not-a-version/aws/v4.20.1", Blocking)]),
        (aws(&[("4.20", D1)]), &[("not-a-version/aws/4.20", Blocking)]),
        (
            aws(&[("4.20.6", D1), ("4.20.9", D1)]),
            &[("hole/aws/4.20.7", Blocking), ("hole/aws/4.20.8", Blocking)],
        ),
        // Two runs with two images are two fixes; what is between them need not have either.
        (aws(&[("4.20.6", D1), ("4.20.9", D2)]), &[]),
        (aws(&[("4.20.2", D1), ("4.20.1", D1)]), &[("order/aws", Info)]),
        (aws(&[("4.20.1", D1), ("4.21.1", D1)]), &[("two-lines/aws/4.20", Warning)]),
        (azure_420, &[("regresses/aws/4.17", Blocking)]),
        (untested, &[("tested/aws/latest", Warning), ("tested/aws/previous", Warning)]),
    ];
    for (text, expected) in table {
        let expected: Vec<_> =
            expected.iter().map(|(id, level)| (format!("overrides/{id}"), *level)).collect();
        assert_eq!(linted(&text, None), expected, "{text}");
    }
}

fn graph(nodes: &[&str], edges: &[(usize, usize)]) -> Graph {
    let nodes: Vec<_> = nodes.iter().map(|v| serde_json::json!({"version": v})).collect();
    let document = serde_json::json!({"nodes": nodes, "edges": edges}).to_string();
    Graph::read([("g", document.as_bytes())]).unwrap()
}

#[test]
fn findings_against_a_graph() {
    use FindingLevel::{Blocking, Info};
    let text = format!(
        "platforms:\n  aws:\n    overrides:\n    - version: 4.17.1\n      cpoImage: {D1}\n    - version: 4.17.3\n      cpoImage: {D1}\n    - version: 4.18.5\n      cpoImage: {D2}\n"
    );
    // 4.18.6 comes after a run, and is taken to have the fix; 4.18.4 never had it.
    let graph = graph(
        &["4.17.1", "4.17.2-rc.1", "4.17.3", "4.17.4", "4.18.4", "4.18.5", "4.18.6", "4.19.0"],
        &[(0, 2), (2, 3), (2, 4), (2, 5), (2, 6), (5, 7)],
    );
    let expected = [
        ("ends/aws/4.17", Info),
        ("ends/aws/4.18", Info),
        ("hole/aws/4.17.2", Blocking),
        ("hole/aws/4.17.2-rc.1", Blocking),
        ("regresses/aws/4.17", Blocking),
        ("regresses/aws/4.18", Blocking),
    ];
    let expected: Vec<_> =
        expected.iter().map(|(id, level)| (format!("overrides/{id}"), *level)).collect();
    assert_eq!(linted(&text, Some(&graph)), expected);
    let messages: Vec<_> =
        lint(&read(&text), Some(&graph)).unwrap().into_iter().map(|f| f.message).collect();
    assert!(
        messages.iter().any(|m| m.contains("4.17.3 to 4.18.4") && m.contains("1 updates")),
        "{messages:#?}"
    );
    assert!(messages.iter().any(|m| m.contains("which the update graph skips")), "{messages:#?}");
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    /// Whatever the bytes, reading says yes or no.
    #[test]
    fn reading_never_panics(bytes in proptest::collection::vec(any::<u8>(), 0..200), at in 0..900_usize) {
        let _ = Overrides::read("o.yaml", &bytes);
        let mut text = file().into_bytes();
        let at = at.min(text.len());
        text.splice(at..at, bytes.into_iter().take(3));
        if let Ok(overrides) = Overrides::read("o.yaml", &text) {
            let _ = lint(&overrides, None);
            let new = [wanted(HostedPlatform::Azure, "4.21.1", Some(D3), "F-1")];
            let _ = overrides.merge(&new, &[]);
        }
    }

    /// Entries that are set and taken away again leave the file as it was.
    #[test]
    fn merging_is_undone_by_removing(
        versions in proptest::collection::btree_set((16..23_u32, 3..9_u32), 1..8),
        aws in any::<bool>(),
    ) {
        let before = file();
        let platform = if aws { HostedPlatform::Aws } else { HostedPlatform::Azure };
        let new: Vec<Wanted> = versions
            .iter()
            .map(|(minor, z)| wanted(platform, &format!("4.{minor}.{z}"), Some(D3), "F-1"))
            .collect();
        let with = merge(&before, &new, &[]);
        let back: Vec<Wanted> = new.iter().map(|w| Wanted { image: None, ..w.clone() }).collect();
        prop_assert_eq!(merge(&with, &back, &[]), before);
        // One after the other gives the same entries.
        let mut text = file();
        for one in new.iter().rev() {
            text = merge(&text, std::slice::from_ref(one), &[]);
        }
        let (text, with) = (read(&text), read(&with));
        for w in &new {
            prop_assert_eq!(text.image(platform, &w.version), with.image(platform, &w.version));
        }
    }
}
