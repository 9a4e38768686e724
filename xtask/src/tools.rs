//! The programs and files that tests run against. None is checked in; each is made from something
//! that is, and its path ends up in one list that the tests read.

use std::collections::BTreeMap;
use std::fs;
use std::path::PathBuf;
use std::time::Instant;

use crate::cache::Cache;
use crate::failure::Failure;
use crate::workspace::Workspace;

mod debian;
mod deny;
pub(crate) mod go;
mod hypershift;
mod python;
mod rootfs;

/// Name and path of each tool.
pub(crate) type Tools = BTreeMap<&'static str, PathBuf>;

/// The list in Cargo's build directory; `tests/src/tools.rs` reads it.
const LIST: &str = "fleetfix-tools.json";

/// Makes every tool that is not there yet and writes the list.
pub(crate) fn fetch(workspace: &Workspace) -> Result<Tools, Failure> {
    let begin = Instant::now();
    let cache = Cache::open()?;
    let mut tools = Tools::new();
    debian::programs(&mut tools)?;
    rootfs::layers(&cache, &mut tools)?;
    python::environment(workspace, &cache, &mut tools)?;
    go::programs(workspace, &cache, &mut tools)?;
    hypershift::package(workspace, &cache, &mut tools)?;
    deny::program(workspace, &cache, &mut tools)?;
    write_list(workspace, &tools)?;
    say(&format!("{} tools ready after {} s", tools.len(), begin.elapsed().as_secs()));
    Ok(tools)
}

/// What a bench runs and compares with; no test needs it.
pub(crate) fn fetch_for_bench(workspace: &Workspace, cache: &Cache) -> Result<Tools, Failure> {
    let mut tools = Tools::new();
    debian::install(&[("debootstrap", "debootstrap")])?;
    rootfs::layers(cache, &mut tools)?;
    go::some(workspace, cache, &["crane", "regctl", "distribution", "cosign"], &mut tools)?;
    debian::buildah(cache, &mut tools)?;
    Ok(tools)
}

fn write_list(workspace: &Workspace, tools: &Tools) -> Result<(), Failure> {
    let list: serde_json::Map<String, serde_json::Value> = tools
        .iter()
        .map(|(name, path)| ((*name).to_owned(), path.to_string_lossy().into_owned().into()))
        .collect();
    let path = workspace.target().join(LIST);
    let text = format!("{:#}\n", serde_json::Value::Object(list));
    fs::write(&path, text).map_err(Failure::at(&path))
}

/// One line: tools are made while Cargo builds, and both talk.
fn say(what: &str) {
    eprintln!("tools: {what}");
}
