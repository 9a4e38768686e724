//! `fleetfix lint` and `fleetfix import` on files that are wrong.

use std::fmt::Write as _;
use std::fs;

use fleetfix_tests::base::ARCHITECTURES;
use fleetfix_tests::binary::Workbench;
use fleetfix_tests::image::{Family, LayerWriter, Layout, put_image, put_index};
use serde_json::json;

use crate::refusals::one_line;

const DIGEST: &str = "sha256:1111111111111111111111111111111111111111111111111111111111111111";

#[test]
fn each_defect_is_named_with_its_line() {
    let bench = Workbench::new();
    let good = format!(
        "platforms:\n  aws:\n    overrides:\n    - version: 4.20.1\n      cpoImage: quay.io/a/b@{DIGEST}\n"
    );
    let table = [
        (good.clone(), 0, ""),
        (good.replace("4.20.1", "4.18446744073709551615.1"), 0, ""),
        (
            format!("{good}  gcp:\n    overrides: []\n"),
            10,
            "line 6: the operator ignores `platforms.gcp`",
        ),
        (good.replace("cpoImage", "cpoimage"), 10, "line 5: the operator ignores"),
        (
            good.replace(&format!("@{DIGEST}"), ":tag"),
            10,
            "line 4: AWS 4.20.1: quay.io/a/b:tag can change",
        ),
        (
            format!("{good}    - version: 4.20.1\n      cpoImage: x.io/a@{DIGEST}\n"),
            10,
            "lines 4 and 6",
        ),
        (good.replace("    - version", "   - version"), 11, "o.yaml:4:4: field"),
        (good.replace("    overrides:", "    overrides: x"), 11, "o.yaml:4"),
        (format!("{good}  aws:\n"), 11, "field `platforms.aws`"),
        ("\u{1}".to_owned(), 11, "o.yaml"),
    ];
    for (text, code, what) in table {
        fs::write(bench.path("o.yaml"), &text).unwrap();
        let output = bench.run("fleetfix", ["lint", "overrides", "o.yaml"]).code(code).says(what);
        if code == 11 {
            one_line(&output, 11, what);
            bench.run("fleetfix", ["import", "overrides", "o.yaml", "--dir", "r"]).code(11);
            let into = ["render", "overrides", "--request", "none.yaml", "--into", "o.yaml"];
            bench.run("fleetfix", into).code(11);
            assert_eq!(fs::read_to_string(bench.path("o.yaml")).unwrap(), text);
        }
    }
    one_line(&bench.run("fleetfix", ["lint", "overrides", "missing.yaml"]), 11, "missing.yaml");
    fs::write(bench.path("o.yaml"), &good).unwrap();
    let args = ["lint", "overrides", "o.yaml", "--graph", "missing.json"];
    one_line(&bench.run("fleetfix", args), 11, "missing.json");
    bench.run("fleetfix", ["lint"]).code(2);
    bench.run("fleetfix", ["lint", "overrides"]).code(2);
}

#[test]
fn images_of_one_architecture_are_found() {
    let bench = Workbench::new();
    let layout = Layout::create(&bench.path("images"));
    let layer =
        LayerWriter::default().file("etc/os-release", (0o644, 0, 0), b"ID=test\n").finish(&layout);
    let child = |architecture: &str| {
        let platform = json!({"os": "linux", "architecture": architecture});
        (put_image(&layout, Family::Oci, platform.clone(), std::slice::from_ref(&layer)), platform)
    };
    let all: Vec<_> = ARCHITECTURES.iter().map(|architecture| child(architecture)).collect();
    let digest = |descriptor: &serde_json::Value| descriptor["digest"].as_str().unwrap().to_owned();
    let both = digest(&put_index(&layout, Family::Oci, &all));
    let one = digest(&put_index(&layout, Family::Oci, &[child("amd64")]));
    let single = digest(&child("amd64").0);
    let mut text = "platforms:\n  aws:\n    overrides:\n".to_owned();
    for (z, digest) in [(1, &both), (2, &one), (3, &single), (4, &DIGEST.to_owned())] {
        writeln!(text, "    - version: 4.20.{z}\n      cpoImage: quay.io/a/b@{digest}").unwrap();
    }
    fs::write(bench.path("o.yaml"), text).unwrap();
    let mirror = format!("--mirror=quay.io/a/b=oci:{}", bench.path("images").display());
    let output = bench.run("fleetfix", ["lint", "overrides", "o.yaml", "--images", &mirror]);
    let output = output.code(10).says("has no arm64").says("is of one architecture");
    let found = output.json();
    let ids: Vec<&str> =
        found["findings"].as_array().unwrap().iter().map(|f| f["id"].as_str().unwrap()).collect();
    assert_eq!(
        ids,
        [
            "overrides/architectures/line-6",
            "overrides/architectures/line-8",
            "overrides/unreadable/line-10"
        ]
    );
}
