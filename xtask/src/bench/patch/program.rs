//! Programs of a given size: the component that tests patch, linked with code of other real
//! programs, so that it compresses as a large Go program does.

use std::fs::{self, File};
use std::io::{Read as _, Write as _};
use std::path::{Path, PathBuf};

use crate::cache::{Cache, Inputs};
use crate::failure::Failure;
use crate::tools::{Tools, go};
use crate::workspace::Workspace;

/// Architectures, in Go's names. A case with one has the first.
pub(super) const ARCHITECTURES: [&str; 2] = ["amd64", "arm64"];

/// Before the stamp, once in every program; the stamp is a number of [`STAMP`] digits.
pub(super) const MARK: &str = "fleetfix-bench-stamp=";

/// Digits of the stamp.
pub(super) const STAMP: usize = 16;

const ASSET_GO: &str = include_str!("asset.go");

/// Size of the component without anything in it, bytes, roughly: the smallest program there is.
const BARE: u64 = 1_600_000;

/// The program of `mb` MB for an architecture.
pub(super) fn program(
    workspace: &Workspace,
    cache: &Cache,
    tools: &Tools,
    architecture: &str,
    mb: u64,
) -> Result<PathBuf, Failure> {
    let module = workspace.path("tests/tools/component");
    let size = mb.to_string();
    let inputs = Inputs::recipe(&[go::LINK, architecture, &size, MARK, ASSET_GO]);
    let name = format!("bench-program-{mb}-{architecture}");
    let dir = cache.entry(&name, &inputs.directory(&module)?, |dir| {
        let source = dir.join("source");
        fs::create_dir(&source).map_err(Failure::at(&source))?;
        for file in ["go.mod", "main.go"] {
            let (from, to) = (module.join(file), source.join(file));
            fs::copy(&from, &to).map_err(Failure::at(&from))?;
        }
        let asset_go = source.join("asset.go");
        fs::write(&asset_go, ASSET_GO).map_err(Failure::at(&asset_go))?;
        let donors = ["cosign", "distribution", "crane"];
        let donors: Vec<&Path> =
            donors.iter().filter_map(|name| tools.get(name)).map(PathBuf::as_path).collect();
        // Each architecture starts elsewhere: no two layers are the same.
        let skip = if architecture == "amd64" { 0 } else { 20_000_000 };
        asset(&source.join("asset"), &donors, skip, (mb * 1_000_000).saturating_sub(BARE))?;
        let go = go::go(&source, go::LINK, "", ".", &dir.join("app"));
        go.env("GOARCH", architecture).env("CGO_ENABLED", "0").quiet()?;
        fs::remove_dir_all(&source).map_err(Failure::at(&source))
    })?;
    Ok(dir.join("app"))
}

/// Writes mark and stamp, then `size` bytes of the donors after the first `skip`.
fn asset(path: &Path, donors: &[&Path], skip: u64, size: u64) -> Result<(), Failure> {
    let mut out = File::create(path).map_err(Failure::at(path))?;
    out.write_all(format!("{MARK}{:0STAMP$}\n", 0).as_bytes()).map_err(Failure::at(path))?;
    let (mut skip, mut left) = (skip, size);
    while left > 0 {
        let before = left;
        for donor in donors {
            let from = File::open(donor).map_err(Failure::at(donor))?;
            let skipped = std::io::copy(&mut (&from).take(skip), &mut std::io::sink());
            skip -= skipped.map_err(Failure::at(donor))?;
            left -= std::io::copy(&mut from.take(left), &mut out).map_err(Failure::at(path))?;
        }
        if left == before {
            return Err(Failure::new("no programs to take code from"));
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::asset;

    #[test]
    fn an_asset_is_as_long_as_asked_for_and_starts_with_its_stamp() {
        let dir = std::env::temp_dir().join(format!("xtask-asset-{}", std::process::id()));
        std::fs::create_dir(&dir).unwrap();
        let donor = dir.join("donor");
        std::fs::write(&donor, "abcdef").unwrap();
        let path = dir.join("asset");
        for (skip, size, expected) in
            [(0, 0, ""), (0, 4, "abcd"), (2, 4, "cdef"), (2, 9, "cdefabcde")]
        {
            asset(&path, &[&donor], skip, size).unwrap();
            let text = std::fs::read_to_string(&path).unwrap();
            assert_eq!(text, format!("fleetfix-bench-stamp=0000000000000000\n{expected}"));
        }
        assert!(asset(&path, &[], 0, 1).is_err());
        std::fs::remove_dir_all(&dir).unwrap();
    }
}
