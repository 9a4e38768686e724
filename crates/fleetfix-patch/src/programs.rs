//! Whether new programs are built as those that they replace.
//!
//! The new ones lie on disk. What a base's program says is mostly known when its layers have been read
//! ([`replaced`](crate::replaced)); where it is not, its layer is read again for it.

use std::collections::{BTreeMap, BTreeSet};
use std::fs::File;
use std::io::{self, Read};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

use fleetfix_model::digest::Hasher;
use fleetfix_model::{Digest, Platform};
use fleetfix_oci::change::{Action, Change};
use fleetfix_oci::manifest::RawDescriptor;
use fleetfix_oci::tree::{Content, Final, Target, Tree};
use fleetfix_program::difference::{Severity, Subject};
use fleetfix_program::{Difference, Program, compare, for_architecture};
use fleetfix_registry::Store;
use serde::Serialize;

use crate::Error;
use crate::base::{Base, BaseImage};
use crate::indexes::Indexes;
use crate::job::Files;
use crate::replaced::{Known, OfLayer, Replaced, read_layer};

/// A file that a patch writes, and what it stands in for.
#[derive(Clone, Debug)]
pub struct Written {
    /// Its path, as it was asked for.
    pub path: String,
    /// Digest of the new content.
    pub new: Digest,
    /// Where the old content lies; `None`: the base has none.
    pub old: Option<Old>,
}

/// Content of a base.
#[derive(Clone, Debug)]
pub struct Old {
    /// The layer that has it.
    pub layer: RawDescriptor,
    /// Which of that layer's contents.
    pub content: Content,
    /// True if anybody may run it.
    pub executable: bool,
}

/// The files that `changes` write onto a tree on which all of them are placed. `layers` are the
/// image's, the lowest first.
pub fn written(
    tree: &Tree,
    layers: &[RawDescriptor],
    changes: &[Change],
) -> Result<Vec<Written>, fleetfix_oci::Error> {
    let mut all = Vec::new();
    for change in changes {
        let Action::Write { digest, .. } = change.action else { continue };
        let found = tree.resolve(change.path.as_str().as_bytes(), Final::Follow)?;
        let Some(found) = found else { continue };
        let old = match found.target {
            Target::File { metadata, content, .. } => {
                let layer = layers.iter().rev().nth(content.layer).cloned();
                let executable = metadata.mode & 0o111 != 0;
                layer.map(|layer| Old { layer, content: content.content, executable })
            }
            _ => None,
        };
        all.push(Written { path: change.path.to_string(), new: digest, old });
    }
    Ok(all)
}

/// A difference between a new program and the one it replaces.
#[derive(Clone, Debug, Eq, PartialEq, Serialize)]
pub struct Finding {
    /// The image's platform.
    pub platform: Platform,
    /// The program's path, as it was asked for.
    pub path: String,
    /// True if somebody accepted it by name.
    pub accepted: bool,
    /// What differs.
    #[serde(flatten)]
    pub difference: Difference,
}

impl std::fmt::Display for Finding {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}: {}: {}", self.platform, self.path, self.difference)
    }
}

/// Compares programs.
#[derive(Debug)]
pub struct Programs {
    files: Files,
    indexes: Arc<Indexes>,
    replaced: Arc<Replaced>,
    new: Mutex<BTreeMap<Digest, Option<Arc<Program>>>>,
}

impl Programs {
    /// New contents are in `files`; what is known of bases' is in `replaced`. Layers that must be read
    /// for more take turns with those that `indexes` reads.
    pub fn new(files: Files, indexes: Arc<Indexes>, replaced: Arc<Replaced>) -> Self {
        Self { files, indexes, replaced, new: Mutex::default() }
    }

