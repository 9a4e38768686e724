//! What a program says of how it was built, and how two differ.
//!
//! A program in an image is replaced by one that must be built as it was: with the same version of
//! Go, the same cryptography, linked in the same way. Linux programs carry all of that: the ELF file
//! says for which machine it is and what it is linked with, and Go's linker leaves the version of Go,
//! the modules, the build's settings and the commit.
//!
//! | module | what it holds |
//! |---|---|
//! | [`elf`] | the ELF file: machine, interpreter, libraries, build ids |
//! | [`go`] | Go's build information |
//! | [`difference`] | how two programs differ, each difference with a name |
//! | [`source`] | bounded reads at an offset |
//!
//! The ELF reader is our own: it needs a few fields of four tables out of files of 100 MB that come
//! from outside, each read with a limit and none kept, which the crates for object files, made for
//! files in memory, do not offer.

pub mod difference;
pub mod elf;
mod error;
#[cfg(test)]
mod fixture;
pub mod go;
pub mod source;

use std::io::{Read, Seek};

use serde::{Deserialize, Serialize};

pub use difference::{Alone, Difference, alone, compare, for_architecture};
pub use elf::Elf;
pub use error::Error;
pub use go::{GoBuild, main_module};

/// What a program says of itself.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Program {
    /// What the ELF file says.
    pub elf: Elf,
    /// What Go's linker left; `None`: Go did not link it, or the information was taken out.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub go: Option<GoBuild>,
}

/// Reads a program, which `subject` names in messages. `None`: the file is no ELF file, such as a
/// script. Memory stays below a few MiB whatever the size of the file.
pub fn read(subject: &str, reader: impl Read + Seek) -> Result<Option<Program>, Error> {
    let mut source = source::Source::new(subject, reader)?;
    let Some(file) = elf::File::read(&mut source)? else { return Ok(None) };
    let go = go::read(&mut source, &file)?;
    Ok(Some(Program { elf: file.facts, go }))
}

#[cfg(test)]
mod tests;
