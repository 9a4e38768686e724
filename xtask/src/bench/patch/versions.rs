//! Versions of what is compared.

use std::collections::BTreeMap;
use std::fs;

use super::commands::Programs;
use crate::command::Command;
use crate::workspace::Workspace;

/// Versions by name.
pub(super) fn versions(
    workspace: &Workspace,
    programs: &Programs,
    buildah: Command,
    given: bool,
) -> BTreeMap<&'static str, String> {
    let required = |module: &str, package: &str| {
        let path = workspace.path("tests/tools").join(module).join("go.mod");
        let text = fs::read_to_string(path).unwrap_or_default();
        version(&text, package).unwrap_or_else(|| "unknown".into())
    };
    let said = |command: Command| {
        let said = command.quiet().unwrap_or_default();
        String::from_utf8_lossy(&said).trim().to_owned()
    };
    // Whoever names a program knows where it is from.
    let git = ["describe", "--always", "--dirty", "--abbrev=12"];
    let source = said(Command::new("git").args(git).directory(&workspace.path(".")));
    let product = said(Command::new(&programs.product).args(["--version"]));
    BTreeMap::from([
        ("fleetfix", if given { product } else { format!("{product}, source at {source}") }),
        ("crane", required("crane", "github.com/google/go-containerregistry")),
        ("regctl", required("regctl", "github.com/regclient/regclient")),
        ("registry", {
            let version = required("distribution", "github.com/distribution/distribution/v3");
            format!("distribution {version}, store on disk")
        }),
        ("buildah", said(buildah.args(["--version"]))),
    ])
}

/// The version of a module in a `go.mod`.
fn version(go_mod: &str, module: &str) -> Option<String> {
    let line = go_mod.lines().map(str::trim).find_map(|line| line.strip_prefix(module))?;
    line.split_whitespace().next().map(str::to_owned)
}

#[cfg(test)]
mod tests {
    use super::version;

    #[test]
    fn a_version_stands_behind_its_module() {
        let text = "module m\n\nrequire (\n\texample.com/a v1.2.3 // indirect\n\texample.com/b v2.0.0\n)\n";
        assert_eq!(version(text, "example.com/a").as_deref(), Some("v1.2.3"));
        assert_eq!(version(text, "example.com/b").as_deref(), Some("v2.0.0"));
        assert_eq!(version(text, "example.com/c"), None);
    }
}
