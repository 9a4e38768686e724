//! crane as a tool of the bench itself: it writes the bases and reads results.

use std::path::{Path, PathBuf};

use serde_json::Value;

use super::base::{Base, BaseImage};
use crate::command::Command;
use crate::failure::Failure;

/// crane, for a registry on loopback.
#[derive(Clone, Debug)]
pub(super) struct Crane {
    pub(super) program: PathBuf,
    pub(super) home: PathBuf,
}

/// One image of an index.
#[derive(Clone, Debug)]
pub(super) struct Image {
    pub(super) architecture: String,
    pub(super) digest: String,
    /// Digest and size of each layer, from the bottom up.
    pub(super) layers: Vec<(String, u64)>,
    /// Digests of the uncompressed layers.
    pub(super) diff_ids: Vec<String>,
}

impl Crane {
    pub(super) fn command(&self) -> Command {
        Command::new(&self.program).at_home(&self.home)
    }

    fn run(&self, args: &[&str]) -> Result<String, Failure> {
        let said = self.command().args(args).quiet()?;
        Ok(String::from_utf8_lossy(&said).trim().to_owned())
    }

    fn json(&self, what: &str, reference: &str) -> Result<Value, Failure> {
        let text = self.run(&[what, reference])?;
        serde_json::from_str(&text).map_err(|error| Failure::new(format!("{reference}: {error}")))
    }

    /// The images of the index `repository:tag`.
    pub(super) fn index(&self, repository: &str, tag: &str) -> Result<Vec<Image>, Failure> {
        let reference = format!("{repository}:{tag}");
        let index = self.json("manifest", &reference)?;
        let missing = |what: &str| Failure::new(format!("{reference}: no {what}"));
        let children = index.get("manifests").and_then(Value::as_array);
        let children = children.ok_or_else(|| missing("index"))?;
        children
            .iter()
            .map(|child| {
                let text = |pointer: &str| child.pointer(pointer).and_then(Value::as_str);
                let digest = text("/digest").ok_or_else(|| missing("digest"))?.to_owned();
                let architecture = text("/platform/architecture");
                let architecture = architecture.ok_or_else(|| missing("platform"))?.to_owned();
                let image = format!("{repository}@{digest}");
                let config = self.json("config", &image)?;
                let diff_ids = config.pointer("/rootfs/diff_ids").and_then(Value::as_array);
                let diff_ids = diff_ids.ok_or_else(|| missing("diff_ids"))?.iter();
                let diff_ids = diff_ids.filter_map(|id| Some(id.as_str()?.to_owned())).collect();
                let manifest = self.json("manifest", &image)?;
                let layers = manifest.get("layers").and_then(Value::as_array);
                let layers = layers.ok_or_else(|| missing("layers"))?.iter().filter_map(|layer| {
                    let digest = layer.get("digest")?.as_str()?.to_owned();
                    Some((digest, layer.get("size")?.as_u64()?))
                });
                Ok(Image { architecture, digest, layers: layers.collect(), diff_ids })
            })
            .collect()
    }

    /// Writes a layer stack as an image of an architecture, tagged `stack-ARCH`.
    pub(super) fn put_stack(
        &self,
        repository: &str,
        architecture: &str,
        layers: &[PathBuf],
    ) -> Result<(), Failure> {
        let (tag, platform) =
            (format!("{repository}:stack-{architecture}"), format!("linux/{architecture}"));
        let files = layers.iter().flat_map(|layer| ["--new_layer".as_ref(), layer.as_os_str()]);
        self.command()
            .args(["append", "--oci-empty-base", "--new_tag", &tag])
            .args(files)
            .quiet()?;
        let label = "io.openshift.hypershift.restricted-psa=true";
        self.run(&["mutate", &tag, "--set-platform", &platform, "--label", label, "--tag", &tag])?;
        Ok(())
    }

    /// Writes a base over the stacks: one layer on each, and an index over them.
    pub(super) fn put_base(
        &self,
        host: &str,
        repository: &str,
        tag: &str,
        layers: &[(&'static str, PathBuf)],
    ) -> Result<Base, Failure> {
        let place = format!("{host}/{repository}");
        let mut index =
            vec!["index".to_owned(), "append".into(), "--tag".into(), format!("{place}:{tag}")];
        for (architecture, layer) in layers {
            let (stack, image) =
                (format!("{place}:stack-{architecture}"), format!("{place}:{tag}-{architecture}"));
            self.append(&stack, layer, &image)?;
            index.extend(["--manifest".into(), image]);
        }
        self.command().args(index).quiet()?;
        let digest = self.run(&["digest", &format!("{place}:{tag}")])?;
        let named = |image: Image| {
            let architecture = layers.iter().find(|(name, _)| **name == image.architecture);
            let architecture = architecture.map_or("", |(architecture, _)| architecture);
            let layers = image.layers.into_iter().map(|(digest, _)| digest).collect();
            let diff_ids = image.diff_ids;
            BaseImage { architecture, digest: image.digest, layers, diff_ids }
        };
        let images = self.index(&place, tag)?.into_iter().map(named).collect();
        Ok(Base { repository: repository.to_owned(), digest, images })
    }

    fn append(&self, base: &str, layer: &Path, tag: &str) -> Result<(), Failure> {
        let args = ["append", "--base", base, "--new_tag", tag, "--new_layer"];
        self.command().args(args).args([layer]).quiet().map(drop)
    }

    /// Copies a layer out and the file in it to `to`.
    pub(super) fn extract(&self, layer: &str, path: &str, dir: &Path) -> Result<PathBuf, Failure> {
        let blob = dir.join("extracted.tar.gz");
        self.command().args(["blob", layer]).into_file(&blob)?;
        let file = dir.join("extracted");
        // A layer may be compressed in any way: tar finds out.
        let tar = ["--extract", "--to-stdout", "--file"].map(AsRef::<std::ffi::OsStr>::as_ref);
        Command::new("tar").args(tar).args([blob.as_os_str(), path.as_ref()]).into_file(&file)?;
        Ok(file)
    }
}
