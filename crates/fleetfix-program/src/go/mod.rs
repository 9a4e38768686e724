//! What Go's linker leaves in a program: the version of Go, modules and settings of the build.
//!
//! Read as Go's own `debug/buildinfo` does (1.26), both in the form that Go writes since 1.18 and in
//! the one before.

mod blob;
mod main_module;
mod quote;
mod text;

use std::collections::{BTreeMap, BTreeSet};
use std::io::{Read, Seek};

use serde::{Deserialize, Serialize};

pub use self::main_module::main_module;

use crate::Error;
use crate::elf::File;
use crate::source::Source;

/// What Go's linker left.
#[derive(Clone, Debug, Default, Deserialize, Eq, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct GoBuild {
    /// Version of Go without its experiments: `go1.26.8`, or with a vendor's words after it.
    pub version: String,
    /// Experiments (`GOEXPERIMENT`) that differ from the version's own.
    #[serde(default, skip_serializing_if = "BTreeSet::is_empty")]
    pub experiments: BTreeSet<String>,
    /// Import path of the main package; empty in programs that were built without modules.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub package: String,
    /// The main module.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub module: Option<Module>,
    /// How many other modules went in.
    pub dependencies: u64,
    /// Settings of the build: `-tags`, `CGO_ENABLED`, `vcs.revision` and others. Go writes none that
    /// has no value.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub settings: BTreeMap<String, String>,
}

/// A module.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
pub struct Module {
    /// Its path.
    pub path: String,
    /// Its version; `(devel)` where it was built in place.
    pub version: String,
}

/// Tag that makes a build by Red Hat's Go refuse to start without a FIPS module.
const STRICT_FIPS: &str = "strictfipsruntime";

impl GoBuild {
    /// A setting.
    pub fn setting(&self, name: &str) -> Option<&str> {
        self.settings.get(name).map(String::as_str)
    }

    /// Path of the main module. Where Go did not name it (a build without modules, of files, or of
    /// Go's own commands), what the main package's path says of it. `None`: nothing does.
    pub fn main_module(&self) -> Option<&str> {
        let module = self.module.as_ref().map(|module| module.path.as_str());
        module.filter(|path| !path.is_empty()).or_else(|| module_of(&self.package))
    }

    /// Build tags.
    pub fn tags(&self) -> BTreeSet<&str> {
        let tags = self.setting("-tags").unwrap_or_default();
        tags.split([',', ' ']).filter(|tag| !tag.is_empty()).collect()
    }

    /// True if C code can be in it. `None`: the program does not say.
    pub fn cgo(&self) -> Option<bool> {
        self.setting("CGO_ENABLED").map(|value| value == "1")
    }

    /// What decides which cryptography runs, in the form of settings: `GOEXPERIMENT=boringcrypto`
    /// or `systemcrypto` (Go's and Microsoft's), `GOEXPERIMENT=strictfipsruntime` or the tag of that
    /// name and `no_openssl` (Red Hat's), `GOFIPS140` (Go's own module, 1.24) and its run-time
    /// switch.
    pub fn fips(&self) -> BTreeSet<String> {
        let experiments = self.experiments.iter().filter(|name| is_fips_experiment(name));
        let experiments = experiments.map(|name| format!("GOEXPERIMENT={name}"));
        let tags = self.tags().into_iter().filter(|tag| is_fips_tag(tag));
        let tags = tags.map(|tag| format!("-tags={tag}"));
        let module = self.setting("GOFIPS140").filter(|value| *value != "off");
        let module = module.map(|value| format!("GOFIPS140={value}"));
        let switch = self.setting("DefaultGODEBUG").unwrap_or_default().split(',');
        let switch =
            switch.filter(|setting| setting.starts_with("fips140=") && *setting != "fips140=off");
        let switch = switch.map(|setting| format!("GODEBUG={setting}"));
        experiments.chain(tags).chain(module).chain(switch).collect()
    }

    /// The commit that it was built from, as version control says.
    pub fn revision(&self) -> Option<&str> {
        self.setting("vcs.revision")
    }

    /// True if files of the work tree were changed since that commit.
    pub fn is_modified(&self) -> bool {
        self.setting("vcs.modified") == Some("true")
    }
}

/// Hosts where a repository has an owner and a name (cmd/go/internal/vcs, `vcsPaths`).
const HOSTS: [&str; 2] = ["github.com", "bitbucket.org"];

/// The module that a package is probably of: its repository where the host says which part of the path
/// that is, else what stands before a directory `cmd`.
fn module_of(package: &str) -> Option<&str> {
    if matches!(package, "" | "command-line-arguments") {
        return None;
    }
    let host = package.split('/').next().unwrap_or_default();
    if HOSTS.contains(&host) {
        let end = package.match_indices('/').nth(2).map_or(package.len(), |(at, _)| at);
        return package.get(..end);
    }
    match package.split_once("/cmd/") {
        Some((module, _)) => Some(module),
        None => Some(if host == "cmd" { host } else { package }),
    }
}

/// True for an experiment that changes which cryptography runs.
pub(crate) fn is_fips_experiment(name: &str) -> bool {
    matches!(name, "boringcrypto" | "systemcrypto" | "opensslcrypto" | STRICT_FIPS)
        || matches!(name, "noboringcrypto" | "nosystemcrypto" | "noopensslcrypto")
}

/// True for a tag that changes which cryptography runs.
pub(crate) fn is_fips_tag(tag: &str) -> bool {
    matches!(
        tag,
        STRICT_FIPS | "no_openssl" | "openssl" | "requirefips" | "goexperiment.boringcrypto"
    )
}

/// Reads what Go's linker left. `None`: it left nothing.
pub(crate) fn read<R: Read + Seek>(
    source: &mut Source<R>,
    file: &File,
) -> Result<Option<GoBuild>, Error> {
    let Some((version, module_info)) = blob::read(source, file)? else { return Ok(None) };
    let mut build = text::parse(&module_info).map_err(|reason| source.go(reason))?;
    let (version, experiments) = split(&version);
    version.clone_into(&mut build.version);
    let setting = build.setting("GOEXPERIMENT").unwrap_or_default().to_owned();
    let names = experiments.split(',').chain(setting.split(','));
    build.experiments = names.filter(|name| !name.is_empty()).map(str::to_owned).collect();
    Ok(Some(build))
}

/// Version and experiments: `go1.26.8-X:a,b`, and with a space before the `X` where a version holds
/// other words (cmd/link/internal/ld/main.go).
fn split(version: &str) -> (&str, &str) {
    let at = [" X:", "-X:"].iter().find_map(|mark| version.split_once(mark));
    at.unwrap_or((version, ""))
}
