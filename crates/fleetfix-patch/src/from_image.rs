//! A file out of another image: its content, for every architecture of it. Mode, owner and extended
//! attributes are the base's, as with files on disk. Of one that the base does not have the permission
//! bits are the other image's, without set-id and sticky bits: those mean nothing without the owner
//! and attributes that they were set for, and those of a new file are the defaults.

use std::collections::BTreeMap;
use std::io::{self, Write};
use std::os::fd::AsRawFd;
use std::path::{Path, PathBuf};

use fleetfix_model::digest::Hasher;
use fleetfix_model::name::ImagePath;
use fleetfix_model::{Digest, Reference};
use fleetfix_oci::change::{Action, Change};
use fleetfix_oci::manifest::Manifest;
use fleetfix_oci::metadata::Mtime;
use fleetfix_oci::segments::Spool;
use fleetfix_oci::tree::{Final, Limits, Target, Tree, files};
use fleetfix_registry::{Client, Image, Store};

use crate::Error;
use crate::base::{configuration, platform};
use crate::indexes::Indexes;
use crate::job::{Changes, Files};

/// Contents that lie in files without a name. [`Files`] name them by their descriptors, so they must
/// be held as long as those are used.
#[derive(Debug, Default)]
pub struct Held(Vec<Spool>);

/// Image and path of `IMAGE:/PATH`; `None`: it is a directory.
pub fn split(files: &Path) -> Option<(Reference, ImagePath)> {
    let (image, path) = files.to_str()?.rsplit_once(":/")?;
    let image: Reference = image.parse().ok()?;
    let path = format!("/{path}").parse().ok()?;
    let named = image.tag.is_some() || image.digest.is_some();
    (named && !files.exists()).then_some((image, path))
}

/// Reads the file at `path` of every architecture of `image`; with `create`, it is new where the
/// base does not have it.
pub async fn read(
    client: &Client,
    image: &Reference,
    path: &ImagePath,
    create: bool,
    remove: &[ImagePath],
    indexes: &Indexes,
) -> Result<(Changes, Files, Held), Error> {
    let source = client.source(&image.repository);
    let found = Image::get(&source, image).await?;
    let name = image.to_string();
    let (mut each, mut files, mut held) = (BTreeMap::new(), Files::new(), Held::default());
    for of_image in found.manifests {
        let config = configuration(&source, &name, &of_image.manifest).await?;
        let platform = platform(&name, of_image.platform, &config)?;
        let of = One { source: &source, image: &name, path };
        let file = of.file(&of_image.manifest, indexes).await?;
        let fd = file.spool.file().as_raw_fd();
        files.entry(file.digest).or_insert_with(|| PathBuf::from(format!("/proc/self/fd/{fd}")));
        let action = Action::Write {
            size: file.spool.size(),
            digest: file.digest,
            create: create.then_some(file.mode & 0o777),
            mode: None,
            uid: None,
            gid: None,
            mtime: Mtime::default(),
        };
        held.0.push(file.spool);
        let mut changes = vec![Change { path: path.clone(), action }];
        let removed = remove.iter().map(|p| Change { path: p.clone(), action: Action::Remove });
        changes.extend(removed);
        if let Some(other) = each.insert(platform.architecture.clone(), changes.clone())
            && other != changes
        {
            return Err(of.problem(format!("differs between images for {}", platform.architecture)));
        }
    }
    Ok((Changes::Each(each), files, held))
}

/// A file that was found.
struct Found {
    spool: Spool,
    digest: Digest,
    mode: u32,
}

struct One<'a> {
    source: &'a Store,
    image: &'a str,
    path: &'a ImagePath,
}

impl One<'_> {
    fn problem(&self, problem: impl Into<String>) -> Error {
        let (image, path) = (self.image.to_owned(), self.path.to_string());
        Error::InImage { image, path, problem: problem.into() }
    }

    /// Finds the file in one image, and copies its content.
    async fn file(&self, manifest: &Manifest, indexes: &Indexes) -> Result<Found, Error> {
        let failed = || Error::base(self.image);
        let layers = manifest.layers().map_err(failed())?;
        let path = self.path.as_str().as_bytes();
        let ask = |tree: &Tree| tree.resolve(path, Final::Follow);
        let resolved = indexes.ask(self.source, self.image, manifest, ask).await?;
        let Target::File { metadata, content, .. } = resolved.target else {
            return Err(self.problem("is no file there"));
        };
        if content.content.sparse {
            return Err(self.problem("is a sparse file, which is not read"));
        }
        let layer = layers.iter().rev().nth(content.layer);
        let layer = layer.ok_or_else(|| self.problem("is in no layer"))?;
        let _turn = indexes.turn().await;
        let reader = self.source.blob_reader(layer.digest, Some(layer.size)).await?.into_read();
        let subject = format!("layer {}", layer.digest);
        let copied = tokio::task::spawn_blocking(move || {
            let mut copied = None;
            files(&subject, reader, &Limits::default(), |mut file| {
                if file.offset == content.content.offset {
                    let mut out =
                        Both { spool: Spool::new(&std::env::temp_dir())?, hasher: Hasher::new() };
                    io::copy(&mut file, &mut out)?;
                    copied = Some(out);
                }
                Ok(())
            })?;
            Ok(copied)
        });
        let copied = copied.await.map_err(|_| Error::Abandoned { what: "a layer" })?;
        let copied = copied.map_err(failed())?;
        let Both { spool, hasher } = copied.ok_or_else(|| self.problem("is in no layer"))?;
        let (digest, _) = hasher.finish();
        Ok(Found { spool, digest, mode: metadata.mode })
    }
}

struct Both {
    spool: Spool,
    hasher: Hasher,
}

impl Write for Both {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let n = self.spool.write(bytes)?;
        self.hasher.update(bytes.get(..n).unwrap_or_default());
        Ok(n)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}