    /// Compares every program that goes onto a base with the one that it replaces.
    ///
    /// # Errors
    /// [`Error::OtherBuild`] if one differs in what nobody accepted, or cannot run at all.
    pub async fn check(&self, base: &Base) -> Result<Vec<Finding>, Error> {
        let mut findings = Vec::new();
        for image in &base.images {
            findings.extend(self.check_image(base, image).await?);
        }
        let refused = findings.iter().filter(|f| !f.accepted);
        let refused: Vec<String> = refused.map(ToString::to_string).collect();
        if refused.is_empty() || !self.are_as_planned(base).await? {
            return Ok(findings);
        }
        let names = |severity| {
            let of = |f: &&Finding| !f.accepted && f.difference.severity() == severity;
            let names = findings.iter().filter(of).filter_map(|f| f.difference.finding());
            names.map(|name| name.to_string()).collect::<BTreeSet<_>>()
        };
        let next = if names(Severity::Refused).is_empty() {
            let names = names(Severity::Waivable).into_iter().collect::<Vec<_>>().join(", ");
            format!("build them as the base's, or have each accepted by name: {names}")
        } else {
            "build them for the base's architecture".to_owned()
        };
        Err(Error::OtherBuild { base: base.name(), differences: refused.join("; "), next })
    }

    /// False if a file is not the one that was asked for any more: whoever puts it into a layer says
    /// so, and nothing that it says of itself counts.
    async fn are_as_planned(&self, base: &Base) -> Result<bool, Error> {
        let written = base.images.iter().flat_map(|image| &image.written);
        let files: BTreeMap<Digest, PathBuf> = written
            .filter_map(|written| Some((written.new, self.files.get(&written.new)?.clone())))
            .collect();
        let checked = tokio::task::spawn_blocking(move || {
            for (digest, path) in files {
                let read = has_digest(&path, digest);
                if !read.map_err(|source| Error::Content { path, source })? {
                    return Ok(false);
                }
            }
            Ok(true)
        });
        checked.await.map_err(|_| Error::Abandoned { what: "new files" })?
    }

    async fn check_image(&self, base: &Base, image: &BaseImage) -> Result<Vec<Finding>, Error> {
        let mut pairs = Vec::new();
        for written in &image.written {
            let new = self.new_program(written).await?;
            // A script or a configuration that stays one; what nobody runs is no program.
            let old = written.old.as_ref().filter(|old| new.is_some() || old.executable);
            if new.is_some() || old.is_some() {
                pairs.push((written, new, old));
            }
        }
        let wanted: Vec<&Old> = pairs.iter().filter_map(|(_, _, old)| *old).collect();
        let name = format!("{} ({})", base.name(), image.platform);
        let known = self.old_programs(&base.source, &name, &wanted).await?;
        let mut findings = Vec::new();
        for (written, new, old) in pairs {
            let found = old.and_then(|old| known.get(&(old.layer.digest, old.content.offset)));
            let differences = match found {
                Some(Known::Broken) => vec![Difference {
                    subject: Subject::Format,
                    expected: "an ELF file that cannot be read".into(),
                    actual: if new.is_some() { "an ELF file" } else { "no ELF file" }.into(),
                }],
                Some(Known::Program(old)) => {
                    compare(Some(old.as_ref()), new.as_deref(), base.job.commit.as_ref())
                }
                Some(Known::Other) => compare(None, new.as_deref(), None),
                None if old.is_some() => vec![Difference {
                    subject: Subject::Format,
                    expected: "a sparse file, which is not read".into(),
                    actual: if new.is_some() { "an ELF file" } else { "no ELF file" }.into(),
                }],
                None => Vec::new(),
            };
            let architecture = &image.platform.architecture;
            let misplaced = new.as_deref().and_then(|new| for_architecture(new, architecture));
            let of_machine = |d: &Difference| d.subject == Subject::Architecture;
            let misplaced = misplaced.filter(|_| !differences.iter().any(of_machine));
            findings.extend(misplaced.into_iter().chain(differences).map(|difference| Finding {
                platform: image.platform.clone(),
                path: written.path.clone(),
                accepted: difference.severity() == Severity::Waivable
                    && difference.finding().is_some_and(|id| base.job.accepted.contains(&id)),
                difference,
            }));
        }
        Ok(findings)
    }

