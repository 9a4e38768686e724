//! What a person sees while a patch is made: on a terminal how far it is, in a log one line a step.

use std::fs;

use fleetfix_tests::base::{self, Recipe, Root};
use fleetfix_tests::binary::Workbench;
use fleetfix_tests::child;
use fleetfix_tests::image::{Family, Layout};

const RECIPE: Recipe = Recipe {
    name: "base",
    commit: "1111111111111111111111111111111111111111",
    family: Family::Oci,
    root: Root::Empty,
};

/// A base, and a new file that is some work.
fn bench() -> Workbench {
    let bench = Workbench::new();
    base::write(&Layout::create(&bench.path("layout")), RECIPE);
    fs::create_dir_all(bench.path("files/etc")).unwrap();
    let content: Vec<u8> = (0..8_000_000_u32).flat_map(u32::to_le_bytes).collect();
    fs::write(bench.path("files/etc/component-release"), content).unwrap();
    bench
}

const ARGS: [&str; 6] =
    ["--base-image", "oci:layout:base", "--files", "files", "--image", "oci:out:fixed"];

#[test]
fn a_terminal_shows_bytes_and_the_time_that_is_left() {
    let bench = bench();
    let command = child::describe(&bench.command("fleetfix-patch", ARGS));
    let directory = fleetfix_tests::tools::profile_directory();
    // script(1) gives it a terminal, which has no size before it is told one.
    let line = format!("stty cols 150 rows 40; exec {}/{command}", directory.display());
    let mut script = child::command("script", bench.dir());
    script.current_dir(bench.dir()).env("TERM", "xterm").args(["-qec", &line, "/dev/null"]);
    let output = child::run(&mut script).success();
    let shown = &output.stdout;
    let frame = |part: &str| {
        shown.split(['\r', '\n']).any(|frame| {
            frame.contains(part) && frame.contains(" of 30.52 MiB") && frame.contains(" left)")
        })
    };
    assert!(frame("compressing new files"), "{output}");
    // What is done stays as a line.
    for line in ["reading 1 base images, compressing new files", "patched oci:"] {
        assert!(shown.contains(line), "{output}");
    }
}

#[test]
fn a_log_gets_lines() {
    let bench = bench();
    let output = bench.run("fleetfix-patch", ARGS).success();
    assert!(output.stderr.contains("compressing new files\n"), "{output}");
    for part in ["\r", "\u{1b}", " left)"] {
        assert!(!output.stderr.contains(part), "{output}");
    }
}
