//! Programs of bases, which new ones replace. Where a layer is read for its entries anyway, programs
//! that may be meant are looked at in that pass; what is known of one is remembered by its layer and
//! where it lies in it. Of every other program the same pass learns of which Go module it is.

use std::collections::{BTreeMap, BTreeSet};
use std::fs::File;
use std::io::{self, Read, Seek, Write};
use std::path::Path;
use std::sync::{Mutex, PoisonError};

use fleetfix_model::Digest;
use fleetfix_oci::change::Action;
use fleetfix_oci::kept::Kept;
use fleetfix_oci::tree::{LayerFile, Limits, files};
use fleetfix_program::Program;
use serde::{Deserialize, Serialize};

use crate::job::Job;

/// Largest file of the cache that is read, in bytes: more than the largest list of modules.
const MAX_CACHED: u64 = 16 << 20;
/// How an ELF file starts (System V ABI, `e_ident`).
const ELF: &[u8; 4] = b"\x7fELF";

/// What is known of a base's file.
#[derive(Clone, Debug, Deserialize, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) enum Known {
    /// A program.
    Program(Box<Program>),
    /// No ELF file.
    Other,
    /// An ELF file that cannot be read.
    Broken,
}

/// Files of one layer by the offset of their headers.
pub(crate) type OfLayer = BTreeMap<u64, Known>;

/// What is known of the files of bases.
#[derive(Debug)]
pub struct Replaced {
    /// Last components of the paths that are written: directories may be links.
    names: BTreeSet<Vec<u8>>,
    cache: Option<Kept>,
    found: Mutex<BTreeMap<Digest, OfLayer>>,
}

impl Replaced {
    /// Nothing known but what is remembered below `cache`. The files that `jobs` write are looked for.
    pub fn new(jobs: &[Job], cache: Option<&Path>) -> Self {
        let changes = jobs.iter().flat_map(|job| job.changes.all());
        let written = changes.filter(|change| matches!(change.action, Action::Write { .. }));
        let names = written.map(|change| last(change.path.as_str().as_bytes()).to_vec()).collect();
        let cache = cache.map(|dir| Kept::new(dir, "programs", 3, MAX_CACHED));
        Self { names, cache, found: Mutex::default() }
    }

    /// Looks at a file of a layer that is being read, and closely if it may be one that is replaced.
    /// Says the main module of a Go program that anybody may run, whatever is replaced.
    pub(crate) fn look(
        &self,
        subject: &str,
        file: LayerFile<'_>,
        found: &mut OfLayer,
    ) -> io::Result<Option<String>> {
        let (offset, size, is_run) = (file.offset, file.size, file.mode & 0o111 != 0);
        if !self.names.contains(last(file.path)) {
            return if is_run { fleetfix_program::main_module(file, size) } else { Ok(None) };
        }
        let (known, copy) = read(subject, file)?;
        found.insert(offset, known);
        // As of those that go by, so that a layer says the same whatever is replaced.
        let module = copy.filter(|_| is_run).map(|mut copy| {
            copy.rewind()?;
            fleetfix_program::main_module(copy, size)
        });
        module.transpose().map(Option::flatten).map_err(of_copy)
    }

    /// Keeps what was found in a layer, for this run.
    pub(crate) fn add(&self, layer: Digest, found: OfLayer) {
        let mut all = self.found.lock().unwrap_or_else(PoisonError::into_inner);
        all.entry(layer).or_default().extend(found);
    }

    /// What is known of the file at `offset` of a layer. Memory forgets what the cache took; a cache
    /// that takes nothing costs time next time, and is no reason to fail.
    pub(crate) fn get(&self, layer: Digest, offset: u64) -> Option<Known> {
        let about = [&layer.as_bytes()[..], &offset.to_be_bytes()].concat();
        let name = Digest::of(&about);
        let locked = || self.found.lock().unwrap_or_else(PoisonError::into_inner);
        let found = locked().get(&layer).and_then(|found| found.get(&offset)).cloned();
        let Some(found) = found else {
            let bytes = self.cache.as_ref()?.get(name, &about)?;
            return serde_json::from_slice(&bytes).ok();
        };
        if let Some(cache) = &self.cache
            && let Ok(bytes) = serde_json::to_vec(&found)
            && cache.put(name, &about, &bytes).is_ok()
            && let Some(of_layer) = locked().get_mut(&layer)
        {
            of_layer.remove(&offset);
        }
        Some(found)
    }
}

/// Reads a layer for the files at `offsets`.
pub(crate) fn read_layer(
    subject: &str,
    reader: impl Read,
    offsets: &BTreeSet<u64>,
) -> Result<OfLayer, fleetfix_oci::Error> {
    let mut found = OfLayer::new();
    files(subject, reader, &Limits::default(), |file| {
        if offsets.contains(&file.offset) {
            found.insert(file.offset, read(subject, file)?.0);
        }
        Ok(())
    })?;
    Ok(found)
}

/// Reads one file, by way of a file without a name if it is a program: that one too.
fn read(subject: &str, mut file: LayerFile<'_>) -> io::Result<(Known, Option<File>)> {
    let mut start = Vec::with_capacity(ELF.len());
    file.by_ref().take(ELF.len() as u64).read_to_end(&mut start)?;
    if start != ELF {
        return Ok((Known::Other, None));
    }
    let mut out = tempfile::tempfile().map_err(of_copy)?;
    out.write_all(&start).map_err(of_copy)?;
    io::copy(&mut file, &mut out)?;
    out.rewind().map_err(of_copy)?;
    let known = match fleetfix_program::read(subject, &out) {
        Ok(Some(program)) => Known::Program(Box::new(program)),
        Ok(None) => Known::Other,
        Err(fleetfix_program::Error::Read { source, .. }) => return Err(of_copy(source)),
        Err(_) => Known::Broken,
    };
    Ok((known, Some(out)))
}

/// What went wrong about the file without a name, and not about the layer.
fn of_copy(source: io::Error) -> io::Error {
    io::Error::other(fleetfix_oci::Error::Read { subject: "a temporary file".into(), source })
}

/// The last component of a path.
fn last(path: &[u8]) -> &[u8] {
    path.rsplit(|byte| *byte == b'/').next().unwrap_or(path)
}