    async fn new_program(&self, written: &Written) -> Result<Option<Arc<Program>>, Error> {
        let locked = || self.new.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(known) = locked().get(&written.new) {
            return Ok(known.clone());
        }
        let expected = written.new;
        let Some(path) = self.files.get(&expected).cloned() else { return Ok(None) };
        let read = tokio::task::spawn_blocking(move || {
            let failed = |source| Error::Content { path: path.clone(), source };
            let file = File::open(&path).map_err(failed)?;
            let subject = format!("new program {}", path.display());
            match fleetfix_program::read(&subject, file) {
                // Of a file that changed meanwhile nothing is said; whoever packs it refuses it.
                Err(_) if !has_digest(&path, expected).map_err(failed)? => Ok(None),
                program => program.map_err(|source| Error::Program { source }),
            }
        });
        let program = read.await.map_err(|_| Error::Abandoned { what: "a new program" })??;
        let program = program.map(Arc::new);
        locked().insert(written.new, program.clone());
        Ok(program)
    }

    /// What is known of contents of a base, by layer and offset. Those of one layer that nobody knows
    /// are read together.
    async fn old_programs(
        &self,
        source: &Store,
        base: &str,
        wanted: &[&Old],
    ) -> Result<BTreeMap<(Digest, u64), Known>, Error> {
        let mut layers: BTreeMap<Digest, (u64, BTreeSet<u64>)> = BTreeMap::new();
        for old in wanted.iter().filter(|old| !old.content.sparse) {
            let (layer, size) = (old.layer.digest, old.layer.size);
            layers.entry(layer).or_insert((size, BTreeSet::new())).1.insert(old.content.offset);
        }
        let mut known = BTreeMap::new();
        for (layer, (size, offsets)) in layers {
            let found = self.old_in_layer(source, base, (layer, size), &offsets).await?;
            known.extend(found.into_iter().map(|(offset, found)| ((layer, offset), found)));
        }
        Ok(known)
    }

    async fn old_in_layer(
        &self,
        source: &Store,
        base: &str,
        (layer, size): (Digest, u64),
        offsets: &BTreeSet<u64>,
    ) -> Result<OfLayer, Error> {
        let missing = |known: &OfLayer| -> BTreeSet<u64> {
            offsets.iter().copied().filter(|offset| !known.contains_key(offset)).collect()
        };
        let mut known = self.known(layer, offsets.clone()).await?;
        if missing(&known).is_empty() {
            return Ok(known);
        }
        let _turn = self.indexes.turn().await;
        // Another base may have been about the same ones meanwhile.
        known.extend(self.known(layer, missing(&known)).await?);
        let missing = missing(&known);
        if missing.is_empty() {
            return Ok(known);
        }
        let reader = source.blob_reader(layer, Some(size)).await?.into_read();
        let wanted = missing.clone();
        let read = tokio::task::spawn_blocking(move || {
            read_layer(&format!("layer {layer}"), reader, &wanted)
        });
        let read = read.await.map_err(|_| Error::Abandoned { what: "a layer" })?;
        self.replaced.add(layer, read.map_err(Error::base(base))?);
        known.extend(self.known(layer, missing).await?);
        Ok(known)
    }

    /// What is known of the files at `offsets` of a layer, from memory or from the cache's files.
    async fn known(&self, layer: Digest, offsets: BTreeSet<u64>) -> Result<OfLayer, Error> {
        let replaced = Arc::clone(&self.replaced);
        let known = tokio::task::spawn_blocking(move || {
            let known = |offset| Some((offset, replaced.get(layer, offset)?));
            offsets.into_iter().filter_map(known).collect()
        });
        known.await.map_err(|_| Error::Abandoned { what: "programs of a base" })
    }
}

fn has_digest(path: &Path, expected: Digest) -> io::Result<bool> {
    let mut file = File::open(path)?;
    let mut hasher = Hasher::new();
    let mut buffer = vec![0; 64 << 10];
    loop {
        match file.read(&mut buffer)? {
            0 => return Ok(hasher.finish().0 == expected),
            n => hasher.update(buffer.get(..n).unwrap_or_default()),
        }
    }
}
