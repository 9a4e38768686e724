//! How the product compresses the new layer: one axis of the work, and the table that the
//! documentation of `fleetfix-patch` has of it.

use std::fmt::Write as _;

use super::case::Case;
use super::contender::Contender;
use super::sample::{CPU, LAYER, PEAK, Samples, WALL};

/// An algorithm and its level, as the product's flags name them. `None`: it has no levels.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) struct Compression {
    pub(super) algorithm: &'static str,
    pub(super) level: Option<u32>,
}

/// The cases: around the defaults, gzip 2 and zstd 3, as far as the levels that others use.
pub(super) const COMPRESSIONS: [Compression; 9] = [
    Compression { algorithm: "gzip", level: Some(1) },
    Compression { algorithm: "gzip", level: Some(2) },
    Compression { algorithm: "gzip", level: Some(3) },
    Compression { algorithm: "gzip", level: Some(6) },
    Compression { algorithm: "gzip", level: Some(9) },
    Compression { algorithm: "zstd", level: Some(1) },
    Compression { algorithm: "zstd", level: Some(3) },
    Compression { algorithm: "zstd", level: Some(9) },
    Compression { algorithm: "none", level: None },
];

impl Compression {
    /// Name of the case.
    pub(super) fn case(self) -> String {
        match self.level {
            Some(level) => format!("compression-{}-{level}", self.algorithm),
            None => format!("compression-{}", self.algorithm),
        }
    }

    /// The product's flags.
    pub(super) fn flags(self) -> Vec<String> {
        let level = self.level.map(|level| ["--compression-level".to_owned(), level.to_string()]);
        let algorithm = ["--compression".to_owned(), self.algorithm.to_owned()];
        algorithm.into_iter().chain(level.into_iter().flatten()).collect()
    }
}

const HEAD: &str = "
## Compression

Of the product, with the base's metadata cached; CPU and wall of the whole run, layers of one architecture.

| compression | level | layer MB | of the file | CPU s | wall s | peak MiB |
|---|--:|--:|--:|--:|--:|--:|
";

/// The table over all cases that vary the compression; empty if none was measured.
pub(super) fn table(cases: &[Case], samples: &Samples) -> String {
    let mut text = String::new();
    for case in cases {
        let Some(Compression { algorithm, level }) = case.compression else { continue };
        let median = |what| samples.median(case, Contender::Product, what);
        let (Some(layer), Some(cpu), Some(wall), Some(peak)) =
            (median(LAYER), median(CPU), median(WALL), median(PEAK))
        else {
            continue;
        };
        if text.is_empty() {
            text.push_str(HEAD);
        }
        let level = level.map(|level| level.to_string()).unwrap_or_default();
        let file = u32::try_from(case.file).map_or(f64::MAX, f64::from) * 1e6;
        let _ = writeln!(
            text,
            "| {algorithm} | {level} | {:.1} | {:.1} % | {cpu:.1} | {wall:.1} | {:.0} |",
            layer / 1e6,
            100.0 * layer / file,
            peak / 1_048_576.0,
        );
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::bench::patch::options::Options;
    use crate::bench::patch::registry::Traffic;
    use crate::bench::patch::sample::Sample;
    use crate::bench::process::Measured;

    #[test]
    fn the_table_has_a_row_for_each_that_was_measured() {
        let cases = Case::all(&Options::parse(&[]).unwrap());
        assert_eq!(table(&cases, &Samples::default()), "");
        let sample = |compression: Compression, round, wall| Sample {
            case: compression.case(),
            contender: Contender::Product,
            round,
            measured: Measured { wall, cpu: 2.0 * wall, peak: 24 << 20 },
            traffic: Traffic::default(),
            layer: 43.0e6,
            load: 0.0,
        };
        let [_, gzip, .., none] = COMPRESSIONS;
        let samples =
            Samples(vec![sample(none, 1, 1.0), sample(gzip, 1, 2.0), sample(gzip, 2, 3.0)]);
        let text = table(&cases, &samples);
        let rows: Vec<&str> = text.lines().filter(|line| line.contains('%')).collect();
        assert_eq!(
            rows,
            [
                "| gzip | 2 | 43.0 | 33.3 % | 5.0 | 2.5 | 24 |",
                "| none |  | 43.0 | 33.3 % | 2.0 | 1.0 | 24 |",
            ]
        );
    }

    #[test]
    fn flags_are_the_products() {
        assert_eq!(COMPRESSIONS[5].flags(), ["--compression", "zstd", "--compression-level", "1"]);
        assert_eq!(COMPRESSIONS[8].flags(), ["--compression", "none"]);
    }
}
