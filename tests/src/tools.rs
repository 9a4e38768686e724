//! Paths of what `cargo xtask tools` fetched.

use std::path::{Path, PathBuf};
use std::sync::OnceLock;

use serde_json::Value;

/// The path of a tool.
///
/// # Panics
/// If it was not fetched: a test without its tool fails, it is not skipped.
pub fn tool(name: &str) -> PathBuf {
    static LIST: OnceLock<Value> = OnceLock::new();
    let list = LIST.get_or_init(|| {
        let path = target_directory().join("fleetfix-tools.json");
        let text = std::fs::read(&path).unwrap_or_else(|error| {
            panic!("{}: {error}: run `cargo xtask tools` first", path.display())
        });
        serde_json::from_slice(&text).expect("the list of tools is JSON")
    });
    let path = list[name].as_str().map(PathBuf::from);
    let path = path.filter(|path| path.exists());
    path.unwrap_or_else(|| panic!("tool `{name}` is not there: run `cargo xtask tools`"))
}

/// Cargo's build directory, three levels above the test program.
pub fn target_directory() -> PathBuf {
    profile_directory().parent().expect("the build directory has a parent").to_path_buf()
}

/// Where Cargo puts programs: `TARGET/debug`.
pub fn profile_directory() -> PathBuf {
    let exe = std::env::current_exe().expect("the path of the test program");
    let deps = exe.parent().expect("the test program is in a directory");
    let profile = if deps.ends_with("deps") { deps.parent() } else { Some(deps) };
    profile.expect("`deps` has a parent").to_path_buf()
}

/// The root of the repository.
pub fn repository() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().expect("`tests` has a parent")
}
