//! Directories as a whole: what is in them, and copies.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

/// Every file below a directory with its content, and every directory with none.
///
/// # Panics
/// If something cannot be read.
pub fn files(dir: &Path) -> BTreeMap<PathBuf, Vec<u8>> {
    let mut all = BTreeMap::new();
    let mut todo = vec![dir.to_owned()];
    while let Some(dir) = todo.pop() {
        for entry in fs::read_dir(&dir).unwrap_or_else(|e| panic!("{}: {e}", dir.display())) {
            let path = entry.expect("an entry").path();
            if path.is_dir() {
                all.insert(path.clone(), Vec::new());
                todo.push(path);
            } else {
                let bytes = fs::read(&path).unwrap_or_else(|e| panic!("{}: {e}", path.display()));
                all.insert(path, bytes);
            }
        }
    }
    all
}

/// Makes `to` a copy of the directory `from`, times and modes with it.
///
/// # Panics
/// If that cannot be done.
pub fn copy(from: &Path, to: &Path) {
    let status =
        Command::new("cp").arg("--archive").arg("--no-target-directory").args([from, to]).status();
    assert!(status.expect("cp runs").success(), "{}", from.display());
}
