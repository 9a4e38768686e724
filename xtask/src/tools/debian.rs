//! Debian's packages, by apt-get where a program is missing.

use std::fs;
use std::path::{Path, PathBuf};

use crate::cache::{Cache, Inputs};
use crate::command::{Command, is_root, which};
use crate::failure::Failure;
use crate::tools::{Tools, say};

/// Program and package.
const PROGRAMS: &[(&str, &str)] = &[
    ("docker-registry", "docker-registry"),
    ("umoci", "umoci"),
    ("debootstrap", "debootstrap"),
    ("strace", "strace"),
    ("openssl", "openssl"),
    ("faketime", "faketime"),
];

pub(super) fn programs(tools: &mut Tools) -> Result<(), Failure> {
    install(PROGRAMS)?;
    for (program, _) in PROGRAMS {
        tools.insert(program, path(program)?);
    }
    Ok(())
}

/// Packages that buildah is made of; what else it links is part of every Debian.
const BUILDAH: &[&str] = &["buildah", "libgpgme11", "libassuan0", "libdevmapper1.02.1"];

/// buildah with its libraries, out of Debian's packages and not installed: its package brings
/// firewalls and other things that have no business on a developer's machine. The entry is the
/// root that the packages lie in.
pub(super) fn buildah(cache: &Cache, tools: &mut Tools) -> Result<(), Failure> {
    let dir = cache.entry("buildah", &Inputs::recipe(BUILDAH), |dir| {
        say("fetching buildah");
        Command::new("apt-get").args(["download"]).args(BUILDAH).directory(dir).quiet()?;
        for package in files(dir, "deb")? {
            Command::new("dpkg-deb")
                .args(["--extract".as_ref(), package.as_os_str()])
                .args([dir])
                .quiet()?;
        }
        Ok(())
    })?;
    tools.insert("buildah", dir);
    Ok(())
}

fn files(dir: &Path, extension: &str) -> Result<Vec<PathBuf>, Failure> {
    let entries = fs::read_dir(dir).map_err(Failure::at(dir))?;
    let paths = entries.filter_map(|entry| Some(entry.ok()?.path()));
    Ok(paths.filter(|path| path.extension().is_some_and(|e| e == extension)).collect())
}

/// The path of a program that a package brought.
fn path(program: &str) -> Result<PathBuf, Failure> {
    which(program).ok_or_else(|| {
        Failure::new(format!("{program}: not there after its package was installed"))
    })
}

/// Installs the packages of the programs that are not there.
pub(super) fn install(programs: &[(&str, &str)]) -> Result<(), Failure> {
    let missing: Vec<&str> = programs
        .iter()
        .filter(|(program, _)| which(program).is_none())
        .map(|(_, package)| *package)
        .collect();
    if missing.is_empty() {
        return Ok(());
    }
    let list = missing.join(" ");
    let by_hand =
        || Failure::new(format!("missing packages: run `apt-get install {list}` as root"));
    if which("apt-get").is_none() || (!is_root() && which("sudo").is_none()) {
        return Err(by_hand());
    }
    say(&format!("installing {list}"));
    // One dead source among several fails the update, not what the others have.
    if let Err(failure) = apt_get(&["update"]) {
        say(&format!("{failure}"));
    }
    let mut install = vec!["install", "--yes", "--no-install-recommends"];
    install.extend(&missing);
    apt_get(&install).map_err(|failure| Failure::new(format!("{}\n{failure}", by_hand())))
}

fn apt_get(args: &[&str]) -> Result<(), Failure> {
    Command::as_root("env")
        .args(["DEBIAN_FRONTEND=noninteractive", "apt-get"])
        .args(args)
        .quiet()
        .map(drop)
}
