//! Python packages, in a virtual environment of their own.

use std::path::{Path, PathBuf};

use crate::cache::{Cache, Inputs};
use crate::command::{Command, which};
use crate::failure::Failure;
use crate::tools::{Tools, debian, say};
use crate::workspace::Workspace;

pub(super) fn environment(
    workspace: &Workspace,
    cache: &Cache,
    tools: &mut Tools,
) -> Result<(), Failure> {
    let directory = workspace.path("tests/tools/python");
    let inputs = Inputs::recipe(&["venv"]).directory(&directory)?;
    let dir = cache.entry("python", &inputs, |dir| {
        say("making a Python environment");
        let python = interpreter()?;
        Command::new(&python).args(["-m", "venv", "--copies"]).args([dir]).quiet()?;
        Command::new(dir.join("bin/python"))
            .args([
                "-m",
                "pip",
                "install",
                "--quiet",
                "--disable-pip-version-check",
                "--no-deps",
                "--requirement",
            ])
            .args([directory.join("requirements.txt")])
            .quiet()?;
        Ok(())
    })?;
    tools.insert("python", dir.join("bin/python"));
    tools.insert("tuf-client.py", directory.join("tuf_client.py"));
    Ok(())
}

/// A Python that can make virtual environments; Debian's has that in a package of its own.
fn interpreter() -> Result<PathBuf, Failure> {
    let able =
        |python: &Path| Command::new(python).args(["-c", "import ensurepip, venv"]).quiet().is_ok();
    if let Some(python) = which("python3").filter(|python| able(python)) {
        return Ok(python);
    }
    debian::install(&[("no program of this name", "python3-venv")])?;
    let python = PathBuf::from("/usr/bin/python3");
    if able(&python) {
        Ok(python)
    } else {
        Err(Failure::new("python3: cannot make virtual environments"))
    }
}
