//! The images to patch. Each is an index of one or two architectures; no layer is shared between
//! architectures. From the bottom up: a Debian root in two layers, layers that make the size, and
//! the program. Bases of one size share all but the program, as payloads of one release line do.

use std::fs::{self, File};
use std::io::{BufWriter, Write};
use std::path::{Path, PathBuf};

use super::files::PATH;
use crate::cache::{Cache, Inputs};
use crate::command::Command;
use crate::failure::Failure;
use crate::tools::Tools;

/// A base in a registry.
#[derive(Clone, Debug)]
pub(super) struct Base {
    /// `base-40/app`
    pub(super) repository: String,
    /// Digest of the index.
    pub(super) digest: String,
    /// Architecture, digest and layers of each image.
    pub(super) images: Vec<BaseImage>,
}

#[derive(Clone, Debug)]
pub(super) struct BaseImage {
    pub(super) architecture: &'static str,
    pub(super) digest: String,
    pub(super) layers: Vec<String>,
    /// Digests of the uncompressed layers.
    pub(super) diff_ids: Vec<String>,
}

/// Compressed size of root and program, MB, which the other layers make up to the whole.
const ROOT: u64 = 29;

/// The layers below the program, for one architecture, as files from the bottom up.
pub(super) fn layers(
    cache: &Cache,
    tools: &Tools,
    architecture: &'static str,
    mb: u64,
) -> Result<Vec<PathBuf>, Failure> {
    let root = tools.get("debian-root").ok_or_else(|| Failure::new("debian-root: not made"))?;
    let of_root = Inputs::recipe(&[architecture]).directory(root)?;
    let root = cache.entry(&format!("bench-root-{architecture}"), &of_root, |dir| {
        root_layers(root, dir, architecture)
    })?;
    let size = mb.to_string();
    let count: u64 = if mb > 100 { 6 } else { 2 };
    let inputs = Inputs::recipe(&[architecture, &size, "splitmix64", "usr/share"]);
    let filler = cache.entry(&format!("bench-layers-{mb}-{architecture}"), &inputs, |dir| {
        let seed = u64::try_from(architecture.len()).unwrap_or_default() << 32;
        (0..count)
            .try_for_each(|i| filler(dir, seed + i, mb.saturating_sub(ROOT) * 1_000_000 / count))
    })?;
    let mut layers = files(&root)?;
    layers.extend(files(&filler)?);
    Ok(layers)
}

/// A layer with nothing but a program.
pub(super) fn program_layer(dir: &Path, program: &Path) -> Result<PathBuf, Failure> {
    let file = dir.join("tree").join(PATH);
    if let Some(parent) = file.parent() {
        fs::create_dir_all(parent).map_err(Failure::at(parent))?;
    }
    fs::copy(program, &file).map_err(Failure::at(program))?;
    pack(dir, "layer.tar")
}

/// The layers of the Debian root with a file of the architecture's own in each.
fn root_layers(root: &Path, dir: &Path, architecture: &str) -> Result<(), Failure> {
    let list = root.join("layers.json");
    let list = fs::read(&list).map_err(Failure::at(&list))?;
    let list: Vec<serde_json::Value> = serde_json::from_slice(&list)
        .map_err(|error| Failure::new(format!("layers of the Debian root: {error}")))?;
    let own = dir.join("usr/share/bench-architecture");
    if let Some(parent) = own.parent() {
        fs::create_dir_all(parent).map_err(Failure::at(parent))?;
    }
    fs::write(&own, architecture).map_err(Failure::at(&own))?;
    for (i, layer) in list.iter().enumerate() {
        let digest = layer.get("digest").and_then(|digest| digest.as_str()).unwrap_or_default();
        let tar = dir.join(format!("{i}.tar"));
        Command::new("gzip")
            .args(["--decompress", "--stdout"])
            .args([root.join(digest)])
            .into_file(&tar)?;
        Command::new("tar")
            .args(["--append", "--numeric-owner", "--owner=0", "--group=0", "--mtime=@0", "--file"])
            .args([tar.as_os_str(), "--directory".as_ref(), dir.as_os_str()])
            .args(["usr/share/bench-architecture"])
            .quiet()?;
        gzip(&tar)?;
    }
    let own = dir.join("usr");
    fs::remove_dir_all(&own).map_err(Failure::at(&own))
}

/// A layer of about `size` bytes that no compressor makes smaller.
fn filler(dir: &Path, seed: u64, size: u64) -> Result<(), Failure> {
    let name = format!("usr/share/filler-{seed:x}");
    let tree = dir.join("tree").join(&name);
    fs::create_dir_all(&tree).map_err(Failure::at(&tree))?;
    let file = tree.join("data");
    let out = File::create(&file).map_err(Failure::at(&file))?;
    let mut out = BufWriter::new(out);
    let mut state = seed;
    for _ in 0..size / 8 {
        out.write_all(&splitmix64(&mut state).to_le_bytes()).map_err(Failure::at(&file))?;
    }
    out.flush().map_err(Failure::at(&file))?;
    pack(dir, &format!("{seed:x}.tar")).map(drop)
}

/// Packs and takes away `dir/tree`. Returns the layer.
fn pack(dir: &Path, name: &str) -> Result<PathBuf, Failure> {
    let (tar, tree) = (dir.join(name), dir.join("tree"));
    Command::new("tar")
        .args(["--create", "--numeric-owner", "--owner=0", "--group=0", "--mtime=@0"])
        .args(["--sort=name", "--mode=u=rwX,go=rX", "--file"])
        .args([tar.as_os_str(), "--directory".as_ref(), tree.as_os_str(), "usr".as_ref()])
        .quiet()?;
    fs::remove_dir_all(&tree).map_err(Failure::at(&tree))?;
    gzip(&tar)
}

fn gzip(tar: &Path) -> Result<PathBuf, Failure> {
    Command::new("gzip").args(["--fast", "--no-name", "--force"]).args([tar]).quiet()?;
    Ok(tar.with_extension("tar.gz"))
}

fn files(dir: &Path) -> Result<Vec<PathBuf>, Failure> {
    let entries = fs::read_dir(dir).map_err(Failure::at(dir))?;
    let mut files: Vec<PathBuf> = entries.filter_map(|entry| Some(entry.ok()?.path())).collect();
    files.sort();
    Ok(files)
}

/// Sebastiano Vigna's generator: as good as random for what compresses.
fn splitmix64(state: &mut u64) -> u64 {
    *state = state.wrapping_add(0x9e37_79b9_7f4a_7c15);
    let mut z = *state;
    z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    z ^ (z >> 31)
}

#[cfg(test)]
mod tests {
    use super::splitmix64;

    #[test]
    fn numbers_are_those_of_the_reference() {
        // The first values for seed 1234567, as the author's C program gives them.
        let mut state = 1_234_567;
        let first: Vec<u64> = (0..3).map(|_| splitmix64(&mut state)).collect();
        assert_eq!(
            first,
            [6_457_827_717_110_365_317, 3_203_168_211_198_807_973, 9_817_491_932_198_370_423]
        );
    }
}
