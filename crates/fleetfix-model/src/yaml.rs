//! The reader for what people write: one bounded YAML document, with errors that name file, line
//! and field.

use std::cell::RefCell;
use std::fmt;

use serde::de::DeserializeOwned;
use serde_saphyr::options::{DuplicateKeyPolicy, MergeKeyPolicy};

use crate::{Class, Classify};

/// Largest file that is read, in bytes.
pub const MAX_SIZE: usize = 1 << 20;

/// Why a file is not the document it should be.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Error {
    /// The file, as the user named it.
    pub file: String,
    /// Line and column, from 1.
    pub at: Option<(u64, u64)>,
    /// Path of the field, such as `fixes[0].commit`.
    pub field: Option<String>,
    /// What is wrong.
    pub what: String,
}

impl std::error::Error for Error {}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.file)?;
        if let Some((line, column)) = self.at {
            write!(f, ":{line}:{column}")?;
        }
        if let Some(field) = &self.field {
            write!(f, ": field `{field}`")?;
        }
        write!(f, ": {}", self.what)
    }
}

impl Classify for Error {
    fn class(&self) -> Class {
        Class::Input
    }
}

/// Reads the one document of `text`; `file` is for messages only.
///
/// Duplicate keys, merge keys, a second document, unknown fields (by the types) and unquoted
/// numbers where text is expected are refused.
pub fn from_yaml<T: DeserializeOwned>(file: &str, text: &[u8]) -> Result<T, Error> {
    let error = |what: String| Error { file: file.to_owned(), at: None, field: None, what };
    if text.len() > MAX_SIZE {
        return Err(error(format!("{} bytes, at most {MAX_SIZE} are read", text.len())));
    }
    let text = std::str::from_utf8(text).map_err(|e| error(format!("not UTF-8: {e}")))?;
    let field = RefCell::new(None);
    let options = serde_saphyr::options! {
        budget: serde_saphyr::budget! {
            max_depth: 32,
            max_nodes: 50_000,
            max_aliases: 200,
            max_anchors: 100,
            max_documents: 1,
        },
        duplicate_keys: DuplicateKeyPolicy::Error,
        merge_keys: MergeKeyPolicy::Error,
        strict_booleans: true,
        no_schema: true,
        with_snippet: false,
    };
    serde_saphyr::with_deserializer_from_str_with_options(text, options, |reader| {
        serde_path_to_error::deserialize(reader).map_err(|e| {
            let path = e.path().to_string();
            *field.borrow_mut() = (path != ".").then_some(path);
            e.into_inner()
        })
    })
    .map_err(|e| {
        let at = e.location().map(|l| (l.line(), l.column()));
        let what = e.without_snippet().to_string();
        let what = what.lines().next().unwrap_or_default().to_owned();
        Error { file: file.to_owned(), at, field: field.into_inner(), what }
    })
}

#[cfg(test)]
mod tests {
    use std::fmt::Write as _;

    use serde::Deserialize;

    use super::*;

    #[derive(Debug, Deserialize)]
    #[serde(deny_unknown_fields)]
    #[expect(dead_code, reason = "only read by serde")]
    struct Doc {
        name: String,
        #[serde(default)]
        list: Vec<Item>,
    }

    #[derive(Debug, Deserialize)]
    #[serde(deny_unknown_fields)]
    #[expect(dead_code, reason = "only read by serde")]
    struct Item {
        minor: crate::Minor,
    }

    #[test]
    fn errors_name_file_line_and_field() {
        let table = [
            ("list: []\n", "missing field `name`"),
            ("name: a\nlist:\n- minor: \"4\"\n", "field `list[0].minor`"),
            ("name: a\nlist:\n- minor: 4.20\n", "field `list[0].minor`"),
            ("name: a\nnmae: b\n", "unknown field `nmae`"),
            ("name: a\nname: b\n", "duplicate"),
            ("name: a\n---\nname: b\n", "document"),
            ("name: [a\n", "f.yaml"),
            ("name: &a b\nlist: *c\n", "f.yaml"),
        ];
        for (text, expected) in table {
            let error = from_yaml::<Doc>("f.yaml", text.as_bytes()).unwrap_err().to_string();
            assert!(error.contains(expected), "{text:?}: {error}");
            assert!(error.starts_with("f.yaml"), "{error}");
            assert!(!error.contains('\n'), "{error}");
        }
    }

    #[test]
    fn a_nesting_bomb_is_refused() {
        assert!(from_yaml::<Doc>("f.yaml", "[".repeat(5_000).as_bytes()).is_err());
        let mut bomb = String::from("a0: &a0 [x,x,x,x,x,x,x,x,x]\n");
        for i in 1..12 {
            let list = vec![format!("*a{}", i - 1); 9].join(",");
            writeln!(bomb, "a{i}: &a{i} [{list}]").unwrap();
        }
        assert!(from_yaml::<serde_json::Value>("f.yaml", bomb.as_bytes()).is_err());
    }
}
