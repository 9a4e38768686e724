//! Looks at what a run left in the registry: the fast who do less are no use.

use std::collections::BTreeMap;
use std::fs::File;
use std::path::Path;

use super::commands::Work;
use super::contender::Contender;
use super::crane::Crane;
use super::files::{PATH, digest};
use super::sample::float;
use crate::failure::Failure;

/// Digests and sizes of the new layers. Every base has its result, with every architecture, the
/// base's own layers and one more. With `look_into`, a directory to unpack in, the new layer of each
/// architecture holds the new file.
pub(super) fn check(
    crane: &Crane,
    work: &Work<'_>,
    who: Contender,
    look_into: Option<&Path>,
) -> Result<BTreeMap<String, u64>, Failure> {
    let mut new = BTreeMap::new();
    let mut looked_into: BTreeMap<String, String> = BTreeMap::new();
    // A plan sorts its bases: results are found by what they are made of.
    for tag in work.tags(who) {
        let images = crane.index(&work.to, &tag)?;
        let wrong = |what: String| Failure::new(format!("{}:{tag}: {what}", work.to));
        for image in &images {
            let layers: Vec<&String> = image.layers.iter().map(|(digest, _)| digest).collect();
            let is_base = |below: &[String]| {
                below.iter().eq(layers.iter().copied().take(below.len()))
                    && layers.len() == below.len() + 1
            };
            let base = work
                .bases
                .iter()
                .flat_map(|base| &base.images)
                .find(|base| base.architecture == image.architecture && is_base(&base.layers));
            let base = base.ok_or_else(|| {
                wrong(format!("{}: not a base and one more layer: {layers:?}", image.architecture))
            })?;
            let Some((layer, size)) = image.layers.last() else { continue };
            new.insert(layer.clone(), *size);
            if let Some(dir) = look_into
                && !looked_into.contains_key(layer)
            {
                let file = crane.extract(&format!("{}@{layer}", work.to), PATH, dir)?;
                let open = File::open(&file).map_err(Failure::at(&file))?;
                let found = digest(open).map_err(Failure::at(&file))?;
                let expected = work.files.content(base.architecture)?;
                if found != expected {
                    return Err(wrong(format!("{layer}: {found:?} in it, not {expected:?}")));
                }
                looked_into.insert(layer.clone(), tag.clone());
            }
        }
        let expected = work.bases.first().map_or(0, |base| base.images.len());
        if images.len() != expected {
            return Err(wrong(format!("{} images, not {expected}", images.len())));
        }
    }
    Ok(new)
}

/// The mean size, bytes.
pub(super) fn mean(layers: &BTreeMap<String, u64>) -> f64 {
    let count = u32::try_from(layers.len().max(1)).map_or(1.0, f64::from);
    float(layers.values().sum()) / count
}
