//! `cargo xtask bench plan`: a large update graph and many payloads become a plan.

use std::fs;
use std::path::{Path, PathBuf};

use self::upstream::Upstream;
use super::process::{self, Measured};
use super::{machine, statistics};
use crate::command::Command;
use crate::failure::Failure;
use crate::workspace::Workspace;

mod layout;
mod upstream;

const HELP: &str = "\
usage: cargo xtask bench plan [OPTIONS]

  --rounds N       how often it is measured, default 5
  --product FILE   another build of fleetfix-plan; default: the release build, made first
";

/// What the project promises: wall time in seconds.
const TARGET: f64 = 10.0;

pub(crate) fn run(workspace: &Workspace, args: &[String]) -> Result<(), Failure> {
    let (mut rounds, mut product) = (5, None);
    let mut words = args.iter().map(String::as_str);
    while let Some(word) = words.next() {
        match (word, words.next()) {
            ("--rounds", Some(number)) => {
                let bad = || usage(&format!("--rounds {number}"));
                rounds = number.parse().ok().filter(|rounds| *rounds > 0).ok_or_else(bad)?;
            }
            ("--product", Some(file)) => product = Some(PathBuf::from(file)),
            ("help" | "--help" | "-h", _) => {
                print!("{HELP}");
                return Ok(());
            }
            (other, _) => return Err(usage(other)),
        }
    }
    let program = match product {
        Some(file) => file.canonicalize().map_err(Failure::at(&file))?,
        None => release(workspace)?,
    };
    let work = workspace.target().join("bench-plan");
    if work.exists() {
        fs::remove_dir_all(&work).map_err(Failure::at(&work))?;
    }
    fs::create_dir_all(&work).map_err(Failure::at(&work))?;
    eprintln!("payloads and graph");
    let upstream = Upstream::write(&work)?;
    let result = measured(&program, &work, rounds);
    fs::remove_dir_all(&work).map_err(Failure::at(&work))?;
    report(&upstream, &result?)
}

fn usage(what: &str) -> Failure {
    Failure::usage(format!("`{what}` is not understood\n{HELP}"))
}

fn release(workspace: &Workspace) -> Result<PathBuf, Failure> {
    eprintln!("building fleetfix-plan");
    let package = ["build", "--release", "--locked", "--package", "fleetfix-plan"];
    workspace.cargo().args(package).show()?;
    Ok(workspace.target().join("release/fleetfix-plan"))
}

/// Every round must write the same bytes.
fn measured(program: &Path, work: &Path, rounds: usize) -> Result<Vec<Measured>, Failure> {
    let mut all = Vec::new();
    let mut expected: Option<Vec<u8>> = None;
    for round in 1..=rounds {
        eprintln!("round {round} of {rounds}");
        let mirror = format!("{}=oci:{}", upstream::ORIGIN, work.join("mirror").display());
        let args = ["--request", "request.yaml", "--plan", "plan.json", "--graph", "graph.json"];
        let command = Command::new(program)
            .args(args)
            .args(["--mirror", &mirror])
            .at_home(work)
            .directory(work);
        all.push(process::measure(vec![vec![command]], &work.join("log"))?);
        let path = work.join("plan.json");
        let plan = fs::read(&path).map_err(Failure::at(&path))?;
        if expected.get_or_insert_with(|| plan.clone()) != &plan {
            return Err(Failure::new("two rounds made different plans"));
        }
        let covered = String::from_utf8_lossy(&plan).matches("\"status\":\"covered\"").count();
        if covered != upstream::PAYLOADS {
            return Err(Failure::new(format!("{covered} versions are covered")));
        }
    }
    Ok(all)
}

fn report(upstream: &Upstream, all: &[Measured]) -> Result<(), Failure> {
    let values = |of: fn(&Measured) -> f64| all.iter().map(of).collect::<Vec<f64>>();
    let walls = values(|m| m.wall);
    let (median, range) = (statistics::median(&walls), statistics::range(&walls));
    let cpu = statistics::median(&values(|m| m.cpu)).unwrap_or_default();
    let peak = all.iter().map(|m| m.peak).max().unwrap_or_default() / 1_000_000;
    for (name, fact) in machine::facts() {
        println!("{name}: {fact}");
    }
    println!("load: {:.1}", machine::load());
    println!(
        "{} versions, {} edges, {} payloads with {} components each",
        upstream.nodes,
        upstream.edges,
        upstream::PAYLOADS,
        upstream::COMPONENTS
    );
    let (Some(median), Some((least, most))) = (median, range) else {
        return Err(Failure::usage(format!("nothing was measured\n{HELP}")));
    };
    println!(
        "wall: median {median:.2} s ({least:.2} to {most:.2}), cpu {cpu:.2} s, peak {peak} MB"
    );
    if median < TARGET {
        println!("target: under {TARGET} s: reached");
        return Ok(());
    }
    println!("target: under {TARGET} s: MISSED");
    Err(Failure::missed("targets missed: 1"))
}
