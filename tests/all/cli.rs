//! What every program of ours does alike: help, usage, exit codes, one line for an error.

use std::collections::{BTreeMap, BTreeSet};

use fleetfix_testkit::registry::NOBODY;
use fleetfix_tests::base::ARCHITECTURES;
use fleetfix_tests::binary::Workbench;
use fleetfix_tests::chain::Chain;
use fleetfix_tests::child::Output;
use fleetfix_tests::client::Clients;
use fleetfix_tests::image::{Family, LayerWriter, Layout, put_image, put_index};
use fleetfix_tests::keys;
use fleetfix_tests::lab::Place;
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

/// One flag of one command, as its help says.
struct Flag {
    command: String,
    name: String,
    /// What stands for its value; absent: it takes none.
    value: Option<String>,
    /// The environment variable that it falls back to.
    variable: Option<String>,
}

/// The help of `program` and of every command below it, by the words that call it.
fn helps(bench: &Workbench, program: &str, words: &[String]) -> Vec<(String, String)> {
    let args = words.iter().cloned().chain(["--help".to_owned()]);
    let help = bench.run(program, args).success().stdout;
    let commands = help.lines().skip_while(|line| *line != "Commands:").skip(1);
    let names = commands
        .take_while(|line| !line.is_empty())
        .filter(|line| line.starts_with("  ") && !line.starts_with("   "))
        .filter_map(|line| line.split_whitespace().next())
        .filter(|name| *name != "help");
    let below = names.flat_map(|name| helps(bench, program, &[words, &[name.to_owned()]].concat()));
    let below: Vec<_> = below.collect();
    let called = [&[program.to_owned()], words].concat().join(" ");
    [(called, help)].into_iter().chain(below).collect()
}

/// The flags that a help text names.
fn flags(command: &str, help: &str) -> Vec<Flag> {
    let mut flags: Vec<Flag> = Vec::new();
    for line in help.lines().map(str::trim_start) {
        // `--flag <VALUE>`, or `-f, --flag <VALUE>`.
        let long = line.split_once("--").filter(|(before, _)| {
            before.is_empty() || (before.starts_with('-') && before.len() == 4)
        });
        if let Some((_, flag)) = long {
            let (name, rest) = flag.split_once(' ').unwrap_or((flag, ""));
            let value = rest.strip_prefix('<').and_then(|value| value.split_once('>'));
            flags.push(Flag {
                command: command.to_owned(),
                name: name.to_owned(),
                value: value.map(|(value, _)| value.to_owned()),
                variable: None,
            });
        }
        // Beside the flag where its help is one line, below it otherwise.
        let variable = line.split_once("[env: ").map(|(_, rest)| rest.split([']', '=']).next());
        if let (Some(Some(variable)), Some(flag)) = (variable, flags.last_mut()) {
            flag.variable = Some(variable.to_owned());
        }
    }
    flags
}

/// A step of a pipeline sets one environment for all of its programs.
#[test]
fn a_flag_and_its_variable_mean_one_thing_in_all_programs() {
    let bench = Workbench::new();
    let mut values = BTreeMap::new();
    let mut seen = BTreeSet::new();
    for program in programs() {
        let all = helps(&bench, &program, &[]);
        for flag in all.iter().flat_map(|(command, help)| flags(command, help)) {
            let Flag { command, name, value, variable } = flag;
            if ["help", "version"].contains(&name.as_str()) {
                continue;
            }
            let expected = match name.as_str() {
                // The name that podman and skopeo know.
                "authfile" => "REGISTRY_AUTH_FILE".to_owned(),
                _ => format!("FLEETFIX_{}", name.replace('-', "_").to_uppercase()),
            };
            assert_eq!(variable, Some(expected), "{command} --{name}");
            let (first, there) =
                values.entry(name.clone()).or_insert_with(|| (command.clone(), value.clone()));
            assert_eq!(
                *there, value,
                "--{name} of `{first}` and of `{command}` are given different things"
            );
            seen.insert(name);
        }
    }
    // The help was read, down to the commands of commands.
    for name in ["plan", "channels", "approval", "root-threshold", "authfile", "create"] {
        assert!(seen.contains(name), "{name} is not among {seen:?}");
    }
    // What has to be a name in one place is not a place in another.
    for (name, value) in [
        ("channel", "NAME"),
        ("channels", "REF"),
        ("from", "PLACE"),
        ("to", "PLACE"),
        ("fleet", "REGISTRY/PATH"),
        ("bundle", "REF"),
        ("image", "REF"),
    ] {
        assert_eq!(values[name].1.as_deref(), Some(value), "--{name}");
    }
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
    let down =
        bench.run("fleetfix-sign", ["--image", &format!("{NOBODY}/app:small"), "--key", &key]);
    one_line(&down, 12, "app");
}

/// Every program that reads before it does anything, in front of a registry that says no.
#[test]
fn no_program_makes_anything_of_what_it_cannot_read() {
    let chain = Chain::new(Place::Registry(Kind::Olareg));
    let bundle = chain.build();
    chain.init().success();
    let (bench, proxy) = (&chain.lab.bench, chain.lab.proxy());
    let plan = std::fs::read(bench.path("plan.json")).unwrap();
    let approve = || chain.approve(&bundle, "alice", &chain.people.alice);
    let verify = || chain.verify("channel", &chain.channel(), &[]);
    let programs: [(&str, &dyn Fn() -> Output); 6] = [
        ("plan", &|| {
            std::fs::remove_file(bench.path("plan.json")).unwrap();
            let output = chain.lab.plan();
            assert!(!bench.path("plan.json").exists(), "a plan was left behind");
            std::fs::write(bench.path("plan.json"), &plan).unwrap();
            output
        }),
        ("patch", &|| chain.lab.patch()),
        ("attest", &|| chain.attest()),
        ("bundle", &|| chain.bundle()),
        ("approve", &approve),
        ("verify", &verify),
    ];
    for (name, run) in programs {
        for (status, code) in [(401, 11), (403, 11), (404, 11), (500, 12)] {
            proxy.forget();
            proxy.fail(Fault { method: "", path: "/v2/".to_owned(), status });
            // A payload that is not there is named as the request names it.
            let host = proxy.host();
            let part = if (name, status) == ("plan", 404) { "ocp-release:4.20.1" } else { &host };
            let mut output = run();
            // A verdict is data, whatever it says; of what is not there is none.
            if name == "verify" && status != 404 {
                assert_eq!(output.json()["outcome"], "couldNotAsk", "{output}");
                output.stdout.clear();
            }
            one_line(&output, code, part);
            let wrote = proxy.requests().into_iter().any(|request| request.is_write());
            assert!(!wrote, "{name}, {status}: it wrote");
            proxy.heal();
        }
        proxy.forward_to(NOBODY);
        let mut output = run();
        output.stdout.clear();
        one_line(&output, 12, &proxy.host());
        proxy.forward_to(chain.lab.registry().address());
    }
    assert!(!bench.path("alice.approval").exists(), "an approval was left behind");
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
    assert!(!bench.path("key.pem").exists());
}
