//! Where the repository and its build directory are.

use std::path::{Path, PathBuf};

use crate::command::Command;
use crate::failure::Failure;

/// The repository that this program was built from.
#[derive(Debug)]
pub(crate) struct Workspace {
    root: PathBuf,
    target: PathBuf,
}

impl Workspace {
    pub(crate) fn find() -> Result<Self, Failure> {
        let root = Path::new(env!("CARGO_MANIFEST_DIR")).parent().map(Path::to_path_buf);
        let root = root.ok_or_else(|| Failure::new("xtask has no parent directory"))?;
        // Cargo put this program into TARGET/PROFILE/.
        let exe =
            std::env::current_exe().map_err(|error| Failure::new(format!("own path: {error}")))?;
        let target = exe.ancestors().nth(2).map(Path::to_path_buf);
        let target = target.ok_or_else(|| Failure::new("own path has no build directory"))?;
        Ok(Self { root, target })
    }

    /// A path in the repository.
    pub(crate) fn path(&self, relative: &str) -> PathBuf {
        self.root.join(relative)
    }

    /// Cargo's build directory.
    pub(crate) fn target(&self) -> &Path {
        &self.target
    }

    /// Cargo itself, the very one that runs us, in the root of the repository.
    pub(crate) fn cargo(&self) -> Command {
        let cargo = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
        Command::new(cargo).directory(&self.root)
    }
}
