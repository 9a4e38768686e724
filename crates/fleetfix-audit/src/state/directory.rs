//! A state in a directory, as every TUF client knows it: `metadata/` and `targets/` with
//! consistent snapshots (TUF specification 1.0.33, section 6.2).

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::io::{ErrorKind, Read, Write};
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use fleetfix_trust::tuf::{MAX_FILES, TufState};

use super::{Kind, MAX_FILE, TIMESTAMP, collect, is_plain};
use crate::Error;

/// Loads the state that the timestamp role of a directory leads to. `None`: there is nothing.
pub fn load_dir(dir: &Path) -> Result<Option<TufState>, Error> {
    let metadata = dir.join("metadata");
    let targets = dir.join("targets");
    let read = |kind: Kind, name: &str| {
        read_bounded(&match kind {
            Kind::Metadata => metadata.join(name),
            Kind::Target => targets.join(name),
        })
    };
    let mut roots = BTreeMap::new();
    // Roots rise one by one (TUF specification 1.0.33, section 5.3.3).
    for version in first_root(&metadata)?.. {
        let name = format!("{version}.root.json");
        match read(Kind::Metadata, &name)? {
            Some(bytes) if roots.len() < MAX_FILES => roots.insert(name, bytes),
            _ => break,
        };
    }
    collect(roots, read)
}

/// The lowest version of a root file that is there; old ones may have been taken away.
fn first_root(metadata: &Path) -> Result<u64, Error> {
    let entries = match fs::read_dir(metadata) {
        Ok(entries) => entries,
        Err(e) if e.kind() == ErrorKind::NotFound => return Ok(1),
        Err(e) => return Err(Error::file("read", metadata)(e)),
    };
    let mut lowest = None::<u64>;
    for entry in entries {
        let name = entry.map_err(Error::file("read", metadata))?.file_name();
        let version = name.to_str().and_then(|name| name.strip_suffix(".root.json"));
        if let Some(version) = version.and_then(|text| text.parse().ok()) {
            lowest = Some(lowest.map_or(version, |other| other.min(version)));
        }
    }
    Ok(lowest.unwrap_or(1))
}

fn read_bounded(path: &Path) -> Result<Option<Vec<u8>>, Error> {
    let file = match File::open(path) {
        Ok(file) => file,
        Err(e) if e.kind() == ErrorKind::NotFound => return Ok(None),
        Err(e) => return Err(Error::file("read", path)(e)),
    };
    let mut bytes = Vec::new();
    file.take(MAX_FILE + 1).read_to_end(&mut bytes).map_err(Error::file("read", path))?;
    if bytes.len() as u64 > MAX_FILE {
        return Err(Error::NotAState {
            subject: path.display().to_string(),
            problem: format!("more than {MAX_FILE} bytes"),
        });
    }
    Ok(Some(bytes))
}

/// Writes a state into a directory. Files that never change come first and the timestamp role,
/// which leads to them, last: whoever reads meanwhile, or after a crash, sees the old state or the
/// new one. A file that is there already with the same bytes is not written again. Returns true if
/// anything was written.
pub fn write_dir(state: &TufState, dir: &Path) -> Result<bool, Error> {
    let metadata = dir.join("metadata");
    let targets = dir.join("targets");
    let mut files: Vec<(&Path, &String, &Vec<u8>)> = Vec::new();
    files.extend(state.targets.iter().map(|(name, bytes)| (targets.as_path(), name, bytes)));
    files.extend(state.metadata.iter().map(|(name, bytes)| (metadata.as_path(), name, bytes)));
    if let Some((_, name, _)) = files.iter().find(|(_, name, _)| !is_plain(name)) {
        return Err(Error::NotAState {
            subject: "the new state".into(),
            problem: format!("`{name}` is no plain file name"),
        });
    }
    files.sort_by_key(|(_, name, _)| *name == TIMESTAMP);
    for parent in [&targets, &metadata] {
        fs::create_dir_all(parent).map_err(Error::file("create", parent))?;
    }
    let mut written = false;
    for (parent, name, bytes) in files {
        written |= write(parent, name, bytes)?;
    }
    Ok(written)
}

