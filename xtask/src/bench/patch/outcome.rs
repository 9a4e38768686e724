//! Looks at what a run left in the registry: the fast who do less are no use.

use std::collections::BTreeMap;
use std::fs::File;
use std::path::Path;

use super::base::BaseImage;
use super::commands::Work;
use super::contender::Contender;
use super::crane::{Crane, Image};
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
            let mut bases = work.bases.iter().flat_map(|base| &base.images);
            let base = bases.find(|base| is_on(image, base, who)).ok_or_else(|| {
                let layers = &image.layers;
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

/// True if the image is the base and one more layer. buildah compresses a base's layers anew for a
/// registry that it did not pull them from: theirs are the same only uncompressed.
fn is_on(image: &Image, base: &BaseImage, who: Contender) -> bool {
    let begins = |with: &[String], all: &mut dyn Iterator<Item = &String>| {
        with.iter().all(|expected| all.next() == Some(expected)) && all.count() == 1
    };
    let compresses_anew = matches!(who, Contender::Buildah | Contender::BuildahCold);
    base.architecture == image.architecture
        && begins(&base.diff_ids, &mut image.diff_ids.iter())
        && (compresses_anew
            || begins(&base.layers, &mut image.layers.iter().map(|(digest, _)| digest)))
}

/// The mean size, bytes.
pub(super) fn mean(layers: &BTreeMap<String, u64>) -> f64 {
    let count = u32::try_from(layers.len().max(1)).map_or(1.0, f64::from);
    float(layers.values().sum()) / count
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_result_is_its_base_and_one_more_layer() {
        let words = |text: &str| text.split_whitespace().map(str::to_owned).collect::<Vec<_>>();
        let base = BaseImage {
            architecture: "arm64",
            digest: "i".into(),
            layers: words("a b"),
            diff_ids: words("x y"),
        };
        for (architecture, layers, diff_ids, crane, buildah) in [
            ("arm64", "a b c", "x y z", true, true),
            ("amd64", "a b c", "x y z", false, false),
            ("arm64", "a b", "x y", false, false),
            ("arm64", "a b c d", "x y z w", false, false),
            ("arm64", "a B c", "x y z", false, true),
            ("arm64", "a b c", "x Y z", false, false),
        ] {
            let image = Image {
                architecture: architecture.into(),
                digest: "j".into(),
                layers: words(layers).into_iter().map(|digest| (digest, 1)).collect(),
                diff_ids: words(diff_ids),
            };
            assert_eq!(is_on(&image, &base, Contender::Crane), crane, "{image:?}");
            assert_eq!(is_on(&image, &base, Contender::Buildah), buildah, "{image:?}");
        }
    }
}
