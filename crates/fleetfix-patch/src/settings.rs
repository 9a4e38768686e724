//! How to patch: what changes no path of an image.

use std::path::{Path, PathBuf};

use clap::ValueEnum;
use fleetfix_oci::edit::OtherManifests;
use fleetfix_oci::layer::{Algorithm, Compression, Options};
use fleetfix_oci::tree::LayerCache;
use fleetfix_registry::Documents;

use crate::Error;

/// How to patch.
#[derive(Clone, Debug, Default)]
pub struct Settings {
    /// How new layers are compressed.
    pub layer: Options,
    /// Where it is remembered what base layers hold; `None`: nowhere.
    pub cache: Option<LayerCache>,
    /// Where it is remembered how programs of bases are built; `None`: nowhere.
    pub programs: Option<PathBuf>,
    /// Where manifests and configurations of bases are remembered; `None`: nowhere.
    pub documents: Option<Documents>,
    /// What becomes of entries of an index that are no images.
    pub others: OtherManifests,
}

/// Compression of the new layer.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq, ValueEnum)]
pub enum CompressionName {
    /// What every registry and runtime reads
    #[default]
    Gzip,
    /// Smaller in less time; for OCI bases, registries and runtimes that read it
    Zstd,
    /// The plain archive
    None,
}

impl From<CompressionName> for Algorithm {
    fn from(name: CompressionName) -> Self {
        match name {
            CompressionName::Gzip => Self::Gzip,
            CompressionName::Zstd => Self::Zstd,
            CompressionName::None => Self::None,
        }
    }
}

/// What becomes of entries of an index that are no images.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq, ValueEnum)]
pub enum OtherManifestsName {
    /// They stay, but for those about an image as it was, such as its build attestation
    #[default]
    Keep,
    /// They go
    Drop,
    /// An index that has any is not patched
    Refuse,
}

impl From<OtherManifestsName> for OtherManifests {
    fn from(name: OtherManifestsName) -> Self {
        match name {
            OtherManifestsName::Keep => Self::Keep,
            OtherManifestsName::Drop => Self::Drop,
            OtherManifestsName::Refuse => Self::Refuse,
        }
    }
}

/// The flags of [`Settings`].
#[derive(Clone, Debug, Default, clap::Args)]
pub struct SettingsArgs {
    /// Compression of the new layer
    #[arg(
        long,
        value_enum,
        value_name = "NAME",
        env = "FLEETFIX_COMPRESSION",
        default_value = "gzip"
    )]
    pub compression: CompressionName,
    /// Level of the compression: gzip 1 to 9 [default: 2], zstd 1 to 19 [default: 3]. Of a Go program
    /// gzip 2 leaves 33 %, gzip 6 leaves 30 % in 1.6 times the work, zstd 3 leaves 28 % in 0.7 times
    /// the work; more in docs/patch.md
    #[arg(long, value_name = "N", env = "FLEETFIX_COMPRESSION_LEVEL")]
    pub compression_level: Option<u32>,
    /// Where to remember manifests, configurations and what layers hold of bases, so that they are
    /// read once
    /// [default: `$XDG_CACHE_HOME/fleetfix`]
    #[arg(long, value_name = "DIR", env = "FLEETFIX_CACHE_DIR")]
    pub cache_dir: Option<PathBuf>,
    /// What becomes of entries of the base's index that are no images
    #[arg(
        long,
        value_enum,
        value_name = "WHAT",
        env = "FLEETFIX_OTHER_MANIFESTS",
        default_value = "keep"
    )]
    pub other_manifests: OtherManifestsName,
}

impl SettingsArgs {
    /// What the flags say.
    pub fn settings(&self) -> Result<Settings, Error> {
        let compression = Compression::new(self.compression.into(), self.compression_level);
        let compression = compression.map_err(|source| Error::Compression { source })?;
        let cache = self.cache_dir.clone().or_else(default_cache);
        Ok(Settings {
            layer: Options { compression, ..Options::default() },
            cache: cache.as_deref().map(LayerCache::new),
            documents: cache.as_deref().map(Documents::new),
            programs: cache,
            others: self.other_manifests.into(),
        })
    }
}

/// The user's directory for what can be made again (XDG Base Directory Specification 0.8). Relative
/// ones are invalid there. `None`: there is no user.
fn default_cache() -> Option<PathBuf> {
    let absolute = |name: &str| {
        let dir = PathBuf::from(std::env::var_os(name)?);
        Path::is_absolute(&dir).then_some(dir)
    };
    let home = || absolute("HOME").map(|home| home.join(".cache"));
    Some(absolute("XDG_CACHE_HOME").or_else(home)?.join("fleetfix"))
}