fn write(parent: &Path, name: &str, bytes: &[u8]) -> Result<bool, Error> {
    let path = parent.join(name);
    if read_bounded(&path).is_ok_and(|there| there.as_deref() == Some(bytes)) {
        return Ok(false);
    }
    let mut file = tempfile::Builder::new()
        .prefix(".new-")
        .permissions(fs::Permissions::from_mode(0o644))
        .tempfile_in(parent)
        .map_err(Error::file("create a file in", parent))?;
    file.write_all(bytes).map_err(Error::file("write", file.path()))?;
    // A state that a power cut truncates would be refused by every client.
    file.as_file().sync_all().map_err(Error::file("write", file.path()))?;
    file.persist(&path).map_err(|e| Error::file("write", path)(e.error))?;
    Ok(true)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn file(name: &str, text: &str) -> (String, Vec<u8>) {
        (name.to_owned(), text.as_bytes().to_vec())
    }

    fn state(version: u64) -> TufState {
        let meta =
            |role: &str| format!(r#"{{"signed":{{"meta":{{"{role}":{{"version":{version}}}}}}}}}"#);
        let targets = format!(
            r#"{{"signed":{{"targets":{{"policy.json":{{"hashes":{{"sha256":"{version}a"}}}}}}}}}}"#
        );
        TufState {
            metadata: [
                file("1.root.json", "{}"),
                file("2.root.json", "{}"),
                file("timestamp.json", &meta("snapshot.json")),
                file(&format!("{version}.snapshot.json"), &meta("targets.json")),
                file(&format!("{version}.targets.json"), &targets),
            ]
            .into(),
            targets: [file(&format!("{version}a.policy.json"), "{}")].into(),
        }
    }

    #[test]
    fn what_is_written_is_loaded_without_what_was_before() {
        let dir = tempfile::tempdir().unwrap();
        assert_eq!(load_dir(dir.path()).unwrap(), None);
        for version in 1..3 {
            assert!(write_dir(&state(version), dir.path()).unwrap());
            assert_eq!(load_dir(dir.path()).unwrap(), Some(state(version)));
        }
        assert!(!write_dir(&state(2), dir.path()).unwrap(), "nothing to write");
        // Old files are still there for clients that are on their way.
        assert!(dir.path().join("metadata/1.snapshot.json").exists());
    }

    #[test]
    fn a_writer_that_died_before_the_timestamp_leaves_the_old_state() {
        let dir = tempfile::tempdir().unwrap();
        write_dir(&state(1), dir.path()).unwrap();
        let mut next = state(2);
        next.metadata.remove(TIMESTAMP);
        write_dir(&next, dir.path()).unwrap();
        assert_eq!(load_dir(dir.path()).unwrap(), Some(state(1)));
    }

    #[test]
    fn hostile_roles_lead_nowhere() {
        let dir = tempfile::tempdir().unwrap();
        fs::write(dir.path().join("secret"), "x").unwrap();
        fs::create_dir(dir.path().join("metadata")).unwrap();
        for timestamp in [
            r#"{"signed":{"meta":{"/../../secret":{"version":1}}}}"#,
            r#"{"signed":{"meta":{"timestamp.json":{"version":1}}}}"#,
            r#"{"signed":{"meta":[]}}"#,
            r#"{"signed":1}"#,
            "[",
            "",
        ] {
            fs::write(dir.path().join("metadata/timestamp.json"), timestamp).unwrap();
            let state = load_dir(dir.path()).unwrap().unwrap();
            assert_eq!(state.metadata.keys().collect::<Vec<_>>(), ["timestamp.json"]);
            assert!(state.targets.is_empty());
        }
    }

    #[test]
    fn too_large_a_file_is_refused() {
        let dir = tempfile::tempdir().unwrap();
        fs::create_dir(dir.path().join("metadata")).unwrap();
        let file = File::create(dir.path().join("metadata/timestamp.json")).unwrap();
        file.set_len(MAX_FILE + 1).unwrap();
        assert!(matches!(load_dir(dir.path()), Err(Error::NotAState { .. })));
    }
}
