//! A Debian root file system as two image layers: a real base, with symlinks in the root, set-id
//! programs, hard links and thousands of files.

use std::fs::{self, File};
use std::io::Read;
use std::path::Path;

use sha2::{Digest, Sha256};

use crate::cache::{Cache, Inputs, hex};
use crate::command::{Command, is_root, which};
use crate::failure::Failure;
use crate::tools::{Tools, say};

const SUITE: &str = "bookworm";

/// What makes the root bigger and tests nothing.
const LEFT_OUT: &[&str] = &[
    "./dev/*",
    "./var/cache/apt/*",
    "./var/lib/apt/lists/*",
    "./var/log/*",
    "./usr/share/doc/*",
    "./usr/share/info/*",
    "./usr/share/locale/*",
    "./usr/share/man/*",
];

/// `<name>/layers.json` lists digest, size and digest of the uncompressed layer, from the bottom up;
/// the layers lie beside it, named by their digest.
pub(super) fn layers(cache: &Cache, tools: &mut Tools) -> Result<(), Failure> {
    let inputs = Inputs::recipe(&[&[SUITE, "minbase", "layers: 1"], LEFT_OUT].concat());
    let dir = cache.entry("debian-root", &inputs, |dir| {
        if !is_root() && which("sudo").is_none() {
            return Err(Failure::new(
                "a Debian root needs root's rights once: run `cargo xtask tools` as root",
            ));
        }
        say("making a Debian root file system");
        let root = dir.join("root");
        // No mirror is named: debootstrap knows Debian's own.
        Command::as_root("debootstrap").args(["--variant=minbase", SUITE]).args([&root]).quiet()?;
        let layers = [layer(dir, &root, ".", Some("./usr"))?, layer(dir, &root, "./usr", None)?];
        Command::as_root("rm").args(["-rf", "--one-file-system"]).args([&root]).quiet()?;
        let path = dir.join("layers.json");
        let text = format!("{:#}\n", serde_json::Value::from(layers.to_vec()));
        fs::write(&path, text).map_err(Failure::at(&path))
    })?;
    tools.insert("debian-root", dir);
    Ok(())
}

/// One layer of what is below `top` in `root`, without `besides`.
fn layer(
    dir: &Path,
    root: &Path,
    top: &str,
    besides: Option<&str>,
) -> Result<serde_json::Value, Failure> {
    let left_out = LEFT_OUT.iter().copied().chain(besides).map(|path| format!("--exclude={path}"));
    let tar = dir.join("layer.tar");
    Command::as_root("tar")
        .args([
            "--create",
            "--format=pax",
            "--pax-option=delete=atime,delete=ctime",
            "--numeric-owner",
            "--sort=name",
        ])
        .args(["--xattrs", "--xattrs-include=*"])
        .args(left_out)
        .args(["--directory".as_ref(), root.as_os_str(), top.as_ref()])
        .into_file(&tar)?;
    let diff_id = sha256(&tar)?;
    Command::new("gzip").args(["--no-name", "--force"]).args([&tar]).quiet()?;
    let gzip = dir.join("layer.tar.gz");
    let digest = sha256(&gzip)?;
    let size = fs::metadata(&gzip).map_err(Failure::at(&gzip))?.len();
    let named = dir.join(&digest);
    fs::rename(&gzip, &named).map_err(Failure::at(&named))?;
    Ok(serde_json::json!({ "digest": digest, "size": size, "diffId": diff_id }))
}

/// `sha256:` and 64 digits.
fn sha256(path: &Path) -> Result<String, Failure> {
    let mut file = File::open(path).map_err(Failure::at(path))?;
    let mut hash = Sha256::new();
    let mut buffer = vec![0; 1 << 16];
    loop {
        let read = file.read(&mut buffer).map_err(Failure::at(path))?;
        if read == 0 {
            return Ok(format!("sha256:{}", hex(&hash.finalize())));
        }
        hash.update(buffer.get(..read).unwrap_or_default());
    }
}
