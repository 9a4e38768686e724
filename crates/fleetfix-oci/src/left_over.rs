//! Files that a writer left behind when it was killed.

use std::fs::{self, File};
use std::path::Path;
use std::time::Duration;

/// What nobody has written to for longer than this was given up.
pub(crate) const LEFT_OVER: Duration = Duration::from_hours(24);

/// Removes files of `dir` whose names start with `prefix` and that were given up. `now` was just
/// written to, and says what time it is. Whatever fails here fails again next time, and does no harm.
pub(crate) fn remove(dir: &Path, prefix: &str, now: &File) {
    let Some(now) = now.metadata().ok().and_then(|m| m.modified().ok()) else { return };
    let Ok(entries) = fs::read_dir(dir) else { return };
    for entry in entries.flatten() {
        if !entry.file_name().as_encoded_bytes().starts_with(prefix.as_bytes()) {
            continue;
        }
        let time = entry.metadata().ok().filter(fs::Metadata::is_file);
        let time = time.and_then(|metadata| metadata.modified().ok());
        if time.is_some_and(|time| now.duration_since(time).unwrap_or_default() > LEFT_OVER) {
            let _ = fs::remove_file(entry.path());
        }
    }
}
