//! `cargo xtask bench patch`: fleetfix-patch and its peers in turn on the same work.

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::path::{Path, PathBuf};

use self::base::Base;
use self::case::Case;
use self::commands::Programs;
use self::crane::Crane;
use self::delay::Delay;
use self::files::Files;
use self::options::Options;
use self::program::ARCHITECTURES;
use self::registry::Registry;
use self::run::Site;
use crate::cache::Cache;
use crate::failure::Failure;
use crate::tools::{self, Tools};
use crate::workspace::Workspace;

mod access_log;
mod base;
mod case;
mod commands;
mod compression;
mod contender;
mod crane;
mod delay;
mod files;
mod options;
mod outcome;
mod planned;
mod program;
mod registry;
mod report;
mod rounds;
mod run;
mod sample;
mod verdict;
mod versions;

pub(crate) fn run(workspace: &Workspace, args: &[String]) -> Result<(), Failure> {
    if let Some("help" | "--help" | "-h") = args.first().map(String::as_str) {
        print!("{}", options::HELP);
        return Ok(());
    }
    let options = Options::parse(args)?;
    let cases = Case::all(&options);
    if cases.is_empty() {
        return Err(Failure::usage(format!("no case has such a name\n{}", options::HELP)));
    }
    let _alone = alone(workspace)?;
    let work = workspace.target().join("bench-work");
    if work.exists() {
        fs::remove_dir_all(&work).map_err(Failure::at(&work))?;
    }
    let mut site = prepare(workspace, &options, &cases, &work)?;
    let result = rounds::run(workspace, &options, &cases, &mut site);
    drop(site);
    fs::remove_dir_all(&work).map_err(Failure::at(&work))?;
    result
}

/// Held while a bench runs: two at a time would measure each other.
fn alone(workspace: &Workspace) -> Result<File, Failure> {
    let path = workspace.target().join("bench.lock");
    let file = File::create(&path).map_err(Failure::at(&path))?;
    if file.try_lock().is_err() {
        say("waiting for another bench");
        file.lock().map_err(Failure::at(&path))?;
    }
    Ok(file)
}

/// Everything that is there before the first run: programs, registries, bases, files.
fn prepare(
    workspace: &Workspace,
    options: &Options,
    cases: &[Case],
    work: &Path,
) -> Result<Site, Failure> {
    let cache = Cache::open()?;
    say("tools");
    let tools = tools::fetch_for_bench(workspace, &cache)?;
    let tool = |name: &str| {
        tools.get(name).cloned().ok_or_else(|| Failure::new(format!("{name}: not fetched")))
    };
    let programs = Programs {
        product: product(workspace, options)?,
        crane: tool("crane")?,
        regctl: tool("regctl")?,
        buildah: tool("buildah")?,
    };
    say("registries");
    let near = Registry::start(&tool("distribution")?, &work.join("near"))?;
    let mut delays = BTreeMap::new();
    for case in cases.iter().filter(|case| !case.delay.is_zero()) {
        delays.insert(case.delay, Delay::start(near.address(), case.delay)?);
    }
    let crane = Crane { program: programs.crane.clone(), home: work.join("home") };
    let mut site = Site {
        dir: work.to_path_buf(),
        programs,
        crane,
        near,
        registry: tool("distribution")?,
        far: None,
        delays,
        bases: BTreeMap::new(),
        files: BTreeMap::new(),
        number: 0,
    };
    for case in cases {
        inputs(workspace, &cache, &tools, case, cases, &mut site)?;
    }
    Ok(site)
}

/// The release build, or what the options name.
fn product(workspace: &Workspace, options: &Options) -> Result<PathBuf, Failure> {
    if let Some(product) = &options.product {
        return product.canonicalize().map_err(Failure::at(product));
    }
    say("building fleetfix-patch");
    let package = ["build", "--release", "--locked", "--package", "fleetfix-patch"];
    workspace.cargo().args(package).show()?;
    Ok(workspace.target().join("release/fleetfix-patch"))
}

/// Writes files and bases of a case, unless an earlier case has the same.
fn inputs(
    workspace: &Workspace,
    cache: &Cache,
    tools: &Tools,
    case: &Case,
    cases: &[Case],
    site: &mut Site,
) -> Result<(), Failure> {
    let architectures = ARCHITECTURES.iter().copied().take(case.architectures);
    if !site.files.contains_key(&(case.file, case.architectures)) {
        say(&format!("file of {} MB, {} architectures", case.file, case.architectures));
        let programs = architectures
            .clone()
            .map(|arch| Ok((arch, program::program(workspace, cache, tools, arch, case.file)?)))
            .collect::<Result<Vec<_>, Failure>>()?;
        let dir = site.dir.join(format!("files-{}-{}", case.file, case.architectures));
        site.files.insert((case.file, case.architectures), Files::lay_out(&dir, &programs)?);
    }
    if site.bases.contains_key(&(case.base, case.architectures)) {
        return Ok(());
    }
    let same = |other: &&Case| (other.base, other.architectures) == (case.base, case.architectures);
    let count = cases.iter().filter(same).map(|case| case.bases).max().unwrap_or(1);
    say(&format!("{count} bases of {} MB, {} architectures", case.base, case.architectures));
    let host = site.near.address().to_string();
    let repository = format!("base-{}-{}/{}", case.base, case.architectures, planned::COMPONENT);
    let mut old = Vec::new();
    for arch in architectures {
        let stack = base::layers(cache, tools, arch, case.base)?;
        site.crane.put_stack(&format!("{host}/{repository}"), arch, &stack)?;
        let program = program::program(workspace, cache, tools, arch, 1)?;
        let dir = site.dir.join(format!("old-{}-{}-{arch}", case.base, case.architectures));
        old.push((arch, Files::lay_out(&dir, &[(arch, program)])?));
    }
    let mut bases: Vec<Base> = Vec::with_capacity(count);
    for i in 0..count {
        site.number += 1;
        let mut layers = Vec::new();
        for (arch, files) in &old {
            files.stamp(site.number)?;
            let dir = site.dir.join("packing").join(arch);
            layers.push((*arch, base::program_layer(&dir, &files.file(arch))?));
        }
        bases.push(site.crane.put_base(&host, &repository, &format!("base-{i}"), &layers)?);
    }
    site.bases.insert((case.base, case.architectures), bases);
    Ok(())
}

fn say(what: &str) {
    eprintln!("bench: {what}");
}
