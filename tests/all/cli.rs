//! What every program of ours does alike: help, usage, exit codes, one line for an error.

use std::collections::BTreeSet;
use std::path::Path;

use fleetfix_tests::base::ARCHITECTURES;
use fleetfix_tests::binary::Workbench;
use fleetfix_tests::client::Clients;
use fleetfix_tests::image::{Family, LayerWriter, Layout, put_image, put_index};
use fleetfix_tests::keys;
use fleetfix_tests::proxy::{Fault, Proxy};
use fleetfix_tests::registry::{Kind, Registry};
use fleetfix_tests::tools::repository;
use serde_json::json;

use crate::refusals::one_line;

/// Every crate that has a program.
fn programs() -> Vec<String> {
    let crates = std::fs::read_dir(repository().join("crates")).unwrap();
    let with_main =
        crates.map(|entry| entry.unwrap().path()).filter(|path| path.join("src/main.rs").exists());
    let mut names: Vec<String> =
        with_main.map(|path| path.file_name().unwrap().to_string_lossy().into_owned()).collect();
    names.sort();
    names
}

#[test]
fn help_version_and_usage_are_alike() {
    let bench = Workbench::new();
    let mut seen = BTreeSet::new();
    for program in programs() {
        let version = bench.run(&program, ["--version"]).success();
        assert_eq!(version.text(), format!("{program} {}", env!("CARGO_PKG_VERSION")));
        let help = bench.run(&program, ["--help"]).success().stdout;
        assert!(help.contains(&format!("Usage: {program}")), "{help}");
        assert!(seen.insert(help), "{program} has another program's help");
        for wrong in [&["--no-such-flag"][..], &["no-such-word"], &[]] {
            let output = bench.run(&program, wrong).code(2);
            assert_eq!(output.stdout, "", "stdout is data: {output}");
            assert!(output.stderr.contains("Usage") || output.stderr.contains("error"), "{output}");
        }
    }
    assert!(seen.len() >= 3, "{seen:?}");
}

/// A small image of two architectures in a registry.
fn small_image(clients: &Clients, place: &str) -> String {
    let layout = Layout::create(&clients.path("small"));
    let layer =
        LayerWriter::default().file("etc/os-release", (0o644, 0, 0), b"ID=test\n").finish(&layout);
    let child = |architecture: &&str| {
        let platform = json!({"os": "linux", "architecture": architecture});
        (put_image(&layout, Family::Oci, platform.clone(), std::slice::from_ref(&layer)), platform)
    };
    let children: Vec<_> = ARCHITECTURES.iter().map(child).collect();
    layout.tag("small", put_index(&layout, Family::Oci, &children));
    let reference = format!("{place}:small");
    clients.copy(&format!("oci:{}:small", layout.dir().display()), &reference);
    reference
}

#[test]
fn what_a_registry_says_decides_the_exit_code() {
    let (bench, clients, registry) =
        (Workbench::new(), Clients::new(), Registry::start(Kind::Docker));
    let key = keys::plain(&clients, "key").private();
    let image = small_image(&clients, &registry.repository("app"));
    let table = [
        ("", "/manifests/small", 401, 11),
        ("", "/manifests/small", 403, 11),
        ("", "/manifests/", 500, 12),
    ];
    let writes = [
        ("POST", "/blobs/uploads/", 500, 12),
        ("PUT", "/manifests/sha256-", 403, 11),
        ("PUT", "", 507, 12),
    ];
    for (method, path, status, code) in table.into_iter().chain(writes) {
        let proxy = Proxy::start(registry.address());
        proxy.fail(Fault { method, path: path.to_owned(), status });
        let through = image.replace(&registry.host(), &proxy.host());
        let output = bench.run("fleetfix-sign", ["--image", &through, "--key", &key]);
        one_line(&output, code, &proxy.host());
        assert!(output.stderr.contains(&status.to_string()), "status {status}: {output}");
    }
    let tags = clients.crane(&["ls", &registry.repository("app")]).success();
    assert_eq!(tags.text(), "small", "nothing is left behind");

    let missing =
        bench.run("fleetfix-sign", ["--image", &registry.repository("app:none"), "--key", &key]);
    one_line(&missing, 11, "`none` is not in");
    let down = { Proxy::start(registry.address()).host() };
    let down = bench.run("fleetfix-sign", ["--image", &format!("{down}/app:small"), "--key", &key]);
    one_line(&down, 12, "app");
}

#[test]
fn keys_and_passwords_that_are_wrong_are_named() {
    let (bench, clients, registry) =
        (Workbench::new(), Clients::new(), Registry::start(Kind::Docker));
    let image = small_image(&clients, &registry.repository("app"));
    let (encrypted, plain) = (keys::cosign(&clients, "encrypted"), keys::plain(&clients, "plain"));
    let file = |name: &str, text: &str| {
        let path = bench.path(name);
        std::fs::write(&path, text).unwrap();
        path.display().to_string()
    };
    let truncated: String =
        std::fs::read_to_string(&plain.private).unwrap().chars().take(120).collect();
    let wrong_password = file("wrong-password", "battery staple");
    let table: [(&[&str], &str); 6] = [
        (&["--key", "no-such-key"], "no-such-key"),
        (&["--key", &file("empty-key", "")], "empty-key"),
        (&["--key", &file("truncated-key", &truncated)], "truncated-key"),
        (&["--key", &plain.public()], "plain.pub"),
        (&["--key", &encrypted.private()], "password"),
        (&["--key", &encrypted.private(), "--key-password-file", &wrong_password], "password"),
    ];
    for (flags, part) in table {
        let output = bench.run("fleetfix-sign", [&["--image", &image], flags].concat());
        one_line(&output, 11, part);
        assert!(!output.stderr.contains("battery staple"), "secrets stay out of the log: {output}");
    }
    let tags = clients.crane(&["ls", &registry.repository("app")]).success();
    assert_eq!(tags.text(), "small", "nothing is left behind");
}

#[test]
fn an_empty_environment_value_is_none() {
    let bench = Workbench::new()
        .with("FLEETFIX_IMAGE", "")
        .with("FLEETFIX_PLAN", "")
        .with("FLEETFIX_KEY", "");
    let output = bench.run("fleetfix-sign", ["--key", "key.pem"]).code(2);
    assert!(output.stderr.contains("--image"), "{output}");
    assert!(!Path::new("key.pem").exists());
}
