//! What fuzzing holds the readers to: each target takes bytes from anywhere and panics where a
//! promise is broken.
//!
//! The fuzzer itself is in `fuzz/`, a workspace of its own; its README has the commands. Seeds and
//! findings lie in `fuzz/seeds/<target>/`, and this crate's tests replay them, so that a finding
//! stays mended without a fuzzer.
//!
//! | target | what is read | what must hold beside no panic |
//! |---|---|---|
//! | [`tar`] | a plain layer | resolved paths are real; a file patched onto it keeps its metadata |
//! | [`layer`] | a compressed layer | it is read as its archive is; it passes for no other layer |
//! | [`manifest`] | an image manifest | a patch changes the declared fields only |
//! | [`index`] | an index | no image stays behind, nothing else is touched |
//! | [`config`] | an image configuration | a patch changes the declared fields only |
//! | [`elf`] | a program | it does not differ from itself; messages are one plain line |

mod documents;
mod layers;

use std::io::Cursor;

pub use documents::{config, index, manifest};
pub use layers::{layer, tar};

/// A target.
pub type Target = fn(&[u8]);

/// Every target by its name, which is also its directory's below `fuzz/seeds`.
pub const TARGETS: [(&str, Target); 6] = [
    ("tar", tar),
    ("layer", layer),
    ("manifest", manifest),
    ("index", index),
    ("config", config),
    ("elf", elf),
];

/// Reads a program.
pub fn elf(bytes: &[u8]) {
    let module = fleetfix_program::main_module(bytes, bytes.len() as u64);
    plain(&module.unwrap_or_default().unwrap_or_default());
    let found = match fleetfix_program::read("program", Cursor::new(bytes)) {
        Ok(Some(found)) => found,
        Ok(None) => return,
        Err(error) => return plain(&error.to_string()),
    };
    assert_eq!(fleetfix_program::compare(Some(&found), Some(&found), None), []);
    for difference in fleetfix_program::for_architecture(&found, "amd64")
        .into_iter()
        .chain(fleetfix_program::compare(None, Some(&found), None))
    {
        plain(&difference.to_string());
        assert!(difference.finding().is_some());
    }
    let text = serde_json::to_string(&found).unwrap_or_default();
    let again = serde_json::from_str::<fleetfix_program::Program>(&text);
    assert_eq!(again.ok(), Some(found), "it is the same after a way through JSON");
}

fn plain(message: &str) {
    assert!(!message.contains(char::is_control), "{message:?} is not one plain line");
}

#[cfg(test)]
mod tests;
