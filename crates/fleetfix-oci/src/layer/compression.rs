//! How a layer is compressed.

use std::num::NonZeroUsize;

use crate::Error;

/// A format that layers come in.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Algorithm {
    /// One gzip member (RFC 1952): what every registry and runtime reads.
    Gzip,
    /// Zstandard frames, one after the other (RFC 8878). Only the OCI family has a media type.
    Zstd,
    /// The plain archive.
    None,
}

impl Algorithm {
    /// Its name, as flags and messages have it.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Gzip => "gzip",
            Self::Zstd => "zstd",
            Self::None => "none",
        }
    }

    /// The levels that it has, and the default one.
    const fn levels(self) -> (std::ops::RangeInclusive<u32>, u32) {
        match self {
            Self::Gzip => (1..=9, 2),
            // Above 19 a reader needs more memory than some have (zstd, `--ultra`).
            Self::Zstd => (1..=19, 3),
            Self::None => (0..=0, 0),
        }
    }
}

/// An algorithm and its level. The default is gzip at level 2: no larger than what crane and Go's
/// default writer of layers make, in a third of the time of level 6. Part of what a layer's digest
/// is a function of.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Compression {
    algorithm: Algorithm,
    level: u32,
}

impl Compression {
    /// `algorithm` at `level`, or at its default one.
    ///
    /// # Errors
    /// [`Error::Level`] if it has no such level.
    pub fn new(algorithm: Algorithm, level: Option<u32>) -> Result<Self, Error> {
        let (levels, default) = algorithm.levels();
        let level = level.unwrap_or(default);
        if levels.contains(&level) {
            return Ok(Self { algorithm, level });
        }
        let (name, (least, most)) = (algorithm.name(), levels.into_inner());
        Err(Error::Level { algorithm: name, level, least, most })
    }

    /// The algorithm.
    pub const fn algorithm(self) -> Algorithm {
        self.algorithm
    }

    /// The level; 0 where there is none.
    pub const fn level(self) -> u32 {
        self.level
    }
}

impl Default for Compression {
    fn default() -> Self {
        Self { algorithm: Algorithm::Gzip, level: 2 }
    }
}

/// More threads than this are not fed by one reading thread, and each costs memory.
const MOST_THREADS: NonZeroUsize = NonZeroUsize::MIN.saturating_add(7);

/// How to compress. The threads do not change the bytes, the compression does.
#[derive(Clone, Debug)]
pub struct Options {
    /// Algorithm and level.
    pub compression: Compression,
    /// Threads that compress.
    pub threads: NonZeroUsize,
}

impl Default for Options {
    /// The default compression on all cores, at most eight.
    fn default() -> Self {
        let threads = std::thread::available_parallelism().unwrap_or(NonZeroUsize::MIN);
        Self { compression: Compression::default(), threads: threads.min(MOST_THREADS) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn levels() {
        for (algorithm, good, bad) in [
            (Algorithm::Gzip, vec![None, Some(1), Some(9)], vec![Some(0), Some(10)]),
            (Algorithm::Zstd, vec![None, Some(1), Some(19)], vec![Some(0), Some(20)]),
            (Algorithm::None, vec![None, Some(0)], vec![Some(1)]),
        ] {
            for level in good {
                Compression::new(algorithm, level).unwrap();
            }
            for level in bad {
                assert!(matches!(Compression::new(algorithm, level), Err(Error::Level { .. })));
            }
        }
        assert_eq!(Compression::new(Algorithm::Gzip, None).unwrap(), Compression::default());
    }
}
