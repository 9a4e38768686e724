//! Results: small values that a task leaves in files for the next task of a pipeline.
//!
//! Tekton hands the bytes of a result file on as they are, white space included, and fails a step
//! whose results do not fit into its termination message (tektoncd/pipeline `docs/tasks.md`,
//! "Emitting Task results": 4096 bytes, shared with data of Tekton's own).

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::str::FromStr;

use crate::{Error, file};

/// Size of the termination message of a container, in bytes (Kubernetes; tektoncd/pipeline
/// `docs/tasks.md`).
const MESSAGE: usize = 4096;
/// What Tekton's entrypoint adds to the message: start time, exit code and the brackets of the
/// list, some 110 bytes (tektoncd/pipeline `pkg/entrypoint/entrypointer.go`), rounded up.
const OWN: usize = 160;
/// `{"key":"","value":"","type":1},` around each result (tektoncd/pipeline `pkg/result/result.go`).
const FRAME: usize = 32;

/// The file of a `--result-*` flag.
#[derive(Clone, Debug, Eq, Ord, PartialEq, PartialOrd)]
pub struct ResultPath(PathBuf);

impl ResultPath {
    /// The file.
    pub fn path(&self) -> &Path {
        &self.0
    }
}

impl FromStr for ResultPath {
    type Err = &'static str;

    fn from_str(s: &str) -> Result<Self, Self::Err> {
        let path = PathBuf::from(s);
        if path.file_name().is_none() {
            return Err("expected the path of a file");
        }
        Ok(Self(path))
    }
}

/// Writes all results, or none: sizes are checked and every file is complete on disk before the
/// first takes its name.
pub(crate) fn write(results: &[(ResultPath, String)]) -> Result<(), Error> {
    check(results)?;
    let prepared: Vec<_> = results
        .iter()
        .map(|(path, value)| file::prepare(path.path(), value.as_bytes(), file::SHARED))
        .collect::<Result<_, _>>()?;
    prepared.into_iter().try_for_each(file::Prepared::commit)
}

fn check(results: &[(ResultPath, String)]) -> Result<(), Error> {
    let mut seen = BTreeSet::new();
    if let Some((path, _)) = results.iter().find(|(path, _)| !seen.insert(path)) {
        return Err(Error::ResultTwice { path: path.path().to_owned() });
    }
    let size = results.iter().map(|(path, value)| in_message(path.path(), value)).sum::<usize>();
    let max = MESSAGE - OWN;
    if size > max {
        return Err(Error::ResultsTooLarge { size, max });
    }
    Ok(())
}

/// Bytes of one result in the message: its name is its file's, its value is a JSON string.
fn in_message(path: &Path, value: &str) -> usize {
    let name = path.file_name().map_or(0, std::ffi::OsStr::len);
    // Quotes are counted in FRAME, so that an escape counts as what it adds.
    let quoted = serde_json::to_string(value).map_or(value.len(), |json| json.len() - 2);
    FRAME + name + quoted
}

#[cfg(test)]
mod tests {
    use super::*;

    fn result(path: &Path, size: usize) -> (ResultPath, String) {
        (path.to_str().unwrap().parse().unwrap(), "x".repeat(size))
    }

    #[test]
    fn all_or_none() {
        let dir = tempfile::tempdir().unwrap();
        let (a, b) = (dir.path().join("a"), dir.path().join("b"));
        let room = MESSAGE - OWN - 2 * (FRAME + 1);
        write(&[result(&a, 10), result(&b, room - 10)]).unwrap();
        assert_eq!(std::fs::read(&a).unwrap(), b"xxxxxxxxxx", "no newline");
        std::fs::remove_file(&a).unwrap();

        let too_large = write(&[result(&a, 11), result(&b, room - 10)]);
        assert!(matches!(too_large, Err(Error::ResultsTooLarge { size: 3937, max: 3936 })));
        let no_dir = write(&[result(&a, 1), result(&dir.path().join("missing/b"), 1)]);
        assert!(matches!(no_dir, Err(Error::Write { .. })));
        let twice = write(&[result(&a, 1), result(&a, 2)]);
        assert!(matches!(twice, Err(Error::ResultTwice { .. })));
        assert_eq!(std::fs::read_dir(dir.path()).unwrap().count(), 1, "only the first b");
    }

    #[test]
    fn escapes_count() {
        assert_eq!(in_message(Path::new("/r/n"), "a\nb"), FRAME + 1 + 4);
    }

    #[test]
    fn a_result_needs_a_file_name() {
        for bad in ["", "/", ".."] {
            assert!(bad.parse::<ResultPath>().is_err(), "{bad:?}");
        }
    }
}
